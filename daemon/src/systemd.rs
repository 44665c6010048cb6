//! Owns the words with the service manager: READY, RELOADING, STOPPING, STATUS, WATCHDOG, and the
//! sockets that it hands over. Without one (no `NOTIFY_SOCKET`) every word is a no-op. Never
//! decides when they are true.

use sd_notify::NotifyState;
use std::net::TcpListener;
use std::time::Duration;

/// The daemon serves.
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

/// The end begins.
pub fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// One line for `systemctl status`. A line break would begin another word: it becomes a space.
pub fn status(text: &str) {
    let line = text.replace(char::is_control, " ");
    tell(&[NotifyState::Status(&line)]);
}

/// How often the service manager wants to be fed at the latest; feed at half of it. `None`: it
/// does not watch this process.
#[must_use]
pub fn watchdog() -> Option<Duration> {
    sd_notify::watchdog_enabled().filter(|interval| !interval.is_zero())
}

/// Feeds the watchdog. To be called only after a check that the daemon really works.
pub fn feed() {
    tell(&[NotifyState::Watchdog]);
}

/// The sockets that the service manager hands over, listening and nonblocking.
#[derive(Debug, Default)]
pub struct HandedOver {
    /// For the lines of the protocol.
    pub chat: Vec<TcpListener>,
    /// For the page.
    pub web: Vec<TcpListener>,
}

/// The name of sockets for the page (`FileDescriptorName=`). Sockets of any other name are for the chat.
const WEB: &str = "web";

/// The TCP sockets that the service manager hands over. The first call
/// takes them: later ones get nothing. To be called before other threads are started, since it
/// takes `LISTEN_FDS` out of the environment.
///
/// # Errors
/// One of them is no TCP socket: the socket unit is not meant for this daemon.
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
    // It is no reason to end a daemon that works.
    if let Err(e) = sd_notify::notify(words) {
        tracing::debug!(event = "notify_failed", reason = %e, "the service manager did not listen");
    }
}
