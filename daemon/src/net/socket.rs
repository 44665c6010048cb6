//! Owns the options of TCP sockets. Called by `tcp`. Never reads or writes.
//!
//! Linux copies the options of a listening socket to each connection whose handshake the kernel completes, so a connection costs
//! one system call, to see that it has them. One that waited before the socket had its options has none: systemd listens before
//! the daemon runs. On other systems they are set on each connection.

use socket2::{SockRef, TcpKeepalive};
use std::io;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};

/// The kernel sends the first keepalive probe after this time of silence.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(20);
/// The time between two keepalive probes.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);
/// The kernel ends a connection whose data is not acknowledged for this time. With the probes above, a lost host
/// is noticed within a minute.
const USER_TIMEOUT: Duration = Duration::from_secs(55);

/// Sets the options that the connections of a listening socket copy. Called before it accepts the first one.
///
/// # Errors
/// The system refuses an option.
pub(super) fn set_listener_options(listener: &TcpListener) -> io::Result<()> {
    if !cfg!(target_os = "linux") {
        return Ok(());
    }
    let socket = SockRef::from(listener);
    set_user_timeout(&socket, USER_TIMEOUT)?;
    // Last: the interval of its probes shows that a connection has copied all of them.
    set_common(&socket)
}

/// Sets the options that a connection has not copied. `TCP_USER_TIMEOUT` also ends a connection whose peer acknowledges but
/// does not read, so it is at least `stall` if `stall` exceeds a minute.
///
/// # Errors
/// Mostly: the peer has left.
pub(super) fn set_options(stream: &TcpStream, stall: Duration) -> io::Result<()> {
    let socket = SockRef::from(stream);
    if !has_copied(&socket)? {
        set_common(&socket)?;
        set_user_timeout(&socket, USER_TIMEOUT)?;
    }
    if stall > Duration::from_secs(60) { set_user_timeout(&socket, stall) } else { Ok(()) }
}

/// Has the connection the options of its listener?
#[cfg(target_os = "linux")]
fn has_copied(socket: &SockRef<'_>) -> io::Result<bool> {
    Ok(socket.tcp_keepalive_interval()? == KEEPALIVE_INTERVAL)
}

#[cfg(not(target_os = "linux"))]
fn has_copied(_: &SockRef<'_>) -> io::Result<bool> {
    Ok(false)
}

fn set_common(socket: &SockRef<'_>) -> io::Result<()> {
    socket.set_tcp_nodelay(true)?;
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE_IDLE).with_interval(KEEPALIVE_INTERVAL);
    socket.set_tcp_keepalive(&keepalive)
}

#[cfg(target_os = "linux")]
fn set_user_timeout(socket: &SockRef<'_>, timeout: Duration) -> io::Result<()> {
    socket.set_tcp_user_timeout(Some(timeout))
}

/// Other systems have no such option.
#[cfg(not(target_os = "linux"))]
fn set_user_timeout(_: &SockRef<'_>, _: Duration) -> io::Result<()> {
    Ok(())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_connection_has_all_options_also_if_it_waited_before_its_listener_had_them() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let _waited = TcpStream::connect(address).await.unwrap();
        set_listener_options(&listener).unwrap();
        let _dialled =
            [TcpStream::connect(address).await.unwrap(), TcpStream::connect(address).await.unwrap()];
        for (stall, timeout) in [(60, USER_TIMEOUT), (60, USER_TIMEOUT), (90, Duration::from_secs(90))] {
            let (accepted, _) = listener.accept().await.unwrap();
            set_options(&accepted, Duration::from_secs(stall)).unwrap();
            let socket = SockRef::from(&accepted);
            assert!(socket.tcp_nodelay().unwrap() && socket.keepalive().unwrap());
            let probes = (socket.tcp_keepalive_time().unwrap(), socket.tcp_keepalive_interval().unwrap());
            assert_eq!(probes, (KEEPALIVE_IDLE, KEEPALIVE_INTERVAL));
            assert_eq!(socket.tcp_user_timeout().unwrap(), Some(timeout));
        }
    }
}
