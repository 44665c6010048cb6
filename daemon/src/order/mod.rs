//! Owns the order of turns: a node hands in its turn, and gets back the turns that all nodes apply next. Called by the
//! hub. Never reads or applies a turn.

mod local;

pub use local::Local;

use tcp_chat_state::Turn;

/// Puts turns into one order.
pub trait Order {
    /// The turns that one call returns.
    type Ordered: IntoIterator<Item = Turn>;

    /// Hands in a turn of this node. Returns the turns that are next in the order, of this node or of others: none, one or
    /// many.
    fn put(&mut self, turn: Turn) -> Self::Ordered;
}
