//! The language that `tcp-chatd` and its clients speak, version 1.
//!
//! Owns: how bytes become lines ([`mod@line`]), how lines become requests and requests lines ([`request`]), the same for
//! answers and events ([`reply`], [`event`]), and what a name, a room, a colour and a text may be ([`name`], [`colour`],
//! [`text`]); what a ban can name ([`banned`]); what is wrong with a PEM file ([`pem`]). Both sides use it, so neither can
//! drift from the other. `vectors/` has lines and their meaning as JSON, for programs in other languages.
//!
//! Never: opens a socket, reads a clock, keeps state about who is connected. Everything here is a
//! function of its arguments and is tested as a table or as a property.
//!
//! The contract that it implements is told in `docs/PROTOCOL.md`.

pub mod banned;
pub mod colour;
pub mod event;
pub mod host;
pub mod invite;
pub mod kind;
pub mod line;
pub mod name;
mod paste;
pub mod pem;
pub mod reply;
pub mod request;
pub mod role;
pub mod text;
pub mod time;

pub use banned::{Banned, Fingerprint};
pub use colour::Colour;
pub use event::{MsgEvent, NoticeEvent, NoticeKind, PresenceEvent, PresenceState};
pub use invite::Invite;
pub use kind::ErrorKind;
pub use line::{Line, LineDecoder};
pub use name::{Name, NameError, NameKey, NameLook};
pub use request::{Action, Against, Refusal, Request, RequestId};
pub use role::Role;
pub use time::Timestamp;

/// The version of the protocol that `LOGIN` reports.
pub const VERSION: u32 = 1;

/// The TLS application protocol (ALPN) that both sides offer.
pub const ALPN: &[u8] = b"tcp-chat/1";

/// The port that the daemon listens on and the client dials unless told otherwise.
pub const DEFAULT_PORT: u16 = 3000;

/// The number of a message. Unique on one server, strictly increasing, starting at 1; 0 means
/// "none" or "before the first".
pub type Seq = u64;
