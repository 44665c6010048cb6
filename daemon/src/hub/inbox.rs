//! Owns the inbox of the hub: the entries of connections and operators, bounded in number. It is the only place where
//! a connection waits for the hub, so the back-pressure reaches the sender.

use crate::edge::Command;
use crate::hub::Outbox;
use crate::metrics::HubNow;
use crate::order::OrderReport;
use crate::store::HistoryBytes;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tcp_chat_protocol::Action;
use tcp_chat_protocol::reply::ActReply;
use tcp_chat_state::{
    ConnectionId, Counts, Cursor, Listing, Page, Registered, RoomTwin, Rules, UserCommand, UserCommandError,
};
use tokio::sync::{mpsc, oneshot};

/// The number of entries that may wait. Each has at most the commands of one read of a connection.
const ENTRIES: usize = 1024;

/// One entry of the inbox.
#[derive(Debug)]
pub enum Entry {
    /// A new connection: its peer address, and its outbox.
    Open(ConnectionId, IpAddr, Arc<Outbox>),
    /// The commands of one read of a connection, in order.
    Commands(ConnectionId, Vec<Command>),
    /// A command of an operator or of the daemon itself.
    Control(Control),
}

/// An entry that does not come from a connection.
#[derive(Debug)]
pub enum Control {
    /// Health. A turn answers it, so the answer also shows that the hub runs.
    Health(oneshot::Sender<Health>),
    /// The present values for the metrics.
    Measure(oneshot::Sender<HubNow>),
    /// Tell all clients that the daemon ends, and close all connections.
    Shutdown,
    /// Send a notice to all clients, with a log to those of all nodes. Answers once they are told, or why they are not.
    Say(String, oneshot::Sender<Result<(), String>>),
    /// Moderate, on behalf of the system's user of that number. Answers the result, or the refusal.
    Action(u32, Box<Action>, oneshot::Sender<Result<ActReply, String>>),
    /// A page of a listing.
    Listing(Listing, Cursor, oneshot::Sender<Page>),
    /// Change the registered users or the accepted certificates, on behalf of the system's user of that number.
    /// Answers how many sessions or certificates it has affected.
    User(u32, UserCommand, oneshot::Sender<Result<usize, UserCommandError>>),
    /// How many messages a complete erasure has found, by its number.
    Erased(i64, oneshot::Sender<Option<u64>>),
    /// The registered users.
    Users(oneshot::Sender<Registered>),
    /// Could this policy be proposed now?
    CheckRules(Box<Rules>, oneshot::Sender<Result<(), PolicyRefused>>),
    /// Propose this policy. Answers, once it counts, which rooms look like a configured one.
    Rules(Box<Rules>, oneshot::Sender<Result<Vec<RoomTwin>, PolicyRefused>>),
}

/// Why a policy was not proposed. Nothing was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PolicyRefused {
    /// Nothing can be ordered.
    #[error(
        "nothing can be ordered now (`tcp-chatd status` says why), so no policy can count on all nodes; try again later"
    )]
    Unavailable,
    /// The store of this node cannot be written, so it takes nothing from the log.
    #[error(
        "the store of this node cannot be written (`tcp-chatd status` says why); reload another node, or try again later"
    )]
    StoreFails,
    /// No entry of the log takes it.
    #[error(
        "the names of the configured rooms take {0} bytes, and in a cluster they may take {most}: configure fewer rooms",
        most = POLICY_BYTES
    )]
    TooLong(usize),
}

/// The longest encoded form of a policy in a cluster, in bytes, about: one entry of the log takes it.
pub(super) const POLICY_BYTES: usize = 384 * 1024;

impl Control {
    /// Does it become part of a turn?
    pub(super) fn needs_order(&self) -> bool {
        matches!(self, Self::Action(..) | Self::User(..) | Self::Rules(..))
    }
}

/// The health of the hub.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Health {
    /// Open connections, logged in or not.
    pub connections: usize,
    /// The sizes of the state.
    pub counts: Counts,
    /// Why messages cannot be kept now; `None`: they can.
    pub store_failing: Option<String>,
    /// The size of the history, and its limit.
    pub history: HistoryBytes,
    /// While a user is being erased: the messages that are still to be looked at, at most.
    pub erasing_left: Option<u64>,
    /// The order of a node of a cluster.
    pub order: Option<OrderReport>,
}

/// The sending side. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Inbox(mpsc::Sender<Entry>);

/// The hub has ended.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the hub has ended")]
pub struct HubGone;

/// Makes the two ends.
#[must_use]
pub fn inbox() -> (Inbox, mpsc::Receiver<Entry>) {
    let (sender, receiver) = mpsc::channel(ENTRIES);
    (Inbox(sender), receiver)
}

impl Inbox {
    /// Adds an entry; waits for room.
    ///
    /// # Errors
    /// The hub has ended.
    pub async fn put(&self, entry: Entry) -> Result<(), HubGone> {
        self.0.send(entry).await.map_err(|_| HubGone)
    }

    /// Adds an entry if there is room; otherwise gives it back.
    ///
    /// # Errors
    /// No room (`Some`), or the hub has ended (`None`).
    pub fn try_put(&self, entry: Entry) -> Result<(), Option<Entry>> {
        self.0.try_send(entry).map_err(|e| match e {
            mpsc::error::TrySendError::Full(entry) => Some(entry),
            mpsc::error::TrySendError::Closed(_) => None,
        })
    }

    /// Asks the hub for its health, and waits at most `limit` for the answer. `None`: no turn has answered.
    pub async fn health(&self, limit: Duration) -> Option<Health> {
        self.ask(Control::Health, limit).await
    }

    /// Asks the hub for the values of the metrics, as [`Inbox::health`] asks.
    pub async fn measure(&self, limit: Duration) -> Option<HubNow> {
        self.ask(Control::Measure, limit).await
    }

    async fn ask<T>(
        &self,
        question: impl FnOnce(oneshot::Sender<T>) -> Control,
        limit: Duration,
    ) -> Option<T> {
        let (sender, receiver) = oneshot::channel();
        let ask = async {
            self.put(Entry::Control(question(sender))).await.ok()?;
            receiver.await.ok()
        };
        tokio::time::timeout(limit, ask).await.ok().flatten()
    }
}
