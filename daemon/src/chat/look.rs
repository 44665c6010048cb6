//! Owns what an operator may look at: who is here, the rooms, grants, mutes and bans, as JSON for the
//! control socket. Called by the hub. Never changes anything.

use super::{Banned, Chat, ConversationId, Penalty, Scope};
use serde_json::{Value, json};
use std::collections::HashMap;
use tcp_chat_protocol::{Name, Role, Timestamp};

/// What an operator looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// Every session.
    Users,
    /// Every room.
    Rooms,
    /// Who is what, where.
    Grants,
    /// Who is muted, where, until when and why.
    Mutes,
    /// Who is banned, where, until when and why.
    Bans,
}

impl Chat {
    /// A list of objects, in an order that is the same each time.
    #[must_use]
    pub fn look(&self, at: Look) -> Vec<Value> {
        match at {
            Look::Users => self.sessions.iter().map(|session| self.user_seen(session)).collect(),
            Look::Rooms => self.rooms_seen(),
            Look::Grants => self
                .book
                .grants
                .iter()
                .map(|(scope, user, role)| json!({"user": user, "role": role, "room": self.shown(scope)}))
                .collect(),
            Look::Mutes => {
                let now = self.turn.now.wall;
                let in_force = self.book.mutes.iter().filter(|(.., p)| p.is_in_force(now));
                in_force
                    .map(|(scope, user, p)| self.penalty_seen(&Banned::User(user.clone()), scope, p))
                    .collect()
            }
            Look::Bans => {
                let now = self.turn.now.wall;
                let bans = self.book.bans().into_iter().filter(|(.., p)| p.is_in_force(now));
                bans.map(|(scope, banned, p)| self.penalty_seen(&banned, scope, p)).collect()
            }
        }
    }

    fn shown(&self, scope: Scope) -> Option<&Name> {
        scope.and_then(|room| self.conversations.get(room)?.room())
    }

    fn user_seen(&self, session: &super::sessions::Session) -> Value {
        let rooms: Vec<_> = session.rooms.iter().filter_map(|(room, _)| self.shown(Some(*room))).collect();
        let connection = session.connection.and_then(|c| self.connections.get(&c));
        let role = self.book.grants.get(None, &session.key).filter(|_| session.proven);
        json!({
            "user": session.row.name,
            "state": if connection.is_some() { "here" } else { "away" },
            "address": connection.map(|c| c.address.to_canonical()),
            "proven": session.proven,
            "role": role,
            "rooms": rooms,
        })
    }

    fn rooms_seen(&self) -> Vec<Value> {
        let mut owners: HashMap<Scope, Vec<&Name>> = HashMap::new();
        for (scope, user, _) in self.book.grants.iter().filter(|(.., role)| **role == Role::Owner) {
            owners.entry(scope).or_default().push(user);
        }
        let seen = |(id, name, room): (ConversationId, &Name, &super::rooms::Conversation)| {
            json!({
                "room": name,
                "members": room.members.len(),
                "here": room.here.len(),
                "head": room.head,
                "private": self.book.is_private(id),
                "owners": owners.get(&Some(id)).cloned().unwrap_or_default(),
            })
        };
        self.conversations.rooms().into_iter().map(seen).collect()
    }

    fn penalty_seen(&self, whom: &Banned, scope: Scope, penalty: &Penalty) -> Value {
        let mut seen = json!({
            "room": self.shown(scope),
            "until": penalty.until.map(Timestamp),
            "reason": penalty.reason,
            "by": penalty.by,
            "since": Timestamp(penalty.since),
        });
        match whom {
            Banned::User(user) => seen["user"] = json!(user),
            Banned::Certificate(fingerprint) => seen["certificate"] = json!(fingerprint.to_string()),
            Banned::Address(range) => seen["address"] = json!(range.to_string()),
        }
        seen
    }
}
