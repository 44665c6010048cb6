//! Owns the webhook's connection to the hub, and finds the outcome of a request among its items. Called by
//! [`super::session`]. Never decides the reaction to an outcome.
//!
//! It is a [`ConnectionGuard`] like each connection with a socket, but without a [`crate::net::Link`]. A link carries lines,
//! and two facts of this session have no line: the session is resumed by a hash that no token has, and a resend with
//! another text is answered with the seq of the first message.

use crate::edge::Ask;
use crate::edge::{Command, Read};
use crate::hub::{HubGone, Item, Taken};
use crate::net::{ConnectionGuard, Gate};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::net::{IpAddr, Ipv4Addr};
use std::task::{Context, Poll};
use tcp_chat_protocol::{Refusal, RequestId, Seq};
use tcp_chat_state::Resent;

/// The bound of the outbox, in bytes. The messages of others fill it, too.
const OUTBOX_BYTES: usize = 64 * 1024;

/// A connection to the hub. Its drop reports it as lost.
#[derive(Debug)]
pub(super) struct HubConnection {
    guard: ConnectionGuard,
    /// Items that are taken out of the outbox, but not handled yet.
    items: VecDeque<Item>,
}

/// The outcome of a LOGIN.
#[derive(Debug)]
pub(super) enum LoginOutcome {
    LoggedIn,
    Refused(Refusal),
    /// The connection is closed.
    Lost,
}

/// The outcome of a message.
#[derive(Debug)]
pub(super) enum Outcome {
    Kept(Seq),
    /// The id was used before.
    Again(Box<Resent>),
    Refused(Refusal),
    /// The connection is closed, or a gap swallowed the answer: send the message again.
    Lost,
}

impl HubConnection {
    /// Registers a new connection with the hub.
    pub(super) async fn enter(gate: &Gate) -> Result<Self, HubGone> {
        let guard = ConnectionGuard::enter(gate, IpAddr::V4(Ipv4Addr::LOCALHOST), OUTBOX_BYTES).await?;
        Ok(Self { guard, items: VecDeque::new() })
    }

    /// Whether the hub has closed the connection.
    pub(super) fn is_closed(&self) -> bool {
        self.guard.outbox().is_closed()
    }

    /// Logs in, and waits for the outcome.
    pub(super) async fn login(&mut self, login: Ask) -> LoginOutcome {
        let id = RequestId::Text("login".into());
        if self.guard.pass_on(vec![Command::Ask(Some(id.clone()), login)]).await.is_err() {
            return LoginOutcome::Lost;
        }
        loop {
            match poll_fn(|cx| self.poll_login(cx)).await {
                LoginStep::LoggedIn => return LoginOutcome::LoggedIn,
                LoginStep::Item(item) => {
                    if let Some(refusal) = refusal_of(&item, &id) {
                        return LoginOutcome::Refused(refusal.clone());
                    }
                }
                LoginStep::Closed => return LoginOutcome::Lost,
            }
        }
    }

    fn poll_login(&mut self, cx: &Context<'_>) -> Poll<LoginStep> {
        // The hub wakes the task when it sets the login. So the task registers first, and looks afterwards.
        let next = self.poll_next(cx);
        if self.guard.outbox().is_logged_in() {
            return Poll::Ready(LoginStep::LoggedIn);
        }
        next.map(|item| item.map_or(LoginStep::Closed, LoginStep::Item))
    }

    /// Sends the message `id`, and waits for its outcome. `join`: sends this JOIN before it, in the same batch. If
    /// both are refused, the outcome is the refusal of the JOIN.
    pub(super) async fn send(&mut self, id: &RequestId, message: Ask, join: Option<Ask>) -> Outcome {
        let join_id = RequestId::Text("join".into());
        let mut commands: Vec<_> =
            join.map(|join| Command::Ask(Some(join_id.clone()), join)).into_iter().collect();
        commands.push(Command::Ask(Some(id.clone()), message));
        if self.guard.pass_on(commands).await.is_err() {
            return Outcome::Lost;
        }
        let mut join_refusal = None;
        loop {
            let Some(item) = self.next().await else { return Outcome::Lost };
            if let Some(refusal) = refusal_of(&item, &join_id) {
                join_refusal = Some(refusal.clone());
                continue;
            }
            match (outcome_of(item, id), join_refusal.take()) {
                (Some(Outcome::Refused(_)), Some(refusal)) => return Outcome::Refused(refusal),
                (Some(outcome), _) => return outcome,
                (None, refusal) => join_refusal = refusal,
            }
        }
    }

    /// The next item. `None`: the connection is closed.
    pub(super) async fn next(&mut self) -> Option<Item> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    fn poll_next(&mut self, cx: &Context<'_>) -> Poll<Option<Item>> {
        loop {
            if let Some(item) = self.items.pop_front() {
                return Poll::Ready(Some(item));
            }
            match self.guard.outbox().poll_take(cx, usize::MAX) {
                Poll::Ready(Taken::Items(items)) => self.items = items,
                Poll::Ready(Taken::Closed(_)) => return Poll::Ready(None),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

/// The result of one wait for a LOGIN.
enum LoginStep {
    LoggedIn,
    Item(Item),
    Closed,
}

/// The refusal of the request `id`, if the item is that.
fn refusal_of<'a>(item: &'a Item, id: &RequestId) -> Option<&'a Refusal> {
    match item {
        Item::Refused(refused) if refused.refusal.id.as_ref() == Some(id) => Some(&refused.refusal),
        _ => None,
    }
}

/// The outcome of the message `id`, if the item tells it.
fn outcome_of(item: Item, id: &RequestId) -> Option<Outcome> {
    if let Some(refusal) = refusal_of(&item, id) {
        return Some(Outcome::Refused(refusal.clone()));
    }
    match item {
        Item::Own(_, ids) => ids.into_iter().find(|(_, own)| own == id).map(|(seq, _)| Outcome::Kept(seq)),
        Item::Read(Read::Again(resent)) => (resent.id == *id).then_some(Outcome::Again(resent)),
        // The gap may contain the message. If it is sent again, the answer is its seq.
        Item::Read(Read::Gap(..)) => Some(Outcome::Lost),
        Item::Line(_) | Item::Refused(_) | Item::Shared(_) | Item::Kept(_) | Item::Read(_) => None,
    }
}
