//! Owns the effects of the state's changes on this node: recipients, lines, and closed connections. Called by the
//! edge, in the order of the changes. Never changes the state, except that it proposes the end of sessions from a
//! banned range: only the edge knows peer addresses.

use super::{Closing, Edge, Effect, notices};
use tcp_chat_protocol::{Seq, event};
use tcp_chat_state::{
    Audience, Change, ConnectionId, ConversationId, Ending, Origin, Own, Redacted, SessionId, State, UserId,
    shrink,
};

/// A list of changes of at most this capacity is kept for the next turn.
const KEPT: usize = 1_024;

impl Edge {
    /// Applies the changes of the state since the last call.
    pub fn sync(&mut self, state: &State, changes: &mut Vec<Change>) {
        // A message changes nothing until it is sealed.
        if changes.is_empty() {
            return;
        }
        for change in changes.drain(..) {
            self.apply_change(state, change);
        }
        if changes.capacity() > KEPT {
            *changes = Vec::new();
        }
    }

    fn apply_change(&mut self, state: &State, change: Change) {
        match change {
            Change::Said { chunk, audience, own } => {
                let to = self.listeners.of(audience);
                self.effects.push(Effect::Chunk { index: chunk, to, own: self.of_this_node(own) });
            }
            Change::Seen(seen) => self.seen(seen),
            Change::Hears(room, at) => {
                if let (Some(connection), Some(name)) = (self.here(at), state.name_of_room(room)) {
                    self.listeners.hears(room, name, connection);
                }
            }
            Change::Leaves(room, at) => {
                if let Some(connection) = self.here(at) {
                    self.listeners.leaves(room, connection);
                }
            }
            Change::AllLeave(room, gone) => {
                let node = self.node;
                let here = gone.into_iter().filter(|at| at.node == node).map(|at| at.connection);
                self.listeners.all_leave(room, here);
            }
            Change::Silent(room) => self.listeners.silence(room),
            Change::Here { session, user, at, from } => self.arrives(session, user, at, from),
            Change::Away { session, user, at } => {
                self.add_away(state, session, Some(at.node));
                self.departs(user, at);
            }
            Change::Ended { session, user, at, why } => {
                self.limits.remove(&session);
                shrink(&mut self.limits);
                self.sessions.remove(&session);
                self.away.remove(session);
                if let Some(connection) = at.and_then(|at| self.departs(user, at)) {
                    self.ends(connection, &why);
                }
            }
            Change::Removed { at, room, why } => {
                if let Some(connection) = self.here(at) {
                    self.line(connection, notices::removed(room, &why));
                }
            }
            Change::Redacted(redacted) => self.tell_redacted(*redacted),
            Change::Erased(until) => self.effects.push(Effect::ReadAgain(until)),
            Change::Notice(text) => self.notify_all(notices::of_operator(&text)),
            Change::Marked { user, from, mark } => {
                let audience = Audience::Users(user, user);
                let to = self.listeners.of(audience);
                let (except, line) = (self.here(from), event::mark(&mark).into());
                if to.iter().any(|connection| Some(*connection) != except) {
                    self.effects.push(Effect::Told { to, audience, except, line, redacts: None });
                }
            }
            Change::Topic { room, name, topic, by } => {
                let line = notices::topic(&name, &topic, by.as_ref());
                self.tell_all(Audience::Room(room), line, None);
            }
            Change::BannedRanges(barred) => self.effects.push(Effect::BannedRanges(barred)),
            Change::Opened(room, network) => self.rooms.add(room, network),
            Change::Gone(room) => {
                self.rooms.remove(&room);
                self.listeners.silence(room);
            }
            Change::Banned { range, who, reason } => self.evict_banned_sessions(&range, who, reason),
        }
    }

    /// The text of a message is removed.
    fn tell_redacted(&mut self, redacted: Redacted) {
        let line = notices::redacted(&redacted);
        // Of an erased user no outbox has a message any more: they are read again.
        let redacts = (!redacted.is_erased).then_some((redacted.conversation, redacted.seq));
        self.tell_all(redacted.audience, line, redacts);
    }

    /// A line to all who hear a room or a user.
    fn tell_all(&mut self, audience: Audience, line: Vec<u8>, redacts: Option<(ConversationId, Seq)>) {
        let to = self.listeners.of(audience);
        if !to.is_empty() || redacts.is_some() {
            self.effects.push(Effect::Told { to, audience, except: None, line: line.into(), redacts });
        }
    }

    /// The request id of another node's client is of no use here.
    fn of_this_node(&self, mut own: Vec<Own>) -> Vec<Own> {
        own.iter_mut().filter(|own| own.at.node != self.node).for_each(|own| own.id = None);
        own
    }

    /// The session is on that connection from now on, and no longer on its previous one.
    fn arrives(&mut self, session: SessionId, user: UserId, at: Origin, from: Option<Origin>) {
        self.away.remove(session);
        if let Some(old) = from.and_then(|old| self.departs(user, old)) {
            self.line(old, notices::taken_over());
            self.shut(old, Closing::TakenOver);
        }
        if let Some(connection) = self.here(at) {
            self.listeners.connect(user, connection);
            self.connections.get_mut(&connection).into_iter().for_each(|entry| entry.session = Some(session));
        }
    }

    /// The connection has no session any longer. Returns it if it is one of this node.
    fn departs(&mut self, user: UserId, at: Origin) -> Option<ConnectionId> {
        let connection = self.here(at)?;
        self.listeners.disconnect(user, connection);
        self.connections.get_mut(&connection).into_iter().for_each(|entry| entry.session = None);
        Some(connection)
    }

    /// The session on the connection is over.
    fn ends(&mut self, connection: ConnectionId, why: &Ending) {
        if let Some(line) = notices::ended(why) {
            self.line(connection, line);
            self.shut(connection, Closing::Kicked);
        }
    }
}
