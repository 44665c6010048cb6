//! Owns the accept loop, one for all listeners. An error of accept neither ends nor spins it. Never
//! reads from what it accepts: each connection is a task of its own.

use super::{Gate, NotLetIn, connection};
use crate::settings::Limits;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info};

/// Connections that the kernel holds for us while we are busy.
const BACKLOG: i32 = 4096;
/// The pause after an accept that failed for want of something.
const PAUSE: Duration = Duration::from_millis(100);

/// Binds an address.
///
/// # Errors
/// It is in use, not ours, or not allowed.
pub fn listen(address: SocketAddr) -> io::Result<StdListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // So that a restart need not wait for the last connections of the run before.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        // `[::]` and `0.0.0.0` can be listened on side by side.
        socket.set_only_v6(true)?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// Accepts on a listener until it is told to stop.
pub async fn serve(gate: Gate, listener: TcpListener, stop: CancellationToken) {
    let mut is_short = false;
    loop {
        let accepted = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                let peer = canonical(peer);
                if std::mem::take(&mut is_short) {
                    info!(event = "accept_works", "connections are accepted again");
                }
                gate.0.metrics.net.accepted();
                let leave = if gate.is_barred(peer.ip()) {
                    Err(NotLetIn::Banned)
                } else {
                    gate.0.permits.take(peer.ip(), Instant::now())
                };
                let permit = match leave {
                    Ok(permit) => permit,
                    Err(why) => {
                        debug!(event = "connection_refused", peer = %peer, reason = why.as_str(), "connection refused");
                        gate.0.metrics.net.turned_away(why.as_label());
                        continue;
                    }
                };
                let limits: std::sync::Arc<Limits> = gate.0.limits.load_full();
                gate.0.tasks.spawn(connection::run(gate.clone(), limits, stream, peer, permit));
            }
            Err(why) if is_the_peers(&why) => {
                debug!(event = "accept_failed", error = why.to_string(), "accept failed")
            }
            Err(why) => {
                if !std::mem::replace(&mut is_short, true) {
                    error!(
                        event = "accept_failing",
                        error = why.to_string(),
                        "accept failed: pausing; check LimitNOFILE against limits.connections"
                    );
                }
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep(PAUSE) => {}
                }
            }
        }
    }
}

/// An IPv4 peer as IPv4, also on a socket for both that the service manager handed over: in each log field,
/// in `who`, for bans and for limits.
fn canonical(peer: SocketAddr) -> SocketAddr {
    SocketAddr::new(peer.ip().to_canonical(), peer.port())
}

/// Is it only that the peer went away before we looked?
fn is_the_peers(why: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted, WouldBlock};
    matches!(why.kind(), ConnectionAborted | ConnectionReset | Interrupted | WouldBlock)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_over_ipv4_is_shown_as_such() {
        for (seen, shown) in [
            ("[::ffff:192.0.2.1]:7", "192.0.2.1:7"),
            ("192.0.2.1:7", "192.0.2.1:7"),
            ("[2001:db8::1]:7", "[2001:db8::1]:7"),
        ] {
            assert_eq!(canonical(seen.parse().unwrap()).to_string(), shown);
        }
    }
}
