//! Owns the remedies of the steps that `connect` has no hint for. Called by `steps`. Pure.

use std::io::ErrorKind as Io;
use tcp_chat_client::protocol::ErrorKind;
use tcp_chat_client::{Error, FailedAddress, Stage};

/// What to do about the failure of a step before the login.
pub(super) fn of_stage(stage: Stage, failures: &[FailedAddress], port: u16) -> String {
    match stage {
        Stage::Lookup => "Compare the spelling with the line of the invitation. `getent hosts NAME` asks the same \
                          resolver; an address works without one if the certificate has it."
            .into(),
        Stage::Connect => of_connect(failures, port),
        Stage::Tls => "Give the port of tcp-chatd: 3000, unless the operator chose another one. If it is the right one, \
                       a proxy between may end TLS: it has to pass the bytes on. A server that closes the connection may \
                       have banned this address, or be full: ask the operator."
            .into(),
        Stage::Certificate => "Ask the operator: `tcp-chatd check` on the server says what is wrong.".into(),
        Stage::Protocol => "Give the port of tcp-chatd: 3000, unless the operator chose another one. If it is the right \
                            one, update the older of the two programs."
            .into(),
        Stage::Login => "Ask the operator: the log of the server has the reason.".into(),
    }
}

fn of_connect(failures: &[FailedAddress], port: u16) -> String {
    let any = |kind| failures.iter().any(|failed| failed.kind == kind);
    if any(Io::ConnectionRefused) {
        return format!(
            "On the server: does it run (`systemctl status tcp-chatd`), and is {port} the port of `listen.address`, with an \
             address that others can reach?"
        );
    }
    if any(Io::NetworkUnreachable) || any(Io::HostUnreachable) {
        return "This machine has no way to that address: look at its network, its VPN and its routes (`ip route get \
                ADDRESS`)."
            .into();
    }
    if any(Io::PermissionDenied) {
        return "A firewall or a sandbox of this machine forbids the connection.".into();
    }
    format!(
        "Is the server on, and is the address right? If so, a firewall drops the connection: it has to let TCP port {port} \
         through."
    )
}

/// What to do about a login that was refused for a reason that `connect` has no hint for.
pub(super) fn of_login(e: &Error) -> Option<&'static str> {
    let Error::LoginRefused { kind, .. } = e else { return None };
    Some(match kind {
        ErrorKind::ServerFull => {
            "Try again later, or ask the operator to raise `limits.connections` or \
                                  `limits.sessions` (STATUS and the metrics show which is reached)."
        }
        ErrorKind::RateLimited => "Wait, and try again: there were too many attempts from here.",
        ErrorKind::Forbidden => {
            "The name or this address is banned. An operator or a moderator ends a ban \
                                 (`tcp-chatd unban`)."
        }
        ErrorKind::NameInvalid => "Give another name with --name NAME.",
        ErrorKind::NoSuchRoom => "Leave --room out, or ask for access to the room: it may be private.",
        ErrorKind::Timeout => "The connection is very slow, or the server is overloaded: try again.",
        ErrorKind::Unavailable => {
            "The nodes of this server cannot order anything at the moment: wait, or give another node. \
                                   Its operator finds the reason with `tcp-chatd cluster status`."
        }
        ErrorKind::Internal => {
            "The server cannot store anything at the moment: its operator finds the reason in STATUS."
        }
        _ => return None,
    })
}
