//! Owns the plain data of moderation: the author of an action, the stored mutes, bans and grants, and the line of the audit
//! log. The ops make it, the store keeps it. Never decides.

use crate::ConversationId;
use ipnet::IpNet;
use std::sync::Arc;
use tcp_chat_protocol::{Banned, Name, Role};

/// Where something holds: in a room, or (`None`) on the whole server.
pub type Scope = Option<ConversationId>;

/// Ranges of addresses that are banned, each with the moment until when, in milliseconds since 1970.
pub type BannedRanges = Arc<Vec<(IpNet, Option<u64>)>>;

/// The author of an action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum By {
    /// A user, over the wire.
    User(Name),
    /// The system's user of that number, through the control socket.
    Operator(u32),
}

/// What an operator is called; no name has a blank.
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Penalty {
    /// Until when, in milliseconds since 1970; `None`: until it is taken back.
    pub until: Option<u64>,
    /// Why; may be empty.
    pub reason: Box<str>,
    /// The author.
    pub by: Box<str>,
    /// When, in milliseconds since 1970.
    pub since: u64,
    /// In whose share it counts: decided when it is first stored, and never again.
    pub share: Option<Name>,
}

impl Penalty {
    /// Does it hold at that moment, in milliseconds since 1970?
    #[must_use]
    pub fn is_in_force(&self, now: u64) -> bool {
        self.until.is_none_or(|until| now < until)
    }

    /// The user who did it, unless it was an operator.
    pub(crate) fn author(&self) -> Option<Name> {
        (!self.by.starts_with(OPERATOR)).then(|| Name::parse_kept(&self.by).ok()).flatten()
    }
}

/// A change of the stored permissions. A name is the one under which the entry was first stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PermissionChange {
    /// The user is that there; `None`: nothing in particular.
    Grant {
        /// Where.
        scope: Scope,
        /// Who.
        user: Name,
        /// What.
        role: Option<Role>,
        /// In whose share it counts.
        by: Option<Name>,
    },
    /// The room is private, or public.
    Private {
        /// Which.
        room: ConversationId,
        /// Which of the two.
        private: bool,
    },
    /// The user is muted there; `None`: no longer.
    Mute {
        /// Where.
        scope: Scope,
        /// Who.
        user: Name,
        /// How.
        mute: Option<Penalty>,
    },
    /// They are banned there; `None`: no longer.
    Ban {
        /// Where.
        scope: Scope,
        /// Who.
        banned: Banned,
        /// How.
        ban: Option<Penalty>,
    },
}

/// All stored permissions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoredPermissions {
    /// Roles by scope and user, and in whose share each counts.
    pub grants: Vec<(Scope, Name, Role, Option<Name>)>,
    /// The private rooms.
    pub private: Vec<ConversationId>,
    /// Mutes by scope and user.
    pub mutes: Vec<(Scope, Name, Penalty)>,
    /// Bans by scope and target.
    pub bans: Vec<(Scope, Banned, Penalty)>,
}

/// A line of the audit log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audit {
    /// When, in milliseconds since 1970.
    pub at: u64,
    /// By whom.
    pub by: By,
    /// What: an op of the wire in small letters, or the command of an operator.
    pub did: Box<str>,
    /// To whom: a user's name, or what a [`Banned`] is written as.
    pub whom: Option<Box<str>>,
    /// In which room.
    pub room: Option<Box<str>>,
    /// The role that was granted, `private` or `public`.
    pub what: Option<Box<str>>,
    /// Until when, in milliseconds since 1970.
    pub until: Option<u64>,
    /// Why.
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
