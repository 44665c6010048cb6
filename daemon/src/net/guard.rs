//! Owns a connection as the hub sees it: an id, commands in, an outbox of answers, and its end. It lasts from
//! [`ConnectionGuard::enter`] to [`ConnectionGuard::leave`] or the drop of the guard. Used by `connection`, which adds a
//! [`super::Link`], and by the session of the webhook, which has none. Never reads or writes a stream.

use super::Gate;
use crate::edge::Command;
use crate::hub::{Entry, HubGone, Outbox};
use std::net::IpAddr;
use std::sync::Arc;
use tcp_chat_state::ConnectionId;

/// A connection that is registered with the hub. Its drop, also by a panic, reports the connection as lost.
#[derive(Debug)]
pub struct ConnectionGuard {
    gate: Gate,
    id: ConnectionId,
    /// The hub's answers.
    outbox: Arc<Outbox>,
    /// Whether the hub already knows that the connection is lost.
    has_left: bool,
    /// Whether the connection has a turn to read.
    has_turn: bool,
}

impl ConnectionGuard {
    /// Registers a new connection from this address, with an outbox of this bound in bytes.
    ///
    /// # Errors
    /// The hub has ended.
    pub async fn enter(gate: &Gate, address: IpAddr, outbox_bytes: usize) -> Result<Self, HubGone> {
        let (id, outbox) = (gate.next_id(), Arc::new(Outbox::new(outbox_bytes)));
        gate.0.inbox.put(Entry::Open(id, address, outbox.clone())).await?;
        Ok(Self { gate: gate.clone(), id, outbox, has_left: false, has_turn: false })
    }

    /// The outbox: the hub puts its answers into it.
    #[must_use]
    pub fn outbox(&self) -> &Arc<Outbox> {
        &self.outbox
    }

    /// The id of the connection.
    #[must_use]
    pub fn id(&self) -> ConnectionId {
        self.id
    }

    /// The gate of the connection.
    #[must_use]
    pub(super) fn gate(&self) -> &Gate {
        &self.gate
    }

    /// Has the connection a turn to read?
    pub(super) fn has_turn(&self) -> bool {
        self.has_turn
    }

    /// The connection has taken a turn to read.
    pub(super) fn begin_turn(&mut self) {
        self.has_turn = true;
    }

    /// Gives the turn back, if there is one.
    pub(super) fn end_turn(&mut self) {
        if std::mem::take(&mut self.has_turn) {
            self.gate.0.read_turns.give_back();
        }
    }

    /// Passes commands to the hub. Waits while its inbox is full.
    ///
    /// # Errors
    /// The hub has ended.
    pub async fn pass_on(&self, commands: Vec<Command>) -> Result<(), HubGone> {
        self.gate.0.inbox.put(Entry::Commands(self.id, commands)).await
    }
}

impl ConnectionGuard {
    /// Reports the connection as lost. Does nothing the second time.
    pub(super) fn leave(&mut self) {
        if std::mem::replace(&mut self.has_left, true) {
            return;
        }
        let lost = Entry::Commands(self.id, vec![Command::Lost]);
        if let Err(Some(lost)) = self.gate.0.inbox.try_put(lost) {
            let gate = self.gate.clone();
            // A new task: the task of the connection may be ending by a panic.
            self.gate.0.tasks.spawn(async move { gate.0.inbox.put(lost).await });
        }
    }
}

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        self.end_turn();
        self.leave();
    }
}
