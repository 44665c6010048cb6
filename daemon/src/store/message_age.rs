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
const SCAN_CHUNKS: u32 = 256;
/// 2026-01-01: no correct clock shows less. An earlier timestamp says nothing about the messages before it.
const MIN_CLOCK: u64 = 1_767_225_600_000;

/// What is known of the oldest messages.
#[derive(Debug, Default)]
pub(super) struct AgeScan {
    /// All chunks up to this number are too old.
    expired_to: Seq,
    progress: Progress,
}

/// A scan for chunks that are too old behind chunks with a timestamp in the future.
#[derive(Debug, Default)]
struct Progress {
    next: Seq,
    /// Whether the scan has passed such a chunk.
    has_passed_future: bool,
}

impl AgeScan {
    /// The number up to which all messages are older than `since`. `first` is the smallest stored number.
    pub(super) fn find_expired(
        &mut self,
        log: &Connection,
        first: Seq,
        since: u64,
        now: u64,
    ) -> rusqlite::Result<Seq> {
        if first > self.expired_to {
            self.scan(log, since, now)?;
        }
        Ok(self.expired_to)
    }

    fn scan(&mut self, log: &Connection, since: u64, now: u64) -> rusqlite::Result<()> {
        let mut query =
            log.prepare_cached("SELECT last, ts FROM chunks WHERE first >= ?1 ORDER BY first LIMIT ?2")?;
        let mut rows = query.query([int(self.progress.next), i64::from(SCAN_CHUNKS)])?;
        let mut read = 0;
        while let Some(row) = rows.next()? {
            read += 1;
            let (last, ts) = (number(row, 0)?, number(row, 1)?);
            self.progress.next = last + 1;
            if self.note_chunk(last, ts, since, now) {
                self.progress = Progress::default();
                return Ok(());
            }
        }
        if read < SCAN_CHUNKS {
            self.progress = Progress::default();
        }
        Ok(())
    }

    /// Notes one chunk. True: no later chunk is too old.
    fn note_chunk(&mut self, last: Seq, ts: u64, since: u64, now: u64) -> bool {
        let progress = &mut self.progress;
        if ts >= since {
            // A timestamp in the future is wrong. Any other may be right, and an old one after it wrong,
            // because the clock was set back. Such messages expire by their own timestamps later.
            progress.has_passed_future = true;
            return ts <= now;
        }
        if progress.has_passed_future {
            if ts < MIN_CLOCK {
                return false;
            }
            progress.has_passed_future = false;
        }
        self.expired_to = last;
        false
    }
}
