//! Owns what an order tells about itself: for STATUS, `/readyz`, the metrics and `cluster status`. Plain data.

use super::{MemberNow, Readiness};
use serde::Serialize;

/// The order of a node of a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OrderReport {
    /// The name of this node.
    pub name: Box<str>,
    /// Can a turn be proposed?
    pub state: Readiness,
    /// The connection with NATS is there.
    pub connected: bool,
    /// The nodes that live, as far as this one has read, this one first.
    pub members: Vec<MemberNow>,
    /// The generation of the log. 0: none was read.
    pub generation: u64,
    /// This node's epoch. 0: it had none.
    pub epoch: u64,
    /// This process has an epoch that lives: it has started in the cluster.
    pub is_up: bool,
    /// The sequence of the last entry that was applied.
    pub applied: u64,
    /// The last sequence of the stream, as its leader has told last.
    pub end: Option<u64>,
    /// Own entries that have not come back.
    pub in_flight: usize,
    /// The number of the rules that the nodes follow.
    pub behaviour: u16,
    /// The newest number that this version can follow.
    pub behaviour_known: u16,
    /// The nodes whose versions are too old for the rules that others could follow already.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub raise_waits_for: Vec<Box<str>>,
    /// The living nodes whose configuration has another policy than the log, which counts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub policy_differs: Vec<Box<str>>,
    /// The keys in which that of this node differs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub policy_differs_in: Vec<&'static str>,
    /// The digest of what was applied, of the log and of the state: nodes with the same `applied` have the same.
    pub digest: String,
    /// By how many seconds the clock of this host is behind that of the log, as its last turn showed. `None`: less than one, or
    /// not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clock_behind_s: Option<u64>,
}

impl OrderReport {
    /// Why no client should be sent to this node now. `None`: it serves.
    #[must_use]
    pub fn why_not_ready(&self) -> Option<&'static str> {
        match self.state {
            Readiness::Unavailable => Some("nothing can be ordered in the cluster"),
            Readiness::Busy if !self.is_up => Some("this node has not started in its cluster yet"),
            Readiness::Busy | Readiness::Ready => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_ready_once_this_process_has_started_in_its_cluster() {
        let report = OrderReport {
            name: "chat1".into(),
            state: Readiness::Busy,
            connected: false,
            members: Vec::new(),
            generation: 1,
            // The one of the process before.
            epoch: 3,
            is_up: false,
            applied: 9,
            end: None,
            in_flight: 0,
            behaviour: 1,
            behaviour_known: 1,
            raise_waits_for: Vec::new(),
            policy_differs: Vec::new(),
            policy_differs_in: Vec::new(),
            digest: String::new(),
            clock_behind_s: None,
        };
        assert!(report.why_not_ready().is_some());
        let full = OrderReport { is_up: true, in_flight: 64, ..report.clone() };
        assert_eq!(full.why_not_ready(), None, "it waits for room only");
        assert!(OrderReport { state: Readiness::Unavailable, ..full }.why_not_ready().is_some());
    }
}
