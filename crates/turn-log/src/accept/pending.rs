//! Owns the moment between reading an entry and applying it. The reader makes it, the caller ends it. Changes the reader only
//! when the entry was applied.

use super::Reader;
use crate::chain;
use crate::event::{Entry, Event};
use crate::members::Members;
use crate::standing::Voices;

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

    /// The entry was applied. `outcome` is a digest of what it did to the state; it must be the same on every node.
    pub fn applied(self, outcome: &[u8; 32]) -> Entry {
        let Self { reader, entry } = self;
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
