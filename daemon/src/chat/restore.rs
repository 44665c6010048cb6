//! Owns the way from the store into memory at the start, and back when the store has to be told
//! everything anew. Never reads messages: they stay where they are.

use super::actions::Actions;
use super::book::Book;
use super::leaving::Leaving;
use super::networks::Networks;
use super::party::Opened;
use super::presence::Untold;
use super::removed::RemovedUsers;
use super::rooms::Conversations;
use super::sessions::{Session, Sessions, UsedIds};
use super::shares::Shares;
use super::sweeps::{Sweep, Sweeps};
use super::turn::{Slice, Turn};
use super::{Chat, Found, IdMap, Now, Rules, StoredConversation, StoredSession, Tally, User, Users};
use std::sync::Arc;

impl Chat {
    /// The state as the store knew it. Every session is away, its time counting from `now`.
    #[must_use]
    pub fn restore(rules: Rules, found: Found, now: Now) -> Self {
        let Found { conversations: stored, sessions: held, rights, head, oldest, log, .. } = found;
        let private = rights.private.clone();
        let (removed, users): (Vec<_>, Vec<_>) = found.users.into_iter().partition(User::is_removed);
        let users = Users::new(users, found.certificates);
        let mut conversations = Conversations::default();
        conversations.last = found.last_conversation;
        for StoredConversation { id, kind, head } in stored {
            conversations.put(id, kind, head);
        }
        let mut sessions = Sessions::default();
        sessions.last = found.last_session;
        sessions.joins = found.last_join;
        for StoredSession { row, rooms } in held {
            let id = row.id;
            let (user, proven) = (row.user, users.get(row.user).is_some());
            let ttl = rules.ttl_of(&row.name);
            let mut session = Session::new(row, proven, rules.rates(), now.mono, UsedIds::UNKNOWN);
            session.ends = Some(now.mono.saturating_add(ttl));
            for (room, since) in rooms {
                if let Some(conversation) = conversations.get_mut(room) {
                    conversation.members.insert(user, id);
                    session.rooms.push((room, since));
                }
            }
            sessions.put(session);
        }
        let mut opened = Opened::default();
        for (room, by) in found.opened {
            if conversations.get(room).is_some() {
                opened.add(room, by);
            }
        }
        let mut turn = Turn::default();
        turn.now = now;
        let mut chat = Self {
            rules,
            conversations,
            sessions,
            session_shares: Shares::default(),
            room_shares: Shares::default(),
            opened,
            defaults: found.default_rooms,
            networks: Networks::default(),
            actions: Actions::default(),
            users: Arc::new(users),
            removed: RemovedUsers::new(found.removed),
            book: Book::restore(rights),
            unaudited: Vec::new(),
            connections: IdMap::default(),
            head,
            log,
            oldest,
            keeping: true,
            turn,
            tally: Tally::default(),
            sweeps: Sweeps::default(),
            leaving: Leaving::default(),
            untold: Untold::default(),
            slice: Slice::default(),
        };
        chat.open_configured_rooms();
        chat.note_default_room();
        // A crash came before their last grant was gone.
        for User { id, name, .. } in removed {
            chat.sweep_later(Sweep::directs_of(id));
            chat.sweep_later(Sweep::Grants(id, name));
        }
        // A crash may have come before all strangers were removed from a private room.
        private.into_iter().for_each(|room| chat.sweep_members(room));
        chat.empty_ones_go();
        chat.strangers_leave();
        chat
    }

    /// All that the store has to know besides the messages.
    #[must_use]
    pub fn found(&self) -> Found {
        let mut conversations: Vec<_> = self
            .conversations
            .iter()
            .map(|(id, c)| StoredConversation { id, kind: c.kind.clone(), head: c.head })
            .collect();
        conversations.sort_unstable_by_key(|c| c.id);
        let sessions = self
            .sessions
            .iter()
            .map(|s| StoredSession { row: s.row.clone(), rooms: s.rooms.clone() })
            .collect();
        let mut opened: Vec<_> = self.opened.iter().collect();
        opened.sort_unstable();
        Found {
            opened,
            default_rooms: self.defaults.clone(),
            conversations,
            sessions,
            rights: self.book.stored(),
            audit: self.unaudited.clone(),
            users: self.users.iter().cloned().chain(self.sweeps.removed_users()).collect(),
            certificates: self.users.certificates().cloned().collect(),
            removed: self.removed.iter().cloned().collect(),
            head: self.head,
            oldest: self.oldest,
            last_conversation: self.conversations.last,
            last_session: self.sessions.last,
            last_join: self.sessions.joins,
            log: self.log.clone(),
        }
    }
}
