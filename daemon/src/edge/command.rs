//! Owns the commands of connections: plain data. The net makes them, the hub keeps their order, and the edge decides
//! which of them reach the state. Never decides anything.

use super::ask::Ask;
use std::net::IpAddr;
use tcp_chat_protocol::{Refusal, RequestId};

/// A command of a connection, in the order of its connection.
#[derive(Debug, Clone)]
pub enum Command {
    /// A new connection after its handshake, with its peer address.
    Open(IpAddr),
    /// So many bytes were read; their commands come next.
    Read(usize),
    /// A request.
    Ask(Option<RequestId>, Ask),
    /// A line that is not a valid request.
    Refused(Refusal),
    /// The connection is lost.
    Lost,
}

/// The longest message that is light, in bytes of JSON. A turn writes one longer message, so that many of them do not
/// delay all others for as many turns.
pub const LIGHT_BYTES: usize = 64 * 1024;

impl Command {
    /// Does it cost about the same at every size of the server?
    #[must_use]
    pub fn is_light(&self) -> bool {
        match self {
            Self::Ask(_, Ask::Say(_, json)) => json.len() <= LIGHT_BYTES,
            Self::Read(_) | Self::Refused(_) | Self::Ask(_, Ask::Ping) => true,
            Self::Open(_) | Self::Lost | Self::Ask(..) => false,
        }
    }
}
