//! Owns the socket and the TLS state of one connection, and combines them into a stream. `records` converts
//! between bytes and records. Never knows the meaning of the bytes.

use super::records::{Outgoing, Sealed, process};
use rustls::ServerConfig;
use rustls::pki_types::CertificateDer;
use rustls::server::UnbufferedServerConnection;
use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use zeroize::{Zeroize, Zeroizing};

/// The largest read from the socket: a record of the maximum size, with its overhead.
const READ_BYTES: usize = 17 * 1024;
/// The largest write: four full records.
const WRITE_BYTES: usize = 64 * 1024;
/// The largest incomplete input: a handshake message of a peer with a long certificate chain.
const INCOMPLETE_BYTES: usize = 64 * 1024;

thread_local! {
    /// The buffer for received ciphertext, after the incomplete part of earlier reads.
    static ARRIVED: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    /// The buffer for outgoing ciphertext.
    static SEALED: RefCell<Sealed> = const { RefCell::new(Sealed::EMPTY) };
}

/// Why a handshake did not complete.
#[derive(Debug)]
pub enum HandshakeError {
    /// The peer closed the connection before its first byte, as the health check of a load balancer does.
    Silent(io::Error),
    /// The peer did not send an acceptable handshake, or the connection broke during it.
    Failed(io::Error),
}

impl std::fmt::Display for HandshakeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Silent(_) => f.write_str("the peer closed the connection before its first byte"),
            Self::Failed(_) => f.write_str("the TLS handshake failed"),
        }
    }
}

impl std::error::Error for HandshakeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Silent(error) | Self::Failed(error) => Some(error),
        }
    }
}

/// TLS on a socket, as the server.
pub struct TlsStream {
    socket: TcpStream,
    tls: UnbufferedServerConnection,
    /// Ciphertext of an incomplete record.
    incomplete: Vec<u8>,
    /// Plaintext that the reader had no room for, from `.1` on.
    unread: (Zeroizing<Vec<u8>>, usize),
    /// Ciphertext that the kernel has not accepted, from `.1` on.
    unsent: (Vec<u8>, usize),
    /// `unsent` has only the tickets of the handshake. They go out with the next bytes: one system call, and one packet.
    holds_tickets: bool,
    /// The total number of bytes that the kernel accepted.
    written: u64,
    /// Whether the peer has closed its write side.
    peer_closed: bool,
    said_goodbye: bool,
    /// Whether plaintext is wiped from the thread's buffer after it was passed on: until the login it may contain
    /// secrets.
    wiping: bool,
}

impl TlsStream {
    /// Performs the handshake as the server. It has no time limit of its own.
    ///
    /// # Errors
    /// [`HandshakeError::Silent`] if the peer closed the connection before its first byte. [`HandshakeError::Failed`]
    /// if the peer does not speak TLS as `config` demands (it was sent an alert), or if the socket failed.
    pub async fn accept(config: Arc<ServerConfig>, socket: TcpStream) -> Result<Self, HandshakeError> {
        let mut has_received = false;
        let result = Self::handshake(config, socket, &mut has_received).await;
        result.map_err(|error| {
            if has_received { HandshakeError::Failed(error) } else { HandshakeError::Silent(error) }
        })
    }

    async fn handshake(
        config: Arc<ServerConfig>,
        socket: TcpStream,
        has_received: &mut bool,
    ) -> io::Result<Self> {
        let tls = UnbufferedServerConnection::new(config).map_err(io::Error::other)?;
        let mut stream = Self {
            socket,
            tls,
            incomplete: Vec::new(),
            unread: Default::default(),
            unsent: Default::default(),
            holds_tickets: false,
            written: 0,
            peer_closed: false,
            said_goodbye: false,
            wiping: true,
        };
        // A login may come directly after the handshake.
        let mut arrived = Zeroizing::new(Vec::with_capacity(4096));
        let mut sealed = Sealed::EMPTY;
        while stream.tls.is_handshaking() {
            if arrived.len() > INCOMPLETE_BYTES {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "a handshake message is too long"));
            }
            match stream.socket.read_buf(&mut *arrived).await {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Err(why) if why.kind() == io::ErrorKind::Interrupted => continue,
                arrived => drop(arrived?),
            }
            *has_received = true;
            let unread = &mut stream.unread.0;
            let keep = |data: &[u8]| unread.extend_from_slice(data);
            let done = process(&mut stream.tls, &mut arrived, &mut sealed, Outgoing::Nothing, keep);
            stream.unsent.0.extend_from_slice(sealed.filled());
            sealed.clear();
            // In TLS 1.3 the client has completed its handshake, and waits for nothing. In TLS 1.2 it waits for this flight.
            stream.holds_tickets = done.is_ok() && !stream.tls.is_handshaking() && stream.is_tls_1_3();
            if !stream.holds_tickets {
                poll_fn(|cx| stream.poll_unsent(cx)).await?;
            }
            let done = done?;
            stream.peer_closed |= done.peer_closed;
            arrived.drain(..done.consumed);
        }
        stream.incomplete = arrived.as_slice().into();
        Ok(stream)
    }

    /// Ends the wiping of plaintext. Until this call, decrypted bytes are wiped from the thread's buffer as soon as
    /// the reader has them: before the login they may contain a password.
    pub fn stop_wiping(&mut self) {
        self.wiping = false;
    }

    /// Bytes of ciphertext that the kernel accepted since the connection began.
    #[must_use]
    pub fn bytes_written(&self) -> u64 {
        self.written
    }

    /// Ready when a read may give something; otherwise the task is woken then. It makes no system call.
    pub fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()> {
        let (unread, at) = &self.unread;
        if unread.len() > *at || self.peer_closed {
            return Poll::Ready(());
        }
        // An error is the next read's to report.
        self.socket.poll_read_ready(cx).map(drop)
    }

    /// True for TLS 1.3, false for TLS 1.2.
    #[must_use]
    pub fn is_tls_1_3(&self) -> bool {
        self.tls.protocol_version() == Some(rustls::ProtocolVersion::TLSv1_3)
    }

    /// The certificates that the peer sent and rustls verified; its own is the first.
    #[must_use]
    pub fn peer_certificates(&self) -> Option<&[CertificateDer<'static>]> {
        self.tls.peer_certificates()
    }

    /// Passes the remaining ciphertext to the kernel.
    fn poll_unsent(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.holds_tickets = false;
        loop {
            let (bytes, at) = &mut self.unsent;
            let Some(left) = bytes.get(*at..).filter(|left| !left.is_empty()) else {
                self.unsent = Default::default();
                return Poll::Ready(Ok(()));
            };
            let n = ready!(again(|| Pin::new(&mut self.socket).poll_write(cx, left)))?;
            if n == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            *at += n;
            self.written += n as u64;
        }
    }

    /// Passes ciphertext to the kernel; keeps the bytes that it does not accept.
    fn send(&mut self, cx: &mut Context<'_>, sealed: &[u8]) -> io::Result<()> {
        if self.holds_tickets && !sealed.is_empty() {
            self.unsent.0.extend_from_slice(sealed);
            return match self.poll_unsent(cx) {
                Poll::Ready(sent) => sent,
                Poll::Pending => Ok(()),
            };
        }
        let mut left = sealed;
        while !left.is_empty() && self.unsent.0.is_empty() {
            match again(|| Pin::new(&mut self.socket).poll_write(cx, left)) {
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(n)) => {
                    self.written += n as u64;
                    left = left.get(n..).unwrap_or_default();
                }
                Poll::Ready(Err(why)) => return Err(why),
                Poll::Pending => break,
            }
        }
        self.unsent.0.extend_from_slice(left);
        Ok(())
    }

    /// Encrypts and sends.
    fn seal(&mut self, cx: &mut Context<'_>, outgoing: Outgoing<'_>) -> io::Result<()> {
        SEALED.with_borrow_mut(|sealed| {
            sealed.clear();
            // Only complete records contain plaintext, and there are none.
            let done = process(&mut self.tls, &mut self.incomplete, sealed, outgoing, |_| {});
            self.send(cx, sealed.filled())?;
            done.map(drop)
        })
    }

    /// Reads once from the socket, into `buf` as far as it fits.
    fn poll_arrived(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        ARRIVED.with_borrow_mut(|arrived| {
            let held = self.incomplete.len();
            if held > INCOMPLETE_BYTES {
                let why = "a record is too long";
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, why)));
            }
            if arrived.len() < held + READ_BYTES {
                arrived.resize(held + READ_BYTES, 0);
            }
            let mut room = ReadBuf::new(arrived.get_mut(held..held + READ_BYTES).unwrap_or_default());
            ready!(again(|| Pin::new(&mut self.socket).poll_read(cx, &mut room)))?;
            let filled = held + room.filled().len();
            if filled == held {
                return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
            }
            let arrived = arrived.get_mut(..filled).unwrap_or_default();
            arrived[..held].copy_from_slice(&self.incomplete);
            SEALED.with_borrow_mut(|sealed| {
                sealed.clear();
                let unread = &mut self.unread.0;
                let keep = |data: &[u8]| {
                    let fits = if unread.is_empty() { data.len().min(buf.remaining()) } else { 0 };
                    let (now, later) = data.split_at(fits);
                    buf.put_slice(now);
                    unread.extend_from_slice(later);
                };
                let done = process(&mut self.tls, arrived, sealed, Outgoing::Nothing, keep);
                let consumed = done.as_ref().map_or(filled, |done| done.consumed);
                self.incomplete = arrived.get(consumed..).unwrap_or_default().into();
                if self.wiping {
                    // Records are decrypted in place.
                    arrived.zeroize();
                }
                // An alert, or the reply to a key update.
                self.send(cx, sealed.filled())?;
                self.peer_closed |= done?.peer_closed;
                Poll::Ready(Ok(()))
            })
        })
    }
}

/// Repeats an interrupted call.
fn again<T>(mut call: impl FnMut() -> Poll<io::Result<T>>) -> Poll<io::Result<T>> {
    loop {
        match call() {
            Poll::Ready(Err(why)) if why.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

impl AsyncRead for TlsStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        if buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        loop {
            let (unread, at) = &mut this.unread;
            if let Some(left) = unread.get(*at..).filter(|left| !left.is_empty()) {
                let now = left.get(..buf.remaining()).unwrap_or(left);
                buf.put_slice(now);
                *at += now.len();
            } else {
                this.unread = Default::default();
            }
            if buf.filled().len() > before || this.peer_closed {
                return Poll::Ready(Ok(()));
            }
            ready!(this.poll_arrived(cx, buf))?;
        }
    }
}

impl AsyncWrite for TlsStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if !this.holds_tickets {
            ready!(this.poll_unsent(cx))?;
        }
        let now = data.get(..WRITE_BYTES).unwrap_or(data);
        this.seal(cx, Outgoing::Data(now))?;
        Poll::Ready(Ok(now.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_unsent(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !std::mem::replace(&mut this.said_goodbye, true) {
            this.seal(cx, Outgoing::CloseNotify)?;
        }
        ready!(this.poll_unsent(cx))?;
        Pin::new(&mut this.socket).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests;
