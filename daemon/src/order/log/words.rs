//! Owns what a word of the stream's task changes: a connection that comes or goes, a record, the answer of the leader. And the
//! end of the order. The order's callers bring the words. Never publishes anything.

use super::{LogOrder, stopped};
use crate::order::stream::{Checked, FromStream};
use crate::order::{OrderEvent, Stopped};
use std::time::Duration;
use tcp_chat_turn_log::{Feed, Halt};
use tracing::warn;

/// A stream that is shorter for this long is told to the operator.
const SHORTER: Duration = Duration::from_secs(5);

impl LogOrder {
    /// Takes a word of the task.
    pub fn take_word(&mut self, word: FromStream, now: Duration) {
        if self.is_stopped {
            return;
        }
        if self.applying.is_some() {
            self.later.push(word);
            return;
        }
        match word {
            FromStream::Connected(link) => self.connected(link, now),
            FromStream::Disconnected => {
                (self.link, self.target, self.checked) = (None, None, None);
                self.proposer.disconnected(now);
            }
            FromStream::Record(link, record) if self.link == Some(link) => {
                let offered = self.feed.offer(record, now);
                self.compare(&offered);
            }
            FromStream::Heard(link, record) if self.link == Some(link) => {
                let offered = self.feed.hear(record, now);
                self.compare(&offered);
            }
            FromStream::Answered(link, ask) if self.link == Some(link) => self.feed.answered(ask),
            FromStream::Checked(checked) if self.link == Some(checked.check.connection) => {
                self.checked(&checked, now);
            }
            FromStream::Record(..)
            | FromStream::Answered(..)
            | FromStream::Heard(..)
            | FromStream::Checked(_) => {}
            FromStream::Beat(bytes) => self.hear_beat(&bytes, now),
            FromStream::Stopped(stopped) => self.stop(stopped),
        }
    }

    fn connected(&mut self, link: u64, now: Duration) {
        self.link = Some(link);
        self.elsewhere.connected = now;
        self.proposer.connected();
        self.feed = Feed::after(self.reader.rewind(), now);
        self.feed.reconnected(now);
        (self.target, self.checked, self.is_compared, self.compared_to) = (None, None, false, 0);
        self.doubted = None;
        self.heard_only.reconnected();
        self.halt = self.halt.filter(|halt| !matches!(halt, Halt::Doubt(_)));
        // Nobody could show that it lives while there was no connection.
        self.seen_alive.clear();
    }

    /// Takes the answer of the leader.
    fn checked(&mut self, answer: &Checked, now: Duration) {
        match self.reader.begins_at(answer.first) {
            Err(truncated) => return self.stop(stopped::truncated(&truncated)),
            Ok(true) => {
                self.feed = Feed::after(self.reader.read(), now);
                self.doubted = None;
                self.heard_only.reconnected();
            }
            Ok(false) => {}
        }
        self.halt = self.reader.ends_at(answer.last, answer.check.applied).err();
        for record in &answer.records {
            self.halt = self.reader.recheck(record).err();
        }
        self.settle(answer, now);
        let is_whole = self.compared(answer);
        if is_whole && matches!(self.halt, Some(Halt::Doubt(_))) {
            // The doubted record waits, and is read next.
            self.reader.rechecked();
            self.halt = None;
        }
        self.is_compared |= is_whole;
        if self.is_compared {
            self.feed.ends_at(answer.last);
            self.target = Some(self.target.unwrap_or(0).max(answer.last));
            self.pulse.sign(now);
        }
        self.tell_shorter(now);
        self.stop_if_halted();
    }

    /// Tells the operator that the stream is shorter than what this node applied. It may be over soon, when a new leader has
    /// caught up; so it is told late, and once.
    fn tell_shorter(&mut self, now: Duration) {
        let Some(Halt::Shorter { last, applied }) = self.halt else {
            self.shorter = None;
            return;
        };
        let (since, is_told) = self.shorter.get_or_insert((now, false));
        if now >= *since + SHORTER && !std::mem::replace(is_told, true) {
            warn!(
                event = "log_shorter",
                last,
                applied,
                "the stream ends before what this node has applied: it has lost entries, or its servers are not all back. The \
                 node waits (docs/CLUSTER.md, \"The log is gone or has forgotten\")"
            );
        }
    }

    /// The process must end.
    pub(super) fn stop(&mut self, stopped: Stopped) {
        if !self.is_stopped {
            self.is_stopped = true;
            self.events.push_back(OrderEvent::Ended(stopped));
        }
    }

    /// A halt that does not end by itself ends the process.
    pub(super) fn stop_if_halted(&mut self) {
        match self.halt {
            None | Some(Halt::Shorter { .. } | Halt::Doubt(_)) => {}
            Some(halt) => self.stop(stopped::halted(&halt)),
        }
    }
}
