//! Owns what this node has published and not read back: the window, its resends, and the epoch. The caller seals turns
//! through it, publishes what [`Proposer::to_send`] returns, and shows it each record that the reader judged. Never trusts
//! an acknowledgement of a publish, and never reads a clock: time is an argument.
//!
//! **Unknown outcome.** What was published may be in the log, whatever an acknowledgement or an error says. Only reading it
//! back settles it, or reading that the epoch was closed: no entry of a closed epoch counts any more.
//!
//! **Resends** are go-back-N: entries of an epoch count only in order, so what follows a lost one was void. If the first
//! entry of the window did not come back for [`RESEND_AFTER`], the whole window is published again, byte for byte.
//!
//! **Two processes with the identity of one node** (a copied store) propose the same epoch or the next one. The start that
//! comes later in the log wins. The other process sees it and must end ([`News::Replaced`]): if it started again, the two
//! would replace each other for ever.

use crate::accept::Reader;
use crate::body::{self, Hello, Raise};
use crate::chain::Mark;
use crate::entry::{ENTRY_BYTES, Generation, Header, Kind, NodeId};
use crate::news::{Proposal, ProposeError};
use crate::seal::Key;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// The most entries of the window.
pub const WINDOW_ENTRIES: usize = 64;
/// The most bytes of the window. One entry always has room.
pub const WINDOW_BYTES: usize = 4 * 1024 * 1024;
/// The window is published again if its first entry did not come back for this long.
pub const RESEND_AFTER: Duration = Duration::from_secs(1);

/// The writing side of one node.
#[derive(Debug)]
pub struct Proposer {
    key: Key,
    node: NodeId,
    hold: Duration,
    phase: Phase,
    window: VecDeque<InFlight>,
    bytes: usize,
    link: Link,
    /// When an own entry was read back last.
    progress: Duration,
}

/// The life of the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Down,
    /// The start is in the window.
    Starting(OwnEpoch),
    Up(OwnEpoch),
}

/// An epoch of this node, proposed or begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct OwnEpoch {
    generation: Generation,
    epoch: u64,
    /// The n of the next proposal.
    next: u64,
}

/// The connection to the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Link {
    Connected,
    /// Connected again: everything in the window is due.
    Renewed,
    LostAt(Duration),
}

#[derive(Debug)]
struct InFlight {
    n: u64,
    mark: Mark,
    bytes: Arc<[u8]>,
    proposed: Duration,
    sent: Option<Duration>,
}

impl Proposer {
    /// The proposer of a node that has not started. `hold`: after this time without anything coming back, nothing more is
    /// taken. `now` is a time on a clock of this process that never goes back.
    #[must_use]
    pub fn new(key: Key, node: NodeId, hold: Duration, now: Duration) -> Self {
        let (phase, window) = (Phase::Down, VecDeque::new());
        Self { key, node, hold, phase, window, bytes: 0, link: Link::LostAt(now), progress: now }
    }

    /// Proposes the start of this node. Call it when the reader has reached the end of the log: a start whose epoch is too
    /// low is void.
    ///
    /// # Errors
    /// If the node has an epoch, or the log no generation.
    pub fn start(&mut self, reader: &Reader, hello: &Hello, now: Duration) -> Result<(), ProposeError> {
        let generation = reader.generation().ok_or(ProposeError::NoGeneration)?;
        let epoch = reader.members().next_epoch(self.node);
        let behaviour = reader.members().behaviour();
        self.begin(reader, Kind::NodeUp, OwnEpoch { generation, epoch, next: 0 }, behaviour, hello, now)
    }

    /// Proposes a generation that begins with the state of this node.
    ///
    /// # Errors
    /// If the node has an epoch.
    pub fn found(
        &mut self,
        reader: &Reader,
        generation: Generation,
        behaviour: u16,
        hello: &Hello,
        now: Duration,
    ) -> Result<(), ProposeError> {
        self.begin(reader, Kind::Genesis, OwnEpoch { generation, epoch: 1, next: 0 }, behaviour, hello, now)
    }

    fn begin(
        &mut self,
        reader: &Reader,
        kind: Kind,
        own: OwnEpoch,
        behaviour: u16,
        hello: &Hello,
        now: Duration,
    ) -> Result<(), ProposeError> {
        if self.phase != Phase::Down {
            return Err(ProposeError::AlreadyUp);
        }
        self.put(reader, kind, own, behaviour, &body::encode(hello), now)?;
        self.phase = Phase::Starting(OwnEpoch { next: 1, ..own });
        Ok(())
    }

    /// Proposes an entry, and gives its number. [`Self::to_send`] returns it.
    ///
    /// # Errors
    /// If it is not taken now; then it does not count, and was not published.
    pub fn propose(
        &mut self,
        reader: &Reader,
        proposal: Proposal<'_>,
        now: Duration,
    ) -> Result<u64, ProposeError> {
        let Phase::Up(own) = self.phase else {
            return Err(ProposeError::NotUp);
        };
        if self.is_holding(now) {
            return Err(ProposeError::Hold);
        }
        let encoded;
        let (kind, body) = match proposal {
            Proposal::Turn(body) => (Kind::Turn, body),
            Proposal::Gone(gone) => {
                encoded = body::encode(&gone);
                (Kind::NodeGone, &encoded[..])
            }
            Proposal::Raise(to) => {
                encoded = body::encode(&Raise { to });
                (Kind::Raise, &encoded[..])
            }
        };
        self.put(reader, kind, own, reader.members().behaviour(), body, now)?;
        self.phase = Phase::Up(OwnEpoch { next: own.next.saturating_add(1), ..own });
        Ok(own.next)
    }

    /// Seals an entry, and puts it into the window.
    fn put(
        &mut self,
        reader: &Reader,
        kind: Kind,
        OwnEpoch { generation, epoch, next: n }: OwnEpoch,
        behaviour: u16,
        body: &[u8],
        now: Duration,
    ) -> Result<(), ProposeError> {
        if self.window.len() >= WINDOW_ENTRIES {
            return Err(ProposeError::Full);
        }
        let (node, claim) = (self.node, reader.claim());
        let header = Header { kind, behaviour, generation, node, epoch, n, claim };
        let bytes: Arc<[u8]> = self.key.seal(&header, body)?.into();
        if !self.window.is_empty() && self.bytes + bytes.len() > WINDOW_BYTES {
            return Err(ProposeError::Full);
        }
        self.bytes += bytes.len();
        self.window.push_back(InFlight { n, mark: Mark::of(&bytes), bytes, proposed: now, sent: None });
        Ok(())
    }

    /// What is to be published now, in this order. From here on its outcome is unknown.
    pub fn to_send(&mut self, now: Duration) -> Vec<Arc<[u8]>> {
        let first_sent = self.window.front().and_then(|first| first.sent);
        let is_resend = match self.link {
            Link::LostAt(_) => return Vec::new(),
            Link::Renewed => true,
            Link::Connected => first_sent.is_some_and(|sent| now >= sent + RESEND_AFTER),
        };
        self.link = Link::Connected;
        let due = self.window.iter_mut().filter(|entry| is_resend || entry.sent.is_none());
        due.map(|entry| {
            entry.sent = Some(now);
            Arc::clone(&entry.bytes)
        })
        .collect()
    }

    /// When [`Self::to_send`] is to be called again, if nothing happens before.
    #[must_use]
    pub fn wake(&self) -> Option<Duration> {
        match self.link {
            Link::LostAt(_) => None,
            Link::Renewed => Some(Duration::ZERO),
            Link::Connected => {
                self.window.front().map(|first| first.sent.map_or(Duration::ZERO, |sent| sent + RESEND_AFTER))
            }
        }
    }

    /// The connection to the stream is lost. Proposals are still taken, until the window is full or `hold` is over.
    pub fn disconnected(&mut self, now: Duration) {
        if !matches!(self.link, Link::LostAt(_)) {
            self.link = Link::LostAt(now);
        }
    }

    /// The connection is there, perhaps again: the whole window is due at once.
    pub fn connected(&mut self) {
        self.link = Link::Renewed;
    }

    /// Is nothing ordered now? Then nothing is taken until something comes back.
    #[must_use]
    pub fn is_holding(&self, now: Duration) -> bool {
        let is_lost = matches!(self.link, Link::LostAt(since) if now >= since + self.hold);
        let waits = self.window.front().is_some_and(|first| {
            // An entry waits since it is the first: before that, another one waited.
            now >= first.proposed.max(self.progress) + self.hold
        });
        is_lost || waits
    }

    /// Takes back what was never published: it certainly does not count, and can be refused with that promise. What was
    /// published stays.
    pub fn withdraw(&mut self) -> Vec<u64> {
        let Phase::Up(mut own) = self.phase else {
            return Vec::new();
        };
        let kept = self.window.iter().take_while(|entry| entry.sent.is_some()).count();
        let withdrawn = self.window.split_off(kept);
        self.bytes -= withdrawn.iter().map(|entry| entry.bytes.len()).sum::<usize>();
        let numbers: Vec<u64> = withdrawn.iter().map(|entry| entry.n).collect();
        own.next = numbers.first().copied().unwrap_or(own.next);
        self.phase = Phase::Up(own);
        numbers
    }

    /// Does the window have room for an entry, however long it is?
    #[must_use]
    pub fn has_room(&self) -> bool {
        let has_bytes = self.window.is_empty() || self.bytes + ENTRY_BYTES <= WINDOW_BYTES;
        self.window.len() < WINDOW_ENTRIES && has_bytes
    }

    /// How many entries are in flight.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.window.len()
    }

    /// Is the epoch of this node alive, as far as it has read?
    #[must_use]
    pub fn is_up(&self) -> bool {
        matches!(self.phase, Phase::Up(_))
    }

    /// Is there neither an epoch nor a proposed start?
    #[must_use]
    pub fn is_down(&self) -> bool {
        self.phase == Phase::Down
    }
}

mod back;
#[cfg(test)]
mod tests;
