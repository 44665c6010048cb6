//! Owns the opening of rooms: the right to open one, its name, and the quota that it counts for. Called by JOIN and
//! LOGIN. Never decides who may join a room that exists.

use crate::ops::identify::may_be_new;
use crate::permissions::authorize::{Permission, authorize};
use crate::permissions::checks::not_to_enter;
use crate::quota_owner::QuotaOwner;
use crate::rooms::Conversation;
use crate::{Allowance, Answer, Change, ConversationId, ConversationKind, State, refusal};
use tcp_chat_protocol::{ErrorKind, Name, NameKey, Role};

impl State {
    /// Opens a room for a user, who owns it if the name is proven.
    pub(crate) fn open_room(
        &mut self,
        name: &Name,
        user: &Name,
        is_proven: bool,
        allowance: &Allowance,
    ) -> Result<ConversationId, crate::Refusal> {
        self.may_open(name, user, is_proven, allowance, 1)?;
        Ok(self.open_allowed(name, user, is_proven, allowance))
    }

    /// The same after it was decided that the room may be opened.
    pub(crate) fn open_allowed(
        &mut self,
        name: &Name,
        user: &Name,
        is_proven: bool,
        allowance: &Allowance,
    ) -> ConversationId {
        let room = self.conversations.open_configured(name);
        self.report(Change::Opened(room, allowance.network));
        let by = self.opener(&user.key(), is_proven, allowance);
        self.openers.add(room, by);
        self.turn.writes.opened.push((room, by));
        self.turn.writes.conversations.push((room, ConversationKind::Room(name.clone())));
        if is_proven {
            let change = self.permissions.grant(Some(room), user, Some(Role::Owner), None);
            self.turn.writes.permissions.extend(change);
        }
        room
    }

    /// Could the room be opened, as the last of so `many`?
    pub(crate) fn may_open(
        &self,
        name: &Name,
        user: &Name,
        is_proven: bool,
        allowance: &Allowance,
        many: usize,
    ) -> Answer {
        self.may_open_any(name, (&user.key(), is_proven), allowance, many)?;
        self.ensure_not_being_removed(name, |room| {
            self.may_enter(room, name, &user.key(), is_proven).is_ok()
        })?;
        let Some(twin) = self.conversations.twin(name) else { return may_be_new(name, "room") };
        // A private room must not be found by a look-alike name either.
        self.may_enter(twin, name, &user.key(), is_proven).map_err(|_| not_to_enter(Some(name)))?;
        let other = self.conversations.get(twin).and_then(Conversation::room).unwrap_or(name);
        Err(looks_like(name, other))
    }

    /// The refusal to join a room. A hidden room is answered like one that cannot be opened.
    pub(crate) fn refusal_to_join(
        &self,
        no: crate::Refusal,
        name: &Name,
        user: (&NameKey, bool),
        allowance: &Allowance,
    ) -> crate::Refusal {
        match no.kind {
            ErrorKind::NoSuchRoom => self.may_open_any(name, user, allowance, 1).err().unwrap_or(no),
            _ => no,
        }
    }

    /// Could so `many` rooms be opened from that network, whatever their names?
    pub(crate) fn may_open_any(
        &self,
        name: &Name,
        (user, is_proven): (&NameKey, bool),
        allowance: &Allowance,
        many: usize,
    ) -> Answer {
        let (rooms, limit) = (self.conversations.room_count(), self.rules.rooms);
        let by = self.opener(user, is_proven, allowance);
        let why = if !self.rules.create {
            "users may not open rooms"
        } else if authorize(self.permissions.on_server(user, is_proven, self.turn.time()), Permission::Open)
            .is_err()
        {
            "you may read on this server, and not write"
        } else if limit > 0 && rooms + many > limit {
            "the server has no room for one more"
        } else if many > allowance.rooms {
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

    /// The owner of the quota for a room that this user opens.
    pub(crate) fn opener(&self, user: &NameKey, is_proven: bool, allowance: &Allowance) -> QuotaOwner {
        let owner = self.users.by_key(user).filter(|_| is_proven);
        owner.map_or_else(|| QuotaOwner::at(allowance.network), |owner| QuotaOwner::User(owner.id))
    }
}

/// As for a user's name. The client tells the two apart by the beginning of the sentence.
pub(crate) fn looks_like(name: &Name, other: &Name) -> crate::Refusal {
    refusal(ErrorKind::NameTaken, format!("the room {name} looks like the room {other}: use that or another"))
}
