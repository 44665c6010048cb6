//! Owns the turn: what is said in it is gathered by conversation, numbered and encoded once when
//! the turn is sealed, and handed out with what is to be written. Called by the hub (begin, end)
//! and by the chat (seal). Never writes: [`Chat::not_kept`] undoes what the store refused.

use super::removed::Removed;
use super::{
    Audience, Audit, Certificate, Change, Chat, Chunk, ConversationId, ConversationKind, Ending, IdMap, Now,
    Origin, Own, Scope, Sent, SessionId, User, UserId, Writes,
};
use std::collections::BTreeSet;
use std::sync::Arc;
use tcp_chat_protocol::event::{MsgLine, Spoken};
use tcp_chat_protocol::{Colour, Name, RequestId, Role, Seq, Timestamp};

/// Something said, not yet numbered.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) at: Origin,
    pub(super) session: SessionId,
    pub(super) id: Option<RequestId>,
    pub(super) user: Name,
    pub(super) color: Colour,
    /// For direct messages: the name of whom it is to.
    pub(super) to: Option<Name>,
    /// The text as a JSON string, quotes included.
    pub(super) json: Box<str>,
}

/// One turn as it comes together.
#[derive(Debug, Default)]
pub(super) struct Turn {
    pub(super) now: Now,
    pub(super) writes: Writes,
    /// What the edge has not taken yet.
    pub(super) changes: Vec<Change>,
    /// What is said and not sealed yet, by conversation, in the order of the first word.
    open: Vec<(ConversationId, Vec<Said>)>,
    /// Where in `open` a conversation is. Few conversations speak between two seals.
    at: IdMap<ConversationId, usize>,
    /// Ids of messages that are not sealed yet. They enter `unsealed` at the first search for an id: most turns search
    /// for none.
    noted: Vec<(SessionId, RequestId)>,
    unsealed: BTreeSet<(SessionId, RequestId)>,
    /// The heads before this turn, of the conversations that spoke in it.
    heads: Vec<(ConversationId, Seq)>,
    head: Seq,
    /// The sessions that entered a room in this turn.
    pub(super) entered: BTreeSet<SessionId>,
    /// What this turn has for the audit log.
    pub(super) audited: Vec<Audit>,
    /// Users as they were before they were changed in this turn; `None`: they were not there.
    pub(super) users_before: Vec<(UserId, Option<User>)>,
    /// What was known of the names of removed users.
    pub(super) removed_before: Vec<(Name, Option<Removed>)>,
    /// The grants that were taken in this turn, of users who were removed in it or before.
    pub(super) grants_before: Vec<(UserId, Scope, Name, Role, Option<Name>)>,
    /// The certificates of users who were removed in this turn, as they were.
    pub(super) certificates_before: Vec<(UserId, Certificate)>,
    /// The sessions that lost the right to be in a room in this turn, and were not taken out at once.
    pub(super) lost: Vec<(SessionId, ConversationId)>,
    /// How many rooms were left at once in it, by sessions that ended or may no longer be there.
    pub(super) left: usize,
}

impl Turn {
    /// Notes that a message with this id waits to be sealed.
    pub(super) fn note_unsealed(&mut self, session: SessionId, id: &RequestId) {
        self.noted.push((session, id.clone()));
    }

    /// Does a message of the session with this id wait to be sealed?
    pub(super) fn is_unsealed(&mut self, session: SessionId, id: &RequestId) -> bool {
        self.unsealed.extend(self.noted.drain(..));
        !self.unsealed.is_empty() && self.unsealed.contains(&(session, id.clone()))
    }

    /// The newest number when the turn began: what is certainly kept.
    pub(super) fn head_before(&self) -> Seq {
        self.head
    }

    /// The newest number of a conversation when the turn began, if it has spoken since.
    pub(super) fn before(&self, conversation: ConversationId) -> Option<Seq> {
        self.heads.iter().find(|(id, _)| *id == conversation).map(|(_, head)| *head)
    }
}

impl Chat {
    /// Begins a turn at the moment `now`.
    pub fn begin(&mut self, now: Now) {
        self.turn.now = now;
        self.turn.noted.clear();
        self.turn.unsealed.clear();
        self.turn.heads.clear();
        self.turn.entered.clear();
        self.turn.audited.clear();
        self.turn.users_before.clear();
        self.turn.removed_before.clear();
        self.turn.grants_before.clear();
        self.turn.certificates_before.clear();
        self.turn.left = 0;
        self.turn.head = self.head;
        // Not at the end of a turn: one that is not kept gives back its numbers.
        self.resends.forget(self.head.saturating_sub(self.rules.window));
    }

    /// Ends the turn. What is to be written, all or nothing.
    pub fn end(&mut self) -> Writes {
        self.seal();
        self.note_work();
        std::mem::take(&mut self.turn.writes)
    }

    /// Ends sessions whose time is over by the clock of this process, at most `most` of them. True: there are more.
    pub fn expire(&mut self, most: usize) -> bool {
        for _ in 0..most {
            let Some(id) = self.overdue(self.turn.now.mono).next() else { return false };
            self.end_away(id);
        }
        self.overdue(self.turn.now.mono).next().is_some()
    }

    /// The sessions whose time is over at a moment of [`Now::mono`], the first one to end first. The times are no facts
    /// about the server: they belong to the process that proposes to end the sessions.
    pub fn overdue(&self, mono: u64) -> impl Iterator<Item = SessionId> {
        self.sessions.overdue(mono)
    }

    /// Ends a session if it is away. It may have been resumed since its time was over.
    pub fn end_away(&mut self, session: SessionId) {
        if self.sessions.get(session).is_some_and(|held| held.row.origin.is_none()) {
            self.seal();
            self.end_session(session, Ending::Over);
        }
    }

    /// When [`Chat::expire`] has something to do next, in milliseconds of [`Now::mono`].
    #[must_use]
    pub fn next_ending(&self) -> Option<u64> {
        self.sessions.next_ending()
    }

    /// Was something said that has no number yet?
    #[must_use]
    pub fn has_unsealed(&self) -> bool {
        !self.turn.open.is_empty()
    }

    /// Takes something said into the turn.
    pub(super) fn gather(&mut self, conversation: ConversationId, said: Said) {
        let Turn { open, at, .. } = &mut self.turn;
        let at = *at.entry(conversation).or_insert_with(|| {
            open.push((conversation, Vec::new()));
            open.len() - 1
        });
        open[at].1.push(said);
    }

    /// Numbers and encodes what was said up to here. Anything but a message seals, so that every
    /// connection sees the order in which things happened.
    pub fn seal(&mut self) {
        if self.turn.open.is_empty() {
            return;
        }
        self.turn.at.clear();
        self.turn.noted.clear();
        self.turn.unsealed.clear();
        let ts = Timestamp(self.turn.now.wall).to_string();
        for (id, said) in std::mem::take(&mut self.turn.open) {
            self.seal_one(id, said, &ts);
        }
    }

    fn seal_one(&mut self, id: ConversationId, said: Vec<Said>, ts: &str) {
        let Some(conversation) = self.conversations.get_mut(id) else { return };
        let (first, before) = (self.head + 1, conversation.head);
        self.turn.heads.push((id, before));
        let room = conversation.room().cloned();
        let mut lines = Vec::with_capacity(said.iter().map(|s| s.json.len() + 200).sum());
        let mut own = Vec::with_capacity(said.len());
        let (mut seq, mut prev) = (self.head, before);
        for Said { at, session, id: name, user, color, to, json } in said {
            seq += 1;
            let place = match (&room, &to) {
                (Some(room), _) => Spoken::In(room.as_str()),
                (None, to) => Spoken::To(to.as_ref().map_or("", Name::as_str)),
            };
            let color = color.to_string();
            MsgLine { place, seq, prev, ts, user: user.as_str(), color: &color, msg_json: &json }
                .write(&mut lines);
            if let Some(name) = &name {
                let sent = Sent { session, id: name.clone(), conversation: id, seq };
                self.resends.add(sent.clone());
                self.turn.writes.sent.push(sent);
            }
            own.push(Own { at, seq, id: name });
            prev = seq;
        }
        self.head = seq;
        let is_first = before < self.oldest.max(1);
        let audience = match conversation.kind {
            ConversationKind::Room(_) => {
                conversation.head = seq;
                Audience::Room(id)
            }
            ConversationKind::Direct(a, b) => {
                self.conversations.set_head(id, seq);
                Audience::Users(a, b)
            }
        };
        if is_first {
            self.conversations.has_messages(id, seq);
        }
        let chunk = self.turn.writes.chunks.len();
        self.tell(Change::Said { chunk, audience, own });
        let ts = self.turn.now.wall;
        self.turn.writes.chunks.push(Chunk { conversation: id, first, last: seq, prev: before, ts, lines });
    }

    /// The store could not keep the turn: no number of it was seen by anyone, so they are given
    /// back; the edge tells those who spoke. What happened
    /// to sessions is true in memory and is to be written with [`Chat::found`] later.
    pub fn not_kept(&mut self) {
        self.keeping = false;
        self.head = self.turn.head;
        self.resends.take_back(self.head);
        self.unaudited.append(&mut self.turn.audited);
        // The first entry of a conversation is the oldest.
        for (id, head) in self.turn.heads.drain(..).rev() {
            self.conversations.set_head(id, head);
        }
        // A room that was entered in this turn is seen from a number that is given back. The numbers from which the
        // session sees its other rooms are not above the head.
        for session in std::mem::take(&mut self.turn.entered) {
            let Some(session) = self.sessions.get_mut(session) else { continue };
            for (_, since) in &mut session.rooms {
                *since = (*since).min(self.head);
            }
        }
        let undone: Vec<_> = self.turn.users_before.iter().map(|(id, _)| *id).collect();
        for (id, before) in self.turn.users_before.drain(..).rev() {
            // One who is in by a certificate is registered by it, kept or not.
            let users = Arc::make_mut(&mut self.users);
            match before {
                Some(user) => users.put(user),
                None if self.sessions.of(id).is_empty() => drop(users.remove(id)),
                None => {}
            }
        }
        for (name, before) in self.turn.removed_before.drain(..).rev() {
            self.removed.put_back(&name, before);
        }
        let users = &self.users;
        self.sweeps.cancel_grants(|id| users.get(id).is_some() || undone.contains(&id));
        // Of a user whose removal was kept in an earlier turn nothing comes back: it is written later that all is gone,
        // and after a crash before that it is taken again.
        for (user, scope, name, role, by) in self.turn.grants_before.drain(..) {
            let is_there = scope.is_none_or(|room| self.conversations.get(room).is_some());
            if is_there && self.users.get(user).is_some() {
                self.book.put_grant(scope, &name, Some(role), by);
            }
        }
        for (user, certificate) in self.turn.certificates_before.drain(..) {
            if self.users.get(user).is_some() {
                Arc::make_mut(&mut self.users).put_certificate(certificate);
            }
        }
    }

    /// Messages can be kept again: all that [`Chat::found`] said was written.
    pub fn keeps_again(&mut self) {
        self.keeping = true;
        self.unaudited.clear();
    }
}
