//! A client for `tcp-chatd`: it connects, verifies, logs in, sends, receives, and resumes after a lost
//! connection.
//!
//! ```no_run
//! use tcp_chat_client::{Event, Session, To, Trust};
//!
//! # async fn bot() -> Result<(), tcp_chat_client::Error> {
//! let trust = Trust::ca_file("certs/ca.pem")?;
//! let (session, mut events) =
//!     Session::builder("localhost", 3000, trust).name("parrot").room("lobby").connect().await?;
//! while let Some(event) = events.next().await {
//!     match event {
//!         Event::Message(message) if !message.own => {
//!             let room = message.room().unwrap_or("lobby").to_owned();
//!             session.send(To::Room(room), format!("{} said it!", message.user())).await?;
//!         }
//!         Event::Ended(why) => println!("over: {why}"),
//!         _ => {}
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # What it does for you
//! * **Verifies** the server by the CA or the pin that you give, and by nothing else ([`Trust`]).
//! * **Reconnects** with backoff and jitter, or at the time that the daemon requested, and **resumes**: each
//!   message of the session comes once, in the order of `seq`. Missed messages come before [`Event::Resumed`].
//! * **Goes on at another node** ([`Event::Moved`]), if several daemons serve the chat: the server names them, and
//!   [`Builder::server`] adds some for the first login. A lost node costs no wait. Every node is verified by the same
//!   CA or pin, and by the name of its own address: one that cannot be verified is sent nothing.
//! * **Sends until the message is kept.** [`Session::send`] returns when the daemon has the message in its store.
//!   Until then it is resent after each reconnect with the same id, so it is kept once. Rate limits are waited for, and so
//!   are times in which the nodes cannot order anything (`UNAVAILABLE`). If only this node cannot, the session goes to one
//!   that can, and keeps the connection until it has found one.
//! * **Proves** that no message was missed: each message names the previous one, and [`Event::ChainBroken`]
//!   reports where that fails. [`Event::Gap`] reports messages that the daemon no longer has.
//! * **Continues after a restore.** If the daemon's log was replaced by a backup, the cursor is invalid:
//!   [`Event::LogReplaced`] reports it, and new messages follow.
//! * **Distrusts.** A server that breaks the protocol (a copy with another text, a seq below the cursor) loses
//!   the connection, and [`Event::Reconnecting`] gives the reason. A server that loses each connection is contacted
//!   less and less often.
//!
//! # What it cannot do
//! * A session that was without a connection for longer than its TTL is gone. The client logs in again with the
//!   same name and rooms, and reports it ([`Event::SessionLost`]). Queued messages then end with
//!   [`Error::Unconfirmed`]: they may or may not have been kept, and the client does not guess.
//! * Unread events stop the reading of the connection, but never your `send`: see [`Builder::event_queue`].
//!
//! # Text from others
//! is passed on unchanged, including control characters. Neutralise it before it is shown on a terminal.
//!
//! # Ids
//! Request ids are increasing numbers that begin at the time in microseconds. So a process that resumes a session
//! ([`Builder::resume`]) does not reuse an id, even if the previous process was killed before it could save the
//! last one. If the clock was set back and an id is reused nevertheless, the daemon refuses it, and the client
//! resends under a new id.
//!
//! # One task
//! `task` owns the connection and all state; [`Session`] and [`Events`] talk to it through bounded queues. Pure
//! parts (`cursor`, `outstanding`, `backoff`) decide, `wire` and `dial` do I/O.

mod backoff;
mod builder;
mod connected;
mod copy;
mod cursor;
mod diagnose;
mod dial;
mod endpoint;
mod enrol;
mod error;
mod event;
mod explain;
mod length;
mod login;
mod notices;
mod outstanding;
mod probe;
mod reach;
mod requests;
mod saved;
mod scout;
mod servers;
mod session;
mod task;
mod trust;
mod wire;

pub use builder::Builder;
pub use cursor::Conversation;
pub use endpoint::Endpoint;
pub use enrol::{Enrolment, NewKey};
pub use error::{Closed, Error};
pub use event::{Event, Mark, Message, Redaction};
pub use explain::{CertificateFacts, CertificateRefusal, RefusalKind, pin_of};
pub use probe::{FailedAddress, Probe, Stage};
pub use requests::{Page, Query, Queued, Sent, To};
pub use saved::Saved;
pub use session::{Events, Session};
pub use tcp_chat_protocol::invite::Pin;
pub use tcp_chat_protocol::{Action, Against};
pub use trust::{Identity, Trust};

/// The language of the wire, whose types appear in events and replies.
pub use tcp_chat_protocol as protocol;
