//! Owns which nodes have another policy in their configuration than the log has. Each node compares its own, and tells the others in
//! its beats. Never changes a policy: that of the log counts on all nodes.

use super::LogOrder;
use crate::order::MemberNow;

impl LogOrder {
    /// As [`crate::order::Order::note_differing`].
    pub fn note_differing(&mut self, keys: Vec<&'static str>) {
        self.differs_in = keys;
    }

    /// The names of the living nodes whose configuration differs, as their last beats say. This one first.
    pub(super) fn policy_differs(&self) -> Vec<Box<str>> {
        let differs = |member: &MemberNow| {
            let node = tcp_chat_turn_log::NodeId(member.node.0);
            if node == self.me {
                return !self.differs_in.is_empty();
            }
            self.beats.get(&node).is_some_and(|beat| beat.differs)
        };
        self.living().into_iter().filter(differs).map(|member| member.name).collect()
    }
}
