//! Owns the resources that the process needs of the system: its signals, and enough open files. Called at the
//! start, and by a reload that needs more open files. Never acts on a signal.

use crate::settings::OTHER_FILES;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::warn;

/// The signals that the daemon handles.
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

/// Raises the limit of open files as far as needed, and warns if it stays too low.
pub(super) fn raise_open_files(connections: usize) {
    let wanted = connections as u64 + OTHER_FILES;
    // Without a limit of connections, asks for as many as the system grants.
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
