//! Owns the life of the process: binds everything before READY, then runs a loop over signals, requests of
//! operators and timers, then stops. Called by `main` through [`crate::commands`]. Never serves a client itself.
//!
//! The order of a stop: accept no connections; tell every client and flush the outboxes; the hub ends because its
//! inbox closes; the hub closes the store. Connections that take longer than `shutdown.grace` are cut, but the
//! last two steps always happen.

mod clustered;
mod fatal;
mod files;
mod health;
mod loopback;
mod open_server;
mod page;
mod reload;
mod status;
mod system;

pub use fatal::Fatal;

use crate::admin::{self, AdminContext, ControlSocket, DaemonRequest};
use crate::http::{Monitoring, Webhook};
use crate::hub::{self, Control, Directory, Ended, Entry, Inbox};
use crate::metrics::Metrics;
use crate::net::{self, Gate, Lines, TlsListener};
use crate::order::Order;
use crate::settings::{Loaded, Settings};
use crate::systemd::HandedOver;
use crate::tls::{TlsNote, TlsState};
use crate::{clock, commands, log, systemd, tls};
use files::NamedFiles;
use loopback::Loopback;
use page::Page;
use status::StatusReport;
use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use system::{Signals, raise_open_files};
use tcp_chat_state::Rules;
use tokio::net::UnixListener;
use tokio::signal::unix::Signal;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// The time between two health checks of the hub, unless the watchdog of the service manager is shorter.
const HEALTH_INTERVAL: Duration = Duration::from_secs(2);
/// The time between two checks of the certificates.
const CERTIFICATE_INTERVAL: Duration = Duration::from_secs(60);
/// The largest number of waiting requests of operators.
const ADMIN_REQUESTS: usize = 16;
/// Threads for blocking work: reads of the store, password checks, backups.
const BLOCKING_THREADS: usize = 16;
/// The tasks that a thread of the runtime runs for each look at the queue that all threads share. The task that wakes the
/// recipients of messages comes through that queue (`hub/wakes.rs`). By default a busy thread takes one task of dozens from it,
/// so recipients would wait for all connections that the thread itself has found readable. Those that the thread has found after
/// it has woken the recipients run after them.
const GLOBAL_QUEUE_INTERVAL: u32 = 1;

/// Runs the daemon until it is stopped or cannot continue.
///
/// # Errors
/// The reason why it could not start, or had to end.
pub fn run(loaded: Loaded, log: log::Handle) -> Result<(), Fatal> {
    // Before any other thread exists, because it removes environment variables.
    let handed_over = systemd::listen_fds().map_err(Fatal::HandedOver)?;
    raise_open_files(loaded.settings.limits.connections);
    let bound = Bound::new(&loaded, handed_over)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS)
        .global_queue_interval(GLOBAL_QUEUE_INTERVAL)
        .thread_name("connections")
        .build()
        .map_err(Fatal::Runtime)?;
    runtime.block_on(async {
        // First, so that a signal during the start also leads to an orderly stop.
        let signals = Signals::new().map_err(Fatal::Runtime)?;
        Daemon::start(loaded, log, bound)?.live(signals).await
    })
}

fn log_certificate(tls: &TlsState) {
    tls.first_notes().iter().for_each(TlsNote::log);
    let summary = tls.summary();
    let file = summary.ca.as_ref().unwrap_or(&summary.certificate).display().to_string();
    let until = humantime::format_rfc3339_seconds(summary.facts.not_after).to_string();
    info!(event = "certificate", trust = file, pin = summary.pin.to_string(), until, "certificate in use");
}

/// The result of all steps of the start that can fail.
struct Bound {
    tls: TlsState,
    opened: clustered::Opened,
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
        let opened = clustered::open(loaded)?;
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
        Ok(Self { tls, opened, listeners, loopback, page, control })
    }
}

/// The running daemon.
struct Daemon {
    loaded: Loaded,
    /// The settings of the start, for the keys that need a restart.
    started_with: Settings,
    log: log::Handle,
    tls: TlsState,
    gate: Gate,
    inbox: Inbox,
    addresses: Vec<SocketAddr>,
    control: Option<ControlSocket>,
    /// Ends the accept loops.
    stop_accepting: CancellationToken,
    /// Ends the control socket and HTTP.
    stop_control: CancellationToken,
    tasks: JoinSet<()>,
    admin_requests: mpsc::Receiver<DaemonRequest>,
    hub: oneshot::Receiver<Ended>,
    status: StatusReport,
    files: NamedFiles,
    webhook: Option<Webhook>,
    page: Option<Page>,
}

impl Daemon {
    fn start(loaded: Loaded, log: log::Handle, bound: Bound) -> Result<Self, Fatal> {
        let Bound { tls, opened, listeners, loopback, page, control } = bound;
        let clustered::Opened { store, readers, found, order, rules, tasks: node_tasks } = opened;
        let settings = &loaded.settings;
        log_certificate(&tls);
        let mut files = NamedFiles::default();
        files.check(&loaded);
        let (inbox, entries) = hub::inbox();
        let directory = Directory::new(tls.fetching_until());
        let metrics = Arc::new(Metrics::new().map_err(Fatal::Metrics)?);
        let node = order.node();
        let warned = rules.clone();
        let (hub, banned_addresses) = hub::spawn(
            order,
            [rules, Rules::from(settings)],
            store,
            found,
            entries,
            directory.clone(),
            metrics.clone(),
        )
        .map_err(Fatal::Runtime)?;
        let gate = Gate::new(
            settings,
            tls.clone(),
            directory,
            inbox.clone(),
            banned_addresses,
            readers.clone(),
            metrics.clone(),
        );
        let (stop_accepting, stop_control) = (CancellationToken::new(), CancellationToken::new());
        let mut tasks = JoinSet::new();
        node_tasks.start(readers.clone(), &stop_control, &mut tasks);
        let mut addresses = Vec::new();
        for listener in listeners {
            let listener = tokio::net::TcpListener::from_std(listener).map_err(Fatal::Runtime)?;
            let address = listener.local_addr().map_err(Fatal::Runtime)?;
            info!(event = "listening", address = %address, "listening");
            addresses.push(address);
            let listener = TlsListener::new(gate.clone(), listener, Lines).map_err(Fatal::Runtime)?;
            tasks.spawn(listener.serve(stop_accepting.clone()));
        }
        let page = match page {
            None => None,
            Some(page) => Some(page.serve(settings, &gate, &metrics, &stop_accepting, &mut tasks)?),
        };
        let page_addresses = page.iter().flat_map(Page::addresses);
        open_server::warn_if_open(&warned, addresses.iter().copied().chain(page_addresses));
        let monitoring = Monitoring {
            metrics,
            inbox: inbox.clone(),
            readers: readers.clone(),
            tls: tls.clone(),
            stopping: stop_accepting.clone(),
        };
        let webhook = loopback.serve(&settings.http, node, &gate, monitoring, &stop_control, &mut tasks)?;
        let (sender, admin_requests) = mpsc::channel(ADMIN_REQUESTS);
        let control = match control {
            None => None,
            Some((socket, listener)) => {
                let listener = UnixListener::from_std(listener).map_err(Fatal::Runtime)?;
                let context =
                    AdminContext { inbox: inbox.clone(), readers, tls: tls.clone(), daemon: sender };
                tasks.spawn(admin::serve(listener, context, stop_control.clone()));
                Some(socket)
            }
        };
        let status = StatusReport::new(addresses.clone(), tls.summary());
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
            admin_requests,
            hub,
            status,
            files,
            webhook,
            page,
        })
    }

    /// Runs from READY to the end.
    async fn live(mut self, signals: Signals) -> Result<(), Fatal> {
        let Signals { mut terminate, mut interrupt, mut hangup } = signals;
        let every = systemd::watchdog().map_or(HEALTH_INTERVAL, |limit| (limit / 3).min(HEALTH_INTERVAL));
        let (mut check_health, mut certificates) = (interval(every), interval(CERTIFICATE_INTERVAL));
        self.announce();
        // The first health check proves that the hub works; READY is true only after it.
        self.check_health().await;
        systemd::ready();
        info!(event = "ready", "ready");
        loop {
            tokio::select! {
                biased;
                _ = terminate.recv() => break,
                _ = interrupt.recv() => break,
                ended = &mut self.hub => return Err(self.hub_ended(ended).await),
                _ = hangup.recv() => drop(self.reload().await),
                Some(request) = self.admin_requests.recv() => if self.handle_admin(request).await { break },
                _ = check_health.tick() => self.check_health().await,
                _ = certificates.tick() => self.check_certificates(),
            }
        }
        self.stop(terminate, interrupt).await
    }

    /// Prints the way to join, for a user who started the daemon by hand.
    fn announce(&mut self) {
        let summary = self.tls.summary();
        self.status.certificate(summary.clone());
        // In the journal these lines would stand between events that say the same.
        if log::stderr_is_the_journal() {
            return;
        }
        // A closed pipe is no reason to end.
        let mut out = std::io::stdout().lock();
        let page = self.page.as_ref().and_then(Page::origin);
        let _ = writeln!(out, "{}", commands::welcome(&self.addresses, &summary, page.as_deref()));
    }

    /// Handles a request of an operator. True: the daemon must stop.
    async fn handle_admin(&mut self, request: DaemonRequest) -> bool {
        match request {
            DaemonRequest::Drain => return true,
            DaemonRequest::Log(level, answer) => drop(answer.send(self.set_log_level(&level))),
            DaemonRequest::Reload(answer) => {
                let outcome = self.reload().await;
                // The operator's connection may have ended.
                let _ = answer.send(outcome);
            }
            DaemonRequest::Status(answer) => {
                if let Some(health) = self.inbox.health(HEALTH_INTERVAL).await {
                    self.status.healthy(health);
                }
                let _ = answer.send(self.status.status(&self.loaded));
            }
        }
        false
    }

    fn set_log_level(&self, level: &str) -> Result<(), String> {
        self.log.set_level(level).map_err(|why| why.to_string())
    }

    /// The end after the hub has ended by itself.
    async fn hub_ended(&mut self, ended: Result<Ended, oneshot::error::RecvError>) -> Fatal {
        systemd::stopping();
        self.stop_accepting.cancel();
        self.stop_control.cancel();
        self.gate.cut();
        let _ = timeout(Duration::from_secs(5), self.gate.drained()).await;
        match ended {
            Ok(Ended::StoreFailing(why)) => Fatal::StoreAtEnd(why),
            Ok(Ended::Stopped(stopped)) => clustered::ended(stopped, &self.started_with),
            Ok(Ended::Clean) | Err(_) => Fatal::Hub,
        }
    }

    async fn stop(mut self, mut terminate: Signal, mut interrupt: Signal) -> Result<(), Fatal> {
        let began = Instant::now();
        let grace = self.loaded.settings.shutdown.grace;
        systemd::stopping();
        self.status.stopping();
        info!(event = "stopping", "stopping");
        self.stop_accepting.cancel();
        let _ = self.inbox.put(Entry::Control(Control::Shutdown)).await;
        let gate = self.gate.clone();
        let drained = tokio::select! {
            () = gate.drained() => true,
            () = tokio::time::sleep(grace) => false,
            _ = terminate.recv() => false,
            _ = interrupt.recv() => false,
            () = self.serve_admin_while_stopping() => false,
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
        // The last senders: without them the hub's inbox closes.
        let Self { gate, inbox, hub, admin_requests, webhook, started_with, .. } = self;
        drop((gate, inbox, admin_requests, webhook));
        let ended = hub.await.map_err(|_| Fatal::Hub)?;
        info!(event = "stopped", ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(0), "stopped");
        match ended {
            Ended::Clean => Ok(()),
            Ended::StoreFailing(why) => Err(Fatal::StoreAtEnd(why)),
            Ended::Stopped(stopped) => Err(clustered::ended(stopped, &started_with)),
        }
    }
}
