//! Owns REDACT: the text of a stored message is removed. Called by `action`. The state has no messages: the proposer of
//! the turn looks for the one in its store ([`StoredMessage`]). Never changes a stored line: the store does.

use crate::permissions::authorize::{Permission, authorize};
use crate::permissions::checks::Actor;
use crate::{
    Answer, Audience, By, Change, ConversationId, ConversationKind, Past, Redacted, Redaction, Refusal,
    SessionId, State, StoredMessage, UserId, refusal,
};
use tcp_chat_protocol::request::{Conversation, Place, Redact};
use tcp_chat_protocol::{ErrorKind, Name, Seq, reply::ActReply};

/// The conversation of the message, and what the actor is there.
struct At {
    conversation: ConversationId,
    /// Of direct messages: the other user, as the reply names it.
    with: Option<Name>,
    /// May the actor redact messages of other authors?
    is_moderator: bool,
}

impl State {
    /// Removes the text of a message. One whose text was removed already stays as it is.
    pub(crate) fn redact(&mut self, actor: Actor, redact: &Redact, past: Past) -> Answer<ActReply> {
        let Redact { of, seq, reason } = redact;
        let at = match of {
            Conversation::Room(place) => self.redacts_in_room(actor, place)?,
            Conversation::With(place) => self.redacts_direct(actor, place, &past)?,
        };
        self.redact_at(actor, at, *seq, reason, past)
    }

    /// The same by the number alone, for an operator.
    pub(crate) fn redact_number(
        &mut self,
        actor: Actor,
        seq: Seq,
        reason: &str,
        past: Past,
    ) -> Answer<ActReply> {
        if !matches!(actor, Actor::Operator(_)) {
            return Err(refusal(ErrorKind::Data, "`room` or `with`: missing"));
        }
        let conversation = match &past {
            Past::Message(message) => message.conversation,
            // Without a message there is no conversation either.
            _ => ConversationId(0),
        };
        self.redact_at(actor, At { conversation, with: None, is_moderator: true }, seq, reason, past)
    }

    fn redact_at(&mut self, actor: Actor, at: At, seq: Seq, reason: &str, past: Past) -> Answer<ActReply> {
        let At { conversation: id, with, is_moderator } = at;
        let there = self.conversations.get(id);
        let (message, there) = match (past, there) {
            (Past::Message(message), Some(there)) if message.conversation == id && seq >= self.oldest => {
                (message, there)
            }
            (Past::Unknown, _) => {
                let msg = "the server's store cannot be read: the message was not redacted; try again";
                return Err(refusal(ErrorKind::Internal, msg));
            }
            _ => return Err(refusal(ErrorKind::Data, format!("`seq`: there is no message {seq}"))),
        };
        if !is_moderator {
            self.may_redact_own(actor, &message)?;
        }
        let room = there.room().cloned();
        let (audience, scope) = match there.kind {
            ConversationKind::Direct(a, b) => (Audience::Users(a, b), None),
            ConversationKind::Room(_) => (Audience::Room(id), Some(id)),
        };
        let (with, reply_room) = (with.map(|name| name.to_string()), room.as_ref().map(Name::to_string));
        let reply = ActReply { room: reply_room, with, seq: Some(seq), ..ActReply::default() };
        if message.is_redacted || !self.turn.redact(seq) {
            return Ok(reply);
        }
        let by = self.by(actor).and_then(|by| match by {
            By::User(name) => Some(name),
            By::Operator(_) => None,
        });
        let reason: Box<str> = reason.into();
        self.turn.writes.redactions.push(Redaction { seq, by: by.clone(), reason: reason.clone() });
        let what = if scope.is_some() { "message" } else { "direct message" };
        self.record(actor, "redact", None, scope, Some(&format!("{what} {seq}")), None, &reason);
        let direct = message.direct.filter(|_| scope.is_none()).map(|names| (names.1, names.0));
        self.report(Change::Redacted(Box::new(Redacted {
            conversation: id,
            audience,
            room,
            direct,
            seq,
            by,
            reason,
            is_erased: false,
        })));
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

    /// Direct messages have no moderator. Their conversation is that of the found message: the other user may be gone.
    fn redacts_direct(&self, actor: Actor, place: &Place, past: &Past) -> Answer<At> {
        let Actor::Session(session) = actor else {
            let msg = "`with`: operators name a direct message by its number alone";
            return Err(refusal(ErrorKind::Data, msg));
        };
        let mine = self.user_of(session);
        let at = |conversation, name| At { conversation, with: Some(name), is_moderator: false };
        if let (Past::Message(message), Some(mine), Some(asked)) = (past, mine, &place.0)
            && let Some(names) = &message.direct
            && self.is_direct_of(message.conversation, mine)
        {
            let other = if message.author == Some(mine) { &names.1 } else { &names.0 };
            if other.key() == asked.key() {
                return Ok(at(message.conversation, other.clone()));
            }
        }
        let (theirs, name) = self.user(place)?;
        let conversation = mine.and_then(|mine| self.conversations.direct(mine, theirs));
        // Without a conversation there is no message either.
        Ok(at(conversation.unwrap_or(ConversationId(0)), name))
    }

    /// Are these direct messages of the user?
    fn is_direct_of(&self, conversation: ConversationId, user: UserId) -> bool {
        let kind = self.conversations.get(conversation).map(|conversation| &conversation.kind);
        matches!(kind, Some(ConversationKind::Direct(a, b)) if *a == user || *b == user)
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
