//! Owns the erasures: the name and the texts of a user are removed from the server. An erasure begins with an operator's
//! command. Then each turn has one step, until all stored messages and lines of the audit log are visited. The proposer of a
//! turn proposes the end of the step ([`ErasureStep`]). The writes name the numbers to visit ([`ErasedSlice`]), so every store
//! changes the same lines. Called by `ops/erase.rs` and by [`super::apply`]. Never reads a message.

use super::{Audience, Change, ConversationId, ConversationKind, Redacted, State, UserId};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use tcp_chat_protocol::event::ERASED;
use tcp_chat_protocol::{Name, NameKey, Seq};

/// The newest messages of an erased user that members are told of, one event each. Clients read older ones again.
pub const TOLD: usize = 20;
/// The lines of such events to members in one turn, about: in a large room fewer events are sent.
const TOLD_LINES: usize = 10_000;

/// What an erasure visits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ErasureStage {
    /// The messages: their texts and names are overwritten.
    Messages,
    /// The lines of the audit log.
    Audit,
    /// The messages whose line grows by the new name: no file has the old one any more, so their rows may move.
    LongMessages,
    /// The same of the audit log.
    LongAudit,
    /// The sessions and grants that are still to be removed.
    End,
}

impl ErasureStage {
    /// All of them, in their order.
    pub const ALL: [Self; 5] = [Self::Messages, Self::Audit, Self::LongMessages, Self::LongAudit, Self::End];

    /// The stage as the store keeps it.
    #[must_use]
    pub fn number(self) -> usize {
        Self::ALL.iter().position(|stage| *stage == self).unwrap_or_default()
    }

    fn next(self) -> Option<Self> {
        Self::ALL.get(self.number() + 1).copied()
    }

    /// Where the stage begins.
    fn begin(self, until: Seq) -> u64 {
        match self {
            Self::Messages | Self::LongMessages => until + 1,
            Self::Audit | Self::LongAudit | Self::End => i64::MAX.unsigned_abs(),
        }
    }
}

/// A user that is being erased.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Erasure {
    /// The number in the new name. Of the numbering of sessions, and never used again.
    pub id: i64,
    /// The old name.
    pub name: Name,
    /// The registered user: its messages are known by it. `None`: all messages under the name are meant.
    pub user: Option<UserId>,
    /// The newest message when it began.
    pub until: Seq,
    /// What it visits now, the newest first.
    pub stage: ErasureStage,
    /// Everything of the stage from this number on is done.
    pub below: u64,
}

impl Erasure {
    /// The name that stands in the place of the old one.
    #[must_use]
    pub fn new_name(&self) -> Name {
        Name::erased(self.id.unsigned_abs())
    }

    /// Is this name meant?
    #[must_use]
    pub fn is_named(&self, name: &str) -> bool {
        NameKey::of(name) == self.name.key()
    }

    /// Is the erased user the author of a message? `author`: `None` if an older version stored it.
    #[must_use]
    pub fn is_author(&self, author: Option<UserId>, name: &str) -> bool {
        match (self.user, author) {
            (Some(user), Some(author)) => user == author,
            _ => self.is_named(name),
        }
    }
}

/// A step that the proposer of a turn proposes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErasureStep {
    /// The erasure.
    pub id: i64,
    /// Its stage.
    pub stage: ErasureStage,
    /// The lowest number that is visited; 0: the stage is done.
    pub down_to: u64,
    /// The newest messages of the user, to tell the members of: in the first step alone.
    pub recent: Vec<RecentMessage>,
}

/// A message that an erasure removes the text of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecentMessage {
    /// Its number.
    pub seq: Seq,
    /// Its conversation.
    pub conversation: ConversationId,
    /// Of a direct message: its author and its recipient.
    pub direct: Option<Box<(Name, Name)>>,
}

/// What a store visits in a turn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ErasedSlice {
    /// The erasure as it was before this step.
    pub erasure: Erasure,
    /// The numbers from this one on, up to [`Erasure::below`].
    pub from: u64,
}

/// A change of the erasures that the store keeps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum ErasureChange {
    /// It began, or has come further.
    Put(Erasure),
    /// It is complete.
    Done(i64),
}

/// All erasures, the oldest first: one is worked on.
pub(super) type Erasures = VecDeque<Erasure>;

impl State {
    /// The erasure that is worked on.
    #[must_use]
    pub fn erasure(&self) -> Option<&Erasure> {
        self.erasures.front()
    }

    /// Is the user that gets this number in its new name still being erased?
    #[must_use]
    pub fn is_erasing(&self, id: i64) -> bool {
        self.erasures.iter().any(|erasure| erasure.id == id)
    }

    /// How many messages are still to be looked at, at most, of all erasures; at least one for each until its end.
    /// `None`: nobody is being erased.
    #[must_use]
    pub fn erasing_left(&self) -> Option<u64> {
        let left = |erasure: &Erasure| match erasure.stage {
            ErasureStage::Messages => erasure.below.saturating_sub(self.oldest().max(1)) + 1,
            _ => 1,
        };
        (!self.erasures.is_empty()).then(|| self.erasures.iter().map(left).sum())
    }

    /// Does one step of an erasure. A step of another stage is not done: it was proposed before a turn that did it.
    pub(super) fn erase_step(&mut self, step: ErasureStep) {
        let ErasureStep { id, stage, down_to, recent } = step;
        let Some(erasure) = self.erasures.front() else { return };
        if (erasure.id, erasure.stage) != (id, stage) || down_to >= erasure.below {
            return;
        }
        let mut erasure = erasure.clone();
        let is_first = stage == ErasureStage::Messages && erasure.below == stage.begin(erasure.until);
        if stage != ErasureStage::End {
            self.turn.writes.erased.push(ErasedSlice { erasure: erasure.clone(), from: down_to });
        }
        if is_first {
            self.report(Change::Erased(erasure.until));
            self.tell_of(recent);
        }
        erasure.below = down_to;
        while erasure.below == 0 {
            match erasure.stage.next() {
                Some(next) => (erasure.stage, erasure.below) = (next, next.begin(erasure.until)),
                None if self.has_rest_of(&erasure) => {
                    erasure.below = ErasureStage::End.begin(0);
                }
                None => return self.end_erasure(&erasure),
            }
        }
        self.put_erasure(erasure);
    }

    /// Begins an erasure. `user`: the registered user of that name.
    pub(super) fn begin_erasure(&mut self, id: i64, name: Name, user: Option<UserId>) {
        let stage = ErasureStage::Messages;
        let erasure = Erasure { id, name, user, until: self.head, stage, below: stage.begin(self.head) };
        self.turn.writes.erasures.push(ErasureChange::Put(erasure.clone()));
        self.erasures.push_back(erasure);
    }

    fn put_erasure(&mut self, erasure: Erasure) {
        self.turn.writes.erasures.push(ErasureChange::Put(erasure.clone()));
        self.erasures.pop_front();
        self.erasures.push_front(erasure);
    }

    fn end_erasure(&mut self, erasure: &Erasure) {
        self.erasures.pop_front();
        self.turn.writes.erasures.push(ErasureChange::Done(erasure.id));
        // Messages that wait for a slow reader are read from the store, where they have no text.
        self.report(Change::Erased(erasure.until));
    }

    /// Is something left that has the name, and that goes in steps of its own?
    fn has_rest_of(&self, erasure: &Erasure) -> bool {
        self.is_being_removed(&erasure.name) || self.ended_sessions.has_name(&erasure.name)
    }

    /// Tells the members of the newest messages, as far as a turn has time for.
    fn tell_of(&mut self, recent: Vec<RecentMessage>) {
        let members = |message: &RecentMessage| {
            self.conversations.get(message.conversation).map_or(0, |there| there.members.len().max(2))
        };
        let count = count_told(recent.iter().map(members));
        recent.into_iter().take(count).for_each(|message| self.tell_erased(message));
    }

    fn tell_erased(&mut self, message: RecentMessage) {
        let RecentMessage { seq, conversation, direct } = message;
        let Some(there) = self.conversations.get(conversation) else { return };
        let (room, reason) = (there.room().cloned(), ERASED.into());
        let audience = match there.kind {
            ConversationKind::Direct(a, b) => Audience::Users(a, b),
            ConversationKind::Room(_) => Audience::Room(conversation),
        };
        let direct = direct.filter(|_| room.is_none()).map(|names| (names.1, names.0));
        let redacted =
            Redacted { conversation, audience, room, direct, seq, by: None, reason, is_erased: true };
        self.report(Change::Redacted(Box::new(redacted)));
    }
}

/// Of how many messages members are told, by the number of members for each: of one at least.
fn count_told(members: impl Iterator<Item = usize>) -> usize {
    let lines = members.take(TOLD).scan(0, |lines, more| {
        *lines += more;
        Some(*lines)
    });
    lines.enumerate().take_while(|(at, lines)| *at == 0 || *lines <= TOLD_LINES).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_a_large_room_members_are_told_of_few_messages() {
        let told = |members: usize, messages: usize| count_told(std::iter::repeat_n(members, messages));
        assert_eq!([told(2, 7), told(100, 200), told(2_400, 200)], [7, TOLD, 4]);
        assert_eq!([told(50_000, 200), told(50_000, 0)], [1, 0]);
    }
}
