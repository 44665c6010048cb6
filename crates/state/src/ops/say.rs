//! Owns MSG: finds its conversation, and recognises a resend (`deduplication`). Called by [`State::apply`]. Never
//! numbers or encodes: the turn does when it is sealed.

use crate::deduplication::Earlier;
use crate::open_turn::Said;
use crate::permissions::authorize::Permission;
use crate::users::addressed::no_such_user;
use crate::{
    Answer, Caller, ConversationId, ConversationKind, Done, Past, Refusal, Resent, ResentTo, SessionId,
    State, UserId, refusal,
};
use tcp_chat_protocol::request::{Place, Target};
use tcp_chat_protocol::{ErrorKind, Name, RequestId, Seq};

/// The target of a MSG.
enum Destination {
    /// To a room.
    Room(ConversationId),
    /// To a user, with the name as that user has typed it.
    User(UserId, Name),
    /// A resend: this id was used before, for this message of this conversation.
    Resend(RequestId, ConversationId, Seq),
    /// A resend of a message in this turn that has no number yet.
    ResendUnsealed,
}

impl State {
    /// Adds a message to the turn, or answers a resend.
    pub(crate) fn say(
        &mut self,
        caller: Caller<'_>,
        target: &Target,
        json: Box<str>,
        past: Past,
    ) -> Answer<Done> {
        let Caller { origin, session, id } = caller;
        let destination = match self.check_say(session, id, target, &past)? {
            Destination::ResendUnsealed => {
                self.seal();
                self.check_say(session, id, target, &past)?
            }
            destination => destination,
        };
        let (conversation, to) = match destination {
            Destination::Resend(id, conversation, seq) => {
                self.seal();
                let target = self.resent_to(target, session, (conversation, seq));
                return Ok(Done::Resent(Box::new(Resent { id, conversation, seq, target, json })));
            }
            Destination::Room(room) => (room, None),
            Destination::User(theirs, name) => (self.direct_with(session, theirs), Some(name)),
            // All messages of the turn have numbers now.
            Destination::ResendUnsealed => {
                return Err(refusal(ErrorKind::Internal, "this message is just being sent: try again"));
            }
        };
        let Some(held) = self.sessions.note_id(session, id) else { return Ok(Done::Other) };
        let (author, user, color) = (held.row.user, held.row.name.clone(), held.row.color);
        if let Some(id) = id {
            self.turn.note_unsealed(session, id);
        }
        let said = Said { at: origin, session, id: id.cloned(), author, user, color, to, json };
        self.gather(conversation, said);
        Ok(Done::Said)
    }

    /// Would a MSG be kept now as a new message?
    #[must_use]
    pub fn would_keep(
        &self,
        session: SessionId,
        id: Option<&RequestId>,
        target: &Target,
        past: Past,
    ) -> bool {
        matches!(self.check_say(session, id, target, &past), Ok(Destination::Room(_) | Destination::User(..)))
    }

    /// The target of a MSG, if the session may send it there.
    fn check_say(
        &self,
        session: SessionId,
        id: Option<&RequestId>,
        target: &Target,
        past: &Past,
    ) -> Answer<Destination> {
        if let Some(id) = id {
            match self.sent_before(session, id, past)? {
                Earlier::None => {}
                Earlier::Kept(conversation, seq) => {
                    return Ok(Destination::Resend(id.clone(), conversation, seq));
                }
                Earlier::Unsealed => return Ok(Destination::ResendUnsealed),
            }
        }
        let destination = match target {
            Target::Default => {
                let first = self.rules.default_rooms.first();
                let first =
                    first.ok_or_else(|| refusal(ErrorKind::NoSuchRoom, "name a room: none is configured"))?;
                Destination::Room(self.room_named(session, Some(first), Permission::Write)?)
            }
            Target::Room(place) => Destination::Room(self.room_for(session, place, Permission::Write)?),
            Target::User(place) => {
                self.may_send_direct(session)?;
                let (theirs, name) = self.addressee(session, place)?;
                Destination::User(theirs, name)
            }
        };
        if *past == Past::Unwritable {
            let msg = "the message was not kept: the server's store cannot be written; try again later";
            return Err(refusal(ErrorKind::Internal, msg));
        }
        Ok(destination)
    }

    /// The target of a resend, to be compared with the target of the message that was kept. If the name now belongs to
    /// another room or user, the targets differ. No name means the default room at the time of that message.
    fn resent_to(
        &self,
        target: &Target,
        session: SessionId,
        (first, seq): (ConversationId, Seq),
    ) -> ResentTo {
        let room = |name: Option<&Name>| {
            let now = name.and_then(|name| self.conversations.room(name));
            ResentTo::Room(name.filter(|_| now.is_none_or(|now| now == first)).map(Name::key))
        };
        match target {
            Target::Default => {
                let named = self.conversations.get(first).and_then(|conversation| conversation.room());
                ResentTo::Room(named.filter(|_| self.is_default_room(first, seq)).map(Name::key))
            }
            Target::Room(place) => room(place.0.as_ref()),
            Target::User(place) => {
                let mine = self.sessions.get(session).map_or(UserId(session.0), |me| me.row.user);
                let is_another = self
                    .user(place)
                    .is_ok_and(|(now, _)| self.conversations.direct(mine, now) != Some(first));
                ResentTo::User(place.0.as_ref().filter(|_| !is_another).map(Name::key))
            }
        }
    }

    /// The recipient of a direct message, and the name as that user has typed it.
    fn addressee(&self, session: SessionId, place: &Place) -> Result<(UserId, Name), Refusal> {
        let (theirs, name) = self.user(place)?;
        let is_proven = self.sessions.get(session).is_some_and(|me| me.is_proven);
        // An unregistered user cannot write to an absent user: the conversation would end with the author's session.
        if !is_proven && self.sessions.of(theirs).is_empty() {
            return Err(no_such_user(place));
        }
        Ok((theirs, name))
    }

    /// The direct messages with a user; the first message opens the conversation.
    fn direct_with(&mut self, session: SessionId, theirs: UserId) -> ConversationId {
        let mine = self.sessions.get(session).map_or(theirs, |me| me.row.user);
        if let Some(known) = self.conversations.direct(mine, theirs) {
            return known;
        }
        let id = self.conversations.open_direct(mine, theirs);
        let kind = ConversationKind::Direct(mine.min(theirs), mine.max(theirs));
        self.turn.writes.conversations.push((id, kind));
        id
    }
}

pub(crate) fn no_such_room(name: Option<&Name>) -> Refusal {
    refusal(
        ErrorKind::NoSuchRoom,
        match name {
            Some(name) => format!("there is no room {name}: JOIN it to open it"),
            None => "no room can have that name".to_owned(),
        },
    )
}
