//! Owns the turn: what is said in it is gathered by conversation, numbered and encoded once when
//! the turn is sealed, and handed out with what is to be written. Called by [`super::apply`]
//! (begin, end) and by the chat (seal). Never writes, and never undoes: whether and when a store keeps the turn is the hub's matter.

use super::{
    Audience, Change, Chunk, ConversationId, ConversationKind, Ending, IdMap, Origin, Own, Sent, SessionId,
    State, UserId, Writes,
};
use std::collections::BTreeSet;
use tcp_chat_protocol::event::{MsgLine, Spoken};
use tcp_chat_protocol::{Colour, Name, RequestId, Seq, Timestamp};

/// Something said, not yet numbered.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) at: Origin,
    pub(super) session: SessionId,
    pub(super) id: Option<RequestId>,
    pub(super) author: UserId,
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
    /// Milliseconds since 1970. Messages are stamped with it, and penalties end by it.
    pub(super) time: u64,
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
    /// The messages that were redacted in this turn: what its proposer has found of them was found before.
    pub(super) redacted: BTreeSet<Seq>,
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

    /// The newest number when the turn began.
    pub(super) fn head_before(&self) -> Seq {
        self.head
    }

    /// The newest number of a conversation when the turn began, if it has spoken since.
    pub(super) fn before(&self, conversation: ConversationId) -> Option<Seq> {
        self.heads.iter().find(|(id, _)| *id == conversation).map(|(_, head)| *head)
    }
}

impl State {
    /// Begins a turn at that moment, in milliseconds since 1970.
    pub(super) fn begin(&mut self, time: u64) {
        self.turn.time = time;
        self.turn.noted.clear();
        self.turn.unsealed.clear();
        self.turn.heads.clear();
        self.turn.left = 0;
        self.turn.redacted.clear();
        self.turn.head = self.head;
        self.deduplication.forget(self.head.saturating_sub(self.rules.window));
    }

    /// Ends the turn. What is to be written, all or nothing.
    pub(super) fn end(&mut self) -> Writes {
        self.seal();
        self.note_work();
        std::mem::take(&mut self.turn.writes)
    }

    /// Ends a session if it is away. It may have been resumed since its time was over.
    pub(super) fn end_away(&mut self, session: SessionId) {
        if self.sessions.get(session).is_some_and(|held| held.row.origin.is_none()) {
            self.seal();
            self.end_session(session, Ending::Over);
        }
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
    pub(super) fn seal(&mut self) {
        if self.turn.open.is_empty() {
            return;
        }
        self.turn.at.clear();
        self.turn.noted.clear();
        self.turn.unsealed.clear();
        let ts = Timestamp(self.turn.time).to_string();
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
        let mut authors = Vec::with_capacity(said.len());
        let (mut seq, mut prev) = (self.head, before);
        for Said { at, session, id: name, author, user, color, to, json } in said {
            seq += 1;
            authors.push(author);
            let place = match (&room, &to) {
                (Some(room), _) => Spoken::In(room.as_str()),
                (None, to) => Spoken::To(to.as_ref().map_or("", Name::as_str)),
            };
            let color = color.to_string();
            MsgLine { place, seq, prev, ts, user: user.as_str(), color: &color, msg_json: &json }
                .write(&mut lines);
            if let Some(name) = &name {
                let sent = Sent { session, id: name.clone(), conversation: id, seq };
                self.deduplication.add(sent.clone());
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
            self.conversations.note_messages(id, seq);
        }
        let chunk = self.turn.writes.chunks.len();
        self.tell(Change::Said { chunk, audience, own });
        let ts = self.turn.time;
        let chunk = Chunk { conversation: id, first, last: seq, prev: before, ts, lines, authors };
        self.turn.writes.chunks.push(chunk);
    }
}
