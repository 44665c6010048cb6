//! Owns the settings: one typed section for each table of `config.toml`. Each module of the daemon gets only its
//! own section. Never reads a clock or a socket.
//!
//! Values are parsed, not validated later: each `Settings` value is consistent.
//!
//! Each setting is described once, in `sections` or `limits`; `key` generates the rest from the descriptions.
//! [`load`] reads the settings: it merges defaults, file, environment and flags (`layers`), reads each value
//! strictly (`kinds`, `texts`), and checks the rules between settings last (`checks`).

mod checks;
mod cluster;
mod key;
mod kinds;
mod layers;
mod level;
mod limits;
mod load;
mod masked;
mod problem;
mod reader;
mod rules;
mod secrets;
mod sections;
mod show;
mod texts;
mod units;

#[cfg(test)]
mod tests;

pub use crate::auth::AuthMode;
pub use cluster::{ClusterNode, NatsLogin, StreamName, StreamNameError};
pub(crate) use key::needs_restart;
pub use key::{reference, table};
pub use layers::Environment;
pub use level::{LevelError, parse_level, unknown_targets};
pub use limits::Limits;
pub use load::{Inputs, Loaded, SYSTEM_FILE, load};
pub use problem::{Origin, Problem, Problems};
pub use rules::differing_keys;
pub use secrets::Secret;
#[cfg(feature = "cluster")]
pub(crate) use secrets::nats_password;
pub use sections::{
    Admin, Auth, Cluster, History, Http, Listen, Log, Metrics, Rooms, Sessions, Shutdown, Tls, Web,
};
pub(crate) use texts::certificate_name;

use key::{Key, Section};
use reader::SettingsReader;
use std::path::{Path, PathBuf};
use tcp_chat_protocol::Name;

/// Defines the struct of all sections.
macro_rules! settings {
    ($($section:ident: $Section:ident,)+) => {
        /// All settings. Relative paths in them are resolved.
        #[derive(Debug, Clone, PartialEq, Eq, Default)]
        pub struct Settings {
            $( #[doc = concat!("`[", stringify!($section), "]`")] pub $section: $Section, )+
        }

        impl Settings {
            /// All settings, compared with `other`, in the order of `config.toml`.
            fn keys(&self, other: &Self) -> Vec<Key> {
                let mut all = Vec::new();
                $( self.$section.keys(&other.$section, &mut all); )+
                all
            }

            /// Reads all sections. The result is valid only if there is no problem.
            fn read(reader: &mut SettingsReader<'_>) -> Self {
                Self { $( $section: $Section::read(reader), )+ }
            }
        }
    };
}

settings! {
    listen: Listen,
    tls: Tls,
    auth: Auth,
    rooms: Rooms,
    sessions: Sessions,
    history: History,
    limits: Limits,
    log: Log,
    admin: Admin,
    metrics: Metrics,
    http: Http,
    web: Web,
    cluster: Cluster,
    shutdown: Shutdown,
}

/// Open files beyond `limits.connections`: the store, its readers, the log, the sockets.
pub const OTHER_FILES: u64 = 64;

/// Whether TLS asks clients for a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ClientAuth {
    /// No.
    #[default]
    Off,
    /// A client may show one.
    Optional,
    /// A client without one is refused.
    Required,
}

impl ClientAuth {
    const WORDS: &[(&str, Self)] =
        &[("off", Self::Off), ("optional", Self::Optional), ("required", Self::Required)];
}

impl AuthMode {
    const WORDS: &[(&str, Self)] =
        &[("open", Self::Open), ("password", Self::Password), ("accounts", Self::Accounts)];
}

/// The bound of the history with its search index, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MaxBytes {
    /// Half of the free space on the disk at the first start.
    HalfOfDisk,
    /// No bound.
    Unlimited,
    /// This many bytes.
    Bytes(u64),
}

/// The faults that an acknowledged message survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// A crash of the process.
    Crash,
    /// Also a power cut.
    Power,
}

impl Durability {
    const WORDS: &[(&str, Self)] = &[("crash", Self::Crash), ("power", Self::Power)];
}

/// The format of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// journald under systemd, pretty on a terminal, JSON otherwise.
    Auto,
    /// Text for people.
    Pretty,
    /// One JSON object per line.
    Json,
    /// The fields of the journal.
    Journald,
}

impl LogFormat {
    const WORDS: &[(&str, Self)] =
        &[("auto", Self::Auto), ("pretty", Self::Pretty), ("json", Self::Json), ("journald", Self::Journald)];
}

impl Settings {
    /// The keys whose values differ in `other`, in the order of `config.toml`. The content of a secret file
    /// belongs to the value.
    #[must_use]
    pub fn changed_keys(&self, other: &Self) -> Vec<&'static str> {
        self.keys(other).iter().filter(|key| key.differs).map(|key| key.name).collect()
    }

    /// The path of the control socket: the configured one, otherwise beside the store. `None`: the store is in
    /// memory, and no path is configured.
    #[must_use]
    pub fn control_socket(&self) -> Option<PathBuf> {
        self.admin.socket.clone().or_else(|| {
            let store = self.history.path.as_ref()?;
            Some(store.with_file_name("control.sock"))
        })
    }
}

impl Tls {
    /// The operator's own pair: the files of the chain and the key.
    #[must_use]
    pub fn operator_pair(&self) -> Option<(&Path, &Path)> {
        self.certificate.as_deref().zip(self.key.as_deref())
    }
}

impl Web {
    /// TLS settings that contain only the page's own pair, and the TLS versions of `tls`. `None`: no pair is set.
    #[must_use]
    pub fn tls(&self, tls: &Tls) -> Option<Tls> {
        let (certificate, key) = (self.certificate.clone()?, self.key.clone()?);
        Some(Tls {
            certificate: Some(certificate),
            key: Some(key),
            allow_1_2: tls.allow_1_2,
            ..Tls::default()
        })
    }
}

impl Auth {
    /// The hash of the shared password, in PHC form.
    #[must_use]
    pub fn password_hash(&self) -> Option<&str> {
        self.password_file.as_ref()?.content.as_deref()
    }
}

impl Http {
    /// The rooms that the daemon opens for the webhook. Without an address there is no webhook, so it opens none.
    #[must_use]
    pub fn open_rooms(&self) -> &[Name] {
        if self.address.is_some() { &self.rooms } else { &[] }
    }
}
