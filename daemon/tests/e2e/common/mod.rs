//! Owns the helpers of all tests: a daemon in a folder of its own, peers with readable calls, a talker that
//! continues through kills and restarts, and sources of faults. Shares no code with the project, not even the
//! protocol crate, so that a mistake there is found here.

mod daemon;
mod dice;
mod faults;
pub(crate) mod http;
mod log;
mod message;
mod peer;
mod road;
mod talker;
mod tls;
pub(crate) mod web;

pub(crate) use daemon::{Daemon, Finished, in_shell, run};
pub(crate) use dice::Dice;
pub(crate) use faults::{Call, Fault, Faults};
pub(crate) use log::Log;
pub(crate) use message::Message;
pub(crate) use peer::{Peer, Session};
pub(crate) use road::{Fate, Harm, Road, Way};
pub(crate) use talker::{Talker, Whereabouts, whole_history};
pub(crate) use tls::{Trust, client_config, identified};

use std::time::Duration;

/// How long a test waits for an expected line. Only a broken daemon makes a test wait that long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(40);

/// The default room of all peers.
pub(crate) const LOBBY: &str = "lobby";
