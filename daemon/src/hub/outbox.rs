//! Owns the items that wait for one connection. The hub offers items and never waits; the connection takes them. Over
//! the bound, the tail becomes a gap that records chunks by their numbers, to be read from the store. So a slow reader
//! delays no other connection and costs no memory. Never writes to a socket.

use crate::edge::SLOWEST_MS;
use crate::edge::{Closing, Read, Refused};
use crate::store::Kept;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tcp_chat_protocol::{RequestId, Seq};
use tcp_chat_state::{Chunk, ConversationId, IdMap, Range, SessionId};

/// Batches of one connection that may wait in the inbox.
const ASKED: u16 = 2;

/// One item to send.
#[derive(Debug)]
pub enum Item {
    /// A line for this connection: a reply, a notice.
    Line(Vec<u8>),
    /// A refusal of a request of the connection.
    Refused(Box<Refused>),
    /// A line for many connections.
    Shared(Arc<[u8]>),
    /// Kept messages.
    Kept(Arc<Kept>),
    /// Kept messages, some of this connection, with their ids.
    Own(Arc<Kept>, Vec<(Seq, RequestId)>),
    /// A range to read from the store first.
    Read(Read),
}

impl Item {
    /// The memory that it takes, in bytes.
    fn bytes(&self) -> usize {
        match self {
            Self::Line(line) => line.len(),
            Self::Refused(refused) => size_of::<Refused>() + refused.refusal.msg.len(),
            Self::Shared(line) => line.len(),
            Self::Kept(kept) | Self::Own(kept, _) => kept.chunk().lines.len(),
            Self::Read(_) => 64,
        }
    }
}

/// The items that wait for one connection, bounded in bytes.
#[derive(Debug)]
pub struct Outbox {
    /// `limits.outbox_bytes`
    bound: usize,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    items: VecDeque<Item>,
    /// If the last item is a gap: where the last range of each conversation is in it.
    swallowed: Option<Box<IdMap<ConversationId, usize>>>,
    /// The memory of the items, in bytes.
    bytes: usize,
    /// The task that waits for an item.
    waker: Option<Waker>,
    /// There is an item for which the task was not woken.
    has_deferred: bool,
    session: Option<SessionId>,
    /// Batches of the connection in the inbox that the hub has not taken yet.
    asked: u16,
    /// How long the connection must not read, in milliseconds.
    slow: u16,
    /// The outbox is closed; the reason.
    closing: Option<Closed>,
}

/// Why an outbox is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closed {
    /// The daemon ends the connection.
    By(Closing),
    /// The connection itself reported that it is lost.
    Lost,
}

/// The result of a poll of the outbox.
#[derive(Debug)]
pub enum Taken {
    /// Items to send, in order.
    Items(VecDeque<Item>),
    /// The outbox is closed.
    Closed(Closed),
}

impl Outbox {
    /// An empty outbox that holds at most about `bound` bytes. It owns no memory yet.
    #[must_use]
    pub fn new(bound: usize) -> Self {
        Self { bound, inner: Mutex::default() }
    }

    /// A panic elsewhere leaves the list consistent: every change below is one step.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a line. Returns the waker to call once the turn is delivered. Bounded, because a connection reads no
    /// requests while its outbox is over its bound.
    #[must_use]
    pub fn push(&self, item: Item) -> Option<Waker> {
        let mut inner = self.lock();
        if inner.closing.is_some() {
            return None;
        }
        inner.append(item);
        inner.waker.take()
    }

    /// Adds a line that the connection is not to miss, and that it did not ask for. Only where twice the bound waits is it
    /// left out: such a reader has read nothing for long.
    #[must_use]
    pub fn push_told(&self, line: &Arc<[u8]>) -> Option<Waker> {
        let mut inner = self.lock();
        if inner.closing.is_some() || inner.bytes > self.bound.saturating_mul(2) {
            return None;
        }
        inner.append(Item::Shared(line.clone()));
        inner.waker.take()
    }

    /// The text of a message was removed from the store. If the message waits here, it is read from there when the
    /// connection comes to it.
    pub fn redact(&self, conversation: ConversationId, seq: Seq) {
        self.lock().read_again(|chunk| {
            chunk.conversation == conversation && chunk.first <= seq && seq <= chunk.last
        });
    }

    /// The same for texts of messages up to `until`.
    pub fn read_again(&self, until: Seq) {
        self.lock().read_again(|chunk| chunk.first <= until);
    }

    /// Adds a best-effort line in no hurry. Over the bound the line is dropped. The task is not woken for it before
    /// [`Outbox::wake`]. True: a later wake is needed.
    #[must_use]
    pub fn push_unhurried(&self, line: &Arc<[u8]>) -> bool {
        let mut inner = self.lock();
        if inner.closing.is_some() || inner.bytes > self.bound {
            return false;
        }
        inner.append(Item::Shared(line.clone()));
        !std::mem::replace(&mut inner.has_deferred, true)
    }

    /// The waker for the lines in no hurry.
    #[must_use]
    pub fn wake(&self) -> Option<Waker> {
        let mut inner = self.lock();
        inner.has_deferred = false;
        inner.waker.take()
    }

    /// Offers messages. Over the bound only their numbers are recorded. True: this call has begun such a gap.
    #[must_use]
    pub fn offer(&self, kept: &Arc<Kept>, ids: Vec<(Seq, RequestId)>) -> (Option<Waker>, bool) {
        let mut inner = self.lock();
        let mut falls_behind = false;
        if inner.closing.is_some() {
            return (None, false);
        }
        let chunk = kept.chunk();
        let size = chunk.lines.len();
        if inner.widen(chunk) {
            return (inner.waker.take(), false);
        }
        if inner.bytes + size > self.bound
            && inner.bytes > 0
            && let Some(session) = inner.session
        {
            inner.append(Item::Read(Read::Gap(session, vec![range(chunk)])));
            falls_behind = true;
        } else {
            let item = if ids.is_empty() { Item::Kept(kept.clone()) } else { Item::Own(kept.clone(), ids) };
            inner.append(item);
        }
        (inner.waker.take(), falls_behind)
    }

    /// The connection is logged in as this session.
    #[must_use]
    pub fn logged_in(&self, session: SessionId) -> Option<Waker> {
        let mut inner = self.lock();
        inner.session = Some(session);
        inner.waker.take()
    }

    /// Is the connection logged in?
    #[must_use]
    pub fn is_logged_in(&self) -> bool {
        self.lock().session.is_some()
    }

    /// Closes the outbox. The first reason counts.
    #[must_use]
    pub fn close(&self, why: Closed) -> Option<Waker> {
        let mut inner = self.lock();
        inner.closing.get_or_insert(why);
        inner.waker.take()
    }

    /// Is the outbox closed?
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.lock().closing.is_some()
    }

    /// The waiting items, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.lock().bytes
    }

    /// Is it over its bound? A closed outbox never is.
    #[must_use]
    pub fn is_over(&self) -> bool {
        let inner = self.lock();
        inner.closing.is_none() && inner.bytes > self.bound
    }

    /// Ready when the connection may read more requests: it has read its answers down to the bound, and the hub has
    /// taken its last batches, so that one connection cannot fill the inbox. Returns how long the connection must wait
    /// because it has asked too much.
    pub fn poll_may_ask(&self, cx: &Context<'_>) -> Poll<Duration> {
        let mut inner = self.lock();
        if inner.bytes <= self.bound && inner.asked < ASKED {
            return Poll::Ready(Duration::from_millis(std::mem::take(&mut inner.slow).into()));
        }
        inner.waker = Some(cx.waker().clone());
        Poll::Pending
    }

    /// The connection has asked too much: it must wait so many milliseconds more.
    pub fn slow(&self, ms: u64) {
        let mut inner = self.lock();
        let slow = u64::from(inner.slow).saturating_add(ms).min(SLOWEST_MS);
        inner.slow = u16::try_from(slow).unwrap_or(u16::MAX);
    }

    /// The connection has put a batch into the inbox.
    pub fn asks(&self) {
        let mut inner = self.lock();
        inner.asked = inner.asked.saturating_add(1);
    }

    /// The hub has taken a batch out of it.
    #[must_use]
    pub fn taken(&self) -> Option<Waker> {
        let mut inner = self.lock();
        inner.asked = inner.asked.saturating_sub(1);
        inner.waker.take()
    }

    /// Takes items, at most about `bytes` and at least one. If there is none, the task is woken when one arrives.
    pub fn poll_take(&self, cx: &Context<'_>, bytes: usize) -> Poll<Taken> {
        let mut inner = self.lock();
        if inner.items.is_empty() {
            // The list may have been long: an idle connection holds no memory.
            inner.items = VecDeque::new();
            return match inner.closing {
                Some(why) => Poll::Ready(Taken::Closed(why)),
                None => {
                    inner.waker = Some(cx.waker().clone());
                    Poll::Pending
                }
            };
        }
        let (mut size, mut count) = (0, 0);
        for item in &inner.items {
            size += item.bytes();
            count += 1;
            if size >= bytes {
                break;
            }
        }
        inner.bytes = inner.bytes.saturating_sub(size);
        let rest = inner.items.split_off(count);
        inner.swallowed = None;
        Poll::Ready(Taken::Items(std::mem::replace(&mut inner.items, rest)))
    }
}

impl Inner {
    fn append(&mut self, item: Item) {
        self.bytes += item.bytes();
        self.items.push_back(item);
        self.swallowed = None;
    }

    /// Chunks that wait here become gaps.
    fn read_again(&mut self, is_it: impl Fn(&Chunk) -> bool) {
        let Some(session) = self.session else { return };
        for item in &mut self.items {
            let (Item::Kept(kept) | Item::Own(kept, _)) = &*item else { continue };
            if !is_it(kept.chunk()) {
                continue;
            }
            let (before, range) = (item.bytes(), range(kept.chunk()));
            *item = Item::Read(Read::Gap(session, vec![range]));
            self.bytes = (self.bytes + item.bytes()).saturating_sub(before);
            // If it is the last item, a later chunk may be added to the gap: it is read with it.
            self.swallowed = None;
        }
    }

    /// Records a chunk in the gap at the end. False: there is no gap. A chunk that directly follows the last range of
    /// its conversation extends it; after an absence from the room it begins a new range. The time does not depend on
    /// the number of ranges: a slow reader of many rooms must not hold the hub.
    fn widen(&mut self, chunk: &Chunk) -> bool {
        let Some(Item::Read(Read::Gap(_, ranges))) = self.items.back_mut() else { return false };
        let last_of = self.swallowed.get_or_insert_with(|| {
            Box::new(ranges.iter().enumerate().map(|(at, range)| (range.conversation, at)).collect())
        });
        match last_of.get(&chunk.conversation).and_then(|at| ranges.get_mut(*at)) {
            Some(known) if known.last == chunk.prev => known.last = chunk.last,
            _ => {
                last_of.insert(chunk.conversation, ranges.len());
                ranges.push(range(chunk));
            }
        }
        true
    }
}

fn range(chunk: &Chunk) -> Range {
    Range { conversation: chunk.conversation, first: chunk.first, last: chunk.last }
}

#[cfg(test)]
mod tests;
