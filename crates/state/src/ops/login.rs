//! Owns coming and going: LOGIN fresh and resumed, lost connections, and the end of a session. Called
//! by [`State::ask`] and by the turn. Never sends: it adds to the turn.

use crate::sessions::{Session, UsedIds};
use crate::sweeps::queue::Sweep;
use crate::{
    Answer, Change, ConversationId, Done, Ending, Evidence, LoggedIn, NodeId, Origin, Range, Refusal,
    ResumeOutcome, SessionChange, SessionId, SessionRow, Source, State, UserId, refusal,
};
use tcp_chat_protocol::reply::{LimitsInfo, LoginReply, ServerInfo};
use tcp_chat_protocol::request::Login;
use tcp_chat_protocol::{ErrorKind, Seq, VERSION};

impl State {
    pub(crate) fn login(
        &mut self,
        source: Source,
        login: Login,
        token_hash: [u8; 32],
        resumes: Option<[u8; 32]>,
        proof: Evidence,
    ) -> Answer<Done> {
        if self.session_of(source).is_some() {
            return Err(refusal(ErrorKind::AlreadyLoggedIn, "this connection is logged in already"));
        }
        match &proof {
            Evidence::Refused => return Err(Self::auth_failed()),
            Evidence::Unusable(why) => return Err(Self::certificate_names_no_user(why)),
            _ => {}
        }
        if login.session.is_some() {
            let session = self.resumable(resumes, &proof)?;
            return Ok(self.resume(source.origin, session, login));
        }
        let Some(name) = login.name else { return Err(refusal(ErrorKind::Data, "`name` is missing")) };
        self.is_not_banned(&name, proof.certificate())?;
        let who = self.identify(name, proof)?;
        self.leave_before_name_is_reused(&who.name, who.user)?;
        if self.rules.sessions > 0 && self.sessions.len() >= self.rules.sessions {
            return Err(refusal(
                ErrorKind::ServerFull,
                "the server has no room for one more session; try later",
            ));
        }
        if source.sessions == 0 {
            let msg = "your network has half of the sessions that the server allows; try later";
            return Err(refusal(ErrorKind::ServerFull, msg));
        }
        let proven = who.user.is_some();
        let rooms = self.rooms_of_login(login.rooms, &who.name, proven, source)?;

        self.sessions.last += 1;
        let session = SessionId(self.sessions.last);
        let user = who.user.unwrap_or(UserId(session.0));
        let row = SessionRow {
            id: session,
            token_hash,
            user,
            name: who.name,
            color: login.color.unwrap_or_default(),
            origin: Some(source.origin),
        };
        let before = self.seen(user, &rooms);
        self.turn.writes.sessions.push(SessionChange::Put(row.clone()));
        self.sessions.put(Session::new(row, proven, UsedIds::NONE));
        self.tell(Change::Here { session, user, at: source.origin, from: None });
        for room in &rooms {
            self.enter(session, *room);
        }
        let logged_in = self.logged_in(session, login.log.as_deref());
        self.announce(before, self.face(session));
        Ok(logged_in.map_or(Done::Other, |logged_in| Done::LoggedIn(Box::new(logged_in))))
    }

    /// The session that a token is for, if whoever has it may go on with it.
    fn resumable(&mut self, token: Option<[u8; 32]>, proof: &Evidence) -> Result<SessionId, Refusal> {
        let Some(session) = token.and_then(|hash| self.sessions.by_token(&hash)) else {
            let msg = "there is no such session any more: log in without `session`";
            return Err(refusal(ErrorKind::SessionExpired, msg));
        };
        self.may_resume(session, proof)?;
        if let Some(held) = self.sessions.get(session) {
            self.is_not_banned(&held.row.name, proof.certificate())?;
        }
        Ok(session)
    }

    fn resume(&mut self, origin: Origin, session: SessionId, login: Login) -> Done {
        let Login { color, after, log, .. } = login;
        let after = after.map(|after| self.goes_on_after(after, log.as_deref()));
        if let (Some(color), Some(held)) = (color, self.sessions.get_mut(session)) {
            held.row.color = color;
        }
        let before = self.seen_everywhere(session);
        let old = self.arrive(origin, session);
        self.put_row(session);
        let outcome = if old.is_some() { ResumeOutcome::TakenOver } else { ResumeOutcome::Resumed };
        let logged_in = self.logged_in(session, log.as_deref()).map(|logged_in| {
            let missed = after.map_or_else(Vec::new, |after| self.missed(session, after));
            Box::new(LoggedIn { missed, resumed: Some(outcome), ..logged_in })
        });
        self.announce(before, self.face(session));
        logged_in.map_or(Done::Other, Done::LoggedIn)
    }

    /// After which number a client reads on that has seen `after` of a log: where it was another one,
    /// what is said after the two parted has numbers that it may have seen.
    fn goes_on_after(&self, after: Seq, log: Option<&str>) -> Seq {
        if log.is_some_and(|log| log != self.log.id) { after.min(self.log.common_with(log)) } else { after }
    }

    /// What the session's conversations have after `after`, each from where the session sees it.
    fn missed(&self, session: SessionId, after: Seq) -> Vec<Range> {
        let Some(held) = self.sessions.get(session) else { return Vec::new() };
        let rooms = held.rooms.iter().filter(|(room, _)| self.may_be_in(session, *room));
        let rooms = rooms.filter_map(|(room, since)| {
            Some((*room, after.max(*since), self.conversations.get(*room)?.head))
        });
        let newer = Some((after, ConversationId(i64::MAX)));
        let directs = self.conversations.directs_of(held.row.user, newer);
        rooms
            .chain(directs.map(|(head, direct)| (direct, after, head)))
            .map(|(conversation, seen, last)| Range { conversation, first: seen.saturating_add(1), last })
            .filter(|range| range.first <= range.last)
            .collect()
    }

    pub(crate) fn rooms_of(&self, session: SessionId) -> Vec<ConversationId> {
        self.sessions.get(session).map(|s| s.rooms.iter().map(|(r, _)| *r).collect()).unwrap_or_default()
    }

    /// How the session's user is seen in the session's rooms now.
    fn seen_everywhere(&self, session: SessionId) -> crate::presence::Before {
        let user = self.sessions.get(session).map_or(UserId(session.0), |s| s.row.user);
        self.seen(user, &self.rooms_of(session))
    }

    /// A session that has just logged in, as its client is told.
    fn logged_in(&self, session: SessionId, log: Option<&str>) -> Option<LoggedIn> {
        let held = self.sessions.get(session)?;
        let name = held.row.name.clone();
        let reply = LoginReply {
            name: name.to_string(),
            color: held.row.color.to_string(),
            session: String::new(),
            ttl_s: self.rules.ttl_ms / 1000,
            rooms: held
                .rooms
                .iter()
                .filter_map(|(room, _)| Some(self.conversations.get(*room)?.room()?.to_string()))
                .collect(),
            // Of what this turn adds it is not known yet whether it will be kept.
            head: self.turn.head_before(),
            log: Some(self.log.id.clone()),
            log_from: Some(self.log.common_with(log)),
            server: ServerInfo {
                name: "tcp-chatd".into(),
                version: env!("CARGO_PKG_VERSION").into(),
                protocol: VERSION,
            },
            limits: LimitsInfo { line_bytes: self.rules.line_bytes, msg_bytes: self.rules.msg_bytes },
        };
        Some(LoggedIn { session, name, reply, missed: Vec::new(), resumed: None })
    }

    /// The session is connected there from now on, in all its rooms. Where it was connected before.
    fn arrive(&mut self, origin: Origin, session: SessionId) -> Option<Origin> {
        let old = self.sessions.mark_connected(session, origin);
        let user = self.sessions.get(session).map_or(UserId(session.0), |held| held.row.user);
        self.tell(Change::Here { session, user, at: origin, from: old });
        for room in self.rooms_of(session) {
            self.stop_hearing(room, old);
            if self.may_be_in(session, room) {
                self.tell(Change::Hears(room, origin));
            }
        }
        old
    }

    /// The connection is gone: the session that was on it is away from now on.
    pub(crate) fn away(&mut self, origin: Origin, session: SessionId) {
        if !self.is_at(session, origin) {
            return;
        }
        self.seal();
        let before = self.seen_everywhere(session);
        self.rooms_of(session).into_iter().for_each(|room| self.stop_hearing(room, Some(origin)));
        self.mark_away(session, origin);
        self.announce(before, self.face(session));
    }

    /// The process of a node begins: its sessions are away from now on. Whoever is connected to another node is told.
    pub(crate) fn node_up(&mut self, node: NodeId) {
        self.leaving.node_up(node);
        let (sessions, is_told) = self.sessions.at_node(node);
        if !sessions.is_empty() {
            self.seal();
        }
        for session in sessions {
            let Some(origin) = self.sessions.get(session).and_then(|held| held.row.origin) else { continue };
            // Where nobody is connected, to look at all rooms of all sessions would be for nothing.
            match is_told {
                true => self.away(origin, session),
                false => self.mark_away(session, origin),
            }
        }
    }

    fn mark_away(&mut self, session: SessionId, origin: Origin) {
        let user = self.sessions.get(session).map_or(UserId(session.0), |held| held.row.user);
        self.tell(Change::Away { session, user, at: origin });
        self.sessions.mark_away(session);
        self.put_row(session);
    }

    /// The row of the session has changed.
    fn put_row(&mut self, session: SessionId) {
        let row = self.sessions.get(session).map(|held| SessionChange::Put(held.row.clone()));
        self.turn.writes.sessions.extend(row);
    }

    /// How long the session outlives its connection, in milliseconds. The edges measure it, and propose its end.
    #[must_use]
    pub fn ttl_of(&self, session: SessionId) -> u64 {
        self.sessions.get(session).map_or(0, |held| self.rules.ttl_of(&held.row.name))
    }

    /// The sessions that are away, in the order in which they began.
    pub fn sessions_away(&self) -> impl Iterator<Item = SessionId> {
        self.sessions.iter().filter(|held| held.row.origin.is_none()).map(|held| held.row.id)
    }

    /// The session is over: with a user's last one its name is free, and its rooms are told.
    pub(crate) fn end_session(&mut self, id: SessionId, why: Ending) {
        let face = self.face(id);
        let (Some(session), Some(face)) = (self.sessions.remove(id), face) else { return };
        let user = session.row.user;
        self.tell(Change::Ended { session: id, user, at: session.row.origin, why });
        self.turn.writes.sessions.push(SessionChange::End(id));
        self.start_leaving_rooms(session, face);
        if self.sessions.of(user).is_empty() {
            self.sweep_later(Sweep::directs_of(user));
        }
    }
}
