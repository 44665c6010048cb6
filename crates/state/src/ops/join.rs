//! Owns the doors of rooms: JOIN, LEAVE, the rooms of a login, rooms that open and rooms that go. Called
//! by [`State::ask`], by entry and by the acts. Never sends: it adds to the turn.

use crate::ops::enrol::may_be_new;
use crate::permissions::authorize::{Permission, authorize};
use crate::permissions::checks::not_to_enter;
use crate::quota_owner::QuotaOwner;
use crate::rooms::{Conversation, Conversations, LooksLike};
use crate::{
    Answer, Caller, Change, ConversationId, ConversationKind, Origin, SessionChange, SessionId, Source,
    State, UserId, refusal,
};
use std::collections::HashSet;
use tcp_chat_protocol::reply::{JoinReply, LeaveReply};
use tcp_chat_protocol::request::Place;
use tcp_chat_protocol::{ErrorKind, Name, NameKey, Role};

/// Members that the reply to JOIN lists at most.
const JOIN_MEMBERS: usize = 100;

impl State {
    /// The rooms that a fresh login enters. Those that it names all or none, opened where need be; of the configured
    /// ones those that are open to it.
    pub(crate) fn rooms_of_login(
        &mut self,
        asked: Option<Vec<Name>>,
        user: &Name,
        is_proven: bool,
        source: Source,
    ) -> Result<Vec<ConversationId>, crate::Refusal> {
        let key = user.key();
        let Some(names) = asked else {
            let is_open = |(room, name): &(_, &Name)| self.may_enter(*room, name, &key, is_proven).is_ok();
            return Ok(self.default_rooms().filter(is_open).map(|(room, _)| room).collect());
        };
        let limit = self.rules.rooms_per_session;
        if limit > 0 && names.len() > limit {
            return Err(refusal(ErrorKind::Data, format!("`rooms`: a session may be in {limit} rooms")));
        }
        self.may_enter_all(&names, user, is_proven, source)?;
        let mut rooms = Vec::with_capacity(names.len());
        let mut passed = HashSet::with_capacity(names.len());
        for name in &names {
            let room = match self.conversations.room(name) {
                Some(room) => room,
                None => self.open_allowed(name, user, is_proven, source),
            };
            if passed.insert(room) {
                rooms.push(room);
            }
        }
        Ok(rooms)
    }

    /// Could a login enter these rooms, opened where need be? Asked before any is opened: a login that
    /// is refused must not cost what many rooms cost.
    fn may_enter_all(
        &self,
        names: &[Name],
        user: &Name,
        is_proven: bool,
        source: Source,
    ) -> Result<(), crate::Refusal> {
        let key = user.key();
        let mut new = Conversations::default();
        for name in names {
            match self.conversations.room(name) {
                Some(room) => {
                    self.may_enter(room, name, &key, is_proven)
                        .map_err(|no| self.told(no, name, (&key, is_proven), source))?;
                }
                None if new.room(name).is_none() => {
                    self.may_open(name, user, is_proven, source, new.room_count() + 1)?;
                    new.open_room(name).map_err(|LooksLike(other)| looks_like(name, &other))?;
                }
                None => {}
            }
        }
        Ok(())
    }

    pub(crate) fn join(&mut self, caller: Caller<'_>, name: &Name) -> Answer<JoinReply> {
        let session = caller.session;
        if let Some(room) = self.conversations.room(name) {
            // It may have lost the right to be there a moment ago, and have it again.
            self.sweep(session, room);
        }
        let (known, source) = (self.conversations.room(name), caller.source);
        let is_in = known.is_some_and(|room| self.sessions.get(session).is_some_and(|s| s.is_in(room)));
        let limit = self.rules.rooms_per_session;
        let count = self.sessions.get(session).map_or(0, |s| s.rooms.len());
        if !is_in && limit > 0 && count >= limit {
            return Err(refusal(
                ErrorKind::Data,
                format!("`room`: a session may be in {limit} rooms; LEAVE one first"),
            ));
        }
        let room = match (known, self.sessions.get(session)) {
            (Some(_), _) => {
                // What may not be known is told as if it could not be opened.
                let place = Place(Some(name.clone()));
                self.room_for(session, &place, Permission::Know).map_err(|_| {
                    let user = self.sessions.get(session).map(|s| (s.key.clone(), s.proven));
                    let no = not_to_enter(Some(name));
                    match &user {
                        Some((key, is_proven)) => self.told(no, name, (key, *is_proven), source),
                        None => no,
                    }
                })?;
                self.room_for(session, &place, Permission::Enter)?
            }
            (None, Some(held)) => {
                let (user, is_proven) = (held.row.name.clone(), held.proven);
                self.open_room(name, &user, is_proven, source)?
            }
            (None, None) => return Err(not_to_enter(Some(name))),
        };
        let who = self.sessions.get(session).map_or(UserId(session.0), |s| s.row.user);
        let before = self.seen(who, &[room]);
        if !is_in {
            self.enter(session, room);
        }
        let conversation = self.conversations.get(room).ok_or_else(|| not_to_enter(Some(name)))?;
        let reply = JoinReply {
            room: conversation.room().unwrap_or(name).to_string(),
            head: self.turn.before(room).unwrap_or(conversation.head),
            members: self.members(room, &conversation.members, JOIN_MEMBERS),
            member_count: self.member_count(room, &conversation.members),
        };
        self.announce(before, self.face(session));
        Ok(reply)
    }

    pub(crate) fn enter(&mut self, session: SessionId, room: ConversationId) {
        let joined = self.sessions.joins + 1;
        let (Some(held), Some(conversation)) =
            (self.sessions.get_mut(session), self.conversations.get_mut(room))
        else {
            return;
        };
        held.rooms.push((room, self.head));
        conversation.members.insert(held.row.user, session);
        let origin = held.row.origin;
        self.sessions.joins = joined;
        self.turn.writes.sessions.push(SessionChange::Join { session, room, since: self.head, joined });
        origin.into_iter().for_each(|origin| self.tell(Change::Hears(room, origin)));
    }

    /// Opens a room for a user, whose it is if the name is proven.
    fn open_room(
        &mut self,
        name: &Name,
        user: &Name,
        is_proven: bool,
        source: Source,
    ) -> Result<ConversationId, crate::Refusal> {
        self.may_open(name, user, is_proven, source, 1)?;
        Ok(self.open_allowed(name, user, is_proven, source))
    }

    /// The same where it is known that it may be opened.
    fn open_allowed(&mut self, name: &Name, user: &Name, is_proven: bool, source: Source) -> ConversationId {
        let room = self.conversations.open_configured(name);
        self.tell(Change::Opened(room, source.network));
        let by = self.opener(&user.key(), is_proven, source);
        self.openers.add(room, by);
        self.turn.writes.opened.push((room, by));
        self.turn.writes.conversations.push((room, ConversationKind::Room(name.clone())));
        if is_proven {
            let change = self.permissions.grant(Some(room), user, Some(Role::Owner), None);
            self.turn.writes.rights.extend(change);
        }
        room
    }

    /// Could the room be opened, as the last of so `many`?
    fn may_open(&self, name: &Name, user: &Name, is_proven: bool, source: Source, many: usize) -> Answer {
        self.may_open_any(name, (&user.key(), is_proven), source, many)?;
        self.ensure_not_being_removed(name, |room| {
            self.may_enter(room, name, &user.key(), is_proven).is_ok()
        })?;
        let Some(twin) = self.conversations.twin(name) else { return may_be_new(name, "room") };
        // Not even by its look is a private room found.
        self.may_enter(twin, name, &user.key(), is_proven).map_err(|_| not_to_enter(Some(name)))?;
        let other = self.conversations.get(twin).and_then(Conversation::room).unwrap_or(name);
        Err(looks_like(name, other))
    }

    /// Why a room cannot be entered, as it is told: one that may not be known as if it could not be opened.
    fn told(
        &self,
        no: crate::Refusal,
        name: &Name,
        user: (&NameKey, bool),
        source: Source,
    ) -> crate::Refusal {
        match no.kind {
            ErrorKind::NoSuchRoom => self.may_open_any(name, user, source, 1).err().unwrap_or(no),
            _ => no,
        }
    }

    /// Could so `many` rooms be opened from there, whatever they are called?
    fn may_open_any(
        &self,
        name: &Name,
        (user, is_proven): (&NameKey, bool),
        source: Source,
        many: usize,
    ) -> Answer {
        let (rooms, limit) = (self.conversations.room_count(), self.rules.rooms);
        let by = self.opener(user, is_proven, source);
        let why = if !self.rules.create {
            "users may not open rooms"
        } else if authorize(self.permissions.on_server(user, is_proven, self.turn.time), Permission::Open)
            .is_err()
        {
            "you may read on this server, and not write"
        } else if limit > 0 && rooms + many > limit {
            "the server has no room for one more"
        } else if many > source.rooms {
            "your network has opened half of those that the server allows"
        } else if !self.openers.is_within(by, many, self.rules.rooms_per_network) {
            match by {
                QuotaOwner::User(_) => "you have opened as many as you may: use one that is there",
                QuotaOwner::Network(_) => {
                    "your network has opened as many as it may: use one that is there, or log in with a name of your own"
                }
            }
        } else {
            return Ok(());
        };
        Err(refusal(ErrorKind::NoSuchRoom, format!("there is no room {name}, and {why}")))
    }

    /// In whose quota a room is that this user opens.
    fn opener(&self, user: &NameKey, is_proven: bool, source: Source) -> QuotaOwner {
        let owner = self.users.by_key(user).filter(|_| is_proven);
        owner.map_or_else(|| QuotaOwner::at(source.network), |owner| QuotaOwner::User(owner.id))
    }

    pub(crate) fn leave(&mut self, caller: Caller<'_>, place: &Place) -> Answer<LeaveReply> {
        let room = self.room_for(caller.session, place, Permission::Leave)?;
        let shown =
            self.conversations.get(room).and_then(|c| c.room()).map(Name::to_string).unwrap_or_default();
        self.leave_room(caller.session, room);
        Ok(LeaveReply { room: shown })
    }

    /// The session is in the room no more.
    pub(crate) fn leave_room(&mut self, session: SessionId, room: ConversationId) {
        let Some(user) = self.sessions.get(session).map(|s| s.row.user) else { return };
        let before = self.seen(user, &[room]);
        let Some(held) = self.sessions.get_mut(session) else { return };
        held.rooms.retain(|(r, _)| *r != room);
        let origin = held.row.origin;
        if let Some(conversation) = self.conversations.get_mut(room) {
            conversation.members.remove(user, session);
        }
        self.stop_hearing(room, origin);
        self.turn.writes.sessions.push(SessionChange::Leave { session, room });
        self.announce(before, self.face(session));
        self.drop_if_empty(room);
    }

    /// What is said in the room is no longer heard there.
    pub(crate) fn stop_hearing(&mut self, room: ConversationId, origin: Option<Origin>) {
        origin.into_iter().for_each(|origin| self.tell(Change::Leaves(room, origin)));
    }

    /// All conversations of which nothing is left go after a start: a slice in each turn.
    pub(crate) fn sweep_empty_conversations(&mut self) {
        let mut all: Vec<_> = self.conversations.iter().map(|(id, _)| id).collect();
        all.sort_unstable();
        self.unchecked = all.into_iter();
    }

    /// Forgets direct messages that nobody can read any more, and rooms with neither members nor
    /// messages. The configured rooms stay, those of which something is written down, and what two
    /// registered users have said to each other.
    pub(crate) fn drop_if_empty(&mut self, id: ConversationId) {
        let Some(conversation) = self.conversations.get(id) else { return };
        // Retention takes the oldest first: as long as the newest is there, some are.
        let has_messages = conversation.head > 0 && conversation.head >= self.oldest;
        match &conversation.kind {
            ConversationKind::Room(name) => {
                // What costs most is asked last.
                let stays = has_messages || !conversation.members.is_empty() || self.permissions.holds(id);
                if stays || self.is_configured(name) {
                    return;
                }
            }
            ConversationKind::Direct(a, b) => {
                let is_here = |user: &UserId| !self.sessions.of(*user).is_empty();
                let is_known = |user: &UserId| self.users.get(*user).is_some();
                // Of who is gone for good the other one may still have messages to read.
                let stays = if has_messages { is_here(a) || is_here(b) } else { is_here(a) && is_here(b) };
                if stays || (is_known(a) && is_known(b)) {
                    return;
                }
            }
        }
        self.remove_conversation(id);
    }

    /// The conversation is gone, with all that is written down of it; what was said goes in slices.
    pub(crate) fn remove_conversation(&mut self, id: ConversationId) {
        if self.conversations.get(id).is_none() {
            return;
        }
        self.conversations.remove(id);
        self.tell(Change::Gone(id));
        self.openers.remove(id);
        self.permissions.forget(id);
        self.turn.writes.gone.push(id);
    }
}

/// As for a user's name. The client tells the two apart by how the sentence begins.
fn looks_like(name: &Name, other: &Name) -> crate::Refusal {
    refusal(ErrorKind::NameTaken, format!("the room {name} looks like the room {other}: use that or another"))
}
