//! Owns BAN and UNBAN of a user, a certificate or a range of addresses. Called by [`super::action`]. Never decides who
//! may ban: `permissions::checks` does.

use crate::ops::action::title;
use crate::ops::penalty::until;
use crate::permissions::authorize::Permission;
use crate::permissions::checks::Actor;
use crate::permissions::records::Penalty;
use crate::{Change, Refusal, Scope, State, refusal};
use ipnet::IpNet;
use tcp_chat_protocol::reply::ActReply;
use tcp_chat_protocol::request::Against;
use tcp_chat_protocol::{Banned, ErrorKind, Timestamp};

impl State {
    pub(crate) fn ban(&mut self, actor: Actor, against: &Against<Banned>) -> Result<ActReply, Refusal> {
        let Against { target, room, reason, .. } = against;
        if let (Banned::Address(range), None) = (target, room)
            && range.prefix_len() == 0
        {
            return Err(refusal(ErrorKind::Data, all_addresses(range)));
        }
        let scope = self.may_ban(actor, against)?;
        if let Banned::User(user) = target {
            self.is_meant(user)?;
        }
        let ban = self.penalty(actor, scope, against)?;
        let reply = self.set_ban(actor, scope, against, Some(ban))?;
        self.evict_banned(target, scope, &format!("{} has banned you and", title(actor)), reason);
        Ok(reply)
    }

    pub(crate) fn unban(&mut self, actor: Actor, against: &Against<Banned>) -> Result<ActReply, Refusal> {
        let scope = self.may_ban(actor, against)?;
        self.set_ban(actor, scope, against, None)
    }

    /// The scope of a ban, if the actor may ban the target there.
    pub(crate) fn may_ban(&self, actor: Actor, against: &Against<Banned>) -> Result<Scope, Refusal> {
        let scope = self.scope(actor, against.room.as_ref())?;
        let permission = match &against.target {
            Banned::User(user) => Permission::Moderate(self.rank_of(scope, user)),
            other if scope.is_some() => {
                let msg = format!("{other} cannot be banned from a room: only users can; leave the room out");
                return Err(refusal(ErrorKind::Data, msg));
            }
            _ => Permission::Administer,
        };
        self.allow(actor, scope, permission)?;
        Ok(scope)
    }

    pub(crate) fn set_ban(
        &mut self,
        actor: Actor,
        scope: Scope,
        against: &Against<Banned>,
        ban: Option<Penalty>,
    ) -> Result<ActReply, Refusal> {
        let Against { target, reason, .. } = against;
        let (did, until) = (if ban.is_some() { "ban" } else { "unban" }, until(ban.as_ref()));
        let change = self.permissions.ban(scope, target, ban).ok_or_else(|| match target {
            Banned::User(user) => self.has_nothing(user, "is not banned there"),
            other => refusal(ErrorKind::NoSuchUser, format!("{other} is not banned there")),
        })?;
        self.turn.writes.permissions.push(change);
        let audited = match target {
            Banned::User(user) => user.to_string(),
            other => other.to_string(),
        };
        self.record(actor, did, Some(audited), scope, None, until, reason);
        let mut reply =
            ActReply { room: self.room_name(scope), until: until.map(Timestamp), ..ActReply::default() };
        match target {
            Banned::User(user) => reply.user = Some(user.to_string()),
            Banned::Certificate(fingerprint) => reply.certificate = Some(fingerprint.to_string()),
            Banned::Address(range) => {
                reply.address = Some(range.to_string());
                self.report(Change::BannedRanges(self.permissions.banned_ranges()));
            }
        }
        Ok(reply)
    }
}

/// The reason why a ban of all addresses is refused. An UNBAN of such a range is still possible.
pub(crate) fn all_addresses(range: &IpNet) -> String {
    format!(
        "{range} is every address, so nobody could come in again: ban a smaller range. To let only registered users \
         in, set auth.mode = \"accounts\"; to let only this host in, listen.address = \"127.0.0.1:3000\""
    )
}
