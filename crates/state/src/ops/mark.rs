//! Owns MARK: a user with a proven name tells how far it has read, and its other sessions hear of it. Also what LOGIN
//! and JOIN show of the marks. Called by [`State::apply_op`]. Never moves a mark back.

use crate::marks::MOST_OF_USER;
use crate::permissions::authorize::Permission;
use crate::{
    Answer, Caller, Change, ConversationId, ConversationKind, Done, MarkChange, SessionId, State, UserId,
    refusal,
};
use std::cmp::Reverse;
use std::collections::HashSet;
use tcp_chat_protocol::reply::MARKS;
use tcp_chat_protocol::request::{Conversation, Mark};
use tcp_chat_protocol::{ErrorKind, Name, ReadMark, Seq};

impl State {
    pub(crate) fn mark(&mut self, caller: Caller<'_>, mark: &Mark) -> Answer<Done> {
        let Some(held) = self.sessions.get(caller.session).filter(|held| held.is_proven) else {
            let msg = "the server keeps read marks only of registered users: keep yours in the client";
            return Err(refusal(ErrorKind::Forbidden, msg));
        };
        let user = held.row.user;
        let (conversation, with) = match &mark.of {
            Conversation::Room(place) => {
                (Some(self.room_for(caller.session, place, Permission::Read)?), None)
            }
            Conversation::With(place) => {
                let (theirs, name) = self.user(place)?;
                (self.conversations.direct(user, theirs), Some(name))
            }
        };
        let reply = |seq| {
            let room = conversation.and_then(|id| self.conversations.get(id)?.room()).map(Name::to_string);
            let with = with.as_ref().map(Name::to_string);
            ReadMark { room: room.map(Into::into), with: with.map(Into::into), seq }
        };
        let Some(conversation) = conversation else { return Ok(Done::Marked(Box::new(reply(0)))) };
        // A mark beyond the newest message would hide the next ones.
        let head = self.conversations.get(conversation).map_or(0, |conversation| conversation.head);
        let (before, seq) = (self.marks.get(user, conversation), mark.seq.min(head));
        if seq <= before.unwrap_or(0) {
            return Ok(Done::Marked(Box::new(reply(before.unwrap_or(0)))));
        }
        let mark = reply(seq);
        if before.is_none() {
            self.make_room_for_mark(user);
        }
        self.marks.put(user, conversation, seq);
        self.turn.writes.marks.push(MarkChange::Put { user, conversation, seq });
        self.report(Change::Marked { user, from: caller.origin, mark: Box::new(mark.clone()) });
        Ok(Done::Marked(Box::new(mark)))
    }

    /// A user has a bounded number of marks: those of conversations that are gone go first, then the one with the
    /// smallest number.
    fn make_room_for_mark(&mut self, user: UserId) {
        if self.marks.count(user) < MOST_OF_USER {
            return;
        }
        let is_gone = |(id, _): &(ConversationId, Seq)| self.conversations.get(*id).is_none();
        let mut going: Vec<_> = self.marks.of(user).filter(is_gone).collect();
        if self.marks.count(user) - going.len() >= MOST_OF_USER {
            let there = self.marks.of(user).filter(|mark| !is_gone(mark));
            going.extend(there.min_by_key(|(id, seq)| (*seq, *id)));
        }
        for (conversation, _) in going {
            self.marks.remove(user, conversation);
            self.turn.writes.marks.push(MarkChange::Remove { user, conversation });
        }
    }

    /// A user is removed: its marks go, too.
    pub(crate) fn remove_marks(&mut self, user: UserId) {
        if self.marks.remove_user(user) {
            self.turn.writes.marks.push(MarkChange::RemoveUser(user));
        }
    }

    /// Up to which message the session's user has read a room, if there is a mark.
    pub(crate) fn mark_of(&self, session: SessionId, room: ConversationId) -> Option<Seq> {
        let held = self.sessions.get(session).filter(|held| held.is_proven)?;
        self.marks.get(held.row.user, room)
    }

    /// The marks that the reply to a LOGIN shows: of the session's rooms and of direct messages, the greatest number
    /// first. `None`: the name is not proven.
    pub(crate) fn marks_of(&self, session: SessionId) -> Option<Vec<ReadMark<'static>>> {
        let held = self.sessions.get(session).filter(|held| held.is_proven)?;
        let user = held.row.user;
        let mut marks: Vec<_> = self.marks.of(user).collect();
        if marks.is_empty() {
            return Some(Vec::new());
        }
        marks.sort_unstable_by_key(|(id, seq)| (Reverse(*seq), *id));
        let rooms: HashSet<_> = held.rooms.iter().map(|(room, _)| *room).collect();
        let shown = marks.into_iter().filter_map(|(id, seq)| {
            let (room, with) = match &self.conversations.get(id)?.kind {
                ConversationKind::Room(_) if !rooms.contains(&id) => return None,
                ConversationKind::Room(name) => (Some(name.to_string()), None),
                ConversationKind::Direct(a, b) => {
                    let other = if *a == user { *b } else { *a };
                    (None, Some(self.name_of_user(other)?.to_string()))
                }
            };
            Some(ReadMark { room: room.map(Into::into), with: with.map(Into::into), seq })
        });
        Some(shown.take(MARKS).collect())
    }

    /// The name of a user who is registered or here.
    fn name_of_user(&self, user: UserId) -> Option<&Name> {
        let registered = self.users.get(user).map(|user| &user.name);
        registered.or_else(|| self.sessions.first_of(user).map(|held| &held.row.name))
    }
}
