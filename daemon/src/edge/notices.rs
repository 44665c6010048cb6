//! Owns the notices: lines to all connections of this node, and the lines to a client whose session has ended, was
//! taken over or was removed from a room. Called by the hub for the daemon and for operators, and by the edge. Never
//! decides who may send one.

use super::admit::AGAIN_MS;
use super::gathering::Task;
use super::{Closing, Connection, Edge, Effect};
use std::sync::Arc;
use tcp_chat_protocol::event::{self, NoticeEvent, RedactedEvent, RoomEvent, notice};
use tcp_chat_protocol::{Name, NoticeKind};
use tcp_chat_state::{Ending, Redacted, Removal, State};

/// The daemon ends.
pub(super) const GOING_DOWN: &str = "the server is going down; your session is kept";
/// The daemon goes on, but not with its clients.
pub(super) const CUT_OFF: &str = "this server cannot go on with the others now; your session is kept";

impl Edge {
    /// Tells all clients that the daemon ends, and closes all connections, at this place of the turn. Sessions are
    /// kept.
    pub fn shutdown(&mut self, state: &State) {
        self.add_for_all(state, Task::Shutdown);
    }

    /// The node can serve no clients: they go on at another one.
    pub fn hand_over(&mut self, state: &State) {
        self.shut_all(state, CUT_OFF);
    }

    /// Nothing can be ordered at this node now: tells all logged-in clients at once, with the nodes to which they can go. All get
    /// the same line.
    pub fn tell_unavailable(&mut self) {
        let msg = "this server can keep nothing new for now; reading and searching go on";
        let mut told = NoticeEvent::new(NoticeKind::Unavailable, msg);
        told.retry_after_ms = Some(AGAIN_MS);
        told.servers = self.servers();
        self.notify_all(notice(&told).into());
    }

    /// This node orders again: tells all logged-in clients at once.
    pub fn tell_available(&mut self) {
        let told = NoticeEvent::new(NoticeKind::Available, "this server keeps messages again");
        self.notify_all(notice(&told).into());
    }

    /// Sends a notice to all logged-in clients at this place of the turn.
    pub fn say_to_all(&mut self, state: &State, msg: &str) {
        self.add_for_all(state, Task::Notice(of_operator(msg)));
    }

    /// Sets the addresses that clients are told from now on: of the living nodes, this one first. Empty: this daemon is
    /// alone, and tells none.
    pub fn set_servers(&mut self, servers: Arc<[String]>) {
        self.servers = Some(servers).filter(|servers| !servers.is_empty());
    }

    /// `servers` of a reply or a notice.
    pub(super) fn servers(&self) -> Option<Vec<String>> {
        self.servers.as_deref().map(<[String]>::to_vec)
    }

    /// Clients are told different times to come back.
    pub(super) fn shut_all(&mut self, state: &State, msg: &str) {
        /// The first client may come back after this time, in milliseconds,
        const FIRST_MS: u64 = 250;
        /// and one more each so many milliseconds: 500 handshakes a second.
        const STEP_MS: u64 = 2;
        let servers = self.servers();
        let latest = (state.rules().ttl_ms / 2).max(FIRST_MS);
        let mut open: Vec<_> =
            self.connections.iter().filter(|(_, c)| !c.is_closing).map(|(id, _)| *id).collect();
        open.sort_unstable();
        for (at, connection) in (0u64..).zip(open) {
            let mut going = NoticeEvent::new(NoticeKind::Shutdown, msg);
            going.retry_after_ms = Some((FIRST_MS + at * STEP_MS).min(latest));
            going.servers.clone_from(&servers);
            self.line(connection, notice(&going));
            self.shut(connection, Closing::Shutdown);
        }
    }

    pub(super) fn notify_all(&mut self, line: Arc<[u8]>) {
        let hears = |entry: &Connection| entry.session.is_some() && !entry.is_closing;
        let is_logged_in = self.connections.iter().filter(|(_, entry)| hears(entry));
        let to = is_logged_in.map(|(connection, _)| *connection).collect();
        self.effects.push(Effect::Event { to: Arc::new(to), except: None, line });
    }
}

/// The line of an operator to everyone.
pub(super) fn of_operator(text: &str) -> Arc<[u8]> {
    notice(&NoticeEvent::new(NoticeKind::Operator, text)).into()
}

/// The line to the previous client of a session that is resumed elsewhere.
pub(super) fn taken_over() -> Vec<u8> {
    notice(&NoticeEvent::new(NoticeKind::TakenOver, "your session goes on at another connection"))
}

/// The line to the client of an ended session; `None`: the client knows it.
pub(super) fn ended(why: &Ending) -> Option<Vec<u8>> {
    let msg = match why {
        Ending::Over => return None,
        Ending::Kicked { who, reason } => format!("{who} has ended your session{}", because(reason)),
        Ending::Unwelcome(why) => why.to_string(),
    };
    Some(notice(&NoticeEvent::new(NoticeKind::Kicked, msg)))
}

/// To all who hear the conversation of a message whose text is removed.
pub(super) fn redacted(of: &Redacted) -> Vec<u8> {
    let (to, user) = of.direct.as_ref().map(|(to, user)| (to.as_str(), user.as_str())).unzip();
    event::redacted(&RedactedEvent {
        room: of.room.as_ref().map(|room| room.as_str().into()),
        to: to.map(Into::into),
        user: user.map(Into::into),
        seq: of.seq,
        by: of.by.as_ref().map(|by| by.as_str().into()),
        reason: Some(&*of.reason).filter(|reason| !reason.is_empty()).map(Into::into),
    })
}

/// To all members of a room that has another topic.
pub(super) fn topic(room: &Name, topic: &str, by: Option<&Name>) -> Vec<u8> {
    let user = by.map(|by| by.as_str().into());
    event::room(&RoomEvent { room: room.as_str().into(), topic: topic.into(), user })
}

/// The line to a client whose session was removed from a room.
pub(super) fn removed(room: Name, why: &Removal) -> Vec<u8> {
    let msg = match why {
        Removal::Kicked { who, reason } => {
            format!("{who} has removed you from the room {room}{}", because(reason))
        }
        Removal::LostRight => format!("you may no longer be in the room {room}"),
    };
    let mut removed = NoticeEvent::new(NoticeKind::Removed, msg);
    removed.room = Some(room.to_string().into());
    notice(&removed)
}

fn because(reason: &str) -> String {
    if reason.is_empty() { String::new() } else { format!(": {reason}") }
}
