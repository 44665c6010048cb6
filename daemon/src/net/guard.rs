//! Owns the registration of a connection with the hub: from [`ConnectionGuard::enter`] to the drop of the guard.
//! Called by `connection` and by the session of the HTTP endpoint. Never reads or writes a stream.

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
}

impl ConnectionGuard {
    /// Registers a new connection from this address. The hub sends its answers through the outbox.
    ///
    /// # Errors
    /// The hub has ended.
    pub async fn enter(gate: &Gate, address: IpAddr, outbox: &Arc<Outbox>) -> Result<Self, HubGone> {
        let id = gate.next_id();
        gate.0.inbox.put(Entry::Open(id, address, outbox.clone())).await?;
        Ok(Self { gate: gate.clone(), id })
    }

    /// The id of the connection.
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
            // A new task: the task of the connection may be ending by a panic.
            self.gate.0.tasks.spawn(async move { gate.0.inbox.put(lost).await });
        }
    }
}
