//! Owns when the words of redacted messages are removed from the search index. A purge writes the whole index again, so
//! redactions are collected: after a purge the index rests for a multiple of the time that it took. The indexer's thread
//! calls it. Never touches the index.

use super::location::Location;
use std::time::{Duration, Instant};
use tcp_chat_search::PurgeStep;

/// After a purge the index rests so many times as long as the purge worked. So a user who redacts a message every few
/// seconds causes a tenth of the work of one thread at most.
const RESTS: u32 = 9;

/// The longest rest. The words of a redacted message stay in the files for this time and one purge at most.
const LONGEST_REST: Duration = Duration::from_secs(15 * 60);

/// After a purge that a reader held up, the next attempt comes after this time.
const HELD_UP: Duration = Duration::from_millis(500);

/// The same, when the disk has no room for the index once more.
const NO_ROOM: Duration = Duration::from_secs(10);

/// When the next part of a purge may run.
#[derive(Debug)]
pub(super) struct Purges {
    next: Instant,
    /// How long this purge has worked.
    worked: Duration,
    has_told: bool,
}

impl Purges {
    pub(super) fn new(now: Instant) -> Self {
        Self { next: now, worked: Duration::ZERO, has_told: false }
    }

    /// How long it rests from now on. Zero: a part may run.
    pub(super) fn rests(&self, now: Instant) -> Duration {
        self.next.saturating_duration_since(now)
    }

    /// Notes a part that ran for this time.
    pub(super) fn note(&mut self, step: PurgeStep, worked: Duration, now: Instant) {
        self.worked += worked;
        self.has_told = false;
        match step {
            PurgeStep::More => {}
            PurgeStep::HeldByReader => self.next = now + HELD_UP,
            PurgeStep::Finished => {
                self.next = now + (self.worked * RESTS).min(LONGEST_REST);
                self.worked = Duration::ZERO;
            }
        }
    }

    /// Notes that the disk has no room for a purge of this index.
    pub(super) fn note_no_room(&mut self, index: &Location, now: Instant) {
        self.next = now + NO_ROOM;
        if !self.has_told {
            tracing::warn!(event = "redacted_words_stay", %index, "the disk has no room to write the search index once more; the words of redacted messages stay in its files until it has");
            self.has_told = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redactions_are_collected_while_the_index_rests() {
        let now = Instant::now();
        let mut purges = Purges::new(now);
        assert_eq!(purges.rests(now), Duration::ZERO);
        purges.note(PurgeStep::More, Duration::from_secs(2), now);
        assert_eq!(purges.rests(now), Duration::ZERO);
        purges.note(PurgeStep::HeldByReader, Duration::from_secs(1), now);
        assert_eq!(purges.rests(now), HELD_UP);
        purges.note(PurgeStep::Finished, Duration::ZERO, now);
        assert_eq!(purges.rests(now), Duration::from_secs(27));
        assert_eq!(purges.rests(now + Duration::from_secs(30)), Duration::ZERO);
        // The time of the last one is not counted again, and no rest is longer than the bound.
        purges.note(PurgeStep::Finished, Duration::from_secs(1), now);
        assert_eq!(purges.rests(now), Duration::from_secs(9));
        purges.note(PurgeStep::Finished, Duration::from_secs(1_000), now);
        assert_eq!(purges.rests(now), LONGEST_REST);
    }
}
