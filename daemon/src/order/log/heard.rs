//! Owns the check of records that were only heard: they came on the subject where the stream publishes them. That way is the
//! fastest, but other programs may be able to publish there, too. The order calls it before a heard record is read. Never reads a
//! clock.
//!
//! A heard record is believed if it is an entry that counts, whose author agrees with this node, and whose time fits. Anything else
//! is asked of the leader: the answer comes on a subject that was drawn at random for this connection. Only the leader's word
//! makes an entry void, or says that the log has forgotten.

use super::LogOrder;
use crate::order::stream::Checked;
use std::time::Duration;
use tcp_chat_turn_log::{Detached, Feed, LogTime, Offered, Pending, Record};
use tracing::warn;

/// A heard stamp may be later than the clock of the stream by this much.
const EARLY: Duration = Duration::from_secs(5);
/// How many heard records after one in question are asked for with it.
const TOGETHER: usize = 64;

/// What was heard and is not believed yet.
#[derive(Debug, Default)]
pub(super) struct Heard {
    /// The next record. Nothing is read before the leader has told what stands there.
    unsure: Option<Record>,
    /// A position that was read before, and that was heard with another record.
    differs: Option<u64>,
    /// A stamp that the stream itself gave, and when.
    clock: Option<(LogTime, Duration)>,
    has_warned: bool,
}

impl Heard {
    pub(super) fn reconnected(&mut self) {
        (self.unsure, self.differs) = (None, None);
    }

    pub(super) fn waits(&self) -> bool {
        self.unsure.is_some()
    }

    /// Must the leader be asked?
    pub(super) fn asks(&self) -> bool {
        self.unsure.is_some() || self.differs.is_some()
    }

    /// What the clock of the stream shows at least.
    fn shows(&self, now: Duration) -> Option<u64> {
        let (LogTime(stamp), at) = self.clock?;
        let since = u64::try_from(now.saturating_sub(at).as_millis()).unwrap_or(u64::MAX);
        Some(stamp.saturating_add(since))
    }

    /// The stream itself gave this stamp.
    pub(super) fn set_clock(&mut self, stamp: LogTime, now: Duration) {
        if self.shows(now).is_none_or(|shown| stamp.0 >= shown) {
            self.clock = Some((stamp, now));
        }
    }

    fn is_early(&self, stamp: LogTime, now: Duration) -> bool {
        let early = u64::try_from(EARLY.as_millis()).unwrap_or(u64::MAX);
        self.shows(now).is_none_or(|shown| stamp.0 > shown.saturating_add(early))
    }

    fn warn(&mut self, sequence: u64) {
        if !std::mem::replace(&mut self.has_warned, true) {
            warn!(
                event = "forged_record",
                sequence,
                "someone else publishes where only the stream should: nothing was lost, but take the right to do so from all logins \
                 (docs/CLUSTER.md, \"The least rights\"). This is told once"
            );
        }
    }
}

impl LogOrder {
    /// Notes a record that was read before, if it is another one now.
    pub(super) fn compare(&mut self, offered: &Offered) {
        if let Offered::Old(record) = offered
            && self.reader.differs(record)
        {
            self.heard_only.differs.get_or_insert(record.sequence);
        }
    }

    /// The entry of a heard record. `None`: the leader is asked first.
    pub(super) fn believe(&mut self, record: Record, now: Duration) -> Option<Detached> {
        let is_early = self.heard_only.is_early(record.stamp, now);
        let entry = if is_early { None } else { self.reader.accept_heard(&record).map(Pending::detach) };
        if entry.is_none() {
            (self.heard_only.unsure, self.checked) = (Some(record), None);
        }
        entry
    }

    /// The positions in question.
    pub(super) fn in_question(&self) -> impl Iterator<Item = u64> {
        let unsure = self.heard_only.unsure.as_ref().map(|record| record.sequence);
        let after = unsure.map(|_| self.feed.heard(TOGETHER)).into_iter().flatten();
        unsure.into_iter().chain(after).chain(self.heard_only.differs)
    }

    /// Takes the leader's word about what was heard.
    pub(super) fn settle(&mut self, answer: &Checked, now: Duration) {
        let told = |sequence: u64| answer.records.iter().find(|record| record.sequence == sequence);
        if let Some(sequence) = self.heard_only.differs
            && told(sequence).is_some()
        {
            self.heard_only.differs = None;
            self.heard_only.warn(sequence);
        }
        let asked = |record: &mut Record| answer.check.positions.contains(&record.sequence);
        let Some(heard) = self.heard_only.unsure.take_if(asked) else { return };
        match told(heard.sequence) {
            Some(record) => {
                if *record != heard {
                    self.heard_only.warn(heard.sequence);
                }
                self.doubted = Some(record.clone());
                for record in answer.records.iter().filter(|record| record.sequence > heard.sequence) {
                    self.feed.offer(record.clone(), now);
                }
            }
            // The stream publishes nothing that its leader does not have.
            None if answer.last < heard.sequence => {
                self.heard_only.warn(heard.sequence);
                self.feed = Feed::after(self.reader.read(), now);
                self.feed.reconnected(now);
            }
            None => self.heard_only.unsure = Some(heard),
        }
    }
}
