//! Owns what can be asked without changing anything: WHO, ROOMS, HISTORY, SEARCH. Called by
//! [`Chat::ask`]. Never reads the log: it says what the connection is to read.

use super::checks::Actor;
use super::rights::{Deed, may};
use super::rooms::Members;
use super::{
    Answer, Caller, Chat, ConversationId, Effect, PageOf, Read, Scope, SearchIn, SessionId, UserId, refusal,
};
use tcp_chat_protocol::reply::{Member, MessagesReply, RoomInfo, RoomsReply, WhoReply};
use tcp_chat_protocol::request::{Conversation, History, Place, Search};
use tcp_chat_protocol::{ErrorKind, Role, Seq, reply};

/// Members that the reply to WHO lists at most.
pub const WHO_MEMBERS: usize = 500;
/// Sessions that are looked at for each member that a reply may list: a user may have several, and some may have ended.
const SESSIONS_A_MEMBER: usize = 16;

impl Chat {
    pub(super) fn who(&mut self, caller: Caller<'_>, place: Option<Place>) -> Answer {
        let data = match place {
            None => WhoReply {
                room: None,
                members: self
                    .sessions
                    .users()
                    .take(WHO_MEMBERS)
                    .filter_map(|(_, sessions)| self.member_of(None, sessions.iter().copied()))
                    .collect(),
                member_count: self.sessions.users().len(),
            },
            Some(place) => {
                let room = self.room_for(caller.session, &place, Deed::Know)?;
                let Some(conversation) = self.conversations.get(room) else { return Ok(()) };
                WhoReply {
                    room: conversation.room().map(ToString::to_string),
                    members: self.members(room, &conversation.members, WHO_MEMBERS),
                    member_count: self.member_count(room, &conversation.members),
                }
            }
        };
        self.line(caller.origin.connection, reply::encode("WHO", caller.id, &data));
        Ok(())
    }

    /// The first `most` members, in the order of their users' ids.
    pub(super) fn members(&self, room: ConversationId, members: &Members, most: usize) -> Vec<Member> {
        // Those that have ended and have not left yet are not there.
        let some = members.iter().take(most.saturating_mul(SESSIONS_A_MEMBER));
        let mut all = some.filter(|(_, session)| self.sessions.get(*session).is_some()).peekable();
        let next = || {
            let (user, first) = all.next()?;
            let others = std::iter::from_fn(|| all.next_if(|(of, _)| *of == user));
            let others: Vec<SessionId> = others.map(|(_, session)| session).collect();
            Some(self.member_of(Some(room), std::iter::once(first).chain(others)))
        };
        std::iter::from_fn(next).take(most).flatten().collect()
    }

    /// The user as WHO shows it, with its role there.
    fn member_of(&self, scope: Scope, mut sessions: impl Iterator<Item = SessionId>) -> Option<Member> {
        let first = sessions.next()?;
        // Most names have none.
        let is_proven = self.sessions.get(first).is_some_and(|session| session.proven);
        let role = if is_proven { self.stands(Actor::Session(first), scope).role } else { None };
        let member = self.member(std::iter::once(first).chain(sessions))?;
        Some(Member { role: role.filter(|role| *role != Role::Member), ..member })
    }

    pub(super) fn rooms(&mut self, caller: Caller<'_>) -> Answer {
        let gone = self.gone_members();
        let rooms = self
            .conversations
            .rooms()
            .filter(|(id, ..)| may(self.standing(caller.session, *id), Deed::Know).is_ok())
            .map(|(id, name, c)| RoomInfo {
                room: name.to_string(),
                members: c.members.len() - gone.get(&id).unwrap_or(&0),
                head: c.head,
                private: self.book.is_private(id),
            })
            .collect();
        self.line(caller.origin.connection, reply::encode("ROOMS", caller.id, &RoomsReply { rooms }));
        Ok(())
    }

    pub(super) fn history(&mut self, caller: Caller<'_>, history: &History) -> Answer {
        let conversation = match &history.of {
            Conversation::Room(place) => Some(self.room_for(caller.session, place, Deed::Read)?),
            Conversation::With(place) => {
                let (other, _) = self.user(place)?;
                self.sessions.get(caller.session).and_then(|me| self.conversations.direct(me.row.user, other))
            }
        };
        let Some(conversation) = conversation else {
            return self.nothing_found("HISTORY", caller);
        };
        let History { before, after, limit, .. } = *history;
        let of = PageOf { conversation, before: self.up_to_now(before), after, limit };
        self.turn.effects.push(Effect::Read(caller.origin.connection, Read::Page(caller.id.cloned(), of)));
        Ok(())
    }

    pub(super) fn search(&mut self, caller: Caller<'_>, search: Search) -> Answer {
        let Search { query, room, user, before, limit } = search;
        if let Some(Place(Some(user))) = &user {
            self.is_meant(user)?;
        }
        let (conversations, directs_of) = match &room {
            Some(place) => (vec![self.room_for(caller.session, place, Deed::Read)?], None),
            None => {
                let me = self.sessions.get(caller.session).map(|session| session.row.user);
                let has_some = |user: &UserId| self.conversations.directs_of(*user, None).next().is_some();
                let mut rooms = self.rooms_of(caller.session);
                rooms.retain(|room| self.may_be_in(caller.session, *room));
                (rooms, me.filter(has_some))
            }
        };
        let user = match user {
            None => None,
            // Whoever said it may be gone by now: only the name has to be one.
            Some(Place(Some(name))) => Some(name.key()),
            Some(Place(None)) => return Err(refusal(ErrorKind::NoSuchUser, "nobody can have that name")),
        };
        if conversations.is_empty() && directs_of.is_none() {
            return self.nothing_found("SEARCH", caller);
        }
        let what = SearchIn { query, conversations, directs_of, user, before: self.up_to_now(before), limit };
        self.turn
            .effects
            .push(Effect::Read(caller.origin.connection, Read::Search(caller.id.cloned(), Box::new(what))));
        Ok(())
    }

    /// It is read later, when the connection comes to it: what is said until then is not in it, since
    /// by then the asker may have been taken out of the room.
    fn up_to_now(&self, before: Option<Seq>) -> Option<Seq> {
        Some(before.unwrap_or(Seq::MAX).min(self.head + 1))
    }

    fn nothing_found(&mut self, op: &str, caller: Caller<'_>) -> Answer {
        let nothing = MessagesReply { messages: Vec::new(), more: false };
        self.line(caller.origin.connection, reply::encode(op, caller.id, &nothing));
        Ok(())
    }
}
