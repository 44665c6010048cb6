//! A client for `tcp-chatd`: connect, verify, log in, send, receive, and go on where it was when
//! the connection was lost.
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
//! * **Reconnects** with backoff and jitter, or when the daemon said that it will be back, and
//!   **resumes**: every message of the session comes once, in the order of its number. What was
//!   missed comes before [`Event::Resumed`].
//! * **Sends until it is kept.** [`Session::send`] returns when the daemon has the message in its
//!   store; until then it is sent again over every reconnect, under the same id, which makes it one
//!   message. A rate limit is waited for.
//! * **Proves** that nothing was missed: each message names the one before it, and
//!   [`Event::ChainBroken`] says where that does not hold. What the daemon no longer has is
//!   [`Event::Gap`].
//! * **Reads on after a restore.** Where the daemon's log was replaced by a backup, the cursor is worth
//!   nothing: [`Event::LogReplaced`] says so, and what is said from then on comes.
//! * **Distrusts.** A server that answers with what cannot be (a copy with another text, a number below one
//!   that was seen) loses the connection, and [`Event::Reconnecting`] says what it did. One that loses every
//!   connection is asked less and less often.
//!
//! # What it cannot do
//! * A session that was without a connection for longer than its TTL is gone. The client logs in
//!   anew with the same name and rooms, and says so ([`Event::SessionLost`]). Messages that were on
//!   their way then end with [`Error::Unconfirmed`]: nobody knows whether they were kept, and the
//!   client does not guess.
//! * Events that are not read hold up the reading of the connection, never your `send`: see
//!   [`Builder::event_queue`].
//!
//! # Text from others
//! is what they sent, code point for code point, control characters and all. Neutralise it before
//! it goes to a terminal.
//!
//! # Ids
//! Requests are numbered by numbers that only grow and begin at the time in microseconds. So a
//! process that takes a session up again ([`Builder::resume`]) does not use an id twice, even where
//! the one before was killed before it could save the last one. Should a clock have gone back so
//! far that an id does meet again, the daemon refuses it, and the client sends once more under a new id.
//!
//! # A house of one task
//! `life` owns the connection and all state; [`Session`] and [`Events`] talk to it through bounded
//! queues. Pure parts (`cursor`, `outstanding`, `backoff`) decide, `wire` and `dial` do I/O.

mod asked;
mod backoff;
mod builder;
mod converse;
mod cursor;
mod diagnose;
mod dial;
mod endpoint;
mod enrol;
mod error;
mod event;
mod explain;
mod length;
mod life;
mod login;
mod outstanding;
mod own;
mod saved;
mod session;
mod trust;
mod wire;

pub use asked::{Page, Query, Queued, Sent, To};
pub use builder::Builder;
pub use cursor::Conversation;
pub use endpoint::Endpoint;
pub use enrol::{Enrolment, NewKey};
pub use error::{Closed, Error};
pub use event::{Event, Message};
pub use explain::{CertificateRefusal, RefusalKind, pin_of};
pub use saved::Saved;
pub use session::{Events, Session};
pub use tcp_chat_protocol::invite::Pin;
pub use tcp_chat_protocol::{Action, Against};
pub use trust::{Identity, Trust};

/// The language of the wire, whose types appear in events and answers.
pub use tcp_chat_protocol as protocol;
