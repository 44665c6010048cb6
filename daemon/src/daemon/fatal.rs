//! Owns the reasons why the daemon cannot start or continue, and the exit code of each. The sentences are for
//! operators. Called by `daemon`. Never ends the process.

use crate::admin::BindError;
use crate::clock::NotSet;
use crate::order::{Remedy, Stopped};
use crate::store::StoreError;
use crate::tls::{Fault, TlsError};
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// A fault that ends the process.
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
    /// The daemon cannot listen on an address.
    #[error("{key}: cannot listen on {address}: {}", cannot_listen(*address, why))]
    Listen {
        /// The setting.
        key: &'static str,
        /// The address.
        address: SocketAddr,
        /// The error of the system.
        why: io::Error,
    },
    /// The clock cannot be right.
    #[error("{0}")]
    Clock(#[from] NotSet),
    /// A metric could not be created, which is a bug of the daemon.
    #[error("the metrics could not be created: {0}; this is a bug, please report it")]
    Metrics(prometheus::Error),
    /// The service manager passed sockets that are not TCP.
    #[error("the sockets that the service manager passed cannot be used: {0}; check tcp-chatd.socket")]
    HandedOver(io::Error),
    /// The page cannot be served as it is configured.
    #[error("{0}")]
    Web(String),
    /// The control socket cannot be created.
    #[error("admin.socket: cannot create {}: {why}", path.display())]
    Control {
        /// The path.
        path: PathBuf,
        /// The reason.
        why: BindError,
    },
    /// The system gave no threads or signals.
    #[error("the system refused a resource that the daemon needs: {0}")]
    Runtime(io::Error),
    /// The daemon cannot take part in its cluster. The second field is the exit code.
    #[error("{0}")]
    Node(String, u8),
    /// The daemon cannot go on in its cluster.
    #[error("{}", _0.reason)]
    Stopped(Stopped),
    /// The hub ended by itself, which is a bug of the daemon.
    #[error("the hub has ended unexpectedly; this is a bug, please report it with the log before this line")]
    Hub,
}

impl Fatal {
    /// The exit code of the process, as in sysexits.h.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        let denied = |why: &io::Error| why.kind() == io::ErrorKind::PermissionDenied;
        match self {
            Self::Tls(why) if why.fault == Fault::Permission => 77,
            Self::Store(why) if why.is_permission() => 77,
            Self::Store(why) if why.is_membership() => 78,
            Self::Listen { why, .. } | Self::Control { why: BindError::System(why), .. } if denied(why) => 77,
            Self::Listen { why, .. } if may_pass(why) => 75,
            Self::Control { why: BindError::InUse, .. } | Self::Clock(_) => 75,
            Self::Tls(why) if why.fault == Fault::Disk => 74,
            Self::Tls(_)
            | Self::Listen { .. }
            | Self::HandedOver(_)
            | Self::Web(_)
            | Self::Control { .. } => 78,
            Self::Store(_) | Self::StoreAtEnd(_) => 74,
            Self::Node(_, code) => *code,
            Self::Stopped(stopped) => match stopped.cause.remedy() {
                Remedy::Copy => 75,
                Remedy::Restart => 70,
                Remedy::Operator => 78,
            },
            Self::Runtime(_) | Self::Metrics(_) | Self::Hub => 70,
        }
    }
}

/// Whether the fault may pass: an address may come later (VPN, DHCP), and another server may release a port.
fn may_pass(why: &io::Error) -> bool {
    matches!(why.kind(), io::ErrorKind::AddrInUse | io::ErrorKind::AddrNotAvailable)
}

fn cannot_listen(address: SocketAddr, why: &io::Error) -> String {
    let port = address.port();
    match why.kind() {
        io::ErrorKind::AddrInUse => {
            format!("the port is in use; is another server running? See `ss -ltnp sport = :{port}`")
        }
        io::ErrorKind::AddrNotAvailable => {
            "this host does not have the address now; the start is retried, in case the address comes with a VPN or \
             by DHCP; see `ip addr`"
                .to_owned()
        }
        io::ErrorKind::PermissionDenied if port < 1024 => {
            format!("this user may not listen on a port below 1024 ({why}); choose another one")
        }
        io::ErrorKind::Unsupported if address.is_ipv6() => no_ipv6(),
        _ if address.is_ipv6() && why.raw_os_error() == Some(rustix::io::Errno::AFNOSUPPORT.raw_os_error()) => no_ipv6(),
        _ => why.to_string(),
    }
}

fn no_ipv6() -> String {
    "the kernel of this host has no IPv6: give an IPv4 address, such as \"0.0.0.0:3000\"".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order::Cause;

    #[test]
    fn what_a_copy_mends_is_tried_again_and_what_an_operator_must_mend_is_not() {
        let code = |cause| Fatal::Stopped(Stopped { cause, reason: "".into() }).exit_code();
        for cause in [Cause::Diverged, Cause::AwayTooLong, Cause::OtherGeneration] {
            assert_eq!(code(cause), 75, "{cause:?}");
        }
        let of_an_operator = [
            Cause::LogForgot,
            Cause::NameInUse,
            Cause::Replaced,
            Cause::TooOld,
            Cause::NoCluster,
            Cause::StreamUnusable,
        ];
        for cause in of_an_operator {
            assert_eq!(code(cause), 78, "{cause:?}");
        }
        assert_eq!([code(Cause::LostPlace), code(Cause::TaskGone)], [70, 70]);
    }

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
        assert_eq!(control(BindError::InUse).exit_code(), 75);
        assert_eq!(control(BindError::NoSocket).exit_code(), 78);
        let ipv6 = Fatal::Listen {
            key: "listen.address",
            address: "[::]:3000".parse().unwrap(),
            why: io::Error::from_raw_os_error(rustix::io::Errno::AFNOSUPPORT.raw_os_error()),
        };
        assert_eq!((ipv6.exit_code(), ipv6.to_string().contains("no IPv6")), (78, true), "{ipv6}");
    }

    #[test]
    fn a_store_that_does_not_fit_the_cluster_is_not_tried_again() {
        let alone = StoreError::OfNoCluster { store: "chat.db".into() };
        let of_other =
            StoreError::OfOtherNode { store: "chat.db".into(), node: "a".into(), wanted: "b".into() };
        assert_eq!([Fatal::Store(alone).exit_code(), Fatal::Store(of_other).exit_code()], [78, 78]);
        assert_eq!(Fatal::Store(StoreError::Full { store: "chat.db".into() }).exit_code(), 74);
    }
}
