//! Owns the order of a daemon without a cluster: each turn comes back at once. Called by the hub. Never waits, and never
//! allocates. Never changes the time of a turn: after an operator sets a clock back, new messages have the corrected time.

use super::Order;
use tcp_chat_state::Turn;

/// The order of a daemon without a cluster.
#[derive(Debug, Clone, Copy, Default)]
pub struct Local;

impl Order for Local {
    type Ordered = std::iter::Once<Turn>;

    fn put(&mut self, turn: Turn) -> std::iter::Once<Turn> {
        std::iter::once(turn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tcp_chat_state::Intent;

    #[test]
    fn a_turn_comes_back_at_once_as_it_was() {
        for time in [7, 3] {
            let turn = Turn { intents: vec![Intent::Seal], ..Turn::empty(time) };
            let back: Vec<_> = Local.put(turn).collect();
            assert!(
                matches!(&back[..], [Turn { time: at, intents, .. }] if *at == time && intents.len() == 1)
            );
        }
    }
}
