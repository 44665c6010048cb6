//! Owns TLS on one socket, over rustls's interface without buffers: an idle connection holds its
//! keys and no buffer. The connection reads and writes through it as through any stream. Never
//! knows what the bytes mean.
//!
//! `tokio-rustls` would do the same with a read buffer of 4 KiB for each connection, for as long as
//! it lasts: half of what an idle connection costs. Here bytes land in buffers of the thread, and a
//! connection keeps only what is incomplete (a record's beginning) or refused by the kernel.

use rustls::ServerConfig;
use rustls::pki_types::CertificateDer;
use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncryptError, InsufficientSizeError, UnbufferedStatus,
};
use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use zeroize::{Zeroize, Zeroizing};

/// What one read takes from the socket at most: a record of the greatest size, and its overhead.
const READ_BYTES: usize = 17 * 1024;
/// What one write takes at most: four full records.
const WRITE_BYTES: usize = 64 * 1024;
/// What may be incomplete: a handshake message of a peer with a long certificate chain.
const INCOMPLETE_BYTES: usize = 64 * 1024;

thread_local! {
    /// Where ciphertext lands, behind what was incomplete before.
    static ARRIVED: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    /// Where ciphertext is made.
    static SEALED: RefCell<Sealed> = const { RefCell::new(Sealed { bytes: Vec::new(), len: 0 }) };
}

/// Ciphertext on its way out; the buffer never shrinks.
#[derive(Debug, Default)]
struct Sealed {
    bytes: Vec<u8>,
    len: usize,
}

impl Sealed {
    /// Has `put` write behind what is there; it says how much, or how much room it needs.
    fn append(
        &mut self,
        mut put: impl FnMut(&mut [u8]) -> Result<usize, Result<usize, rustls::Error>>,
    ) -> Result<(), rustls::Error> {
        loop {
            match put(self.bytes.get_mut(self.len..).unwrap_or_default()) {
                Ok(written) => {
                    self.len += written;
                    return Ok(());
                }
                Err(Ok(needed)) => self.bytes.resize(self.len + needed, 0),
                Err(Err(why)) => return Err(why),
            }
        }
    }

    fn filled(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

/// What is to be sealed once the connection can.
enum Wish<'a> {
    Nothing,
    Data(&'a [u8]),
    Goodbye,
}

/// TLS on a socket.
pub(super) struct TlsStream {
    socket: TcpStream,
    tls: UnbufferedServerConnection,
    /// Ciphertext that is no whole record yet.
    incomplete: Vec<u8>,
    /// Plaintext that the reader had no room for, from `.1` on.
    unread: (Zeroizing<Vec<u8>>, usize),
    /// Ciphertext that the kernel has not taken, from `.1` on.
    unsent: (Vec<u8>, usize),
    /// Bytes that the kernel took, ever.
    written: u64,
    /// The peer said that it sends no more.
    peer_closed: bool,
    said_goodbye: bool,
    /// Plaintext is wiped from the thread's buffer once it was handed over: until the login it may hold secrets.
    wiping: bool,
}

impl TlsStream {
    /// Shakes hands as a server.
    ///
    /// # Errors
    /// The peer does not speak TLS as `config` wants it, in which case it was sent an alert; or the
    /// socket failed.
    pub(super) async fn accept(config: Arc<ServerConfig>, socket: TcpStream) -> io::Result<Self> {
        let tls = UnbufferedServerConnection::new(config).map_err(io::Error::other)?;
        let mut stream = Self {
            socket,
            tls,
            incomplete: Vec::new(),
            unread: Default::default(),
            unsent: Default::default(),
            written: 0,
            peer_closed: false,
            said_goodbye: false,
            wiping: true,
        };
        // What comes right behind the handshake may be a login.
        let mut arrived = Zeroizing::new(Vec::with_capacity(4096));
        let mut sealed = Sealed::default();
        while stream.tls.is_handshaking() {
            if arrived.len() > INCOMPLETE_BYTES {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "a handshake message is too long"));
            }
            match stream.socket.read_buf(&mut *arrived).await {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Err(why) if why.kind() == io::ErrorKind::Interrupted => continue,
                arrived => drop(arrived?),
            }
            let unread = &mut stream.unread.0;
            let keep = |data: &[u8]| unread.extend_from_slice(data);
            let done = process(&mut stream.tls, &mut arrived, &mut sealed, Wish::Nothing, keep);
            stream.unsent.0.extend_from_slice(sealed.filled());
            sealed.len = 0;
            poll_fn(|cx| stream.poll_unsent(cx)).await?;
            let done = done?;
            stream.peer_closed |= done.peer_closed;
            arrived.drain(..done.consumed);
        }
        stream.incomplete = arrived.as_slice().into();
        Ok(stream)
    }

    /// The peer is logged in: what it sends from now on holds no secret of its own.
    pub(super) fn is_logged_in(&mut self) {
        self.wiping = false;
    }

    /// Bytes that the kernel took, ever.
    pub(super) fn written(&self) -> u64 {
        self.written
    }

    /// Is it TLS 1.3? If not, 1.2.
    pub(super) fn is_1_3(&self) -> bool {
        self.tls.protocol_version() == Some(rustls::ProtocolVersion::TLSv1_3)
    }

    /// The certificates that the peer has shown, verified; its own first.
    pub(super) fn peer_certificates(&self) -> Option<&[CertificateDer<'static>]> {
        self.tls.peer_certificates()
    }

    /// Hands over what the kernel has not taken yet.
    fn poll_unsent(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
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

    /// Hands over what was sealed; what the kernel does not take is kept.
    fn send(&mut self, cx: &mut Context<'_>, sealed: &[u8]) -> io::Result<()> {
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

    /// Seals and hands over.
    fn seal(&mut self, cx: &mut Context<'_>, wish: Wish<'_>) -> io::Result<()> {
        SEALED.with_borrow_mut(|sealed| {
            sealed.len = 0;
            // Only whole records hold plaintext, and there are none.
            let done = process(&mut self.tls, &mut self.incomplete, sealed, wish, |_| {});
            self.send(cx, sealed.filled())?;
            done.map(drop)
        })
    }

    /// Reads from the socket once, into `buf` as far as it goes.
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
                sealed.len = 0;
                let unread = &mut self.unread.0;
                let keep = |data: &[u8]| {
                    let fits = if unread.is_empty() { data.len().min(buf.remaining()) } else { 0 };
                    let (now, later) = data.split_at(fits);
                    buf.put_slice(now);
                    unread.extend_from_slice(later);
                };
                let done = process(&mut self.tls, arrived, sealed, Wish::Nothing, keep);
                let consumed = done.as_ref().map_or(filled, |done| done.consumed);
                self.incomplete = arrived.get(consumed..).unwrap_or_default().into();
                if self.wiping {
                    // Records are opened where they lie.
                    arrived.zeroize();
                }
                // An alert, or the answer to a change of keys.
                self.send(cx, sealed.filled())?;
                self.peer_closed |= done?.peer_closed;
                Poll::Ready(Ok(()))
            })
        })
    }
}

/// A call that was interrupted is made again.
fn again<T>(mut call: impl FnMut() -> Poll<io::Result<T>>) -> Poll<io::Result<T>> {
    loop {
        match call() {
            Poll::Ready(Err(why)) if why.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

/// What [`process`] came to.
struct Processed {
    /// Bytes that are not needed any more.
    consumed: usize,
    peer_closed: bool,
}

/// Goes through what has arrived until more is needed, and fulfils the wish.
fn process(
    tls: &mut UnbufferedServerConnection,
    arrived: &mut [u8],
    sealed: &mut Sealed,
    wish: Wish<'_>,
    mut keep: impl FnMut(&[u8]),
) -> io::Result<Processed> {
    let mut processed = Processed { consumed: 0, peer_closed: false };
    let mut fault = None;
    loop {
        let rest = arrived.get_mut(processed.consumed..).unwrap_or_default();
        let UnbufferedStatus { mut discard, state, .. } = tls.process_tls_records(rest);
        let mut is_over = false;
        match state {
            Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                while let Some(record) = traffic.next_record() {
                    let record = record.map_err(invalid)?;
                    discard += record.discard;
                    keep(record.payload);
                }
            }
            Ok(ConnectionState::EncodeTlsData(mut data)) => sealed
                .append(|room| {
                    data.encode(room).map_err(|why| match why {
                        EncodeError::InsufficientSize(InsufficientSizeError { required_size }) => {
                            Ok(required_size)
                        }
                        EncodeError::AlreadyEncoded => Err(rustls::Error::General(why.to_string())),
                    })
                })
                .map_err(invalid)?,
            // Sent as soon as this is over.
            Ok(ConnectionState::TransmitTlsData(data)) => data.done(),
            Ok(ConnectionState::PeerClosed) => processed.peer_closed = true,
            Ok(ConnectionState::WriteTraffic(mut traffic)) => {
                is_over = true;
                if fault.is_none() {
                    sealed
                        .append(|room| {
                            let put = match wish {
                                Wish::Nothing => Ok(0),
                                Wish::Data(data) => traffic.encrypt(data, room),
                                Wish::Goodbye => traffic.queue_close_notify(room),
                            };
                            put.map_err(|why| match why {
                                EncryptError::InsufficientSize(InsufficientSizeError { required_size }) => {
                                    Ok(required_size)
                                }
                                EncryptError::EncryptExhausted => Err(rustls::Error::EncryptError),
                            })
                        })
                        .map_err(invalid)?;
                }
            }
            Ok(ConnectionState::BlockedHandshake | ConnectionState::Closed) => is_over = true,
            // Early data is never offered.
            Ok(_) => return Err(invalid(rustls::Error::HandshakeNotComplete)),
            Err(why) => fault = Some(why),
        }
        processed.consumed += discard;
        // After a fault only what is queued is taken out, its alert: what has arrived is not looked at
        // again, and rustls does not once something is queued.
        is_over |= fault.is_some() && !tls.wants_write();
        if is_over {
            return match fault {
                None => Ok(processed),
                Some(why) => Err(invalid(why)),
            };
        }
    }
}

fn invalid(why: rustls::Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
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
        ready!(this.poll_unsent(cx))?;
        let now = data.get(..WRITE_BYTES).unwrap_or(data);
        this.seal(cx, Wish::Data(now))?;
        Poll::Ready(Ok(now.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_unsent(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !std::mem::replace(&mut this.said_goodbye, true) {
            this.seal(cx, Wish::Goodbye)?;
        }
        ready!(this.poll_unsent(cx))?;
        Pin::new(&mut this.socket).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests;
