//! Owns the end of a session. Called by QUIT, by evictions, and when the session expires. [`crate::sessions::ended`]
//! leaves its rooms. Never closes a connection: the edge does.

use crate::sweeps::queue::Sweep;
use crate::{Change, Ending, SessionChange, SessionId, State};

impl State {
    /// Ends the session. With a user's last session its name becomes free, and its rooms are told.
    pub(crate) fn end_session(&mut self, id: SessionId, why: Ending) {
        let face = self.face(id);
        let (Some(session), Some(face)) = (self.sessions.remove(id), face) else { return };
        let user = session.row.user;
        self.report(Change::Ended { session: id, user, at: session.row.origin, why });
        self.turn.writes.sessions.push(SessionChange::End(id));
        self.start_leaving_rooms(session, face);
        if self.sessions.of(user).is_empty() {
            self.add_sweep(Sweep::directs_of(user));
        }
    }
}
