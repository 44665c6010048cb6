//! Owns what can be asked of the log: plain data that the chat makes, after it has decided what a
//! session may see, and the store answers.

use super::ConversationId;
use tcp_chat_protocol::{NameKey, Seq};

/// A run of messages of one conversation: `first` and `last` are both in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// Of which conversation.
    pub conversation: ConversationId,
    /// The first number that is wanted.
    pub first: Seq,
    /// The last number that is wanted.
    pub last: Seq,
}

/// A page of one conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageOf {
    /// Of which.
    pub conversation: ConversationId,
    /// Only smaller numbers.
    pub before: Option<Seq>,
    /// Only greater numbers.
    pub after: Option<Seq>,
    /// How many at most.
    pub limit: usize,
}

/// What to search for, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchIn {
    /// As the user typed it.
    pub query: String,
    /// Only these conversations.
    pub conversations: Vec<ConversationId>,
    /// Only this author.
    pub user: Option<NameKey>,
    /// Only smaller numbers.
    pub before: Option<Seq>,
    /// How many at most.
    pub limit: usize,
}
