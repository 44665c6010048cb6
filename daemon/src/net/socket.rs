//! Owns the options of a TCP socket. Called by `tcp`. Never reads or writes.

use socket2::{SockRef, TcpKeepalive};
use std::io;
use std::time::Duration;
use tokio::net::TcpStream;

/// The kernel sends the first keepalive probe after this time of silence.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(20);
/// The time between two keepalive probes.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);
/// The kernel ends a connection whose data is not acknowledged for this time. With the probes above, a lost host
/// is noticed within a minute.
const USER_TIMEOUT: Duration = Duration::from_secs(55);

/// Sets the options of a connection. `TCP_USER_TIMEOUT` also ends a connection whose peer acknowledges but does
/// not read, so it is at least `stall` if `stall` exceeds a minute.
///
/// # Errors
/// Mostly: the peer has left.
pub(super) fn set_options(stream: &TcpStream, stall: Duration) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE_IDLE).with_interval(KEEPALIVE_INTERVAL);
    socket.set_tcp_keepalive(&keepalive)?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(if stall > Duration::from_secs(60) { stall } else { USER_TIMEOUT }))?;
    Ok(())
}
