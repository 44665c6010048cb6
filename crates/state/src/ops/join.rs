//! Owns JOIN, and the rooms of a LOGIN. Called by [`State::apply`] and by [`State::login`]. Never decides who may
//! enter: `permissions::checks` does.

use crate::ops::open_room::looks_like;
use crate::permissions::authorize::Permission;
use crate::permissions::checks::not_to_enter;
use crate::rooms::{Conversations, LooksLike};
use crate::{Allowance, Answer, Caller, ConversationId, Done, State, UserId, refusal};
use std::collections::HashSet;
use tcp_chat_protocol::reply::JoinReply;
use tcp_chat_protocol::request::Place;
use tcp_chat_protocol::{ErrorKind, Name};

/// The largest number of members that the reply to JOIN lists.
const JOIN_MEMBERS: usize = 100;

impl State {
    /// The rooms of a new session. If the LOGIN names rooms, the session joins all of them, or the LOGIN is refused;
    /// missing rooms are opened. Otherwise it joins the default rooms that it may enter.
    pub(crate) fn rooms_of_login(
        &mut self,
        asked: Option<Vec<Name>>,
        user: &Name,
        is_proven: bool,
        allowance: &Allowance,
    ) -> Result<Vec<ConversationId>, crate::Refusal> {
        let key = user.key();
        let Some(names) = asked else {
            let is_open = |(room, name): &(_, &Name)| self.may_enter(*room, name, &key, is_proven).is_ok();
            return Ok(self.default_rooms().filter(is_open).map(|(room, _)| room).collect());
        };
        let limit = self.rules.rooms_per_session;
        if limit > 0 && names.len() > limit {
            return Err(refusal(ErrorKind::Data, format!("`rooms`: a session may be in {limit} rooms")));
        }
        self.may_enter_all(&names, user, is_proven, allowance)?;
        let mut rooms = Vec::with_capacity(names.len());
        let mut passed = HashSet::with_capacity(names.len());
        for name in &names {
            let room = match self.conversations.room(name) {
                Some(room) => room,
                None => self.open_allowed(name, user, is_proven, allowance),
            };
            if passed.insert(room) {
                rooms.push(room);
            }
        }
        Ok(rooms)
    }

    /// Could a LOGIN join all of these rooms, with missing ones opened? This is checked before any room is opened, so
    /// that a refused LOGIN stays cheap.
    fn may_enter_all(
        &self,
        names: &[Name],
        user: &Name,
        is_proven: bool,
        allowance: &Allowance,
    ) -> Result<(), crate::Refusal> {
        let key = user.key();
        let mut new = Conversations::default();
        for name in names {
            match self.conversations.room(name) {
                Some(room) => {
                    self.may_enter(room, name, &key, is_proven)
                        .map_err(|no| self.refusal_to_join(no, name, (&key, is_proven), allowance))?;
                }
                None if new.room(name).is_none() => {
                    self.may_open(name, user, is_proven, allowance, new.room_count() + 1)?;
                    new.open_room(name).map_err(|LooksLike(other)| looks_like(name, &other))?;
                }
                None => {}
            }
        }
        Ok(())
    }

    pub(crate) fn join(&mut self, caller: Caller<'_>, name: &Name, allowance: &Allowance) -> Answer<Done> {
        let session = caller.session;
        if let Some(room) = self.conversations.room(name) {
            // The session may have lost its right and got it again. Then it first leaves.
            self.evict_if_lost(session, room);
        }
        let known = self.conversations.room(name);
        let is_in = known.is_some_and(|room| self.sessions.get(session).is_some_and(|s| s.is_in(room)));
        let limit = self.rules.rooms_per_session;
        let count = self.sessions.get(session).map_or(0, |s| s.rooms.len());
        if !is_in && limit > 0 && count >= limit {
            return Err(refusal(
                ErrorKind::Data,
                format!("`room`: a session may be in {limit} rooms; LEAVE one first"),
            ));
        }
        let room = match (known, self.sessions.get(session)) {
            (Some(_), _) => {
                // The reply must not reveal a hidden room: it is the reply for a room that cannot be opened.
                let place = Place(Some(name.clone()));
                self.room_for(session, &place, Permission::Know).map_err(|_| {
                    let user = self.sessions.get(session).map(|s| (s.key.clone(), s.is_proven));
                    let no = not_to_enter(Some(name));
                    match &user {
                        Some((key, is_proven)) => {
                            self.refusal_to_join(no, name, (key, *is_proven), allowance)
                        }
                        None => no,
                    }
                })?;
                self.room_for(session, &place, Permission::Enter)?
            }
            (None, Some(held)) => {
                let (user, is_proven) = (held.row.name.clone(), held.is_proven);
                self.open_room(name, &user, is_proven, allowance)?
            }
            (None, None) => return Err(not_to_enter(Some(name))),
        };
        let who = self.sessions.get(session).map_or(UserId(session.0), |s| s.row.user);
        let before = self.seen(who, &[room]);
        if !is_in {
            self.enter(session, room);
        }
        let conversation = self.conversations.get(room).ok_or_else(|| not_to_enter(Some(name)))?;
        let reply = JoinReply {
            room: conversation.room().unwrap_or(name).to_string(),
            head: self.turn.before(room).unwrap_or(conversation.head),
            members: self.members(room, &conversation.members, JOIN_MEMBERS),
            member_count: self.member_count(room, &conversation.members),
            topic: conversation.topic.as_deref().map(str::to_owned),
            mark: self.mark_of(session, room),
        };
        self.announce(before, self.face(session));
        Ok(Done::Joined(Box::new(reply)))
    }
}
