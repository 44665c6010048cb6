//! Owns the questions of the ops: which [`Subject`] a session is in a room or on the server, whether it may do
//! something there, and the sentence of the refusal. Called by every op. Never decides: `authorize` does.

use crate::ops::say::no_such_room;
use crate::permissions::authorize::{Denial, Permission, Rank, Subject, authorize};
use crate::permissions::records::Penalty;
use crate::{By, ConversationId, Presented, Refusal, Scope, SessionId, State, refusal};
use tcp_chat_protocol::request::Place;
use tcp_chat_protocol::{ErrorKind, Fingerprint, Name, NameKey, Timestamp};

/// A session in at most so many rooms searches its own list.
const FEW_ROOMS: usize = 8;

/// The author of a request or command.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Actor {
    Session(SessionId),
    Operator(u32),
}

impl State {
    /// The subject that a session is in a room.
    pub(crate) fn subject(&self, session: SessionId, room: ConversationId) -> Subject {
        match self.sessions.get(session) {
            Some(s) => {
                let conversation = self.conversations.get(room);
                let is_in = conversation.is_some_and(|c| {
                    // The two say the same. Most sessions are in few rooms, and a short list is searched faster.
                    let is_member = match s.rooms.len() {
                        ..=FEW_ROOMS => s.is_in(room),
                        _ => c.members.contains(s.row.user, session),
                    };
                    is_member && !c.members.is_lost(session)
                });
                self.permissions.in_room(room, &s.key, s.is_proven, is_in, self.turn.time())
            }
            None => {
                Subject { role: None, rank: Rank::Nobody, is_in: false, is_banned: false, is_muted: false }
            }
        }
    }

    /// The subject that an actor is in a room, or on the server as a whole.
    pub(crate) fn subject_of(&self, actor: Actor, scope: Scope) -> Subject {
        match (actor, scope) {
            (Actor::Operator(_), _) => Subject::OPERATOR,
            (Actor::Session(session), Some(room)) => self.subject(session, room),
            (Actor::Session(session), None) => match self.sessions.get(session) {
                Some(s) => self.permissions.on_server(&s.key, s.is_proven, self.turn.time()),
                None => Subject {
                    role: None,
                    rank: Rank::Nobody,
                    is_in: false,
                    is_banned: false,
                    is_muted: false,
                },
            },
        }
    }

    /// The rank of a user there. The grants of the name count, unless the user's sessions have not proven it.
    pub(crate) fn rank_of(&self, scope: Scope, user: &Name) -> Rank {
        let here = self.sessions.by_name(user).and_then(|user| self.sessions.first_of(user));
        let is_proven = here.is_none_or(|session| session.is_proven);
        self.permissions.rank(scope, &user.key(), is_proven)
    }

    /// The room that a request names, if the session has that permission there.
    pub(crate) fn room_for(
        &self,
        session: SessionId,
        place: &Place,
        permission: Permission,
    ) -> Result<ConversationId, Refusal> {
        self.room_named(session, place.0.as_ref(), permission)
    }

    /// The room of this name, if the session has that permission there. `None`: the text of the request cannot be a name.
    pub(crate) fn room_named(
        &self,
        session: SessionId,
        name: Option<&Name>,
        permission: Permission,
    ) -> Result<ConversationId, Refusal> {
        let room = name.and_then(|name| self.conversations.room(name));
        let room = room.ok_or_else(|| self.no_room(Actor::Session(session), name))?;
        authorize(self.subject(session, room), permission).map_err(|no| {
            match (no, self.sessions.get(session)) {
                (Denial::Unknown, _) | (_, None) => no_such_room(name),
                (no, Some(s)) => self.refused(no, Some(room), &s.key),
            }
        })?;
        Ok(room)
    }

    /// The refusal for an unknown room. It names a look-alike, unless that is hidden.
    pub(crate) fn no_room(&self, actor: Actor, name: Option<&Name>) -> Refusal {
        let twin = name.and_then(|name| self.conversations.twin(name));
        let twin =
            twin.filter(|twin| authorize(self.subject_of(actor, Some(*twin)), Permission::Know).is_ok());
        match (name, twin.and_then(|twin| self.conversations.get(twin)?.room())) {
            (Some(name), Some(twin)) => refusal(
                ErrorKind::NoSuchRoom,
                format!("there is no room {name}: the room {twin} only looks the same"),
            ),
            (Some(name), None) if matches!(actor, Actor::Operator(_)) => refusal(
                ErrorKind::NoSuchRoom,
                format!("there is no room {name}: `tcp-chatd rooms` lists those that are there"),
            ),
            _ => no_such_room(name),
        }
    }

    /// Refuses the actor if it does not have the permission there.
    pub(crate) fn allow(&self, actor: Actor, scope: Scope, permission: Permission) -> Result<(), Refusal> {
        authorize(self.subject_of(actor, scope), permission).map_err(|no| match actor {
            Actor::Session(session) => match self.sessions.get(session) {
                Some(s) => self.refused(no, scope, &s.key),
                None => no_such_room(None),
            },
            Actor::Operator(_) => refusal(ErrorKind::Forbidden, "not even an operator may do that"),
        })
    }

    /// May the session send direct messages?
    pub(crate) fn may_send_direct(&self, session: SessionId) -> Result<(), Refusal> {
        self.allow(Actor::Session(session), None, Permission::SendDirect)
    }

    /// May a login of that name join the room, which it spelled `asked`?
    pub(crate) fn may_enter(
        &self,
        room: ConversationId,
        asked: &Name,
        user: &NameKey,
        is_proven: bool,
    ) -> Result<(), Refusal> {
        let subject = self.permissions.in_room(room, user, is_proven, false, self.turn.time());
        authorize(subject, Permission::Enter).map_err(|no| match no {
            Denial::Unknown => not_to_enter(Some(asked)),
            no => self.refused(no, Some(room), user),
        })
    }

    /// Refuses a name or a certificate that is banned from the server.
    pub(crate) fn is_not_banned(&self, name: &Name, shown: Option<&Presented>) -> Result<(), Refusal> {
        let shown = shown.map(|shown| Fingerprint(shown.certificate.key.0));
        match self.permissions.ban_of(&name.key(), shown.as_ref(), self.turn.time()) {
            Some(ban) => Err(penalised(&format!("{name} is banned"), Some(ban))),
            None => Ok(()),
        }
    }

    /// The refusal, for the author of the request.
    pub(crate) fn refused(&self, no: Denial, scope: Scope, user: &NameKey) -> Refusal {
        let room = scope.and_then(|room| self.conversations.get(room)?.room());
        let shown = room.map_or_else(|| "the server".to_owned(), |room| format!("the room {room}"));
        let now = self.turn.time();
        let msg = match no {
            Denial::Unknown => return not_to_enter(None),
            Denial::NotIn => {
                return refusal(ErrorKind::NotAMember, format!("you are not in {shown}: JOIN it first"));
            }
            Denial::Banned => {
                let ban = scope.and_then(|room| self.permissions.ban_in(room, user, now));
                return penalised(&format!("you are banned from {shown}"), ban);
            }
            Denial::Muted => return penalised("you are muted", self.permissions.mute(scope, user, now)),
            Denial::ReadOnly if scope.is_none() => "you may read on this server, and not write".to_owned(),
            Denial::ReadOnly => format!("you may read in {shown}, and not write"),
            Denial::ForModerators => format!("that is for the moderators and owners of {shown}"),
            Denial::ForOwners => format!("that is for the owners of {shown}"),
            Denial::NotAbove => format!("that user stands as high in {shown} as you, or higher"),
        };
        refusal(ErrorKind::Forbidden, msg)
    }

    /// The author, for the audit log.
    pub(crate) fn by(&self, actor: Actor) -> Option<By> {
        match actor {
            Actor::Operator(uid) => Some(By::Operator(uid)),
            Actor::Session(session) => Some(By::User(self.sessions.get(session)?.row.name.clone())),
        }
    }
}

/// The refusal for a room that cannot be joined, the same for a hidden and an unknown one.
pub(crate) fn not_to_enter(name: Option<&Name>) -> Refusal {
    match name {
        Some(name) => refusal(ErrorKind::NoSuchRoom, format!("there is no room {name} that you may enter")),
        None => no_such_room(None),
    }
}

/// The refusal for a mute or a ban: its end, and its reason.
pub(crate) fn penalised(what: &str, penalty: Option<&Penalty>) -> Refusal {
    let until = penalty.and_then(|p| p.until).map(Timestamp);
    let mut msg = match until {
        Some(until) => format!("{what} until {until}"),
        None => what.to_owned(),
    };
    if let Some(reason) = penalty.map(|p| &*p.reason).filter(|reason| !reason.is_empty()) {
        msg.push_str(": ");
        msg.push_str(reason);
    }
    let mut refusal = refusal(ErrorKind::Forbidden, msg);
    refusal.until = until;
    refusal
}
