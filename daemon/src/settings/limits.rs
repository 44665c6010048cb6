//! Owns the limits: one description each, as in [`super::sections`]. What they mean together is in `checks`.

use super::key::{Key, Section, section};
use super::kinds::{Kind, Number, Size, Span, ZeroIsOff};
use super::reader::SettingsReader;
use std::time::Duration;

pub(super) const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
pub(super) const HOUR: Duration = Duration::from_secs(3_600);
pub(super) const DAY: Duration = Duration::from_secs(86_400);
/// A tenth of a second.
const TENTH: Duration = Duration::from_millis(100);
/// More than a machine has: it bounds typing errors, not use.
pub(super) const MANY: u64 = 10_000_000;
const KIB: usize = 1 << 10;
const MIB: u64 = 1 << 20;

section! {
    /// Limits. A size is in bytes.
    ["limits"] Limits {
        /// Connections at once. 0: no limit but the one on open files.
        connections: usize = 16_384 => Number(0..=MANY);

        /// Connections at once from one address; an IPv6 /64 counts as one address. 0: no limit.
        connections_per_address: usize = 1_024 => Number(0..=MANY);

        /// TLS handshakes in progress at once. Above it the daemon closes new connections before the
        /// handshake. 0: no limit.
        handshakes: usize = 4_096 => Number(0..=MANY);

        /// Handshakes per second that one address may begin in the long run; four times as many may come at
        /// once. Above it the daemon closes its connections before the handshake. 0: no limit.
        handshakes_per_second: u32 = 500 => Number(0..=MANY);

        /// Sessions, connected or away. 0: no limit.
        sessions: usize = 32_768 => Number(0..=MANY);

        /// Sessions of one registered user at once, connected or away. 0: no limit.
        sessions_per_user: usize = 8 => Number(0..=MANY);

        /// Rooms. 0: no limit.
        rooms: usize = 16_384 => Number(0..=MANY);

        /// Rooms that one session may be in. 0: no limit.
        rooms_per_session: usize = 1_024 => Number(0..=MANY);

        /// Rooms opened by one registered user, or from one network (an IPv4 address, an IPv6 /64) by users
        /// without a proven name. Empty rooms count while the store has a message of them. This host counts
        /// as four networks, since a tunnel may bring many users. 0: no limit but half of `rooms`.
        rooms_per_network: usize = 1_024 => Number(0..=MANY);

        /// The longest line that the daemon accepts from a client.
        line_bytes: usize = 64 * KIB => Size(1024..=16 * MIB);

        /// The longest text of a message, in bytes of UTF-8. Keep line_bytes at least 256 bytes above it.
        msg_bytes: usize = 8 * KIB => Size(1..=8 * MIB);

        /// How much may wait in memory for one connection that does not read. Above it the connection reads
        /// from the store.
        outbox_bytes: usize = 1024 * KIB => Size(4096..=1024 * MIB);

        /// Requests per second that one session may make in the long run. Above it they are refused, and the
        /// daemon reads more slowly from the connection. 0: no limit.
        messages_per_second: u32 = 100 => Number(0..=MANY);

        /// Requests that it may make at once before that rate applies.
        burst: u32 = 1_000 => Number(1..=MANY);

        /// Bytes per second that one session may send in the long run. The daemon reads no faster; if that
        /// does not help, it refuses requests. 0: no limit.
        bytes_per_second: usize = 16 * 1024 * KIB => Size(0..=1024 * MIB);

        /// Bytes that it may send at once before that rate applies.
        burst_bytes: usize = 64 * 1024 * KIB => Size(1024..=1024 * MIB);

        /// Bytes per second that all sessions of one network, of whatever users, may send together in the
        /// long run. The daemon reads no faster. This host counts as four networks. 0: no limit.
        network_bytes_per_second: usize = 64 * 1024 * KIB => Size(0..=16 * 1024 * MIB);

        /// Bytes that they may send at once before that rate applies.
        network_burst_bytes: usize = 256 * 1024 * KIB => Size(1024..=16 * 1024 * MIB);

        /// Bytes of messages that one registered user, or users without a proven name from one network, may
        /// store per day. Above it their messages are refused until part of the day is over. This host
        /// counts as four networks. 0: no limit.
        stored_bytes_per_network: usize = 1024 * 1024 * KIB => Size(0..=1024 * 1024 * MIB);

        /// Users per minute, and at once, to whom one session may send a first direct message. Users who
        /// answer do not count. 0: no limit.
        strangers_per_minute: u32 = 100 => Number(0..=MANY);

        /// How long after a message its author may redact it, which removes its text for all. "0": never. Moderators
        /// and operators may at any time.
        redact: Option<Duration> = Some(15 * MINUTE)
            => ZeroIsOff(Span(Duration::ZERO..=36_500 * DAY), || "0".into());

        /// Errors in a row after which the daemon closes a connection. 0: never.
        errors: u32 = 10_000 => Number(0..=MANY);

        /// How long a TLS handshake may take.
        handshake: Duration = 10 * SECOND => Span(TENTH..=HOUR);

        /// How long a client may take from the handshake to LOGIN.
        login: Duration = 10 * SECOND => Span(TENTH..=HOUR);

        /// How long a client may read nothing at all before the daemon closes its connection.
        stall: Duration = 60 * SECOND => Span(TENTH..=DAY);
    }
}

/// The longest text of a message in a cluster, in bytes: in JSON it may be six times as long, and one entry of the log
/// (512 KiB) takes it with the rest of its turn.
pub(super) const CLUSTER_MSG_BYTES: usize = 72 * KIB;

impl Limits {
    /// Checks the limits that a cluster has and a lone daemon has not.
    ///
    /// # Errors
    /// The setting and what to do, as a sentence.
    pub fn check_for_cluster(&self) -> Result<(), String> {
        if self.msg_bytes <= CLUSTER_MSG_BYTES {
            return Ok(());
        }
        Err(format!(
            "a text of {} bytes may not fit an entry of the cluster's log; set it to 72 KiB or less",
            self.msg_bytes
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tcp_chat_protocol::event::json_text;
    use tcp_chat_state::{ConnectionId, Intent, NodeId, Op, Origin, Past, Source, Turn};

    #[test]
    fn the_longest_text_of_a_cluster_fits_an_entry() {
        let limits = |msg_bytes| Limits { msg_bytes, ..Limits::default() };
        assert_eq!(limits(CLUSTER_MSG_BYTES).check_for_cluster(), Ok(()));
        let refused = limits(CLUSTER_MSG_BYTES + 1).check_for_cluster().unwrap_err();
        assert!(refused.starts_with("a text of 73729 bytes"), "{refused}");

        // Each of these characters takes six bytes in JSON.
        let json = json_text(&"\u{1}".repeat(CLUSTER_MSG_BYTES));
        let origin = Origin { node: NodeId::LOCAL, connection: ConnectionId(u64::MAX) };
        let say = Op::Say(tcp_chat_protocol::request::Target::Default, json, Past::Absent);
        let intents = vec![Intent::Request(Source { origin, session: None }, None, say)];
        assert!(Turn { intents, ..Turn::empty(u64::MAX) }.encode().is_ok());
    }
}
