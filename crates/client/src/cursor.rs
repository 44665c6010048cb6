//! Owns the cursor of a session and the `prev` chain of each conversation, with which a reader proves that it
//! missed nothing; and the check of seqs from the server. Pure. Called by `task` for each message.

use std::cmp::Ordering;
use std::collections::HashMap;
use tcp_chat_protocol::{MsgEvent, Seq};

/// A room, or the direct messages with a user.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Conversation {
    /// The room of that name.
    Room(String),
    /// The direct messages with the user of that name.
    With(String),
}

/// The largest number of conversations whose chain is followed. Beyond it the chains start again: no message is
/// lost, but the check of the next `prev` is weaker.
const LIMIT: usize = 4096;

/// The greatest possible seq (2^53): beyond it doubles, which many programs use, are not exact.
const MAX_SEQ: Seq = 1 << 53;
/// The greatest jump between two seqs of a session: four months of 100,000 messages per second.
const MAX_JUMP: Seq = 1 << 40;

/// The relation of a message to the cursor.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// The next message.
    New,
    /// It was seen before.
    Again,
    /// Its seq is below the cursor, and it is not the last message.
    Falls,
    /// New, but a message between `last` and its `prev` is missing.
    Broken {
        /// The last seq seen in this conversation.
        last: Seq,
    },
}

#[derive(Debug, Default)]
pub(crate) struct Cursor {
    /// The last seq seen in any conversation.
    seq: Seq,
    /// The newest seq that the server has mentioned.
    newest: Seq,
    /// Conversations without a chain were seen up to here.
    floor: Seq,
    /// Up to here the daemon has reported that messages are gone.
    excused: Seq,
    chains: HashMap<Conversation, Seq>,
}

impl Cursor {
    /// A session that begins or resumes after `seq`.
    pub(crate) fn starting_at(seq: Seq) -> Self {
        Self { seq, newest: seq, floor: seq, ..Self::default() }
    }

    /// Notes the newest seq of the server.
    pub(crate) fn set_newest(&mut self, head: Seq) {
        self.newest = self.newest.max(head);
    }

    /// Checks the seqs of a message; the error is the fault. A seq that no server assigns would hide all later
    /// messages.
    pub(crate) fn check(&self, event: &MsgEvent<'_>) -> Result<(), String> {
        let MsgEvent { seq, prev, .. } = *event;
        if prev >= seq {
            return Err(format!("it sent message {seq} and said that message {prev} was before it"));
        }
        self.check_number(seq)
    }

    /// Checks that the server can have assigned that seq.
    pub(crate) fn check_number(&self, seq: Seq) -> Result<(), String> {
        let newest = self.newest.max(self.seq);
        if seq > newest.saturating_add(MAX_JUMP).min(MAX_SEQ) {
            return Err(format!("it sent the number {seq} where the newest one was {newest}"));
        }
        Ok(())
    }

    pub(crate) fn seq(&self) -> Seq {
        self.seq
    }

    /// Notes that the session joined the room when `head` was its newest seq.
    pub(crate) fn joined(&mut self, room: &str, head: Seq) {
        self.put(Conversation::Room(room.to_owned()), head);
    }

    /// Notes that the session left the room: its chain continues unseen.
    pub(crate) fn left(&mut self, room: &str) {
        self.chains.remove(&Conversation::Room(room.to_owned()));
        // JOIN gives the new head. A daemon that does not give it is not accused.
        self.excused = self.excused.max(self.seq);
    }

    /// The daemon reports that messages up to `to` may be missing.
    pub(crate) fn gap(&mut self, to: Seq) {
        self.excused = self.excused.max(to);
    }

    /// Moves the cursor to a message; `me` is the name of this user.
    pub(crate) fn advance(&mut self, event: &MsgEvent<'_>, me: &str) -> Seen {
        match event.seq.cmp(&self.seq) {
            Ordering::Less => return Seen::Falls,
            Ordering::Equal => return Seen::Again,
            Ordering::Greater => {}
        }
        self.seq = event.seq;
        let conversation = conversation(event, me);
        let direct = matches!(conversation, Conversation::With(_));
        let last = self.put(conversation, event.seq).unwrap_or(self.floor);
        // A known chain must continue exactly. Of an unknown one, only messages after the floor are known to be
        // complete.
        let follows = event.prev <= last || event.prev <= self.excused;
        // Without accounts, direct messages with the next user of a name begin a new chain.
        let begins = direct && event.prev == 0;
        if follows || begins { Seen::New } else { Seen::Broken { last } }
    }

    fn put(&mut self, conversation: Conversation, seq: Seq) -> Option<Seq> {
        if self.chains.len() >= LIMIT && !self.chains.contains_key(&conversation) {
            self.chains.clear();
            self.floor = self.seq;
            self.excused = self.excused.max(self.seq);
        }
        self.chains.insert(conversation, seq)
    }
}

/// Checks that a server can have reached the head of a login.
pub(crate) fn check_head(head: Seq) -> Result<(), String> {
    if head > MAX_SEQ {
        return Err(format!("it says that its newest message is number {head}"));
    }
    Ok(())
}

/// The conversation of a message, as `me` sees it.
pub(crate) fn conversation(event: &MsgEvent<'_>, me: &str) -> Conversation {
    match (&event.room, &event.to) {
        (Some(room), _) => Conversation::Room(room.clone().into_owned()),
        (None, Some(to)) if event.user == me => Conversation::With(to.clone().into_owned()),
        (None, _) => Conversation::With(event.user.clone().into_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tcp_chat_protocol::Timestamp;

    fn said(place: &str, user: &str, seq: Seq, prev: Seq) -> MsgEvent<'static> {
        let (room, to) = match place.strip_prefix('@') {
            Some(to) => (None, Some(to.to_owned().into())),
            None => (Some(place.to_owned().into()), None),
        };
        let (user, color, msg) = (user.to_owned().into(), "".into(), "x".into());
        MsgEvent { room, to, seq, prev, ts: Timestamp(0), user, color, msg, ..MsgEvent::default() }
    }

    #[test]
    fn a_chain_that_holds_and_one_that_breaks() {
        let mut c = Cursor::starting_at(10);
        assert_eq!(c.advance(&said("lobby", "bo", 11, 9), "ana"), Seen::New, "9 is before the start");
        assert_eq!(c.advance(&said("lobby", "bo", 13, 11), "ana"), Seen::New);
        assert_eq!(c.advance(&said("lobby", "bo", 13, 11), "ana"), Seen::Again);
        assert_eq!(c.advance(&said("ops", "bo", 14, 12), "ana"), Seen::Broken { last: 10 });
        assert_eq!(c.advance(&said("lobby", "bo", 16, 15), "ana"), Seen::Broken { last: 13 });
        assert_eq!(c.advance(&said("lobby", "bo", 17, 16), "ana"), Seen::New, "it goes on from there");
        assert_eq!(c.seq(), 17);
    }

    #[test]
    fn numbers_that_no_server_gives_out_are_not_taken_in() {
        let mut c = Cursor::starting_at(10);
        for (seq, prev) in
            [(u64::MAX, 10), (MAX_SEQ + 1, 10), (11 + MAX_JUMP, 10), (11, 11), (0, 0), (12, 13)]
        {
            let what = c.check(&said("lobby", "bo", seq, prev)).unwrap_err();
            assert!(what.contains(&seq.to_string()), "{what}");
        }
        assert_eq!(c.check(&said("lobby", "bo", 10 + MAX_JUMP, 10)), Ok(()));
        c.set_newest(MAX_JUMP);
        assert_eq!(c.check(&said("lobby", "bo", 11 + MAX_JUMP, 10)), Ok(()));
        assert_eq!(c.advance(&said("lobby", "bo", 12, 10), "ana"), Seen::New);
        assert_eq!(c.advance(&said("lobby", "bo", 11, 10), "ana"), Seen::Falls);
        assert_eq!(c.seq(), 12);
        assert!(check_head(MAX_SEQ).is_ok() && check_head(MAX_SEQ + 1).is_err());
    }

    #[test]
    fn what_the_daemon_said_is_gone_is_not_missed() {
        let mut c = Cursor::starting_at(10);
        c.gap(20);
        assert_eq!(c.advance(&said("lobby", "bo", 21, 20), "ana"), Seen::New);
        assert_eq!(c.advance(&said("lobby", "bo", 25, 23), "ana"), Seen::Broken { last: 21 });
    }

    #[test]
    fn joining_says_where_the_room_is() {
        let mut c = Cursor::starting_at(10);
        c.joined("ops", 30);
        assert_eq!(c.advance(&said("ops", "bo", 31, 30), "ana"), Seen::New);
        c.left("ops");
        c.joined("ops", 40);
        assert_eq!(c.advance(&said("ops", "bo", 42, 41), "ana"), Seen::Broken { last: 40 });
    }

    #[test]
    fn direct_messages_are_one_chain_for_both_directions() {
        let mut c = Cursor::starting_at(0);
        assert_eq!(c.advance(&said("@bo", "ana", 1, 0), "ana"), Seen::New);
        assert_eq!(c.advance(&said("@ana", "bo", 2, 1), "ana"), Seen::New);
        assert_eq!(c.advance(&said("@ana", "bo", 5, 4), "ana"), Seen::Broken { last: 2 });
        assert_eq!(c.advance(&said("@ana", "bo", 6, 0), "ana"), Seen::New, "another who is called bo");
    }
}
