//! Owns the sequence of the records: holes, repetitions and silence on the way from the stream. The caller offers every
//! record that it gets, sends the requests that [`Feed::ask`] names, and hands the records that come out to the reader.
//! Never reads an entry, and never waits: time is an argument.
//!
//! Records come from the stream's RePublish subject, which may lose, repeat and reorder them, and on which others may publish:
//! a record that was heard there ([`Feed::hear`]) never replaces an answer of the stream ([`Feed::offer`]). A hole is filled by direct
//! requests, one at a time. An answer ends where the stream ends it ([`Feed::answered`]), and the next request follows at once, while
//! the reader still has the records of the answer before: so a node that was away reads without a pause. A loss at the end shows
//! no hole, so after a second of silence the feed asks for what comes next.
//!
//! A stream may remove records only at its front ([`crate::Reader::begins_at`]). One that is deleted within would be asked for again
//! and again, so the stream must be made with `deny_delete` and `deny_purge`.

use crate::time::LogTime;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How many records one request may ask for.
pub const ASK_RECORDS: u64 = 512;
/// How many bytes of records the stream should give for one request: it may end an answer there.
pub const ASK_BYTES: usize = 3 * 1024 * 1024;
/// After this time without an answer a request is repeated, and after this time of silence the feed asks for the next.
pub const ASK_AGAIN: Duration = Duration::from_secs(1);
/// How many bytes of records that came too early, or are not read yet, are held: 128 for each record, and its own. Beyond that the last
/// ones are dropped, and asked for later.
pub const AHEAD_BYTES: usize = 8 * 1024 * 1024;

/// What a record takes beside its bytes, at most: one without bytes takes memory, too.
const RECORD_BYTES: usize = 128;

// There is room for an answer, and for the longest record after its bound, while the one before it is read.
const ANSWER_BYTES: usize = ASK_BYTES + crate::entry::ENTRY_BYTES + 1024 * RECORD_BYTES;
const _: () = assert!(ASK_RECORDS < 1024 && 2 * ANSWER_BYTES <= AHEAD_BYTES);

/// A record of the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its sequence in the stream, from 1.
    pub sequence: u64,
    /// When the stream stored it.
    pub stamp: LogTime,
    /// What was published.
    pub bytes: Arc<[u8]>,
}

/// A request for records of the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ask {
    /// The first.
    pub first: u64,
    /// The last. The stream may end before it.
    pub last: u64,
}

/// What the feed did with a record.
#[derive(Debug, PartialEq, Eq)]
pub enum Offered {
    /// It will come out in its place.
    Taken,
    /// It was read already. Compare it with what was read: [`crate::Reader::recheck`].
    Old(Record),
}

/// The stream no longer has what comes next: the node was away too long, and must take the state of another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the stream begins at {first}, but record {next} comes next")]
pub struct Truncated {
    /// What comes next.
    pub next: u64,
    /// What the stream begins with.
    pub first: u64,
}

/// Puts the records of a stream into sequence.
#[derive(Debug)]
pub struct Feed {
    next: u64,
    /// Everything from `next` to here is ahead. One less than `next` if that is not.
    whole: u64,
    /// The bytes of it.
    whole_bytes: usize,
    /// The highest sequence that is known to exist.
    seen: u64,
    /// Each with whether it was only heard.
    ahead: BTreeMap<u64, (Record, bool)>,
    bytes: usize,
    /// When a record came last, or was asked for.
    came: Duration,
    asked: Option<(Ask, Duration)>,
}

impl Feed {
    /// A feed that begins after what was read. `now` is a time on a clock of this process that never goes back.
    #[must_use]
    pub fn after(read: u64, now: Duration) -> Self {
        let next = read.saturating_add(1);
        let (whole, whole_bytes) = (read, 0);
        Self {
            next,
            whole,
            whole_bytes,
            seen: read,
            ahead: BTreeMap::new(),
            bytes: 0,
            came: now,
            asked: None,
        }
    }

    /// Takes a record that the stream gave as the answer to a request.
    pub fn offer(&mut self, record: Record, now: Duration) -> Offered {
        self.put(record, false, now)
    }

    /// Takes a record from a subject on which others may be able to publish. It never replaces one that is here.
    pub fn hear(&mut self, record: Record, now: Duration) -> Offered {
        self.put(record, true, now)
    }

    fn put(&mut self, record: Record, is_heard: bool, now: Duration) -> Offered {
        if record.sequence < self.next {
            return Offered::Old(record);
        }
        self.came = now;
        self.seen = self.seen.max(record.sequence);
        if is_heard && self.ahead.contains_key(&record.sequence) {
            return Offered::Taken;
        }
        self.insert(record, is_heard);
        // The next record itself always has room: it comes out at once.
        while self.bytes > AHEAD_BYTES
            && self.ahead.len() > 1
            && let Some((sequence, (dropped, _))) = self.ahead.pop_last()
        {
            self.bytes -= cost(&dropped);
            if sequence <= self.whole {
                self.whole = sequence - 1;
                self.whole_bytes -= cost(&dropped);
            }
        }
        Offered::Taken
    }

    fn insert(&mut self, record: Record, is_heard: bool) {
        let (sequence, length) = (record.sequence, cost(&record));
        let before = self.ahead.insert(sequence, (record, is_heard));
        let before = before.map_or(0, |(before, _)| cost(&before));
        self.bytes = self.bytes + length - before;
        if sequence <= self.whole {
            self.whole_bytes = self.whole_bytes + length - before;
        }
        while let Some((record, _)) = self.whole.checked_add(1).and_then(|next| self.ahead.get(&next)) {
            self.whole += 1;
            self.whole_bytes += cost(record);
        }
    }

    /// The next record, if it is here.
    pub fn take(&mut self) -> Option<Record> {
        let (record, _) = self.ahead.remove(&self.next)?;
        self.bytes -= cost(&record);
        self.whole_bytes -= cost(&record);
        self.next = self.next.saturating_add(1);
        Some(record)
    }

    /// The positions that come next and were only heard, without a hole: at most so many.
    pub fn heard(&self, most: usize) -> impl Iterator<Item = u64> {
        let next = (self.next..).zip(self.ahead.iter().take(most));
        next.take_while(|(next, (here, (_, is_heard)))| next == *here && *is_heard).map(|(next, _)| next)
    }

    /// The stream is known to reach to here, so everything up to it is asked for.
    pub fn ends_at(&mut self, last: u64) {
        self.seen = self.seen.max(last);
    }

    /// After a reconnect everything may have been missed: the feed asks at once.
    pub fn reconnected(&mut self, now: Duration) {
        self.asked = None;
        self.came = now.saturating_sub(ASK_AGAIN);
    }

    /// The stream has given all that it gives for this request. If that was anything, the next request is due at once.
    /// Otherwise after [`ASK_AGAIN`]: the server may not have the records yet, or they were lost on the way.
    pub fn answered(&mut self, ask: Ask) {
        if self.whole >= ask.first && self.asked.is_some_and(|(asked, _)| asked == ask) {
            self.asked = None;
        }
    }

    /// The request that is due. A caller that cannot send it does not need to note it: it comes again.
    pub fn ask(&mut self, now: Duration) -> Option<Ask> {
        let first = self.whole.saturating_add(1);
        let hole = self.ahead.range(first..).next().map_or(self.seen, |(after, _)| after.saturating_sub(1));
        let limit = first.saturating_add(ASK_RECORDS - 1);
        let last = if first <= hole {
            let waits = |(ask, at): (Ask, Duration)| first <= ask.last && now < at + ASK_AGAIN;
            let has_room = self.whole_bytes <= AHEAD_BYTES / 2;
            if self.asked.is_some_and(waits) || !has_room {
                return None;
            }
            hole.min(limit)
        } else if self.ahead.is_empty() && now >= self.came + ASK_AGAIN {
            limit
        } else {
            return None;
        };
        let ask = Ask { first, last };
        self.came = now;
        self.asked = Some((ask, now));
        Some(ask)
    }

    /// When [`Self::ask`] is to be called again, if nothing comes before.
    #[must_use]
    pub fn wake(&self) -> Duration {
        self.asked.map_or(self.came, |(_, at)| at.max(self.came)) + ASK_AGAIN
    }
}

/// What a record counts while it is here.
fn cost(record: &Record) -> usize {
    record.bytes.len() + RECORD_BYTES
}

#[cfg(test)]
mod tests;
