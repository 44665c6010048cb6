//! Owns the roles of users, on the server or in a room, and their text form. Used by both sides. Never decides
//! the permissions of a role: the daemon does.

use serde::{Deserialize, Serialize};

/// The role of a user, on the server or in a room. Each role includes the permissions of the earlier ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// May read, but not write.
    ReadOnly,
    /// May read and write.
    Member,
    /// May also moderate: kick, mute, ban, and admit users.
    Moderator,
    /// May also appoint moderators and owners, and make a room private or public.
    Owner,
}

impl Role {
    /// Every role, the lowest first.
    pub const ALL: [Self; 4] = [Self::ReadOnly, Self::Member, Self::Moderator, Self::Owner];

    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ReadOnly => "read-only",
            Self::Member => "member",
            Self::Moderator => "moderator",
            Self::Owner => "owner",
        }
    }
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text is not a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a role is owner, moderator, member or read-only")]
pub struct NoRole;

impl std::str::FromStr for Role {
    type Err = NoRole;

    fn from_str(text: &str) -> Result<Self, NoRole> {
        Self::ALL.into_iter().find(|role| role.as_str() == text).ok_or(NoRole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_are_what_serde_writes() {
        for role in Role::ALL {
            assert_eq!(serde_json::to_string(&role).unwrap(), format!("\"{role}\""));
            assert_eq!(role.as_str().parse(), Ok(role));
        }
        assert_eq!("Owner".parse::<Role>(), Err(NoRole));
        assert!(Role::Owner > Role::Moderator && Role::Member > Role::ReadOnly);
    }
}
