//! The fuzz targets as functions: each takes the bytes of one input, and panics if an invariant is broken.
//! libFuzzer calls them (`targets/`, started by `fuzz/run`), and so does `tests/seeds.rs`, which replays every
//! recorded input in `seeds/`.

/// The disk of the chat's own tests: a simple model of the store.
#[path = "../../daemon/src/edge/tests/disk.rs"]
#[allow(dead_code, reason = "the tests read what was said, too")]
mod disk;
pub mod incoming;
pub mod lines;
pub mod request;
pub mod states;
pub mod turns;
pub mod websocket;
