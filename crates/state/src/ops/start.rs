//! Owns the start of a process: what its settings and its version require of the state that another process has stored.
//! Called by [`State::apply`], in the first turn of a process. Never ends a session that is away: the edges propose
//! that.
//!
//! What a start finds to do is done in slices, by sweeps. A start during such a sweep begins it again, and never adds a
//! second one.

use crate::sweeps::queue::Sweep;
use crate::{ConversationId, Rules, State};

impl State {
    /// Applies the policy of the process, and begins what an earlier policy or an older version has left to do.
    pub(crate) fn start(&mut self, rules: Rules) {
        self.set_rules(rules);
        // A store of an older version does not know which members had to be evicted from a private room at a crash.
        self.permissions.private_rooms().into_iter().for_each(|room| self.sweep_members(room));
        self.sweep_empty_conversations();
        self.sweep_ended_penalties();
        self.sweep_expired();
    }

    /// Begins to remove the empty conversations. A lone daemon does not start with the earlier policy, so all are looked
    /// at, not only the rooms that were configured until now.
    fn sweep_empty_conversations(&mut self) {
        // The policy may be another one since the last start: what that sweep has passed may be empty now.
        self.sweeps.remove(|sweep| matches!(sweep, Sweep::Empty(_)));
        let empty = self.conversations.iter().map(|(id, _)| id).filter(|id| self.is_empty(*id));
        if let Some(first) = empty.min() {
            self.add_sweep(Sweep::Empty(ConversationId(first.0 - 1)));
        }
    }
}
