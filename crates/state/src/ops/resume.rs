//! Owns a LOGIN that resumes a session: the session of a token, and the messages that its client has missed. Called by
//! [`State::login`]. Never reads a message: it returns the ranges that the connection reads.

use crate::{
    Change, ConversationId, Done, Evidence, LoggedIn, Origin, Range, Refusal, ResumeOutcome, Resumes,
    SessionId, State, UserId, refusal,
};
use tcp_chat_protocol::{Colour, ErrorKind, Seq};

impl State {
    /// The session of a token, if the client may resume it.
    pub(crate) fn resumable(&mut self, resumes: Resumes, evidence: &Evidence) -> Result<SessionId, Refusal> {
        let session = match resumes {
            Resumes::Token(hash) => self.sessions.by_token(&hash),
            Resumes::No | Resumes::NoToken => None,
        };
        let Some(session) = session else {
            let msg = "there is no such session any more: log in without `session`";
            return Err(refusal(ErrorKind::SessionExpired, msg));
        };
        self.may_resume(session, evidence)?;
        if let Some(held) = self.sessions.get(session) {
            self.is_not_banned(&held.row.name, evidence.certificate())?;
        }
        Ok(session)
    }

    pub(crate) fn resume(
        &mut self,
        origin: Origin,
        session: SessionId,
        color: Option<Colour>,
        (after, log): (Option<Seq>, Option<&str>),
    ) -> Done {
        let after = after.map(|after| self.goes_on_after(after, log));
        color.into_iter().for_each(|color| self.sessions.set_color(session, color));
        let before = self.seen_everywhere(session);
        let old = self.arrive(origin, session);
        self.put_row(session);
        let outcome = if old.is_some() { ResumeOutcome::TakenOver } else { ResumeOutcome::Resumed };
        let logged_in = self.logged_in(session, log).map(|logged_in| {
            let missed = after.map_or_else(Vec::new, |after| self.missed(session, after));
            Box::new(LoggedIn { missed, resumed: Some(outcome), ..logged_in })
        });
        self.announce(before, self.face(session));
        logged_in.map_or(Done::Other, Done::LoggedIn)
    }

    /// The number after which a client reads that has seen `after` of a log. In another log, the messages after the
    /// point where the two logs diverged have numbers that the client may have seen.
    pub(crate) fn goes_on_after(&self, after: Seq, log: Option<&str>) -> Seq {
        if log.is_some_and(|log| log != self.log.id) { after.min(self.log.common_with(log)) } else { after }
    }

    /// The ranges of the session's conversations after `after`, each from the session's first visible number.
    pub(crate) fn missed(&self, session: SessionId, after: Seq) -> Vec<Range> {
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

    /// The session is connected there from now on, in all its rooms. Returns its previous connection.
    pub(crate) fn arrive(&mut self, origin: Origin, session: SessionId) -> Option<Origin> {
        let old = self.sessions.mark_connected(session, origin);
        let user = self.sessions.get(session).map_or(UserId(session.0), |held| held.row.user);
        self.report(Change::Here { session, user, at: origin, from: old });
        for room in self.rooms_of(session) {
            self.stop_hearing(room, old);
            if self.may_be_in(session, room) {
                self.report(Change::Hears(room, origin));
            }
        }
        old
    }
}
