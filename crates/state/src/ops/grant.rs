//! Owns GRANT: gives a user a role in a room or on the server, or takes it. Called by [`super::action`]. Never decides who
//! may grant: `permissions::authorize` does.

use crate::permissions::authorize::Permission;
use crate::permissions::checks::Actor;
use crate::{By, Refusal, State, refusal};
use tcp_chat_protocol::reply::ActReply;
use tcp_chat_protocol::request::Place;
use tcp_chat_protocol::{ErrorKind, Name, Role};

impl State {
    pub(crate) fn grant_role(
        &mut self,
        actor: Actor,
        user: &Name,
        role: Option<Role>,
        place: Option<&Place>,
    ) -> Result<ActReply, Refusal> {
        let scope = self.scope(actor, place)?;
        self.allow(actor, scope, Permission::Grant(self.rank_of(scope, user), role))?;
        if role.is_some() {
            self.is_meant(user)?;
            if self.is_being_removed(user) {
                // A new grant would be removed with the others.
                let msg = format!("{user} is still being removed; try again in a moment");
                return Err(refusal(ErrorKind::NoSuchUser, msg));
            }
            self.ensure_quota_left(actor, scope)?;
        }
        let by = match self.by(actor) {
            Some(By::User(name)) => Some(name),
            _ => None,
        };
        let change = self.permissions.grant(scope, user, role, by.as_ref());
        if change.is_none() {
            self.is_meant(user)?;
        }
        self.turn.writes.permissions.extend(change);
        let what = role.map_or("none", Role::as_str);
        self.record(actor, "grant", Some(user.to_string()), scope, Some(what), None, "");
        let reply = ActReply {
            user: Some(user.to_string()),
            room: self.room_name(scope),
            role,
            ..ActReply::default()
        };
        self.sweep_user(user, scope);
        // This grant may have been the last reason to keep an empty room.
        scope.into_iter().for_each(|room| self.drop_if_empty(room));
        Ok(reply)
    }
}
