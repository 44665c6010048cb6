//! Owns what is true of rooms, sessions and names, as pure code: `now` is an argument, there is no
//! socket, no runtime, no clock and no disk. The hub calls it, one turn at a time.

pub mod writes;

pub use writes::{
    Chunk, ConversationId, ConversationKind, Found, Sent, SessionChange, SessionId, SessionRow,
    StoredConversation, StoredSession, UserId, Writes,
};
