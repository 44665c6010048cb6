//! Owns the log that several daemons share: the form of its entries, their seal, and the rules by which all nodes agree
//! which of them count. For the order of a cluster. Never touches a socket, a disk or a clock, and knows neither NATS nor the
//! state of the chat: records go in, time is an argument, and the body of a turn is opaque.
//!
//! The log is a stream with these promises only: a record that was stored keeps its sequence, and all readers see the same
//! record there. Everything else may go wrong between the nodes and the stream: loss, repetition, another order, late
//! copies, a stream that loses its end. These parts make it one order of turns:
//!
//! - [`Key`] seals an entry: a header in the clear, and the body. Without the key nobody can read or forge one.
//! - [`Feed`] puts records into sequence, and names what must be asked for.
//! - [`Reader`] tells which record counts. An entry is `(generation, node, epoch, n)`, and **counts only if it is the next `n`
//!   of a living epoch**. All other records are void, on every node.
//! - [`Proposer`] publishes the turns of this node until it has read them back.
//!
//! # Epochs
//! A node starts with `NodeUp(epoch + 1)`, which closes its epoch before. Any node can close an epoch with `NodeGone`. No clock
//! takes part: a node that was paused for an hour reads in its place that its epoch was closed, and what it sent in between
//! is void on every node.
//!
//! # Two digests
//! Each entry carries what its proposer had applied, with a [`Digest`] of the log and one of the state. If the states differ, the
//! nodes in the minority take the state of the others ([`Halt::Diverged`]). If the logs differ, the stream has forgotten what it
//! had stored, and a node that noticed it holds ([`Halt::Forgot`]): dropping its state would drop what it acknowledged.
//!
//! # What the caller does
//! After each connect, before it reads on:
//! 1. [`Reader::rewind`], and a new [`Feed`] after the position that it gives.
//! 2. It asks the leader of the stream for the last sequence, and for the records at [`Reader::remembered`]. A follower may
//!    be behind, so it must not be asked.
//! 3. It gives them to [`Reader::begins_at`], [`Reader::ends_at`] and [`Reader::recheck`]. While one of them halts, nothing is read.
//!
//! It does 2 and 3 again for [`Halt::Doubt`], and then calls [`Reader::rechecked`]. It does them again each second while the
//! stream is shorter ([`Halt::Shorter`]), or while the node has not reached the end that it was told. A record that
//! [`Feed::offer`] gives back as [`Offered::Old`] and that [`Reader::differs`] is asked of the leader, whose answer goes to
//! [`Reader::recheck`], too.
//!
//! What was only heard ([`Feed::hear`]) goes to [`Reader::accept_heard`]. If that cannot take it, the leader is asked for the record
//! at this position. So a program that can publish on the same subject makes no node skip an entry or stop.
//!
//! It starts the node ([`Proposer::start`]) when the end is reached, and commits [`Reader::saved`] in the transaction of the
//! entry that was applied last, before it acknowledges. While [`Reader::standing`] is [`Standing::Suspect`], it takes no
//! requests. While [`Reader::is_disputed`], it proposes empty turns: the nodes that have nothing to say decide, too.
//!
//! # What no node can notice
//! A log that forgets without a lost connection, and without a word of any other node, is noticed only with the next claim of
//! another node. What a node acknowledged in between is in its store, and it says that the log forgot. A node whose own store
//! is lost as well knows nothing of it.
//!
//! # Example
//! A founder and its first turn, with a vector as the stream:
//!
//! ```
//! use std::time::Duration;
//! use tcp_chat_turn_log::*;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (key, node) = (Key::new(&[7; KEY_BYTES])?, NodeId(1));
//! let behaviours = Behaviours { oldest: 1, newest: 1 };
//! let mut now = Duration::ZERO;
//! let mut stream: Vec<Record> = Vec::new();
//! let mut feed = Feed::after(0, now);
//! let mut reader = Reader::new(key.clone(), node, behaviours, Digest::default());
//! let mut proposer = Proposer::new(key, node, Duration::from_secs(15), now);
//!
//! proposer.connected();
//! let generation = Generation { number: 1, tag: 42 };
//! proposer.found(&reader, generation, 1, &Hello { behaviours, details: b"chat1".to_vec() }, now)?;
//! let mut acknowledged = Vec::new();
//! while acknowledged.is_empty() {
//!     for bytes in proposer.to_send(now) {
//!         let (sequence, stamp) = (stream.len() as u64 + 1, LogTime(1_000));
//!         stream.push(Record { sequence, stamp, bytes });
//!     }
//!     now += Duration::from_secs(1);
//!     if let Some(Ask { first, last }) = feed.ask(now) {
//!         for record in stream.iter().filter(|r| (first..=last).contains(&r.sequence)) {
//!             feed.offer(record.clone(), now);
//!         }
//!     }
//!     while let Some(record) = feed.take() {
//!         let news = match reader.accept(&record)? {
//!             // A daemon applies the turn to its state here, and digests what the turn did.
//!             Step::Counts(pending) => proposer.counted(&pending.applied(&[0; 32]), now),
//!             Step::Void(void) => proposer.void(&record, void),
//!         };
//!         match news {
//!             Some(News::Up) => {
//!                 proposer.propose(&reader, Proposal::Turn(b"a turn"), now)?;
//!             }
//!             Some(News::Counted(n)) => acknowledged.push(n),
//!             _ => {}
//!         }
//!     }
//! }
//! assert_eq!(acknowledged, [1]);
//! # Ok(()) }
//! ```

mod accept;
mod body;
mod chain;
mod entry;
mod event;
mod feed;
mod members;
mod news;
mod propose;
mod saved;
mod seal;
mod standing;
mod time;

pub use accept::{Detached, Pending, Reader, Step};
pub use body::{Behaviours, Gone, Hello, Raise};
pub use entry::{
    BODY_BYTES, Claim, Digest, ENTRY_BYTES, FORMAT, Generation, HEADER_BYTES, Header, Kind, NodeId,
    ParseError, Sealed,
};
pub use event::{Entry, Event, Halt};
pub use feed::{AHEAD_BYTES, ASK_AGAIN, ASK_BYTES, ASK_RECORDS, Ask, Feed, Offered, Record, Truncated};
pub use members::{Life, Member, Members, Void};
pub use news::{News, Proposal, ProposeError};
pub use propose::{Proposer, RESEND_AFTER, WINDOW_BYTES, WINDOW_ENTRIES};
pub use saved::{ResumeError, Saved};
pub use seal::{Forged, KEY_BYTES, Key, KeyId, SealError, TAG_BYTES};
pub use standing::Standing;
pub use time::LogTime;
