//! Owns the log in the systemd journal's native protocol. The `MESSAGE` of an entry contains the fields, because
//! `journalctl` shows it and fail2ban reads it. The fields are also separate, as `CHAT_PEER`, `CHAT_USER` and so
//! on, for searches.
//!
//! The crate `tracing-journald` leaves the fields out of `MESSAGE`, so `login failed` would not name the peer.
//! Never reports an error: there is no place to report it.

use super::neutral::neutral;
use std::fmt::Write as _;
use std::io;
use std::os::unix::net::UnixDatagram;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

const SOCKET: &str = "/run/systemd/journal/socket";
/// The longest value in bytes; a longer one is cut, so that an entry fits into a datagram.
const VALUE_BYTES: usize = 4096;

/// The journal as a layer.
#[derive(Debug)]
pub(super) struct Journal {
    socket: UnixDatagram,
}

/// The fields of an event or a span, in order and escaped.
#[derive(Debug, Default)]
struct Fields(Vec<(&'static str, String)>);

impl Journal {
    /// Connects to the journal.
    pub(super) fn open() -> io::Result<Self> {
        Self::at(SOCKET)
    }

    pub(super) fn at(path: impl AsRef<std::path::Path>) -> io::Result<Self> {
        let socket = UnixDatagram::unbound()?;
        socket.connect(path)?;
        // A journal that does not read must not block the daemon.
        socket.set_nonblocking(true)?;
        Ok(Self { socket })
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Journal {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(fields);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<Fields>()
        {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        for span in context.event_scope(event).into_iter().flatten().collect::<Vec<_>>().into_iter().rev() {
            if let Some(of_span) = span.extensions().get::<Fields>() {
                fields.0.extend(of_span.0.iter().cloned());
            }
        }
        event.record(&mut fields);
        let entry = entry(*event.metadata().level(), event.metadata().target(), &fields);
        let _ = self.socket.send(&entry);
    }
}

/// An entry in the journal's native protocol.
fn entry(level: Level, target: &str, fields: &Fields) -> Vec<u8> {
    let priority = match level {
        Level::ERROR => "3",
        Level::WARN => "4",
        Level::INFO => "6",
        Level::DEBUG | Level::TRACE => "7",
    };
    let mut message = String::new();
    for (_, value) in fields.0.iter().filter(|(name, _)| *name == "message") {
        message.push_str(value);
    }
    for (name, value) in fields.0.iter().filter(|(name, _)| *name != "message") {
        let quoted = value.is_empty() || value.contains([' ', '"', '=']);
        let _ =
            if quoted { write!(message, " {name}={value:?}") } else { write!(message, " {name}={value}") };
    }
    let mut entry = Vec::with_capacity(512);
    put(&mut entry, "MESSAGE", &message);
    put(&mut entry, "PRIORITY", priority);
    put(&mut entry, "SYSLOG_IDENTIFIER", "tcp-chatd");
    put(&mut entry, "TARGET", target);
    for (name, value) in fields.0.iter().filter(|(name, _)| *name != "message") {
        let key: String = name
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' })
            .collect();
        put(&mut entry, &format!("CHAT_{key}"), value);
    }
    entry
}

/// Writes a field with the length before the value, so no value can end the field.
fn put(entry: &mut Vec<u8>, key: &str, value: &str) {
    let end = (0..=VALUE_BYTES.min(value.len())).rev().find(|end| value.is_char_boundary(*end));
    let value = &value[..end.unwrap_or_default()];
    entry.extend_from_slice(key.as_bytes());
    entry.push(b'\n');
    entry.extend_from_slice(&(value.len() as u64).to_le_bytes());
    entry.extend_from_slice(value.as_bytes());
    entry.push(b'\n');
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.push((field.name(), neutral(value).into_owned()));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.0.push((field.name(), neutral(&format!("{value:?}")).into_owned()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing_subscriber::layer::SubscriberExt;

    #[test]
    fn the_message_carries_its_fields_and_a_value_cannot_end_itself() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let journal = UnixDatagram::bind(&path).unwrap();
        let subscriber = tracing_subscriber::registry().with(Journal::at(&path).unwrap());
        tracing::subscriber::with_default(subscriber, || {
            let _span = tracing::info_span!("connection", conn = 7).entered();
            tracing::warn!(
                peer = %"192.0.2.1:5",
                user = "x\nMESSAGE=root logged in\u{1b}[2J",
                "login failed"
            );
        });
        let mut buffer = [0; 4096];
        let length = journal.recv(&mut buffer).unwrap();
        let mut rest = &buffer[..length];
        let mut read = Vec::new();
        while let Some(end) = rest.iter().position(|b| *b == b'\n') {
            let key = String::from_utf8(rest[..end].to_vec()).unwrap();
            let (length, after) = rest[end + 1..].split_at(8);
            let length = u64::from_le_bytes(length.try_into().unwrap()) as usize;
            read.push((key, String::from_utf8(after[..length].to_vec()).unwrap()));
            assert_eq!(after[length], b'\n');
            rest = &after[length + 1..];
        }
        let shown: Vec<String> = read.iter().map(|(key, value)| format!("{key}={value}")).collect();
        assert_eq!(
            shown,
            [
                r#"MESSAGE=login failed conn=7 peer=192.0.2.1:5 user="x\\nMESSAGE=root logged in\\u{1b}[2J""#,
                "PRIORITY=4",
                "SYSLOG_IDENTIFIER=tcp-chatd",
                "TARGET=tcp_chatd::log::journal::tests",
                "CHAT_CONN=7",
                "CHAT_PEER=192.0.2.1:5",
                r"CHAT_USER=x\nMESSAGE=root logged in\u{1b}[2J",
            ]
        );
    }
}
