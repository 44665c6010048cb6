//! Owns the moderation actions: they come over the wire and through the control socket, and each leaves a line in the
//! audit log. Private and removed rooms and grants are here; kicks, mutes and bans are in `penalties`. Never decides who
//! may act: `checks` asks that.

use crate::permissions::authorize::{Permission, Rank, authorize};
use crate::permissions::checks::{Actor, not_to_enter};
use crate::sweeps::queue::Sweep;
use crate::{Answer, Audit, By, Caller, ConversationKind, Refusal, Scope, State, refusal};
use tcp_chat_protocol::reply::ActReply;
use tcp_chat_protocol::request::{Action, Place};
use tcp_chat_protocol::{ErrorKind, Name, Role};

/// Grants, mutes and bans that users may write down in one room. Operators, and those who keep order on the
/// server, are not bound, here and below.
const MOST_IN_ROOM: usize = 1_000;
/// The same for all rooms together,
const MOST_IN_ROOMS: usize = 20_000;
/// and what one user may have of it.
const MOST_OF_USER: usize = 2_000;
/// Mutes and bans that have ended by themselves and are taken back before an act; more of them wait their turn.
const OVER_AT_ONCE: usize = 16;

impl State {
    /// A user moderates.
    pub(crate) fn act_as_user(&mut self, caller: Caller<'_>, action: &Action) -> Result<ActReply, Refusal> {
        self.act(Actor::Session(caller.session), action)
    }

    /// An operator moderates: the system's user of that number.
    ///
    /// # Errors
    /// Why it was not done; nothing was changed then.
    pub(crate) fn operate(&mut self, uid: u32, action: &Action) -> Result<ActReply, Refusal> {
        self.seal();
        self.act(Actor::Operator(uid), action)
    }

    fn act(&mut self, actor: Actor, action: &Action) -> Result<ActReply, Refusal> {
        let over = self.permissions.expire(OVER_AT_ONCE, self.turn.time);
        self.turn.writes.rights.extend(over);
        if self.permissions.is_over(self.turn.time) {
            self.sweep_later(Sweep::Over);
        }
        match action {
            Action::Kick(against) => self.kick(actor, against),
            Action::Mute(against) => self.mute(actor, against),
            Action::Unmute(against) => self.unmute(actor, against),
            Action::Ban(against) => self.ban(actor, against),
            Action::Unban(against) => self.unban(actor, against),
            Action::Room { room, private } => self.set_room(actor, room, *private),
            Action::RemoveRoom(room) => self.remove_room(actor, room),
            Action::Grant { user, role, room } => self.grant_role(actor, user, *role, room.as_ref()),
        }
    }

    /// Where it is to hold: a room that the asker may know of, or the server.
    pub(crate) fn scope(&self, actor: Actor, place: Option<&Place>) -> Result<Scope, Refusal> {
        let Some(place) = place else { return Ok(None) };
        let room = place.0.as_ref().and_then(|name| self.conversations.room(name));
        match room.filter(|room| authorize(self.subject_of(actor, Some(*room)), Permission::Know).is_ok()) {
            Some(room) => Ok(Some(room)),
            None => Err(self.no_room(actor, place.0.as_ref())),
        }
    }

    pub(crate) fn room_name(&self, scope: Scope) -> Option<String> {
        scope.and_then(|room| Some(self.conversations.get(room)?.room()?.to_string()))
    }

    fn set_room(&mut self, actor: Actor, place: &Place, private: bool) -> Result<ActReply, Refusal> {
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
        self.turn.writes.rights.push(change);
        let what = if private { "private" } else { "public" };
        self.record(actor, "room", None, Some(room), Some(what), None, "");
        let reply =
            ActReply { room: self.room_name(Some(room)), private: Some(private), ..ActReply::default() };
        self.sweep_members(room);
        self.drop_if_empty(room);
        Ok(reply)
    }

    /// The room is nobody's to enter from now on; its members are told one after the other, and with the last
    /// one it is gone.
    fn remove_room(&mut self, actor: Actor, place: &Place) -> Result<ActReply, Refusal> {
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

    fn grant_role(
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
                // What is granted now would be taken with the rest.
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
        self.turn.writes.rights.extend(change);
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

    /// Is there room for one more line in the book?
    pub(crate) fn ensure_quota_left(&self, actor: Actor, scope: Scope) -> Answer {
        let (Actor::Session(session), Some(room)) = (actor, scope) else { return Ok(()) };
        let Some(session) = self.sessions.get(session) else { return Ok(()) };
        if self.subject_of(actor, None).rank >= Rank::ServerModerator {
            return Ok(());
        }
        let (whose, most) = if self.permissions.len_in(room) >= MOST_IN_ROOM {
            ("a room holds", MOST_IN_ROOM)
        } else if self.permissions.len_by(&session.key) >= MOST_OF_USER {
            ("a user may write down", MOST_OF_USER)
        } else if self.permissions.len_by_users() >= MOST_IN_ROOMS {
            ("all rooms together hold", MOST_IN_ROOMS)
        } else {
            return Ok(());
        };
        Err(refusal(ErrorKind::Data, format!("{whose} {most} grants, mutes and bans: take some back")))
    }

    /// A line for the audit log. While the store fails it waits until it can be written.
    #[allow(clippy::too_many_arguments, reason = "the columns of one line")]
    pub(crate) fn record(
        &mut self,
        actor: Actor,
        did: &str,
        whom: Option<String>,
        scope: Scope,
        what: Option<&str>,
        until: Option<u64>,
        reason: &str,
    ) {
        let Some(by) = self.by(actor) else { return };
        let audit = Audit {
            at: self.turn.time,
            by,
            did: did.into(),
            whom: whom.map(Into::into),
            room: self.room_name(scope).map(Into::into),
            what: what.map(Into::into),
            until,
            reason: reason.into(),
        };
        self.turn.writes.audit.push(audit);
    }
}

/// What the users concerned are told about the actor.
pub(crate) fn title(actor: Actor) -> &'static str {
    match actor {
        Actor::Operator(_) => "an operator",
        Actor::Session(_) => "a moderator",
    }
}
