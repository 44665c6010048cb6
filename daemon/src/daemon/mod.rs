//! Owns the life of the process: everything bound before READY, then a loop over signals, wishes
//! and the clock, then the order of death. Called by `main` through [`crate::commands`]. Never
//! serves anyone itself.
//!
//! The order of death: no new connections; everyone is told and flushed; the hub ends because its
//! inbox closes; the store is closed by the hub. What takes longer than `shutdown.grace` is cut,
//! but the last two always happen.

mod exposure;
mod fatal;
mod files;
mod looks;
mod loopback;
mod page;
mod reload;
mod system;
mod watch;

pub use fatal::Fatal;

use crate::admin::{self, ControlSocket, Desk, Wish};
use crate::chat::{Found, Rules};
use crate::http::{Observed, Posts};
use crate::hub::{self, Control, Directory, Ended, Entry, Inbox};
use crate::metrics::Metrics;
use crate::net::{self, Gate, Lines, TlsListener};
use crate::settings::{Loaded, Settings};
use crate::store::{Readers, Store};
use crate::systemd::HandedOver;
use crate::tls::{TlsNote, TlsState};
use crate::{clock, commands, log, systemd, tls};
use files::NamedFiles;
use loopback::Loopback;
use page::Page;
use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use system::{Signals, raise_open_files};
use tokio::net::UnixListener;
use tokio::signal::unix::Signal;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use watch::Watch;

/// Between two looks at the hub, unless the service manager wants to be fed more often.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Between two looks at the certificates.
const CERTIFICATES_EVERY: Duration = Duration::from_secs(60);
/// Wishes of operators that may wait.
const WISHES: usize = 16;
/// Threads for what blocks: reads of the store, password checks, copies.
const BLOCKING_THREADS: usize = 16;

/// Runs the daemon until it is told to end, or cannot go on.
///
/// # Errors
/// What kept it from starting, or made it end.
pub fn run(loaded: Loaded, log: log::Handle) -> Result<(), Fatal> {
    // Takes variables out of the environment: before there are other threads.
    let handed_over = systemd::listen_fds().map_err(Fatal::HandedOver)?;
    raise_open_files(loaded.settings.limits.connections);
    let bound = Bound::new(&loaded, handed_over)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS)
        .thread_name("connections")
        .build()
        .map_err(Fatal::Runtime)?;
    runtime.block_on(async {
        // First: a signal that comes while it starts is one to end in order, too.
        let signals = Signals::new().map_err(Fatal::Runtime)?;
        Daemon::start(loaded, log, bound)?.live(signals).await
    })
}

fn tell_certificate(tls: &TlsState) {
    tls.first_notes().iter().for_each(TlsNote::log);
    let summary = tls.summary();
    let file = summary.ca.as_ref().unwrap_or(&summary.certificate).display().to_string();
    let until = humantime::format_rfc3339_seconds(summary.facts.not_after).to_string();
    info!(event = "certificate", trust = file, pin = summary.pin.to_string(), until, "certificate in use");
}

/// All that can fail at the start, done.
struct Bound {
    tls: TlsState,
    store: Store,
    readers: Readers,
    found: Found,
    listeners: Vec<TcpListener>,
    loopback: Loopback,
    page: Option<page::Bound>,
    control: Option<(ControlSocket, std::os::unix::net::UnixListener)>,
}

impl Bound {
    fn new(loaded: &Loaded, handed_over: HandedOver) -> Result<Self, Fatal> {
        let settings = &loaded.settings;
        clock::check(SystemTime::now())?;
        let tls = tls::open(&settings.tls, SystemTime::now()).map_err(Fatal::Tls)?;
        let (store, readers, found) = Store::open(&settings.history).map_err(Fatal::Store)?;
        let listeners = if handed_over.chat.is_empty() {
            let bind = |address: &SocketAddr| {
                let key = "listen.address";
                net::listen(*address).map_err(|why| Fatal::Listen { key, address: *address, why })
            };
            settings.listen.address.iter().map(bind).collect::<Result<_, _>>()?
        } else {
            handed_over.chat
        };
        let loopback = Loopback::bind(settings)?;
        let page = page::Bound::new(settings, handed_over.web)?;
        let control = match settings.control_socket() {
            None => None,
            Some(path) => match admin::bind(&path) {
                Ok(bound) => Some(bound),
                Err(why) => return Err(Fatal::Control { path, why }),
            },
        };
        Ok(Self { tls, store, readers, found, listeners, loopback, page, control })
    }
}

/// The running daemon.
struct Daemon {
    loaded: Loaded,
    /// What some keys go by until the next start.
    started_with: Settings,
    log: log::Handle,
    tls: TlsState,
    gate: Gate,
    inbox: Inbox,
    addresses: Vec<SocketAddr>,
    control: Option<ControlSocket>,
    /// Ends the accept loops.
    stop_accepting: CancellationToken,
    /// Ends the control socket, and HTTP.
    stop_control: CancellationToken,
    tasks: JoinSet<()>,
    wishes: mpsc::Receiver<Wish>,
    hub: oneshot::Receiver<Ended>,
    watch: Watch,
    files: NamedFiles,
    posts: Option<Posts>,
    page: Option<Page>,
}

impl Daemon {
    fn start(loaded: Loaded, log: log::Handle, bound: Bound) -> Result<Self, Fatal> {
        let Bound { tls, store, readers, found, listeners, loopback, page, control } = bound;
        let settings = &loaded.settings;
        tell_certificate(&tls);
        let mut files = NamedFiles::default();
        files.look(&loaded);
        let (inbox, entries) = hub::inbox();
        let directory = Directory::new(tls.fetching_until());
        let metrics = Arc::new(Metrics::new().map_err(Fatal::Metrics)?);
        let (hub, bars) =
            hub::spawn(Rules::from(settings), store, found, entries, directory.clone(), metrics.clone())
                .map_err(Fatal::Runtime)?;
        let gate = Gate::new(
            settings,
            tls.clone(),
            directory,
            inbox.clone(),
            bars,
            readers.clone(),
            metrics.clone(),
        );
        let (stop_accepting, stop_control) = (CancellationToken::new(), CancellationToken::new());
        let mut tasks = JoinSet::new();
        let mut addresses = Vec::new();
        for listener in listeners {
            let listener = tokio::net::TcpListener::from_std(listener).map_err(Fatal::Runtime)?;
            let address = listener.local_addr().map_err(Fatal::Runtime)?;
            info!(event = "listening", address = %address, "listening");
            addresses.push(address);
            tasks.spawn(TlsListener::new(gate.clone(), listener, Lines).serve(stop_accepting.clone()));
        }
        let page = match page {
            None => None,
            Some(page) => Some(page.serve(settings, &gate, &metrics, &stop_accepting, &mut tasks)?),
        };
        let page_addresses = page.iter().flat_map(Page::addresses);
        exposure::warn_if_open_to_all(settings, addresses.iter().copied().chain(page_addresses));
        let observed = Observed {
            metrics,
            inbox: inbox.clone(),
            readers: readers.clone(),
            tls: tls.clone(),
            stopping: stop_accepting.clone(),
        };
        let posts = loopback.serve(&settings.http, &gate, observed, &stop_control, &mut tasks)?;
        let (sender, wishes) = mpsc::channel(WISHES);
        let control = match control {
            None => None,
            Some((socket, listener)) => {
                let listener = UnixListener::from_std(listener).map_err(Fatal::Runtime)?;
                let desk = Desk { inbox: inbox.clone(), readers, tls: tls.clone(), wishes: sender };
                tasks.spawn(admin::serve(listener, desk, stop_control.clone()));
                Some(socket)
            }
        };
        let watch = Watch::new(addresses.clone(), tls.summary());
        Ok(Self {
            started_with: settings.clone(),
            loaded,
            log,
            tls,
            gate,
            inbox,
            addresses,
            control,
            stop_accepting,
            stop_control,
            tasks,
            wishes,
            hub,
            watch,
            files,
            posts,
            page,
        })
    }

    /// From READY to the end.
    async fn live(mut self, signals: Signals) -> Result<(), Fatal> {
        let Signals { mut terminate, mut interrupt, mut hangup } = signals;
        let every = systemd::watchdog().map_or(LOOK_EVERY, |limit| (limit / 3).min(LOOK_EVERY));
        let (mut look, mut certificates) = (interval(every), interval(CERTIFICATES_EVERY));
        self.announce();
        // The first look proves that the hub turns: only then is it true that we serve.
        self.look().await;
        systemd::ready();
        info!(event = "ready", "ready");
        loop {
            tokio::select! {
                biased;
                _ = terminate.recv() => break,
                _ = interrupt.recv() => break,
                ended = &mut self.hub => return Err(self.hub_ended(ended).await),
                _ = hangup.recv() => drop(self.reload().await),
                Some(wish) = self.wishes.recv() => if self.grant(wish).await { break },
                _ = look.tick() => self.look().await,
                _ = certificates.tick() => self.look_at_certificates(),
            }
        }
        self.die(terminate, interrupt).await
    }

    /// Tells, for whoever started it by hand, how to join.
    fn announce(&mut self) {
        let summary = self.tls.summary();
        self.watch.certificate(summary.clone());
        // In the journal it would stand as plain lines between the events, which say the same.
        if log::stderr_is_the_journal() {
            return;
        }
        // Whoever reads it may be gone: that is no reason to end.
        let mut out = std::io::stdout().lock();
        let _ = writeln!(out, "{}", commands::welcome(&self.addresses, &summary));
    }

    /// True: it is to end.
    async fn grant(&mut self, wish: Wish) -> bool {
        match wish {
            Wish::Drain => return true,
            Wish::Log(level, answer) => drop(answer.send(self.set_log_level(&level))),
            Wish::Reload(answer) => {
                let outcome = self.reload().await;
                // Whoever asked may be gone.
                let _ = answer.send(outcome);
            }
            Wish::Status(answer) => {
                if let Some(health) = self.inbox.health(LOOK_EVERY).await {
                    self.watch.healthy(health);
                }
                let _ = answer.send(self.watch.status(&self.loaded));
            }
        }
        false
    }

    fn set_log_level(&self, level: &str) -> Result<(), String> {
        self.log.set_level(level).map_err(|why| why.to_string())
    }

    /// The hub ended although nobody asked it to.
    async fn hub_ended(&mut self, ended: Result<Ended, oneshot::error::RecvError>) -> Fatal {
        systemd::stopping();
        self.stop_accepting.cancel();
        self.stop_control.cancel();
        self.gate.cut();
        let _ = timeout(Duration::from_secs(5), self.gate.drained()).await;
        match ended {
            Ok(Ended::StoreFailing(why)) => Fatal::StoreAtEnd(why),
            Ok(Ended::Clean) | Err(_) => Fatal::Hub,
        }
    }

    async fn die(mut self, mut terminate: Signal, mut interrupt: Signal) -> Result<(), Fatal> {
        let began = Instant::now();
        let grace = self.loaded.settings.shutdown.grace;
        systemd::stopping();
        self.watch.stopping();
        info!(event = "stopping", "stopping");
        self.stop_accepting.cancel();
        let _ = self.inbox.put(Entry::Control(Control::Shutdown)).await;
        let gate = self.gate.clone();
        let drained = tokio::select! {
            () = gate.drained() => true,
            () = tokio::time::sleep(grace) => false,
            _ = terminate.recv() => false,
            _ = interrupt.recv() => false,
            () = self.grant_while_dying() => false,
        };
        if !drained {
            warn!(event = "cut", "connections that did not end in time are cut");
            gate.cut();
            gate.drained().await;
        }
        drop(gate);
        self.stop_control.cancel();
        while self.tasks.join_next().await.is_some() {}
        if let Some(socket) = self.control.take() {
            socket.remove();
        }
        // The last senders: with them the hub's inbox closes.
        let Self { gate, inbox, hub, wishes, posts, .. } = self;
        drop((gate, inbox, wishes, posts));
        let ended = hub.await.map_err(|_| Fatal::Hub)?;
        info!(event = "stopped", ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(0), "stopped");
        match ended {
            Ended::Clean => Ok(()),
            Ended::StoreFailing(why) => Err(Fatal::StoreAtEnd(why)),
        }
    }
}
