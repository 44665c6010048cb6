//! Owns what the process asks of the system at its start: to hear its signals, and enough open files.
//! A reload asks for more of them. Never acts on a signal.

use crate::settings::OTHER_FILES;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::warn;

/// What the system tells the process.
pub(super) struct Signals {
    pub(super) terminate: Signal,
    pub(super) interrupt: Signal,
    pub(super) hangup: Signal,
}

impl Signals {
    pub(super) fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }
}

/// Takes as many open files as the system grants, and says so where they are too few.
pub(super) fn raise_open_files(connections: usize) {
    let wanted = connections as u64 + OTHER_FILES;
    // Without a number the system is asked for all that it has.
    let granted = rlimit::increase_nofile_limit(if connections == 0 { u64::MAX } else { wanted });
    match granted {
        Ok(granted) if granted < wanted => warn!(
            event = "few_open_files",
            granted,
            wanted,
            "fewer open files than limits.connections needs: raise LimitNOFILE (ulimit -n) or lower the limit"
        ),
        Ok(_) => {}
        Err(why) => {
            warn!(event = "few_open_files", error = why.to_string(), "the limit of open files is unknown")
        }
    }
}
