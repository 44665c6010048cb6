//! Owns the turn: what is said in it is gathered by conversation, numbered and encoded once when
//! the turn is sealed, and handed out with what is to be written. Called by the hub (begin, end)
//! and by the chat (seal). Never writes, and never undoes: whether and when a store keeps the turn is the hub's matter.

use super::leaving::LEFT_AT_ONCE;
use super::presence::COPIES;
use super::{
    Change, Chat, Chunk, ConnectionId, ConversationId, ConversationKind, Effect, IdMap, Now, Own, Sent,
    SessionId, Writes,
};
use std::collections::BTreeSet;
use std::sync::Arc;
use tcp_chat_protocol::event::{MsgLine, Spoken};
use tcp_chat_protocol::{Colour, Name, RequestId, Seq, Timestamp};

/// Something said, not yet numbered.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) connection: ConnectionId,
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
    pub(super) effects: Vec<Effect>,
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
    /// The sessions that lost the right to be in a room in this turn, and were not taken out at once.
    pub(super) lost: Vec<(SessionId, ConversationId)>,
    /// How many copies of presence events it hands out.
    pub(super) copies: usize,
    /// How many rooms were left at once in it, by sessions that ended or may no longer be there.
    pub(super) left: usize,
}

/// How much of what may be much is done in one turn.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slice {
    /// Rooms that sessions leave in the moment in which they end, or may no longer be there.
    pub(super) rooms: usize,
    /// Copies of presence events.
    pub(super) copies: usize,
}

impl Default for Slice {
    fn default() -> Self {
        Self { rooms: LEFT_AT_ONCE, copies: COPIES }
    }
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

/// What a turn came to.
#[derive(Debug)]
pub struct Outcome {
    /// To be written, all or nothing.
    pub writes: Writes,
    /// To be done once it is kept.
    pub effects: Vec<Effect>,
}

impl Chat {
    /// Begins a turn at the moment `now`.
    pub fn begin(&mut self, now: Now) {
        self.turn.now = now;
        self.turn.noted.clear();
        self.turn.unsealed.clear();
        self.turn.heads.clear();
        self.turn.copies = 0;
        self.turn.left = 0;
        self.turn.head = self.head;
        self.resends.forget(self.head.saturating_sub(self.rules.window));
    }

    /// Ends the turn.
    pub fn end(&mut self) -> Outcome {
        self.seal();
        self.note_work();
        Outcome {
            writes: std::mem::take(&mut self.turn.writes),
            effects: std::mem::take(&mut self.turn.effects),
        }
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
        if self.sessions.get(session).is_some_and(|held| held.connection.is_none()) {
            self.seal();
            self.end_session(session);
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
        for Said { connection, session, id: name, user, color, to, json } in said {
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
            own.push(Own { connection, seq, id: name });
            prev = seq;
        }
        self.head = seq;
        let is_first = before < self.oldest.max(1);
        let to = match conversation.kind {
            ConversationKind::Room(_) => {
                conversation.head = seq;
                conversation.here.clone()
            }
            ConversationKind::Direct(a, b) => {
                self.conversations.set_head(id, seq);
                let mut to = self.sessions.connections_of(a);
                if a != b {
                    to.extend(self.sessions.connections_of(b));
                }
                Arc::new(to)
            }
        };
        if is_first {
            self.conversations.has_messages(id, seq);
        }
        let index = self.turn.writes.chunks.len();
        self.turn.effects.push(Effect::Chunk { index, to, own });
        let ts = self.turn.now.wall;
        self.turn.writes.chunks.push(Chunk { conversation: id, first, last: seq, prev: before, ts, lines });
    }
}
