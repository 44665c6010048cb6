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

/// The keys in which two policies differ, in the order of `config.toml`.
#[must_use]
pub fn differing_keys(one: &Rules, other: &Rules) -> Vec<&'static str> {
    // A field that is new does not compile here, so that it gets its key.
    let Rules {
        default_rooms: _,
        posted_rooms: _,
        endpoint: _,
        create: _,
        topic_by_members: _,
        presence_limit: _,
        ttl_ms: _,
        rate: _,
        flow: _,
        strangers_per_minute: _,
        errors: _,
        sessions: _,
        sessions_per_user: _,
        redact_ms: _,
        access: _,
        certificate_required: _,
        rooms: _,
        rooms_per_session: _,
        rooms_per_network: _,
        network_flow: _,
        network_stored: _,
        window: _,
        line_bytes: _,
        msg_bytes: _,
    } = one;
    let differs = |key, differs: bool| differs.then_some(key);
    let (a, b) = (one, other);
    let mode = std::mem::discriminant(&a.access) != std::mem::discriminant(&b.access);
    let keys = [
        differs("tls.client_auth", a.certificate_required != b.certificate_required),
        differs("auth.mode", mode),
        differs("auth.password_file", !mode && a.access != b.access),
        differs("rooms.default", a.default_rooms != b.default_rooms),
        differs("rooms.create", a.create != b.create),
        differs("rooms.topic_by_members", a.topic_by_members != b.topic_by_members),
        differs("rooms.presence_limit", a.presence_limit != b.presence_limit),
        differs("sessions.ttl", a.ttl_ms != b.ttl_ms),
        differs("limits.messages_per_second", a.rate.per_second != b.rate.per_second),
        differs("limits.burst", a.rate.burst != b.rate.burst),
        differs("limits.bytes_per_second", a.flow.per_second != b.flow.per_second),
        differs("limits.burst_bytes", a.flow.burst != b.flow.burst),
        differs("limits.network_bytes_per_second", a.network_flow.per_second != b.network_flow.per_second),
        differs("limits.network_burst_bytes", a.network_flow.burst != b.network_flow.burst),
        differs("limits.stored_bytes_per_network", a.network_stored != b.network_stored),
        differs("limits.strangers_per_minute", a.strangers_per_minute != b.strangers_per_minute),
        differs("limits.errors", a.errors != b.errors),
        differs("limits.sessions", a.sessions != b.sessions),
        differs("limits.sessions_per_user", a.sessions_per_user != b.sessions_per_user),
        differs("limits.redact", a.redact_ms != b.redact_ms),
        differs("limits.rooms", a.rooms != b.rooms),
        differs("limits.rooms_per_session", a.rooms_per_session != b.rooms_per_session),
        differs("limits.rooms_per_network", a.rooms_per_network != b.rooms_per_network),
        differs("limits.line_bytes", a.line_bytes != b.line_bytes),
        differs("limits.msg_bytes", a.msg_bytes != b.msg_bytes),
        differs("http.address", a.endpoint.is_some() != b.endpoint.is_some()),
        differs("http.name", a.endpoint.is_some() && b.endpoint.is_some() && a.endpoint != b.endpoint),
        differs("http.rooms", a.posted_rooms != b.posted_rooms),
    ];
    keys.into_iter().flatten().collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keys_that_differ_are_named() {
        let mut settings = Settings::default();
        let before = Rules::from(&settings);
        assert!(differing_keys(&before, &before).is_empty());
        (settings.limits.burst, settings.rooms.create) = (before.rate.burst as u32 + 1, !before.create);
        let mut other = Rules::from(&settings);
        other.access = Access::Password("hash".into());
        let keys = differing_keys(&before, &other);
        assert_eq!(keys, ["auth.mode", "rooms.create", "limits.burst"]);
        let changed = Rules { access: Access::Password("another".into()), ..other.clone() };
        assert_eq!(differing_keys(&other, &changed), ["auth.password_file"]);
    }
}
