//! Owns the way from a socket to the hub and back: accept, handshake, lines in, items out. Called
//! by the daemon, which binds the sockets and says when to stop. `admin` and `http` use its accept loop. Never decides
//! what a request means: the chat does.
//!
//! A transport is a [`Link`]; [`serve`] is all that it needs. Only the proof step between the reader and the hub makes
//! the command of a LOGIN, so no transport can leave it out.

mod ask;
mod attempts;
mod checks;
mod connection;
mod guard;
mod identity;
mod link;
mod listener;
mod permits;
mod prove;
mod reader;
mod socket;
mod tcp;
mod writer;

pub use connection::{say_goodbye, serve};
pub use guard::ConnectionGuard;
pub use identity::Identity;
pub use link::Link;
pub use listener::{Accept, accept_loop, listen};
pub use permits::{NotLetIn, Permits};
pub use tcp::{Lines, Speaks, TlsListener};

use crate::hub::{Bars, Directory, Inbox};
use crate::metrics::Metrics;
use crate::settings::{AuthMode, ClientAuth, Limits, Settings};
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

/// Who is let in, by the settings.
#[derive(Clone)]
pub struct Door {
    /// Who may log in.
    pub mode: AuthMode,
    /// The shared password's hash, where one is asked for.
    pub password: Option<Arc<str>>,
    /// Are clients asked for a certificate?
    pub client_auth: ClientAuth,
    /// For how long a client's certificate is good when its CA issues it, in milliseconds.
    pub backdated_ms: u64,
}

impl std::fmt::Debug for Door {
    /// The hash is a secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Door").field("mode", &self.mode).finish_non_exhaustive()
    }
}

impl From<&Settings> for Door {
    fn from(settings: &Settings) -> Self {
        let Settings { auth, tls, .. } = settings;
        let password = auth.password_hash().map(Into::into);
        // Of another CA that is not known.
        let backdated_ms = if tls.client_ca.is_some() { 0 } else { BACKDATED_MS };
        Self { mode: auth.mode, password, client_auth: tls.client_auth, backdated_ms }
    }
}

/// What every connection needs, in one place. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Gate(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    tls: ArcSwap<rustls::ServerConfig>,
    /// Signs what is enrolled.
    certificates: TlsState,
    limits: ArcSwap<Limits>,
    door: ArcSwap<Door>,
    checks: checks::Checks,
    directory: Directory,
    inbox: Inbox,
    readers: Readers,
    permits: Permits,
    bars: Bars,
    metrics: Arc<Metrics>,
    next: AtomicU64,
    /// Cuts every connection off.
    cut: CancellationToken,
    tasks: TaskTracker,
}

impl Gate {
    /// A gate that lets in by these settings.
    #[must_use]
    pub fn new(
        settings: &Settings,
        tls: TlsState,
        directory: Directory,
        inbox: Inbox,
        bars: Bars,
        readers: Readers,
        metrics: Arc<Metrics>,
    ) -> Self {
        let permits = Permits::new(&settings.limits);
        Self(Arc::new(Shared {
            tls: ArcSwap::new(tls.server_config()),
            certificates: tls,
            limits: ArcSwap::from_pointee(settings.limits.clone()),
            door: ArcSwap::from_pointee(Door::from(settings)),
            checks: checks::Checks::new(),
            directory,
            inbox,
            readers,
            permits,
            bars,
            metrics,
            next: AtomicU64::new(1),
            cut: CancellationToken::new(),
            tasks: TaskTracker::new(),
        }))
    }

    /// The way to the store, for whoever speaks without a socket.
    #[must_use]
    pub fn readers(&self) -> &Readers {
        &self.0.readers
    }

    /// Goes by other settings for connections that come from now on.
    pub fn reload(&self, settings: &Settings) {
        self.0.permits.set(&settings.limits);
        self.0.limits.store(Arc::new(settings.limits.clone()));
        self.0.door.store(Arc::new(Door::from(settings)));
    }

    /// Offers other certificates or versions from now on.
    pub fn set_tls(&self, tls: Arc<rustls::ServerConfig>) {
        self.0.tls.store(tls);
    }

    /// Runs a connection on a task of its own, until it ends or all connections are cut off. [`Gate::drained`] waits
    /// for it.
    pub fn spawn(&self, connection: impl Future<Output = ()> + Send + 'static) {
        let (cut, connection) = (self.0.cut.clone(), Box::pin(connection));
        self.0.tasks.spawn(async move { cut.run_until_cancelled(connection).await });
    }

    /// Cuts off every connection that is still there.
    pub fn cut(&self) {
        self.0.cut.cancel();
    }

    /// Waits until every connection has ended.
    pub async fn drained(&self) {
        self.0.tasks.close();
        self.0.tasks.wait().await;
    }

    /// Are connections from that address banned now?
    fn is_barred(&self, address: IpAddr) -> bool {
        let bars = self.0.bars.load();
        // Without bans the clock is not asked.
        !bars.is_empty() && {
            let now = Timestamp::now().0;
            bars.iter().any(|(range, until)| until.is_none_or(|until| now < until) && is_in(range, address))
        }
    }

    /// How long somebody may be connected without a login, and how long a peer may take nothing.
    #[must_use]
    pub fn login_and_stall(&self) -> (Duration, Duration) {
        let limits = self.0.limits.load();
        (limits.login, limits.stall)
    }

    /// The longest text that a message may have now, in bytes.
    #[must_use]
    pub fn msg_bytes(&self) -> usize {
        self.0.limits.load().msg_bytes
    }

    /// The number of the next connection.
    fn next_id(&self) -> crate::chat::ConnectionId {
        crate::chat::ConnectionId(self.0.next.fetch_add(1, Ordering::Relaxed))
    }
}
