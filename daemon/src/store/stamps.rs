//! Owns which messages are too old by what is known of their time. A stamp is what the clock showed, and
//! clocks are set. A message cannot be younger than one that was said after it; so one stamp from a clock
//! that was ahead must not keep everything after it. The writer asks; a search that takes long goes on
//! with the next call. Never removes anything.

use super::rows::{int, number};
use rusqlite::Connection;
use tcp_chat_protocol::Seq;

/// Chunks that one call looks at.
const LOOKS: u32 = 256;
/// So many chunks whose stamps could be right, and are not old: then the ones before them are not old either.
const YOUNG: u32 = 64;
/// No clock that is right shows less: 2026-01-01. Such a stamp says nothing about the messages before it.
const NO_CLOCK: u64 = 1_767_225_600_000;

/// What is known of the front of the log.
#[derive(Debug, Default)]
pub(super) struct Stamps {
    /// All chunks up to this number are too old.
    overdue: Seq,
    search: Search,
}

/// A search for chunks that are too old behind others whose stamps say that they are not.
#[derive(Debug, Default)]
struct Search {
    next: Seq,
    /// There are some of those others.
    is_behind: bool,
    /// How many of them have stamps that the clock does not refute,
    young: u32,
    /// and how many behind them are too old.
    old: u32,
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
            search.is_behind = true;
            // A stamp of the future is wrong, whatever stands around it.
            search.young += u32::from(ts <= now);
            return search.young > YOUNG;
        }
        if search.is_behind {
            // Of stamps that contradict each other, the greater number is believed.
            search.old += u32::from(ts >= NO_CLOCK);
            if search.old <= search.young {
                return false;
            }
            *search = Search { next: search.next, ..Search::default() };
        }
        self.overdue = last;
        false
    }
}
