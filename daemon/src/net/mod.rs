//! Owns the way from a socket to the hub and back: accept, handshake, lines in, items out. Called
//! by the daemon, which binds the sockets and says when to stop. Never decides what a request
//! means: the chat does.

mod ask;
mod connection;
mod listener;
mod permits;
mod reader;
mod socket;
mod writer;

pub use listener::{listen, serve};
pub use permits::Permits;

use crate::chat::is_in;
use crate::hub::{Bars, Inbox};
use crate::settings::Limits;
use crate::store::Readers;
use arc_swap::ArcSwap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tcp_chat_protocol::Timestamp;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Passwords that are checked at once: each costs 19 MiB and tens of milliseconds.
const PASSWORD_CHECKS: usize = 2;

/// What every connection needs, in one place. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Gate(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    tls: ArcSwap<rustls::ServerConfig>,
    limits: ArcSwap<Limits>,
    /// The password's hash, where one is asked for.
    password: ArcSwap<Option<String>>,
    checks: Semaphore,
    inbox: Inbox,
    readers: Readers,
    permits: Permits,
    bars: Bars,
    next: AtomicU64,
    /// Cuts every connection off.
    cut: CancellationToken,
    tasks: TaskTracker,
}

impl Gate {
    /// A gate that lets in by these settings.
    #[must_use]
    pub fn new(
        tls: Arc<rustls::ServerConfig>,
        limits: Limits,
        password: Option<String>,
        inbox: Inbox,
        bars: Bars,
        readers: Readers,
    ) -> Self {
        let permits = Permits::new(&limits);
        Self(Arc::new(Shared {
            tls: ArcSwap::new(tls),
            limits: ArcSwap::from_pointee(limits),
            password: ArcSwap::from_pointee(password),
            checks: Semaphore::new(PASSWORD_CHECKS),
            inbox,
            readers,
            permits,
            bars,
            next: AtomicU64::new(1),
            cut: CancellationToken::new(),
            tasks: TaskTracker::new(),
        }))
    }

    /// Goes by other settings for connections that come from now on.
    pub fn reload(&self, limits: Limits, password: Option<String>) {
        self.0.permits.set(&limits);
        self.0.limits.store(Arc::new(limits));
        self.0.password.store(Arc::new(password));
    }

    /// Offers other certificates or versions from now on.
    pub fn set_tls(&self, tls: Arc<rustls::ServerConfig>) {
        self.0.tls.store(tls);
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

    fn next_id(&self) -> crate::chat::ConnectionId {
        crate::chat::ConnectionId(self.0.next.fetch_add(1, Ordering::Relaxed))
    }
}
