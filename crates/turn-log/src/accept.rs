//! Owns the reading of the log: which record is the next entry, and what it means for generation, epochs and behaviour. The
//! caller offers each record of the stream in sequence ([`crate::Feed`] puts them so), and applies those that count. Never
//! reads a clock, and never skips an entry that another reader counts.

use crate::body::Behaviours;
use crate::chain::{Mark, Recent, Seen};
use crate::entry::{Claim, Digest, Generation, NodeId};
use crate::event::Halt;
use crate::feed::{Record, Truncated};
use crate::members::{Members, Void};
use crate::saved::{ResumeError, Saved};
use crate::seal::Key;
use crate::standing::{Standing, Voices};
use crate::time::LogTime;

/// Reads one log. See the page of the crate for an example.
#[derive(Debug, Clone)]
pub struct Reader {
    key: Key,
    /// The node that reads. It always agrees with itself.
    me: NodeId,
    /// What this version can follow.
    behaviours: Behaviours,
    pub(crate) saved: Saved,
    /// The last sequence that was read, counted or not.
    read: u64,
    recent: Recent,
    voices: Voices,
    /// Doubts about records up to here were settled.
    settled: u64,
    halt: Option<Halt>,
}

/// What a record is.
#[derive(Debug)]
pub enum Step<'a> {
    /// The next entry: apply it.
    Counts(Pending<'a>),
    /// Nothing: skip it, as every reader does.
    Void(Void),
}

impl Reader {
    /// A reader of a log from its beginning. `base` is the digest of the state that the node has: only a generation that
    /// began with the same state can be read. A node without a state has `Digest::default()`.
    #[must_use]
    pub fn new(key: Key, me: NodeId, behaviours: Behaviours, base: Digest) -> Self {
        let saved = Saved::new(key.id(), base);
        Self::from_parts(key, me, behaviours, saved)
    }

    /// A reader that goes on where a store is.
    ///
    /// # Errors
    /// If the store was written with another key, or its behaviour is not one of this version's.
    pub fn resume(key: Key, me: NodeId, behaviours: Behaviours, saved: Saved) -> Result<Self, ResumeError> {
        if saved.key != key.id() {
            return Err(ResumeError::OtherKey);
        }
        let behaviour = saved.members.behaviour();
        if saved.generation.is_some() && !behaviours.contain(behaviour) {
            return Err(ResumeError::Behaviour(behaviour));
        }
        Ok(Self::from_parts(key, me, behaviours, saved))
    }

    fn from_parts(key: Key, me: NodeId, behaviours: Behaviours, saved: Saved) -> Self {
        let (read, recent) = (saved.claim.applied, Recent::new(&saved.recent, saved.last()));
        let voices = Voices::default();
        Self { key, me, behaviours, saved, read, recent, voices, settled: 0, halt: None }
    }

    /// What the store keeps in the transaction of the entry that was applied last.
    #[must_use]
    pub fn saved(&self) -> &Saved {
        &self.saved
    }

    /// The generation, once it has begun.
    #[must_use]
    pub fn generation(&self) -> Option<Generation> {
        self.saved.generation
    }

    /// The nodes of the generation.
    #[must_use]
    pub fn members(&self) -> &Members {
        &self.saved.members
    }

    /// The time of the log.
    #[must_use]
    pub fn time(&self) -> LogTime {
        self.saved.time
    }

    /// What this node has applied: each of its entries says so.
    #[must_use]
    pub fn claim(&self) -> Claim {
        self.saved.claim
    }

    /// The last sequence that was read, counted or not.
    #[must_use]
    pub fn read(&self) -> u64 {
        self.read
    }

    /// Does this node agree with the others?
    #[must_use]
    pub fn standing(&self) -> Standing {
        self.voices.standing(self.me, &self.saved.members)
    }

    /// Does a living node differ from this one, whoever is right?
    #[must_use]
    pub fn is_disputed(&self) -> bool {
        self.voices.is_disputed(self.me, &self.saved.members)
    }

    /// Reads the next record of the stream.
    ///
    /// # Errors
    /// If the node must hold, or take another state: [`Halt`] says which.
    pub fn accept(&mut self, record: &Record) -> Result<Step<'_>, Halt> {
        if let Some(halt) = self.halt {
            return Err(halt);
        }
        let expected = self.read.saturating_add(1);
        if record.sequence != expected {
            return Err(Halt::Gap { expected, offered: record.sequence });
        }
        match self.decide(record, false) {
            Ok(entry) => Ok(Step::Counts(Pending { reader: self, entry })),
            Err(Skip::Void(void)) => {
                self.saw(record.sequence, Mark::of(&record.bytes), None);
                Ok(Step::Void(void))
            }
            Err(Skip::Halt(halt)) => {
                self.halt = Some(halt);
                Err(halt)
            }
            // Only of what was heard.
            Err(Skip::Unsure) => Err(Halt::Gap { expected, offered: record.sequence }),
        }
    }

    /// Reads the next record of the stream, which came on a subject where others may be able to publish. `None`: it would not
    /// count, or its author disagrees with this node, so it may be forged. Nothing has changed: offer the record that the leader
    /// of the stream has there to [`Self::accept`].
    pub fn accept_heard(&mut self, record: &Record) -> Option<Pending<'_>> {
        if self.halt.is_some() || record.sequence != self.read.saturating_add(1) {
            return None;
        }
        let entry = self.decide(record, true).ok()?;
        Some(Pending { reader: self, entry })
    }

    /// Does another record stand at this position than was read there?
    #[must_use]
    pub fn differs(&self, record: &Record) -> bool {
        self.recent.differs(record.sequence, &record.bytes)
    }

    /// Takes the first sequence that the stream still has, as its leader gives it. Records that this node has read before, and
    /// that did not count, are no loss: reading goes on at the first, and the caller makes a new [`crate::Feed`] after
    /// [`Self::read`] if this returns true.
    ///
    /// # Errors
    /// If the stream has removed a record that this node never read.
    pub fn begins_at(&mut self, first: u64) -> Result<bool, Truncated> {
        let next = self.saved.read.max(self.read).saturating_add(1);
        if first > next {
            return Err(Truncated { next, first });
        }
        let skips = first > self.read.saturating_add(1);
        if skips {
            self.read = first - 1;
        }
        Ok(skips)
    }

    /// Goes back to what was applied last, and gives its position: void records after it changed nothing, so they are read
    /// again. After each reconnect, before anything else: a stream that lost its end may now have entries there. A doubt ends,
    /// since its record is read again, too.
    pub fn rewind(&mut self) -> u64 {
        self.read = self.claim().applied;
        self.recent.rewind(self.saved.last());
        let applied = self.read;
        self.saved.recent.retain(|seen| seen.sequence <= applied);
        if let Some(Halt::Doubt(_)) = self.halt {
            self.halt = None;
        }
        self.read
    }

    /// Compares a record that was already read, or is read again after a reconnect, with what was applied.
    ///
    /// # Errors
    /// If another entry stands there: the log has forgotten.
    pub fn recheck(&mut self, record: &Record) -> Result<(), Halt> {
        if self.recent.differs(record.sequence, &record.bytes) {
            self.halt = Some(Halt::Forgot(record.sequence));
        }
        self.halt.map_or(Ok(()), Err)
    }

    /// Takes the last sequence of the stream, as the leader of the stream gives it after a reconnect. A follower may be
    /// behind, and so may a leader without a quorum, which still answers: their answers must not be used. `applied` is what
    /// [`Self::claim`] said when the caller asked: an answer that comes late says nothing about what was read since. If the
    /// stream is long enough, [`Halt::Shorter`] ends.
    ///
    /// # Errors
    /// If the stream is shorter than what was applied.
    pub fn ends_at(&mut self, last: u64, applied: u64) -> Result<(), Halt> {
        match self.halt {
            None | Some(Halt::Shorter { .. } | Halt::Doubt(_)) if last < applied => {
                self.halt = Some(Halt::Shorter { last, applied });
            }
            Some(Halt::Shorter { .. }) => self.halt = None,
            _ => {}
        }
        self.halt.map_or(Ok(()), Err)
    }

    /// All remembered positions were read again and compared, and none differed: [`Halt::Doubt`] ends. Reading goes on where
    /// it stopped.
    pub fn rechecked(&mut self) {
        if let Some(Halt::Doubt(sequence)) = self.halt {
            self.settled = sequence;
            self.halt = None;
        }
    }

    /// The positions that [`Self::recheck`] can compare, oldest first: at most 1,024, and after a start only those since.
    pub fn remembered(&self) -> impl Iterator<Item = u64> {
        self.recent.positions()
    }

    fn saw(&mut self, sequence: u64, mark: Mark, digest: Option<Digest>) {
        let seen = Seen { sequence, mark: Some(mark), digest };
        self.recent.push(seen);
        self.saved.push(seen);
        self.read = sequence;
        self.saved.read = self.saved.read.max(sequence);
    }
}

mod decide;
mod pending;
#[cfg(test)]
mod tests;

use decide::Skip;
pub use pending::{Detached, Pending};
