//! Owns the requests of those who keep order: KICK, MUTE, UNMUTE, BAN, UNBAN, ROOM, GRANT. Called by
//! the parser only. Never decides who may make them.

use super::fields::{Raw, bad, field, name, object, optional, place, present};
use super::{Place, Refusal};
use crate::{Name, Role, text};

/// The longest reason, in bytes.
pub const REASON_BYTES: usize = 256;

/// The longest time that a mute or a ban may be given, in seconds: ten years.
pub const MOST_SECONDS: u64 = 10 * 366 * 24 * 3600;

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// Out of the room, or off the server.
    Kick(Against),
    /// May say nothing for a while.
    Mute(Against),
    /// May speak again.
    Unmute(Against),
    /// May not come in for a while.
    Ban(Against),
    /// May come in again.
    Unban(Against),
    /// Who may know of a room.
    Room {
        /// Which.
        room: Place,
        /// Only those who were granted a role in it?
        private: bool,
    },
    /// What a user is.
    Grant {
        /// Who.
        user: Name,
        /// What from now on; `None`: nothing in particular.
        role: Option<Role>,
        /// Where; `None`: on the whole server.
        room: Option<Place>,
    },
}

/// Whom something is done to, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Against {
    /// Whom.
    pub user: Name,
    /// Where; `None`: on the whole server.
    pub room: Option<Place>,
    /// For how long, in seconds; `None`: until it is taken back.
    pub for_s: Option<u64>,
    /// Why; may be empty.
    pub reason: String,
}

#[derive(serde::Deserialize)]
struct AgainstData<'a> {
    #[serde(borrow)]
    user: Raw<'a>,
    #[serde(borrow)]
    room: Raw<'a>,
    #[serde(borrow)]
    for_s: Raw<'a>,
    #[serde(borrow)]
    reason: Raw<'a>,
}

#[derive(serde::Deserialize)]
struct RoomSetData<'a> {
    #[serde(borrow)]
    room: Raw<'a>,
    #[serde(borrow)]
    private: Raw<'a>,
}

#[derive(serde::Deserialize)]
struct GrantData<'a> {
    #[serde(borrow)]
    user: Raw<'a>,
    #[serde(borrow)]
    role: Raw<'a>,
    #[serde(borrow)]
    room: Raw<'a>,
}

/// Reads the data of the op; `None`: it is none of these.
pub(super) fn read(op: &str, data: Raw<'_>) -> Option<Result<Act, Refusal>> {
    Some(match op {
        "KICK" => against(data, false).map(Act::Kick),
        "MUTE" => against(data, true).map(Act::Mute),
        "UNMUTE" => against(data, false).map(Act::Unmute),
        "BAN" => against(data, true).map(Act::Ban),
        "UNBAN" => against(data, false).map(Act::Unban),
        "ROOM" => room(data),
        "GRANT" => grant(data),
        _ => return None,
    })
}

fn against(data: Raw<'_>, lasts: bool) -> Result<Against, Refusal> {
    let parts = object::<AgainstData<'_>>(data)?;
    let user = name(&parts.user, "user")?;
    let for_s: Option<u64> = if lasts { optional(parts.for_s, "for_s")? } else { None };
    let reason = optional::<String>(parts.reason, "reason")?.unwrap_or_default();
    check(for_s, &reason).map_err(bad)?;
    Ok(Against { user, room: somewhere(parts.room)?, for_s, reason })
}

/// Are these a time and a reason that can be given?
///
/// # Errors
/// The first rule that they break, as a sentence.
pub fn check(for_s: Option<u64>, reason: &str) -> Result<(), String> {
    if for_s.is_some_and(|s| s == 0 || s > MOST_SECONDS) {
        return Err(format!("`for_s`: 1 to {MOST_SECONDS} seconds; without it, until it is taken back"));
    }
    if !reason.is_empty() {
        text::check(reason, REASON_BYTES).map_err(|e| format!("`reason`: {e}"))?;
    }
    Ok(())
}

fn room(data: Raw<'_>) -> Result<Act, Refusal> {
    let parts = object::<RoomSetData<'_>>(data)?;
    Ok(Act::Room { room: place(parts.room, "room")?, private: field(parts.private, "private")? })
}

fn grant(data: Raw<'_>) -> Result<Act, Refusal> {
    let parts = object::<GrantData<'_>>(data)?;
    let role: String = field(parts.role, "role")?;
    let role = match role.as_str() {
        "none" => None,
        role => Some(role.parse().map_err(|e| bad(format!("`role`: {e}; or none")))?),
    };
    Ok(Act::Grant { user: name(&parts.user, "user")?, role, room: somewhere(parts.room)? })
}

fn somewhere(raw: Raw<'_>) -> Result<Option<Place>, Refusal> {
    present(raw).map(|raw| place(Some(raw), "room")).transpose()
}
