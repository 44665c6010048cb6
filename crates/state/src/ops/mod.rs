//! The ops: one file for each request, command or event that changes the state. An op checks and then applies. Called by
//! [`super::State::apply`] and by the hub. An op never sends: it adds to the turn.

pub(super) mod action;
pub(super) mod enrol;
pub(super) mod evict;
pub(super) mod join;
pub(super) mod login;
pub(super) mod penalty;
pub(super) mod policy;
pub(super) mod retain;
pub(super) mod say;
pub(super) mod user;
