//! Finds the messages that are too old, when clocks were wrong. Called by `retention`; a long scan continues
//! with the next call. Never removes anything.
//!
//! A timestamp is what the clock showed, and a clock can be set. A message is not younger than one that was
//! sent after it, so a timestamp in the future does not protect the messages after it. A timestamp that can
//! be right is believed: it protects all messages after it, whatever their timestamps are.

use super::rows::{int, number};
use rusqlite::Connection;
use tcp_chat_protocol::Seq;

/// Chunks that one call reads.
const LOOKS: u32 = 256;
/// 2026-01-01: no correct clock shows less. An earlier timestamp says nothing about the messages before it.
const NO_CLOCK: u64 = 1_767_225_600_000;

/// What is known of the oldest messages.
#[derive(Debug, Default)]
pub(super) struct Stamps {
    /// All chunks up to this number are too old.
    overdue: Seq,
    search: Search,
}

/// A scan for chunks that are too old behind chunks with a timestamp in the future.
#[derive(Debug, Default)]
struct Search {
    next: Seq,
    /// Whether the scan has passed such a chunk.
    is_behind: bool,
}

impl Stamps {
    /// The number up to which all messages are older than `since`. `first` is the smallest stored number.
    pub(super) fn overdue(
        &mut self,
        log: &Connection,
        first: Seq,
        since: u64,
        now: u64,
    ) -> rusqlite::Result<Seq> {
        if first > self.overdue {
            self.look(log, since, now)?;
        }
        Ok(self.overdue)
    }

    fn look(&mut self, log: &Connection, since: u64, now: u64) -> rusqlite::Result<()> {
        let mut query =
            log.prepare_cached("SELECT last, ts FROM chunks WHERE first >= ?1 ORDER BY first LIMIT ?2")?;
        let mut rows = query.query([int(self.search.next), i64::from(LOOKS)])?;
        let mut looked = 0;
        while let Some(row) = rows.next()? {
            looked += 1;
            let (last, ts) = (number(row, 0)?, number(row, 1)?);
            self.search.next = last + 1;
            if self.see(last, ts, since, now) {
                self.search = Search::default();
                return Ok(());
            }
        }
        if looked < LOOKS {
            self.search = Search::default();
        }
        Ok(())
    }

    /// Notes one chunk. True: no later chunk is too old.
    fn see(&mut self, last: Seq, ts: u64, since: u64, now: u64) -> bool {
        let search = &mut self.search;
        if ts >= since {
            // A timestamp in the future is wrong. Any other may be right, and an old one after it wrong,
            // because the clock was set back. Such messages expire by their own timestamps later.
            search.is_behind = true;
            return ts <= now;
        }
        if search.is_behind {
            if ts < NO_CLOCK {
                return false;
            }
            search.is_behind = false;
        }
        self.overdue = last;
        false
    }
}
