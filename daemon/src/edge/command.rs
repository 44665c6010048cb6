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
