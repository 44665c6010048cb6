//! Owns KICK: ends the sessions of a user, or removes them from one room. Called by [`super::action`]. Never decides
//! who may kick: `permissions::checks` does.

use crate::ops::action::title;
use crate::permissions::checks::Actor;
use crate::{Refusal, State, refusal};
use tcp_chat_protocol::ErrorKind;
use tcp_chat_protocol::reply::ActReply;
use tcp_chat_protocol::request::Against;

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
}
