//! Tests of the real daemon over real TLS, from outside: each test starts the binary in a folder of its own,
//! talks to it through [`common::Peer`], and knows nothing of its structure. They test the contract of
//! `docs/PROTOCOL.md`.
//!
//! No test sleeps: it waits for what it expects, and gives up after [`common::PATIENCE`]. That is a limit for
//! a broken daemon, not an asserted speed.

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
mod erasures;
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
mod redactions;
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
