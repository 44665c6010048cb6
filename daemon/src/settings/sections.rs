//! Owns what the values mean: every key's bounds, and what does not go together. Notes all
//! problems and goes on with the default, so that one run shows them all. Reads no file.

use super::layers::Environment;
use super::values::Values;
use super::{
    Admin, Durability, History, Limits, Listen, Log, LogFormat, MaxBytes, Rooms, Sessions, Settings,
    Shutdown, Tls,
};
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;
use tcp_chat_protocol::Name;

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);
/// More than a machine has: bounds typing errors, not use.
const MANY: u64 = 10_000_000;
const MIB: u64 = 1 << 20;
/// The longest path of a Unix socket that Linux takes, in bytes.
const SOCKET_PATH_BYTES: usize = 107;

/// Turns values into settings.
pub(super) struct Reader<'a> {
    pub(super) values: Values,
    pub(super) environment: &'a Environment,
    /// What relative paths are relative to.
    pub(super) base: &'a Path,
    /// A file could not be read for lack of permission.
    pub(super) permission: bool,
}

impl Reader<'_> {
    /// All sections. The result counts only if no problem was noted.
    pub(super) fn settings(&mut self) -> Settings {
        let limits = self.limits();
        let settings = Settings {
            listen: self.listen(),
            tls: self.tls(),
            auth: self.auth(),
            rooms: self.rooms(&limits),
            sessions: self.sessions(),
            history: self.history(),
            limits,
            log: self.log(),
            admin: self.admin(),
            metrics: self.metrics(),
            http: self.http(),
            shutdown: self.shutdown(),
        };
        self.rooms_differ(&settings);
        settings
    }

    fn listen(&mut self) -> Listen {
        const KEY: &str = "listen.address";
        let mut address = Vec::new();
        for text in self.values.list(KEY).unwrap_or_default() {
            match text.parse::<SocketAddr>() {
                Ok(parsed) => address.push(parsed),
                Err(_) => self.values.refuse(
                    KEY,
                    format!(
                        "{text:?} is no address with a port; write \"127.0.0.1:3000\", \"0.0.0.0:3000\" for \
                         every IPv4 address of this host, or \"[::]:3000\" for IPv6 too"
                    ),
                ),
            }
        }
        if let Some(port) = self.environment.port() {
            // A flag is nearer to the person than the platform is.
            if self.values.layers.origin(KEY) != super::Origin::Flag {
                match port.parse::<u16>() {
                    Ok(port) => address.iter_mut().for_each(|address| address.set_port(port)),
                    Err(_) => self.values.layers.problems.push(super::Problem {
                        place: "environment variable PORT".to_owned(),
                        key: KEY.to_owned(),
                        reason: format!("{port:?} is no port: 0 to 65535"),
                        excerpt: None,
                    }),
                }
            }
        }
        let twice = address.iter().enumerate().find(|(i, a)| a.port() != 0 && address[..*i].contains(a));
        if let Some((_, twice)) = twice {
            self.values.refuse(KEY, format!("{twice} is in it twice"));
        } else if address.is_empty() && self.values.list(KEY).is_some_and(|list| list.is_empty()) {
            self.values.refuse(KEY, "the list is empty; name at least one address");
        }
        Listen { address }
    }

    fn tls(&mut self) -> Tls {
        let defaults = Tls::default();
        let dir = self.path("tls.dir").unwrap_or(defaults.dir);
        let mut names = Vec::new();
        for text in self.values.list("tls.names").unwrap_or_default() {
            match certificate_name(&text) {
                Some(name) if names.contains(&name) => {}
                Some(name) => names.push(name),
                None => self.values.refuse(
                    "tls.names",
                    format!(
                        "{text:?} is neither a host name nor an IP address; write it as clients dial it, \
                         without a port, and other scripts in their xn-- form"
                    ),
                ),
            }
        }
        let own = match (self.path("tls.certificate"), self.path("tls.key")) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (Some(_), None) if !self.values.is_set("tls.key") => {
                self.values.refuse("tls.certificate", "it needs tls.key beside it: the file with its key");
                None
            }
            (None, Some(_)) if !self.values.is_set("tls.certificate") => {
                self.values.refuse("tls.key", "it needs tls.certificate beside it: the file with its chain");
                None
            }
            _ => None,
        };
        if own.is_some() && !names.is_empty() {
            let reason = "names are for the daemon's own certificate, and tls.certificate replaces that; \
                          remove one of the two";
            self.values.refuse("tls.names", reason);
        }
        let allow_1_2 = self.values.choice("tls.min_version", &[("1.3", false), ("1.2", true)]);
        let (client_auth, client_ca) = self.client_auth(own.is_some());
        Tls { dir, names, own, allow_1_2: allow_1_2.unwrap_or(defaults.allow_1_2), client_auth, client_ca }
    }

    fn rooms(&mut self, limits: &Limits) -> Rooms {
        const KEY: &str = "rooms.default";
        let defaults = Rooms::default();
        let list = self.values.list(KEY);
        let default = self.room_names(KEY, list.as_deref().unwrap_or_default());
        if list.is_some_and(|list| list.is_empty()) {
            self.values.refuse(KEY, "the list is empty; name at least the room that a login enters");
        }
        for (key, limit) in
            [("limits.rooms", limits.rooms), ("limits.rooms_per_session", limits.rooms_per_session)]
        {
            if limit != 0 && default.len() > limit {
                let reason = format!("{limit} is less than the {} rooms of rooms.default", default.len());
                self.values.refuse(key, reason);
            }
        }
        Rooms {
            default,
            create: self.values.flag("rooms.create").unwrap_or(defaults.create),
            presence_limit: self
                .values
                .number("rooms.presence_limit", 0..=MANY)
                .unwrap_or(defaults.presence_limit),
        }
    }

    /// Rooms, each once.
    pub(super) fn room_names(&mut self, key: &str, list: &[String]) -> Vec<Name> {
        let mut rooms: Vec<Name> = Vec::new();
        for text in list {
            match Name::parse(text) {
                Ok(name) => match rooms.iter().find(|other| other.looks_like(&name)) {
                    Some(other) if other.key() == name.key() => {
                        self.values.refuse(key, format!("{text:?} is in it twice"));
                    }
                    Some(other) => {
                        let why = format!("{text:?} looks like {other}, which is in it too: rename one");
                        self.values.refuse(key, why);
                    }
                    None => rooms.push(name),
                },
                Err(e) => self.values.refuse(key, format!("{text:?} is no room: {e}")),
            }
        }
        rooms
    }

    fn sessions(&mut self) -> Sessions {
        let ttl = self.values.duration("sessions.ttl", Duration::ZERO..=30 * DAY);
        Sessions { ttl: ttl.unwrap_or(Sessions::default().ttl) }
    }

    fn history(&mut self) -> History {
        let defaults = History::default();
        let path = match self.values.text("history.path").as_deref() {
            Some(":memory:") | None => None,
            Some(_) => self.path("history.path"),
        };
        let durability = [("crash", Durability::Crash), ("power", Durability::Power)];
        let retain = self.values.duration("history.retain", Duration::ZERO..=36_500 * DAY);
        let messages = self.values.count("history.retain_messages", 0..=u64::from(u32::MAX));
        let max_bytes = match self.values.size("history.max_bytes", 0..=1 << 53) {
            None => MaxBytes::HalfOfDisk,
            Some(0) => MaxBytes::Unlimited,
            Some(bytes) if (bytes as u64) < MIB => {
                let reason = "it is less than 1 MiB, which an empty store may take; 0: no bound";
                self.values.refuse("history.max_bytes", reason);
                MaxBytes::HalfOfDisk
            }
            Some(bytes) => MaxBytes::Bytes(bytes as u64),
        };
        History {
            path,
            durability: self.values.choice("history.durability", &durability).unwrap_or(defaults.durability),
            retain: retain.filter(|retain| !retain.is_zero()),
            retain_messages: messages.filter(|messages| *messages != 0),
            max_bytes,
        }
    }

    fn limits(&mut self) -> Limits {
        let d = Limits::default();
        let v = &mut self.values;
        let rate = |n: Option<u64>, default: u32| n.and_then(|n| u32::try_from(n).ok()).unwrap_or(default);
        let limits = Limits {
            connections: v.number("limits.connections", 0..=MANY).unwrap_or(d.connections),
            connections_per_address: v
                .number("limits.connections_per_address", 0..=MANY)
                .unwrap_or(d.connections_per_address),
            handshakes: v.number("limits.handshakes", 0..=MANY).unwrap_or(d.handshakes),
            handshakes_per_second: rate(
                v.count("limits.handshakes_per_second", 0..=MANY),
                d.handshakes_per_second,
            ),
            line_bytes: v.size("limits.line_bytes", 1024..=16 * MIB).unwrap_or(d.line_bytes),
            msg_bytes: v.size("limits.msg_bytes", 1..=8 * MIB).unwrap_or(d.msg_bytes),
            outbox_bytes: v.size("limits.outbox_bytes", 4096..=1024 * MIB).unwrap_or(d.outbox_bytes),
            messages_per_second: rate(v.count("limits.messages_per_second", 0..=MANY), d.messages_per_second),
            burst: rate(v.count("limits.burst", 1..=MANY), d.burst),
            bytes_per_second: v.size("limits.bytes_per_second", 0..=1024 * MIB).unwrap_or(d.bytes_per_second),
            burst_bytes: v.size("limits.burst_bytes", 1024..=1024 * MIB).unwrap_or(d.burst_bytes),
            strangers_per_minute: rate(
                v.count("limits.strangers_per_minute", 0..=MANY),
                d.strangers_per_minute,
            ),
            errors: rate(v.count("limits.errors", 0..=MANY), d.errors),
            handshake: v.duration("limits.handshake", SECOND / 10..=HOUR).unwrap_or(d.handshake),
            login: v.duration("limits.login", SECOND / 10..=HOUR).unwrap_or(d.login),
            stall: v.duration("limits.stall", SECOND / 10..=DAY).unwrap_or(d.stall),
            sessions: v.number("limits.sessions", 0..=MANY).unwrap_or(d.sessions),
            sessions_per_user: v.number("limits.sessions_per_user", 0..=MANY).unwrap_or(d.sessions_per_user),
            rooms: v.number("limits.rooms", 0..=MANY).unwrap_or(d.rooms),
            rooms_per_session: v.number("limits.rooms_per_session", 0..=MANY).unwrap_or(d.rooms_per_session),
            rooms_per_network: v.number("limits.rooms_per_network", 0..=MANY).unwrap_or(d.rooms_per_network),
            network_bytes_per_second: v
                .size("limits.network_bytes_per_second", 0..=16 * 1024 * MIB)
                .unwrap_or(d.network_bytes_per_second),
            network_burst_bytes: v
                .size("limits.network_burst_bytes", 1024..=16 * 1024 * MIB)
                .unwrap_or(d.network_burst_bytes),
            stored_bytes_per_network: v
                .size("limits.stored_bytes_per_network", 0..=1024 * 1024 * MIB)
                .unwrap_or(d.stored_bytes_per_network),
        };
        // The envelope around a text takes room in the line, too.
        if limits.msg_bytes + 256 > limits.line_bytes {
            let key = if v.is_set("limits.msg_bytes") { "limits.msg_bytes" } else { "limits.line_bytes" };
            let reason = format!(
                "a text of {} bytes would not fit a line of {}; leave at least 256 bytes around it",
                limits.msg_bytes, limits.line_bytes
            );
            v.refuse(key, reason);
        }
        limits
    }

    fn log(&mut self) -> Log {
        let defaults = Log::default();
        let level = self.values.text("log.level").unwrap_or(defaults.level);
        if let Err(e) = super::parse_level(&level) {
            self.values.refuse("log.level", e.to_string());
        }
        let formats = [
            ("auto", LogFormat::Auto),
            ("pretty", LogFormat::Pretty),
            ("json", LogFormat::Json),
            ("journald", LogFormat::Journald),
        ];
        Log { level, format: self.values.choice("log.format", &formats).unwrap_or(defaults.format) }
    }

    fn admin(&mut self) -> Admin {
        let socket = self.path("admin.socket");
        let length = socket.as_ref().map_or(0, |path| path.as_os_str().len());
        if length > SOCKET_PATH_BYTES {
            let reason =
                format!("a socket's path has at most {SOCKET_PATH_BYTES} bytes, and this one has {length}");
            self.values.refuse("admin.socket", reason);
        }
        Admin { socket }
    }

    fn shutdown(&mut self) -> Shutdown {
        let grace = self.values.duration("shutdown.grace", Duration::ZERO..=HOUR);
        Shutdown { grace: grace.unwrap_or(Shutdown::default().grace) }
    }
}

/// A name or an address for a certificate, in the form in which it is compared.
pub(crate) fn certificate_name(text: &str) -> Option<String> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(address.to_string());
    }
    let name = text.to_ascii_lowercase();
    let bare = name.strip_prefix("*.").unwrap_or(&name);
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    // A last label of digits is a mistyped address.
    let numeric = bare.rsplit('.').next().is_some_and(|l| l.chars().all(|c| c.is_ascii_digit()));
    (bare.len() <= 253 && !numeric && bare.split('.').all(label)).then_some(name)
}
