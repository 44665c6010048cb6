//! Owns how a request is refused: the line that goes back, and beside it what tells whose request it
//! was, for the log. Made by the edge for every refusal. Never logs: the hub does, once the
//! turn is over.

use super::{Ask, ConnectionId, Name, Query, Refusal};
use std::net::IpAddr;

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

impl Ask {
    /// The word for it on the wire.
    #[must_use]
    pub fn op(&self) -> &'static str {
        match self {
            Self::Login { .. } => "LOGIN",
            Self::Enrol { .. } => "ENROL",
            Self::Join(_) => "JOIN",
            Self::Leave(_) => "LEAVE",
            Self::Say(..) => "MSG",
            Self::Query(query) => query.op(),
            Self::Ping => "PING",
            Self::Quit => "QUIT",
            Self::Action(action) => action.op(),
        }
    }
}

impl Query {
    /// The word for it on the wire.
    #[must_use]
    pub fn op(&self) -> &'static str {
        match self {
            Self::Who(_) => "WHO",
            Self::Rooms => "ROOMS",
            Self::History(_) => "HISTORY",
            Self::Search(_) => "SEARCH",
        }
    }
}
