//! Owns what an operator may look at: who is here, the rooms, grants, mutes and bans, as JSON for the
//! control socket. Called by the hub. Never changes anything.

use super::{Chat, ConversationId, Penalty, Scope, SessionId};
use serde_json::{Value, json};
use tcp_chat_protocol::{Banned, Name, NameKey, Role, Timestamp};

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

/// Where a listing goes on.
#[derive(Debug, Clone, Default)]
pub struct Cursor(Option<At>);

#[derive(Debug, Clone)]
enum At {
    Session(SessionId),
    Room(ConversationId),
    User(Scope, NameKey),
    /// Of bans: so many of those of certificates and addresses.
    Others(usize),
}

/// Some of a listing.
#[derive(Debug, Default)]
pub struct Page {
    /// Objects, in an order that is the same each time.
    pub rows: Vec<Value>,
    /// Where the next ones begin; `None`: these were the last.
    pub next: Option<Cursor>,
}

/// Rows, or entries that are passed over, of one page: a turn has time for them.
const ROWS: usize = 256;

impl Chat {
    /// A page of a list. The hub gives one in a turn, so that no list holds it up.
    #[must_use]
    pub fn look(&self, at: Look, from: &Cursor) -> Page {
        let now = self.turn.now.wall;
        match at {
            Look::Users => {
                let from = if let Some(At::Session(id)) = from.0 { id } else { SessionId(i64::MIN) };
                let rows = self.sessions.after(from);
                page(rows.map(|s| (At::Session(s.row.id), Some(self.user_seen(s)))))
            }
            Look::Rooms => {
                let from = if let Some(At::Room(id)) = from.0 { Some(id) } else { None };
                let rows = self.conversations.rooms_after(from);
                page(rows.map(|(id, name, room)| (At::Room(id), Some(self.room_seen(id, name, room)))))
            }
            Look::Grants => page(self.book.grants.after(user_at(from)).map(|(at, scope, user, role)| {
                let row = json!({"user": user, "role": role, "room": self.shown(scope)});
                (At::User(at.0, at.1), Some(row))
            })),
            Look::Mutes => page(self.penalties(&self.book.mutes, from, now)),
            Look::Bans => {
                let others = if let Some(At::Others(passed)) = from.0 { Some(passed) } else { None };
                let users = others.is_none().then(|| self.penalties(self.book.user_bans(), from, now));
                let passed = others.unwrap_or(0);
                let others = self.book.other_bans().enumerate().skip(passed).map(|(n, (banned, p))| {
                    let row = p.is_in_force(now).then(|| self.penalty_seen(&banned, None, p));
                    (At::Others(n + 1), row)
                });
                page(users.into_iter().flatten().chain(others))
            }
        }
    }

    fn penalties<'a>(
        &'a self,
        of: &'a super::by_user::ByUser<Penalty>,
        from: &Cursor,
        now: u64,
    ) -> impl Iterator<Item = (At, Option<Value>)> + use<'a> {
        of.after(user_at(from)).map(move |(at, scope, user, p)| {
            let row = p.is_in_force(now).then(|| self.penalty_seen(&Banned::User(user.clone()), scope, p));
            (At::User(at.0, at.1), row)
        })
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

    fn room_seen(&self, id: ConversationId, name: &Name, room: &super::rooms::Conversation) -> Value {
        let owners = self.book.grants.there(Some(id)).filter(|(_, role)| **role == Role::Owner);
        json!({
            "room": name,
            "members": room.members.len(),
            "here": room.here.len(),
            "head": room.head,
            "private": self.book.is_private(id),
            "owners": owners.map(|(user, _)| user).collect::<Vec<_>>(),
        })
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

fn user_at(from: &Cursor) -> Option<(Scope, NameKey)> {
    if let Some(At::User(scope, user)) = &from.0 { Some((*scope, user.clone())) } else { None }
}

/// The first entries, as a page.
fn page(mut entries: impl Iterator<Item = (At, Option<Value>)>) -> Page {
    let mut page = Page::default();
    for (at, row) in entries.by_ref().take(ROWS) {
        page.rows.extend(row);
        page.next = Some(Cursor(Some(at)));
    }
    if entries.next().is_none() {
        page.next = None;
    }
    page
}
