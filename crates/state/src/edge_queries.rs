//! Owns the questions of the edge before it accepts a request, and the sizes of the state. Called by the edge and by
//! the hub. Never changes anything.

use crate::permissions::authorize::Permission;
use crate::{ConversationId, ConversationKind, NodeId, QuotaOwner, Rules, SessionId, State, UserId};
use std::collections::BTreeSet;
use std::net::IpAddr;
use tcp_chat_protocol::request::{Place, Redact};
use tcp_chat_protocol::{Action, Name, Seq};

/// The sizes of the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Sessions, connected or not.
    pub sessions: usize,
    /// Sessions without a connection.
    pub away: usize,
    /// Rooms.
    pub rooms: usize,
    /// Registered users.
    pub users: usize,
    /// The newest number.
    pub head: Seq,
}

impl State {
    /// The sizes of the state.
    #[must_use]
    pub fn counts(&self) -> Counts {
        Counts {
            sessions: self.sessions.len(),
            away: self.sessions.away(),
            rooms: self.conversations.room_count(),
            users: self.users.len(),
            head: self.head,
        }
    }

    /// Does a room of that name exist that the session may know of?
    #[must_use]
    pub fn knows_room(&self, session: SessionId, name: &Name) -> bool {
        self.room_named(session, Some(name), Permission::Know).is_ok()
    }

    /// May the session receive the message of that number in the conversation now, if it was a member at that time?
    #[must_use]
    pub fn still_hears(&self, session: SessionId, conversation: ConversationId, seq: Seq) -> bool {
        let held = self.sessions.get(session);
        let kind = self.conversations.get(conversation).map(|conversation| &conversation.kind);
        match (held, kind) {
            (Some(held), Some(ConversationKind::Direct(a, b))) => [*a, *b].contains(&held.row.user),
            (Some(held), Some(ConversationKind::Room(_))) => {
                let is_in = |(room, since): &(_, Seq)| *room == conversation && *since < seq;
                held.rooms.iter().any(is_in) && self.may_be_in(held.row.id, conversation)
            }
            _ => false,
        }
    }

    /// Is the address banned?
    #[must_use]
    pub fn is_banned_address(&self, address: IpAddr) -> bool {
        self.permissions.bans_address(address, self.turn.time())
    }

    /// The number of users with a session.
    #[must_use]
    pub fn user_count(&self) -> usize {
        self.sessions.users().len()
    }

    /// The number of rooms.
    #[must_use]
    pub fn room_count(&self) -> usize {
        self.conversations.room_count()
    }

    /// The number of users with whom the session's user has direct messages.
    #[must_use]
    pub fn direct_count(&self, session: SessionId) -> usize {
        self.sessions.get(session).map_or(0, |held| self.conversations.direct_count(held.row.user))
    }

    /// The name of a room.
    #[must_use]
    pub fn name_of_room(&self, room: ConversationId) -> Option<&Name> {
        self.conversations.get(room)?.room()
    }

    /// The name of the session's user.
    #[must_use]
    pub fn name_of(&self, session: SessionId) -> Option<&Name> {
        self.sessions.get(session).map(|held| &held.row.name)
    }

    /// The name of the session's user, and the owner of the quota that pays for the session's messages from that
    /// address.
    #[must_use]
    pub fn quota_owner_of(&self, session: SessionId, address: IpAddr) -> Option<(&Name, QuotaOwner)> {
        let held = self.sessions.get(session)?;
        Some((&held.row.name, QuotaOwner::of(held.row.user, held.is_proven, address)))
    }

    /// The user of a session and the one to whom it writes, and whether they have direct messages already. `None`:
    /// there is no such user, or the session writes to its own.
    #[must_use]
    pub fn pair(&self, session: SessionId, to: &Place) -> Option<(UserId, UserId, bool)> {
        let (mine, theirs) = (self.sessions.get(session)?.row.user, self.user(to).ok()?.0);
        (mine != theirs).then(|| (mine, theirs, self.conversations.direct(mine, theirs).is_some()))
    }

    /// The sessions of a user, in the order in which they began.
    #[must_use]
    pub fn sessions_of(&self, user: UserId) -> &[SessionId] {
        self.sessions.of(user)
    }

    /// The current policy.
    #[must_use]
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// The number below which retention has removed all messages. The store removes them when it has time.
    #[must_use]
    pub fn oldest(&self) -> Seq {
        self.oldest
    }

    /// The sessions that are away, in the order in which they began.
    pub fn sessions_away(&self) -> impl Iterator<Item = SessionId> {
        self.sessions.iter().filter(|held| held.row.origin.is_none()).map(|held| held.row.id)
    }

    /// The nodes whose connections no longer exist when a daemon starts alone as `own`: its own, and those of a cluster that its
    /// store was in.
    #[must_use]
    pub fn nodes_before(&self, own: NodeId) -> BTreeSet<NodeId> {
        let connected = self.sessions.iter().filter_map(|held| held.row.origin);
        connected.map(|origin| origin.node).chain([own]).collect()
    }

    /// How long the session outlives its connection, in milliseconds. The edges measure it, and propose its end.
    #[must_use]
    pub fn ttl_of(&self, session: SessionId) -> u64 {
        self.sessions.get(session).map_or(0, |held| self.rules.ttl_of(&held.row.name))
    }

    /// The message that a proposer has to look for in its store, before this action becomes part of a turn.
    #[must_use]
    pub fn redacts(action: &Action) -> Option<Seq> {
        match action {
            Action::Redact(Redact { seq, .. }) | Action::RedactNumber { seq, .. } => Some(*seq),
            _ => None,
        }
    }
}
