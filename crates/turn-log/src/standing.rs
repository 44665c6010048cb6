//! Owns the last claim of each living node, compared with this node, and which side is in the minority. The reader calls it for
//! each claim. Never decides from one claim alone, and never reads a clock.
//!
//! Two nodes whose digests differ cannot both be right, and neither knows which one is. A digest covers everything before
//! it, so the last claim of each node is enough: those that agree now agreed always. The side with most nodes goes on.
//!
//! If the sides are equal, and only the states differ, the side with the node that lives longest goes on: both sides have
//! read the same log, so they know the same node. If the logs differ, they may not even agree on who lives. Then every node
//! counts whose last claim was of another log, living or not, and equal sides both hold.

use crate::chain::Compared;
use crate::entry::NodeId;
use crate::members::Members;
use std::collections::BTreeMap;

/// How a node stands to the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is on the side that goes on.
    Agrees,
    /// Someone differs, and too few nodes have spoken. The node takes no requests.
    Suspect,
    /// Most others have another state after the same entries.
    Diverged,
    /// Most others have read other entries.
    OtherLog,
}

/// The last claim of each node.
#[derive(Debug, Clone, Default)]
pub(crate) struct Voices(BTreeMap<NodeId, (u64, Compared)>);

impl Voices {
    /// Notes a claim. One that is too old to be compared says nothing.
    pub(crate) fn note(&mut self, node: NodeId, epoch: u64, compared: Compared) {
        if compared != Compared::TooOld {
            self.0.insert(node, (epoch, compared));
        }
    }

    /// Was the last claim of this epoch one of another log?
    pub(crate) fn is_of_another_log(&self, node: NodeId, epoch: u64) -> bool {
        self.0.get(&node) == Some(&(epoch, Compared::OtherLog))
    }

    /// Does a living node differ from `me`? It may wait for a word of this one, to learn on which side it is.
    pub(crate) fn is_disputed(&self, me: NodeId, members: &Members) -> bool {
        let differs = |compared| matches!(compared, Compared::OtherState | Compared::OtherLog);
        members.living().filter(|(node, _)| *node != me).any(|(node, member)| {
            self.0.get(&node).is_some_and(|(epoch, compared)| *epoch == member.epoch && differs(*compared))
        })
    }

    /// How `me` stands among the living.
    pub(crate) fn standing(&self, me: NodeId, members: &Members) -> Standing {
        let voice = |node: NodeId, epoch: u64| match self.0.get(&node) {
            _ if node == me => Some(Compared::Same),
            // A claim of another log counts whatever its epoch is.
            Some((_, Compared::OtherLog)) => Some(Compared::OtherLog),
            Some((noted, compared)) if *noted == epoch => Some(*compared),
            _ => None,
        };
        let living: Vec<_> =
            members.living().map(|(node, member)| (node, member.epoch, member.since)).collect();
        let voices: Vec<_> = living.iter().map(|(node, epoch, _)| voice(*node, *epoch)).collect();
        let count = |wanted| voices.iter().filter(|voice| **voice == wanted).count();
        let (same, state) = (count(Some(Compared::Same)), count(Some(Compared::OtherState)));
        let others = self.0.iter().filter(|(node, _)| living.iter().all(|(living, ..)| living != *node));
        let log = count(Some(Compared::OtherLog))
            + others.filter(|(_, (_, compared))| *compared == Compared::OtherLog).count();
        let silent = count(None);
        let (differing, all) = (state + log, same + state + log + silent);
        let minority = if log > 0 { Standing::OtherLog } else { Standing::Diverged };
        if differing == 0 || 2 * same > all {
            Standing::Agrees
        } else if 2 * differing > all {
            minority
        } else if silent > 0 {
            Standing::Suspect
        } else {
            let oldest = living.iter().zip(&voices).min_by_key(|((_, _, since), _)| since);
            let is_with_the_oldest = oldest.is_some_and(|(_, voice)| *voice == Some(Compared::Same));
            if log == 0 && is_with_the_oldest { Standing::Agrees } else { minority }
        }
    }
}

#[cfg(test)]
mod tests;
