//! Owns the way from the store into memory at the start, and back when the store has to be told
//! everything anew. Never reads messages: they stay where they are.

use super::book::Book;
use super::rooms::Conversations;
use super::sessions::{Session, Sessions, UsedIds};
use super::turn::Turn;
use super::{Chat, ConversationKind, Found, Now, Rules, StoredConversation, StoredSession};
use std::collections::HashMap;

impl Chat {
    /// The state as the store knew it. Every session is away, its time counting from `now`.
    #[must_use]
    pub fn restore(rules: Rules, found: Found, now: Now) -> Self {
        let Found { conversations: stored, sessions: held, rights, head, .. } = found;
        let mut conversations = Conversations::default();
        conversations.last = found.last_conversation;
        for StoredConversation { id, kind, head } in stored {
            conversations.put(id, kind, head);
        }
        let mut sessions = Sessions::default();
        sessions.last = found.last_session;
        let mut by_user = HashMap::new();
        for StoredSession { row, rooms } in held {
            let id = row.id;
            by_user.insert(row.user, id);
            let mut session = Session::new(row, rules.rate, now.mono, UsedIds::UNKNOWN);
            session.ends = Some(now.mono.saturating_add(rules.ttl_ms));
            for (room, since) in rooms {
                if let Some(conversation) = conversations.get_mut(room) {
                    conversation.members.insert(id);
                    session.rooms.push((room, since));
                }
            }
            sessions.put(session);
        }
        let directs: Vec<_> = conversations
            .iter()
            .filter_map(|(id, c)| match c.kind {
                ConversationKind::Direct(a, b) => Some((id, a, b)),
                ConversationKind::Room(_) => None,
            })
            .collect();
        for (id, a, b) in directs {
            let mut both: Vec<_> = [a, b].iter().filter_map(|user| by_user.get(user).copied()).collect();
            both.dedup();
            for one in both {
                if let (Some(session), Some(direct)) = (sessions.get_mut(one), conversations.get_mut(id)) {
                    session.directs.push(id);
                    direct.members.insert(one);
                }
            }
        }
        let mut turn = Turn::default();
        turn.now = now;
        let mut chat = Self {
            rules,
            conversations,
            sessions,
            book: Book::restore(rights),
            unaudited: Vec::new(),
            connections: HashMap::new(),
            head,
            keeping: true,
            turn,
        };
        chat.open_default_rooms();
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
        Found {
            conversations,
            sessions,
            rights: self.book.stored(),
            audit: self.unaudited.clone(),
            head: self.head,
            last_conversation: self.conversations.last,
            last_session: self.sessions.last,
        }
    }
}
