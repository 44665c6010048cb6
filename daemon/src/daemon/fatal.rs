//! Owns why the daemon could not start or go on, and the exit code of each reason. The sentences
//! are for operators.

use crate::admin::CannotBind;
use crate::clock::NotSet;
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
    #[error("{key}: cannot listen on {address}: {}", cannot_listen(*address, why))]
    Listen {
        /// By which setting.
        key: &'static str,
        /// Which.
        address: SocketAddr,
        /// What the system says.
        why: io::Error,
    },
    /// The clock cannot be right.
    #[error("{0}")]
    Clock(#[from] NotSet),
    /// Our bug: a figure that cannot be made.
    #[error("the metrics could not be made: {0}; this is a bug, please report it")]
    Metrics(prometheus::Error),
    /// The service manager handed over something else than TCP sockets.
    #[error("the sockets that the service manager handed over cannot be used: {0}; check tcp-chatd.socket")]
    HandedOver(io::Error),
    /// The page cannot be served as it is configured.
    #[error("{0}")]
    Web(String),
    /// The control socket cannot be made.
    #[error("admin.socket: cannot make {}: {why}", path.display())]
    Control {
        /// Where.
        path: PathBuf,
        /// Why.
        why: CannotBind,
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
            Self::Listen { why, .. } | Self::Control { why: CannotBind::System(why), .. } if denied(why) => {
                77
            }
            Self::Listen { why, .. } if heals(why) => 75,
            Self::Control { why: CannotBind::InUse, .. } | Self::Clock(_) => 75,
            Self::Tls(why) if why.fault == Fault::Disk => 74,
            Self::Tls(_)
            | Self::Listen { .. }
            | Self::HandedOver(_)
            | Self::Web(_)
            | Self::Control { .. } => 78,
            Self::Store(_) | Self::StoreAtEnd(_) => 74,
            Self::Runtime(_) | Self::Metrics(_) | Self::Hub => 70,
        }
    }
}

/// Does it heal by itself? An address may come later (a VPN, DHCP), and a port may be given up.
fn heals(why: &io::Error) -> bool {
    matches!(why.kind(), io::ErrorKind::AddrInUse | io::ErrorKind::AddrNotAvailable)
}

fn cannot_listen(address: SocketAddr, why: &io::Error) -> String {
    let port = address.port();
    match why.kind() {
        io::ErrorKind::AddrInUse => {
            format!("the port is in use; is another server running there? See `ss -ltnp sport = :{port}`")
        }
        io::ErrorKind::AddrNotAvailable => {
            "this host does not have the address now; it is tried again, in case it comes with a VPN or by DHCP; \
             see `ip addr`"
                .to_owned()
        }
        io::ErrorKind::PermissionDenied if port < 1024 => {
            format!("this user may not listen on a port below 1024 ({why}); take another one")
        }
        io::ErrorKind::Unsupported if address.is_ipv6() => no_ipv6(),
        _ if address.is_ipv6() && why.raw_os_error() == Some(rustix::io::Errno::AFNOSUPPORT.raw_os_error()) => no_ipv6(),
        _ => why.to_string(),
    }
}

fn no_ipv6() -> String {
    "this host's kernel has no IPv6: give an IPv4 address, such as \"0.0.0.0:3000\"".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listen(address: &str, kind: io::ErrorKind) -> Fatal {
        Fatal::Listen { key: "listen.address", address: address.parse().unwrap(), why: kind.into() }
    }

    #[test]
    fn what_heals_by_itself_is_75_and_only_a_port_in_use_asks_for_another_server() {
        let late = listen("10.77.0.1:3000", io::ErrorKind::AddrNotAvailable);
        assert_eq!(late.exit_code(), 75);
        assert!(!late.to_string().contains("another server"), "{late}");
        let taken = listen("127.0.0.1:3000", io::ErrorKind::AddrInUse);
        assert_eq!(taken.exit_code(), 75);
        assert!(taken.to_string().contains("another server"), "{taken}");
        assert_eq!(listen("127.0.0.1:80", io::ErrorKind::PermissionDenied).exit_code(), 77);
        let control = |why| Fatal::Control { path: "/run/x".into(), why };
        assert_eq!(control(CannotBind::InUse).exit_code(), 75);
        assert_eq!(control(CannotBind::NoSocket).exit_code(), 78);
        let ipv6 = Fatal::Listen {
            key: "listen.address",
            address: "[::]:3000".parse().unwrap(),
            why: io::Error::from_raw_os_error(rustix::io::Errno::AFNOSUPPORT.raw_os_error()),
        };
        assert_eq!((ipv6.exit_code(), ipv6.to_string().contains("no IPv6")), (78, true), "{ipv6}");
    }
}
