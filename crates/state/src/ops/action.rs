//! Owns what all moderation actions share: which op carries one out, in which scope it holds, whether its author has
//! quota left, and its line in the audit log. Called by [`State::apply`], for users and for operators. Never
//! decides whether an action is permitted: `permissions::checks` does.

use crate::permissions::authorize::{Permission, Rank, authorize};
use crate::permissions::checks::Actor;
use crate::{Answer, Audit, Caller, Done, Past, Refusal, Scope, State, refusal};
use tcp_chat_protocol::ErrorKind;
use tcp_chat_protocol::reply::ActReply;
use tcp_chat_protocol::request::{Action, Place};

/// Grants, mutes and bans that users may store in one room. Operators and moderators of the server are not bound by
/// this limit and the next ones.
const MOST_IN_ROOM: usize = 1_000;
/// The same for all rooms together,
const MOST_IN_ROOMS: usize = 20_000;
/// and for one user.
const MOST_OF_USER: usize = 2_000;
/// The number of ended mutes and bans that are removed before an action; the others are removed later.
const OVER_AT_ONCE: usize = 16;

impl State {
    /// A user moderates.
    pub(crate) fn act_as_user(&mut self, caller: Caller<'_>, action: &Action, past: Past) -> Answer<Done> {
        let done = self.act(Actor::Session(caller.session), action, past);
        done.map(|data| Done::Acted(Box::new(data)))
    }

    /// An operator moderates: the system's user of that number.
    ///
    /// # Errors
    /// The refusal; nothing was changed.
    pub(crate) fn operate(&mut self, uid: u32, action: &Action, past: Past) -> Result<ActReply, Refusal> {
        self.seal();
        self.act(Actor::Operator(uid), action, past)
    }

    fn act(&mut self, actor: Actor, action: &Action, past: Past) -> Result<ActReply, Refusal> {
        let over = self.permissions.expire(OVER_AT_ONCE, self.turn.time());
        self.turn.writes.permissions.extend(over);
        self.sweep_ended_penalties();
        match action {
            Action::Kick(against) => self.kick(actor, against),
            Action::Mute(against) => self.mute(actor, against),
            Action::Unmute(against) => self.unmute(actor, against),
            Action::Ban(against) => self.ban(actor, against),
            Action::Unban(against) => self.unban(actor, against),
            Action::Room { room, private } => self.set_room(actor, room, *private),
            Action::Topic { room, topic } => self.set_topic(actor, room, topic),
            Action::Redact(redact) => self.redact(actor, redact, past),
            Action::RedactNumber { seq, reason } => self.redact_number(actor, *seq, reason, past),
            Action::RemoveRoom(room) => self.remove_room(actor, room),
            Action::Grant { user, role, room } => self.grant_role(actor, user, *role, room.as_ref()),
        }
    }

    /// The scope: a room that the author may know of, or the server.
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

    /// Refuses a grant, mute or ban beyond the quota of its author or room.
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
            at: self.turn.time(),
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

/// The name of the actor, as the users concerned are told.
pub(crate) fn title(actor: Actor) -> &'static str {
    match actor {
        Actor::Operator(_) => "an operator",
        Actor::Session(_) => "a moderator",
    }
}
