//! Owns what holds where nobody has set anything. `config.toml` says the same; a test holds the two together.

use super::{
    ClientAuth, Durability, History, Limits, Listen, Log, LogFormat, MaxBytes, Rooms, Sessions, Shutdown, Tls,
};
use std::net::SocketAddr;
use std::time::Duration;

impl Default for Listen {
    fn default() -> Self {
        Self { address: vec![SocketAddr::from(([127, 0, 0, 1], tcp_chat_protocol::DEFAULT_PORT))] }
    }
}

impl Default for Tls {
    fn default() -> Self {
        Self {
            dir: "certs".into(),
            names: Vec::new(),
            own: None,
            allow_1_2: false,
            client_auth: ClientAuth::Off,
            client_ca: None,
        }
    }
}

impl Default for Rooms {
    fn default() -> Self {
        Self { default: "lobby".parse().into_iter().collect(), create: true, presence_limit: 500 }
    }
}

impl Default for Sessions {
    fn default() -> Self {
        Self { ttl: Duration::from_secs(120) }
    }
}

impl Default for History {
    fn default() -> Self {
        Self {
            path: Some("data/chat.db".into()),
            durability: Durability::Crash,
            retain: Some(Duration::from_secs(90 * 24 * 3600)),
            retain_messages: None,
            max_bytes: MaxBytes::HalfOfDisk,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 16_384,
            connections_per_address: 1_024,
            handshakes: 4_096,
            handshakes_per_second: 500,
            line_bytes: 64 * 1024,
            msg_bytes: 8 * 1024,
            outbox_bytes: 1024 * 1024,
            messages_per_second: 100,
            burst: 1_000,
            bytes_per_second: 16 * 1024 * 1024,
            burst_bytes: 64 * 1024 * 1024,
            strangers_per_minute: 100,
            errors: 10_000,
            handshake: Duration::from_secs(10),
            login: Duration::from_secs(10),
            stall: Duration::from_secs(60),
            sessions: 32_768,
            sessions_per_user: 8,
            rooms: 16_384,
            rooms_per_session: 1_024,
            rooms_per_network: 1_024,
            network_bytes_per_second: 64 * 1024 * 1024,
            network_burst_bytes: 256 * 1024 * 1024,
            stored_bytes_per_network: 1024 * 1024 * 1024,
        }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self { level: "info".into(), format: LogFormat::Auto }
    }
}

impl Default for Shutdown {
    fn default() -> Self {
        Self { grace: Duration::from_secs(10) }
    }
}
