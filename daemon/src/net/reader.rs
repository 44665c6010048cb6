//! Owns the read side of a connection: bytes to lines to commands, and those into the hub's inbox,
//! waiting there when it is full. Never answers: refusals go the same way, so that the order stays.

use super::identity::Identity;
use super::link::Link;
use super::prove::{Batch, Enrolled, Parsed, Peer};
use super::{Gate, ask};
use crate::chat::{Command, ConnectionId};
use crate::hub::{Entry, HubGone, Outbox};
use crate::settings::Limits;
use std::cell::RefCell;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tcp_chat_protocol::LineDecoder;
use tcp_chat_protocol::request::Bounds;
use tokio::io::{AsyncRead, ReadBuf};
use zeroize::Zeroize;

/// What one read takes at most: a TLS record.
const READ_BYTES: usize = 16 * 1024;
/// The same from a peer that has sent too much: so few lines that a turn with them holds up nobody.
const CAREFUL_BYTES: usize = 1024;
/// How many reads a peer is read that carefully after it was last too fast.
const CAREFUL_READS: u8 = 16;
/// What is read without a whole line before the hub is told of it all the same.
const UNTOLD_BYTES: usize = 64 * 1024;

thread_local! {
    /// Where a read lands. Between reads a connection owns no buffer, only its partial line.
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; READ_BYTES]);
}

type Putting = Pin<Box<dyn Future<Output = Result<Option<Enrolled>, HubGone>> + Send>>;

/// The read side of one connection.
pub(super) struct Reader {
    id: ConnectionId,
    decoder: LineDecoder,
    line_bytes: usize,
    bounds: Bounds,
    identity: Identity,
    /// Bytes that the hub has not been told of.
    untold: usize,
    /// Reads that are to be small.
    careful: u8,
    /// What was read is wiped: until the login it may hold a password, a code or a token.
    wiping: bool,
    /// A batch on its way into the inbox, which had no room, or with a password to check first.
    putting: Option<Putting>,
    /// What an ENROL has set: the next read may have the LOGIN.
    enrolled: Option<Enrolled>,
}

/// What a read came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ReadEnd {
    /// The peer says that it sends no more.
    Eof,
    /// The hub has ended.
    HubGone,
}

impl Reader {
    pub(super) fn new(id: ConnectionId, limits: &Limits, identity: Identity) -> Self {
        let bounds = Bounds { msg_bytes: limits.msg_bytes, rooms: limits.rooms_per_session };
        let mut decoder = LineDecoder::new(limits.line_bytes);
        decoder.set_wiping(true);
        Self {
            id,
            decoder,
            line_bytes: limits.line_bytes,
            bounds,
            identity,
            untold: 0,
            careful: 0,
            wiping: true,
            putting: None,
            enrolled: None,
        }
    }

    /// The peer has sent too much.
    pub(super) fn is_careful(&mut self) {
        self.careful = CAREFUL_READS;
    }

    /// The peer is logged in: what it sends from now on holds no secret of its own.
    pub(super) fn is_logged_in(&mut self) {
        self.wiping = false;
        self.enrolled = None;
        self.decoder.set_wiping(false);
    }

    /// Reads once and passes on what it brought. Ready only when there is nothing more to read, ever.
    pub(super) fn poll<L: Link>(
        &mut self,
        cx: &mut Context<'_>,
        link: &mut L,
        gate: &Gate,
        outbox: &Arc<Outbox>,
        peer: SocketAddr,
    ) -> Poll<io::Result<Option<ReadEnd>>> {
        if let Some(putting) = &mut self.putting {
            let put = ready!(putting.as_mut().poll(cx));
            self.putting = None;
            match put {
                Ok(enrolled) => self.enrolled = enrolled,
                Err(HubGone) => return Poll::Ready(Ok(Some(ReadEnd::HubGone))),
            }
        }
        let read = self.poll_batch(cx, link)?;
        self.untold += link.take_overhead();
        let batch = match read {
            Poll::Ready(Some(batch)) => batch,
            Poll::Ready(None) => return Poll::Ready(Ok(Some(ReadEnd::Eof))),
            // A flood of what is no text.
            Poll::Pending if self.untold >= UNTOLD_BYTES => {
                let mut batch = Batch::default();
                batch.push(read_bytes(&mut self.untold));
                batch
            }
            Poll::Pending => return Poll::Pending,
        };
        if batch.is_empty() {
            return Poll::Ready(Ok(None));
        }
        outbox.asks();
        self.pass_on(batch, gate, outbox, peer);
        Poll::Ready(Ok(None))
    }

    /// Reads once. `None`: the peer sends no more.
    fn poll_batch<S: AsyncRead + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        stream: &mut S,
    ) -> Poll<io::Result<Option<Batch>>> {
        SCRATCH.with_borrow_mut(|scratch| {
            let most = if self.careful > 0 { CAREFUL_BYTES } else { READ_BYTES };
            let mut buf = ReadBuf::new(scratch.get_mut(..most).unwrap_or_default());
            ready!(Pin::new(stream).poll_read(cx, &mut buf))?;
            self.careful = self.careful.saturating_sub(1);
            if buf.filled().is_empty() {
                return Poll::Ready(Ok(None));
            }
            let batch = self.batch(buf.filled());
            if self.wiping {
                buf.filled_mut().zeroize();
            }
            Poll::Ready(Ok(Some(batch)))
        })
    }

    fn batch(&mut self, bytes: &[u8]) -> Batch {
        self.untold += bytes.len();
        let mut batch = Batch::default();
        let mut lines = self.decoder.feed(bytes);
        while let Some(line) = lines.next() {
            if batch.is_empty() {
                batch.push(read_bytes(&mut self.untold));
            }
            batch.push(ask::parse(line, self.line_bytes, &self.bounds));
        }
        drop(lines);
        // Of a line that does not end, too.
        if self.untold >= UNTOLD_BYTES {
            batch.push(read_bytes(&mut self.untold));
        }
        batch
    }

    fn pass_on(&mut self, batch: Batch, gate: &Gate, outbox: &Arc<Outbox>, address: SocketAddr) {
        let id = self.id;
        let peer = Peer { id, address, identity: &self.identity, outbox };
        let commands = match batch.prove_at_once(gate, peer) {
            Ok(commands) => commands,
            Err(batch) => return self.prove(batch, gate, outbox, address),
        };
        if let Err(full) = gate.0.inbox.try_put(Entry::Commands(id, commands)) {
            let (gate, enrolled) = (gate.clone(), self.enrolled.take());
            self.putting = Some(Box::pin(async move {
                match full {
                    Some(entry) => gate.0.inbox.put(entry).await.map(|()| enrolled),
                    None => Err(HubGone),
                }
            }));
        }
    }

    /// Has the checks made that take time, and passes the commands on after them.
    fn prove(&mut self, batch: Batch, gate: &Gate, outbox: &Arc<Outbox>, address: SocketAddr) {
        let id = self.id;
        let (gate, identity, outbox) = (gate.clone(), self.identity.clone(), outbox.clone());
        let enrolled = self.enrolled.take();
        self.putting = Some(Box::pin(async move {
            let peer = Peer { id, address, identity: &identity, outbox: &outbox };
            let (commands, enrolled) = batch.prove(&gate, peer, enrolled).await;
            gate.0.inbox.put(Entry::Commands(id, commands)).await.map(|()| enrolled)
        }));
    }
}

/// Tells the hub of the bytes that it has not heard of.
fn read_bytes(untold: &mut usize) -> Parsed {
    Parsed::Command(Command::Read(std::mem::take(untold)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::Waker;

    #[test]
    fn what_is_read_before_the_login_is_wiped() {
        let mut reader = Reader::new(ConnectionId(1), &Limits::default(), Identity::None);
        let read = |reader: &mut Reader, mut bytes: &[u8]| {
            let mut cx = Context::from_waker(Waker::noop());
            let Poll::Ready(Ok(Some(batch))) = reader.poll_batch(&mut cx, &mut bytes) else { panic!() };
            (batch.len(), SCRATCH.with_borrow(|scratch| scratch.iter().any(|byte| *byte != 0)))
        };
        let login = br#"{"op":"LOGIN","data":{"name":"ana","password":"sesame"}}"#;
        assert_eq!(read(&mut reader, login), (0, false), "of a line that has not ended, too");
        assert_eq!(read(&mut reader, b"\n"), (2, false), "what was read, and the LOGIN");
        assert_eq!(reader.decoder.kept(), 0);
        reader.is_logged_in();
        assert_eq!(read(&mut reader, b"{\"op\":\"PING\"}\n"), (2, true), "nothing more is spent on it");
    }
}
