//! Owns the end of sessions that were away for too long. Called by [`State::apply`]. Never measures how long that is:
//! the edges do, and propose it.

use crate::{Ending, SessionId, State};

impl State {
    /// Ends those of the sessions that are still away: one may have been resumed after its end was proposed.
    pub(crate) fn expire(&mut self, sessions: Vec<SessionId>) {
        for session in sessions {
            if self.sessions.get(session).is_some_and(|held| held.row.origin.is_none()) {
                self.seal();
                self.end_session(session, Ending::Over);
            }
        }
    }
}
