//! Owns the numbers of this node's turns: the log counts entries within an epoch, the hub counts turns since the start of
//! the process. The order calls it. Never decides whether a turn counts.

use std::collections::VecDeque;

/// The turns in flight.
#[derive(Debug, Default)]
pub(super) struct OwnTurns {
    /// The number of the last turn.
    last: u64,
    /// The number of the entry and of the turn, oldest first.
    in_flight: VecDeque<(u64, u64)>,
}

impl OwnTurns {
    /// A turn is in flight as this entry. Returns its number.
    pub(super) fn add(&mut self, entry: u64) -> u64 {
        self.last += 1;
        self.in_flight.push_back((entry, self.last));
        self.last
    }

    /// An entry came back. Returns the number of its turn, if it has one.
    pub(super) fn came_back(&mut self, entry: u64) -> Option<u64> {
        let (_, number) = *self.in_flight.front().filter(|(first, _)| *first == entry)?;
        self.in_flight.pop_front();
        Some(number)
    }

    /// These entries never count. Returns the numbers of their turns.
    pub(super) fn never(&mut self, entries: &[u64]) -> Vec<u64> {
        let mut numbers = Vec::new();
        self.in_flight.retain(|(entry, number)| {
            let is_void = entries.contains(entry);
            if is_void {
                numbers.push(*number);
            }
            !is_void
        });
        numbers
    }

    pub(super) fn is_empty(&self) -> bool {
        self.in_flight.is_empty()
    }
}
