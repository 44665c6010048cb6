//! Owns the write side of a connection: takes items out of its outbox, reads from the store if an item says so,
//! and writes in as few TLS records as possible. Waits only for the socket and the store.

use crate::edge::Read;
use crate::hub::{Closed, Item, Outbox, Taken};
use crate::log;
use crate::store::{CatchUp, Kept, Readers, Resend, StoreError};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tcp_chat_protocol::event::{NoticeEvent, notice, write_with_id};
use tcp_chat_protocol::{ErrorKind, NoticeKind, Refusal, RequestId, Seq, reply};
use tcp_chat_state::ConnectionId;
use tokio::io::AsyncWrite;
use tracing::error;

/// The largest number of bytes that is taken out of the outbox at once, or read from the store at once.
const TAKE_BYTES: usize = 64 * 1024;
/// A chunk of at least this many bytes is written without a copy; smaller items are collected first.
const NO_COPY_BYTES: usize = 8 * 1024;

thread_local! {
    /// The buffer that collects small items for one write.
    static COLLECTED: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

type Reading = Pin<Box<dyn Future<Output = Result<Fetched, StoreError>> + Send>>;

/// The result of a read from the store.
enum Fetched {
    Gap(tcp_chat_state::SessionId, CatchUp),
    Lines(Vec<u8>),
}

/// Bytes that the socket has not accepted yet.
enum Unsent {
    None,
    Owned(Vec<u8>, usize),
    Kept(Arc<Kept>, usize),
}

/// The write side of one connection.
pub(super) struct ConnectionWriter {
    id: ConnectionId,
    items: VecDeque<Item>,
    rest: Unsent,
    reading: Option<Reading>,
    /// Whether TLS may still buffer written bytes.
    unflushed: bool,
}

/// Why the write side ends.
#[derive(Debug)]
pub(super) enum WriteEnd {
    /// The outbox is closed, and everything in it is written.
    Done(Closed),
    /// The store could not be read: the client must reconnect.
    StoreFailed,
}

impl ConnectionWriter {
    pub(super) fn new(id: ConnectionId) -> Self {
        Self { id, items: VecDeque::new(), rest: Unsent::None, reading: None, unflushed: false }
    }

    /// Whether bytes wait for the socket.
    pub(super) fn is_blocked(&self) -> bool {
        self.unflushed || !matches!(self.rest, Unsent::None)
    }

    /// Writes as much as the socket accepts. Ready only when the write side ends.
    pub(super) fn poll<S: AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        stream: &mut S,
        outbox: &Outbox,
        readers: &Readers,
    ) -> Poll<io::Result<WriteEnd>> {
        loop {
            ready!(self.poll_unsent(cx, stream))?;
            if let Some(reading) = &mut self.reading {
                let fetched = match reading.as_mut().poll(cx) {
                    Poll::Ready(fetched) => fetched,
                    Poll::Pending => {
                        // Sends the items before this one without waiting for the store.
                        ready!(self.poll_flush(cx, stream))?;
                        return Poll::Pending;
                    }
                };
                self.reading = None;
                match fetched {
                    Ok(fetched) => self.take_fetched(fetched),
                    Err(why) => {
                        error!(
                            event = "store_unreadable",
                            error = why.to_string(),
                            "store failed: a connection could not read on"
                        );
                        return Poll::Ready(Ok(WriteEnd::StoreFailed));
                    }
                }
                continue;
            }
            if self.items.is_empty() {
                match outbox.poll_take(cx, TAKE_BYTES) {
                    Poll::Ready(Taken::Items(items)) => self.items = items,
                    Poll::Ready(Taken::Closed(why)) => {
                        ready!(self.poll_flush(cx, stream))?;
                        return Poll::Ready(Ok(WriteEnd::Done(why)));
                    }
                    Poll::Pending => {
                        // An idle connection keeps no memory here.
                        self.items = VecDeque::new();
                        ready!(self.poll_flush(cx, stream))?;
                        return Poll::Pending;
                    }
                }
            }
            self.next(cx, stream, readers)?;
        }
    }

    fn poll_flush<S: AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        stream: &mut S,
    ) -> Poll<io::Result<()>> {
        if self.unflushed {
            ready!(Pin::new(stream).poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_unsent<S: AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        stream: &mut S,
    ) -> Poll<io::Result<()>> {
        loop {
            let (bytes, at): (&[u8], &mut usize) = match &mut self.rest {
                Unsent::None => return Poll::Ready(Ok(())),
                Unsent::Owned(bytes, at) => (bytes, at),
                Unsent::Kept(kept, at) => (&kept.chunk().lines, at),
            };
            let Some(left) = bytes.get(*at..).filter(|left| !left.is_empty()) else {
                self.rest = Unsent::None;
                continue;
            };
            let n = ready!(Pin::new(&mut *stream).poll_write(cx, left))?;
            self.unflushed = true;
            if n == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            *at += n;
        }
    }

    /// Writes the next items: as many as fit into one write, or starts the read that the next one needs.
    fn next<S: AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        stream: &mut S,
        readers: &Readers,
    ) -> io::Result<()> {
        match self.items.pop_front() {
            None => {}
            Some(Item::Read(read)) => self.reading = Some(start_read(self.id, read, readers.clone())),
            Some(Item::Kept(kept)) if kept.chunk().lines.len() >= NO_COPY_BYTES => {
                self.rest = Unsent::Kept(kept, 0)
            }
            Some(item) => {
                self.items.push_front(item);
                return COLLECTED.with_borrow_mut(|collected| {
                    collected.clear();
                    self.collect(collected);
                    let mut at = 0;
                    while at < collected.len() {
                        match Pin::new(&mut *stream).poll_write(cx, &collected[at..]) {
                            Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                            Poll::Ready(Ok(n)) => {
                                self.unflushed = true;
                                at += n;
                            }
                            Poll::Ready(Err(why)) => return Err(why),
                            Poll::Pending => {
                                self.rest = Unsent::Owned(collected[at..].to_vec(), 0);
                                break;
                            }
                        }
                    }
                    Ok(())
                });
            }
        }
        Ok(())
    }

    fn collect(&mut self, collected: &mut Vec<u8>) {
        while collected.len() < TAKE_BYTES {
            match self.items.pop_front() {
                None => break,
                Some(Item::Line(line)) => collected.extend_from_slice(&line),
                Some(Item::Refused(refused)) => collected.extend_from_slice(&reply::error(&refused.refusal)),
                Some(Item::Shared(line)) => collected.extend_from_slice(&line),
                Some(Item::Own(kept, ids)) => write_with_ids(&kept, &ids, collected),
                Some(Item::Kept(kept)) if kept.chunk().lines.len() < NO_COPY_BYTES => {
                    collected.extend_from_slice(&kept.chunk().lines);
                }
                Some(other) => {
                    self.items.push_front(other);
                    break;
                }
            }
        }
    }

    fn take_fetched(&mut self, fetched: Fetched) {
        match fetched {
            Fetched::Lines(lines) => self.rest = Unsent::Owned(lines, 0),
            Fetched::Gap(session, caught) => {
                if !caught.rest.is_empty() {
                    self.items.push_front(Item::Read(Read::Gap(session, caught.rest)));
                }
                let mut lines = caught.lines;
                if let Some((from, to)) = caught.lost {
                    let mut gap = NoticeEvent::new(NoticeKind::Gap, "older messages are no longer kept");
                    (gap.from, gap.to) = (Some(from), Some(to));
                    lines.splice(0..0, notice(&gap));
                }
                self.rest = Unsent::Owned(lines, 0);
            }
        }
    }
}

/// Writes a chunk, with the request ids in the session's own messages.
fn write_with_ids(kept: &Kept, ids: &[(Seq, RequestId)], out: &mut Vec<u8>) {
    let chunk = kept.chunk();
    let mut ids = ids.iter().peekable();
    // The seqs in a chunk are consecutive, one line each.
    for (seq, line) in (chunk.first..).zip(chunk.lines.split_inclusive(|b| *b == b'\n')) {
        match ids.next_if(|(own, _)| *own == seq) {
            Some((_, id)) => write_with_id(line, id, out),
            None => out.extend_from_slice(line),
        }
    }
}

fn start_read(conn: ConnectionId, read: Read, readers: Readers) -> Reading {
    Box::pin(async move {
        Ok(match read {
            Read::Gap(session, ranges) => {
                Fetched::Gap(session, readers.read_gap(session, ranges, TAKE_BYTES).await?)
            }
            Read::Page(id, of) => Fetched::Lines(page_reply(
                conn,
                "HISTORY",
                id,
                readers.read_page(of).await.map(|page| page.data),
            )),
            Read::Search(id, query) => Fetched::Lines(page_reply(
                conn,
                "SEARCH",
                id,
                readers.search(*query).await.map(|page| page.data),
            )),
            Read::Again(resent) => {
                let mut lines = Vec::new();
                match readers.check_resend(&resent).await? {
                    Resend::Same(line) => write_with_id(&line, &resent.id, &mut lines),
                    other => {
                        let refusal = Refusal::new(ErrorKind::Data, other.why()).with_id(Some(resent.id));
                        lines = refusal_line(conn, "MSG", refusal);
                    }
                }
                Fetched::Lines(lines)
            }
        })
    })
}

/// A page as the reply to its request. If the store cannot be read, the reply says so and the connection stays:
/// nothing else depends on the page.
fn page_reply(
    conn: ConnectionId,
    op: &str,
    id: Option<RequestId>,
    data: Result<Vec<u8>, StoreError>,
) -> Vec<u8> {
    match data {
        Ok(data) => reply::encode_raw(op, id.as_ref(), &data),
        // A resent query would take as long, so this is an error of the request, not a temporary one.
        Err(why @ StoreError::TooLong) => {
            let msg = format!("`query`: {why}");
            refusal_line(conn, op, Refusal::new(ErrorKind::Data, msg).with_id(id))
        }
        Err(why) => {
            if log::has_room() {
                error!(
                    event = "store_unreadable",
                    error = why.to_string(),
                    op,
                    "store failed: a page could not be read"
                );
            }
            let msg = "the server's store could not be read; try again later";
            refusal_line(conn, op, Refusal::new(ErrorKind::Internal, msg).with_id(id))
        }
    }
}

fn refusal_line(conn: ConnectionId, op: &str, refusal: Refusal) -> Vec<u8> {
    let (id, kind) = (refusal.id.as_ref(), refusal.kind);
    log::Refused { conn: conn.0, peer: None, user: None, op: Some(op), id, kind }.tell();
    reply::error(&refusal)
}
