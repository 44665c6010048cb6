//! Owns the decision whether an action is allowed: one pure function, [`authorize`], that every op calls. Also makes a
//! [`Subject`] from the roles on the server and in a room. Called by `checks`. Never knows which user holds which role: the permissions do.

use tcp_chat_protocol::Role;

/// The rank of a user: a moderator may act only on users of a lower rank. Ranks of the server are above those of any
/// room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rank {
    Nobody,
    RoomModerator,
    RoomOwner,
    ServerModerator,
    ServerOwner,
    /// An operator, through the control socket.
    Operator,
}

/// The role, rank and penalties of a user in a room, or on the whole server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Subject {
    /// `None`: the user may not know that the room exists.
    pub(crate) role: Option<Role>,
    pub(crate) rank: Rank,
    /// Is the user in the room? Everyone is on the server.
    pub(crate) is_in: bool,
    pub(crate) is_banned: bool,
    /// The mute in the room, or on the server.
    pub(crate) is_muted: bool,
}

impl Subject {
    /// An operator, everywhere.
    pub(crate) const OPERATOR: Self = Self {
        role: Some(Role::Owner),
        rank: Rank::Operator,
        is_in: true,
        is_banned: false,
        is_muted: false,
    };
}

/// A permission in a room, or on the server as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Permission {
    /// Know that it exists, and who is in it: WHO, ROOMS.
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
    SendDirect,
    /// JOIN, and the rooms of a LOGIN, if the room does not exist yet; asked of the server.
    Open,
    /// KICK, MUTE, UNMUTE, BAN, UNBAN of a user of that rank.
    Moderate(Rank),
    /// REDACT of a message of any author.
    Redact,
    /// ROOM with a topic, by moderators, or also by members.
    SetTopic {
        /// Also members that may write there.
        by_members: bool,
    },
    /// ROOM.
    Administer,
    /// GRANT a role to a user of that rank.
    Grant(Rank, Option<Role>),
}

/// The reason of a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Denial {
    /// For this user there is no such room.
    Unknown,
    NotIn,
    Banned,
    Muted,
    ReadOnly,
    /// It needs a moderator.
    ForModerators,
    /// It needs an owner.
    ForOwners,
    /// The other user has the same rank or a higher one.
    NotAbove,
}

/// Decides whether the subject has the permission.
///
/// # Errors
/// The reason of the refusal.
pub(crate) fn authorize(who: Subject, permission: Permission) -> Result<(), Denial> {
    let role = who.role.ok_or(Denial::Unknown)?;
    let unless = |hindered: bool, no: Denial| if hindered { Err(no) } else { Ok(()) };
    if matches!(permission, Permission::Moderate(_) | Permission::Administer | Permission::Grant(..)) {
        unless(role == Role::ReadOnly, Denial::ReadOnly)?;
    }
    match permission {
        Permission::Know => Ok(()),
        Permission::Enter => unless(who.is_banned, Denial::Banned),
        Permission::Leave | Permission::Read => unless(!who.is_in, Denial::NotIn),
        Permission::SetTopic { .. } if role >= Role::Moderator => Ok(()),
        Permission::SetTopic { by_members: false } => Err(Denial::ForModerators),
        Permission::Write | Permission::SetTopic { by_members: true } => {
            unless(!who.is_in, Denial::NotIn)?;
            unless(role < Role::Member, Denial::ReadOnly)?;
            unless(who.is_muted, Denial::Muted)
        }
        Permission::SendDirect => {
            unless(role < Role::Member, Denial::ReadOnly)?;
            unless(who.is_muted, Denial::Muted)
        }
        Permission::Open => unless(role < Role::Member, Denial::ReadOnly),
        Permission::Moderate(whom) => {
            unless(role < Role::Moderator, Denial::ForModerators)?;
            unless(whom >= who.rank, Denial::NotAbove)
        }
        Permission::Redact => unless(role < Role::Moderator, Denial::ForModerators),
        Permission::Administer => unless(role < Role::Owner, Denial::ForOwners),
        Permission::Grant(whom, new) => {
            unless(role < Role::Moderator, Denial::ForModerators)?;
            // Owners are equals: each may grant and remove the others' role.
            let is_owner = role == Role::Owner;
            unless(!is_owner && new >= Some(Role::Moderator), Denial::ForOwners)?;
            unless(whom > who.rank || (whom == who.rank && !is_owner), Denial::NotAbove)
        }
    }
}

/// The granted roles of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Granted {
    pub(crate) server: Option<Role>,
    pub(crate) room: Option<Role>,
    /// The role in the room does not lift `read-only` on the server: users gave it, and no operator.
    pub(crate) is_capped: bool,
}

/// Role and rank on the server as a whole. An unproven name has the role of a member.
pub(crate) fn on_server(granted: Granted, is_proven: bool) -> (Option<Role>, Rank) {
    let server = granted.server.filter(|_| is_proven);
    (Some(server.unwrap_or(Role::Member)), rank(server, Rank::ServerModerator, Rank::ServerOwner))
}

/// Role and rank in a room. A grant in the room counts before a grant on the server. But moderators and owners of the
/// server are that in every room. For a user who is read-only on the server, a role in the room counts only if an
/// operator, or a moderator or owner of the server, has granted it. Only users with a role in it may join a private
/// room.
pub(crate) fn in_room(granted: Granted, is_proven: bool, is_private: bool) -> (Option<Role>, Rank) {
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
            // An unproven name has none of its owner's grants.
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
    fn every_action_by_every_role() {
        let subject_of = |role, rank| Subject { role, rank, is_in: true, is_banned: false, is_muted: false };
        let stranger = subject_of(None, Nobody);
        let reader = subject_of(Some(Role::ReadOnly), Nobody);
        let member = subject_of(Some(Member), Nobody);
        let moderator = subject_of(Some(Moderator), RoomModerator);
        let owner = subject_of(Some(Owner), RoomOwner);
        let outside = Subject { is_in: false, ..member };
        let muted = Subject { is_muted: true, ..member };
        let banned = Subject { is_banned: true, is_in: false, ..member };
        let grant = |rank, role| Permission::Grant(rank, Some(role));
        use Denial::*;
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
        let permissions = [
            Permission::Know,
            Permission::Enter,
            Permission::Leave,
            Permission::Read,
            Permission::Write,
            Permission::SendDirect,
        ];
        for (who, answers) in table {
            for (permission, answer) in permissions.into_iter().zip(answers) {
                assert_eq!(authorize(who, permission), answer, "{permission:?} by {who:?}");
            }
        }
        let server_moderator = subject_of(Some(Moderator), ServerModerator);
        for (who, permission, answer) in [
            (reader, Permission::Open, Err(ReadOnly)),
            (reader, Permission::Moderate(Nobody), Err(ReadOnly)),
            (reader, Permission::Administer, Err(ReadOnly)),
            (reader, Permission::Grant(Nobody, None), Err(ReadOnly)),
            (member, Permission::Open, Ok(())),
            (stranger, Permission::Moderate(Nobody), Err(Unknown)),
            (member, Permission::Moderate(Nobody), Err(ForModerators)),
            (moderator, Permission::Moderate(Nobody), Ok(())),
            (moderator, Permission::Moderate(RoomModerator), Err(NotAbove)),
            (owner, Permission::Moderate(RoomModerator), Ok(())),
            (owner, Permission::Moderate(RoomOwner), Err(NotAbove)),
            (owner, Permission::Moderate(ServerModerator), Err(NotAbove)),
            (server_moderator, Permission::Moderate(RoomOwner), Ok(())),
            (Subject::OPERATOR, Permission::Moderate(ServerOwner), Ok(())),
            (stranger, Permission::Redact, Err(Unknown)),
            (member, Permission::Redact, Err(ForModerators)),
            (moderator, Permission::Redact, Ok(())),
            (Subject::OPERATOR, Permission::Redact, Ok(())),
            (stranger, Permission::SetTopic { by_members: true }, Err(Unknown)),
            (reader, Permission::SetTopic { by_members: true }, Err(ReadOnly)),
            (outside, Permission::SetTopic { by_members: true }, Err(NotIn)),
            (muted, Permission::SetTopic { by_members: true }, Err(Muted)),
            (member, Permission::SetTopic { by_members: true }, Ok(())),
            (member, Permission::SetTopic { by_members: false }, Err(ForModerators)),
            (moderator, Permission::SetTopic { by_members: false }, Ok(())),
            (moderator, Permission::Administer, Err(ForOwners)),
            (owner, Permission::Administer, Ok(())),
            (member, grant(Nobody, Role::ReadOnly), Err(ForModerators)),
            (moderator, grant(Nobody, Member), Ok(())),
            (moderator, Permission::Grant(Nobody, None), Ok(())),
            (moderator, grant(Nobody, Moderator), Err(ForOwners)),
            (moderator, grant(RoomModerator, Member), Err(NotAbove)),
            (owner, grant(Nobody, Owner), Ok(())),
            (owner, grant(RoomOwner, Member), Ok(())),
            (owner, grant(ServerModerator, Role::ReadOnly), Err(NotAbove)),
            (Subject::OPERATOR, grant(ServerOwner, Member), Ok(())),
        ] {
            assert_eq!(authorize(who, permission), answer, "{permission:?} by {who:?}");
        }
    }
}
