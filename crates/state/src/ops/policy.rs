//! Owns the change of the policy: rooms are opened, closed or left as the new rules say. Called by [`State::apply`]
//! after a reload, and by `start`. Never reads a setting.

use crate::{Rules, State};

impl State {
    /// Applies another policy from now on.
    pub(crate) fn set_rules(&mut self, rules: Rules) {
        // Earlier messages without a target went to the default room of that time.
        self.seal();
        let before = std::mem::replace(&mut self.rules, rules);
        if self.stored_rules.as_deref() != Some(&self.rules) {
            let stored = Box::new(self.rules.clone());
            self.turn.writes.policy = Some(stored.clone());
            self.stored_rules = Some(stored);
        }
        self.open_configured_rooms();
        self.note_default_room();
        // A change of the settings can empty only rooms that were configured.
        for name in before.configured_rooms() {
            if let Some(room) = self.conversations.room(name) {
                self.drop_if_empty(room);
            }
        }
        self.sweep_unregistered();
    }
}
