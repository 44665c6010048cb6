//! Owns the way into the hub: what connections and operators put in, bounded in entries. The only
//! place where a connection waits for the hub, so that the back-pressure falls on who sends.

use crate::edge::Command;
use crate::hub::Outbox;
use crate::metrics::HubNow;
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

/// Entries that may wait. Each is at most what one read of a connection brought.
const ENTRIES: usize = 1024;

/// One entry of the inbox.
#[derive(Debug)]
pub enum Entry {
    /// A connection is there: where it comes from, and where to answer.
    Open(ConnectionId, IpAddr, Arc<Outbox>),
    /// What a connection read, in order.
    Commands(ConnectionId, Vec<Command>),
    /// What an operator or the daemon itself wants.
    Control(Control),
}

/// What does not come from a connection.
#[derive(Debug)]
pub enum Control {
    /// How is it? Answered by a turn: also the proof that the hub turns.
    Health(oneshot::Sender<Health>),
    /// What is there to be measured, now?
    Measure(oneshot::Sender<HubNow>),
    /// Tell everyone that the daemon is going, and close all connections.
    Shutdown,
    /// Say something to everyone.
    Say(String, oneshot::Sender<()>),
    /// Moderate, on behalf of the system's user of that number. What was done, or why not.
    Action(u32, Box<Action>, oneshot::Sender<Result<ActReply, String>>),
    /// Look at something: a page of a list of objects.
    Listing(Listing, Cursor, oneshot::Sender<Page>),
    /// Change who is registered, or which certificates are good, on behalf of the system's user of
    /// that number. Answers how many it touched.
    User(u32, UserCommand, oneshot::Sender<Result<usize, UserCommandError>>),
    /// Who is registered?
    Users(oneshot::Sender<Registered>),
    /// Go by other settings.
    Rules(Box<Rules>, oneshot::Sender<Vec<RoomTwin>>),
}

/// What the hub says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Health {
    /// Open connections, logged in or not.
    pub connections: usize,
    /// What there is.
    pub counts: Counts,
    /// Why messages cannot be kept now; `None`: they can.
    pub store_failing: Option<String>,
    /// What the history takes, and what it may.
    pub history: HistoryBytes,
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
    /// Puts an entry in, waiting for room.
    ///
    /// # Errors
    /// The hub has ended.
    pub async fn put(&self, entry: Entry) -> Result<(), HubGone> {
        self.0.send(entry).await.map_err(|_| HubGone)
    }

    /// Puts an entry in if there is room; else gives it back.
    ///
    /// # Errors
    /// No room (`Some`), or the hub has ended (`None`).
    pub fn try_put(&self, entry: Entry) -> Result<(), Option<Entry>> {
        self.0.try_send(entry).map_err(|e| match e {
            mpsc::error::TrySendError::Full(entry) => Some(entry),
            mpsc::error::TrySendError::Closed(_) => None,
        })
    }

    /// Asks the hub how it is, and waits at most `limit` for the answer. `None`: it did not turn.
    pub async fn health(&self, limit: Duration) -> Option<Health> {
        self.ask(Control::Health, limit).await
    }

    /// Asks the hub what there is to be measured, as [`Inbox::health`] asks.
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
