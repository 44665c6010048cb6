//! Owns the kinds of values that are texts: addresses, names, rooms, levels, paths, and the store with its
//! special words. Notes a problem and continues. Never checks rules between settings (`checks`), and reads no
//! file.

use super::cluster::{self, StreamName, StreamNameError};
use super::kinds::{self, Kind, MayShow, Size};
use super::reader::SettingsReader;
use super::{MaxBytes, parse_level};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use tcp_chat_page::{Scheme, Site};
use tcp_chat_protocol::Name;
use toml::Value;

const MIB: usize = 1 << 20;

/// A text that stands for a value.
pub(super) struct Text<T> {
    parse: fn(&str) -> Result<T, String>,
    allowed: &'static str,
}

impl<T: ToString> Kind<T> for Text<T> {
    fn read(&self, reader: &mut SettingsReader<'_>, key: &'static str) -> Option<T> {
        let value = (self.parse)(&reader.text(key)?);
        reader.value_or_note(key, value)
    }

    fn show(&self, value: &T) -> Option<Value> {
        Some(Value::String(value.to_string()))
    }

    fn allowed(&self) -> String {
        self.allowed.to_owned()
    }
}

/// A list of texts that stand for values. An invalid text is refused, and the others are read.
pub(super) struct List<T> {
    /// Reads a text; gets the values before it. `None`: the text adds no value.
    parse: fn(&str, &[T]) -> Result<Option<T>, String>,
    /// Whether a single value is shown without the brackets of a list.
    is_single: bool,
    allowed: &'static str,
}

impl<T: ToString> Kind<Vec<T>> for List<T> {
    fn read(&self, reader: &mut SettingsReader<'_>, key: &'static str) -> Option<Vec<T>> {
        let mut all = Vec::new();
        for text in reader.list(key)? {
            let value = (self.parse)(&text, &all);
            all.extend(reader.value_or_note(key, value).flatten());
        }
        Some(all)
    }

    fn show(&self, value: &Vec<T>) -> Option<Value> {
        let shown = |value: &T| Value::String(value.to_string());
        Some(match value.as_slice() {
            [one] if self.is_single => shown(one),
            many => Value::Array(many.iter().map(shown).collect()),
        })
    }

    fn allowed(&self) -> String {
        self.allowed.to_owned()
    }
}

/// The addresses to listen on.
pub(super) const LISTEN: List<SocketAddr> = List {
    parse: |text, _| {
        text.parse().map(Some).map_err(|_| {
            format!(
                "{text:?} is not an address with a port; write \"127.0.0.1:3000\", \"0.0.0.0:3000\" for every IPv4 \
                 address of this host, or \"[::]:3000\" for IPv6 too"
            )
        })
    },
    is_single: true,
    allowed: "an address with a port, or a list of them",
};

/// Names and addresses of the daemon's own certificate, each once.
pub(super) const CERTIFICATE_NAMES: List<String> = List {
    parse: |text, others| match certificate_name(text) {
        Some(name) => Ok(Some(name).filter(|name| !others.contains(name))),
        None => Err(format!(
            "{text:?} is neither a host name nor an IP address; write it as clients dial it, without a port, and \
             other scripts in their xn-- form"
        )),
    },
    is_single: false,
    allowed: "a list of host names and IP addresses",
};

/// Rooms, each once, and none that looks like another one.
pub(super) const ROOMS: List<Name> = List {
    parse: |text, others| {
        let name = Name::parse(text).map_err(|e| format!("{text:?} is not a room: {e}"))?;
        match others.iter().find(|other| other.looks_like(&name)) {
            Some(other) if other.key() == name.key() => Err(format!("{text:?} is in it twice")),
            Some(other) => Err(format!("{text:?} looks like {other}, which is in it too: rename one")),
            None => Ok(Some(name)),
        }
    },
    is_single: false,
    allowed: "a list of rooms",
};

/// The name of a user.
pub(super) const USER: Text<Name> = Text {
    parse: |text| Name::parse(text).map_err(|why| format!("{text:?} is not a name: {why}")),
    allowed: "a name",
};

/// A level in the form of [`parse_level`].
pub(super) const LEVEL: Text<String> = Text {
    parse: |text| parse_level(text).map(|_| text.to_owned()).map_err(|e| e.to_string()),
    allowed: "a level, or several with their targets",
};

/// A loopback address.
pub(super) const LOOPBACK: Text<SocketAddr> = Text {
    parse: |text| match text.parse::<SocketAddr>() {
        Ok(address) if address.ip().to_canonical().is_loopback() => Ok(address),
        Ok(_) => Err(format!(
            "{text} is reachable from other hosts, and this endpoint is not encrypted; write a loopback \
             address such as \"127.0.0.1:9464\", and let a TLS proxy serve it to other hosts"
        )),
        Err(_) => Err(format!("{text:?} is not an address with a port; write \"127.0.0.1:9464\"")),
    },
    allowed: "a loopback address with a port",
};

/// An address to listen on.
pub(super) const ADDRESS: Text<SocketAddr> = Text {
    parse: |text| {
        text.parse().map_err(|_| {
            format!("{text:?} is not an address with a port; write \"127.0.0.1:3443\", or \"0.0.0.0:3443\" for every IPv4 address")
        })
    },
    allowed: "an address with a port",
};

/// The names of the page's host, without duplicates.
pub(super) const WEB_NAMES: List<String> = List {
    parse: |text, others| match Site::new(Scheme::Https, [text], 443) {
        Ok(_) => Ok(Some(text.to_ascii_lowercase()).filter(|name| !others.contains(name))),
        Err(why) => Err(why.to_string()),
    },
    is_single: false,
    allowed: "a list of host names and IP addresses, with or without a port",
};

/// The servers of NATS, each once.
pub(super) const NATS: List<String> = List {
    parse: |text, others| {
        let server = cluster::nats_server(text)?;
        if others.contains(&server) { Err(format!("{text:?} is in it twice")) } else { Ok(Some(server)) }
    },
    is_single: true,
    allowed: "`\"tls://host:port\"`, or a list of them; `\"nats://host:port\"` on this host",
};

/// The name of a node.
pub(super) const NODE: Text<String> =
    Text { parse: cluster::node_name, allowed: "letters, digits, `-`, `_` and `.`" };

/// An address that clients are told.
pub(super) const CLIENT_ADDRESS: Text<String> =
    Text { parse: cluster::client_address, allowed: "a host with a port" };

/// The name of a stream.
pub(super) const STREAM: Text<StreamName> = Text {
    parse: |text| text.parse().map_err(|why: StreamNameError| format!("{text:?}: {why}")),
    allowed: "letters, digits, `-` and `_`",
};

/// A user of NATS.
pub(super) const NATS_USER: Text<String> = Text {
    parse: |text| if text.is_empty() { Err("it is empty".to_owned()) } else { Ok(text.to_owned()) },
    allowed: "a text",
};

/// A name or an address for a certificate, normalised for comparison.
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
    // If the last label is all digits, it is a mistyped address.
    let numeric = bare.rsplit('.').next().is_some_and(|l| l.chars().all(|c| c.is_ascii_digit()));
    (bare.len() <= 253 && !numeric && bare.split('.').all(label)).then_some(name)
}

/// A path. Relative ones start at the folder of the configuration file.
pub(super) struct FilePath(pub(super) MayShow);

impl<T: From<PathBuf> + AsRef<Path>> Kind<T> for FilePath {
    fn read(&self, reader: &mut SettingsReader<'_>, key: &'static str) -> Option<T> {
        reader.path(key).map(T::from)
    }

    fn show(&self, value: &T) -> Option<Value> {
        Some(Value::String(value.as_ref().display().to_string()))
    }

    fn allowed(&self) -> String {
        "a path".to_owned()
    }

    fn may_show(&self) -> MayShow {
        self.0
    }
}

/// The store: a path, or `None` for `":memory:"`.
pub(super) struct StorePath;

impl Kind<Option<PathBuf>> for StorePath {
    fn read(&self, reader: &mut SettingsReader<'_>, key: &'static str) -> Option<Option<PathBuf>> {
        let is_path = reader.text(key).is_some_and(|text| text != ":memory:");
        Some(if is_path { reader.path(key) } else { None })
    }

    fn show(&self, value: &Option<PathBuf>) -> Option<Value> {
        let path = value.as_ref().map(|path| path.display().to_string());
        Some(Value::String(path.unwrap_or_else(|| ":memory:".to_owned())))
    }

    fn allowed(&self) -> String {
        "a path, or `\":memory:\"`".to_owned()
    }

    fn may_show(&self) -> MayShow {
        MayShow::IfPath
    }
}

/// The bound of the store, in bytes.
pub(super) struct StoreBytes;

impl Kind<MaxBytes> for StoreBytes {
    fn read(&self, reader: &mut SettingsReader<'_>, key: &'static str) -> Option<MaxBytes> {
        let bytes = Size(0..=1 << 53).read(reader, key)?;
        let bounded = match bytes {
            0 => Ok(MaxBytes::Unlimited),
            MIB.. => Ok(MaxBytes::Bytes(bytes as u64)),
            _ => Err("it is less than 1 MiB, which an empty store may take; 0: no bound".to_owned()),
        };
        reader.value_or_note(key, bounded)
    }

    fn show(&self, value: &MaxBytes) -> Option<Value> {
        match value {
            MaxBytes::HalfOfDisk => None,
            MaxBytes::Unlimited => Some(Value::Integer(0)),
            MaxBytes::Bytes(bytes) => Some(kinds::size(*bytes)),
        }
    }

    fn allowed(&self) -> String {
        "0, or 1 MiB and more".to_owned()
    }
}
