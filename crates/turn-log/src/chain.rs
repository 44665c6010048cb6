//! Owns the chain of digests and the records that were read last. The reader calls it for each record, to compare what other
//! nodes claim, and to compare the stream with what was read from it. Never decides which of two nodes is right.

use crate::entry::{Claim, Digest};
use aws_lc_rs::digest::{Context, SHA256, digest};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// How many records are remembered. An older claim is not compared; the next one of that node will be.
const REMEMBERED: usize = 1024;

/// The digest of the bytes of one entry: tells whether the same entry stands at a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Mark([u8; 16]);

impl Mark {
    pub(crate) fn of(entry: &[u8]) -> Self {
        Self(first_half(digest(&SHA256, entry).as_ref()))
    }
}

/// A record that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Seen {
    pub(crate) sequence: u64,
    /// What stands there. Unknown where reading began.
    pub(crate) mark: Option<Mark>,
    /// The digest after it, if it counted.
    pub(crate) digest: Option<Digest>,
}

/// The claim after an entry. `outcome` is a digest of what the entry did to the state.
pub(crate) fn next(before: &Claim, sequence: u64, mark: Mark, outcome: &[u8; 32]) -> Claim {
    let Digest { log, state } = &before.digest;
    let place = sequence.to_be_bytes();
    let digest = Digest { log: mix(&[log, &place, &mark.0]), state: mix(&[state, &place, outcome]) };
    Claim { applied: sequence, digest }
}

/// The records that were read last, oldest first.
#[derive(Debug, Clone)]
pub(crate) struct Recent(VecDeque<Seen>);

/// What a comparison says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compared {
    Same,
    /// The same entries, another state.
    OtherState,
    /// Other entries.
    OtherLog,
    /// Older than what is remembered.
    TooOld,
}

impl Recent {
    /// The records that a store kept. `last` is the one that counted last.
    pub(crate) fn new(kept: &VecDeque<Seen>, last: Seen) -> Self {
        let mut recent = Self(kept.clone());
        recent.rewind(last);
        recent
    }

    pub(crate) fn push(&mut self, seen: Seen) {
        if self.0.len() == REMEMBERED {
            self.0.pop_front();
        }
        self.0.push_back(seen);
    }

    /// Drops the records after the one that counted last. It may itself be gone, if many void ones came after it.
    pub(crate) fn rewind(&mut self, last: Seen) {
        while self.0.back().is_some_and(|seen| seen.sequence > last.sequence) {
            self.0.pop_back();
        }
        if self.0.is_empty() {
            self.0.push_back(last);
        }
    }

    /// Compares a claim. A claimed position that did not count here is another log.
    pub(crate) fn compare(&self, claim: &Claim) -> Compared {
        if self.0.front().is_some_and(|oldest| claim.applied < oldest.sequence) {
            return Compared::TooOld;
        }
        match self.at(claim.applied).and_then(|seen| seen.digest) {
            Some(digest) if digest == claim.digest => Compared::Same,
            Some(digest) if digest.log == claim.digest.log => Compared::OtherState,
            _ => Compared::OtherLog,
        }
    }

    /// Does another record stand at this position than was read there?
    pub(crate) fn differs(&self, sequence: u64, entry: &[u8]) -> bool {
        self.at(sequence).and_then(|seen| seen.mark).is_some_and(|mark| mark != Mark::of(entry))
    }

    fn at(&self, sequence: u64) -> Option<&Seen> {
        let place = self.0.binary_search_by_key(&sequence, |seen| seen.sequence).ok()?;
        self.0.get(place)
    }

    /// The positions that can be compared, oldest first.
    pub(crate) fn positions(&self) -> impl Iterator<Item = u64> {
        self.0.iter().filter(|seen| seen.mark.is_some()).map(|seen| seen.sequence)
    }
}

/// The first half of SHA-256 over parts. Every part but the last has a fixed length, so two lists cannot collide.
fn mix(parts: &[&[u8]]) -> [u8; 16] {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(part);
    }
    first_half(context.finish().as_ref())
}

fn first_half(bytes: &[u8]) -> [u8; 16] {
    bytes.first_chunk().copied().unwrap_or_default()
}
