//! Owns ROOM: makes a room private or public, or removes it. Called by [`super::action`]. Never decides who may do it:
//! `permissions::checks` does.

use crate::permissions::authorize::Permission;
use crate::permissions::checks::{Actor, not_to_enter};
use crate::{ConversationKind, Refusal, State, refusal};
use tcp_chat_protocol::ErrorKind;
use tcp_chat_protocol::reply::ActReply;
use tcp_chat_protocol::request::Place;

impl State {
    pub(crate) fn set_room(
        &mut self,
        actor: Actor,
        place: &Place,
        private: bool,
    ) -> Result<ActReply, Refusal> {
        let known = place.0.as_ref().is_some_and(|name| self.conversations.room(name).is_some());
        let room = match (&place.0, actor) {
            (Some(name), Actor::Operator(_)) if !known && private => {
                self.ensure_not_being_removed(name, |_| true)?;
                let room = self.conversations.open_room(name).map_err(|twin| {
                    let msg = format!("the room {name} looks like the room {}: take another name", twin.0);
                    refusal(ErrorKind::NameTaken, msg)
                })?;
                self.turn.writes.conversations.push((room, ConversationKind::Room(name.clone())));
                room
            }
            _ => self.scope(actor, Some(place))?.ok_or_else(|| not_to_enter(None))?,
        };
        self.allow(actor, Some(room), Permission::Administer)?;
        let change = self.permissions.set_private(room, private);
        self.turn.writes.permissions.push(change);
        let what = if private { "private" } else { "public" };
        self.record(actor, "room", None, Some(room), Some(what), None, "");
        let reply =
            ActReply { room: self.room_name(Some(room)), private: Some(private), ..ActReply::default() };
        self.sweep_members(room);
        self.drop_if_empty(room);
        Ok(reply)
    }

    /// No user can join the room from now on. Its members are told one after the other, and the room is removed with
    /// the last one.
    pub(crate) fn remove_room(&mut self, actor: Actor, place: &Place) -> Result<ActReply, Refusal> {
        let room = self.scope(actor, Some(place))?.ok_or_else(|| not_to_enter(None))?;
        self.allow(actor, Some(room), Permission::Administer)?;
        let name = self.room_name(Some(room));
        if self.conversations.get(room).and_then(|c| c.room()).is_some_and(|name| self.is_configured(name)) {
            let msg = format!(
                "the room {} stays: it is in rooms.default or http.rooms; take it out there and reload first",
                name.unwrap_or_default()
            );
            return Err(refusal(ErrorKind::Forbidden, msg));
        }
        self.record(actor, "room remove", None, Some(room), None, None, "");
        self.sweep_room(room);
        Ok(ActReply { room: name, ..ActReply::default() })
    }
}
