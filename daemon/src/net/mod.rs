//! Owns the path from a socket to the hub and back: accept, handshake, received lines, sent items. The daemon
//! binds the sockets and decides when to stop. `admin` and `http` use the accept loop. Never decides what a
//! request means: the edge and the state do.
//!
//! A transport is a [`Link`]; [`serve`] needs nothing else. Only the proof step between the reader and the hub
//! makes the command of a LOGIN, so no transport can leave it out.

mod attempts;
mod checks;
mod connection;
mod guard;
mod identity;
mod link;
mod listener;
mod parse;
mod permits;
mod prove;
mod read_turns;
mod reader;
mod socket;
mod tcp;
mod writer;

pub use connection::{serve, shut_down};
pub use guard::ConnectionGuard;
pub use identity::Identity;
pub use link::Link;
pub use listener::{Accept, accept_loop, listen};
pub use permits::{Permits, Rejection};
pub use tcp::{Lines, Speaks, TlsListener};

use crate::hub::{BannedAddresses, Directory, Inbox};
use crate::metrics::Metrics;
use crate::settings::{ClientAuth, Limits, Settings};
use crate::store::Readers;
use crate::tls::{BACKDATED_MS, TlsState};
use arc_swap::ArcSwap;
use std::future::Future;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tcp_chat_protocol::Timestamp;
use tcp_chat_protocol::banned::is_in;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The settings of TLS that decide how a user proves its identity. Who may log in without a proof of its name is in the
/// policy of the state, which the [`Directory`] has.
#[derive(Debug, Clone, Copy)]
pub struct LoginPolicy {
    /// Whether TLS asks the client for a certificate.
    pub client_auth: ClientAuth,
    /// A certificate of the daemon's own CA is valid since this many milliseconds before it was issued.
    pub backdated_ms: u64,
}

impl From<&Settings> for LoginPolicy {
    fn from(settings: &Settings) -> Self {
        let tls = &settings.tls;
        // The daemon does not know how another CA sets the start of the validity.
        let backdated_ms = if tls.client_ca.is_some() { 0 } else { BACKDATED_MS };
        Self { client_auth: tls.client_auth, backdated_ms }
    }
}

/// The state that all connections share. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Gate(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    tls: ArcSwap<rustls::ServerConfig>,
    /// Signs the certificates of ENROL.
    certificates: TlsState,
    limits: ArcSwap<Limits>,
    login_policy: ArcSwap<LoginPolicy>,
    checks: checks::CheckLimits,
    directory: Directory,
    inbox: Inbox,
    readers: Readers,
    permits: Permits,
    read_turns: read_turns::ReadTurns,
    banned_addresses: BannedAddresses,
    metrics: Arc<Metrics>,
    next: AtomicU64,
    /// Ends every connection when it is cancelled.
    cut: CancellationToken,
    tasks: TaskTracker,
}

impl Gate {
    /// A gate with the limits and the login policy of these settings.
    #[must_use]
    pub fn new(
        settings: &Settings,
        tls: TlsState,
        directory: Directory,
        inbox: Inbox,
        banned_addresses: BannedAddresses,
        readers: Readers,
        metrics: Arc<Metrics>,
    ) -> Self {
        let permits = Permits::new(&settings.limits);
        Self(Arc::new(Shared {
            tls: ArcSwap::new(tls.server_config()),
            certificates: tls,
            limits: ArcSwap::from_pointee(settings.limits.clone()),
            login_policy: ArcSwap::from_pointee(LoginPolicy::from(settings)),
            checks: checks::CheckLimits::new(),
            directory,
            inbox,
            readers,
            permits,
            read_turns: read_turns::ReadTurns::new(),
            banned_addresses,
            metrics,
            next: AtomicU64::new(1),
            cut: CancellationToken::new(),
            tasks: TaskTracker::new(),
        }))
    }

    /// The read side of the store, for modules that serve requests without a socket.
    #[must_use]
    pub fn readers(&self) -> &Readers {
        &self.0.readers
    }

    /// Applies new settings to the connections that are accepted from now on.
    pub fn reload(&self, settings: &Settings) {
        self.0.permits.set(&settings.limits);
        self.0.limits.store(Arc::new(settings.limits.clone()));
        self.0.login_policy.store(Arc::new(LoginPolicy::from(settings)));
    }

    /// Uses another TLS configuration for the handshakes that begin from now on.
    pub fn set_tls(&self, tls: Arc<rustls::ServerConfig>) {
        self.0.tls.store(tls);
    }

    /// Runs a connection on its own task until the connection ends or [`Gate::cut`] is called. [`Gate::drained`]
    /// waits for the task.
    pub fn spawn(&self, connection: impl Future<Output = ()> + Send + 'static) {
        let (cut, connection) = (self.0.cut.clone(), Box::pin(connection));
        self.0.tasks.spawn(async move { cut.run_until_cancelled(connection).await });
    }

    /// Ends every open connection at once.
    pub fn cut(&self) {
        self.0.cut.cancel();
    }

    /// Waits until every connection has ended.
    pub async fn drained(&self) {
        self.0.tasks.close();
        self.0.tasks.wait().await;
    }

    /// Whether connections from that address are banned now.
    fn is_banned(&self, address: IpAddr) -> bool {
        let banned_addresses = self.0.banned_addresses.load();
        // Reads the clock only if there are bans.
        !banned_addresses.is_empty() && {
            let now = Timestamp::now().0;
            banned_addresses
                .iter()
                .any(|(range, until)| until.is_none_or(|until| now < until) && is_in(range, address))
        }
    }

    /// `limits.login` and `limits.stall`: the longest time without a login, and the longest time without progress.
    #[must_use]
    pub fn login_and_stall(&self) -> (Duration, Duration) {
        let limits = self.0.limits.load();
        (limits.login, limits.stall)
    }

    /// `limits.msg_bytes`: the longest text of a message, in bytes.
    #[must_use]
    pub fn msg_bytes(&self) -> usize {
        self.0.limits.load().msg_bytes
    }

    /// The id for the next connection.
    fn next_id(&self) -> tcp_chat_state::ConnectionId {
        tcp_chat_state::ConnectionId(self.0.next.fetch_add(1, Ordering::Relaxed))
    }
}
