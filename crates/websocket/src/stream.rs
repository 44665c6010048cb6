//! Owns a WebSocket over a stream, and makes it a stream of lines. Created by the hosts; `incoming` and `outgoing` decode
//! and encode the frames. Never waits for the peer's Close frame: the host sets a deadline for that.

use super::frame::{self, Fault, Sent};
use super::incoming::{End, Incoming};
use super::outgoing;
use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// After this many reads without text, a poll yields to other tasks.
const READS_A_POLL: usize = 8;
/// The status code of a normal Close frame.
const NORMAL: u16 = 1000;

thread_local! {
    /// The buffer in which frames are built.
    static FRAME: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// The server side of a WebSocket, after its handshake.
///
/// Reads give the text of the peer's messages; a read of 0 bytes means that the peer sent a Close frame or broke the
/// protocol ([`WebSocket::fault`]). Writes take lines; a shutdown sends a Close frame and shuts the stream down.
#[derive(Debug)]
pub struct WebSocket<S> {
    stream: S,
    /// Bytes that the host read before it passed the stream on; those before `.1` are used.
    early: (Vec<u8>, usize),
    incoming: Incoming,
    /// A read has returned the end of the peer's lines.
    has_reported_end: bool,
    /// The message that is being sent has further frames.
    continues: bool,
    /// A frame of which the stream has accepted the bytes before `.1`.
    unsent: (Vec<u8>, usize),
    /// Written bytes may still be in the stream's own buffer.
    unflushed: bool,
    close: Close,
    overhead: usize,
}

/// Our Close frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Close {
    No,
    /// It must be sent, with this code.
    Due(u16),
    Sent,
}

impl<S> WebSocket<S> {
    /// Wraps a stream on which the head of the handshake's answer was sent. `early` has the bytes that were read after the
    /// request.
    pub fn new(stream: S, early: Vec<u8>) -> Self {
        Self {
            stream,
            early: (early, 0),
            incoming: Incoming::default(),
            has_reported_end: false,
            continues: false,
            unsent: (Vec::new(), 0),
            unflushed: false,
            close: Close::No,
            overhead: 0,
        }
    }

    /// The stream below.
    pub fn get_ref(&self) -> &S {
        &self.stream
    }

    /// The stream below. Reading or writing it breaks the WebSocket.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.stream
    }

    /// The peer's protocol error, if there was one.
    #[must_use]
    pub fn fault(&self) -> Option<&'static str> {
        match self.incoming.end() {
            Some(End::Fault(Fault { reason, .. })) => Some(reason),
            Some(End::Closed) | None => None,
        }
    }

    /// Would a read do something even if the stream below has nothing to read?
    #[must_use]
    pub fn is_due(&self) -> bool {
        let is_early = self.early.0.len() > self.early.1;
        let is_unsent =
            self.unflushed || self.unsent.0.len() > self.unsent.1 || matches!(self.close, Close::Due(_));
        is_early || is_unsent || self.incoming.is_due() || self.incoming.end().is_some()
    }

    /// The number of bytes since the last call that were not text: heads of frames and control frames.
    pub fn take_overhead(&mut self) -> usize {
        std::mem::take(&mut self.overhead)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> WebSocket<S> {
    /// Sends the rest of the last frame, then the answer to a ping or our Close frame.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let (bytes, at) = &mut self.unsent;
            if let Some(left) = bytes.get(*at..).filter(|left| !left.is_empty()) {
                let sent = ready!(Pin::new(&mut self.stream).poll_write(cx, left))?;
                if sent == 0 {
                    return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                }
                *at += sent;
                self.unflushed = true;
                continue;
            }
            self.unsent = (Vec::new(), 0);
            let unsent = &mut self.unsent.0;
            match self.close {
                Close::Sent => return Poll::Ready(Ok(())),
                Close::Due(code) => {
                    frame::write(Sent::Close, true, &code.to_be_bytes(), unsent);
                    self.close = Close::Sent;
                }
                Close::No => match self.incoming.take_ping() {
                    Some(payload) => frame::write(Sent::Pong, true, &payload, unsent),
                    None => return Poll::Ready(Ok(())),
                },
            }
        }
    }

    /// The same, and flushes the stream.
    fn poll_deliver(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_send(cx))?;
        if self.unflushed {
            ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    /// Delivers as much as the stream accepts now. The stream wakes the task when it accepts more.
    fn deliver_now(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        match self.poll_deliver(cx) {
            Poll::Ready(Err(error)) => Err(error),
            Poll::Ready(Ok(())) | Poll::Pending => Ok(()),
        }
    }

    /// Reads once from the stream, without decoding. Returns the number of bytes in `room`.
    fn poll_raw(&mut self, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        let (early, at) = &mut self.early;
        if let Some(left) = early.get(*at..).filter(|left| !left.is_empty()) {
            let now = left.len().min(room.len());
            room[..now].copy_from_slice(&left[..now]);
            *at += now;
            if *at == early.len() {
                self.early = (Vec::new(), 0);
            }
            return Poll::Ready(Ok(now));
        }
        let mut room = ReadBuf::new(room);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut room))?;
        Poll::Ready(Ok(room.filled().len()))
    }

    /// Reports the end of the peer's text once. After that, discards what the peer sends, until the stream ends.
    fn poll_ended(&mut self, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<()>> {
        if !std::mem::replace(&mut self.has_reported_end, true) {
            if let Some(End::Fault(fault)) = self.incoming.end()
                && self.close == Close::No
            {
                self.close = Close::Due(fault.code);
                self.deliver_now(cx)?;
            }
            return Poll::Ready(Ok(()));
        }
        for _ in 0..READS_A_POLL {
            let discarded = ready!(self.poll_raw(cx, room))?;
            room[..discarded].fill(0);
            if discarded == 0 {
                return Poll::Ready(Ok(()));
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for WebSocket<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        this.deliver_now(cx)?;
        if let Some(newline) = this.incoming.take_owed_newline() {
            buf.put_slice(&[newline]);
            return Poll::Ready(Ok(()));
        }
        let room = buf.initialize_unfilled();
        for _ in 0..READS_A_POLL {
            if this.incoming.end().is_some() {
                return this.poll_ended(cx, room);
            }
            let received = ready!(this.poll_raw(cx, room))?;
            if received == 0 {
                return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
            }
            let text = this.incoming.take(&mut room[..received]);
            this.overhead = this.overhead.saturating_add(received.saturating_sub(text));
            if this.incoming.has_ping() {
                this.deliver_now(cx)?;
            }
            if text > 0 {
                buf.advance(text);
                return Poll::Ready(Ok(()));
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for WebSocket<S> {
    /// Nothing may follow our Close frame, so later writes are discarded.
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(this.poll_send(cx))?;
        if data.is_empty() || this.close != Close::No {
            return Poll::Ready(Ok(data.len()));
        }
        FRAME.with_borrow_mut(|frame| {
            frame.clear();
            let (taken, continues) = outgoing::frame(data, this.continues, frame);
            let sent = ready!(Pin::new(&mut this.stream).poll_write(cx, frame))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            this.unflushed = true;
            this.continues = continues;
            this.unsent = (frame.get(sent..).unwrap_or_default().to_vec(), 0);
            Poll::Ready(Ok(taken))
        })
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_deliver(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.close == Close::No {
            this.close = Close::Due(NORMAL);
        }
        ready!(this.poll_send(cx))?;
        Pin::new(&mut this.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests;
