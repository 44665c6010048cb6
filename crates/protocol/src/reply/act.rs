//! Owns the data of the replies to moderation actions: what was done. The daemon writes it on the wire and on its control
//! socket; clients read it. Never decides what is done.

use crate::{Role, Seq, Timestamp};
use serde::{Deserialize, Serialize};

/// The data of the replies to `KICK`, `MUTE`, `UNMUTE`, `BAN`, `UNBAN`, `ROOM`, `GRANT` and `REDACT`: the effect.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ActReply {
    /// The user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The range of addresses (the control socket only).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The certificate (the control socket only).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
    /// The room; absent: the whole server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room: Option<String>,
    /// With `GRANT`: the role; absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// With `ROOM`: whether it is private.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub private: Option<bool>,
    /// With `ROOM`: the new topic; empty: there is none any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// With `REDACT` of a direct message: the other user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub with: Option<String>,
    /// With `REDACT`: the message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<Seq>,
    /// With `MUTE` and `BAN`: the end; absent: until it is lifted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}
