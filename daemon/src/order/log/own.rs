//! Owns the numbers of this node's turns: the log counts entries within an epoch, the hub counts turns since the start of
//! the process. The order calls it. Never decides whether a turn counts.

use std::collections::VecDeque;
use std::time::Duration;

/// The turns in flight.
#[derive(Debug, Default)]
pub(super) struct OwnTurns {
    /// The number of the last turn.
    last: u64,
    /// Oldest first.
    in_flight: VecDeque<OwnTurn>,
}

/// A turn in flight.
#[derive(Debug, Clone, Copy)]
pub(super) struct OwnTurn {
    /// The number of the entry.
    entry: u64,
    /// The number of the turn.
    pub(super) number: u64,
    /// When it was proposed.
    pub(super) at: Duration,
}

impl OwnTurns {
    /// A turn is in flight as this entry. Returns its number.
    pub(super) fn add(&mut self, entry: u64, at: Duration) -> u64 {
        self.last += 1;
        self.in_flight.push_back(OwnTurn { entry, number: self.last, at });
        self.last
    }

    /// An entry came back. Returns its turn, if it has one.
    pub(super) fn came_back(&mut self, entry: u64) -> Option<OwnTurn> {
        let turn = *self.in_flight.front().filter(|first| first.entry == entry)?;
        self.in_flight.pop_front();
        Some(turn)
    }

    /// These entries never count. Returns the numbers of their turns.
    pub(super) fn never(&mut self, entries: &[u64]) -> Vec<u64> {
        let mut numbers = Vec::new();
        self.in_flight.retain(|turn| {
            let is_void = entries.contains(&turn.entry);
            if is_void {
                numbers.push(turn.number);
            }
            !is_void
        });
        numbers
    }

    pub(super) fn is_empty(&self) -> bool {
        self.in_flight.is_empty()
    }
}
