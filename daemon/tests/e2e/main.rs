//! The real daemon, over real TLS, seen from outside: every test starts the binary in a folder of
//! its own, talks to it through [`common::Peer`] and knows nothing of how the daemon is built. What is
//! held here is the contract of `docs/PROTOCOL.md`.
//!
//! Nothing sleeps: a test waits for what it expects, and gives up after [`common::PATIENCE`]. That is
//! a limit for a broken daemon, not a speed that is asserted.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should panic")]

mod common;

mod accept;
mod accounts;
mod client_certificates;
mod configuration;
mod configured_rooms;
mod crash;
mod disk;
mod documents;
mod door;
mod events;
mod events_for_real;
mod exports;
mod faults;
mod faulty_certificates;
mod first_start;
mod forging;
mod framing;
mod history;
mod hostile;
mod hostile_lines;
mod keys;
mod limits;
mod login;
mod messages;
mod metrics;
mod named_files;
mod names;
mod order;
mod outside;
mod owners;
mod posts;
mod presence;
mod proving;
mod refused;
mod restarts;
mod restore;
mod resume;
mod roles;
mod rooms;
mod search;
mod shutdown;
mod silent_peers;
mod slow_reader;
mod small_disk;
mod store_files;
mod systemd;
mod web;
mod web_limits;
