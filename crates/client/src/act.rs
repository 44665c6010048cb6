//! Owns what those who keep order ask for, as the wire writes it. Sent by [`crate::Session::act`]. Never
//! decides who may: the daemon does.

use serde::Serialize;
use tcp_chat_protocol::Role;

/// What somebody does who keeps order: in a room, or where `room` is `None` on the whole server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum Act {
    /// Puts a user out: of the room, or off the server.
    Kick(Against),
    /// Lets a user say nothing.
    Mute(Against),
    /// Lets a user speak again.
    Unmute(Against),
    /// Keeps a user out.
    Ban(Against),
    /// Lets a user in again.
    Unban(Against),
    /// Makes a user what the role says.
    Grant {
        /// Whom.
        user: String,
        /// `None`: nothing in particular.
        #[serde(serialize_with = "role_or_none")]
        role: Option<Role>,
        /// Where.
        #[serde(skip_serializing_if = "Option::is_none")]
        room: Option<String>,
    },
    /// Makes a room private or public.
    Room {
        /// Which.
        room: String,
        /// Only for those who were granted a role in it?
        private: bool,
    },
}

/// Whom something is done to, and how.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Against {
    /// Whom.
    pub user: String,
    /// Where; `None`: on the whole server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub room: Option<String>,
    /// For how long, in seconds; `None`: until it is taken back. Only for mutes and bans.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub for_s: Option<u64>,
    /// Why; the user is told. May be empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

impl Act {
    /// As the wire calls it.
    #[must_use]
    pub fn op(&self) -> &'static str {
        match self {
            Self::Kick(_) => "KICK",
            Self::Mute(_) => "MUTE",
            Self::Unmute(_) => "UNMUTE",
            Self::Ban(_) => "BAN",
            Self::Unban(_) => "UNBAN",
            Self::Grant { .. } => "GRANT",
            Self::Room { .. } => "ROOM",
        }
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, clippy::ref_option, reason = "serde's signature")]
fn role_or_none<S: serde::Serializer>(role: &Option<Role>, s: S) -> Result<S::Ok, S::Error> {
    s.serialize_str(role.map_or("none", Role::as_str))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_wire_gets() {
        let against = Against { user: "bo".into(), room: Some("ops".into()), ..Against::default() };
        let for_a_while = Against { for_s: Some(60), reason: "spam".into(), ..against.clone() };
        let grant = |role| Act::Grant { user: "bo".into(), role, room: None };
        for (act, written) in [
            (Act::Kick(against), r#"KICK {"user":"bo","room":"ops"}"#),
            (Act::Ban(for_a_while), r#"BAN {"user":"bo","room":"ops","for_s":60,"reason":"spam"}"#),
            (grant(Some(Role::ReadOnly)), r#"GRANT {"user":"bo","role":"read-only"}"#),
            (grant(None), r#"GRANT {"user":"bo","role":"none"}"#),
            (Act::Room { room: "ops".into(), private: true }, r#"ROOM {"room":"ops","private":true}"#),
        ] {
            let data = serde_json::to_string(&act).unwrap();
            assert_eq!(format!("{} {data}", act.op()), written);
        }
    }
}
