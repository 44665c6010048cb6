//! Owns MUTE and UNMUTE. Called by [`super::action`]. Never decides who may mute: `permissions::checks` does.

use crate::ops::penalty::until;
use crate::permissions::checks::Actor;
use crate::permissions::records::Penalty;
use crate::{Refusal, Scope, State};
use tcp_chat_protocol::Timestamp;
use tcp_chat_protocol::reply::ActReply;
use tcp_chat_protocol::request::Against;

impl State {
    pub(crate) fn mute(&mut self, actor: Actor, against: &Against) -> Result<ActReply, Refusal> {
        let scope = self.moderates(actor, against)?;
        self.is_meant(&against.target)?;
        let mute = self.penalty(actor, scope, against)?;
        self.set_mute(actor, scope, against, Some(mute))
    }

    pub(crate) fn unmute(&mut self, actor: Actor, against: &Against) -> Result<ActReply, Refusal> {
        let scope = self.moderates(actor, against)?;
        self.set_mute(actor, scope, against, None)
    }

    pub(crate) fn set_mute(
        &mut self,
        actor: Actor,
        scope: Scope,
        against: &Against,
        mute: Option<Penalty>,
    ) -> Result<ActReply, Refusal> {
        let Against { target: user, reason, .. } = against;
        let (did, until) = (if mute.is_some() { "mute" } else { "unmute" }, until(mute.as_ref()));
        let change = self.permissions.set_mute(scope, user, mute);
        let change = change.ok_or_else(|| self.has_nothing(user, "is not muted there"))?;
        self.turn.writes.permissions.push(change);
        self.record(actor, did, Some(user.to_string()), scope, None, until, reason);
        let room = self.room_name(scope);
        Ok(ActReply {
            user: Some(user.to_string()),
            room,
            until: until.map(Timestamp),
            ..ActReply::default()
        })
    }
}
