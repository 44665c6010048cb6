//! Owns the words between the order and the task that talks with the stream. The order sends a [`ToStream`], the task a
//! [`FromStream`]. Contains no rule, and knows neither NATS nor a turn: entries are bytes here.
//!
//! Everything may be lost on the way but [`FromStream::Connected`], [`FromStream::Disconnected`] and
//! [`FromStream::Stopped`]: the order asks again.

use super::Stopped;
use std::sync::Arc;
use tcp_chat_turn_log::{Ask, Record};

/// From the order to the task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToStream {
    /// Publish this entry, after those before it. No acknowledgement is wanted.
    Publish(Arc<[u8]>),
    /// Get these records, from any server. The stream may end before the last.
    Read(Ask),
    /// Ask the leader of the stream where it begins and ends, and for the records at some positions.
    Check(Check),
    /// Tell the other nodes this, without storing it.
    Beat(Arc<[u8]>),
    /// Leave the server of this connection, and connect to another one: nothing is ordered over it. A task that knows only one
    /// server stays.
    Elsewhere(u64),
}

/// A question to the leader of the stream.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Check {
    /// The connection over which it is asked. A task that has another one by now drops the question.
    pub connection: u64,
    /// What the node had applied when it asked.
    pub applied: u64,
    /// The positions whose records are wanted, in ascending order.
    pub positions: Vec<u64>,
    /// The last position that is compared with what was read before. 0: none is.
    pub until: u64,
    /// The record whose doubt this question is about.
    pub doubt: Option<u64>,
    /// Does this question end the comparison? Otherwise others follow, with later positions.
    pub is_whole: bool,
}

/// From the task to the order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FromStream {
    /// A connection is there, and the task hears the stream's records. Connections count up. What is sent after it until
    /// [`FromStream::Disconnected`] comes from this connection.
    Connected(u64),
    /// The connection is lost.
    Disconnected,
    /// A record that was asked for, over this connection.
    Record(u64, Record),
    /// The answer to this request has ended, over this connection. Its records came before.
    Answered(u64, Ask),
    /// A record that was heard where the stream publishes what it has stored. Others may be able to publish there, too.
    Heard(u64, Record),
    /// The answer to [`ToStream::Check`], from a leader that has a quorum.
    Checked(Checked),
    /// What another node told, or this one.
    Beat(Arc<[u8]>),
    /// The stream cannot be used, and an operator must act.
    Stopped(Stopped),
}

/// Where the stream begins and ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// The question.
    pub check: Check,
    /// The first sequence that the stream has. After the last one, if it has none.
    pub first: u64,
    /// The last sequence that the stream has given.
    pub last: u64,
    /// The records at the positions, as far as the stream still has them. It may end before the last position.
    pub records: Vec<Record>,
}
