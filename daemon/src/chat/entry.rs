//! Owns coming and going: LOGIN fresh and resumed, JOIN, LEAVE, lost connections, and the end of a
//! session. Called by [`Chat::ask`] and by the turn. Never sends: it adds to the turn.

use super::rooms::LooksLike;
use super::sessions::{Session, UsedIds};
use super::{
    Answer, Chat, Closing, ConnectionId, ConversationId, ConversationKind, Effect, Proof, Range, Read,
    Secret, SessionChange, SessionId, SessionRow, UserId, refusal,
};
use tcp_chat_protocol::event::{NoticeEvent, notice};
use tcp_chat_protocol::reply::{JoinReply, LeaveReply, LimitsInfo, LoginReply, ServerInfo};
use tcp_chat_protocol::request::{Login, Place};
use tcp_chat_protocol::{Colour, ErrorKind, Name, NoticeKind, RequestId, Seq, VERSION, reply};

/// Members that the reply to JOIN lists at most.
const JOIN_MEMBERS: usize = 100;

impl Chat {
    pub(super) fn login(
        &mut self,
        connection: ConnectionId,
        id: Option<&RequestId>,
        login: Login,
        fresh: Secret,
        resumes: Option<[u8; 32]>,
        proof: Proof,
    ) -> Answer {
        if self.connections.get(&connection).is_some_and(|c| c.session.is_some()) {
            return Err(refusal(ErrorKind::AlreadyLoggedIn, "this connection is logged in already"));
        }
        if proof == Proof::Refused {
            return Err(Self::not_let_in());
        }
        if let Some(token) = &login.session {
            let session = resumes.and_then(|hash| self.sessions.by_token(&hash)).ok_or_else(|| {
                refusal(
                    ErrorKind::SessionExpired,
                    "there is no such session any more: log in without `session`",
                )
            })?;
            self.may_resume(session, &proof)?;
            self.resume(connection, id, session, token, login.color, login.after);
            return Ok(());
        }
        let Some(name) = login.name else { return Err(refusal(ErrorKind::Data, "`name` is missing")) };
        let who = self.identify(name, proof)?;
        if self.rules.sessions > 0 && self.sessions.len() >= self.rules.sessions {
            return Err(refusal(
                ErrorKind::ServerFull,
                "the server has no room for one more session; try later",
            ));
        }
        let rooms = self.rooms_of_login(login.rooms)?;

        self.sessions.last += 1;
        let session = SessionId(self.sessions.last);
        let (proven, user) = (who.user.is_some(), who.user.unwrap_or(UserId(session.0)));
        let row = SessionRow {
            id: session,
            token_hash: fresh.hash,
            user,
            name: who.name,
            color: login.color.unwrap_or_default(),
        };
        let before = self.seen(user, &rooms);
        self.turn.writes.sessions.push(SessionChange::Put(row.clone()));
        self.sessions.put(Session::new(row, proven, self.rules.rate, self.turn.now.mono, UsedIds::NONE));
        self.arrive(connection, session);
        for room in &rooms {
            self.enter(session, *room);
        }
        self.login_reply(connection, id, session, fresh.token.to_string());
        self.announce(before, self.face(session));
        Ok(())
    }

    /// The rooms that a fresh login enters, opened where need be. All or none.
    fn rooms_of_login(&mut self, asked: Option<Vec<Name>>) -> Result<Vec<ConversationId>, super::Refusal> {
        let names = asked.unwrap_or_else(|| self.rules.default_rooms.clone());
        let limit = self.rules.rooms_per_session;
        if limit > 0 && names.len() > limit {
            return Err(refusal(ErrorKind::Data, format!("`rooms`: a session may be in {limit} rooms")));
        }
        let mut rooms = Vec::with_capacity(names.len());
        let mut opened = Vec::new();
        for name in &names {
            let known = self.conversations.room(name);
            let room = match known.map_or_else(|| self.open_room(name), Ok) {
                Ok(room) => room,
                Err(refusal) => {
                    opened.into_iter().for_each(|room| self.drop_if_empty(room));
                    return Err(refusal);
                }
            };
            if known.is_none() {
                opened.push(room);
            }
            if !rooms.contains(&room) {
                rooms.push(room);
            }
        }
        Ok(rooms)
    }

    fn resume(
        &mut self,
        connection: ConnectionId,
        id: Option<&RequestId>,
        session: SessionId,
        token: &str,
        color: Option<Colour>,
        after: Option<Seq>,
    ) {
        if let Some(color) = color
            && let Some(held) = self.sessions.get_mut(session)
            && held.row.color != color
        {
            held.row.color = color;
            self.turn.writes.sessions.push(SessionChange::Put(held.row.clone()));
        }
        let before = self.seen_everywhere(session);
        let old = self.arrive(connection, session);
        self.login_reply(connection, id, session, token.to_owned());
        if let Some(after) = after {
            let ranges = self.missed(session, after);
            if !ranges.is_empty() {
                self.turn.effects.push(Effect::Read(connection, Read::Gap(session, ranges)));
            }
        }
        if let Some(old) = old {
            if let Some(state) = self.connections.get_mut(&old) {
                state.session = None;
            }
            let taken = NoticeEvent::new(NoticeKind::TakenOver, "your session goes on at another connection");
            self.line(old, notice(&taken));
            self.close(old, Closing::TakenOver);
        }
        self.announce(before, self.face(session));
    }

    /// What the session's conversations have after `after`, each from where the session sees it.
    fn missed(&self, session: SessionId, after: Seq) -> Vec<Range> {
        let Some(session) = self.sessions.get(session) else { return Vec::new() };
        let rooms = session.rooms.iter().copied();
        let directs = self.conversations.directs_of(session.row.user).iter().map(|d| (*d, 0));
        rooms
            .chain(directs)
            .filter_map(|(conversation, since)| {
                let (first, last) = (after.max(since) + 1, self.conversations.get(conversation)?.head);
                (first <= last).then_some(Range { conversation, first, last })
            })
            .collect()
    }

    fn rooms_of(&self, session: SessionId) -> Vec<ConversationId> {
        self.sessions.get(session).map(|s| s.rooms.iter().map(|(r, _)| *r).collect()).unwrap_or_default()
    }

    /// How the session's user is seen in the session's rooms now.
    fn seen_everywhere(&self, session: SessionId) -> super::presence::Seen {
        let user = self.sessions.get(session).map_or(UserId(session.0), |s| s.row.user);
        self.seen(user, &self.rooms_of(session))
    }

    fn login_reply(
        &mut self,
        connection: ConnectionId,
        id: Option<&RequestId>,
        session: SessionId,
        token: String,
    ) {
        let Some(held) = self.sessions.get(session) else { return };
        let name = held.row.name.clone();
        let data = LoginReply {
            name: name.to_string(),
            color: held.row.color.to_string(),
            session: token,
            ttl_s: self.rules.ttl_ms / 1000,
            rooms: held
                .rooms
                .iter()
                .filter_map(|(room, _)| Some(self.conversations.get(*room)?.room()?.to_string()))
                .collect(),
            // Of what this turn adds it is not known yet whether it will be kept.
            head: self.turn.head_before(),
            server: ServerInfo {
                name: "tcp-chatd".into(),
                version: env!("CARGO_PKG_VERSION").into(),
                protocol: VERSION,
            },
            limits: LimitsInfo { line_bytes: self.rules.line_bytes, msg_bytes: self.rules.msg_bytes },
        };
        self.line(connection, reply::encode("LOGIN", id, &data));
        self.turn.effects.push(Effect::LoggedIn(connection, session, name));
    }

    /// The session is on this connection from now on, in all its conversations. The connection
    /// that it was on before.
    fn arrive(&mut self, connection: ConnectionId, session: SessionId) -> Option<ConnectionId> {
        let old = self.sessions.is_here(session, connection);
        if let Some(state) = self.connections.get_mut(&connection) {
            state.session = Some(session);
        }
        self.each_conversation(session, |conversation| {
            if let Some(old) = old {
                conversation.depart(old);
            }
            conversation.arrive(connection);
        });
        old
    }

    fn each_conversation(
        &mut self,
        session: SessionId,
        mut act: impl FnMut(&mut super::rooms::Conversation),
    ) {
        let Some(held) = self.sessions.get(session) else { return };
        let directs = self.conversations.directs_of(held.row.user).iter().copied();
        let all: Vec<_> = held.rooms.iter().map(|(r, _)| *r).chain(directs).collect();
        for id in all {
            if let Some(conversation) = self.conversations.get_mut(id) {
                act(conversation);
            }
        }
    }

    pub(super) fn join(
        &mut self,
        connection: ConnectionId,
        session: SessionId,
        id: Option<&RequestId>,
        name: &Name,
    ) -> Answer {
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
        let room = known.map_or_else(|| self.open_room(name), Ok)?;
        let user = self.sessions.get(session).map_or(UserId(session.0), |s| s.row.user);
        let before = self.seen(user, &[room]);
        if !is_in {
            self.enter(session, room);
        }
        if let Some(conversation) = self.conversations.get(room)
            && let Some(name) = conversation.room()
        {
            let data = JoinReply {
                room: name.to_string(),
                head: self.turn.before(room).unwrap_or(conversation.head),
                members: self.members(&conversation.members, JOIN_MEMBERS),
                member_count: conversation.members.len(),
            };
            self.line(connection, reply::encode("JOIN", id, &data));
        }
        self.announce(before, self.face(session));
        Ok(())
    }

    fn enter(&mut self, session: SessionId, room: ConversationId) {
        let (Some(held), Some(conversation)) =
            (self.sessions.get_mut(session), self.conversations.get_mut(room))
        else {
            return;
        };
        held.rooms.push((room, self.head));
        conversation.members.insert(held.row.user, session);
        if let Some(connection) = held.connection {
            conversation.arrive(connection);
        }
        self.turn.entered.push((session, room));
        self.turn.writes.sessions.push(SessionChange::Join { session, room, since: self.head });
    }

    pub(super) fn open_default_rooms(&mut self) {
        for name in self.rules.default_rooms.clone() {
            if self.conversations.room(&name).is_none()
                && let Ok(room) = self.conversations.open_room(&name)
            {
                self.turn.writes.conversations.push((room, ConversationKind::Room(name)));
            }
        }
    }

    fn open_room(&mut self, name: &Name) -> Result<ConversationId, super::Refusal> {
        if !self.rules.create {
            return Err(refusal(
                ErrorKind::NoSuchRoom,
                format!("there is no room {name}, and users may not open rooms"),
            ));
        }
        if self.rules.rooms > 0 && self.conversations.room_count() >= self.rules.rooms {
            return Err(refusal(
                ErrorKind::NoSuchRoom,
                format!("there is no room {name}, and the server has no room for one more"),
            ));
        }
        let room = self.conversations.open_room(name).map_err(|LooksLike(other)| {
            refusal(
                ErrorKind::NameTaken,
                format!("the room {name} looks like the room {other}: use that or another"),
            )
        })?;
        self.turn.writes.conversations.push((room, ConversationKind::Room(name.clone())));
        Ok(room)
    }

    pub(super) fn leave(
        &mut self,
        connection: ConnectionId,
        session: SessionId,
        id: Option<&RequestId>,
        place: &Place,
    ) -> Answer {
        let room = self.room_of_member(session, place)?;
        let shown =
            self.conversations.get(room).and_then(|c| c.room()).map(Name::to_string).unwrap_or_default();
        let user = self.sessions.get(session).map_or(UserId(session.0), |s| s.row.user);
        let before = self.seen(user, &[room]);
        if let Some(held) = self.sessions.get_mut(session) {
            held.rooms.retain(|(r, _)| *r != room);
        }
        if let Some(conversation) = self.conversations.get_mut(room) {
            conversation.members.remove(user, session);
            conversation.depart(connection);
        }
        self.turn.writes.sessions.push(SessionChange::Leave { session, room });
        self.line(connection, reply::encode("LEAVE", id, &LeaveReply { room: shown }));
        self.announce(before, self.face(session));
        self.drop_if_empty(room);
        Ok(())
    }

    /// The connection is gone: its session is away from now on.
    pub(super) fn lost(&mut self, connection: ConnectionId) {
        let Some(session) = self.connections.remove(&connection).and_then(|c| c.session) else { return };
        self.seal();
        let before = self.seen_everywhere(session);
        self.each_conversation(session, |conversation| conversation.depart(connection));
        self.sessions.is_away(session, self.turn.now.mono.saturating_add(self.rules.ttl_ms));
        self.announce(before, self.face(session));
    }

    /// Ends the connection and its session, if it has one.
    pub(super) fn quit(&mut self, connection: ConnectionId, why: Closing) {
        let session = self.connections.get_mut(&connection).and_then(|c| c.session.take());
        self.close(connection, why);
        if let Some(session) = session {
            self.end_session(session);
        }
    }

    /// The session is over: with a user's last one its name is free, and its rooms are told.
    pub(super) fn end_session(&mut self, id: SessionId) {
        let Some(held) = self.sessions.get(id) else { return };
        let (user, connection) = (held.row.user, held.connection);
        let (rooms, face, before) = (self.rooms_of(id), self.face(id), self.seen_everywhere(id));
        if let Some(connection) = connection {
            self.each_conversation(id, |conversation| conversation.depart(connection));
        }
        for room in &rooms {
            if let Some(conversation) = self.conversations.get_mut(*room) {
                conversation.members.remove(user, id);
            }
        }
        self.sessions.remove(id);
        self.announce(before, face);
        for conversation in rooms.into_iter().chain(self.conversations.directs_of(user).to_vec()) {
            self.drop_if_empty(conversation);
        }
        self.turn.writes.sessions.push(SessionChange::End(id));
    }

    /// Forgets direct messages that nobody can read any more, and rooms with neither members nor
    /// messages. The configured rooms stay, and what two registered users have said to each other.
    pub(super) fn drop_if_empty(&mut self, id: ConversationId) {
        let Some(conversation) = self.conversations.get(id) else { return };
        match &conversation.kind {
            ConversationKind::Room(name) => {
                let stays = conversation.head > 0 || self.rules.default_rooms.contains(name);
                if stays || !conversation.members.is_empty() {
                    return;
                }
            }
            ConversationKind::Direct(a, b) => {
                let is_here = |user: &UserId| !self.sessions.of(*user).is_empty();
                let is_known = |user: &UserId| self.users.get(*user).is_some();
                if is_here(a) || is_here(b) || (is_known(a) && is_known(b)) {
                    return;
                }
            }
        }
        self.conversations.remove(id);
        self.turn.writes.gone.push(id);
    }
}
