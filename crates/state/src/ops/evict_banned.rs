//! Owns the end of sessions whose peer addresses are in a banned range. Called by [`State::apply`]. Never knows an
//! address: the edges do, and propose the sessions.

use crate::sweeps::queue::Sweep;
use crate::{SessionId, State};
use std::collections::VecDeque;

impl State {
    /// Begins to end the sessions, one after the other.
    pub(crate) fn evict_banned_sessions(
        &mut self,
        sessions: VecDeque<SessionId>,
        who: Box<str>,
        reason: Box<str>,
    ) {
        if !sessions.is_empty() {
            self.add_sweep(Sweep::BannedRange { sessions, who, reason });
        }
    }
}
