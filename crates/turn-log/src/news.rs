//! Owns the words of the proposer: what is proposed, why something is not taken, and what a record means for this node. The
//! proposer makes and takes them. Contains no rule.

use crate::body::Gone;
use crate::members::Void;
use crate::seal::SealError;

/// What a node proposes within its epoch.
#[derive(Debug, Clone, Copy)]
pub enum Proposal<'a> {
    /// A turn: encoded by the rules of the behaviour in force.
    Turn(&'a [u8]),
    /// The end of an epoch: of a node that is silent, or of this node before it stops.
    Gone(Gone),
    /// A rise of the behaviour.
    Raise(u16),
}

/// Why something was not proposed. It was not published, so it certainly does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProposeError {
    /// The epoch has not begun, or is closed.
    #[error("this node has no living epoch")]
    NotUp,
    /// The node is up or starts already.
    #[error("this node has an epoch already")]
    AlreadyUp,
    /// The reader has not read a generation.
    #[error("the log has no generation")]
    NoGeneration,
    /// The window is full: propose again when something came back.
    #[error("too much is in flight")]
    Full,
    /// Nothing came back for the time of the setting `hold`.
    #[error("nothing can be ordered now")]
    Hold,
    /// The entry cannot be made.
    #[error(transparent)]
    Seal(#[from] SealError),
}

/// What a record means for this node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// The epoch has begun: proposals are possible.
    Up,
    /// The start does not count. Start again, unless this version is [`Void::Unfit`].
    StartVoid(Void),
    /// An own entry counts: acknowledge what it contains.
    Counted(u64),
    /// The epoch was closed. These entries never count. Close all connections, and start again.
    Fenced(Vec<u64>),
    /// Another process has the identity of this node, and started later. End. These entries never count.
    Replaced(Vec<u64>),
}
