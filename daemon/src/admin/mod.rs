//! Owns the control socket: one JSON request a line, one JSON answer a line, for whoever may be
//! asked by file mode and peer credentials. Called by the daemon; works while it drains. Never
//! holds state: it asks the hub, the store's readers and the daemon.

mod action;
mod answers;
mod request;
mod socket;
mod users;

pub use action::Fields;
pub use request::{ClientCertificate, Reply, Request, Revoked, VERSION};
pub use socket::{CannotBind, ControlSocket, bind, check_path};

use crate::chat::Counts;
use crate::hub::Inbox;
use crate::net::{Accept, accept_loop};
use crate::places::{Place, Places};
use crate::store::Readers;
use crate::tls::TlsState;
use serde::Serialize;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::Duration;
use tcp_chat_protocol::{Line, LineDecoder};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::warn;

/// Connections to the control socket at once. One more, and one that waits for its peer gives way.
const CONNECTIONS: usize = 16;
/// The longest request, in bytes.
const LINE_BYTES: usize = 64 * 1024;
/// How long answers are waited for at the end.
const LAST_ANSWERS: Duration = Duration::from_secs(2);
/// How long a silent connection is kept.
const IDLE: Duration = Duration::from_secs(60);

/// What the daemon itself answers.
#[derive(Debug)]
pub enum Wish {
    /// How is it?
    Status(oneshot::Sender<Status>),
    /// Read the configuration again. What changed, or why nothing did.
    Reload(oneshot::Sender<Result<Reloaded, String>>),
    /// End in order. Whoever asked was told already.
    Drain,
    /// Log at another level.
    Log(String, oneshot::Sender<Result<(), String>>),
}

/// What a reload came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reloaded {
    /// What goes by new values now.
    pub changed: Vec<String>,
    /// What has a new value in the file and needs a restart to go by it.
    pub needs_restart: Vec<String>,
    /// What the operator should look at.
    pub warnings: Vec<String>,
}

/// How the daemon is.
#[derive(Debug, Clone, Serialize)]
pub struct Status {
    /// `serving`, `store failing` or `stopping`.
    pub state: &'static str,
    /// The same as in the service manager's STATUS.
    pub summary: String,
    /// The program's version.
    pub version: &'static str,
    /// Seconds since the start.
    pub uptime_s: u64,
    /// Where it listens.
    pub addresses: Vec<String>,
    /// The file that it was configured by.
    pub config: Option<PathBuf>,
    /// Connections, logged in or not.
    pub connections: usize,
    /// Sessions, connected or away.
    pub sessions: usize,
    /// Sessions without a connection.
    pub away: usize,
    /// Rooms.
    pub rooms: usize,
    /// The newest number.
    pub head: u64,
    /// Why messages are not kept, if so.
    pub store_failing: Option<String>,
    /// Bytes that messages and search index take of `history.max_bytes`.
    pub history_bytes: u64,
    /// How many they may take before the oldest messages go; none: there is no bound.
    pub history_max_bytes: Option<u64>,
    /// When the certificate ends, in RFC 3339.
    pub certificate_expires: String,
    /// Why clients refuse the certificate in use, or some do, if so.
    pub certificate_doubtful: Option<String>,
    /// What went wrong with certificates or the last reload, if anything.
    pub warning: Option<String>,
}

impl Status {
    /// Takes over the hub's numbers.
    pub fn count(&mut self, connections: usize, counts: Counts) {
        self.connections = connections;
        self.sessions = counts.sessions;
        self.away = counts.away;
        self.rooms = counts.rooms;
        self.head = counts.head;
    }
}

/// What the control socket asks others.
#[derive(Debug, Clone)]
pub struct Desk {
    /// The hub.
    pub inbox: Inbox,
    /// The store, for copies.
    pub readers: Readers,
    /// The certificates.
    pub tls: TlsState,
    /// The daemon itself.
    pub wishes: mpsc::Sender<Wish>,
}

/// Answers on the socket until told to stop. Answers that are under way then are given: whoever asked for the end is told
/// that it comes.
pub async fn serve(listener: UnixListener, desk: Desk, stop: CancellationToken) {
    let listener = ControlListener { listener, places: Places::new(CONNECTIONS), desk };
    accept_loop(&listener, &stop).await;
    listener.places.end(LAST_ANSWERS).await;
}

/// The control socket.
struct ControlListener {
    listener: UnixListener,
    places: Places,
    desk: Desk,
}

impl Accept for ControlListener {
    type Stream = UnixStream;
    const NAME: &'static str = "control";

    async fn accept(&self) -> io::Result<UnixStream> {
        self.listener.accept().await.map(|(stream, _)| stream)
    }

    async fn admit(&self, stream: UnixStream) {
        let (place, desk) = (self.places.take().await, self.desk.clone());
        #[expect(clippy::disallowed_methods, reason = "it ends with its peer; a panic costs one answer")]
        tokio::spawn(async move {
            tokio::select! {
                () = place.gives_way() => {}
                _ = talk(stream, &place, desk) => {}
            }
        });
    }

    fn tell_failing(&self, why: &io::Error) {
        warn!(event = "control_failed", error = why.to_string(), "control socket: accept failed: pausing");
    }
}

/// Who asks, if they may: root, the daemon's own user, and who has its group.
fn who_asks(stream: &UnixStream) -> io::Result<Option<u32>> {
    let peer = stream.peer_cred()?;
    let own = std::fs::metadata("/proc/self")?;
    let may_ask = peer.uid() == 0 || peer.uid() == own.uid() || peer.gid() == own.gid();
    Ok(may_ask.then(|| peer.uid()))
}

async fn talk(mut stream: UnixStream, place: &Place, desk: Desk) -> io::Result<()> {
    let Some(uid) = who_asks(&stream)? else {
        return stream.write_all(&Reply::error("you are not the daemon's user, nor root").line()).await;
    };
    let mut decoder = LineDecoder::new(LINE_BYTES);
    let mut buffer = vec![0; 4096];
    loop {
        let Ok(read) = timeout(IDLE, stream.read(&mut buffer)).await else { return Ok(()) };
        let requests: Vec<_> = match read? {
            0 => return Ok(()),
            n => {
                let mut requests = Vec::new();
                let mut lines = decoder.feed(&buffer[..n]);
                while let Some(line) = lines.next() {
                    requests.push(match line {
                        Line::Bytes(line) => Request::read(line),
                        Line::TooLong => Err(format!(
                            "the request is too long: at most {LINE_BYTES} bytes can be sent at once"
                        )),
                    });
                }
                requests
            }
        };
        for request in requests {
            let is_drain = matches!(request, Ok(Request::Drain));
            let line = match request {
                Ok(request) => {
                    let Some(_work) = place.work() else { return Ok(()) };
                    let line = answers::carry_out(request, uid, &desk).await.line();
                    // What there is room for, before another connection may take this one's place.
                    let written = stream.try_write(&line).unwrap_or(0);
                    line[written..].to_vec()
                }
                Err(why) => Reply::error(why).line(),
            };
            let told = stream.write_all(&line).await;
            if is_drain {
                // It may be ending already.
                let _ = desk.wishes.send(Wish::Drain).await;
            }
            told?;
        }
    }
}
