//! Owns the words of the reader: an entry that counts, what it does, and why reading cannot go on. The reader makes them, the
//! caller and the proposer read them. Contains no rule.

use crate::body::{Gone, Hello};
use crate::chain::Mark;
use crate::entry::{Generation, Header};
use crate::time::LogTime;

/// An entry that counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Where it stands in the stream.
    pub sequence: u64,
    /// The time of the log at it.
    pub time: LogTime,
    /// Its header.
    pub header: Header,
    /// What it does.
    pub event: Event,
    pub(crate) mark: Mark,
}

/// What an entry does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A turn of the chat, encoded by the rules of the header's behaviour.
    Turn(Vec<u8>),
    /// A generation begins, with its founder as its only node.
    Genesis(Hello),
    /// A node starts.
    Up(Hello),
    /// An epoch is named as gone.
    Gone {
        /// The epoch.
        gone: Gone,
        /// Did it live until here?
        closed: bool,
    },
    /// A rise of the behaviour is proposed.
    Raise {
        /// The behaviour.
        to: u16,
        /// Can every living node follow it? Then it is in force after this entry.
        raised: bool,
    },
}

/// Why reading cannot go on. Nothing was applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Halt {
    /// The caller left records out. Offer the expected one; nothing has changed.
    #[error("record {expected} comes next, not {offered}")]
    Gap {
        /// What comes next.
        expected: u64,
        /// What was offered.
        offered: u64,
    },
    /// A node of this generation has read another log, and one of the two is no longer in the stream. Read all positions of
    /// [`crate::Reader::remembered`] again, and offer them to [`crate::Reader::recheck`]. Then call
    /// [`crate::Reader::rechecked`], and offer this record again.
    #[error("the proposer of record {0} has read another log")]
    Doubt(u64),
    /// The log has forgotten: another entry stands where this node read one, or most nodes read another log. The node
    /// holds, and an operator decides: what the node acknowledged may be in its store alone.
    #[error("the log has forgotten entry {0}, which this node applied")]
    Forgot(u64),
    /// The stream ends before what this node applied. A server that is behind says so, too: hold and ask again.
    #[error("the stream ends at {last}, but this node applied entry {applied}")]
    Shorter {
        /// The last sequence of the stream.
        last: u64,
        /// What this node applied.
        applied: u64,
    },
    /// Most nodes read the same entries and have another state. The node drops its state and takes one of theirs.
    #[error("the state of this node differs from that of most others")]
    Diverged,
    /// A generation begins with a state that this node does not have. It joins as a new node does.
    #[error("generation {} begins with another state", .0.number)]
    OtherBase(Generation),
    /// The log demands a behaviour that this version cannot follow.
    #[error("the log demands behaviour {0}, which this version cannot follow")]
    TooOld(u16),
}
