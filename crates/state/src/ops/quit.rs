//! Owns QUIT. Called by [`State::apply`]. Never closes a connection, and never answers: the edge does.

use crate::{Done, Ending, Source, State};

impl State {
    /// Ends the session. A connection without one may leave, too.
    pub(crate) fn quit(&mut self, source: Source) -> Done {
        if let Some(session) = self.session_of(source) {
            self.end_session(session, Ending::Over);
        }
        Done::Other
    }
}
