//! The fuzz targets as plain functions: each takes the bytes of one input, and panics where an invariant
//! does not hold. libFuzzer calls them (`targets/`, started by `fuzz/run`), and so does `tests/seeds.rs`, which
//! replays every recorded input in `seeds/`. Nothing here knows which of the two it was.

// `turns` includes the model disk of the chat's own tests, which imports `crate::chat`.
use tcp_chatd::chat;

pub mod incoming;
pub mod lines;
pub mod request;
pub mod turns;
