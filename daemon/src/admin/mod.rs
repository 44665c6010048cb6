//! Owns the control socket: one JSON request per line, one JSON reply per line. Its file mode and the peer
//! credentials decide which users may connect. Called by the daemon; works while the daemon drains. Never holds
//! state: it asks the hub, the store's readers and the daemon.

mod action;
mod fields;
mod handlers;
mod request;
mod socket;
mod users;

pub use action::ActionRequest;
pub use fields::{Ban, Grant, Kick, List, Mute, Redact, RoleOrNone, Unban, Unmute};
pub use request::{AdminReply, AdminRequest, ClientCertificate, Revoked, VERSION};
pub use socket::{BindError, ControlSocket, bind, check_path};

use crate::hub::Inbox;
use crate::net::{Accept, accept_loop};
use crate::order::OrderReport;
use crate::places::{Place, Places};
use crate::store::Readers;
use crate::tls::TlsState;
use serde::Serialize;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::Duration;
use tcp_chat_protocol::{Line, LineDecoder};
use tcp_chat_state::Counts;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::warn;

/// The largest number of connections. Beyond it, a connection that waits for its peer is closed for the new one.
const MAX_CONNECTIONS: usize = 16;
/// The longest request, in bytes.
const LINE_BYTES: usize = 64 * 1024;
/// How long running requests may take after `stop` is cancelled.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a connection may be idle.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);

/// A request that the daemon itself handles.
#[derive(Debug)]
pub enum DaemonRequest {
    /// Reports the status.
    Status(oneshot::Sender<Status>),
    /// Reads the configuration again. The answer lists the changes, or tells why there are none.
    Reload(oneshot::Sender<Result<Reloaded, String>>),
    /// Stops in an orderly way. The operator already has the reply.
    Drain,
    /// Sets the log level.
    Log(String, oneshot::Sender<Result<(), String>>),
}

/// The result of a reload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reloaded {
    /// Keys whose new values are in effect.
    pub changed: Vec<String>,
    /// Keys whose new values need a restart.
    pub needs_restart: Vec<String>,
    /// Warnings for the operator.
    pub warnings: Vec<String>,
}

/// The status of the daemon.
#[derive(Debug, Clone, Serialize)]
pub struct Status {
    /// `serving`, `store failing` or `stopping`.
    pub state: &'static str,
    /// The STATUS text that the service manager shows.
    pub summary: String,
    /// The program's version.
    pub version: &'static str,
    /// Seconds since the start.
    pub uptime_s: u64,
    /// The addresses of the listening sockets.
    pub addresses: Vec<String>,
    /// The address of the page for browsers. `None`: the page is off.
    pub page: Option<String>,
    /// The configuration file.
    pub config: Option<PathBuf>,
    /// Connections, logged in or not.
    pub connections: usize,
    /// Sessions, connected or away.
    pub sessions: usize,
    /// Sessions without a connection.
    pub away: usize,
    /// Rooms.
    pub rooms: usize,
    /// The newest seq.
    pub head: u64,
    /// The reason why no message is kept, if the store fails.
    pub store_failing: Option<String>,
    /// Bytes of messages and search index, which count against `history.max_bytes`.
    pub history_bytes: u64,
    /// The bound of `history_bytes`; beyond it the oldest messages are removed. `None`: unbounded.
    pub history_max_bytes: Option<u64>,
    /// While a user is being erased: the messages that are still to be looked at, at most.
    pub erasing_left: Option<u64>,
    /// The expiry of the certificate, in RFC 3339.
    pub certificate_expires: String,
    /// The reason why all or some clients refuse the certificate in use, if they do.
    pub certificate_doubtful: Option<String>,
    /// The last fault of certificates or of a reload, if any.
    pub warning: Option<String>,
    /// This node and its cluster; `null` for a daemon that is alone.
    pub cluster: Option<OrderReport>,
}

impl Status {
    /// Copies the hub's counters.
    pub fn count(&mut self, connections: usize, counts: Counts) {
        self.connections = connections;
        self.sessions = counts.sessions;
        self.away = counts.away;
        self.rooms = counts.rooms;
        self.head = counts.head;
    }
}

/// The modules that the control socket asks.
#[derive(Debug, Clone)]
pub struct AdminContext {
    /// The hub.
    pub inbox: Inbox,
    /// The store, for backups and the audit log.
    pub readers: Readers,
    /// The certificates.
    pub tls: TlsState,
    /// Requests to the daemon.
    pub daemon: mpsc::Sender<DaemonRequest>,
}

/// Serves the socket until `stop` is cancelled. Running requests are finished: the operator who requests the stop
/// gets the reply.
pub async fn serve(listener: UnixListener, context: AdminContext, stop: CancellationToken) {
    let listener = ControlListener { listener, places: Places::new(MAX_CONNECTIONS), context };
    accept_loop(&listener, &stop).await;
    listener.places.end(DRAIN_TIMEOUT).await;
}

/// The control socket.
struct ControlListener {
    listener: UnixListener,
    places: Places,
    context: AdminContext,
}

impl Accept for ControlListener {
    type Stream = UnixStream;
    const NAME: &'static str = "control";

    async fn accept(&self) -> io::Result<UnixStream> {
        self.listener.accept().await.map(|(stream, _)| stream)
    }

    async fn admit(&self, stream: UnixStream) {
        let (place, context) = (self.places.take().await, self.context.clone());
        #[expect(clippy::disallowed_methods, reason = "it ends with its peer; a panic costs one answer")]
        tokio::spawn(async move {
            tokio::select! {
                () = place.gives_way() => {}
                _ = serve_connection(stream, &place, context) => {}
            }
        });
    }

    fn log_failure(&self, why: &io::Error) {
        warn!(event = "control_failed", error = why.to_string(), "control socket: accept failed: pausing");
    }
}

/// The uid of the peer, if it may use the socket: root, the daemon's user, or a process with the daemon's group.
fn authorized_uid(stream: &UnixStream) -> io::Result<Option<u32>> {
    let peer = stream.peer_cred()?;
    let own = std::fs::metadata("/proc/self")?;
    let is_authorized = peer.uid() == 0 || peer.uid() == own.uid() || peer.gid() == own.gid();
    Ok(is_authorized.then(|| peer.uid()))
}

async fn serve_connection(mut stream: UnixStream, place: &Place, context: AdminContext) -> io::Result<()> {
    let Some(uid) = authorized_uid(&stream)? else {
        return stream
            .write_all(
                &AdminReply::error("only root, the daemon's user and its group may use this socket").line(),
            )
            .await;
    };
    let mut decoder = LineDecoder::new(LINE_BYTES);
    let mut buffer = vec![0; 4096];
    loop {
        let Ok(read) = timeout(IDLE_TIMEOUT, stream.read(&mut buffer)).await else { return Ok(()) };
        let requests: Vec<_> = match read? {
            0 => return Ok(()),
            n => {
                let mut requests = Vec::new();
                let mut lines = decoder.feed(&buffer[..n]);
                while let Some(line) = lines.next() {
                    requests.push(match line {
                        Line::Bytes(line) => AdminRequest::read(line),
                        Line::TooLong => Err(format!("the request is longer than {LINE_BYTES} bytes")),
                    });
                }
                requests
            }
        };
        for request in requests {
            let is_drain = matches!(request, Ok(AdminRequest::Drain));
            let line = match request {
                Ok(request) => {
                    let Some(_work) = place.work() else { return Ok(()) };
                    let line = handlers::handle(request, uid, &context).await.line();
                    // Sends as much as fits before another connection may take this one's place.
                    let written = stream.try_write(&line).unwrap_or(0);
                    line[written..].to_vec()
                }
                Err(why) => AdminReply::error(why).line(),
            };
            let sent = stream.write_all(&line).await;
            if is_drain {
                // The daemon may be stopping already.
                let _ = context.daemon.send(DaemonRequest::Drain).await;
            }
            sent?;
        }
    }
}
