//! Owns who may do what: one pure function, [`may`], that every op asks, and how roles on the server
//! and in a room become a [`Standing`]. Called by the chat only. Never knows who holds which role
//! (that is the book's), nor changes anything.

use tcp_chat_protocol::Role;

/// How high somebody stands: who keeps order may act only on those below. Ranks of the server are
/// above those of any room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    Nobody,
    RoomModerator,
    RoomOwner,
    ServerModerator,
    ServerOwner,
    /// Whoever asks through the control socket.
    Operator,
}

/// How somebody stands to a room, or to the server as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Standing {
    /// `None`: they may not know that the room is there.
    pub(super) role: Option<Role>,
    pub(super) rank: Rank,
    /// Are they in the room? Of the server everyone is.
    pub(super) is_in: bool,
    pub(super) is_banned: bool,
    /// In the room, or on the server.
    pub(super) is_muted: bool,
}

impl Standing {
    /// An operator's, everywhere.
    pub(super) const OPERATOR: Self = Self {
        role: Some(Role::Owner),
        rank: Rank::Operator,
        is_in: true,
        is_banned: false,
        is_muted: false,
    };
}

/// What somebody wants to do in a room, or on the server as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deed {
    /// See that it is there, and who is in it: WHO, ROOMS.
    Know,
    /// JOIN, and the rooms of a LOGIN.
    Enter,
    /// LEAVE.
    Leave,
    /// HISTORY, SEARCH.
    Read,
    /// MSG to a room.
    Write,
    /// MSG to a user.
    Whisper,
    /// JOIN, and the rooms of a LOGIN, where the room is not there yet; asked of the server.
    Open,
    /// KICK, MUTE, UNMUTE, BAN, UNBAN, of somebody who stands there.
    Moderate(Rank),
    /// ROOM.
    Govern,
    /// GRANT a role to somebody who stands there.
    Grant(Rank, Option<Role>),
}

/// Why not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum No {
    /// As far as they may know there is no such room.
    Unknown,
    NotIn,
    Banned,
    Muted,
    ReadOnly,
    /// Only those who keep order do that.
    ForModerators,
    /// Only owners do that.
    ForOwners,
    /// The other one stands as high or higher.
    NotAbove,
}

/// May somebody who stands so do that?
pub(super) fn may(who: Standing, deed: Deed) -> Result<(), No> {
    let role = who.role.ok_or(No::Unknown)?;
    let unless = |hindered: bool, no: No| if hindered { Err(no) } else { Ok(()) };
    if matches!(deed, Deed::Moderate(_) | Deed::Govern | Deed::Grant(..)) {
        unless(role == Role::ReadOnly, No::ReadOnly)?;
    }
    match deed {
        Deed::Know => Ok(()),
        Deed::Enter => unless(who.is_banned, No::Banned),
        Deed::Leave | Deed::Read => unless(!who.is_in, No::NotIn),
        Deed::Write => {
            unless(!who.is_in, No::NotIn)?;
            unless(role < Role::Member, No::ReadOnly)?;
            unless(who.is_muted, No::Muted)
        }
        Deed::Whisper => {
            unless(role < Role::Member, No::ReadOnly)?;
            unless(who.is_muted, No::Muted)
        }
        Deed::Open => unless(role < Role::Member, No::ReadOnly),
        Deed::Moderate(whom) => {
            unless(role < Role::Moderator, No::ForModerators)?;
            unless(whom >= who.rank, No::NotAbove)
        }
        Deed::Govern => unless(role < Role::Owner, No::ForOwners),
        Deed::Grant(whom, new) => {
            unless(role < Role::Moderator, No::ForModerators)?;
            // Owners are among themselves: each may name and unname others.
            let is_owner = role == Role::Owner;
            unless(!is_owner && new >= Some(Role::Moderator), No::ForOwners)?;
            unless(whom > who.rank || (whom == who.rank && !is_owner), No::NotAbove)
        }
    }
}

/// What somebody was granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Granted {
    pub(super) server: Option<Role>,
    pub(super) room: Option<Role>,
    /// The role in the room does not lift `read-only` on the server: users gave it, and no operator.
    pub(super) is_capped: bool,
}

/// Role and rank on the server as a whole. A name that proves nothing is a member's.
pub(super) fn on_server(granted: Granted, is_proven: bool) -> (Option<Role>, Rank) {
    let server = granted.server.filter(|_| is_proven);
    (Some(server.unwrap_or(Role::Member)), rank(server, Rank::ServerModerator, Rank::ServerOwner))
}

/// Role and rank in a room: what was granted there counts before what was granted on the server;
/// but moderators and owners of the server are that in every room, and of a user who is read-only on the server
/// only a role counts that an operator, or a moderator or owner of the server, has granted. A private room is for users who were granted a role in it.
pub(super) fn in_room(granted: Granted, is_proven: bool, is_private: bool) -> (Option<Role>, Rank) {
    let Granted { server, room, is_capped } = if is_proven { granted } else { Granted::default() };
    let keeps_order = server >= Some(Role::Moderator);
    let role = match room {
        _ if keeps_order => room.max(server),
        Some(role) => Some(role),
        None if is_private => None,
        None => Some(server.unwrap_or(Role::Member)),
    };
    let role = if is_capped { Some(Role::ReadOnly) } else { role };
    let there = rank(room, Rank::RoomModerator, Rank::RoomOwner);
    (role, rank(server, Rank::ServerModerator, Rank::ServerOwner).max(there))
}

fn rank(role: Option<Role>, moderator: Rank, owner: Rank) -> Rank {
    match role {
        Some(Role::Owner) => owner,
        Some(Role::Moderator) => moderator,
        _ => Rank::Nobody,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Rank::*;
    use Role::{Member, Moderator, Owner, ReadOnly};

    #[test]
    fn roles_of_the_server_and_of_a_room_together() {
        let granted = |server, room| Granted {
            server,
            room,
            is_capped: server == Some(ReadOnly) && room == Some(Owner),
        };
        for (server, room, public, private, rank) in [
            (None, None, Some(Member), None, Nobody),
            (None, Some(ReadOnly), Some(ReadOnly), Some(ReadOnly), Nobody),
            (None, Some(Member), Some(Member), Some(Member), Nobody),
            (None, Some(Moderator), Some(Moderator), Some(Moderator), RoomModerator),
            (None, Some(Owner), Some(Owner), Some(Owner), RoomOwner),
            (Some(ReadOnly), None, Some(ReadOnly), None, Nobody),
            (Some(ReadOnly), Some(Member), Some(Member), Some(Member), Nobody),
            (Some(ReadOnly), Some(Moderator), Some(Moderator), Some(Moderator), RoomModerator),
            (Some(ReadOnly), Some(Owner), Some(ReadOnly), Some(ReadOnly), RoomOwner),
            (Some(Member), Some(ReadOnly), Some(ReadOnly), Some(ReadOnly), Nobody),
            (Some(Moderator), None, Some(Moderator), Some(Moderator), ServerModerator),
            (Some(Moderator), Some(ReadOnly), Some(Moderator), Some(Moderator), ServerModerator),
            (Some(Moderator), Some(Owner), Some(Owner), Some(Owner), ServerModerator),
            (Some(Owner), None, Some(Owner), Some(Owner), ServerOwner),
            (Some(Owner), Some(Member), Some(Owner), Some(Owner), ServerOwner),
        ] {
            let what = granted(server, room);
            assert_eq!(in_room(what, true, false), (public, rank), "{what:?}");
            assert_eq!(in_room(what, true, true), (private, rank), "{what:?}");
            // A name that proves nothing has nothing of what its owner was granted.
            assert_eq!(in_room(what, false, false), (Some(Member), Nobody), "{what:?}");
            assert_eq!(in_room(what, false, true), (None, Nobody), "{what:?}");
            assert_eq!(on_server(what, false), (Some(Member), Nobody));
        }
        assert_eq!(
            on_server(granted(Some(Moderator), Some(Owner)), true),
            (Some(Moderator), ServerModerator)
        );
        assert_eq!(on_server(granted(None, Some(Owner)), true), (Some(Member), Nobody));
    }

    #[test]
    fn every_deed_by_every_role() {
        let stands = |role, rank| Standing { role, rank, is_in: true, is_banned: false, is_muted: false };
        let stranger = stands(None, Nobody);
        let reader = stands(Some(Role::ReadOnly), Nobody);
        let member = stands(Some(Member), Nobody);
        let moderator = stands(Some(Moderator), RoomModerator);
        let owner = stands(Some(Owner), RoomOwner);
        let outside = Standing { is_in: false, ..member };
        let muted = Standing { is_muted: true, ..member };
        let banned = Standing { is_banned: true, is_in: false, ..member };
        let grant = |rank, role| Deed::Grant(rank, Some(role));
        use No::*;
        #[rustfmt::skip]
        let table = [
            // who            Know          Enter          Leave         Read          Write          Whisper
            (stranger,  [Err(Unknown), Err(Unknown), Err(Unknown), Err(Unknown), Err(Unknown),  Err(Unknown)]),
            (reader,    [Ok(()),       Ok(()),       Ok(()),       Ok(()),       Err(ReadOnly), Err(ReadOnly)]),
            (member,    [Ok(()),       Ok(()),       Ok(()),       Ok(()),       Ok(()),        Ok(())]),
            (moderator, [Ok(()),       Ok(()),       Ok(()),       Ok(()),       Ok(()),        Ok(())]),
            (owner,     [Ok(()),       Ok(()),       Ok(()),       Ok(()),       Ok(()),        Ok(())]),
            (outside,   [Ok(()),       Ok(()),       Err(NotIn),   Err(NotIn),   Err(NotIn),    Ok(())]),
            (muted,     [Ok(()),       Ok(()),       Ok(()),       Ok(()),       Err(Muted),    Err(Muted)]),
            (banned,    [Ok(()),       Err(Banned),  Err(NotIn),   Err(NotIn),   Err(NotIn),    Ok(())]),
        ];
        let deeds = [Deed::Know, Deed::Enter, Deed::Leave, Deed::Read, Deed::Write, Deed::Whisper];
        for (who, answers) in table {
            for (deed, answer) in deeds.into_iter().zip(answers) {
                assert_eq!(may(who, deed), answer, "{deed:?} by {who:?}");
            }
        }
        let server_moderator = stands(Some(Moderator), ServerModerator);
        for (who, deed, answer) in [
            (reader, Deed::Open, Err(ReadOnly)),
            (reader, Deed::Moderate(Nobody), Err(ReadOnly)),
            (reader, Deed::Govern, Err(ReadOnly)),
            (reader, Deed::Grant(Nobody, None), Err(ReadOnly)),
            (member, Deed::Open, Ok(())),
            (stranger, Deed::Moderate(Nobody), Err(Unknown)),
            (member, Deed::Moderate(Nobody), Err(ForModerators)),
            (moderator, Deed::Moderate(Nobody), Ok(())),
            (moderator, Deed::Moderate(RoomModerator), Err(NotAbove)),
            (owner, Deed::Moderate(RoomModerator), Ok(())),
            (owner, Deed::Moderate(RoomOwner), Err(NotAbove)),
            (owner, Deed::Moderate(ServerModerator), Err(NotAbove)),
            (server_moderator, Deed::Moderate(RoomOwner), Ok(())),
            (Standing::OPERATOR, Deed::Moderate(ServerOwner), Ok(())),
            (moderator, Deed::Govern, Err(ForOwners)),
            (owner, Deed::Govern, Ok(())),
            (member, grant(Nobody, Role::ReadOnly), Err(ForModerators)),
            (moderator, grant(Nobody, Member), Ok(())),
            (moderator, Deed::Grant(Nobody, None), Ok(())),
            (moderator, grant(Nobody, Moderator), Err(ForOwners)),
            (moderator, grant(RoomModerator, Member), Err(NotAbove)),
            (owner, grant(Nobody, Owner), Ok(())),
            (owner, grant(RoomOwner, Member), Ok(())),
            (owner, grant(ServerModerator, Role::ReadOnly), Err(NotAbove)),
            (Standing::OPERATOR, grant(ServerOwner, Member), Ok(())),
        ] {
            assert_eq!(may(who, deed), answer, "{deed:?} by {who:?}");
        }
    }
}
