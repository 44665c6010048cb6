//! Owns the protocol of the service manager: READY, RELOADING, STOPPING, STATUS, WATCHDOG, and the sockets that
//! it passes. Without a service manager (no `NOTIFY_SOCKET`) each call is a no-op. Called by `daemon`. Never
//! decides the state.

use sd_notify::NotifyState;
use std::net::TcpListener;
use std::time::Duration;

/// The daemon serves clients.
pub fn ready() {
    tell(&[NotifyState::Ready]);
}

/// A reload begins; [`ready`] ends it.
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(_) => tell(&[NotifyState::Reloading]),
    }
}

/// The daemon begins to stop.
pub fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// The start takes longer: the service manager waits for so long from now on.
pub fn extend_timeout(time: Duration) {
    tell(&[NotifyState::ExtendTimeoutUsec(u32::try_from(time.as_micros()).unwrap_or(u32::MAX))]);
}

/// Sets the line of `systemctl status`. Line breaks become spaces: they would begin another variable.
pub fn status(text: &str) {
    let line = text.replace(char::is_control, " ");
    tell(&[NotifyState::Status(&line)]);
}

/// The watchdog interval of the service manager; feed at half of it or earlier. `None`: no watchdog.
#[must_use]
pub fn watchdog() -> Option<Duration> {
    sd_notify::watchdog_enabled().filter(|interval| !interval.is_zero())
}

/// Feeds the watchdog. Call it only after a health check.
pub fn feed() {
    tell(&[NotifyState::Watchdog]);
}

/// The sockets that the service manager passes, listening and nonblocking.
#[derive(Debug, Default)]
pub struct HandedOver {
    /// For the lines of the protocol.
    pub chat: Vec<TcpListener>,
    /// For the page.
    pub web: Vec<TcpListener>,
}

/// The name of sockets for the page (`FileDescriptorName=`). Sockets of any other name are for the chat.
const WEB: &str = "web";

/// The TCP sockets that the service manager passes. Only the first call returns them.
/// Call it before other threads start, because it removes `LISTEN_FDS` from the environment.
///
/// # Errors
/// One of them is not a TCP socket: the socket unit is for another program.
pub fn listen_fds() -> std::io::Result<HandedOver> {
    let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
    let names: Vec<&str> = names.split(':').collect();
    let mut handed = listenfd::ListenFd::from_env();
    let mut listeners = HandedOver::default();
    for i in 0..handed.len() {
        if let Some(listener) = handed.take_tcp_listener(i)? {
            listener.set_nonblocking(true)?;
            let is_web = names.get(i).is_some_and(|name| *name == WEB);
            if is_web { &mut listeners.web } else { &mut listeners.chat }.push(listener);
        }
    }
    Ok(listeners)
}

fn tell(words: &[NotifyState<'_>]) {
    // A working daemon does not end because of this error.
    if let Err(e) = sd_notify::notify(words) {
        tracing::debug!(event = "notify_failed", reason = %e, "the service manager could not be notified");
    }
}
