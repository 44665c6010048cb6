//! Owns LEAVE, and how a session leaves a room for any other reason. Called by [`State::apply`], by evictions and by
//! the sweeps. Never sends: it adds to the turn.

use crate::permissions::authorize::Permission;
use crate::{Answer, Caller, Change, ConversationId, Done, Origin, SessionId, State};
use tcp_chat_protocol::Name;
use tcp_chat_protocol::reply::LeaveReply;
use tcp_chat_protocol::request::Place;

impl State {
    pub(crate) fn leave(&mut self, caller: Caller<'_>, place: &Place) -> Answer<Done> {
        let room = self.room_for(caller.session, place, Permission::Leave)?;
        let shown =
            self.conversations.get(room).and_then(|c| c.room()).map(Name::to_string).unwrap_or_default();
        self.leave_room(caller.session, room);
        Ok(Done::Left(Box::new(LeaveReply { room: shown })))
    }

    /// Removes the session from the room.
    pub(crate) fn leave_room(&mut self, session: SessionId, room: ConversationId) {
        let Some(user) = self.sessions.get(session).map(|s| s.row.user) else { return };
        let before = self.seen(user, &[room]);
        let origin = self.part(session, room);
        self.stop_hearing(room, origin);
        self.announce(before, self.face(session));
        self.drop_if_empty(room);
    }

    /// The connection gets the messages of the room no longer.
    pub(crate) fn stop_hearing(&mut self, room: ConversationId, origin: Option<Origin>) {
        origin.into_iter().for_each(|origin| self.report(Change::Leaves(room, origin)));
    }
}
