//! Owns one connection from its handshake to its end: login deadline, reading and writing, stalls, shutdown.
//! `tcp` passes a link whose handshake is done. A panic in it ends only this connection. Never knows the
//! transport of its link.

use super::Gate;
use super::guard::ConnectionGuard;
use super::link::Link;
use super::reader::{ConnectionReader, ReadEnd};
use super::writer::{ConnectionWriter, WriteEnd};
use crate::hub::{Closed, Item};
use crate::log;
use crate::settings::Limits;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tcp_chat_protocol::{ErrorKind, Refusal, reply};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, Sleep, sleep, timeout};
use tracing::debug;

/// How long the shutdown of a connection may take.
pub(super) const SHUTDOWN: Duration = Duration::from_secs(2);
/// Reads of one connection before the task yields to others.
const READS_PER_POLL: usize = 8;

/// Serves one connection over a link whose handshake is done, until it ends. The transport takes a permit first,
/// and runs this by [`Gate::spawn`]. If the future panics or is dropped, the hub learns that the connection is
/// lost.
pub fn serve<L: Link + 'static>(
    gate: Gate,
    link: L,
    peer: SocketAddr,
) -> impl Future<Output = ()> + Send + 'static {
    // Boxed like each stage, so the task of an idle connection keeps no memory for it. Boxed here, so the future
    // below keeps no place for the arguments.
    let entering = Box::pin(Connection::enter(gate, link, peer));
    async move {
        let Some(connection) = entering.await else { return };
        run(connection).await;
    }
}

/// Serves a connection that is registered with the hub, until it ends.
async fn run<L: Link>(mut connection: Box<Connection<L>>) {
    let why = poll_fn(|cx| connection.poll(cx)).await;
    let reason = connection.link.fault().unwrap_or(why.as_str());
    debug!(event = "connection_ended", conn = connection.guard.id().0, peer = %connection.peer, via = L::VIA.as_str(), reason, "connection ended");
    let label = if connection.link.fault().is_some() { "protocol error" } else { why.as_str() };
    connection.guard.gate().0.metrics.net.ended(L::VIA, label);
    if matches!(why, EndReason::Closed(_) | EndReason::StoreFailed) {
        // From here on the peer has left, as far as the hub knows.
        connection.guard.leave();
        Box::pin(shut_down(connection.link)).await;
    }
}

/// Closes the write side, then waits at most `SHUTDOWN` for the peer to close its side. Closing a socket with
/// unread bytes would reset it and discard the bytes that were sent last.
pub async fn shut_down<L: Link>(mut link: L) {
    let goodbye = async {
        link.shutdown().await?;
        let mut unread = [0; 512];
        while link.read(&mut unread).await? > 0 {}
        io::Result::Ok(())
    };
    let _ = timeout(SHUTDOWN, goodbye).await;
}

/// All that an open connection keeps besides its link. The tests bound its size.
struct Connection<L> {
    link: L,
    /// `None` after the peer has closed its write side.
    reader: Option<ConnectionReader>,
    writer: ConnectionWriter,
    /// `None` while nothing is timed, as on an idle connection.
    timers: Option<Box<Timers>>,
    /// Knows the id, the gate and the outbox.
    guard: ConnectionGuard,
    limits: Arc<Limits>,
    peer: SocketAddr,
}

/// What is timed on a connection.
#[derive(Default)]
struct Timers {
    /// `None` after the login.
    deadline: Option<Pin<Box<Sleep>>>,
    /// Runs while the connection does not read because the peer exceeded its rate limit.
    pause: Option<Pin<Box<Sleep>>>,
    /// Exists while the peer does not read.
    stall: Option<Stall>,
}

/// A peer that does not read although bytes wait for it.
struct Stall {
    /// Ends the connection.
    limit: Pin<Box<Sleep>>,
    /// The bytes that the transport had accepted when the peer last made progress.
    seen_written: u64,
}

/// Why a connection ended.
enum EndReason {
    /// The outbox is closed and everything in it is sent.
    Closed(Closed),
    /// The store could not be read.
    StoreFailed,
    /// The peer did not read for `limits.stall`.
    Stalled,
    /// The socket failed.
    Io(io::Error),
    /// The hub has ended.
    HubGone,
}

impl EndReason {
    fn as_str(&self) -> &'static str {
        match self {
            Self::Closed(Closed::By(why)) => why.as_str(),
            Self::Closed(Closed::Lost) => "closed by the peer",
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

impl<L: Link> Connection<L> {
    /// Registers the connection with the hub. `None`: the hub has ended.
    async fn enter(gate: Gate, link: L, peer: SocketAddr) -> Option<Box<Self>> {
        let limits = gate.0.limits.load_full();
        let guard = ConnectionGuard::enter(&gate, peer.ip(), limits.outbox_bytes).await.ok()?;
        let identity = link.identity(gate.0.login_policy.load().backdated_ms);
        Some(Box::new(Self {
            reader: Some(ConnectionReader::new(&limits, identity)),
            writer: ConnectionWriter::new(),
            timers: Some(Box::new(Timers {
                deadline: Some(Box::pin(sleep(limits.login))),
                ..Timers::default()
            })),
            guard,
            link,
            limits,
            peer,
        }))
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<EndReason> {
        if let Poll::Ready(end) = self.poll_writer(cx) {
            return Poll::Ready(end);
        }
        if let Poll::Ready(end) = self.poll_reader(cx) {
            return Poll::Ready(end);
        }
        self.poll_deadline(cx);
        let stalled = self.poll_stall(cx);
        self.timers.take_if(|timers| matches!(**timers, Timers { deadline: None, pause: None, stall: None }));
        stalled
    }

    fn poll_writer(&mut self, cx: &mut Context<'_>) -> Poll<EndReason> {
        let Self { writer, link, guard, .. } = self;
        match writer.poll(cx, guard.id(), link, guard.outbox(), &guard.gate().0.readers) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(WriteEnd::Done(why))) => Poll::Ready(EndReason::Closed(why)),
            Poll::Ready(Ok(WriteEnd::StoreFailed)) => Poll::Ready(EndReason::StoreFailed),
            Poll::Ready(Err(why)) => Poll::Ready(EndReason::Io(why)),
        }
    }

    fn poll_reader(&mut self, cx: &mut Context<'_>) -> Poll<EndReason> {
        for _ in 0..READS_PER_POLL {
            let Some(reader) = &mut self.reader else { return Poll::Pending };
            if let Some(timers) = &mut self.timers
                && let Some(pause) = &mut timers.pause
            {
                if pause.as_mut().poll(cx).is_pending() {
                    reader.end_turn(&mut self.guard);
                    return Poll::Pending;
                }
                timers.pause = None;
            }
            match self.guard.outbox().poll_may_ask(cx) {
                Poll::Pending => {
                    reader.end_turn(&mut self.guard);
                    return Poll::Pending;
                }
                Poll::Ready(Duration::ZERO) => {}
                Poll::Ready(slow) => {
                    reader.read_less();
                    self.timers.get_or_insert_default().pause = Some(Box::pin(sleep(slow)));
                    continue;
                }
            }
            match reader.poll(cx, &mut self.link, &mut self.guard, &self.limits, self.peer) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(None)) => {}
                Poll::Ready(Ok(Some(ReadEnd::Eof))) => {
                    // The hub still answers earlier requests, and closes the outbox after them.
                    self.reader = None;
                    self.guard.leave();
                    self.timers.iter_mut().for_each(|timers| timers.deadline = None);
                    return Poll::Pending;
                }
                Poll::Ready(Ok(Some(ReadEnd::HubGone))) => return Poll::Ready(EndReason::HubGone),
                Poll::Ready(Err(why)) => return Poll::Ready(EndReason::Io(why)),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn poll_deadline(&mut self, cx: &mut Context<'_>) {
        let Some(timers) = &mut self.timers else { return };
        let Some(deadline) = &mut timers.deadline else { return };
        if self.guard.outbox().is_logged_in() {
            timers.deadline = None;
            self.link.stop_wiping();
            if let Some(reader) = &mut self.reader {
                reader.stop_wiping();
            }
        } else if deadline.as_mut().poll(cx).is_ready() {
            timers.deadline = None;
            self.guard.gate().0.metrics.net.refused(ErrorKind::Timeout);
            let (conn, peer, kind) = (self.guard.id().0, Some(self.peer.ip()), ErrorKind::Timeout);
            log::Refused { conn, peer, user: None, op: None, id: None, kind }.tell();
            let late = format!("no LOGIN within {} s", self.limits.login.as_secs_f32());
            let late = Item::Line(reply::error(&Refusal::new(ErrorKind::Timeout, late)));
            let outbox = self.guard.outbox();
            let wakers = [outbox.push(late), outbox.close(Closed::By(crate::edge::Closing::Late))];
            wakers.into_iter().flatten().for_each(Waker::wake);
            cx.waker().wake_by_ref();
        }
    }

    /// Measures how long the peer has not read although bytes wait for it.
    fn poll_stall(&mut self, cx: &mut Context<'_>) -> Poll<EndReason> {
        if !self.writer.is_blocked() {
            self.timers.iter_mut().for_each(|timers| timers.stall = None);
            return Poll::Pending;
        }
        let written = self.link.bytes_written();
        let stall = self.timers.get_or_insert_default().stall.get_or_insert_with(|| Stall {
            limit: Box::pin(sleep(self.limits.stall)),
            seen_written: written,
        });
        if written != stall.seen_written {
            stall.seen_written = written;
            stall.limit.as_mut().reset(Instant::now() + self.limits.stall);
        }
        stall.limit.as_mut().poll(cx).map(|()| EndReason::Stalled)
    }
}

#[cfg(test)]
mod tests;
