//! Owns a connection to the hub that has no socket: what the hub has for it, and what of that concerns one request.
//! Called by [`super::poster`]. Never decides what an answer means.
//!
//! It is no [`crate::net::Link`]: a link carries lines, and the session needs what lines do not say. A repeated id is
//! answered by the number of the first message even if the text differs, and the session is known by its hash alone. It
//! shares the guard with the connections that have a socket.

use crate::chat::{Command, Read, Resent};
use crate::hub::{HubGone, Item, Outbox, Taken};
use crate::net::{ConnectionGuard, Gate};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use tcp_chat_protocol::reply::{self, Incoming};
use tcp_chat_protocol::{Refusal, RequestId, Seq};

/// What may wait in memory for the session; it reads only what is for itself.
const OUTBOX_BYTES: usize = 64 * 1024;

/// A connection to the hub. Its drop tells the hub that it is lost.
#[derive(Debug)]
pub(super) struct Held {
    guard: ConnectionGuard,
    outbox: Arc<Outbox>,
    /// Taken out of the outbox, and not looked at yet.
    items: VecDeque<Item>,
}

/// Something that concerns one request.
#[derive(Debug)]
pub(super) enum Heard {
    Done,
    Kept(Seq),
    Again(Box<Resent>),
    Refused(Refusal),
    /// The connection is over, or its answers went by: ask again.
    Lost,
}

impl Held {
    /// Tells the hub of a new connection.
    pub(super) async fn enter(gate: &Gate) -> Result<Self, HubGone> {
        let outbox = Arc::new(Outbox::new(OUTBOX_BYTES));
        let guard = ConnectionGuard::enter(gate, IpAddr::V4(Ipv4Addr::LOCALHOST), &outbox).await?;
        Ok(Self { guard, outbox, items: VecDeque::new() })
    }

    /// Does the hub have nothing more for it?
    pub(super) fn is_closed(&self) -> bool {
        self.outbox.is_closed()
    }

    /// Asks the hub something.
    pub(super) async fn ask(&self, command: Command) -> Result<(), HubGone> {
        self.guard.pass_on(vec![command]).await
    }

    /// The next thing that the hub has for us. `None`: nothing more comes.
    pub(super) async fn next(&mut self) -> Option<Item> {
        loop {
            if let Some(item) = self.items.pop_front() {
                return Some(item);
            }
            match poll_fn(|cx| self.outbox.poll_take(cx, usize::MAX)).await {
                Taken::Items(items) => self.items = items,
                Taken::Closed(_) => return None,
            }
        }
    }
}

/// What an item says of the request `id`.
pub(super) fn concerns(item: Item, id: &RequestId) -> Option<Heard> {
    match item {
        Item::Own(_, ids) => ids.into_iter().find(|(_, own)| own == id).map(|(seq, _)| Heard::Kept(seq)),
        Item::Read(Read::Again(resent)) => (resent.id == *id).then_some(Heard::Again(resent)),
        // What was swallowed by it may have been ours; asked again, it is answered by its number.
        Item::Read(Read::Gap(..)) => Some(Heard::Lost),
        Item::Line(line) => match reply::read(&line) {
            Ok(Incoming::Error(Some(of), error)) if of == *id => {
                let mut refusal = Refusal::new(error.kind, error.msg);
                refusal.retry_after_ms = error.retry_after_ms;
                Some(Heard::Refused(refusal))
            }
            Ok(Incoming::Reply { id: Some(of), .. }) if of == *id => Some(Heard::Done),
            _ => None,
        },
        Item::Shared(_) | Item::Kept(_) | Item::Read(_) => None,
    }
}
