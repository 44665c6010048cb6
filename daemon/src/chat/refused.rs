//! Owns how a request is refused: the line that goes back, and beside it what tells whose request it
//! was, for the log. Called for every refusal that the chat makes. Never logs: the hub does, once the
//! turn is over.

use super::{Ask, Chat, ConnectionId, Effect, Name, Refusal, RequestId};
use std::net::IpAddr;
use tcp_chat_protocol::ErrorKind;

/// A request that is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Who asked.
    pub to: ConnectionId,
    /// From where.
    pub from: Option<IpAddr>,
    /// As whom, if logged in.
    pub user: Option<Name>,
    /// What, where the line was understood.
    pub op: Option<&'static str>,
    /// The answer.
    pub refusal: Refusal,
}

impl Chat {
    /// The answer to a request that is refused.
    pub(super) fn refuse(&mut self, to: ConnectionId, op: Option<&'static str>, refusal: Refusal) -> Effect {
        self.tally.refused(refusal.kind);
        let state = self.connections.get(&to);
        let session = state.and_then(|state| state.session).and_then(|id| self.sessions.get(id));
        let (from, user) = (state.map(|state| state.address), session.map(|s| s.row.name.clone()));
        Effect::Refused(Box::new(Refused { to, from, user, op, refusal }))
    }

    /// The same because the store did not keep the turn.
    pub(super) fn refuse_unkept(
        &mut self,
        to: ConnectionId,
        op: Option<&'static str>,
        id: Option<RequestId>,
        msg: String,
    ) -> Effect {
        self.refuse(to, op, Refusal::new(ErrorKind::Internal, msg).with_id(id))
    }
}

impl Ask {
    /// The word for it on the wire.
    pub(super) fn op(&self) -> &'static str {
        match self {
            Self::Login { .. } => "LOGIN",
            Self::Enrol { .. } => "ENROL",
            Self::Join(_) => "JOIN",
            Self::Leave(_) => "LEAVE",
            Self::Say(..) => "MSG",
            Self::Who(_) => "WHO",
            Self::Rooms => "ROOMS",
            Self::History(_) => "HISTORY",
            Self::Search(_) => "SEARCH",
            Self::Ping => "PING",
            Self::Quit => "QUIT",
            Self::Action(action) => action.op(),
        }
    }
}
