//! Owns the plain data of moderation: the author of an action, the stored mutes, bans and grants, and the line of the audit
//! log. The ops make it, the store keeps it. Never decides.

use crate::ConversationId;
use ipnet::IpNet;
use serde::Serialize;
use std::sync::Arc;
use tcp_chat_protocol::{Banned, Name, Role};

/// The scope: a room, or (`None`) the whole server.
pub type Scope = Option<ConversationId>;

/// Banned ranges of addresses, each with the end of its ban in milliseconds since 1970.
pub type BannedRanges = Arc<Vec<(IpNet, Option<u64>)>>;

/// The author of an action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum By {
    /// A user, over the wire.
    User(Name),
    /// The system's user of that number, through the control socket.
    Operator(u32),
}

/// The name of an operator; a user's name has no blank.
const OPERATOR: &str = "operator (uid ";

impl std::fmt::Display for By {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::User(name) => name.fmt(f),
            Self::Operator(uid) => write!(f, "{OPERATOR}{uid})"),
        }
    }
}

/// A mute or a ban, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Penalty {
    /// Its end, in milliseconds since 1970; `None`: until it is removed.
    pub until: Option<u64>,
    /// The reason; may be empty.
    pub reason: Box<str>,
    /// The author.
    pub by: Box<str>,
    /// Its beginning, in milliseconds since 1970.
    pub since: u64,
    /// The share that it counts for: decided when it is first stored, and never again.
    pub share: Option<Name>,
}

impl Penalty {
    /// Is it in force at that moment, in milliseconds since 1970?
    #[must_use]
    pub fn is_in_force(&self, now: u64) -> bool {
        self.until.is_none_or(|until| now < until)
    }

    /// The user who is its author; `None` for an operator.
    pub(crate) fn author(&self) -> Option<Name> {
        (!self.by.starts_with(OPERATOR)).then(|| Name::parse_kept(&self.by).ok()).flatten()
    }
}

/// A change of the stored permissions. A name is the one under which the entry was first stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum PermissionChange {
    /// The user has that role there; `None`: no role.
    Grant {
        /// The scope.
        scope: Scope,
        /// The user.
        user: Name,
        /// The role.
        role: Option<Role>,
        /// The share that it counts for.
        by: Option<Name>,
    },
    /// The room is private, or public.
    Private {
        /// The room.
        room: ConversationId,
        /// Is it private?
        private: bool,
    },
    /// The user is muted there; `None`: no longer.
    Mute {
        /// The scope.
        scope: Scope,
        /// The user.
        user: Name,
        /// The mute.
        mute: Option<Penalty>,
    },
    /// The target is banned there; `None`: no longer.
    Ban {
        /// The scope.
        scope: Scope,
        /// The target.
        banned: Banned,
        /// The ban.
        ban: Option<Penalty>,
    },
}

/// The place of a grant, a mute or a ban. They are visited in this order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum PermissionPlace {
    /// The grant of a user.
    Grant(Scope, Name),
    /// The mute of a user.
    Mute(Scope, Name),
    /// The ban of that target: users, then certificates, then addresses.
    Ban(Scope, Banned),
}

/// All stored permissions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoredPermissions {
    /// Roles by scope and user, each with the share that it counts for.
    pub grants: Vec<(Scope, Name, Role, Option<Name>)>,
    /// The private rooms.
    pub private: Vec<ConversationId>,
    /// Mutes by scope and user.
    pub mutes: Vec<(Scope, Name, Penalty)>,
    /// Bans by scope and target.
    pub bans: Vec<(Scope, Banned, Penalty)>,
}

/// A line of the audit log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Audit {
    /// The time, in milliseconds since 1970.
    pub at: u64,
    /// The author.
    pub by: By,
    /// The action: an op of the wire in small letters, or the command of an operator.
    pub did: Box<str>,
    /// The target: a user's name, or the text form of a [`Banned`].
    pub whom: Option<Box<str>>,
    /// The room.
    pub room: Option<Box<str>>,
    /// The role that was granted, `private` or `public`.
    pub what: Option<Box<str>>,
    /// The end, in milliseconds since 1970.
    pub until: Option<u64>,
    /// The reason.
    pub reason: Box<str>,
}

impl StoredPermissions {
    /// The addresses that are banned.
    #[must_use]
    pub fn banned_ranges(&self) -> BannedRanges {
        let address = |(_, banned, penalty): &(Scope, Banned, Penalty)| match banned {
            Banned::Address(range) => Some((*range, penalty.until)),
            _ => None,
        };
        Arc::new(self.bans.iter().filter_map(address).collect())
    }
}
