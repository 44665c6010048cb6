//! Owns settings as keys and values: the list of all keys (so, what is a setting at all), the
//! built-in defaults as the lowest layer, and what `tcp-chatd config` prints. Never reads anything.
//!
//! [`entries`] takes every section apart by name: a new field does not compile until it has a key.

use super::problem::Origin;
use super::units::{show_duration, show_size};
use super::{
    Admin, Auth, AuthMode, ClientAuth, Durability, History, Http, Limits, Listen, Loaded, Log, LogFormat,
    MaxBytes, Metrics, Rooms, Sessions, Settings, Shutdown, Tls,
};
use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;
use toml::Value;

/// A key with its value as TOML; no value: it is not set and has no default.
pub(super) type Entry = (&'static str, Option<Value>);

static KEYS: LazyLock<Vec<&'static str>> =
    LazyLock::new(|| entries(&Settings::default()).into_iter().map(|(key, _)| key).collect());

/// All keys, in the order of `config.toml`.
pub(super) fn keys() -> impl Iterator<Item = &'static str> {
    KEYS.iter().copied()
}

/// The defaults, for the lowest layer.
pub(super) fn defaults() -> Vec<(&'static str, config::Value)> {
    entries(&Settings::default())
        .into_iter()
        .filter_map(|(key, value)| Some((key, as_config(value?))))
        .collect()
}

fn as_config(value: Value) -> config::Value {
    match value {
        Value::Integer(number) => number.into(),
        Value::Boolean(flag) => flag.into(),
        Value::Array(list) => {
            config::Value::from(list.into_iter().map(as_config).collect::<Vec<config::Value>>())
        }
        Value::String(text) => text.into(),
        other => other.to_string().into(),
    }
}

/// Every key with its value in `settings`.
pub(super) fn entries(settings: &Settings) -> Vec<Entry> {
    let Settings { listen, tls, auth, rooms, sessions, history, limits, log, admin, metrics, http, shutdown } =
        settings;
    let mut all = Vec::new();
    let Listen { address } = listen;
    let address = match address.as_slice() {
        [one] => text(one.to_string()),
        many => Value::Array(many.iter().map(|a| text(a.to_string())).collect()),
    };
    all.push(("listen.address", Some(address)));

    let Tls { dir, names, own, allow_1_2, client_auth, client_ca } = tls;
    all.push(("tls.dir", Some(path(dir))));
    all.push(("tls.names", Some(Value::Array(names.iter().map(text).collect()))));
    all.push(("tls.certificate", own.as_ref().map(|(certificate, _)| path(certificate))));
    all.push(("tls.key", own.as_ref().map(|(_, key)| path(key))));
    all.push(("tls.min_version", Some(text(if *allow_1_2 { "1.2" } else { "1.3" }))));
    let client_auth = match client_auth {
        ClientAuth::Off => "off",
        ClientAuth::Optional => "optional",
        ClientAuth::Required => "required",
    };
    all.push(("tls.client_auth", Some(text(client_auth))));
    all.push(("tls.client_ca", client_ca.as_deref().map(path)));

    // The hash itself is a secret: the file is what is shown.
    let Auth { mode, password_file, password_hash: _ } = auth;
    let mode = match mode {
        AuthMode::Open => "open",
        AuthMode::Password => "password",
        AuthMode::Accounts => "accounts",
    };
    all.push(("auth.mode", Some(text(mode))));
    all.push(("auth.password_file", password_file.as_deref().map(path)));

    let Rooms { default, create, presence_limit } = rooms;
    all.push(("rooms.default", Some(Value::Array(default.iter().map(|room| text(room.as_str())).collect()))));
    all.push(("rooms.create", Some(Value::Boolean(*create))));
    all.push(("rooms.presence_limit", count(*presence_limit as u64)));

    let Sessions { ttl } = sessions;
    all.push(("sessions.ttl", duration(*ttl)));

    let History { path: store, durability, retain, retain_messages, max_bytes } = history;
    all.push(("history.path", Some(store.as_deref().map_or_else(|| text(":memory:"), path))));
    let durability = match durability {
        Durability::Crash => "crash",
        Durability::Power => "power",
    };
    all.push(("history.durability", Some(text(durability))));
    all.push(("history.retain", Some(retain.map_or_else(|| text("0"), |d| text(show_duration(d))))));
    all.push(("history.retain_messages", count(retain_messages.unwrap_or(0))));
    let max_bytes = match max_bytes {
        MaxBytes::HalfOfDisk => None,
        MaxBytes::Unlimited => count(0),
        MaxBytes::Bytes(bytes) => show_size(*bytes).map(text).or_else(|| count(*bytes)),
    };
    all.push(("history.max_bytes", max_bytes));

    show_limits(limits, &mut all);

    let Log { level, format } = log;
    all.push(("log.level", Some(text(level))));
    let format = match format {
        LogFormat::Auto => "auto",
        LogFormat::Pretty => "pretty",
        LogFormat::Json => "json",
        LogFormat::Journald => "journald",
    };
    all.push(("log.format", Some(text(format))));

    let Admin { socket } = admin;
    all.push(("admin.socket", socket.as_deref().map(path)));
    let Metrics { address } = metrics;
    all.push(("metrics.address", address.map(|address| text(address.to_string()))));
    // The token itself is a secret: the file is what is shown.
    let Http { address, token_file, token: _, rooms, name } = http;
    all.push(("http.address", address.map(|address| text(address.to_string()))));
    all.push(("http.token_file", token_file.as_deref().map(path)));
    all.push(("http.rooms", Some(Value::Array(rooms.iter().map(|room| text(room.as_str())).collect()))));
    all.push(("http.name", name.as_ref().map(|name| text(name.as_str()))));
    let Shutdown { grace } = shutdown;
    all.push(("shutdown.grace", duration(*grace)));
    all
}

fn show_limits(limits: &Limits, all: &mut Vec<Entry>) {
    let Limits {
        connections,
        connections_per_address,
        handshakes,
        handshakes_per_second,
        line_bytes,
        msg_bytes,
        outbox_bytes,
        messages_per_second,
        burst,
        bytes_per_second,
        burst_bytes,
        strangers_per_minute,
        errors,
        handshake,
        login,
        stall,
        sessions,
        sessions_per_user,
        rooms,
        rooms_per_session,
        rooms_per_network,
        network_bytes_per_second,
        network_burst_bytes,
        stored_bytes_per_network,
    } = limits;
    all.push(("limits.connections", count(*connections as u64)));
    all.push(("limits.connections_per_address", count(*connections_per_address as u64)));
    all.push(("limits.handshakes", count(*handshakes as u64)));
    all.push(("limits.handshakes_per_second", count(u64::from(*handshakes_per_second))));
    all.push(("limits.sessions", count(*sessions as u64)));
    all.push(("limits.sessions_per_user", count(*sessions_per_user as u64)));
    all.push(("limits.rooms", count(*rooms as u64)));
    all.push(("limits.rooms_per_session", count(*rooms_per_session as u64)));
    all.push(("limits.rooms_per_network", count(*rooms_per_network as u64)));
    all.push(("limits.line_bytes", size(*line_bytes)));
    all.push(("limits.msg_bytes", size(*msg_bytes)));
    all.push(("limits.outbox_bytes", size(*outbox_bytes)));
    all.push(("limits.messages_per_second", count(u64::from(*messages_per_second))));
    all.push(("limits.burst", count(u64::from(*burst))));
    all.push(("limits.bytes_per_second", size(*bytes_per_second)));
    all.push(("limits.burst_bytes", size(*burst_bytes)));
    all.push(("limits.network_bytes_per_second", size(*network_bytes_per_second)));
    all.push(("limits.network_burst_bytes", size(*network_burst_bytes)));
    all.push(("limits.stored_bytes_per_network", size(*stored_bytes_per_network)));
    all.push(("limits.strangers_per_minute", count(u64::from(*strangers_per_minute))));
    all.push(("limits.errors", count(u64::from(*errors))));
    all.push(("limits.handshake", duration(*handshake)));
    all.push(("limits.login", duration(*login)));
    all.push(("limits.stall", duration(*stall)));
}

fn text(text: impl Into<String>) -> Value {
    Value::String(text.into())
}

fn path(path: &Path) -> Value {
    Value::String(path.display().to_string())
}

fn count(number: u64) -> Option<Value> {
    Some(Value::Integer(i64::try_from(number).unwrap_or(i64::MAX)))
}

fn size(bytes: usize) -> Option<Value> {
    show_size(bytes as u64).map(text).or_else(|| count(bytes as u64))
}

fn duration(duration: Duration) -> Option<Value> {
    Some(text(show_duration(duration)))
}

/// The effective settings as TOML, each line with where its value came from.
pub(super) fn as_toml(loaded: &Loaded) -> String {
    let mut out = match &loaded.file {
        Some(file) => format!("# from {}\n", file.display()),
        None => "# from the built-in defaults; there is no configuration file\n".to_owned(),
    };
    let mut last_section = "";
    for (key, value) in entries(&loaded.settings) {
        let (section, name) = key.split_once('.').unwrap_or(("", key));
        if section != last_section {
            out.push_str(&format!("\n[{section}]\n"));
            last_section = section;
        }
        let control = loaded.settings.control_socket();
        let line = match (&value, key, control) {
            (Some(value), ..) => format!("{name} = {value}  # {}", loaded.origin_of(key)),
            // What is not set may still have an effect that can be shown.
            (None, "admin.socket", Some(socket)) => {
                format!("{name} = {}  # default: beside the store", path(&socket))
            }
            (None, "history.max_bytes", _) => {
                format!(
                    "# {name} is not set: half of what is free on the disk at the first start; see `tcp-chatd status`"
                )
            }
            (None, ..) => format!("# {name} is not set"),
        };
        out.push_str(&line);
        out.push('\n');
    }
    out
}

/// Where a value came from, as a comment says it.
pub(super) fn origin(origin: &Origin) -> String {
    match origin {
        Origin::Default => "default".to_owned(),
        Origin::File { line, .. } => format!("file, line {line}"),
        Origin::Environment(name) => format!("environment variable {name}"),
        Origin::Flag => "command line".to_owned(),
    }
}
