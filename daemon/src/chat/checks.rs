//! Owns the asking: how a session stands to a room or to the server, whether it may do something
//! there, and the sentence where it may not. Every op comes through here. Never decides: `rights`
//! does, from what the book says.

use super::order::Penalty;
use super::rights::{Deed, No, Rank, Standing, may};
use super::talk::no_such_room;
use super::{By, Chat, ConversationId, Presented, Refusal, Scope, SessionId, refusal};
use tcp_chat_protocol::request::Place;
use tcp_chat_protocol::{ErrorKind, Fingerprint, Name, NameKey, Timestamp};

/// Who wants something.
#[derive(Debug, Clone, Copy)]
pub(super) enum Actor {
    Session(SessionId),
    Operator(u32),
}

impl Chat {
    /// How a session stands to a room.
    pub(super) fn standing(&self, session: SessionId, room: ConversationId) -> Standing {
        match self.sessions.get(session) {
            Some(s) => {
                let conversation = self.conversations.get(room);
                let is_in = conversation
                    .is_some_and(|c| c.members.contains(s.row.user, session) && !c.members.is_lost(session));
                self.book.in_room(room, &s.key, s.proven, is_in, self.turn.time)
            }
            None => {
                Standing { role: None, rank: Rank::Nobody, is_in: false, is_banned: false, is_muted: false }
            }
        }
    }

    /// How somebody stands to a room, or to the server as a whole.
    pub(super) fn stands(&self, actor: Actor, scope: Scope) -> Standing {
        match (actor, scope) {
            (Actor::Operator(_), _) => Standing::OPERATOR,
            (Actor::Session(session), Some(room)) => self.standing(session, room),
            (Actor::Session(session), None) => match self.sessions.get(session) {
                Some(s) => self.book.on_server(&s.key, s.proven, self.turn.time),
                None => Standing {
                    role: None,
                    rank: Rank::Nobody,
                    is_in: false,
                    is_banned: false,
                    is_muted: false,
                },
            },
        }
    }

    /// How high a user stands there. The name counts for what it was granted unless those who have it
    /// now have not proven it.
    pub(super) fn rank_of(&self, scope: Scope, user: &Name) -> Rank {
        let here = self.sessions.by_name(user).and_then(|user| self.sessions.first_of(user));
        let is_proven = here.is_none_or(|session| session.proven);
        self.book.rank(scope, &user.key(), is_proven)
    }

    /// The room, if the session may do that there.
    pub(super) fn room_for(
        &self,
        session: SessionId,
        place: &Place,
        deed: Deed,
    ) -> Result<ConversationId, Refusal> {
        let name = place.0.as_ref();
        let room = name.and_then(|name| self.conversations.room(name));
        let room = room.ok_or_else(|| self.no_room(Actor::Session(session), name))?;
        may(self.standing(session, room), deed).map_err(|no| match (no, self.sessions.get(session)) {
            (No::Unknown, _) | (_, None) => no_such_room(name),
            (no, Some(s)) => self.refused(no, Some(room), &s.key),
        })?;
        Ok(room)
    }

    /// There is no room of this name. One that looks the same is named, unless it is hidden.
    pub(super) fn no_room(&self, actor: Actor, name: Option<&Name>) -> Refusal {
        let twin = name.and_then(|name| self.conversations.twin(name));
        let twin = twin.filter(|twin| may(self.stands(actor, Some(*twin)), Deed::Know).is_ok());
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

    /// May somebody do that there?
    pub(super) fn allow(&self, actor: Actor, scope: Scope, deed: Deed) -> Result<(), Refusal> {
        may(self.stands(actor, scope), deed).map_err(|no| match actor {
            Actor::Session(session) => match self.sessions.get(session) {
                Some(s) => self.refused(no, scope, &s.key),
                None => no_such_room(None),
            },
            Actor::Operator(_) => refusal(ErrorKind::Forbidden, "not even an operator may do that"),
        })
    }

    /// May the session send direct messages?
    pub(super) fn may_whisper(&self, session: SessionId) -> Result<(), Refusal> {
        self.allow(Actor::Session(session), None, Deed::Whisper)
    }

    /// Whether a login of that name may enter the room, which it called `asked`.
    pub(super) fn may_enter(
        &self,
        room: ConversationId,
        asked: &Name,
        user: &NameKey,
        is_proven: bool,
    ) -> Result<(), Refusal> {
        let standing = self.book.in_room(room, user, is_proven, false, self.turn.time);
        may(standing, Deed::Enter).map_err(|no| match no {
            No::Unknown => not_to_enter(Some(asked)),
            no => self.refused(no, Some(room), user),
        })
    }

    /// May somebody of that name, with that certificate, come in at all?
    pub(super) fn is_not_banned(&self, name: &Name, shown: Option<&Presented>) -> Result<(), Refusal> {
        let shown = shown.map(|shown| Fingerprint(shown.certificate.key.0));
        match self.book.ban_of(&name.key(), shown.as_ref(), self.turn.time) {
            Some(ban) => Err(penalised(&format!("{name} is banned"), Some(ban))),
            None => Ok(()),
        }
    }

    /// Why not, for the one who asked.
    pub(super) fn refused(&self, no: No, scope: Scope, user: &NameKey) -> Refusal {
        let room = scope.and_then(|room| self.conversations.get(room)?.room());
        let shown = room.map_or_else(|| "the server".to_owned(), |room| format!("the room {room}"));
        let now = self.turn.time;
        let msg = match no {
            No::Unknown => return not_to_enter(None),
            No::NotIn => {
                return refusal(ErrorKind::NotAMember, format!("you are not in {shown}: JOIN it first"));
            }
            No::Banned => {
                let ban = scope.and_then(|room| self.book.ban_in(room, user, now));
                return penalised(&format!("you are banned from {shown}"), ban);
            }
            No::Muted => return penalised("you are muted", self.book.mute(scope, user, now)),
            No::ReadOnly if scope.is_none() => "you may read on this server, and not write".to_owned(),
            No::ReadOnly => format!("you may read in {shown}, and not write"),
            No::ForModerators => format!("that is for the moderators and owners of {shown}"),
            No::ForOwners => format!("that is for the owners of {shown}"),
            No::NotAbove => format!("that user stands as high in {shown} as you, or higher"),
        };
        refusal(ErrorKind::Forbidden, msg)
    }

    /// Who it was, for the audit log.
    pub(super) fn by(&self, actor: Actor) -> Option<By> {
        match actor {
            Actor::Operator(uid) => Some(By::Operator(uid)),
            Actor::Session(session) => Some(By::User(self.sessions.get(session)?.row.name.clone())),
        }
    }
}

/// What is said of a room that may not be entered, whether it is there or not.
pub(super) fn not_to_enter(name: Option<&Name>) -> Refusal {
    match name {
        Some(name) => refusal(ErrorKind::NoSuchRoom, format!("there is no room {name} that you may enter")),
        None => no_such_room(None),
    }
}

/// A refusal because of a mute or a ban: until when, and why.
pub(super) fn penalised(what: &str, penalty: Option<&Penalty>) -> Refusal {
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
