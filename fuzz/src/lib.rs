//! The fuzz targets as plain functions: each takes the bytes of one input, and panics where an invariant
//! does not hold. libFuzzer calls them (`targets/`, started by `fuzz/run`), and so does `tests/seeds.rs`, which
//! replays every recorded input in `seeds/`. Nothing here knows which of the two it was.

// `disk` imports `crate::chat`.
use tcp_chatd::chat;

/// The disk of the chat's own tests: the store, as simple as it can be said.
#[path = "../../daemon/src/chat/tests/disk.rs"]
#[allow(dead_code, reason = "the tests read what was said, too")]
mod disk;
pub mod incoming;
pub mod lines;
pub mod request;
pub mod states;
pub mod turns;
pub mod websocket;
