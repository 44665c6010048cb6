//! Owns what a store keeps of the reader: everything that decides which entries count. The store writes it in the
//! transaction of the entry that was applied last, and a snapshot for another node contains it. Never contains what belongs
//! to one node: its name and its epoch are the caller's.

use crate::chain::{Mark, Seen};
use crate::entry::{Claim, Digest, Generation};
use crate::members::Members;
use crate::seal::KeyId;
use crate::time::LogTime;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// How many records a store keeps: what a log forgets without a sign is noticed by them after a restart.
/// They and the rest need less than a page of a store.
const KEPT: usize = 48;
/// The version of the encoding, its first byte.
const VERSION: u8 = 2;

/// A place in the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Saved {
    pub(crate) key: KeyId,
    pub(crate) generation: Option<Generation>,
    /// Does only the genesis of a later generation count?
    pub(crate) has_ended: bool,
    pub(crate) claim: Claim,
    /// What stands at the applied position. Unknown where reading began.
    pub(crate) mark: Option<Mark>,
    /// The records that were read last, oldest first: at most [`KEPT`].
    pub(crate) recent: VecDeque<Seen>,
    pub(crate) time: LogTime,
    pub(crate) members: Members,
    /// The last sequence that was read, counted or not: what the stream removes up to here is no loss.
    pub(crate) read: u64,
}

/// Why a reader cannot go on from a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ResumeError {
    /// The store does not contain a place in the log of a known version.
    #[error("the saved place in the log cannot be read")]
    Unreadable,
    /// The key file is not the one with which the log was read so far.
    #[error("the store was written with another cluster key")]
    OtherKey,
    /// The log demands a behaviour that this version cannot follow.
    #[error("the log demands behaviour {0}, which this version cannot follow")]
    Behaviour(u16),
}

impl Saved {
    pub(crate) fn new(key: KeyId, base: Digest) -> Self {
        let (time, members) = (LogTime::default(), Members::default());
        let claim = Claim { applied: 0, digest: base };
        Self {
            key,
            generation: None,
            has_ended: false,
            claim,
            mark: None,
            recent: VecDeque::new(),
            time,
            members,
            read: 0,
        }
    }

    /// The record that counted last.
    pub(crate) fn last(&self) -> Seen {
        Seen { sequence: self.claim.applied, mark: self.mark, digest: Some(self.claim.digest) }
    }

    /// A record was read.
    pub(crate) fn push(&mut self, seen: Seen) {
        if self.recent.len() == KEPT {
            self.recent.pop_front();
        }
        self.recent.push_back(seen);
    }

    /// The generation, once it has begun.
    #[must_use]
    pub fn generation(&self) -> Option<Generation> {
        self.generation
    }

    /// The behaviour in force.
    #[must_use]
    pub fn behaviour(&self) -> u16 {
        self.members.behaviour()
    }

    /// Does only the genesis of a later generation count, since [`Self::rebased`]?
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// What was applied.
    #[must_use]
    pub fn claim(&self) -> Claim {
        self.claim
    }

    /// The same state at another place: a reader that resumes here reads the stream after `sequence`, and everything is void
    /// until the genesis of a later generation. For the founder after a disaster of the engine, and for every node whose state is the
    /// same.
    #[must_use]
    pub fn rebased(mut self, sequence: u64) -> Self {
        (self.claim.applied, self.read) = (sequence, sequence);
        self.has_ended = true;
        self.mark = None;
        self.recent.clear();
        self
    }

    /// The bytes for a store or a snapshot.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        // As for the bodies: these types can always be encoded into memory.
        postcard::to_extend(self, vec![VERSION]).unwrap_or_default()
    }

    /// Reads the bytes of [`Self::encode`].
    ///
    /// # Errors
    /// If they are of another version, or damaged.
    pub fn decode(bytes: &[u8]) -> Result<Self, ResumeError> {
        let Some((&VERSION, rest)) = bytes.split_first() else {
            return Err(ResumeError::Unreadable);
        };
        match postcard::take_from_bytes(rest) {
            Ok((saved, [])) => Ok(saved),
            _ => Err(ResumeError::Unreadable),
        }
    }
}
