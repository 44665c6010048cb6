//! Owns the read side of a connection: bytes to lines to commands to the hub's inbox. It waits while the inbox is
//! full. Never answers: refusals go through the hub too, so replies keep their order.

use super::guard::ConnectionGuard;
use super::identity::Identity;
use super::link::Link;
use super::parse;
use super::prove::{Batch, Enrolled, Parsed, Peer};
use super::read_turns::ReadTurns;
use crate::edge::Command;
use crate::hub::{Entry, HubGone};
use crate::settings::Limits;
use std::cell::RefCell;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tcp_chat_protocol::LineDecoder;
use tcp_chat_protocol::request::Bounds;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::sync::OwnedSemaphorePermit;
use zeroize::Zeroize;

/// The largest read, in bytes: one TLS record.
const READ_BYTES: usize = 16 * 1024;
/// The largest read from a peer that exceeded its rate limit: a turn with so few lines delays no other peer.
const SMALL_READ_BYTES: usize = 1024;
/// The number of small reads after the peer last exceeded its rate limit.
const SMALL_READS: u8 = 16;
/// The reader reports received bytes to the hub after this many, even if no line is complete.
const REPORT_BYTES: u32 = 64 * 1024;

thread_local! {
    /// The buffer that all reads of a thread share. Between reads a connection keeps only its partial line.
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; READ_BYTES]);
}

/// What the reader waits for before it reads again.
type Pending = Pin<Box<dyn Future<Output = Result<Waited, HubGone>> + Send>>;

/// The wait is over.
enum Waited {
    /// The batch is in the inbox. With the password that an ENROL has set.
    Put(Option<Enrolled>),
    /// The connection has a turn to read; `None`: it needs none.
    Turn(Option<OwnedSemaphorePermit>),
}

/// The read side of one connection.
pub(super) struct ConnectionReader {
    decoder: LineDecoder,
    /// `None`: the peer showed no certificate.
    identity: Option<Box<Identity>>,
    /// Bytes that the hub does not know of yet.
    unreported: u32,
    /// The number of small reads that remain.
    small_reads: u8,
    /// Whether received bytes are wiped: until the login they may contain a password, a code or a token.
    wiping: bool,
    /// A batch that waits for room in the inbox or for the check of a password, or the wait for a turn.
    pending: Option<Pending>,
    /// `pending` is the wait for a turn.
    waits_for_turn: bool,
    /// The password that an ENROL has set; the next read may contain its LOGIN.
    enrolled: Option<Box<Enrolled>>,
    /// The last read had only light commands: the next one waits for no turn.
    talks: bool,
}

/// Why the read side ends.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ReadEnd {
    /// The peer has closed its write side.
    Eof,
    /// The hub has ended.
    HubGone,
}

impl ConnectionReader {
    pub(super) fn new(limits: &Limits, identity: Identity) -> Self {
        let mut decoder = LineDecoder::new(limits.line_bytes);
        decoder.set_wiping(true);
        Self {
            decoder,
            identity: (!matches!(identity, Identity::None)).then(|| Box::new(identity)),
            unreported: 0,
            small_reads: 0,
            wiping: true,
            pending: None,
            waits_for_turn: false,
            enrolled: None,
            talks: false,
        }
    }

    /// Reads less at once for a while, because the peer exceeded its rate limit.
    pub(super) fn read_less(&mut self) {
        self.small_reads = SMALL_READS;
    }

    /// The user is logged in: received bytes no longer contain a secret.
    pub(super) fn stop_wiping(&mut self) {
        self.wiping = false;
        self.enrolled = None;
        self.decoder.set_wiping(false);
    }

    /// The connection must not read now: another one may have its turn.
    pub(super) fn end_turn(&mut self, guard: &mut ConnectionGuard) {
        if std::mem::take(&mut self.waits_for_turn) {
            self.pending = None;
        }
        guard.end_turn();
    }

    /// Ready when the connection may read: it talks, or it has a turn. A free turn is used in the next poll of the task, which goes
    /// to the end of the run queue, behind the connections that talk.
    fn poll_turn<L: Link>(
        &mut self,
        cx: &mut Context<'_>,
        link: &mut L,
        guard: &mut ConnectionGuard,
    ) -> Poll<()> {
        if self.talks || guard.has_turn() {
            return Poll::Ready(());
        }
        ready!(link.poll_readable(cx));
        let turns: &ReadTurns = &guard.gate().0.read_turns;
        if turns.try_take() {
            guard.begin_turn();
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let turn = turns.wait();
        let mut pending: Pending = Box::pin(async move { Ok(Waited::Turn(turn.await.ok())) });
        match pending.as_mut().poll(cx) {
            Poll::Ready(Ok(waited)) => self.has_waited(waited, guard),
            Poll::Ready(Err(HubGone)) => {}
            Poll::Pending => {
                self.pending = Some(pending);
                self.waits_for_turn = true;
                return Poll::Pending;
            }
        }
        Poll::Ready(())
    }

    fn has_waited(&mut self, waited: Waited, guard: &mut ConnectionGuard) {
        match waited {
            Waited::Put(enrolled) => self.enrolled = enrolled.map(Box::new),
            Waited::Turn(Some(turn)) => {
                turn.forget();
                guard.begin_turn();
            }
            // Nobody closes the turns.
            Waited::Turn(None) => {}
        }
    }

    /// Reads once and passes the commands on. Ready with `Some` when the read side ends, ready with `None` after
    /// one read.
    pub(super) fn poll<L: Link>(
        &mut self,
        cx: &mut Context<'_>,
        link: &mut L,
        guard: &mut ConnectionGuard,
        limits: &Limits,
        peer: SocketAddr,
    ) -> Poll<io::Result<Option<ReadEnd>>> {
        if let Some(pending) = &mut self.pending {
            let waited = ready!(pending.as_mut().poll(cx));
            self.pending = None;
            self.waits_for_turn = false;
            match waited {
                Ok(waited) => self.has_waited(waited, guard),
                Err(HubGone) => return Poll::Ready(Ok(Some(ReadEnd::HubGone))),
            }
        }
        ready!(self.poll_turn(cx, link, guard));
        let read = self.poll_batch(cx, link, limits);
        guard.end_turn();
        let read = read?;
        self.add_unreported(link.take_overhead());
        let batch = match read {
            Poll::Ready(Some(batch)) => batch,
            Poll::Ready(None) => return Poll::Ready(Ok(Some(ReadEnd::Eof))),
            // A flood of frames that carry no text.
            Poll::Pending if self.unreported >= REPORT_BYTES => {
                let mut batch = Batch::default();
                batch.push(report(&mut self.unreported));
                batch
            }
            Poll::Pending => return Poll::Pending,
        };
        if batch.is_empty() {
            return Poll::Ready(Ok(None));
        }
        guard.outbox().asks();
        self.pass_on(batch, guard, peer);
        Poll::Ready(Ok(None))
    }

    /// Reads once. `None`: the peer has closed its write side.
    fn poll_batch<S: AsyncRead + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        stream: &mut S,
        limits: &Limits,
    ) -> Poll<io::Result<Option<Batch>>> {
        SCRATCH.with_borrow_mut(|scratch| {
            let size = if self.small_reads > 0 { SMALL_READ_BYTES } else { READ_BYTES };
            let mut buf = ReadBuf::new(scratch.get_mut(..size).unwrap_or_default());
            ready!(Pin::new(stream).poll_read(cx, &mut buf))?;
            self.small_reads = self.small_reads.saturating_sub(1);
            if buf.filled().is_empty() {
                return Poll::Ready(Ok(None));
            }
            let batch = self.batch(buf.filled(), limits);
            if self.wiping {
                buf.filled_mut().zeroize();
            }
            Poll::Ready(Ok(Some(batch)))
        })
    }

    fn add_unreported(&mut self, bytes: usize) {
        self.unreported = self.unreported.saturating_add(u32::try_from(bytes).unwrap_or(u32::MAX));
    }

    fn batch(&mut self, bytes: &[u8], limits: &Limits) -> Batch {
        let bounds = Bounds { msg_bytes: limits.msg_bytes, rooms: limits.rooms_per_session };
        self.add_unreported(bytes.len());
        let mut batch = Batch::default();
        let mut lines = self.decoder.feed(bytes);
        while let Some(line) = lines.next() {
            if batch.is_empty() {
                batch.reserve(bytes.len());
                batch.push(report(&mut self.unreported));
            }
            batch.push(parse::parse_line(line, limits.line_bytes, &bounds));
        }
        drop(lines);
        // Also counts the bytes of a line that does not end.
        if self.unreported >= REPORT_BYTES {
            batch.push(report(&mut self.unreported));
        }
        batch
    }

    fn identity(&self) -> &Identity {
        self.identity.as_deref().unwrap_or(&Identity::None)
    }

    fn pass_on(&mut self, batch: Batch, guard: &ConnectionGuard, address: SocketAddr) {
        let (id, gate) = (guard.id(), guard.gate());
        let peer = Peer { id, address, identity: self.identity(), outbox: guard.outbox() };
        let commands = match batch.prove_at_once(gate, peer) {
            Ok(commands) => commands,
            Err(batch) => return self.prove(batch, guard, address),
        };
        self.talks = commands.iter().all(Command::is_light);
        if let Err(full) = gate.0.inbox.try_put(Entry::Commands(id, commands)) {
            let (gate, enrolled) = (gate.clone(), self.enrolled.take().map(|enrolled| *enrolled));
            self.pending = Some(Box::pin(async move {
                match full {
                    Some(entry) => gate.0.inbox.put(entry).await.map(|()| Waited::Put(enrolled)),
                    None => Err(HubGone),
                }
            }));
        }
    }

    /// Runs the slow checks, then passes the commands on.
    fn prove(&mut self, batch: Batch, guard: &ConnectionGuard, address: SocketAddr) {
        let (id, gate) = (guard.id(), guard.gate().clone());
        let (identity, outbox) = (self.identity().clone(), guard.outbox().clone());
        let enrolled = self.enrolled.take().map(|enrolled| *enrolled);
        self.pending = Some(Box::pin(async move {
            let peer = Peer { id, address, identity: &identity, outbox: &outbox };
            let (commands, enrolled) = batch.prove(&gate, peer, enrolled).await;
            gate.0.inbox.put(Entry::Commands(id, commands)).await.map(|()| Waited::Put(enrolled))
        }));
    }
}

/// The command that reports received bytes to the hub.
fn report(unreported: &mut u32) -> Parsed {
    Parsed::Command(Command::Read(std::mem::take(unreported) as usize))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::Waker;

    #[test]
    fn what_is_read_before_the_login_is_wiped() {
        let mut reader = ConnectionReader::new(&Limits::default(), Identity::None);
        let read = |reader: &mut ConnectionReader, mut bytes: &[u8]| {
            let mut cx = Context::from_waker(Waker::noop());
            let Poll::Ready(Ok(Some(batch))) = reader.poll_batch(&mut cx, &mut bytes, &Limits::default())
            else {
                panic!()
            };
            (batch.len(), SCRATCH.with_borrow(|scratch| scratch.iter().any(|byte| *byte != 0)))
        };
        let login = br#"{"op":"LOGIN","data":{"name":"ana","password":"sesame"}}"#;
        assert_eq!(read(&mut reader, login), (0, false), "of a line that has not ended, too");
        assert_eq!(read(&mut reader, b"\n"), (2, false), "what was read, and the LOGIN");
        assert_eq!(reader.decoder.kept(), 0);
        reader.stop_wiping();
        assert_eq!(read(&mut reader, b"{\"op\":\"PING\"}\n"), (2, true), "nothing more is spent on it");
    }
}
