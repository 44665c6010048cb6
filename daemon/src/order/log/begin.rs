//! Owns what an order begins with: the identity of this node, the times that it waits, and its place in the log. Plain data.

use super::Process;
use crate::order::Place;
use std::time::Duration;
use tcp_chat_turn_log::{Behaviours, Digest, Generation};

/// How this node appears in the cluster.
#[derive(Debug, Clone)]
pub struct Identity {
    /// Its name, which no other node has.
    pub name: Box<str>,
    /// Its address for clients, as `host:port`.
    pub address: Box<str>,
    /// This process.
    pub process: Process,
    /// The behaviours that its version can follow.
    pub behaviours: Behaviours,
}

/// How long the order waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// The setting `hold`: after this time without anything coming back, nothing more is taken.
    pub hold: Duration,
    /// The setting `gone_after`: a node that is silent for this long is closed.
    pub gone_after: Duration,
    /// After this time without an entry the driver writes an empty turn: then no node is far from the end of the stream, whose
    /// old records go.
    pub quiet: Duration,
}

impl Patience {
    /// The longest time without an entry, for a stream that keeps records for this long.
    #[must_use]
    pub fn quiet(log_keep: Duration) -> Duration {
        (log_keep / 4).min(Duration::from_secs(3600))
    }
}

/// Where the order begins.
#[derive(Debug, Clone)]
pub enum Begin {
    /// Where the store is: what [`LogOrder::applied`] gave.
    Resume(Place),
    /// As the first node of a new generation, whose state is the one at this place.
    FoundAgain {
        /// The generation. Its number is greater than that of the place.
        generation: Generation,
        /// What [`LogOrder::applied`] gave, moved to the end of the stream that the generation begins in.
        place: Place,
        /// The founder's clock, in milliseconds since 1970.
        time: u64,
    },
    /// With the first record of the stream and an empty state.
    Empty,
    /// As the first node of a new generation, whose state is the one that this node has.
    Found {
        /// The generation.
        generation: Generation,
        /// The digest of the state.
        base: Digest,
    },
}
