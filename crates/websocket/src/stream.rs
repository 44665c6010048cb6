//! Owns a WebSocket over a stream, and makes it a stream of lines. `incoming` and `outgoing` do the step between bytes and
//! frames. Never waits for the peer's Close frame: the host sets a limit around that.

use super::frame::{self, Fault, Sent};
use super::incoming::{End, Incoming};
use super::outgoing;
use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Reads that brought no text before others have their turn.
const READS_A_POLL: usize = 8;
/// The status code of a Close frame after which nothing is wrong.
const NORMAL: u16 = 1000;

thread_local! {
    /// Where frames are made.
    static FRAME: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// The server side of a WebSocket, after its handshake.
///
/// Reads give the text of the peer's messages; a read of 0 bytes means that the peer sent a Close frame or broke the
/// protocol ([`WebSocket::fault`]). Writes take lines; a shutdown sends a Close frame and shuts the stream down.
#[derive(Debug)]
pub struct WebSocket<S> {
    stream: S,
    /// What the peer sent before the stream came here, from `.1` on.
    early: (Vec<u8>, usize),
    incoming: Incoming,
    /// Was the reader told of the end of the peer's lines?
    has_ended: bool,
    /// The message that is being sent has frames to come.
    goes_on: bool,
    /// What the stream has not taken of a frame, from `.1` on.
    unsent: (Vec<u8>, usize),
    /// Something was written, and perhaps is still in the stream's own buffer.
    unflushed: bool,
    close: Close,
    overhead: usize,
}

/// Our Close frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Close {
    No,
    /// It is to be sent, with this code.
    Due(u16),
    Sent,
}

impl<S> WebSocket<S> {
    /// Goes on with a stream on which the head of the handshake's answer was sent. `early` is what was read from it since
    /// the request.
    pub fn new(stream: S, early: Vec<u8>) -> Self {
        Self {
            stream,
            early: (early, 0),
            incoming: Incoming::default(),
            has_ended: false,
            goes_on: false,
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

    /// How the peer broke the protocol, if it did.
    #[must_use]
    pub fn fault(&self) -> Option<&'static str> {
        match self.incoming.end() {
            Some(End::Fault(Fault { reason, .. })) => Some(reason),
            Some(End::Closed) | None => None,
        }
    }

    /// How many bytes the peer has sent that were no text, since the last call: heads of frames and control frames.
    pub fn take_overhead(&mut self) -> usize {
        std::mem::take(&mut self.overhead)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> WebSocket<S> {
    /// Sends what the stream has not taken, then what is due: an answer to a ping, our Close frame.
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

    /// The same, and hands it over to the peer's host.
    fn poll_deliver(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_send(cx))?;
        if self.unflushed {
            ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    /// Delivers as much as the stream takes now. The task is woken once it takes more.
    fn deliver_now(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        match self.poll_deliver(cx) {
            Poll::Ready(Err(error)) => Err(error),
            Poll::Ready(Ok(())) | Poll::Pending => Ok(()),
        }
    }

    /// Reads from the stream once, as it comes. Returns how many bytes of `room` are filled.
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

    /// The peer's side is over: says so once. After that, what still comes is discarded, until the stream ends.
    fn poll_ended(&mut self, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<()>> {
        if !std::mem::replace(&mut self.has_ended, true) {
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
        if let Some(newline) = this.incoming.owed() {
            buf.put_slice(&[newline]);
            return Poll::Ready(Ok(()));
        }
        let room = buf.initialize_unfilled();
        for _ in 0..READS_A_POLL {
            if this.incoming.end().is_some() {
                return this.poll_ended(cx, room);
            }
            let came = ready!(this.poll_raw(cx, room))?;
            if came == 0 {
                return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
            }
            let text = this.incoming.take(&mut room[..came]);
            this.overhead = this.overhead.saturating_add(came.saturating_sub(text));
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
    /// After our Close frame nothing may follow: what is written then is discarded.
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(this.poll_send(cx))?;
        if data.is_empty() || this.close != Close::No {
            return Poll::Ready(Ok(data.len()));
        }
        FRAME.with_borrow_mut(|frame| {
            frame.clear();
            let (taken, goes_on) = outgoing::frame(data, this.goes_on, frame);
            let sent = ready!(Pin::new(&mut this.stream).poll_write(cx, frame))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            this.unflushed = true;
            this.goes_on = goes_on;
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
