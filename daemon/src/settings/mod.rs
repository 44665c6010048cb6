//! Owns what can be set: one typed section for each table of `config.toml`. Every room of the
//! daemon is handed its own section and never sees the others. Never reads a clock or a socket.
//!
//! The values here are parsed, not validated later: a `Settings` that exists makes sense.
//!
//! Each setting is described once, in `sections` or `limits`; `key` says what is made of the descriptions. [`load`]
//! reads the settings: defaults, file, environment and flags are laid over each other (`layers`), each value is read
//! strictly (`kinds`, `texts`), and what they mean together is checked at the end (`checks`).

mod checks;
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
pub(crate) use key::needs_restart;
pub use key::{reference, table};
pub use layers::Environment;
pub use level::{LevelError, parse_level, unknown_targets};
pub use limits::Limits;
pub use load::{Inputs, Loaded, SYSTEM_FILE, load};
pub use problem::{Origin, Problem, Problems};
pub use secrets::Secret;
pub use sections::{Admin, Auth, History, Http, Listen, Log, Metrics, Rooms, Sessions, Shutdown, Tls, Web};
pub(crate) use texts::certificate_name;

use key::{Key, Section};
use reader::Reader;
use std::path::{Path, PathBuf};
use tcp_chat_protocol::Name;

/// Makes the struct of all sections.
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

            /// Reads all sections. The result counts only if no problem was noted.
            fn read(reader: &mut Reader<'_>) -> Self {
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
    shutdown: Shutdown,
}

/// Files that are open beside `limits.connections`: the store, its readers, the log, the sockets.
pub const OTHER_FILES: u64 = 64;

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

impl ClientAuth {
    const WORDS: &[(&str, Self)] =
        &[("off", Self::Off), ("optional", Self::Optional), ("required", Self::Required)];
}

impl AuthMode {
    const WORDS: &[(&str, Self)] =
        &[("open", Self::Open), ("password", Self::Password), ("accounts", Self::Accounts)];
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

impl Durability {
    const WORDS: &[(&str, Self)] = &[("crash", Self::Crash), ("power", Self::Power)];
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

impl LogFormat {
    const WORDS: &[(&str, Self)] =
        &[("auto", Self::Auto), ("pretty", Self::Pretty), ("json", Self::Json), ("journald", Self::Journald)];
}

impl Settings {
    /// The keys whose values differ in `other`, in the order of `config.toml`. The content of a file with a secret is a
    /// part of the value.
    #[must_use]
    pub fn changed_keys(&self, other: &Self) -> Vec<&'static str> {
        self.keys(other).iter().filter(|key| key.differs).map(|key| key.name).collect()
    }

    /// Where the control socket is: where the settings say, else beside the store, else nowhere.
    #[must_use]
    pub fn control_socket(&self) -> Option<PathBuf> {
        self.admin.socket.clone().or_else(|| {
            let store = self.history.path.as_ref()?;
            Some(store.with_file_name("control.sock"))
        })
    }
}

impl Tls {
    /// An operator's own pair: the files with the chain and the key.
    #[must_use]
    pub fn own(&self) -> Option<(&Path, &Path)> {
        self.certificate.as_deref().zip(self.key.as_deref())
    }
}

impl Web {
    /// The page's own pair, as settings for TLS that offer it and nothing else. `tls` says which versions are spoken.
    /// `None`: no pair is set.
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
    /// The rooms that the daemon opens for machines. Without an address no machine can post, so it opens none.
    #[must_use]
    pub fn open_rooms(&self) -> &[Name] {
        if self.address.is_some() { &self.rooms } else { &[] }
    }
}
