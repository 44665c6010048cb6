//! The language of `tcp-chatd` and its clients, version 1.
//!
//! Owns: the framing of bytes into lines ([`mod@line`]); requests as lines and back ([`request`]); replies and
//! events as lines and back ([`reply`], [`event`]); the rules for names, rooms, colours and texts ([`name`],
//! [`colour`], [`text`]); the targets of bans ([`banned`]); the faults of PEM files ([`pem`]). Both sides use it,
//! so they cannot differ. `vectors/` has lines and their meaning as JSON, for programs in other languages.
//!
//! Never opens a socket, reads a clock, or keeps state about connections. Each function depends only on its
//! arguments, and is tested by a table or a property.
//!
//! `docs/PROTOCOL.md` describes the contract that it implements.

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
pub mod server;
pub mod text;
pub mod time;

pub use banned::{Banned, Fingerprint};
pub use colour::Colour;
pub use event::{
    MsgEvent, NoticeEvent, NoticeKind, PresenceEvent, PresenceState, ReadMark, RedactedEvent, RoomEvent,
};
pub use invite::Invite;
pub use kind::ErrorKind;
pub use line::{Line, LineDecoder};
pub use name::{Name, NameError, NameKey, NameLook};
pub use request::{Action, Against, Refusal, Request, RequestId};
pub use role::Role;
pub use server::ServerAddress;
pub use time::Timestamp;

/// The version of the protocol that `LOGIN` reports.
pub const VERSION: u32 = 1;

/// The TLS application protocol (ALPN) that both sides offer.
pub const ALPN: &[u8] = b"tcp-chat/1";

/// The default port of daemon and client.
pub const DEFAULT_PORT: u16 = 3000;

/// The number of a message. Unique on one server, strictly increasing, starting at 1; 0 means "none" or "before
/// the first".
pub type Seq = u64;
