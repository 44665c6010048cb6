//! Replays every recorded input of each fuzz target. A fault that fuzzing finds becomes a file in `seeds/`, so
//! this test keeps it repaired.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use std::fs;
use std::path::Path;

/// Runs the target on each seed, and names the one on which it panicked.
fn replay(target: &str, run: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(target);
    let mut replayed = 0;
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let input = fs::read(&path).unwrap();
        let outcome = std::panic::catch_unwind(|| run(&input));
        assert!(outcome.is_ok(), "{} breaks a promise; the panic is above", path.display());
        replayed += 1;
    }
    assert!(replayed > 0, "{} has no seeds", folder.display());
}

#[test]
fn entry() {
    replay("entry", tcp_chat_fuzz::entry::run);
}

#[test]
fn incoming() {
    replay("incoming", tcp_chat_fuzz::incoming::run);
}

#[test]
fn lines() {
    replay("lines", tcp_chat_fuzz::lines::run);
}

#[test]
fn request() {
    replay("request", tcp_chat_fuzz::request::run);
}

#[test]
fn states() {
    replay("states", tcp_chat_fuzz::states::run);
}

#[test]
fn turns() {
    replay("turns", tcp_chat_fuzz::turns::run);
}

#[test]
fn websocket() {
    replay("websocket", tcp_chat_fuzz::websocket::run);
}
