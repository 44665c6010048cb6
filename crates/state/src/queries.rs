//! Owns the requests that change nothing: WHO, ROOMS, HISTORY, SEARCH. The edge calls it at the place of the request
//! among those of its connection. Never reads the log: it returns the range that the connection reads.

use super::ops::say::no_such_room;
use super::permissions::authorize::{Permission, authorize};
use super::permissions::checks::Actor;
use super::rooms::Members;
use super::{Answer, ConversationId, PageOf, Query, Scope, SearchIn, SessionId, State, UserId, refusal};
use tcp_chat_protocol::reply::{Member, RoomInfo, RoomsReply, WhoReply};
use tcp_chat_protocol::request::{Conversation, History, Place, Search};
use tcp_chat_protocol::{ErrorKind, Role, Seq};

/// Members that the reply to WHO lists at most.
pub const WHO_MEMBERS: usize = 500;
/// Sessions that are visited for each member that a reply may list: a user may have several, and some may have ended.
const SESSIONS_A_MEMBER: usize = 16;

/// The answer to a [`Query`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answered {
    /// To WHO.
    Who(WhoReply),
    /// To ROOMS.
    Rooms(RoomsReply),
    /// To HISTORY: the page is to be read; `None`: there is nothing to read.
    Page(Option<PageOf>),
    /// To SEARCH, in the same way.
    Search(Box<SearchIn>),
    /// To SEARCH of a user without a conversation: there is nothing to read up to this number, the newest one.
    NothingToSearch(Seq),
}

impl State {
    /// Answers a query of a session.
    ///
    /// # Errors
    /// The session may not know the room or user, or none has that name.
    pub fn query(&self, session: SessionId, query: Query) -> Answer<Answered> {
        Ok(match query {
            Query::Who(place) => Answered::Who(self.who(session, place)?),
            Query::Rooms => Answered::Rooms(self.rooms(session)),
            Query::History(history) => Answered::Page(self.history(session, &history)?),
            Query::Search(search) => self.search(session, *search)?,
        })
    }

    fn who(&self, session: SessionId, place: Option<Place>) -> Answer<WhoReply> {
        match place {
            None => Ok(WhoReply {
                room: None,
                members: self
                    .sessions
                    .users()
                    .take(WHO_MEMBERS)
                    .filter_map(|(_, sessions)| self.member_of(None, sessions.iter().copied()))
                    .collect(),
                member_count: self.sessions.users().len(),
                topic: None,
            }),
            Some(place) => {
                let room = self.room_for(session, &place, Permission::Know)?;
                let conversation = self.conversations.get(room).ok_or_else(|| no_such_room(None))?;
                Ok(WhoReply {
                    room: conversation.room().map(ToString::to_string),
                    members: self.members(room, &conversation.members, WHO_MEMBERS),
                    member_count: self.member_count(room, &conversation.members),
                    topic: conversation.topic.as_deref().map(str::to_owned),
                })
            }
        }
    }

    /// The first `most` members, in the order of their users' ids.
    pub(super) fn members(&self, room: ConversationId, members: &Members, most: usize) -> Vec<Member> {
        // Ended sessions that have not left yet are left out.
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

    /// The user for WHO, with its role there.
    fn member_of(&self, scope: Scope, mut sessions: impl Iterator<Item = SessionId>) -> Option<Member> {
        let first = sessions.next()?;
        // Most names have no role.
        let is_proven = self.sessions.get(first).is_some_and(|session| session.is_proven);
        let role = if is_proven { self.subject_of(Actor::Session(first), scope).role } else { None };
        let member = self.member(std::iter::once(first).chain(sessions))?;
        Some(Member { role: role.filter(|role| *role != Role::Member), ..member })
    }

    fn rooms(&self, session: SessionId) -> RoomsReply {
        let gone = self.gone_members();
        let rooms = self
            .conversations
            .rooms()
            .filter(|(id, ..)| authorize(self.subject(session, *id), Permission::Know).is_ok())
            .map(|(id, name, c)| RoomInfo {
                room: name.to_string(),
                members: c.members.len() - gone.get(&id).unwrap_or(&0),
                head: c.head,
                private: self.permissions.is_private(id),
                topic: c.topic.as_deref().map(str::to_owned),
            })
            .collect();
        RoomsReply { rooms }
    }

    fn history(&self, session: SessionId, history: &History) -> Answer<Option<PageOf>> {
        let conversation = match &history.of {
            Conversation::Room(place) => Some(self.room_for(session, place, Permission::Read)?),
            Conversation::With(place) => {
                let (other, _) = self.user(place)?;
                self.sessions.get(session).and_then(|me| self.conversations.direct(me.row.user, other))
            }
        };
        let History { before, after, limit, .. } = *history;
        let before = self.up_to_now(before);
        Ok(conversation.map(|conversation| PageOf { conversation, before, after, limit }))
    }

    fn search(&self, session: SessionId, search: Search) -> Answer<Answered> {
        let Search { query, room, user, before, after, limit } = search;
        if let Some(Place(Some(user))) = &user {
            self.is_meant(user)?;
        }
        let (conversations, directs_of) = match &room {
            Some(place) => (vec![self.room_for(session, place, Permission::Read)?], None),
            None => {
                let me = self.sessions.get(session).map(|session| session.row.user);
                let has_some = |user: &UserId| self.conversations.directs_of(*user, None).next().is_some();
                let mut rooms = self.rooms_of(session);
                rooms.retain(|room| self.may_be_in(session, *room));
                (rooms, me.filter(has_some))
            }
        };
        let user = match user {
            None => None,
            // The author may have ended: only the name has to be valid.
            Some(Place(Some(name))) => Some(name.key()),
            Some(Place(None)) => return Err(refusal(ErrorKind::NoSuchUser, "nobody can have that name")),
        };
        if conversations.is_empty() && directs_of.is_none() {
            return Ok(Answered::NothingToSearch(self.head));
        }
        let (before, head) = (self.up_to_now(before), self.head);
        let search = SearchIn { query, conversations, directs_of, user, before, after, head, limit };
        Ok(Answered::Search(Box::new(search)))
    }

    /// The connection reads it later, at its place in the outbox. Messages that arrive until then are not in it, since
    /// the sender may have been evicted from the room meanwhile.
    fn up_to_now(&self, before: Option<Seq>) -> Option<Seq> {
        Some(before.unwrap_or(Seq::MAX).min(self.head + 1))
    }
}
