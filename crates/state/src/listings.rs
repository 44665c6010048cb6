//! Owns the listings for operators: sessions, rooms, grants, mutes and bans, a page at a time. Called by the hub. Never
//! changes anything.

use super::rooms::Conversation;
use super::{ConversationId, Origin, Penalty, Scope, SessionId, State};
use serde::Serialize;
use std::net::IpAddr;
use tcp_chat_protocol::{Banned, Name, NameKey, Role, Seq, Timestamp};

/// The kind of a listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listing {
    /// All sessions.
    Users,
    /// All rooms.
    Rooms,
    /// Roles, by room and user.
    Grants,
    /// Mutes, with end and reason.
    Mutes,
    /// Bans, with end and reason.
    Bans,
}

/// Where the next page of a listing begins.
#[derive(Debug, Clone, Default)]
pub struct Cursor(Option<At>);

#[derive(Debug, Clone)]
enum At {
    Session(SessionId),
    Room(ConversationId),
    User(Scope, NameKey),
    /// Of bans: the number of certificates and addresses that the page has passed.
    Others(usize),
}

/// One entry of a listing. On the control socket it is an object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Row {
    /// Of [`Listing::Users`].
    Session(ListedSession),
    /// Of [`Listing::Rooms`].
    Room(ListedRoom),
    /// Of [`Listing::Grants`].
    Grant {
        /// The user who has the role.
        user: Name,
        /// The role.
        role: Role,
        /// The room; `None`: the whole server.
        room: Option<Name>,
    },
    /// Of [`Listing::Mutes`] and [`Listing::Bans`].
    Penalty(ListedPenalty),
}

/// A session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ListedSession {
    /// Its user's name.
    pub user: Name,
    /// Is it connected?
    pub state: &'static str,
    /// The peer address of its connection.
    pub address: Option<IpAddr>,
    /// Has its user proven the name?
    pub proven: bool,
    /// Its role on the whole server.
    pub role: Option<Role>,
    /// The rooms that it is in.
    pub rooms: Vec<Name>,
}

/// A room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ListedRoom {
    /// Its name.
    pub room: Name,
    /// Users in it.
    pub members: usize,
    /// Connections in it.
    pub here: usize,
    /// Its newest message.
    pub head: Seq,
    /// Is it private?
    pub private: bool,
    /// The users who own it.
    pub owners: Vec<Name>,
}

/// A mute or a ban in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ListedPenalty {
    /// The room; `None`: the whole server.
    pub room: Option<Name>,
    /// Its end; `None`: until it is removed.
    pub until: Option<Timestamp>,
    /// The reason.
    pub reason: Box<str>,
    /// The moderator or operator who decided it.
    pub by: Box<str>,
    /// Its beginning, in milliseconds since 1970.
    pub since: Timestamp,
    /// The target.
    #[serde(flatten)]
    pub against: ListedTarget,
}

/// The target of a penalty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ListedTarget {
    /// A user.
    User(Name),
    /// A certificate, by the SHA-256 of its public key.
    Certificate(String),
    /// A range of addresses.
    Address(String),
}

/// The part of a listing that only the edge knows: the connections of this node.
pub trait Connected {
    /// The peer address of a connection.
    fn address(&self, origin: Origin) -> Option<IpAddr>;
    /// How many connections are in the room.
    fn hear(&self, room: ConversationId) -> usize;
}

/// A page of a listing.
#[derive(Debug, Default)]
pub struct Page {
    /// The rows, in a stable order.
    pub rows: Vec<Row>,
    /// The start of the next page; `None`: this page is the last.
    pub next: Option<Cursor>,
}

/// The largest number of rows and skipped entries of one page, so that a turn has time for it.
const ROWS: usize = 256;

impl State {
    /// A page of a listing. The hub makes one in a turn, so that no listing holds it.
    #[must_use]
    pub fn list(&self, listing: Listing, from: &Cursor, connected: &impl Connected) -> Page {
        let now = self.turn.time();
        match listing {
            Listing::Users => {
                let from = if let Some(At::Session(id)) = from.0 { id } else { SessionId(i64::MIN) };
                let rows = self.sessions.after(from);
                page(rows.map(|s| (At::Session(s.row.id), Some(self.listed_session(s, connected)))))
            }
            Listing::Rooms => {
                let from = if let Some(At::Room(id)) = from.0 { Some(id) } else { None };
                let gone = self.gone_members();
                let seen = |(id, name, room): (_, _, &Conversation)| {
                    let members = room.members.len() - gone.get(&id).unwrap_or(&0);
                    (At::Room(id), Some(self.listed_room(id, name, room, (members, connected.hear(id)))))
                };
                page(self.conversations.rooms_after(from).map(seen))
            }
            Listing::Grants => {
                page(self.permissions.grants().after(user_at(from)).map(|(at, scope, user, role)| {
                    let row = Row::Grant { user: user.clone(), role: *role, room: self.shown(scope) };
                    (At::User(at.0, at.1), Some(row))
                }))
            }
            Listing::Mutes => page(self.penalties(self.permissions.mutes(), from, now)),
            Listing::Bans => {
                let others = if let Some(At::Others(passed)) = from.0 { Some(passed) } else { None };
                let users = others.is_none().then(|| self.penalties(self.permissions.user_bans(), from, now));
                let passed = others.unwrap_or(0);
                let others =
                    self.permissions.other_bans().enumerate().skip(passed).map(|(n, (banned, p))| {
                        let row = p.is_in_force(now).then(|| self.listed_penalty(&banned, None, p));
                        (At::Others(n + 1), row)
                    });
                page(users.into_iter().flatten().chain(others))
            }
        }
    }

    fn penalties<'a>(
        &'a self,
        of: &'a super::permissions::by_user::ByUser<Penalty>,
        from: &Cursor,
        now: u64,
    ) -> impl Iterator<Item = (At, Option<Row>)> + use<'a> {
        of.after(user_at(from)).map(move |(at, scope, user, p)| {
            let row = p.is_in_force(now).then(|| self.listed_penalty(&Banned::User(user.clone()), scope, p));
            (At::User(at.0, at.1), row)
        })
    }

    fn shown(&self, scope: Scope) -> Option<Name> {
        scope.and_then(|room| self.conversations.get(room)?.room().cloned())
    }

    fn listed_session(&self, session: &super::sessions::Session, connected: &impl Connected) -> Row {
        Row::Session(ListedSession {
            user: session.row.name.clone(),
            state: if session.row.origin.is_some() { "here" } else { "away" },
            address: session
                .row
                .origin
                .and_then(|origin| connected.address(origin))
                .map(|address| address.to_canonical()),
            proven: session.is_proven,
            role: self.permissions.grants().get(None, &session.key).filter(|_| session.is_proven).copied(),
            rooms: session.rooms.iter().filter_map(|(room, _)| self.shown(Some(*room))).collect(),
        })
    }

    fn listed_room(
        &self,
        id: ConversationId,
        name: &Name,
        room: &Conversation,
        (members, here): (usize, usize),
    ) -> Row {
        let owners = self.permissions.grants().there(Some(id)).filter(|(_, role)| **role == Role::Owner);
        Row::Room(ListedRoom {
            room: name.clone(),
            members,
            here,
            head: room.head,
            private: self.permissions.is_private(id),
            owners: owners.map(|(user, _)| user.clone()).collect(),
        })
    }

    fn listed_penalty(&self, whom: &Banned, scope: Scope, penalty: &Penalty) -> Row {
        Row::Penalty(ListedPenalty {
            room: self.shown(scope),
            until: penalty.until.map(Timestamp),
            reason: penalty.reason.clone(),
            by: penalty.by.clone(),
            since: Timestamp(penalty.since),
            against: match whom {
                Banned::User(user) => ListedTarget::User(user.clone()),
                Banned::Certificate(fingerprint) => ListedTarget::Certificate(fingerprint.to_string()),
                Banned::Address(range) => ListedTarget::Address(range.to_string()),
            },
        })
    }
}

fn user_at(from: &Cursor) -> Option<(Scope, NameKey)> {
    if let Some(At::User(scope, user)) = &from.0 { Some((*scope, user.clone())) } else { None }
}

/// The first entries, as a page.
fn page(mut entries: impl Iterator<Item = (At, Option<Row>)>) -> Page {
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
