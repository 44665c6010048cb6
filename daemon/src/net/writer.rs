//! Owns the write side of a connection: takes items out of its outbox, reads from the store where
//! an item says so, and writes into as few TLS records as the bytes need. Never waits for anyone
//! but the socket and the store.

use crate::chat::{ConnectionId, Read};
use crate::hub::{Closed, Item, Outbox, Taken};
use crate::log;
use crate::store::{Caught, Kept, Readers, Resend, StoreError};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tcp_chat_protocol::event::{NoticeEvent, notice, write_with_id};
use tcp_chat_protocol::{ErrorKind, NoticeKind, Refusal, RequestId, Seq, reply};
use tokio::io::AsyncWrite;
use tracing::error;

/// What is taken out of the outbox at once, and read of a gap at once, in bytes.
const TAKE_BYTES: usize = 64 * 1024;
/// A chunk of at least this size is written from where it lies; smaller ones are gathered.
const ALONE_BYTES: usize = 8 * 1024;

thread_local! {
    /// Where small items are gathered into one write.
    static GATHER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

type Reading = Pin<Box<dyn Future<Output = Result<Got, StoreError>> + Send>>;

/// What a read brought.
enum Got {
    Gap(crate::chat::SessionId, Caught),
    Lines(Vec<u8>),
}

/// Bytes that the socket has not taken yet.
enum Rest {
    None,
    Owned(Vec<u8>, usize),
    Kept(Arc<Kept>, usize),
}

/// The write side of one connection.
pub(super) struct Writer {
    id: ConnectionId,
    items: VecDeque<Item>,
    rest: Rest,
    reading: Option<Reading>,
    /// Written, and perhaps still in TLS's own buffer.
    unflushed: bool,
}

/// Why the write side is over.
#[derive(Debug)]
pub(super) enum WriteEnd {
    /// All is written, and no more comes.
    Done(Closed),
    /// The store could not be read: the client is to come again.
    StoreFailed,
}

impl Writer {
    pub(super) fn new(id: ConnectionId) -> Self {
        Self { id, items: VecDeque::new(), rest: Rest::None, reading: None, unflushed: false }
    }

    /// Does the socket owe us room?
    pub(super) fn is_blocked(&self) -> bool {
        self.unflushed || !matches!(self.rest, Rest::None)
    }

    /// Writes as much as the socket takes. Ready only when the write side is over.
    pub(super) fn poll<S: AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        stream: &mut S,
        outbox: &Outbox,
        readers: &Readers,
    ) -> Poll<io::Result<WriteEnd>> {
        loop {
            ready!(self.poll_rest(cx, stream))?;
            if let Some(reading) = &mut self.reading {
                let got = match reading.as_mut().poll(cx) {
                    Poll::Ready(got) => got,
                    Poll::Pending => {
                        // What was read before this is not kept back.
                        ready!(self.poll_flush(cx, stream))?;
                        return Poll::Pending;
                    }
                };
                self.reading = None;
                match got {
                    Ok(got) => self.take_in(got),
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
                        // An idle connection holds nothing.
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

    fn poll_rest<S: AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        stream: &mut S,
    ) -> Poll<io::Result<()>> {
        loop {
            let (bytes, at): (&[u8], &mut usize) = match &mut self.rest {
                Rest::None => return Poll::Ready(Ok(())),
                Rest::Owned(bytes, at) => (bytes, at),
                Rest::Kept(kept, at) => (&kept.chunk().lines, at),
            };
            let Some(left) = bytes.get(*at..).filter(|left| !left.is_empty()) else {
                self.rest = Rest::None;
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

    /// Takes the next items: as many as make one write, or one that is to be read first.
    fn next<S: AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        stream: &mut S,
        readers: &Readers,
    ) -> io::Result<()> {
        match self.items.pop_front() {
            None => {}
            Some(Item::Read(read)) => self.reading = Some(start(self.id, read, readers.clone())),
            Some(Item::Kept(kept)) if kept.chunk().lines.len() >= ALONE_BYTES => {
                self.rest = Rest::Kept(kept, 0)
            }
            Some(item) => {
                self.items.push_front(item);
                return GATHER.with_borrow_mut(|gather| {
                    gather.clear();
                    self.gather(gather);
                    let mut at = 0;
                    while at < gather.len() {
                        match Pin::new(&mut *stream).poll_write(cx, &gather[at..]) {
                            Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                            Poll::Ready(Ok(n)) => {
                                self.unflushed = true;
                                at += n;
                            }
                            Poll::Ready(Err(why)) => return Err(why),
                            Poll::Pending => {
                                self.rest = Rest::Owned(gather[at..].to_vec(), 0);
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

    fn gather(&mut self, gather: &mut Vec<u8>) {
        while gather.len() < TAKE_BYTES {
            match self.items.pop_front() {
                None => break,
                Some(Item::Line(line)) => gather.extend_from_slice(&line),
                Some(Item::Shared(line)) => gather.extend_from_slice(&line),
                Some(Item::Own(kept, ids)) => with_ids(&kept, &ids, gather),
                Some(Item::Kept(kept)) if kept.chunk().lines.len() < ALONE_BYTES => {
                    gather.extend_from_slice(&kept.chunk().lines);
                }
                Some(other) => {
                    self.items.push_front(other);
                    break;
                }
            }
        }
    }

    fn take_in(&mut self, got: Got) {
        match got {
            Got::Lines(lines) => self.rest = Rest::Owned(lines, 0),
            Got::Gap(session, caught) => {
                if !caught.rest.is_empty() {
                    self.items.push_front(Item::Read(Read::Gap(session, caught.rest)));
                }
                let mut lines = caught.lines;
                if let Some((from, to)) = caught.lost {
                    let mut gap = NoticeEvent::new(NoticeKind::Gap, "older messages are no longer kept");
                    (gap.from, gap.to) = (Some(from), Some(to));
                    lines.splice(0..0, notice(&gap));
                }
                self.rest = Rest::Owned(lines, 0);
            }
        }
    }
}

/// A chunk with the ids of one's own messages put in.
fn with_ids(kept: &Kept, ids: &[(Seq, RequestId)], out: &mut Vec<u8>) {
    let chunk = kept.chunk();
    let mut ids = ids.iter().peekable();
    // Numbers in a chunk are next to each other, one line each.
    for (seq, line) in (chunk.first..).zip(chunk.lines.split_inclusive(|b| *b == b'\n')) {
        match ids.next_if(|(own, _)| *own == seq) {
            Some((_, id)) => write_with_id(line, id, out),
            None => out.extend_from_slice(line),
        }
    }
}

fn start(conn: ConnectionId, read: Read, readers: Readers) -> Reading {
    Box::pin(async move {
        Ok(match read {
            Read::Gap(session, ranges) => Got::Gap(session, readers.gap(session, ranges, TAKE_BYTES).await?),
            Read::Page(id, of) => {
                Got::Lines(answer(conn, "HISTORY", id, readers.page(of).await.map(|page| page.data)))
            }
            Read::Search(id, what) => {
                Got::Lines(answer(conn, "SEARCH", id, readers.search(*what).await.map(|page| page.data)))
            }
            Read::Again(resent) => {
                let mut lines = Vec::new();
                match readers.resent(&resent).await? {
                    Resend::Same(line) => write_with_id(&line, &resent.id, &mut lines),
                    other => {
                        let refusal = Refusal::new(ErrorKind::Data, other.why()).with_id(Some(resent.id));
                        lines = refuse(conn, "MSG", refusal);
                    }
                }
                Got::Lines(lines)
            }
        })
    })
}

/// A page as the reply to its request. A store that cannot be read is told: nothing else depends
/// on it.
fn answer(conn: ConnectionId, op: &str, id: Option<RequestId>, data: Result<Vec<u8>, StoreError>) -> Vec<u8> {
    match data {
        Ok(data) => reply::encode_raw(op, id.as_ref(), &data),
        // Asked again it would take as long: so it is the request, and no matter of waiting.
        Err(why @ StoreError::TooLong) => {
            let msg = format!("`query`: {why}");
            refuse(conn, op, Refusal::new(ErrorKind::Data, msg).with_id(id))
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
            refuse(conn, op, Refusal::new(ErrorKind::Internal, msg).with_id(id))
        }
    }
}

fn refuse(conn: ConnectionId, op: &str, refusal: Refusal) -> Vec<u8> {
    let (id, kind) = (refusal.id.as_ref(), refusal.kind);
    log::Refused { conn: conn.0, peer: None, user: None, op: Some(op), id, kind }.tell();
    reply::error(&refusal)
}
