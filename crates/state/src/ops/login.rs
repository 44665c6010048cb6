//! Owns the LOGIN that begins a session, and what every LOGIN returns. Called by [`State::apply`]. Never makes a reply,
//! and never checks a password or a signature: the daemon has checked them, and reports the result as [`Evidence`].

use crate::sessions::{Session, UsedIds};
use crate::{
    Answer, Change, Done, Evidence, LoggedIn, LoginOp, Resumes, SessionChange, SessionId, SessionRow, Source,
    State, UserId, refusal,
};
use tcp_chat_protocol::ErrorKind;

impl State {
    pub(crate) fn login(
        &mut self,
        source: Source,
        LoginOp { name, color, rooms, after, log, token_hash, resumes, evidence, allowance }: LoginOp,
    ) -> Answer<Done> {
        if self.session_of(source).is_some() {
            return Err(refusal(ErrorKind::AlreadyLoggedIn, "this connection is logged in already"));
        }
        match &evidence {
            Evidence::Refused => return Err(Self::auth_failed()),
            Evidence::Unusable(why) => return Err(Self::certificate_names_no_user(why)),
            Evidence::Certificate(_) | Evidence::Endpoint => {}
            // A node of a cluster whose settings ask for none may have let it through.
            _ if self.rules.certificate_required => return Err(Self::auth_failed()),
            _ => {}
        }
        if resumes != Resumes::No {
            let session = self.resumable(resumes, &evidence)?;
            return Ok(self.resume(source.origin, session, color, (after, log.as_deref())));
        }
        // The nodes of a cluster share one session of the HTTP endpoint. If two begin it at once, the second one resumes it.
        if evidence == Evidence::Endpoint && self.sessions.by_token(&token_hash).is_some() {
            let session = self.resumable(Resumes::Token(token_hash), &evidence)?;
            return Ok(self.resume(source.origin, session, color, (after, log.as_deref())));
        }
        let Some(name) = name else { return Err(refusal(ErrorKind::Data, "`name` is missing")) };
        self.is_not_banned(&name, evidence.certificate())?;
        let who = self.identify(name, evidence)?;
        self.leave_before_name_is_reused(&who.name, who.user)?;
        if self.rules.sessions > 0 && self.sessions.len() >= self.rules.sessions {
            return Err(refusal(
                ErrorKind::ServerFull,
                "the server has no room for one more session; try later",
            ));
        }
        if allowance.sessions == 0 {
            let msg = "your network has half of the sessions that the server allows; try later";
            return Err(refusal(ErrorKind::ServerFull, msg));
        }
        let proven = who.user.is_some();
        let rooms = self.rooms_of_login(rooms, &who.name, proven, &allowance)?;

        let session = SessionId(self.sessions.next_id());
        let user = who.user.unwrap_or(UserId(session.0));
        let row = SessionRow {
            id: session,
            token_hash,
            user,
            name: who.name,
            color: color.unwrap_or_default(),
            origin: Some(source.origin),
        };
        let before = self.seen(user, &rooms);
        self.turn.writes.sessions.push(SessionChange::Put(row.clone()));
        self.sessions.put(Session::new(row, proven, UsedIds::NONE));
        self.report(Change::Here { session, user, at: source.origin, from: None });
        for room in &rooms {
            self.enter(session, *room);
        }
        let logged_in = self.logged_in(session, log.as_deref());
        self.announce(before, self.face(session));
        Ok(logged_in.map_or(Done::Other, |logged_in| Done::LoggedIn(Box::new(logged_in))))
    }

    /// What the client of a session is told that has just logged in.
    pub(crate) fn logged_in(&self, session: SessionId, log: Option<&str>) -> Option<LoggedIn> {
        let held = self.sessions.get(session)?;
        let name_of = |(room, _): &(_, _)| self.conversations.get(*room)?.room().cloned();
        Some(LoggedIn {
            session,
            name: held.row.name.clone(),
            color: held.row.color,
            rooms: held.rooms.iter().filter_map(name_of).collect(),
            head: self.turn.head_before(),
            log: self.log.id.clone(),
            log_from: self.log.common_with(log),
            marks: self.marks_of(session),
            missed: Vec::new(),
            resumed: None,
        })
    }
}
