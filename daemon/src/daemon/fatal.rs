//! Owns why the daemon could not start or go on, and the exit code of each reason. The sentences
//! are for operators.

use crate::store::StoreError;
use crate::tls::{Fault, TlsError};
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// The end of the process, and whose fault it was.
#[derive(Debug, thiserror::Error)]
pub enum Fatal {
    /// The certificates cannot be used.
    #[error("{0}")]
    Tls(TlsError),
    /// The store cannot be used.
    #[error("{0}")]
    Store(StoreError),
    /// The store failed and had not recovered when the daemon ended.
    #[error("the daemon has ended while its store could not be written: {0}")]
    StoreAtEnd(String),
    /// An address cannot be listened on.
    #[error("listen.address: cannot listen on {address}: {why}; is another server running there?")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// What the system says.
        why: io::Error,
    },
    /// An address for HTTP cannot be listened on.
    #[error("{key}: cannot listen on {address}: {why}; is another server running there?")]
    Http {
        /// By which setting.
        key: &'static str,
        /// Which.
        address: SocketAddr,
        /// What the system says.
        why: io::Error,
    },
    /// Our bug: a figure that cannot be made.
    #[error("the metrics could not be made: {0}; this is a bug, please report it")]
    Metrics(prometheus::Error),
    /// The service manager handed over something else than TCP sockets.
    #[error("the sockets that the service manager handed over cannot be used: {0}; check tcp-chatd.socket")]
    HandedOver(io::Error),
    /// The control socket cannot be made.
    #[error("admin.socket: cannot make {}: {why}", path.display())]
    Control {
        /// Where.
        path: PathBuf,
        /// What the system says.
        why: io::Error,
    },
    /// The system gave no threads, signals or the like.
    #[error("the system did not give what is needed to run: {0}")]
    Runtime(io::Error),
    /// Our bug: the hub ended by itself.
    #[error("the hub has ended unexpectedly; this is a bug, please report it with the log before this line")]
    Hub,
}

impl Fatal {
    /// The process's exit code, as sysexits.h numbers them.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        let denied = |why: &io::Error| why.kind() == io::ErrorKind::PermissionDenied;
        match self {
            Self::Tls(why) if why.fault == Fault::Permission => 77,
            Self::Store(why) if why.is_permission() => 77,
            Self::Listen { why, .. } | Self::Control { why, .. } | Self::Http { why, .. } if denied(why) => {
                77
            }
            Self::Tls(why) if why.fault == Fault::Disk => 74,
            Self::Tls(_)
            | Self::Listen { .. }
            | Self::Http { .. }
            | Self::HandedOver(_)
            | Self::Control { .. } => 78,
            Self::Store(_) | Self::StoreAtEnd(_) => 74,
            Self::Runtime(_) | Self::Metrics(_) | Self::Hub => 70,
        }
    }
}
