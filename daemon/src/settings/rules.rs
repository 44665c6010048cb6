//! Owns the conversion of settings into the policy of the chat ([`Rules`]). Called at the start and at each
//! reload. Never decides about a request.

use super::{Auth, AuthMode, ClientAuth, Settings};
use crate::rate::Limit;
use tcp_chat_state::{Access, Rules};

impl From<&Settings> for Rules {
    fn from(settings: &Settings) -> Self {
        let Settings { auth, tls, rooms, sessions, limits, http, .. } = settings;
        Self {
            default_rooms: rooms.default.clone(),
            posted_rooms: http.open_rooms().to_vec(),
            endpoint: http.address.and(http.name.clone()),
            create: rooms.create,
            topic_by_members: rooms.topic_by_members,
            presence_limit: rooms.presence_limit,
            ttl_ms: u64::try_from(sessions.ttl.as_millis()).unwrap_or(u64::MAX),
            rate: Limit { per_second: limits.messages_per_second.into(), burst: limits.burst.into() },
            flow: Limit { per_second: limits.bytes_per_second as u64, burst: limits.burst_bytes as u64 },
            strangers_per_minute: limits.strangers_per_minute,
            errors: limits.errors,
            sessions: limits.sessions,
            sessions_per_user: limits.sessions_per_user,
            redact_ms: limits.redact.map_or(0, |span| u64::try_from(span.as_millis()).unwrap_or(u64::MAX)),
            access: access(auth),
            certificate_required: tls.client_auth == ClientAuth::Required,
            rooms: limits.rooms,
            rooms_per_session: limits.rooms_per_session,
            rooms_per_network: limits.rooms_per_network,
            network_flow: Limit {
                per_second: limits.network_bytes_per_second as u64,
                burst: limits.network_burst_bytes as u64,
            },
            network_stored: daily(limits.stored_bytes_per_network as u64),
            window: tcp_chat_state::WINDOW,
            line_bytes: limits.line_bytes,
            msg_bytes: limits.msg_bytes,
        }
    }
}

/// Without the hash, which a checked configuration has, nobody is let in.
fn access(auth: &Auth) -> Access {
    match (auth.mode, auth.password_hash()) {
        (AuthMode::Open, _) => Access::Open,
        (AuthMode::Password, Some(hash)) => Access::Password(hash.into()),
        (AuthMode::Password, None) | (AuthMode::Accounts, _) => Access::Accounts,
    }
}

/// A token bucket of this many bytes that refills within a day. 0: no limit.
fn daily(bytes: u64) -> Limit {
    Limit { per_second: if bytes == 0 { 0 } else { bytes.div_ceil(24 * 3600) }, burst: bytes }
}
