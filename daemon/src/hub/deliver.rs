//! Owns delivery: effects become items in outboxes. The connections are woken once the whole turn is in their
//! outboxes, so that one write carries all of it. Called after a commit. Never waits.

use super::{Closed, Hub, Item, Outbox};
use crate::edge::{Effect, Refused};
use crate::log;
use crate::store::Kept;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;
use tcp_chat_protocol::{Name, RequestId, Seq};
use tcp_chat_state::{ConnectionId, IdMap, Own, shrink};
use tokio::time::Instant;
use tracing::debug;

/// The longest delay of presence lines in busy rooms. A member who is told of a thousand leaves then needs a few
/// writes, and not a thousand.
const UNHURRIED: Duration = Duration::from_millis(100);

/// The numbers of delivered items in a turn, for the metrics.
#[derive(Debug, Default)]
struct Count {
    messages: u64,
    copies: u64,
    fell_behind: u64,
}

impl Hub {
    /// Carries out the effects of a turn. `kept` are its chunks, in the order of its writes.
    pub(super) fn deliver(&mut self, effects: Vec<Effect>, kept: &[Arc<Kept>]) {
        let began = std::time::Instant::now();
        let mut wakers: Vec<Waker> = Vec::new();
        let mut count = Count::default();
        for effect in effects {
            match effect {
                Effect::Line(to, line) | Effect::IfKept(to, _, line) => {
                    wakers.extend(self.with(to, |o| o.push(Item::Line(line))))
                }
                Effect::Refused(refused) => {
                    let Refused { to, from, user, op, refusal } = &*refused;
                    let to = *to;
                    let user = user.as_ref().map(Name::as_str);
                    let (id, kind) = (refusal.id.as_ref(), refusal.kind);
                    log::Refused { conn: to.0, peer: *from, user, op: *op, id, kind }.tell();
                    wakers.extend(self.with(to, |o| o.push(Item::Refused(refused))));
                }
                Effect::Chunk { index, to, own } => {
                    // The store gives a chunk for each written one, so it exists.
                    let Some(kept) = kept.get(index) else { continue };
                    count.messages += own.len() as u64;
                    count.copies += (own.len() * to.len()) as u64;
                    self.offer(kept, &to, own, &mut wakers, &mut count);
                }
                Effect::Event { to, except, line } => {
                    for connection in to.iter().filter(|c| Some(**c) != except) {
                        if let Some(outbox) = self.outboxes.get(connection)
                            && outbox.push_unhurried(&line)
                        {
                            self.deferred.push(*connection);
                        }
                    }
                }
                Effect::Told { to, except, line, redacts, .. } => {
                    // In all outboxes: a connection that has left the room since may have the message waiting.
                    if let Some((of, seq)) = redacts {
                        self.outboxes.values().for_each(|outbox| outbox.redact(of, seq));
                    }
                    for connection in to.iter().filter(|c| Some(**c) != except) {
                        wakers.extend(self.with(*connection, |o| o.push_told(&line)));
                    }
                }
                Effect::ReadAgain(until) => {
                    self.outboxes.values().for_each(|outbox| outbox.read_again(until))
                }
                Effect::Read(to, read) => wakers.extend(self.with(to, |o| o.push(Item::Read(read)))),
                Effect::LoggedIn(to, session, name) => {
                    debug!(
                        event = "logged_in",
                        conn = to.0,
                        user = name.as_str(),
                        session = session.0,
                        "logged in"
                    );
                    wakers.extend(self.with(to, |o| o.logged_in(session)));
                }
                Effect::BannedRanges(barred) => self.banned_addresses.store(barred),
                // The connection sees the delay before its next read.
                Effect::Slow(to, ms) => {
                    if let Some(outbox) = self.outboxes.get(&to) {
                        outbox.slow(ms);
                    }
                }
                Effect::Close(to, why) => {
                    debug!(event = "closing", conn = to.0, reason = why.as_str(), "closing");
                    wakers.extend(self.with(to, |o| o.close(Closed::By(why))));
                }
            }
        }
        for connection in self.heard.drain(..) {
            wakers.extend(self.outboxes.get(&connection).and_then(|o| o.taken()));
        }
        for connection in self.lost.drain(..) {
            wakers.extend(self.outboxes.remove(&connection).and_then(|o| o.close(Closed::Lost)));
            shrink(&mut self.outboxes);
        }
        self.wakes.wake(wakers);
        if count.messages > 0 {
            self.metrics.hub.fanned_out(count.messages, count.copies, count.fell_behind, began.elapsed());
        }
    }

    /// Wakes the connections with lines in no hurry, unless the last time was too recent.
    pub(super) fn wake_deferred(&mut self, now: Instant) {
        if self.deferred.is_empty() || now < self.deferred_at {
            return;
        }
        self.deferred_at = now + UNHURRIED;
        let outboxes = &self.outboxes;
        let wakers = self.deferred.drain(..).filter_map(|id| outboxes.get(&id)?.wake()).collect();
        self.wakes.wake(wakers);
    }

    fn with(&self, to: ConnectionId, act: impl FnOnce(&Outbox) -> Option<Waker>) -> Option<Waker> {
        self.outboxes.get(&to).and_then(|outbox| act(outbox))
    }

    fn offer(
        &self,
        kept: &Arc<Kept>,
        to: &[ConnectionId],
        own: Vec<Own>,
        wakers: &mut Vec<Waker>,
        count: &mut Count,
    ) {
        let mut ids: IdMap<ConnectionId, Vec<(Seq, RequestId)>> = IdMap::default();
        for Own { at, seq, id } in own {
            if let Some(id) = id {
                ids.entry(at.connection).or_default().push((seq, id));
            }
        }
        for connection in to {
            let own = if ids.is_empty() { Vec::new() } else { ids.remove(connection).unwrap_or_default() };
            let Some(outbox) = self.outboxes.get(connection) else { continue };
            let (waker, falls_behind) = outbox.offer(kept, own);
            wakers.extend(waker);
            count.fell_behind += u64::from(falls_behind);
        }
    }
}
