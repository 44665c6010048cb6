//! Owns the turn that is being applied, and its messages: it collects them by conversation. Sealing numbers them and
//! encodes each chunk once. It returns them with the other writes. Called by [`super::apply`] (begin, end) and by the
//! ops (seal). Never writes, and never undoes anything: the hub decides whether and when a turn is kept.

use super::{
    Audience, Change, Chunk, ConversationId, ConversationKind, IdMap, Origin, Own, Sent, SessionId, State,
    UserId, Writes,
};
use std::cell::RefCell;
use std::collections::BTreeSet;
use tcp_chat_protocol::event::{MsgLine, Spoken};
use tcp_chat_protocol::{Colour, Name, RequestId, Seq, Timestamp};

/// The longest list of messages that is kept for the next turn (120 bytes each).
const SPARE: usize = 256;

/// A message without a number.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) at: Origin,
    pub(super) session: SessionId,
    pub(super) id: Option<RequestId>,
    pub(super) author: UserId,
    pub(super) user: Name,
    pub(super) color: Colour,
    /// Of direct messages: the name of the recipient.
    pub(super) to: Option<Name>,
    /// The text as a JSON string, quotes included.
    pub(super) json: Box<str>,
}

/// The turn that is being applied.
#[derive(Debug, Default)]
pub(super) struct OpenTurn {
    time: u64,
    /// The writes so far. Each op appends to them, and none reads them.
    pub(super) writes: Writes,
    /// The changes that the edge has not taken yet.
    changes: Vec<Change>,
    /// The messages that are not sealed yet, by conversation, in the order of their first message.
    open: Vec<(ConversationId, Vec<Said>)>,
    /// An empty list that the next conversation reuses, so that a busy room allocates none in each turn.
    spare: Vec<Said>,
    /// The index of a conversation in `open`.
    at: IdMap<ConversationId, usize>,
    /// In a cell, because a search completes it.
    unsealed: RefCell<Unsealed>,
    /// The heads before this turn, of the conversations with messages in it.
    heads: Vec<(ConversationId, Seq)>,
    head: Seq,
    /// The messages that were redacted in this turn: what its proposer has found of them was found before.
    redacted: BTreeSet<Seq>,
    /// The sessions that have lost the right to be in a room in this turn, and were not evicted at once.
    lost: Vec<(SessionId, ConversationId)>,
    /// The number of rooms that ended or evicted sessions have left at once in this turn.
    departures: usize,
}

/// Ids of messages that are not sealed yet.
#[derive(Debug, Default)]
struct Unsealed {
    /// They move to `found` when an id is searched for, because most turns search for no id.
    noted: Vec<(SessionId, RequestId)>,
    found: BTreeSet<(SessionId, RequestId)>,
}

impl Unsealed {
    fn clear(&mut self) {
        self.noted.clear();
        self.found.clear();
    }
}

impl OpenTurn {
    /// No turn yet: the state is as it was at that moment, in milliseconds since 1970.
    pub(super) fn at(time: u64) -> Self {
        Self { time, ..Self::default() }
    }

    /// Milliseconds since 1970. Messages are stamped with it, and penalties end by it.
    pub(super) fn time(&self) -> u64 {
        self.time
    }

    /// Reports a change to the edges.
    pub(super) fn report(&mut self, change: Change) {
        self.changes.push(change);
    }

    /// The changes since the last call, and those that the observer has put back.
    pub(super) fn take_changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }

    /// The observer has left these changes for its next call. The list is reused.
    pub(super) fn put_back(&mut self, changes: Vec<Change>) {
        self.changes = changes;
    }

    /// The message is redacted from now on. False: it was redacted earlier in this turn.
    pub(super) fn redact(&mut self, seq: Seq) -> bool {
        self.redacted.insert(seq)
    }

    /// The session has lost the right to be in the room, and is not evicted at once.
    pub(super) fn note_lost(&mut self, session: SessionId, room: ConversationId) {
        self.lost.push((session, room));
    }

    pub(super) fn has_lost(&self) -> bool {
        !self.lost.is_empty()
    }

    pub(super) fn take_lost(&mut self) -> Vec<(SessionId, ConversationId)> {
        std::mem::take(&mut self.lost)
    }

    /// May one more session leave a room at once, of so many in a turn? If so, it is counted.
    pub(super) fn may_depart(&mut self, most: usize) -> bool {
        let may = self.departures < most;
        self.departures += usize::from(may);
        may
    }

    /// Notes that a message with this id waits to be sealed.
    pub(super) fn note_unsealed(&mut self, session: SessionId, id: &RequestId) {
        self.unsealed.get_mut().noted.push((session, id.clone()));
    }

    /// Does a message of the session with this id wait to be sealed?
    pub(super) fn is_unsealed(&self, session: SessionId, id: &RequestId) -> bool {
        let Unsealed { noted, found } = &mut *self.unsealed.borrow_mut();
        found.extend(noted.drain(..));
        !found.is_empty() && found.contains(&(session, id.clone()))
    }

    /// The newest number when the turn began.
    pub(super) fn head_before(&self) -> Seq {
        self.head
    }

    /// The newest number of a conversation when the turn began, if it has new messages.
    pub(super) fn before(&self, conversation: ConversationId) -> Option<Seq> {
        self.heads.iter().find(|(id, _)| *id == conversation).map(|(_, head)| *head)
    }
}

impl State {
    /// Begins a turn at this time, in milliseconds since 1970.
    pub(super) fn begin(&mut self, time: u64) {
        self.turn.time = time;
        self.turn.unsealed.get_mut().clear();
        self.turn.heads.clear();
        self.turn.departures = 0;
        self.turn.redacted.clear();
        self.turn.head = self.head;
        self.deduplication.forget(self.head.saturating_sub(self.rules.window));
    }

    /// Ends the turn. Returns its writes, to be stored all or nothing.
    pub(super) fn end(&mut self) -> Writes {
        self.seal();
        self.note_work();
        std::mem::take(&mut self.turn.writes)
    }

    /// Adds a message to the turn.
    pub(super) fn gather(&mut self, conversation: ConversationId, said: Said) {
        let OpenTurn { open, spare, at, .. } = &mut self.turn;
        // Most messages follow another one of their conversation.
        if let Some((last, list)) = open.last_mut()
            && *last == conversation
        {
            return list.push(said);
        }
        let at = *at.entry(conversation).or_insert_with(|| {
            open.push((conversation, std::mem::take(spare)));
            open.len() - 1
        });
        open[at].1.push(said);
    }

    /// Numbers and encodes the collected messages. Any request other than a message seals, so that all users see
    /// events in the order in which they happened.
    pub(super) fn seal(&mut self) {
        if self.turn.open.is_empty() {
            return;
        }
        self.turn.at.clear();
        self.turn.unsealed.get_mut().clear();
        let ts = Timestamp(self.turn.time).to_string();
        let mut open = std::mem::take(&mut self.turn.open);
        for (id, mut said) in open.drain(..) {
            self.seal_one(id, &mut said, &ts);
            if said.capacity() <= SPARE {
                self.turn.spare = said;
            }
        }
        self.turn.open = open;
    }

    fn seal_one(&mut self, id: ConversationId, said: &mut Vec<Said>, ts: &str) {
        let Some(conversation) = self.conversations.get(id) else { return };
        let (first, before) = (self.head + 1, conversation.head);
        self.turn.heads.push((id, before));
        let room = conversation.room().cloned();
        let mut lines = Vec::with_capacity(said.iter().map(|s| s.json.len() + 200).sum());
        let mut own = Vec::with_capacity(said.len());
        let mut authors = Vec::with_capacity(said.len());
        let (mut seq, mut prev, mut colour) = (self.head, before, [0; 7]);
        for Said { at, session, id: name, author, user, color, to, json } in said.drain(..) {
            seq += 1;
            authors.push(author);
            let place = match (&room, &to) {
                (Some(room), _) => Spoken::In(room.as_str()),
                (None, to) => Spoken::To(to.as_ref().map_or("", Name::as_str)),
            };
            let color = color.encode(&mut colour);
            MsgLine { place, seq, prev, ts, user: user.as_str(), color, msg_json: &json }.write(&mut lines);
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
            ConversationKind::Room(_) => Audience::Room(id),
            ConversationKind::Direct(a, b) => Audience::Users(a, b),
        };
        self.conversations.set_head(id, seq);
        if is_first {
            self.conversations.note_messages(id, seq);
        }
        let chunk = self.turn.writes.chunks.len();
        self.report(Change::Said { chunk, audience, own });
        let ts = self.turn.time;
        let chunk = Chunk { conversation: id, first, last: seq, prev: before, ts, lines, authors };
        self.turn.writes.chunks.push(chunk);
    }
}
