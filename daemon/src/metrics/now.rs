//! Owns the gauges that are measured at a scrape. Called by [`super::Metrics`]. Never measures: `http` asks the
//! hub, the store and the certificates, and passes the values.

use super::make::Make;
use prometheus::{Gauge, IntGauge, IntGaugeVec};
use std::time::{SystemTime, UNIX_EPOCH};

/// The gauges of a scrape.
#[derive(Debug)]
pub(super) struct Gauges {
    connections: IntGauge,
    sessions: IntGaugeVec,
    rooms: IntGauge,
    users: IntGauge,
    head: IntGauge,
    outbox_bytes: IntGauge,
    outbox_bytes_max: IntGauge,
    store_bytes: IntGaugeVec,
    store_messages: IntGauge,
    store_failing: IntGauge,
    history_bytes: IntGauge,
    history_max_bytes: IntGauge,
    certificate: Gauge,
    hub_up: IntGauge,
    ready: IntGauge,
}

/// The values of a scrape. `None`: the value could not be measured, and the last one stays.
#[derive(Debug, Clone, Default)]
pub struct Now {
    /// The hub's values; `None`: it did not answer in time.
    pub hub: Option<HubNow>,
    /// Bytes of the log and of the search index, and messages in the store.
    pub store: Option<(u64, u64, u64)>,
    /// Bytes of the history, and their bound; 0: unbounded.
    pub history: Option<(u64, u64)>,
    /// The end of the certificate in use.
    pub certificate: Option<SystemTime>,
    /// Whether the daemon is ready for clients.
    pub ready: bool,
}

/// The values of the hub.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HubNow {
    /// Open connections.
    pub connections: usize,
    /// Sessions, connected or not.
    pub sessions: usize,
    /// Sessions that are away.
    pub away: usize,
    /// Rooms.
    pub rooms: usize,
    /// Registered users.
    pub users: usize,
    /// The newest seq.
    pub head: u64,
    /// Bytes in all outboxes.
    pub outbox_bytes: usize,
    /// Bytes in the fullest outbox.
    pub outbox_bytes_max: usize,
    /// Whether messages are refused because the store fails.
    pub store_failing: bool,
}

impl Gauges {
    pub(super) fn new(make: &Make) -> prometheus::Result<Self> {
        Ok(Self {
            connections: make.gauge(
                "connections",
                "Open connections, logged in or not; includes the one of the HTTP endpoint.",
            )?,
            sessions: make.gauges(
                "sessions",
                "Sessions, by state: with a connection (here) or resumable (away).",
                "state",
                ["here", "away"],
            )?,
            rooms: make.gauge("rooms", "Rooms.")?,
            users: make.gauge("users", "Registered users.")?,
            head: make.gauge("head", "The newest seq of a message.")?,
            outbox_bytes: make.gauge("outbox_bytes", "Bytes that wait in all outboxes.")?,
            outbox_bytes_max: make.gauge("outbox_bytes_max", "Bytes that wait in the fullest outbox.")?,
            store_bytes: make.gauges(
                "store_bytes",
                "Bytes of the store's files: the log, and the search index beside it.",
                "file",
                ["log", "index"],
            )?,
            store_messages: make.gauge("store_messages", "Messages in the store.")?,
            store_failing: make.gauge(
                "store_failing",
                "1 while messages are refused because the store cannot be written.",
            )?,
            history_bytes: make.gauge(
                "history_bytes",
                "Bytes of messages and search index, which count against history.max_bytes.",
            )?,
            history_max_bytes: make.gauge("history_max_bytes", "The bound of these bytes; 0: unbounded.")?,
            certificate: make.float(
                "certificate_expiry_timestamp_seconds",
                "When the certificate in use ends, in seconds since 1970.",
            )?,
            hub_up: make.gauge("hub_up", "1 if the hub answered this scrape in time.")?,
            ready: make.gauge("ready", "1 if the daemon is ready for clients, as /readyz says.")?,
        })
    }

    pub(super) fn set(&self, now: &Now) {
        let whole = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        let long = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        self.hub_up.set(i64::from(now.hub.is_some()));
        self.ready.set(i64::from(now.ready));
        if let Some(hub) = &now.hub {
            self.connections.set(whole(hub.connections));
            self.sessions.with_label_values(&["here"]).set(whole(hub.sessions.saturating_sub(hub.away)));
            self.sessions.with_label_values(&["away"]).set(whole(hub.away));
            self.rooms.set(whole(hub.rooms));
            self.users.set(whole(hub.users));
            self.head.set(long(hub.head));
            self.outbox_bytes.set(whole(hub.outbox_bytes));
            self.outbox_bytes_max.set(whole(hub.outbox_bytes_max));
            self.store_failing.set(i64::from(hub.store_failing));
        }
        if let Some((log, index, messages)) = now.store {
            self.store_bytes.with_label_values(&["log"]).set(long(log));
            self.store_bytes.with_label_values(&["index"]).set(long(index));
            self.store_messages.set(long(messages));
        }
        if let Some((taken, most)) = now.history {
            self.history_bytes.set(long(taken));
            self.history_max_bytes.set(long(most));
        }
        if let Some(ends) = now.certificate.and_then(|ends| ends.duration_since(UNIX_EPOCH).ok()) {
            self.certificate.set(ends.as_secs_f64());
        }
    }
}
