//! Owns the comparison of this node's own policy, that of its configuration, with the one of the log, which counts. Called at the start
//! of the hub, at a reload, and after a turn that changes the policy. Never changes a policy.

use super::Hub;
use crate::order::Order;
use crate::settings::differing_keys;
use tcp_chat_state::Rules;

impl Hub {
    /// The policy of this node's configuration.
    pub(in crate::hub) fn set_own_policy(&mut self, own: Rules) {
        if self.order.is_log() {
            self.shared.own_policy = Some(Box::new(own));
            self.compare_policy();
        }
    }

    /// Tells the order in which keys the configuration differs.
    pub(in crate::hub) fn compare_policy(&mut self) {
        if let Some(own) = &self.shared.own_policy {
            self.order.note_differing(differing_keys(own, self.state.rules()));
        }
    }
}
