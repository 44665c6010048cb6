//! Owns what can be set: one typed section for each table of `config.toml`. Every room of the
//! daemon is handed its own section and never sees the others. Never reads a clock or a socket.
//!
//! The values here are parsed, not validated later: a `Settings` that exists makes sense.
//!
//! [`load`] reads them: defaults, file, environment and flags are laid over each other
//! (`layers`), each value is read strictly (`values`), and its meaning and bounds are in
//! `sections`. `show` has the keys and turns settings into TOML again.

mod access;
mod defaults;
mod layers;
mod level;
mod load;
mod masked;
mod paths;
mod problem;
mod rules;
mod sections;
mod show;
mod units;
mod values;
mod watched;

#[cfg(test)]
mod tests;

pub use crate::auth::AuthMode;
pub use layers::Environment;
pub use level::{LevelError, parse_level, unknown_targets};
pub use load::{Inputs, Loaded, SYSTEM_FILE, load};
pub use problem::{Origin, Problem, Problems};
pub(crate) use sections::certificate_name;
pub use watched::{Http, Metrics};

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use tcp_chat_protocol::Name;

/// `config.toml` of the repository: every setting, commented, with its default.
pub const REFERENCE: &str = include_str!("../../../config.toml");

/// All settings, with where the relative paths in them start already resolved.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settings {
    /// `[listen]`
    pub listen: Listen,
    /// `[tls]`
    pub tls: Tls,
    /// `[auth]`
    pub auth: Auth,
    /// `[rooms]`
    pub rooms: Rooms,
    /// `[sessions]`
    pub sessions: Sessions,
    /// `[history]`
    pub history: History,
    /// `[limits]`
    pub limits: Limits,
    /// `[log]`
    pub log: Log,
    /// `[admin]`
    pub admin: Admin,
    /// `[metrics]`
    pub metrics: Metrics,
    /// `[http]`
    pub http: Http,
    /// `[shutdown]`
    pub shutdown: Shutdown,
}

/// Files that are open beside `limits.connections`: the store, its readers, the log, the sockets.
pub const OTHER_FILES: u64 = 64;

/// Where to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen {
    /// The addresses; at least one.
    pub address: Vec<SocketAddr>,
}

/// The certificates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// Where the own CA and its certificate lie, or are made.
    pub dir: PathBuf,
    /// Further names and addresses for the own certificate.
    pub names: Vec<String>,
    /// An operator's own pair: certificate chain and key.
    pub own: Option<(PathBuf, PathBuf)>,
    /// Is TLS 1.2 allowed too?
    pub allow_1_2: bool,
    /// Are clients asked for a certificate?
    pub client_auth: ClientAuth,
    /// The CAs of client certificates; `None`: the own one.
    pub client_ca: Option<PathBuf>,
}

/// Are clients asked for a certificate?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ClientAuth {
    /// No.
    #[default]
    Off,
    /// Who has one may show it.
    Optional,
    /// Who has none does not get in.
    Required,
}

/// Who may come in, and how it is checked.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Auth {
    /// Who.
    pub mode: AuthMode,
    /// With a password: where its hash is kept.
    pub password_file: Option<PathBuf>,
    /// With a password: its Argon2id hash in PHC form, read from `auth.password_file`.
    pub password_hash: Option<String>,
}

/// Rooms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rooms {
    /// The rooms that a login enters unless it says otherwise; the first takes the bare `MSG`.
    pub default: Vec<Name>,
    /// May users open new rooms?
    pub create: bool,
    /// The largest room in which presence is announced, in members.
    pub presence_limit: usize,
}

/// Sessions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sessions {
    /// How long a session outlives its connection.
    pub ttl: Duration,
}

/// The log of messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    /// The store; `None`: in memory, nothing is kept (`":memory:"`).
    pub path: Option<PathBuf>,
    /// Is every turn synced to the disk?
    pub durability: Durability,
    /// How long messages are kept; `None`: for ever.
    pub retain: Option<Duration>,
    /// How many messages are kept; `None`: all.
    pub retain_messages: Option<u64>,
    /// How many bytes they may take.
    pub max_bytes: MaxBytes,
}

/// How many bytes the history may take, with its search index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MaxBytes {
    /// Half of what is free on the disk at the first start.
    HalfOfDisk,
    /// All that there are.
    Unlimited,
    /// So many.
    Bytes(u64),
}

/// What an acknowledged message survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// The death of the process.
    Crash,
    /// A power cut, too.
    Power,
}

/// Limits. Bytes are bytes, a rate or count of 0 is no limit where its comment says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Connections at once; 0: no limit.
    pub connections: usize,
    /// Connections at once from one address; 0: no limit.
    pub connections_per_address: usize,
    /// TLS handshakes under way at once; 0: no limit.
    pub handshakes: usize,
    /// Handshakes a second that one address may begin in the long run; 0: no limit.
    pub handshakes_per_second: u32,
    /// The longest line that is taken, in bytes.
    pub line_bytes: usize,
    /// The longest text, in bytes of UTF-8.
    pub msg_bytes: usize,
    /// What may wait unread for one connection, in bytes.
    pub outbox_bytes: usize,
    /// Requests a second that one session may make in the long run; 0: no limit.
    pub messages_per_second: u32,
    /// Requests that it may make at once before the rate counts.
    pub burst: u32,
    /// Bytes a second that one session may send in the long run; 0: no limit.
    pub bytes_per_second: usize,
    /// Bytes that it may send at once before that rate counts.
    pub burst_bytes: usize,
    /// Users a minute whom one session may write to first; 0: no limit.
    pub strangers_per_minute: u32,
    /// Errors in a row before the connection is closed; 0: no limit.
    pub errors: u32,
    /// For the TLS handshake.
    pub handshake: Duration,
    /// From the handshake to a LOGIN.
    pub login: Duration,
    /// How long a reader may take nothing at all.
    pub stall: Duration,
    /// Sessions, connected or away; 0: no limit.
    pub sessions: usize,
    /// Sessions of one registered user; 0: no limit.
    pub sessions_per_user: usize,
    /// Rooms; 0: no limit.
    pub rooms: usize,
    /// Rooms that one session may be in; 0: no limit.
    pub rooms_per_session: usize,
    /// Rooms that names without an owner may have opened from one network; 0: no limit.
    pub rooms_per_network: usize,
    /// Bytes a second from one network; 0: no limit.
    pub network_bytes_per_second: usize,
    /// Bytes from one network at once.
    pub network_burst_bytes: usize,
    /// Bytes that names without an owner may have stored from one network in a day; 0: no limit.
    pub stored_bytes_per_network: usize,
}

/// Logging.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// A level, or several with their targets, as [`parse_level`] reads it.
    pub level: String,
    /// How it is written.
    pub format: LogFormat,
}

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// journald under systemd, pretty on a terminal, JSON otherwise.
    Auto,
    /// For people.
    Pretty,
    /// One JSON object a line.
    Json,
    /// The journal's own fields.
    Journald,
}

/// The control socket.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Admin {
    /// Where; `None`: beside the store, and nowhere if that is in memory.
    pub socket: Option<PathBuf>,
}

/// The end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shutdown {
    /// How long connections may take to be told and flushed.
    pub grace: Duration,
}

impl Settings {
    /// Where the control socket is: where the settings say, else beside the store, else nowhere.
    #[must_use]
    pub fn control_socket(&self) -> Option<PathBuf> {
        self.admin.socket.clone().or_else(|| {
            let store = self.history.path.as_ref()?;
            Some(store.with_file_name("control.sock"))
        })
    }

    /// The keys whose values differ in `other`, in the order of `config.toml`. The content of
    /// `auth.password_file` counts as its value, and so does that of `http.token_file`.
    #[must_use]
    pub fn changed_keys(&self, other: &Self) -> Vec<&'static str> {
        let before = show::entries(self);
        let after = show::entries(other);
        let hash_changed = self.auth.password_hash != other.auth.password_hash;
        let token_changed = self.http.token != other.http.token;
        std::iter::zip(before, after)
            .filter(|(b, a)| {
                b.1 != a.1
                    || (hash_changed && b.0 == "auth.password_file")
                    || (token_changed && b.0 == "http.token_file")
            })
            .map(|(before, _)| before.0)
            .collect()
    }
}

impl std::fmt::Debug for Auth {
    /// The hash is a secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let hash = self.password_hash.as_ref().map(|_| "…");
        let Self { mode, password_file, password_hash: _ } = self;
        f.debug_struct("Auth")
            .field("mode", mode)
            .field("password_file", password_file)
            .field("password_hash", &hash)
            .finish()
    }
}
