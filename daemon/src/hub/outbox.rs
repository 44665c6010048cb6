//! Owns what waits for one connection. The hub offers, never waiting; the connection takes. Over
//! its bound the tail turns into a gap that swallows chunks by their numbers, to be read from the
//! store: so a slow reader holds up nobody and costs no memory. Never writes to a socket.

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
const ASKED: usize = 2;

/// One thing to send.
#[derive(Debug)]
pub enum Item {
    /// A line of one's own: a reply, a notice.
    Line(Vec<u8>),
    /// A refusal of a request of the connection.
    Refused(Box<Refused>),
    /// A line that many get.
    Shared(Arc<[u8]>),
    /// Messages, as they were kept.
    Kept(Arc<Kept>),
    /// The same where some are one's own and carry their ids.
    Own(Arc<Kept>, Vec<(Seq, RequestId)>),
    /// Something to read from the store first.
    Read(Read),
}

impl Item {
    /// What it holds in memory, in bytes.
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

/// What waits for one connection, bounded in bytes.
#[derive(Debug)]
pub struct Outbox {
    /// `limits.outbox_bytes`
    bound: usize,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    items: VecDeque<Item>,
    /// If the last item is a gap that swallows: where the last range of each conversation is in it.
    swallowed: Option<IdMap<ConversationId, usize>>,
    /// What the items hold.
    bytes: usize,
    /// Whoever is waiting for an item.
    waker: Option<Waker>,
    /// There is something for which nobody has been woken.
    unhurried: bool,
    session: Option<SessionId>,
    /// Batches that the connection has put into the inbox and the hub has not taken yet.
    asked: usize,
    /// For how long nothing is to be read from the connection, in milliseconds.
    slow: u64,
    /// Nothing more comes; the reason.
    closing: Option<Closed>,
}

/// Why nothing more comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closed {
    /// The daemon ends the connection.
    By(Closing),
    /// The connection itself said that it is lost.
    Lost,
}

/// What a connection finds when it looks.
#[derive(Debug)]
pub enum Taken {
    /// Things to send, in order.
    Items(VecDeque<Item>),
    /// Nothing more comes.
    Closed(Closed),
}

impl Outbox {
    /// An empty outbox that holds at most about `bound` bytes. It owns no memory yet.
    #[must_use]
    pub fn new(bound: usize) -> Self {
        Self { bound, inner: Mutex::default() }
    }

    /// A panic elsewhere leaves the list whole: every change below is one step.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a line. The waker to wake once the turn is delivered. Bounded because a connection
    /// reads no further requests while its outbox is over its bound.
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
        if inner.closing.is_some() || inner.bytes > 2 * self.bound {
            return None;
        }
        inner.append(Item::Shared(line.clone()));
        inner.waker.take()
    }

    /// The text of a message was removed from the store. If the message waits here, it is read from there when the
    /// connection comes to it.
    pub fn redact(&self, conversation: ConversationId, seq: Seq) {
        let mut inner = self.lock();
        let Some(session) = inner.session else { return };
        let is_it =
            |chunk: &Chunk| chunk.conversation == conversation && chunk.first <= seq && seq <= chunk.last;
        let waits = inner.items.iter_mut().find(|item| match item {
            Item::Kept(kept) | Item::Own(kept, _) => is_it(kept.chunk()),
            _ => false,
        });
        let Some(item) = waits else { return };
        let before = item.bytes();
        if let Item::Kept(kept) | Item::Own(kept, _) = item {
            let range = range(kept.chunk());
            *item = Item::Read(Read::Gap(session, vec![range]));
        }
        let after = item.bytes();
        inner.bytes = (inner.bytes + after).saturating_sub(before);
        // If it is the last item, a later chunk may be added to the gap: it is read with it.
        inner.swallowed = None;
    }

    /// Adds a line that is best effort and in no hurry: over the bound it is left out, and nobody is
    /// woken for it before [`Outbox::wake`]. True: that is still to be done.
    #[must_use]
    pub fn push_unhurried(&self, line: &Arc<[u8]>) -> bool {
        let mut inner = self.lock();
        if inner.closing.is_some() || inner.bytes > self.bound {
            return false;
        }
        inner.append(Item::Shared(line.clone()));
        !std::mem::replace(&mut inner.unhurried, true)
    }

    /// The waker for what was put in without hurry.
    #[must_use]
    pub fn wake(&self) -> Option<Waker> {
        let mut inner = self.lock();
        inner.unhurried = false;
        inner.waker.take()
    }

    /// Offers messages. Over the bound they are noted by number only; true: that began with these.
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

    /// Nothing more comes. The first reason counts.
    #[must_use]
    pub fn close(&self, why: Closed) -> Option<Waker> {
        let mut inner = self.lock();
        inner.closing.get_or_insert(why);
        inner.waker.take()
    }

    /// Does nothing more come?
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.lock().closing.is_some()
    }

    /// What waits, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.lock().bytes
    }

    /// Does more wait than its bound allows? Where nothing more comes it does not matter.
    #[must_use]
    pub fn is_over(&self) -> bool {
        let inner = self.lock();
        inner.closing.is_none() && inner.bytes > self.bound
    }

    /// Ready when the connection may ask for more: it has read its answers down to the bound, and
    /// the hub has taken what it asked before, so that nobody fills the inbox alone. And for how long
    /// it is to wait because it has asked too much.
    pub fn poll_may_ask(&self, cx: &Context<'_>) -> Poll<Duration> {
        let mut inner = self.lock();
        if inner.bytes <= self.bound && inner.asked < ASKED {
            return Poll::Ready(Duration::from_millis(std::mem::take(&mut inner.slow)));
        }
        inner.waker = Some(cx.waker().clone());
        Poll::Pending
    }

    /// The connection has asked too much: it is to wait for so many milliseconds more.
    pub fn slow(&self, ms: u64) {
        let mut inner = self.lock();
        inner.slow = (inner.slow + ms).min(SLOWEST_MS);
    }

    /// The connection has put a batch into the inbox.
    pub fn asks(&self) {
        self.lock().asked += 1;
    }

    /// The hub has taken a batch out of it.
    #[must_use]
    pub fn taken(&self) -> Option<Waker> {
        let mut inner = self.lock();
        inner.asked = inner.asked.saturating_sub(1);
        inner.waker.take()
    }

    /// Takes out what waits, at most about `bytes` and at least one item. With nothing there, the
    /// task is woken when there is.
    pub fn poll_take(&self, cx: &Context<'_>, bytes: usize) -> Poll<Taken> {
        let mut inner = self.lock();
        if inner.items.is_empty() {
            // What was there may have been much: an idle connection holds nothing.
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

    /// Notes a chunk in the gap at the end. False: there is none. A chunk that follows directly on what is
    /// noted of its conversation makes that range longer; after a time out of the room it is a range of its
    /// own. Each takes the same time, however many ranges there are: a slow reader of many rooms must not
    /// hold the hub.
    fn widen(&mut self, chunk: &Chunk) -> bool {
        let Some(Item::Read(Read::Gap(_, ranges))) = self.items.back_mut() else { return false };
        let last_of = self.swallowed.get_or_insert_with(|| {
            ranges.iter().enumerate().map(|(at, range)| (range.conversation, at)).collect()
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
