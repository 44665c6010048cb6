//! Owns the order of turns: a node hands its turn in, and gets back what all nodes apply next. Called by the hub. Never
//! looks into a turn, and never applies one.

mod local;

pub use local::Local;

use tcp_chat_state::Turn;

/// Puts turns into one order.
pub trait Order {
    /// The turns of one call.
    type Ordered: IntoIterator<Item = Turn>;

    /// Hands in a turn of this node. The turns that come next in the order, of this node or of others: none, one or many.
    fn put(&mut self, turn: Turn) -> Self::Ordered;
}
