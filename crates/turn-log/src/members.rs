//! Owns which epochs live, and the next number of each. The reader asks it whether an entry counts, and tells it the ones
//! that do. Never sees a sequence out of order, and never reads a clock: only entries open and close an epoch.
//!
//! An entry counts only if it is the next of a living epoch. So what a network or a stream does to entries (loss,
//! repetition, another order) decides nothing: an entry that is missing makes its successors void until it is sent again,
//! and each repetition is void. All readers see the same log, so they agree.

use crate::body::{Behaviours, Gone, Hello};
use crate::entry::{Header, Kind, NodeId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A node as the log knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Its last epoch. It is kept for ever: a node whose epoch was forgotten could use one twice.
    pub epoch: u64,
    /// Whether that epoch lives.
    pub life: Life,
    /// What its version can follow.
    pub behaviours: Behaviours,
    /// The position at which the epoch began.
    pub since: u64,
    /// What the node said of itself, for the caller. Empty after the epoch is closed.
    pub details: Vec<u8>,
}

/// The life of an epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Life {
    /// The entry with this `n` is the next that counts.
    Living {
        /// The next number.
        next: u64,
    },
    /// It was closed. None of its further entries counts.
    Closed,
}

/// Why an entry does not count. All readers skip it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Void {
    /// It is no entry.
    #[error(transparent)]
    Malformed(#[from] crate::ParseError),
    /// No holder of the key made it.
    #[error(transparent)]
    Forged(#[from] crate::Forged),
    /// Its body is not what its kind demands.
    #[error("the body of a {0:?} cannot be read")]
    Body(Kind),
    /// It belongs to another generation, or to none that has begun.
    #[error("of another generation")]
    Generation,
    /// Its epoch is closed, or older than the node's last.
    #[error("its epoch is closed")]
    Closed,
    /// Its epoch has not begun.
    #[error("its epoch has not begun")]
    Unknown,
    /// This number was counted already.
    #[error("counted already")]
    Repeated,
    /// One before it is missing.
    #[error("an entry before it is missing")]
    Early,
    /// A start whose epoch is not the next of the node.
    #[error("the next epoch of the node is {next}")]
    Epoch {
        /// The epoch that would count.
        next: u64,
    },
    /// A start of a version that cannot follow the present behaviour.
    #[error("this version cannot follow behaviour {0}")]
    Unfit(u16),
    /// It was made by rules that are not in force yet.
    #[error("behaviour {0} is not in force")]
    Behaviour(u16),
}

/// The nodes of a generation.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Members {
    nodes: BTreeMap<NodeId, Member>,
    /// The rules in force.
    behaviour: u16,
}

impl Members {
    /// The members after a genesis: its founder, in its first epoch.
    pub(crate) fn founded(header: &Header, hello: Hello, sequence: u64) -> Self {
        let mut members = Self { nodes: BTreeMap::new(), behaviour: header.behaviour };
        members.open(header, hello, sequence);
        members
    }

    /// The behaviour in force.
    #[must_use]
    pub fn behaviour(&self) -> u16 {
        self.behaviour
    }

    /// All nodes that ever started in this generation.
    pub fn all(&self) -> impl Iterator<Item = (NodeId, &Member)> {
        self.nodes.iter().map(|(node, member)| (*node, member))
    }

    /// The nodes whose last epoch lives.
    pub fn living(&self) -> impl Iterator<Item = (NodeId, &Member)> {
        self.all().filter(|(_, member)| member.life != Life::Closed)
    }

    /// A node.
    #[must_use]
    pub fn get(&self, node: NodeId) -> Option<&Member> {
        self.nodes.get(&node)
    }

    /// The epoch with which a node may start.
    #[must_use]
    pub fn next_epoch(&self, node: NodeId) -> u64 {
        self.nodes.get(&node).map_or(1, |member| member.epoch.saturating_add(1))
    }

    /// Does a start count?
    pub(crate) fn check_start(&self, header: &Header, hello: &Hello) -> Result<(), Void> {
        let next = self.next_epoch(header.node);
        if header.epoch != next {
            return Err(Void::Epoch { next });
        }
        if !hello.behaviours.contain(self.behaviour) {
            return Err(Void::Unfit(self.behaviour));
        }
        Ok(())
    }

    /// Does an entry within an epoch count?
    pub(crate) fn check(&self, header: &Header) -> Result<(), Void> {
        let member = self.nodes.get(&header.node).ok_or(Void::Unknown)?;
        if header.epoch > member.epoch {
            return Err(Void::Unknown);
        }
        let Life::Living { next } = member.life else {
            return Err(Void::Closed);
        };
        if header.epoch < member.epoch {
            return Err(Void::Closed);
        }
        if header.n != next {
            return Err(if header.n < next { Void::Repeated } else { Void::Early });
        }
        if header.behaviour > self.behaviour {
            return Err(Void::Behaviour(header.behaviour));
        }
        Ok(())
    }

    /// Opens an epoch. The epoch before it, if it still lived, is closed by that.
    pub(crate) fn open(&mut self, header: &Header, Hello { behaviours, details }: Hello, sequence: u64) {
        let life = Life::Living { next: 1 };
        let member = Member { epoch: header.epoch, life, behaviours, since: sequence, details };
        self.nodes.insert(header.node, member);
    }

    /// Counts an entry within an epoch.
    pub(crate) fn count(&mut self, header: &Header) {
        if let Some(member) = self.nodes.get_mut(&header.node) {
            member.life = Life::Living { next: header.n.saturating_add(1) };
        }
    }

    /// Would this close a living epoch?
    pub(crate) fn closes(&self, gone: Gone) -> bool {
        let member = self.nodes.get(&gone.node);
        member.is_some_and(|member| member.epoch == gone.epoch && member.life != Life::Closed)
    }

    /// Closes an epoch.
    pub(crate) fn close(&mut self, gone: Gone) {
        if let Some(member) = self.nodes.get_mut(&gone.node).filter(|member| member.epoch == gone.epoch) {
            member.life = Life::Closed;
            member.details = Vec::new();
        }
    }

    /// Can every living node follow this, and is it a rise?
    pub(crate) fn can_raise(&self, to: u16) -> bool {
        to > self.behaviour && self.living().all(|(_, member)| member.behaviours.contain(to))
    }

    /// Puts a behaviour into force.
    pub(crate) fn raise(&mut self, to: u16) {
        self.behaviour = to;
    }
}
