//! Owns one connection from the accepted socket to its end: handshake, login deadline, both sides
//! at once, stalls, the goodbye. Runs as a task of its own; a panic in it takes only itself along.

use super::Gate;
use super::identity::Identity;
use super::permits::Permit;
use super::reader::{ReadEnd, Reader};
use super::socket::prepare;
use super::writer::{WriteEnd, Writer};
use crate::chat::{Command, ConnectionId};
use crate::hub::{Closed, Entry, Item, Outbox};
use crate::log;
use crate::metrics::{self, Handshake};
use crate::settings::Limits;
use crate::tls::handshake_failure;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tcp_chat_protocol::{ErrorKind, Refusal, reply};
use tcp_chat_tls_stream::{HandshakeError, TlsStream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep, timeout};
use tracing::debug;

/// How long a goodbye may take.
const GOODBYE: Duration = Duration::from_secs(2);
/// Reads of one connection before others have their turn.
const READS_A_POLL: usize = 8;

/// Serves one connection. Each stage is boxed, so that a connection that talks does not carry the
/// room that its handshake needed.
pub(super) async fn run(
    gate: Gate,
    limits: Arc<Limits>,
    socket: TcpStream,
    peer: SocketAddr,
    mut permit: Permit,
) {
    let cut = gate.0.cut.clone();
    let served = async move {
        let Some(stream) = Box::pin(shake_hands(&gate, &limits, socket, peer)).await else { return };
        permit.has_shaken();
        if permit.is_spare {
            gate.0.metrics.net.turned_away("full");
            gate.0.metrics.net.refused(ErrorKind::ServerFull);
            Box::pin(tell_full(stream, peer)).await;
            return;
        }
        let Some(mut connection) = Connection::enter(gate, limits, stream, peer).await else { return };
        let why = poll_fn(|cx| connection.poll(cx)).await;
        debug!(event = "connection_ended", conn = connection.id.0, peer = %peer, reason = why.as_str(), "connection ended");
        connection.gate.0.metrics.net.ended(why.as_str());
        if matches!(why, End::Said(_) | End::StoreFailed) {
            // The peer is gone for the hub from here on.
            connection.present = None;
            Box::pin(say_goodbye(connection.stream)).await;
        }
    };
    let _ = cut.run_until_cancelled(Box::pin(served)).await;
}

/// The stream is boxed: it is large, and moved.
async fn shake_hands(
    gate: &Gate,
    limits: &Limits,
    socket: TcpStream,
    peer: SocketAddr,
) -> Option<Box<TlsStream>> {
    let counts = &gate.0.metrics.net;
    if let Err(why) = prepare(&socket, limits.stall) {
        debug!(event = "handshake_failed", peer = %peer, reason = "socket", error = why.to_string(), "handshake failed");
        return None;
    }
    match timeout(limits.handshake, TlsStream::accept(gate.0.tls.load_full(), socket)).await {
        Ok(Ok(stream)) => {
            let version = if stream.is_tls_1_3() { metrics::Tls::V1_3 } else { metrics::Tls::V1_2 };
            counts.handshake(version, Handshake::Done);
            Some(Box::new(stream))
        }
        Ok(Err(HandshakeError::Silent(why))) => {
            debug!(event = "connection_empty", peer = %peer, error = why.to_string(), "connected and sent nothing");
            counts.handshake(metrics::Tls::None, Handshake::Empty);
            None
        }
        Ok(Err(HandshakeError::Failed(why))) => {
            debug!(event = "handshake_failed", peer = %peer, reason = "tls", error = handshake_failure(&why), "handshake failed");
            counts.handshake(metrics::Tls::None, Handshake::Failed);
            None
        }
        Err(_) => {
            debug!(event = "handshake_failed", peer = %peer, reason = "timeout", "handshake failed");
            counts.handshake(metrics::Tls::None, Handshake::TimedOut);
            None
        }
    }
}

async fn tell_full(mut stream: Box<TlsStream>, peer: SocketAddr) {
    let full =
        Refusal::new(ErrorKind::ServerFull, "the server has no room for one more connection; try later");
    let told = timeout(GOODBYE, stream.write_all(&reply::error(&full))).await;
    let told = matches!(told, Ok(Ok(())));
    debug!(event = "connection_refused", peer = %peer, reason = "server full", told, "connection refused");
    say_goodbye(stream).await;
}

/// Says that no more comes, then waits a little for the peer to do the same: closing a socket with
/// unread bytes would take back what was sent last.
async fn say_goodbye(mut stream: Box<TlsStream>) {
    let goodbye = async {
        stream.shutdown().await?;
        let mut unread = [0; 512];
        while stream.read(&mut unread).await? > 0 {}
        io::Result::Ok(())
    };
    let _ = timeout(GOODBYE, goodbye).await;
}

/// Tells the hub that the connection is gone, however it ended: by being dropped.
struct Present {
    gate: Gate,
    id: ConnectionId,
}

impl Drop for Present {
    fn drop(&mut self) {
        let lost = Entry::Commands(self.id, vec![Command::Lost]);
        if let Err(Some(lost)) = self.gate.0.inbox.try_put(lost) {
            let gate = self.gate.clone();
            // Not on the connection's own task: that may be ending by a panic.
            self.gate.0.tasks.spawn(async move { gate.0.inbox.put(lost).await });
        }
    }
}

struct Connection {
    id: ConnectionId,
    stream: Box<TlsStream>,
    /// `None` once the peer sends no more.
    reader: Option<Reader>,
    writer: Writer,
    outbox: Arc<Outbox>,
    /// Until the login.
    deadline: Option<Pin<Box<Sleep>>>,
    /// Runs while nothing is read because the peer has sent too much.
    pause: Option<Pin<Box<Sleep>>>,
    /// Runs while the peer takes nothing.
    stall: Option<Pin<Box<Sleep>>>,
    seen_written: u64,
    present: Option<Present>,
    gate: Gate,
    limits: Arc<Limits>,
    peer: SocketAddr,
}

/// How a connection ended.
enum End {
    /// All was said; the reason.
    Said(Closed),
    /// The store could not be read.
    StoreFailed,
    /// The peer took nothing for too long.
    Stalled,
    /// The socket failed.
    Io(io::Error),
    /// The hub has ended.
    HubGone,
}

impl End {
    fn as_str(&self) -> &'static str {
        match self {
            Self::Said(Closed::By(why)) => why.as_str(),
            Self::Said(Closed::Lost) => "closed by the peer",
            Self::StoreFailed => "store failed",
            Self::Stalled => "stalled",
            Self::Io(why) if why.kind() == io::ErrorKind::UnexpectedEof => {
                "closed by the peer without a goodbye"
            }
            Self::Io(_) => "connection lost",
            Self::HubGone => "hub gone",
        }
    }
}

impl Connection {
    /// Tells the hub that it is there. `None`: the hub has ended.
    async fn enter(
        gate: Gate,
        limits: Arc<Limits>,
        stream: Box<TlsStream>,
        peer: SocketAddr,
    ) -> Option<Box<Self>> {
        let id = gate.next_id();
        let outbox = Arc::new(Outbox::new(limits.outbox_bytes));
        gate.0.inbox.put(Entry::Open(id, peer.ip(), outbox.clone())).await.ok()?;
        let present = Present { gate: gate.clone(), id };
        let identity = Identity::of(stream.peer_certificates(), gate.0.door.load().backdated_ms);
        Some(Box::new(Self {
            reader: Some(Reader::new(id, &limits, identity)),
            writer: Writer::new(id),
            deadline: Some(Box::pin(sleep(limits.login))),
            pause: None,
            stall: None,
            seen_written: 0,
            id,
            present: Some(present),
            outbox,
            stream,
            gate,
            limits,
            peer,
        }))
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        if let Poll::Ready(end) = self.poll_writer(cx) {
            return Poll::Ready(end);
        }
        if let Poll::Ready(end) = self.poll_reader(cx) {
            return Poll::Ready(end);
        }
        self.poll_deadline(cx);
        self.poll_stall(cx)
    }

    fn poll_writer(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        let Self { writer, stream, outbox, gate, .. } = self;
        match writer.poll(cx, stream, outbox, &gate.0.readers) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(WriteEnd::Done(why))) => Poll::Ready(End::Said(why)),
            Poll::Ready(Ok(WriteEnd::StoreFailed)) => Poll::Ready(End::StoreFailed),
            Poll::Ready(Err(why)) => Poll::Ready(End::Io(why)),
        }
    }

    fn poll_reader(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        for _ in 0..READS_A_POLL {
            let Some(reader) = &mut self.reader else { return Poll::Pending };
            if let Some(pause) = &mut self.pause {
                if pause.as_mut().poll(cx).is_pending() {
                    return Poll::Pending;
                }
                self.pause = None;
            }
            match self.outbox.poll_may_ask(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Duration::ZERO) => {}
                Poll::Ready(slow) => {
                    reader.is_careful();
                    self.pause = Some(Box::pin(sleep(slow)));
                    continue;
                }
            }
            match reader.poll(cx, &mut self.stream, &self.gate, &self.outbox, self.peer) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(None)) => {}
                Poll::Ready(Ok(Some(ReadEnd::Eof))) => {
                    // What it asked before is still answered; the hub says when that is done.
                    self.reader = None;
                    self.present = None;
                    self.deadline = None;
                    return Poll::Pending;
                }
                Poll::Ready(Ok(Some(ReadEnd::HubGone))) => return Poll::Ready(End::HubGone),
                Poll::Ready(Err(why)) => return Poll::Ready(End::Io(why)),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn poll_deadline(&mut self, cx: &mut Context<'_>) {
        let Some(deadline) = &mut self.deadline else { return };
        if self.outbox.is_logged_in() {
            self.deadline = None;
            self.stream.stop_wiping();
            if let Some(reader) = &mut self.reader {
                reader.is_logged_in();
            }
        } else if deadline.as_mut().poll(cx).is_ready() {
            self.deadline = None;
            self.gate.0.metrics.net.refused(ErrorKind::Timeout);
            let (conn, peer, kind) = (self.id.0, Some(self.peer.ip()), ErrorKind::Timeout);
            log::Refused { conn, peer, user: None, op: None, id: None, kind }.tell();
            let late = format!("no LOGIN within {} s", self.limits.login.as_secs_f32());
            let late = Item::Line(reply::error(&Refusal::new(ErrorKind::Timeout, late)));
            let wakers = [self.outbox.push(late), self.outbox.close(Closed::By(crate::chat::Closing::Late))];
            wakers.into_iter().flatten().for_each(Waker::wake);
            cx.waker().wake_by_ref();
        }
    }

    /// Counts the time in which the peer takes nothing although something waits for it.
    fn poll_stall(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        if !self.writer.is_blocked() {
            self.stall = None;
            return Poll::Pending;
        }
        let written = self.stream.bytes_written();
        let stall = self.stall.get_or_insert_with(|| Box::pin(sleep(self.limits.stall)));
        if written != self.seen_written {
            self.seen_written = written;
            stall.as_mut().reset(Instant::now() + self.limits.stall);
        }
        stall.as_mut().poll(cx).map(|()| End::Stalled)
    }
}
