//! Owns what an order tells about itself: for STATUS, `/readyz`, the metrics and `cluster status`. Plain data.

use super::{MemberNow, Readiness};
use serde::Serialize;

/// The order of a node of a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OrderReport {
    /// The name of this node.
    pub name: Box<str>,
    /// Can it order requests?
    pub state: OrderState,
    /// The connection with NATS is there.
    pub connected: bool,
    /// The nodes that live, as far as this one has read, this one first.
    pub members: Vec<MemberNow>,
    /// The generation of the log. 0: none was read.
    pub generation: u64,
    /// This node's epoch. 0: it had none.
    pub epoch: u64,
    /// The sequence of the last entry that was applied.
    pub applied: u64,
    /// The last sequence of the stream, as its leader has told last.
    pub end: Option<u64>,
    /// Own entries that have not come back.
    pub in_flight: usize,
    /// The number of the rules that the nodes follow.
    pub behaviour: u16,
}

/// Can the order order requests?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum OrderState {
    /// Yes.
    Serving,
    /// Not yet: something must come back first.
    Waiting,
    /// No: requests that change something are refused.
    Unavailable,
}

impl From<Readiness> for OrderState {
    fn from(readiness: Readiness) -> Self {
        match readiness {
            Readiness::Ready => Self::Serving,
            Readiness::Busy => Self::Waiting,
            Readiness::Unavailable => Self::Unavailable,
        }
    }
}
