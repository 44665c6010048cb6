//! Owns the word for each request on the wire. Used by the edge, for replies and for the log. Never parses.

use super::{Ask, Query};

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
