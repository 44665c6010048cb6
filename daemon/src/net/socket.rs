//! Owns the options of a socket. Never reads or writes.

use socket2::{SockRef, TcpKeepalive};
use std::io;
use std::time::Duration;
use tokio::net::TcpStream;

/// A silent peer is asked after this time whether it is there.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(20);
/// And again after each of these.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);
/// A peer whose host does not answer for so long is gone: together with the above, within a minute.
const USER_TIMEOUT: Duration = Duration::from_secs(55);

/// Sets what every connection needs. The kernel's own timeout also ends peers that answer but take
/// nothing, so it must not be shorter than `stall` where that is longer than a minute.
///
/// # Errors
/// The peer is gone already, mostly.
pub(super) fn prepare(stream: &TcpStream, stall: Duration) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE_IDLE).with_interval(KEEPALIVE_INTERVAL);
    socket.set_tcp_keepalive(&keepalive)?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(if stall > Duration::from_secs(60) { stall } else { USER_TIMEOUT }))?;
    Ok(())
}
