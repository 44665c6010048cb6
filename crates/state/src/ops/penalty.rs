//! Owns the actions against a user, a certificate or an address: kick, mute, ban, and how the last two are taken back.
//! Called by `acts`. Never decides who may act: `checks` asks that.

use crate::ops::action::title;
use crate::permissions::authorize::Permission;
use crate::permissions::checks::Actor;
use crate::permissions::records::Penalty;
use crate::{Change, Refusal, Scope, SessionId, State, refusal};
use ipnet::IpNet;
use tcp_chat_protocol::reply::ActReply;
use tcp_chat_protocol::request::Against;
use tcp_chat_protocol::{Banned, ErrorKind, Name, Timestamp};

impl State {
    pub(crate) fn kick(&mut self, actor: Actor, against: &Against) -> Result<ActReply, Refusal> {
        let Against { target: user, reason, .. } = against;
        let scope = self.moderates(actor, against)?;
        let sessions = self.sessions_there(user, scope);
        let Some(name) = sessions.first().and_then(|id| self.sessions.get(*id)).map(|s| s.row.name.clone())
        else {
            self.is_meant(user)?;
            return Err(refusal(ErrorKind::NoSuchUser, format!("nobody called {user} is here")));
        };
        self.record(actor, "kick", Some(name.to_string()), scope, None, None, reason);
        let reply =
            ActReply { user: Some(name.to_string()), room: self.room_name(scope), ..ActReply::default() };
        for session in sessions {
            self.evict(session, scope, title(actor), reason);
        }
        Ok(reply)
    }

    /// The sessions of a user, or those of them that are in the room.
    pub(crate) fn sessions_there(&self, user: &Name, scope: Scope) -> Vec<SessionId> {
        let user = self.sessions.by_name(user);
        let mut sessions = user.map_or_else(Vec::new, |user| self.sessions.of(user).to_vec());
        if let Some(room) = scope {
            sessions.retain(|id| self.sessions.get(*id).is_some_and(|s| s.is_in(room)));
        }
        sessions
    }

    pub(crate) fn mute(&mut self, actor: Actor, against: &Against) -> Result<ActReply, Refusal> {
        let scope = self.moderates(actor, against)?;
        self.is_meant(&against.target)?;
        let mute = self.penalty(actor, scope, against)?;
        self.set_mute(actor, scope, against, Some(mute))
    }

    pub(crate) fn unmute(&mut self, actor: Actor, against: &Against) -> Result<ActReply, Refusal> {
        let scope = self.moderates(actor, against)?;
        self.set_mute(actor, scope, against, None)
    }

    /// The scope of an action against a user, if the actor may moderate that user there.
    fn moderates(&self, actor: Actor, against: &Against) -> Result<Scope, Refusal> {
        let scope = self.scope(actor, against.room.as_ref())?;
        self.allow(actor, scope, Permission::Moderate(self.rank_of(scope, &against.target)))?;
        Ok(scope)
    }

    fn set_mute(
        &mut self,
        actor: Actor,
        scope: Scope,
        against: &Against,
        mute: Option<Penalty>,
    ) -> Result<ActReply, Refusal> {
        let Against { target: user, reason, .. } = against;
        let (did, until) = (if mute.is_some() { "mute" } else { "unmute" }, until(mute.as_ref()));
        let change = self.permissions.set_mute(scope, user, mute);
        let change = change.ok_or_else(|| self.has_nothing(user, "is not muted there"))?;
        self.turn.writes.rights.push(change);
        self.record(actor, did, Some(user.to_string()), scope, None, until, reason);
        let room = self.room_name(scope);
        Ok(ActReply {
            user: Some(user.to_string()),
            room,
            until: until.map(Timestamp),
            ..ActReply::default()
        })
    }

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
    fn may_ban(&self, actor: Actor, against: &Against<Banned>) -> Result<Scope, Refusal> {
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

    fn set_ban(
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
        self.turn.writes.rights.push(change);
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
                self.tell(Change::BannedRanges(self.permissions.banned_ranges()));
            }
        }
        Ok(reply)
    }

    /// A mute or a ban, as it is written down.
    fn penalty<T>(&self, actor: Actor, scope: Scope, against: &Against<T>) -> Result<Penalty, Refusal> {
        self.ensure_quota_left(actor, scope)?;
        let since = self.turn.time;
        let until = against.for_s.map(|s| since.saturating_add(s.saturating_mul(1000)));
        let by = self.by(actor).map(|by| by.to_string()).unwrap_or_default();
        Ok(Penalty { until, reason: against.reason.as_str().into(), by: by.into(), since, share: None })
    }
}

/// Why nobody is banned with all the others. What may have been banned before can still be taken back.
fn all_addresses(range: &IpNet) -> String {
    format!(
        "{range} is every address, so nobody could come in again: ban a smaller range. To let only registered users \
         in, set auth.mode = \"accounts\"; to let only this host in, listen.address = \"127.0.0.1:3000\""
    )
}

fn until(penalty: Option<&Penalty>) -> Option<u64> {
    penalty.and_then(|penalty| penalty.until)
}
