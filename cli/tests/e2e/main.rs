//! The real client against the real daemon. The daemon's binary is taken from the same target
//! folder: `cargo test --workspace` builds it, and so does `cargo build -p tcp-chatd`.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

mod chat;
mod client;
mod daemon;
mod doctor;
mod enrolling;
mod hostile;
mod input;
mod joining;
mod nodes;
mod order;
mod page;
mod page_life;
mod page_ticket;
mod picture;
mod progress;
mod relay;
mod restore;
mod screen;
mod scripts;
mod tail;
mod terminals;
mod tty;
mod waiting;
