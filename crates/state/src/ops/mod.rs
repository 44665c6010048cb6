//! The ops: one file for each request, command or event that changes the state. An op checks, then applies. Called by
//! [`super::State::apply`]. An op never sends: it adds to the turn.

pub(crate) mod action;
pub(crate) mod away;
pub(crate) mod ban;
pub(crate) mod close_room;
pub(crate) mod end_session;
pub(crate) mod enrol;
pub(crate) mod erase;
pub(crate) mod evict;
pub(crate) mod evict_banned;
pub(crate) mod expire;
pub(crate) mod grant;
pub(crate) mod identify;
pub(crate) mod join;
pub(crate) mod kick;
pub(crate) mod leave;
pub(crate) mod login;
pub(crate) mod mark;
pub(crate) mod mute;
pub(crate) mod open_room;
pub(crate) mod penalty;
pub(crate) mod policy;
pub(crate) mod quit;
pub(crate) mod redact;
pub(crate) mod resume;
pub(crate) mod retain;
pub(crate) mod revoke;
pub(crate) mod room;
pub(crate) mod say;
pub(crate) mod start;
pub(crate) mod topic;
pub(crate) mod user;
