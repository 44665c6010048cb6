//! Owns the acts of those who keep order: kick, mute, ban, who may know of a room, who is what. Asked
//! for over the wire and through the control socket alike, and written into the audit log. Never
//! decides who may: `checks` asks that.

use super::checks::{Actor, not_to_enter};
use super::order::Penalty;
use super::rights::{Deed, Rank, may};
use super::work::Sweep;
use super::{
    Act, Answer, Audit, Ban, Banned, By, Chat, ConnectionId, ConversationKind, Effect, Refusal, Scope,
    SessionId, Undo, refusal,
};
use ipnet::IpNet;
use tcp_chat_protocol::reply::ActReply;
use tcp_chat_protocol::request::{Against, Place};
use tcp_chat_protocol::{ErrorKind, Name, RequestId, Role, Timestamp, reply};

/// Grants, mutes and bans that users may write down in one room. Operators, and those who keep order on the
/// server, are not bound, here and below.
const MOST_IN_ROOM: usize = 1_000;
/// The same for all rooms together,
const MOST_IN_ROOMS: usize = 20_000;
/// and what one user may have of it.
const MOST_OF_USER: usize = 2_000;
/// Mutes and bans that have ended by themselves and are taken back before an act; more of them wait their turn.
const OVER_AT_ONCE: usize = 16;

impl Chat {
    /// A user keeps order.
    pub(super) fn act_for(
        &mut self,
        connection: ConnectionId,
        session: SessionId,
        id: Option<&RequestId>,
        act: Act,
    ) -> Answer {
        self.pass_act(connection, session)?;
        let op = act.op();
        let done = self.act(Actor::Session(session), act)?;
        self.line(connection, reply::encode(op, id, &done));
        Ok(())
    }

    /// An operator keeps order: the system's user of that number.
    ///
    /// # Errors
    /// Why it was not done; nothing was changed then.
    pub fn operate(&mut self, uid: u32, act: Act) -> Result<ActReply, Refusal> {
        self.seal();
        self.act(Actor::Operator(uid), act)
    }

    fn act(&mut self, actor: Actor, act: Act) -> Result<ActReply, Refusal> {
        let over = self.book.expire(OVER_AT_ONCE, self.turn.now.wall);
        self.turn.writes.rights.extend(over);
        if self.book.is_over(self.turn.now.wall) {
            self.sweep_later(Sweep::Over);
        }
        if !self.keeping && !matches!(act, Act::Kick(_)) {
            let msg = "it was not done: the server's store cannot be written; try again later";
            return Err(refusal(ErrorKind::Internal, msg));
        }
        match act {
            Act::Kick(against) => self.kick(actor, &against),
            Act::Mute(against, undo) => self.mute(actor, &against, undo),
            Act::Ban(ban, undo) => self.ban(actor, &ban, undo),
            Act::Room(place, private) => self.set_room(actor, &place, private),
            Act::RemoveRoom(place) => self.remove_room(actor, &place),
            Act::Grant { user, role, room } => self.grant_role(actor, &user, role, room.as_ref()),
        }
    }

    /// Where it is to hold: a room that the asker may know of, or the server.
    fn scope(&self, actor: Actor, place: Option<&Place>) -> Result<Scope, Refusal> {
        let Some(place) = place else { return Ok(None) };
        let room = place.0.as_ref().and_then(|name| self.conversations.room(name));
        match room.filter(|room| may(self.stands(actor, Some(*room)), Deed::Know).is_ok()) {
            Some(room) => Ok(Some(room)),
            None => Err(self.no_room(actor, place.0.as_ref())),
        }
    }

    pub(super) fn room_name(&self, scope: Scope) -> Option<String> {
        scope.and_then(|room| Some(self.conversations.get(room)?.room()?.to_string()))
    }

    fn kick(&mut self, actor: Actor, against: &Against) -> Result<ActReply, Refusal> {
        let Against { user, room, reason, .. } = against;
        let scope = self.scope(actor, room.as_ref())?;
        self.allow(actor, scope, Deed::Moderate(self.rank_of(scope, user)))?;
        let sessions = self.sessions_there(user, scope);
        let Some(name) = sessions.first().and_then(|id| self.sessions.get(*id)).map(|s| s.row.name.clone())
        else {
            self.is_meant(user)?;
            return Err(refusal(ErrorKind::NoSuchUser, format!("nobody called {user} is here")));
        };
        self.record(actor, "kick", Some(name.to_string()), scope, None, None, reason);
        let reply =
            ActReply { user: Some(name.to_string()), room: self.room_name(scope), ..ActReply::default() };
        for session in sessions {
            self.throw_out(session, scope, title(actor), reason);
        }
        Ok(reply)
    }

    /// The sessions of a user, or those of them that are in the room.
    pub(super) fn sessions_there(&self, user: &Name, scope: Scope) -> Vec<SessionId> {
        let user = self.sessions.by_name(user);
        let mut sessions = user.map_or_else(Vec::new, |user| self.sessions.of(user).to_vec());
        if let Some(room) = scope {
            sessions.retain(|id| self.sessions.get(*id).is_some_and(|s| s.is_in(room)));
        }
        sessions
    }

    fn mute(&mut self, actor: Actor, against: &Against, undo: Undo) -> Result<ActReply, Refusal> {
        let Against { user, room, for_s, reason } = against;
        let scope = self.scope(actor, room.as_ref())?;
        self.allow(actor, scope, Deed::Moderate(self.rank_of(scope, user)))?;
        if undo == Undo::No {
            self.is_meant(user)?;
        }
        let mute = self.penalty(actor, scope, *for_s, reason, undo)?;
        let until = mute.as_ref().and_then(|p| p.until);
        let change = self.book.set_mute(scope, user, mute);
        let change = change.ok_or_else(|| self.has_nothing(user, "is not muted there"))?;
        self.turn.writes.rights.push(change);
        let did = if undo == Undo::No { "mute" } else { "unmute" };
        self.record(actor, did, Some(user.to_string()), scope, None, until, reason);
        let room = self.room_name(scope);
        Ok(ActReply {
            user: Some(user.to_string()),
            room,
            until: until.map(Timestamp),
            ..ActReply::default()
        })
    }

    fn ban(&mut self, actor: Actor, ban: &Ban, undo: Undo) -> Result<ActReply, Refusal> {
        let Ban { whom, room, for_s, reason } = ban;
        let scope = self.scope(actor, room.as_ref())?;
        let deed = match whom {
            Banned::User(user) => Deed::Moderate(self.rank_of(scope, user)),
            _ if scope.is_some() => {
                let msg = format!("{whom} cannot be banned from a room: only users can; leave the room out");
                return Err(refusal(ErrorKind::Data, msg));
            }
            Banned::Address(range) if range.prefix_len() == 0 && undo == Undo::No => {
                return Err(refusal(ErrorKind::Data, all_addresses(range)));
            }
            _ => Deed::Govern,
        };
        self.allow(actor, scope, deed)?;
        if let (Banned::User(user), Undo::No) = (whom, undo) {
            self.is_meant(user)?;
        }
        let penalty = self.penalty(actor, scope, *for_s, reason, undo)?;
        let until = penalty.as_ref().and_then(|p| p.until);
        let change = self.book.ban(scope, whom, penalty).ok_or_else(|| match whom {
            Banned::User(user) => self.has_nothing(user, "is not banned there"),
            other => refusal(ErrorKind::NoSuchUser, format!("{other} is not banned there")),
        })?;
        self.turn.writes.rights.push(change);
        let (did, shown) = (if undo == Undo::No { "ban" } else { "unban" }, self.room_name(scope));
        let audited = match whom {
            Banned::User(user) => user.to_string(),
            other => other.to_string(),
        };
        self.record(actor, did, Some(audited), scope, None, until, reason);
        let mut reply = ActReply { room: shown, until: until.map(Timestamp), ..ActReply::default() };
        match whom {
            Banned::User(user) => reply.user = Some(user.to_string()),
            Banned::Certificate(fingerprint) => reply.certificate = Some(fingerprint.to_string()),
            Banned::Address(range) => {
                reply.address = Some(range.to_string());
                self.turn.effects.push(Effect::Barred(self.book.barred()));
            }
        }
        if undo == Undo::No {
            self.cut(whom, scope, &format!("{} has banned you and", title(actor)), reason);
        }
        Ok(reply)
    }

    fn set_room(&mut self, actor: Actor, place: &Place, private: bool) -> Result<ActReply, Refusal> {
        let known = place.0.as_ref().is_some_and(|name| self.conversations.room(name).is_some());
        let room = match (&place.0, actor) {
            (Some(name), Actor::Operator(_)) if !known && private => {
                self.is_not_going(name, |_| true)?;
                let room = self.conversations.open_room(name).map_err(|twin| {
                    let msg = format!("the room {name} looks like the room {}: take another name", twin.0);
                    refusal(ErrorKind::NameTaken, msg)
                })?;
                self.turn.writes.conversations.push((room, ConversationKind::Room(name.clone())));
                room
            }
            _ => self.scope(actor, Some(place))?.ok_or_else(|| not_to_enter(None))?,
        };
        self.allow(actor, Some(room), Deed::Govern)?;
        let change = self.book.set_private(room, private);
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
        self.allow(actor, Some(room), Deed::Govern)?;
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
        self.allow(actor, scope, Deed::Grant(self.rank_of(scope, user), role))?;
        if role.is_some() {
            self.is_meant(user)?;
            self.has_room(actor, scope)?;
        }
        let by = match self.by(actor) {
            Some(By::User(name)) => Some(name),
            _ => None,
        };
        let change = self.book.grant(scope, user, role, by.as_ref());
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

    /// How a mute or a ban is written down; `None`: it is taken back.
    fn penalty(
        &self,
        actor: Actor,
        scope: Scope,
        for_s: Option<u64>,
        reason: &str,
        undo: Undo,
    ) -> Result<Option<Penalty>, Refusal> {
        if undo == Undo::Yes {
            return Ok(None);
        }
        self.has_room(actor, scope)?;
        let since = self.turn.now.wall;
        let until = for_s.map(|s| since.saturating_add(s.saturating_mul(1000)));
        let by = self.by(actor).map(|by| by.to_string()).unwrap_or_default();
        Ok(Some(Penalty { until, reason: reason.into(), by: by.into(), since, share: None }))
    }

    /// Is there room for one more line in the book?
    fn has_room(&self, actor: Actor, scope: Scope) -> Answer {
        let (Actor::Session(session), Some(room)) = (actor, scope) else { return Ok(()) };
        let Some(session) = self.sessions.get(session) else { return Ok(()) };
        if self.stands(actor, None).rank >= Rank::ServerModerator {
            return Ok(());
        }
        let (whose, most) = if self.book.len_in(room) >= MOST_IN_ROOM {
            ("a room holds", MOST_IN_ROOM)
        } else if self.book.len_by(&session.key) >= MOST_OF_USER {
            ("a user may write down", MOST_OF_USER)
        } else if self.book.len_by_users() >= MOST_IN_ROOMS {
            ("all rooms together hold", MOST_IN_ROOMS)
        } else {
            return Ok(());
        };
        Err(refusal(ErrorKind::Data, format!("{whose} {most} grants, mutes and bans: take some back")))
    }

    /// A line for the audit log. While the store fails it waits until it can be written.
    #[allow(clippy::too_many_arguments, reason = "the columns of one line")]
    fn record(
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
            at: self.turn.now.wall,
            by,
            did: did.into(),
            whom: whom.map(Into::into),
            room: self.room_name(scope).map(Into::into),
            what: what.map(Into::into),
            until,
            reason: reason.into(),
        };
        if self.keeping {
            self.turn.audited.push(audit.clone());
            self.turn.writes.audit.push(audit);
        } else {
            self.unaudited.push(audit);
        }
    }
}

/// Why nobody is banned with all the others. What may have been banned before can still be taken back.
fn all_addresses(range: &IpNet) -> String {
    format!(
        "{range} is every address, so nobody could come in again: ban a smaller range. To let only registered users \
         in, set auth.mode = \"accounts\"; to let only this host in, listen.address = \"127.0.0.1:3000\""
    )
}

fn title(actor: Actor) -> &'static str {
    match actor {
        Actor::Operator(_) => "an operator",
        Actor::Session(_) => "a moderator",
    }
}
