//! Owns the hub's knowledge that a connection exists: it begins with [`ConnectionGuard::enter`] and ends with the drop of
//! the guard. Called by `connection` and by the session of the HTTP endpoint. Never reads or writes a stream.

use super::Gate;
use crate::chat::{Command, ConnectionId};
use crate::hub::{Entry, HubGone, Outbox};
use std::net::IpAddr;
use std::sync::Arc;

/// A connection that the hub knows. Its drop, also by a panic, reports the connection as lost.
#[derive(Debug)]
pub struct ConnectionGuard {
    gate: Gate,
    id: ConnectionId,
}

impl ConnectionGuard {
    /// Tells the hub of a new connection from this address. The hub answers into the outbox.
    ///
    /// # Errors
    /// The hub has ended.
    pub async fn enter(gate: &Gate, address: IpAddr, outbox: &Arc<Outbox>) -> Result<Self, HubGone> {
        let id = gate.next_id();
        gate.0.inbox.put(Entry::Open(id, address, outbox.clone())).await?;
        Ok(Self { gate: gate.clone(), id })
    }

    /// The number of the connection.
    #[must_use]
    pub fn id(&self) -> ConnectionId {
        self.id
    }

    /// Passes commands to the hub. Waits while its inbox is full.
    ///
    /// # Errors
    /// The hub has ended.
    pub async fn pass_on(&self, commands: Vec<Command>) -> Result<(), HubGone> {
        self.gate.0.inbox.put(Entry::Commands(self.id, commands)).await
    }
}

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        let lost = Entry::Commands(self.id, vec![Command::Lost]);
        if let Err(Some(lost)) = self.gate.0.inbox.try_put(lost) {
            let gate = self.gate.clone();
            // Not on the connection's own task: that may be ending by a panic.
            self.gate.0.tasks.spawn(async move { gate.0.inbox.put(lost).await });
        }
    }
}
