//! Owns the bodies of the entries that change membership, encoded with postcard. The reader and the proposer call it. The
//! body of a turn is the caller's: this crate never reads it.
//!
//! These bodies belong to the format of the entry, not to the behaviour of the chat: a node that is too old for the turns
//! must still read which nodes live, and which behaviour they demand.

use crate::entry::NodeId;
use serde::{Deserialize, Serialize};

/// The behaviours that a version can follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Behaviours {
    /// The oldest.
    pub oldest: u16,
    /// The newest.
    pub newest: u16,
}

impl Behaviours {
    /// Is this one of them?
    #[must_use]
    pub fn contain(self, behaviour: u16) -> bool {
        (self.oldest..=self.newest).contains(&behaviour)
    }
}

/// The body of [`crate::Kind::Genesis`] and [`crate::Kind::NodeUp`]: how a node introduces itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// What its version can follow.
    pub behaviours: Behaviours,
    /// For the caller: the name of the node, the address for clients.
    pub details: Vec<u8>,
}

/// The body of [`crate::Kind::NodeGone`]: the epoch to close.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gone {
    /// Of this node.
    pub node: NodeId,
    /// This epoch. If the node started again in the meantime, the entry changes nothing.
    pub epoch: u64,
}

/// The body of [`crate::Kind::Raise`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Raise {
    /// The behaviour to follow from here on.
    pub to: u16,
}

/// A body that can be sealed. Each type belongs to its kinds, so that no entry is made whose kind contradicts its body.
pub(crate) trait Body: Serialize + for<'a> Deserialize<'a> {}
impl Body for Hello {}
impl Body for Gone {}
impl Body for Raise {}

/// Encodes a body.
pub(crate) fn encode(body: &impl Body) -> Vec<u8> {
    // Only a type whose length is not known in advance cannot be encoded into memory; none of these is.
    postcard::to_allocvec(body).unwrap_or_default()
}

/// Decodes a body, all of it.
pub(crate) fn decode<T: Body>(bytes: &[u8]) -> Option<T> {
    let (body, rest) = postcard::take_from_bytes(bytes).ok()?;
    rest.is_empty().then_some(body)
}
