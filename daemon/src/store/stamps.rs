//! Owns which messages are too old by what is known of their time. A stamp is what the clock showed, and
//! clocks are set. A message cannot be younger than one that was said after it; so one stamp of the future
//! must not keep everything after it. A stamp that can be right is believed: what it vouches for is not too old,
//! whatever stands behind it. The writer asks; a search that takes long goes on with the next call. Never removes
//! anything.

use super::rows::{int, number};
use rusqlite::Connection;
use tcp_chat_protocol::Seq;

/// Chunks that one call looks at.
const LOOKS: u32 = 256;
/// No clock that is right shows less: 2026-01-01. Such a stamp says nothing about the messages before it.
const NO_CLOCK: u64 = 1_767_225_600_000;

/// What is known of the front of the log.
#[derive(Debug, Default)]
pub(super) struct Stamps {
    /// All chunks up to this number are too old.
    overdue: Seq,
    search: Search,
}

/// A search for chunks that are too old behind others whose stamps are of the future.
#[derive(Debug, Default)]
struct Search {
    next: Seq,
    /// There are some of those others.
    is_behind: bool,
}

impl Stamps {
    /// The number up to which all is older than `since`. `first` is the first number that there is.
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

    /// True: there is nothing too old from here on.
    fn see(&mut self, last: Seq, ts: u64, since: u64, now: u64) -> bool {
        let search = &mut self.search;
        if ts >= since {
            // A stamp of the future is wrong, whatever stands around it. Any other may be right, and what is old
            // behind it be wrong: the clock was set back. It is over by itself in time.
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
