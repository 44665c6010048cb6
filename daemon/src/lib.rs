//! `tcp-chatd`: a chat daemon over TLS for a private network.
//!
//! The house, from the ground up (imports point down only; `tests/layers.rs` holds it):
//!
//! | layer | module | what |
//! | --- | --- | --- |
//! | 0 | [`settings`] | `config.toml`, the environment and the flags as typed sections |
//! | 0 | [`chat`] | rooms, sessions, names, rate; the turn as a pure function |
//! | 0 | [`edge`] | this node's connections, rate limits and quotas: what they may ask of the chat |
//! | 0 | [`metrics`] | the figures that Prometheus scrapes; who counts adds to them |
//! | 0 | [`log`], [`auth`], [`clock`] | how the log is written; passwords, tokens, codes and the proofs that they give; whether the clock can be right |
//! | 0 | [`places`] | how many connections a local endpoint serves, and which one gives way |
//! | 0 | [`rate`] | the token bucket: the one way in which a rate is limited |
//! | 1 | [`store`] | the log and the sessions in SQLite |
//! | 1 | [`tls`] | the own CA and its leaf: minted, loaded, checked, renewed |
//! | 2 | [`hub`] | the thread that owns `chat` and writes through `store`; the outboxes |
//! | 3 | [`net`] | the accept loop, links, connections, proof of identity |
//! | 4 | [`admin`], [`http`], [`systemd`] | the control socket; metrics, health and posts by machines; the words with the service manager |
//! | 4 | [`web`] | the page: HTTPS for its files, and the WebSocket as a link |
//! | 5 | [`daemon`], [`commands`] | the life of the process; what the command line can ask for |
//!
//! `ARCHITECTURE.md` at the top of the repository tells it as a story.

pub mod admin;
pub mod auth;
pub mod chat;
pub mod clock;
pub mod commands;
pub mod daemon;
pub mod edge;
pub mod http;
pub mod hub;
pub mod log;
pub mod metrics;
pub mod net;
pub mod places;
pub mod rate;
pub mod settings;
pub mod store;
pub mod systemd;
pub mod tls;
pub mod web;
