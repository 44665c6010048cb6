//! Owns the order of turns: a node proposes a turn, and later gets back the turns that all nodes apply next, its own and
//! those of others. Called by the hub. Never reads or applies a turn, and never waits.
//!
//! | file | what |
//! | --- | --- |
//! | `orders.rs` | the order that the hub has: one of the next two |
//! | `local.rs` | that of a daemon without a cluster |
//! | `log.rs` | that of a cluster's node, in several files |
//! | `linked.rs` | moves the words between it and the task of the stream |
//! | `stream.rs` | these words |
//! | `cause.rs` | why an order ends its process, and what helps against that |
//! | `report.rs` | what an order tells about itself |
//! | `slow.rs` | the log of the tests |
//!
//! Words for "can this node order?":
//!
//! | word | what it says | who asks |
//! | --- | --- | --- |
//! | [`Readiness`] | whether a turn can be proposed now; the limit of turns in flight and the setting `hold` count | the hub, operators, the metrics |
//! | `serves` | whether this node is a sound part of the cluster, whatever is in flight and however long it waits | copies of the store, a raise of the behaviour |
//! | `is_up` | whether this process has an epoch that lives | `log.rs`, operators |
//! | `Standing` of `crates/turn-log` | whether this node has the state of the majority; if that is not known, it does not serve | `log.rs` |
//!
//! A *word* is what the order and the task of the stream give each other. A record was *heard* if it came on the subject where
//! the stream publishes what it has stored, and where others may be able to publish.

mod cause;
#[cfg(feature = "cluster")]
mod linked;
mod local;
#[cfg(feature = "cluster")]
mod log;
mod orders;
mod report;
#[cfg(test)]
pub mod slow;
#[cfg(feature = "cluster")]
pub mod stream;

pub use cause::{Cause, Remedy, Stopped};
#[cfg(feature = "cluster")]
pub use linked::{Linked, OrderGone, Serves, TaskEnd, ToOrder};
pub use local::Local;
#[cfg(feature = "cluster")]
pub use log::{Begin, Identity, KNOWN, LogOrder, Patience, Process, digits, node_id};
pub use orders::Orders;
pub use report::OrderReport;

use serde::Serialize;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tcp_chat_state::{Behaviour, NodeId, Turn, Writes};

/// A turn that is next in the order.
#[derive(Debug)]
pub struct Ordered {
    /// The turn, with the time that the order gave it.
    pub turn: Turn,
    /// The rules by which all nodes apply it.
    pub behaviour: Behaviour,
    /// The number that [`Order::propose`] gave it, if this process proposed it.
    pub own: Option<u64>,
}

/// Can a turn be proposed now? The numbers are those of the metric, the words those of `cluster status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Readiness {
    /// It can.
    #[serde(rename = "serving")]
    Ready = 0,
    /// Too much is in flight, or this node has no living epoch yet: wait until something comes back. Nothing is refused.
    #[serde(rename = "waiting")]
    Busy = 1,
    /// Nothing can be ordered: requests that need the order are refused with `UNAVAILABLE`.
    #[serde(rename = "unavailable")]
    Unavailable = 2,
}

/// What happened to the order besides turns, at its place between the turns.
#[derive(Debug)]
pub enum OrderEvent {
    /// This node's epoch lives: it can serve.
    Up,
    /// This node's epoch is closed, and these own turns will never be applied. All its connections are closed. The order
    /// starts a new epoch by itself, and tells it with [`OrderEvent::Up`].
    Fenced(Vec<u64>),
    /// Own turns were published, and nothing came back for the time of the setting `hold`. The turns may still come back.
    Stuck,
    /// These own turns were never published, and will never be applied.
    Withdrawn(Vec<u64>),
    /// The nodes that live, this one first.
    Members(Arc<[MemberNow]>),
    /// From here on all nodes apply turns by this behaviour.
    Raised(Behaviour),
    /// The process must end.
    Ended(Stopped),
}

/// A node that lives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MemberNow {
    /// Its number.
    #[serde(skip)]
    pub node: NodeId,
    /// Its name.
    pub name: Box<str>,
    /// Its address for clients, as `host:port`.
    pub address: Box<str>,
    /// The newest behaviour that its version can follow.
    pub behaviour: u16,
}

/// What comes next in the order.
#[derive(Debug)]
pub enum Next {
    /// A turn to apply.
    Turn(Ordered),
    /// Something else.
    Event(OrderEvent),
}

/// Why a turn was not taken. It was not published, so it will never be applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotTaken {
    /// No entry of the log is long enough for it.
    TooLong,
    /// The order is not [`Readiness::Ready`].
    NotReady,
}

/// The place of a turn in a log, to be stored in the same transaction as its writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place(pub Vec<u8>);

/// Puts turns into one order. `now` is the time since the process started, on a clock that only goes forward.
pub trait Order {
    /// This node.
    fn node(&self) -> NodeId;

    /// Can a turn be proposed now?
    fn readiness(&self, now: Duration) -> Readiness;

    /// Proposes a turn of this node. Returns its number; the numbers ascend from 1. Its time is a proposal, too: the order may
    /// give it another one. A turn without intents and steps must not be proposed to a log.
    ///
    /// # Errors
    /// The turn is dropped, and will never be applied.
    fn propose(&mut self, turn: Turn, now: Duration) -> Result<u64, NotTaken>;

    /// What comes next: a turn of this node or of another, or an event. The caller applies a turn and calls
    /// [`Order::applied`] before it calls this again.
    fn next(&mut self, now: Duration) -> Option<Next>;

    /// Called instead of [`Order::next`] while the store cannot be written: takes in what comes, and gives nothing out. `lives`:
    /// the other nodes are told that this one lives. Otherwise they close its epoch, and its clients and its work become theirs.
    fn rest(&mut self, now: Duration, lives: bool);

    /// The turn of the last call of [`Order::next`] was applied, with these writes. Returns its place in the log.
    fn applied(&mut self, writes: &Writes) -> Option<Place>;

    /// The time at which [`Order::next`] or [`Order::rest`] must be called although no word came. `None`: never.
    fn due(&self) -> Option<Duration>;

    /// Ready when a word from outside waits for [`Order::next`]. Otherwise the task is woken when one comes. Without a log no
    /// word comes.
    fn poll_word(&mut self, context: &mut Context<'_>) -> Poll<()>;

    /// The time for which the order has gone on, by a clock that stands still while nothing comes back. The time that a
    /// session is away is measured with it: nobody expires because nothing can be ordered.
    fn running(&self, now: Duration) -> Duration;

    /// The setting `hold`: after this time with a store that cannot be written, a node hands over its connections. `None`: it
    /// is the only node, and keeps them.
    fn hold(&self) -> Option<Duration>;

    /// What an operator is told about the order. `None`: there is no log.
    fn report(&self, now: Duration) -> Option<OrderReport>;

    /// Notes the keys in which this node's configuration differs from the policy of the log. Its report and its beats say so.
    fn note_differing(&mut self, _keys: Vec<&'static str>) {}

    /// The process ends: proposes that the epoch of this node is closed, so that the others need not wait until they miss it. It
    /// is closed when [`OrderEvent::Fenced`] comes. False: it could not be proposed now, and may be tried again.
    fn leave(&mut self, now: Duration) -> bool;
}
