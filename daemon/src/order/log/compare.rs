//! Owns the comparison of what this node has read with what the leader of the stream has there: the last records after each
//! connect, and all that are remembered after a doubt. The order asks, and gives it the answers. Never reads a clock.
//!
//! A question names few positions, and the answer may end before the last of them. The next question goes on after it. So a
//! node holds few records at a time, also if all nodes ask at the same moment because their leader has gone.

use super::LogOrder;
use crate::order::stream::{Check, Checked};
use tcp_chat_turn_log::Halt;

/// How many positions one question compares. A log that has forgotten differs at its end, so one question is enough after a
/// connect: it compares as many as a restart does.
pub(super) const TOGETHER: usize = 48;

impl LogOrder {
    fn doubt(&self) -> Option<u64> {
        match self.halt {
            Some(Halt::Doubt(sequence)) => Some(sequence),
            _ => None,
        }
    }

    /// What the leader is asked now.
    pub(super) fn question(&self, connection: u64) -> Check {
        let doubt = self.doubt();
        let compares = doubt.is_some() || !self.is_compared;
        let remembered = self.reader.remembered().filter(|position| compares && *position > 0);
        let mut positions: Vec<u64> = remembered.collect();
        if doubt.is_none() {
            positions.drain(..positions.len().saturating_sub(TOGETHER));
        }
        positions.retain(|position| *position > self.compared_to);
        let is_whole = compares && positions.len() <= TOGETHER;
        positions.truncate(TOGETHER);
        let until = positions.last().copied().unwrap_or(0);
        positions.extend(self.in_question());
        positions.sort_unstable();
        positions.dedup();
        Check { connection, applied: self.reader.claim().applied, positions, until, doubt, is_whole }
    }

    /// Notes how far an answer goes, whose records were compared. Says whether nothing is left to compare.
    pub(super) fn compared(&mut self, answer: &Checked) -> bool {
        let Checked { check, first, records, .. } = answer;
        // An answer that comes late was asked before the doubt.
        if check.doubt != self.doubt() || (check.doubt.is_none() && self.is_compared) {
            return false;
        }
        let is_told = |position: u64| records.iter().any(|record| record.sequence == position);
        let before = self.compared_to;
        for position in check.positions.iter().copied().take_while(|position| *position <= check.until) {
            if position >= *first && !is_told(position) {
                break;
            }
            self.compared_to = self.compared_to.max(position);
        }
        let is_done = check.is_whole && self.compared_to >= check.until;
        if is_done {
            self.compared_to = 0;
        } else if self.compared_to > before {
            // The rest is asked for at once.
            self.checked = None;
        }
        is_done && (check.doubt.is_none() || check.until > 0)
    }
}
