//! `tcp-chatd`: a chat daemon over TLS for a private network.
//!
//! The modules in their layers (imports point down only; `tests/layers.rs` checks it):
//!
//! | layer | module | what |
//! | --- | --- | --- |
//! | 0 | [`settings`] | `config.toml`, the environment and the flags as typed sections |
//! | 0 | [`edge`] | this node's connections, rate limits and quotas: which requests get into a turn, who hears what of it, and what waits for a store that fails |
//! | 0 | [`order`] | puts turns into one order: a daemon that is alone gets its own back at once; in a cluster
//! they come back from the log that the nodes share (feature `cluster`) |
//! | 0 | [`metrics`] | the metrics that Prometheus scrapes; each module increments its own counters |
//! | 0 | [`log`], [`auth`], [`clock`] | the format of the log; passwords, tokens, codes and their proofs; whether
//! the clock can be right |
//! | 0 | [`places`] | the limit of connections to a local endpoint, and which one gives way |
//! | 0 | [`rate`] | the token bucket: the only form of a rate limit |
//! | 1 | [`store`] | the log and the sessions in SQLite |
//! | 1 | [`tls`] | the daemon's own CA and leaf: minted, loaded, checked, renewed |
//! | 2 | `cluster` | the task that moves records between the order and a stream of NATS (feature `cluster`) |
//! | 2 | [`hub`] | the thread that owns the state (`tcp-chat-state`) and writes through `store`; the outboxes |
//! | 3 | [`net`] | the accept loop, links, connections, proof of identity |
//! | 4 | [`admin`], [`http`], [`systemd`] | the control socket; metrics, health and the webhook; the protocol of
//! the service manager |
//! | 4 | [`web`] | the page: HTTPS for its files, and the WebSocket as a link |
//! | 5 | [`daemon`], [`commands`] | the life of the process; the commands of the command line |
//!
//! `ARCHITECTURE.md` at the top of the repository explains it.

pub mod admin;
pub mod auth;
pub mod clock;
#[cfg(feature = "cluster")]
pub mod cluster;
pub mod commands;
pub mod daemon;
pub mod edge;
pub mod http;
pub mod hub;
pub mod log;
pub mod metrics;
pub mod net;
pub mod order;
pub mod places;
pub mod rate;
pub mod settings;
pub mod store;
pub mod systemd;
pub mod tls;
pub mod web;
