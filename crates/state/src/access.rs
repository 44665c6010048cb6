//! Owns [`Access`]: who may log in under a name that nobody owns. A part of the policy, so that all nodes of a cluster
//! decide alike, each LOGIN at its place in the log. Read by the ops that log users in, and by the daemon, which checks
//! passwords before. Never checks a password.

use super::Evidence;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Which users may log in under a name that no registered user owns.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Access {
    /// Everyone.
    Open,
    /// Everyone with the password of the server: the one with this Argon2id hash.
    Password(Arc<str>),
    /// Nobody: only registered users may log in.
    #[default]
    Accounts,
}

impl Access {
    /// Does this evidence let a name in that nobody owns? It proves no name.
    pub(crate) fn lets_in(&self, evidence: &Evidence) -> bool {
        match (self, evidence) {
            (Self::Open, Evidence::NotNeeded | Evidence::Accepted(_)) => true,
            // It may have changed since it was checked.
            (Self::Password(hash), Evidence::Accepted(checked)) => hash == checked,
            _ => false,
        }
    }
}

impl std::fmt::Debug for Access {
    /// A hash is a secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Open => "Open",
            Self::Password(_) => "Password",
            Self::Accounts => "Accounts",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evidence_counts_only_under_the_policy_for_which_it_was_made() {
        let accepted = |hash: &str| Evidence::Accepted(hash.into());
        let password = Access::Password("new".into());
        for (access, evidence, is_let_in) in [
            (&Access::Open, Evidence::NotNeeded, true),
            (&Access::Open, accepted("new"), true),
            (&Access::Open, Evidence::Refused, false),
            (&password, Evidence::NotNeeded, false),
            (&password, accepted("old"), false),
            (&password, accepted("new"), true),
            (&Access::Accounts, Evidence::NotNeeded, false),
            (&Access::Accounts, accepted("new"), false),
        ] {
            assert_eq!(access.lets_in(&evidence), is_let_in, "{access:?} {evidence:?}");
        }
        assert_eq!(format!("{password:?} {:?}", accepted("new")), "Password Accepted", "a hash is a secret");
    }
}
