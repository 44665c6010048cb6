//! Owns REDACT: the text of a stored message is removed. Called by `action`. The state has no messages: the proposer of
//! the turn looks for the one in its store ([`StoredMessage`]). Never changes a stored line: the store does.

use crate::permissions::authorize::{Permission, authorize};
use crate::permissions::checks::Actor;
use crate::{
    Answer, Audience, By, Change, ConversationId, ConversationKind, Past, Redacted, Redaction, Refusal,
    SessionId, State, StoredMessage, UserId, refusal,
};
use tcp_chat_protocol::request::{Conversation, Place, Redact};
use tcp_chat_protocol::{ErrorKind, Name, reply::ActReply};

/// The conversation of the message, and what the actor is there.
struct At {
    conversation: ConversationId,
    /// Of direct messages: the other user, with the name as that user has it.
    with: Option<(UserId, Name)>,
    /// May the actor redact messages of other authors?
    is_moderator: bool,
}

impl State {
    /// Removes the text of a message. One whose text was removed already stays as it is.
    pub(crate) fn redact(&mut self, actor: Actor, redact: &Redact, past: Past) -> Answer<ActReply> {
        let Redact { of, seq, reason } = redact;
        let at = match of {
            Conversation::Room(place) => self.redacts_in_room(actor, place)?,
            Conversation::With(place) => self.redacts_direct(actor, place)?,
        };
        let message = match past {
            Past::Message(message) if message.conversation == at.conversation && *seq >= self.oldest => {
                message
            }
            Past::Unknown => {
                let msg = "the server's store cannot be read: the message was not redacted; try again";
                return Err(refusal(ErrorKind::Internal, msg));
            }
            _ => return Err(refusal(ErrorKind::Data, format!("`seq`: there is no message {seq}"))),
        };
        if !at.is_moderator {
            self.may_redact_own(actor, &message)?;
        }
        let room = self.room_name(Some(at.conversation));
        let with = at.with.as_ref().map(|(_, name)| name.to_string());
        let reply = ActReply { room, with, seq: Some(*seq), ..ActReply::default() };
        if message.is_redacted || !self.turn.redact(*seq) {
            return Ok(reply);
        }
        let by = self.by(actor).and_then(|by| match by {
            By::User(name) => Some(name),
            By::Operator(_) => None,
        });
        let reason: Box<str> = reason.as_str().into();
        self.turn.writes.redactions.push(Redaction { seq: *seq, by: by.clone(), reason: reason.clone() });
        let scope = at.with.is_none().then_some(at.conversation);
        self.record(actor, "redact", None, scope, Some(&format!("message {seq}")), None, &reason);
        let conversation = self.conversations.get(at.conversation);
        let audience = match conversation.map(|conversation| &conversation.kind) {
            Some(ConversationKind::Direct(a, b)) => Audience::Users(*a, *b),
            _ => Audience::Room(at.conversation),
        };
        let room = conversation.and_then(|conversation| conversation.room()).cloned();
        let direct = at.with.map(|(_, to)| to).zip(by.clone());
        let conversation = at.conversation;
        let redacted = Redacted { conversation, audience, room, direct, seq: *seq, by, reason };
        self.report(Change::Redacted(Box::new(redacted)));
        Ok(reply)
    }

    fn redacts_in_room(&self, actor: Actor, place: &Place) -> Answer<At> {
        let at = |conversation, is_moderator| At { conversation, with: None, is_moderator };
        let room = self.scope(actor, Some(place))?;
        let Some(room) = room else { return Err(self.no_room(actor, place.0.as_ref())) };
        if authorize(self.subject_of(actor, Some(room)), Permission::Redact).is_ok() {
            return Ok(at(room, true));
        }
        self.allow(actor, Some(room), Permission::Read)?;
        Ok(at(room, false))
    }

    /// Direct messages have no moderator.
    fn redacts_direct(&self, actor: Actor, place: &Place) -> Answer<At> {
        let Actor::Session(session) = actor else {
            let msg = "`with`: operators redact messages in rooms";
            return Err(refusal(ErrorKind::Data, msg));
        };
        let (theirs, name) = self.user(place)?;
        let mine = self.user_of(session);
        let conversation = mine.and_then(|mine| self.conversations.direct(mine, theirs));
        // Without a conversation there is no message either.
        let conversation = conversation.unwrap_or(ConversationId(0));
        Ok(At { conversation, with: Some((theirs, name)), is_moderator: false })
    }

    fn user_of(&self, session: SessionId) -> Option<UserId> {
        self.sessions.get(session).map(|held| held.row.user)
    }

    /// May the session redact this message because it is its own?
    fn may_redact_own(&self, actor: Actor, message: &StoredMessage) -> Result<(), Refusal> {
        let Actor::Session(session) = actor else { return Ok(()) };
        let is_own = message.author.is_some() && message.author == self.user_of(session);
        let limit = self.rules.redact_ms;
        let age = self.turn.time().saturating_sub(message.ts);
        let msg = if !is_own {
            "that is for the author of the message, and for moderators"
        } else if limit == 0 {
            "this server does not let authors redact their messages: ask a moderator"
        } else if age > limit {
            "the message is too old for its author to redact it: ask a moderator"
        } else {
            return Ok(());
        };
        Err(refusal(ErrorKind::Forbidden, msg))
    }
}
