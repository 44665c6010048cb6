//! Owns the raise of the behaviour: once all nodes run a newer version, they follow its rules from one entry of the log on. The
//! order calls it with what else becomes due. Never decides whether a raise counts: the reader of the log does.

use super::LogOrder;
use crate::order::MemberNow;
use std::collections::BTreeMap;
use std::time::Duration;
use tcp_chat_state::Behaviour;
use tcp_chat_turn_log::{Entry, Event, Life, Member, NodeId as LogNode, Proposal};

/// A node of an older version that does not live now holds a raise back for this long: it may be restarting, and could not come
/// back before its upgrade. One that was removed for good does not hold it back for ever. A node that lives alone waits, too.
pub(super) const AWAY: Duration = Duration::from_secs(600);

/// What this node knows about the next raise.
#[derive(Debug, Default)]
pub(super) struct Raising {
    /// The behaviour that all living nodes can follow, and since when this node could have proposed it.
    possible: Option<(u16, Duration)>,
    /// When it was proposed last.
    proposed: Option<Duration>,
    /// The names of nodes that lived, since the start of this process.
    names: BTreeMap<LogNode, Box<str>>,
}

impl Raising {
    /// These nodes live. The log forgets the name of a node that is gone.
    pub(super) fn note_names(&mut self, living: &[MemberNow]) {
        let names = living.iter().map(|member| (LogNode(member.node.0), member.name.clone()));
        self.names.extend(names);
    }
}

impl LogOrder {
    /// The behaviour that a generation begins with: that of the state, so that older nodes can follow it.
    pub(super) fn first_behaviour(&self) -> u16 {
        let of_state = self.reader.generation().map(|_| self.reader.members().behaviour());
        of_state.unwrap_or(self.identity.behaviours.newest)
    }

    /// The behaviour in force at an entry that was read and not applied yet.
    pub(super) fn behaviour_at(&self, entry: &Entry) -> Behaviour {
        let of_generation = matches!(entry.event, Event::Genesis(_)).then_some(entry.header.behaviour);
        Behaviour(of_generation.unwrap_or_else(|| self.reader.members().behaviour()))
    }

    /// Proposes the newest behaviour that all living nodes can follow. Only the driver does.
    pub(super) fn raise_if_due(&mut self, now: Duration) {
        let members = self.reader.members();
        let common = members.living().map(|(_, member)| member.behaviours.newest).min();
        let possible = common.filter(|to| *to > members.behaviour());
        let Some(to) = possible.filter(|_| self.is_driver() && self.serves() && self.is_at_the_end()) else {
            self.raising.possible = None;
            return;
        };
        let since = match self.raising.possible {
            Some((known, since)) if known == to => since,
            _ => now,
        };
        self.raising.possible = Some((to, since));
        let is_held = members.all().any(|(_, member)| is_away(member) && member.behaviours.newest < to);
        // After `cluster reseed` the log knows only the node that began it.
        let is_alone = members.living().count() < 2;
        let waits = (is_held || is_alone) && now < since + AWAY;
        let is_proposed = self.raising.proposed.is_some_and(|at| now < at + self.patience.hold);
        if !waits && !is_proposed && self.proposer.propose(&self.reader, Proposal::Raise(to), now).is_ok() {
            self.raising.proposed = Some(now);
        }
    }

    /// The names of the nodes for which a raise waits. A node that does not live, and whose name is not known, has its number.
    pub(super) fn raise_waits_for(&self) -> Vec<Box<str>> {
        let members = self.reader.members();
        let newest = members.living().map(|(_, member)| member.behaviours.newest).max();
        let Some(to) = newest.filter(|to| *to > members.behaviour()) else { return Vec::new() };
        let older = members.all().filter(|(_, member)| member.behaviours.newest < to);
        let name = |node: LogNode| self.raising.names.get(&node).cloned();
        older.map(|(node, _)| name(node).unwrap_or_else(|| node.0.to_string().into())).collect()
    }
}

fn is_away(member: &Member) -> bool {
    member.life == Life::Closed
}
