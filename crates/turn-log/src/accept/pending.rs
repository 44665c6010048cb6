//! Owns the moment between reading an entry and applying it. The reader makes it, the caller ends it. Changes the reader only
//! when the entry was applied.

use super::Reader;
use crate::chain;
use crate::event::{Entry, Event};
use crate::members::Members;
use crate::standing::Voices;
use crate::time::LogTime;

/// An entry that counts, until it is applied. Dropped without [`Self::applied`] it was never read.
#[derive(Debug)]
#[must_use = "an entry that is not applied is read again"]
pub struct Pending<'a> {
    pub(super) reader: &'a mut Reader,
    pub(super) entry: Entry,
}

impl Pending<'_> {
    /// The entry to apply.
    #[must_use]
    pub fn entry(&self) -> &Entry {
        &self.entry
    }

    /// The entry alone, for a caller that applies it elsewhere and calls [`Reader::applied`] then.
    pub fn detach(self) -> Detached {
        Detached(self.entry)
    }

    /// The entry was applied. `outcome` is a digest of what it did to the state; it must be the same on every node.
    pub fn applied(self, outcome: &[u8; 32]) -> Entry {
        self.reader.commit(self.entry, outcome)
    }
}

/// An entry that counts and was not applied yet. It does not borrow the reader.
#[derive(Debug)]
#[must_use = "an entry that is not applied is read again"]
pub struct Detached(Entry);

impl Detached {
    /// The entry to apply.
    #[must_use]
    pub fn entry(&self) -> &Entry {
        &self.0
    }
}

impl Reader {
    /// The time of the log at this entry is at most `latest`, but never before that of the entry before it. For a caller that
    /// knows the proposer's own time from the sealed body: the server that leads the stream may have a wrong clock, and a
    /// monotone time would keep that for ever. Every node must give the same `latest`.
    pub fn limit_time(&self, detached: &mut Detached, latest: LogTime) {
        detached.0.time = detached.0.time.min(latest).max(self.saved.time);
    }

    /// The entry was applied, as [`Pending::applied`] says. `None`: the reader has read another record since it accepted
    /// this one, or went back. Then nothing has changed, and the caller's state is not that of the reader.
    #[must_use]
    pub fn applied(&mut self, detached: Detached, outcome: &[u8; 32]) -> Option<Entry> {
        let is_next = detached.0.sequence == self.read.saturating_add(1) && self.halt.is_none();
        is_next.then(|| self.commit(detached.0, outcome))
    }

    fn commit(&mut self, entry: Entry, outcome: &[u8; 32]) -> Entry {
        let reader = self;
        let Entry { sequence, header, .. } = entry;
        let saved = &mut reader.saved;
        let members = &mut saved.members;
        match &entry.event {
            Event::Genesis(hello) => {
                *members = Members::founded(&header, hello.clone(), sequence);
                saved.generation = Some(header.generation);
                saved.has_ended = false;
                reader.voices = Voices::default();
            }
            Event::Up(hello) => members.open(&header, hello.clone(), sequence),
            Event::Turn(_) => members.count(&header),
            Event::Gone { gone, closed } => {
                members.count(&header);
                if *closed {
                    members.close(*gone);
                }
            }
            Event::Raise { to, raised } => {
                members.count(&header);
                if *raised {
                    members.raise(*to);
                }
            }
        }
        saved.time = entry.time;
        saved.claim = chain::next(&saved.claim, sequence, entry.mark, outcome);
        saved.mark = Some(entry.mark);
        let digest = saved.claim.digest;
        reader.saw(sequence, entry.mark, Some(digest));
        entry
    }
}
