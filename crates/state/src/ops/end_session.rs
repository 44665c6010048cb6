//! Owns the end of a session. Called by QUIT, by evictions and when its time is over. Its rooms are left by
//! [`crate::sessions::ended`]. Never closes a connection: the edge does.

use crate::sweeps::queue::Sweep;
use crate::{Change, Ending, SessionChange, SessionId, State};

impl State {
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
