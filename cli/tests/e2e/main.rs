//! The real client against the real daemon. The daemon's binary is taken from the same target
//! folder: `cargo test --workspace` builds it, and so does `cargo build -p tcp-chatd`.

mod chat;
mod client;
mod daemon;
mod hostile;
mod joining;
mod picture;
mod screen;
mod scripts;
mod tty;
