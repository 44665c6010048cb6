//! Owns what a session has seen: the cursor, and the `prev` chain of each conversation, so that a
//! reader can prove that it missed nothing; and which numbers a server can mean. Pure. Called by `life` for
//! every message.

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

/// Conversations whose chain is followed at most; over it the oldest knowledge is given up (not
/// the messages: only the check of the next one's `prev` is weaker).
const MOST: usize = 4096;

/// No number is greater: above it doubles, and so many a program, are no longer exact (2^53).
const GREATEST: Seq = 1 << 53;
/// No server keeps as many messages between two that a session hears of: four months of 100,000 a second.
const JUMP: Seq = 1 << 40;

/// What a message is to the reader.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// The next one.
    New,
    /// It was seen before.
    Again,
    /// Its number is below one that was seen, and it is not known to be one that was seen before.
    Falls,
    /// New, and between `last` and its `prev` something is missing.
    Broken {
        /// The newest number of this conversation that was seen.
        last: Seq,
    },
}

#[derive(Debug, Default)]
pub(crate) struct Cursor {
    /// The newest number that was seen; in any conversation.
    seq: Seq,
    /// The newest number that the server has spoken of.
    newest: Seq,
    /// Conversations not in `chains` were seen up to here.
    floor: Seq,
    /// Up to here the daemon has said that something is gone.
    excused: Seq,
    chains: HashMap<Conversation, Seq>,
}

impl Cursor {
    /// A session that begins, or goes on, after `seq`.
    pub(crate) fn starting_at(seq: Seq) -> Self {
        Self { seq, newest: seq, floor: seq, ..Self::default() }
    }

    /// The server's newest number is this one.
    pub(crate) fn reaches(&mut self, head: Seq) {
        self.newest = self.newest.max(head);
    }

    /// Can a message have these numbers? Otherwise what is wrong with them. A number that no server
    /// gives out would hide all that comes after it.
    pub(crate) fn check(&self, event: &MsgEvent<'_>) -> Result<(), String> {
        let MsgEvent { seq, prev, .. } = *event;
        if prev >= seq {
            return Err(format!("it sent message {seq} and said that message {prev} was before it"));
        }
        self.check_number(seq)
    }

    /// Can the server have reached that number?
    pub(crate) fn check_number(&self, seq: Seq) -> Result<(), String> {
        let newest = self.newest.max(self.seq);
        if seq > newest.saturating_add(JUMP).min(GREATEST) {
            return Err(format!("it sent the number {seq} where the newest one was {newest}"));
        }
        Ok(())
    }

    pub(crate) fn seq(&self) -> Seq {
        self.seq
    }

    /// The room was entered when `head` was its newest number.
    pub(crate) fn joined(&mut self, room: &str, head: Seq) {
        self.put(Conversation::Room(room.to_owned()), head);
    }

    /// The room was left: its chain goes on without us.
    pub(crate) fn left(&mut self, room: &str) {
        self.chains.remove(&Conversation::Room(room.to_owned()));
        // Entering it again says where it is; a daemon that does not say is not accused.
        self.excused = self.excused.max(self.seq);
    }

    /// The daemon says that everything up to `to` may have holes.
    pub(crate) fn gap(&mut self, to: Seq) {
        self.excused = self.excused.max(to);
    }

    /// Takes note of a message; `me` is the reader's own name.
    pub(crate) fn see(&mut self, event: &MsgEvent<'_>, me: &str) -> Seen {
        match event.seq.cmp(&self.seq) {
            Ordering::Less => return Seen::Falls,
            Ordering::Equal => return Seen::Again,
            Ordering::Greater => {}
        }
        self.seq = event.seq;
        let conversation = conversation(event, me);
        let direct = matches!(conversation, Conversation::With(_));
        let last = self.put(conversation, event.seq).unwrap_or(self.floor);
        // A known chain must go on exactly where it was; of an unknown one only this is known: all
        // of it after the floor was sent.
        let follows = event.prev <= last || event.prev <= self.excused;
        // Where names prove nothing, direct messages with the next user of a name begin anew.
        let begins = direct && event.prev == 0;
        if follows || begins { Seen::New } else { Seen::Broken { last } }
    }

    fn put(&mut self, conversation: Conversation, seq: Seq) -> Option<Seq> {
        if self.chains.len() >= MOST && !self.chains.contains_key(&conversation) {
            self.chains.clear();
            self.floor = self.seq;
            self.excused = self.excused.max(self.seq);
        }
        self.chains.insert(conversation, seq)
    }
}

/// Is the newest number of a login one that a server can have reached?
pub(crate) fn check_head(head: Seq) -> Result<(), String> {
    if head > GREATEST {
        return Err(format!("it says that its newest message is number {head}"));
    }
    Ok(())
}

/// Which conversation a message belongs to, seen by `me`.
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
        MsgEvent { room, to, seq, prev, ts: Timestamp(0), user, color, msg }
    }

    #[test]
    fn a_chain_that_holds_and_one_that_breaks() {
        let mut c = Cursor::starting_at(10);
        assert_eq!(c.see(&said("lobby", "bo", 11, 9), "ana"), Seen::New, "9 is before the start");
        assert_eq!(c.see(&said("lobby", "bo", 13, 11), "ana"), Seen::New);
        assert_eq!(c.see(&said("lobby", "bo", 13, 11), "ana"), Seen::Again);
        assert_eq!(c.see(&said("ops", "bo", 14, 12), "ana"), Seen::Broken { last: 10 });
        assert_eq!(c.see(&said("lobby", "bo", 16, 15), "ana"), Seen::Broken { last: 13 });
        assert_eq!(c.see(&said("lobby", "bo", 17, 16), "ana"), Seen::New, "it goes on from there");
        assert_eq!(c.seq(), 17);
    }

    #[test]
    fn numbers_that_no_server_gives_out_are_not_taken_in() {
        let mut c = Cursor::starting_at(10);
        for (seq, prev) in [(u64::MAX, 10), (GREATEST + 1, 10), (11 + JUMP, 10), (11, 11), (0, 0), (12, 13)] {
            let what = c.check(&said("lobby", "bo", seq, prev)).unwrap_err();
            assert!(what.contains(&seq.to_string()), "{what}");
        }
        assert_eq!(c.check(&said("lobby", "bo", 10 + JUMP, 10)), Ok(()));
        c.reaches(JUMP);
        assert_eq!(c.check(&said("lobby", "bo", 11 + JUMP, 10)), Ok(()));
        assert_eq!(c.see(&said("lobby", "bo", 12, 10), "ana"), Seen::New);
        assert_eq!(c.see(&said("lobby", "bo", 11, 10), "ana"), Seen::Falls);
        assert_eq!(c.seq(), 12);
        assert!(check_head(GREATEST).is_ok() && check_head(GREATEST + 1).is_err());
    }

    #[test]
    fn what_the_daemon_said_is_gone_is_not_missed() {
        let mut c = Cursor::starting_at(10);
        c.gap(20);
        assert_eq!(c.see(&said("lobby", "bo", 21, 20), "ana"), Seen::New);
        assert_eq!(c.see(&said("lobby", "bo", 25, 23), "ana"), Seen::Broken { last: 21 });
    }

    #[test]
    fn joining_says_where_the_room_is() {
        let mut c = Cursor::starting_at(10);
        c.joined("ops", 30);
        assert_eq!(c.see(&said("ops", "bo", 31, 30), "ana"), Seen::New);
        c.left("ops");
        c.joined("ops", 40);
        assert_eq!(c.see(&said("ops", "bo", 42, 41), "ana"), Seen::Broken { last: 40 });
    }

    #[test]
    fn direct_messages_are_one_chain_for_both_directions() {
        let mut c = Cursor::starting_at(0);
        assert_eq!(c.see(&said("@bo", "ana", 1, 0), "ana"), Seen::New);
        assert_eq!(c.see(&said("@ana", "bo", 2, 1), "ana"), Seen::New);
        assert_eq!(c.see(&said("@ana", "bo", 5, 4), "ana"), Seen::Broken { last: 2 });
        assert_eq!(c.see(&said("@ana", "bo", 6, 0), "ana"), Seen::New, "another who is called bo");
    }
}
