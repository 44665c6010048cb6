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
    cluster: Cluster,
}

/// The gauges of a cluster's node. Absent without a cluster.
#[derive(Debug)]
struct Cluster {
    state: IntGaugeVec,
    members: IntGaugeVec,
    in_flight: IntGaugeVec,
    applied: IntGaugeVec,
    end: IntGaugeVec,
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
    /// The values of a cluster's node; `None`: this daemon is alone.
    pub cluster: Option<ClusterNow>,
}

/// The values of a cluster's node.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ClusterNow {
    /// 0: it serves; 1: it waits for something to come back; 2: it refuses what needs the order.
    pub state: u8,
    /// The nodes that live, as far as this one has read, itself included.
    pub members: usize,
    /// Own entries that have not come back.
    pub in_flight: usize,
    /// The sequence of the last applied entry.
    pub applied: u64,
    /// The last sequence of the stream; `None`: unknown since the last connection, and the last value stays.
    pub end: Option<u64>,
    /// Whether `/readyz` answers 200, as far as the order decides it.
    pub is_ready: bool,
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
            cluster: Cluster::new(make)?,
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
            if let Some(cluster) = &hub.cluster {
                self.cluster.set(cluster);
            }
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

impl Cluster {
    fn new(make: &Make) -> prometheus::Result<Self> {
        Ok(Self {
            state: make.absent_gauge(
                "cluster_state",
                "0: this node serves; 1: it waits for an entry to come back; 2: it refuses what needs the order.",
            )?,
            members: make.absent_gauge("cluster_members", "Living nodes of the cluster, this one included.")?,
            in_flight: make.absent_gauge("cluster_in_flight", "Own entries that have not come back.")?,
            applied: make
                .absent_gauge("cluster_applied", "The stream sequence of the last entry that was applied.")?,
            end: make.absent_gauge("cluster_end", "The last sequence of the stream, as its leader told last.")?,
        })
    }

    fn set(&self, now: &ClusterNow) {
        let set = |gauge: &IntGaugeVec, value: u64| {
            gauge.with_label_values::<&str>(&[]).set(i64::try_from(value).unwrap_or(i64::MAX));
        };
        set(&self.state, now.state.into());
        set(&self.members, now.members as u64);
        set(&self.in_flight, now.in_flight as u64);
        set(&self.applied, now.applied);
        if let Some(end) = now.end {
            set(&self.end, end);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;

    #[test]
    fn the_gauges_of_a_cluster_exist_only_in_one() {
        let metrics = Metrics::new().unwrap();
        let text = |cluster| {
            let hub = Some(HubNow { cluster, ..HubNow::default() });
            metrics.text(&Now { hub, ..Now::default() }).unwrap()
        };
        assert!(!text(None).contains("cluster"));
        let cluster = ClusterNow { state: 1, members: 3, in_flight: 4, applied: 50, ..ClusterNow::default() };
        let first = text(Some(cluster));
        assert!(first.contains("\ntcp_chatd_cluster_state 1\n"), "{first}");
        assert!(!first.contains("cluster_end"), "{first}");
        let second = text(Some(ClusterNow { end: Some(60), ..cluster }));
        for line in ["cluster_members 3", "cluster_in_flight 4", "cluster_applied 50", "cluster_end 60"] {
            assert!(second.contains(&format!("\ntcp_chatd_{line}\n")), "{line}: {second}");
        }
    }
}
