//! Owns what happens on a connection: plain data. The net makes it, the hub keeps its order, and the edge decides what of it
//! reaches the state. Never decides anything.

use super::ask::Ask;
use std::net::IpAddr;
use tcp_chat_protocol::{Refusal, RequestId};

/// One thing that happened, in the order in which it happened on its connection.
#[derive(Debug, Clone)]
pub enum Command {
    /// A connection is there, its handshake done; where it comes from.
    Open(IpAddr),
    /// So many bytes were read; what they say comes next.
    Read(usize),
    /// A client asked something.
    Ask(Option<RequestId>, Ask),
    /// A line was no request.
    Refused(Refusal),
    /// The connection is gone.
    Lost,
}
