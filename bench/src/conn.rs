//! Owns one connection of the load: a nonblocking socket, and TLS on the caller's own buffer. Called by `crowd`.
//! Never knows the meaning of the bytes.

use anyhow::{Context, Result, bail};
use mio::net::TcpStream;
use rustls::ClientConfig;
use rustls::client::UnbufferedClientConnection;
use rustls::pki_types::ServerName;
use rustls::unbuffered::{ConnectionState, EncodeError, UnbufferedStatus};
use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;

/// The overhead of a TLS record, with a reserve.
const RECORD_MORE: usize = 64;
/// The plaintext of the longest record.
const RECORD_BYTES: usize = 16 * 1024;

pub(crate) struct Conn {
    pub(crate) sock: TcpStream,
    tls: UnbufferedClientConnection,
    /// The beginning of an incomplete record.
    part: Vec<u8>,
    /// Encrypted bytes that the socket has not accepted yet.
    out: Vec<u8>,
    /// Plaintext to send after the handshake.
    waiting: Vec<u8>,
    /// Whether the server sends a plaintext line before TLS (nats-server does).
    greeted: bool,
    started: bool,
    ready: bool,
    pub(crate) closed: bool,
}

impl Conn {
    pub(crate) fn dial(to: SocketAddr, tls: &Arc<ClientConfig>, greets: bool) -> Result<Self> {
        let sock = TcpStream::connect(to).with_context(|| format!("connecting to {to}"))?;
        sock.set_nodelay(true)?;
        let tls = UnbufferedClientConnection::new(Arc::clone(tls), ServerName::try_from("localhost")?)?;
        Ok(Self {
            sock,
            tls,
            part: Vec::new(),
            out: Vec::new(),
            waiting: Vec::new(),
            greeted: !greets,
            started: false,
            ready: false,
            closed: false,
        })
    }

    /// Encrypts and sends; a later [`Conn::flush`] sends what the socket does not accept now.
    pub(crate) fn send(&mut self, text: &[u8]) -> Result<()> {
        self.waiting.extend_from_slice(text);
        if self.ready {
            self.work(&mut [], &mut |_| {})?;
        }
        self.flush()
    }

    /// Writes as much as the socket accepts.
    pub(crate) fn flush(&mut self) -> Result<()> {
        let mut done = 0;
        while done < self.out.len() {
            match self.sock.write(&self.out[done..]) {
                Ok(0) => bail!("the socket takes nothing"),
                Ok(n) => done += n,
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::NotConnected) => break,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(e).context("sending"),
            }
        }
        if done == self.out.len() {
            self.out.clear();
            if self.out.capacity() > RECORD_BYTES {
                self.out = Vec::new();
            }
        } else {
            self.out.drain(..done);
        }
        Ok(())
    }

    /// Reads all available bytes through `scratch`, and returns the plaintext.
    pub(crate) fn read(&mut self, scratch: &mut [u8], seen: &mut impl FnMut(&[u8])) -> Result<()> {
        loop {
            let begin = self.part.len();
            scratch[..begin].copy_from_slice(&self.part);
            let n = match self.sock.read(&mut scratch[begin..]) {
                Ok(0) => {
                    self.closed = true;
                    return Ok(());
                }
                Ok(n) => n,
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::NotConnected) => {
                    return Ok(());
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => continue,
                Err(e) => return Err(e).context("receiving"),
            };
            let full = begin + n == scratch.len();
            let bytes = &mut scratch[..begin + n];
            if self.greeted {
                let used = self.work(bytes, seen)?;
                self.part.clear();
                self.part.extend_from_slice(&bytes[used..]);
                if self.part.is_empty() {
                    self.part = Vec::new();
                }
            } else if bytes.last() == Some(&b'\n') {
                self.greeted = true;
                self.part.clear();
                self.start()?;
            } else {
                self.part.extend_from_slice(&bytes[begin..]);
            }
            self.flush()?;
            if self.ready && !self.waiting.is_empty() {
                self.work(&mut [], &mut |_| {})?;
                self.flush()?;
            }
            // epoll reports new bytes again; a read that left room has taken all.
            if !full {
                return Ok(());
            }
        }
    }

    /// The socket is writable: the connection is established, or it has room again.
    pub(crate) fn writable(&mut self) -> Result<()> {
        if self.greeted && !self.started { self.start() } else { self.flush() }
    }

    /// Starts the handshake.
    fn start(&mut self) -> Result<()> {
        self.started = true;
        self.work(&mut [], &mut |_| {})?;
        self.flush()
    }

    /// Continues TLS with `bytes`; returns how many of them are used up.
    fn work(&mut self, bytes: &mut [u8], seen: &mut impl FnMut(&[u8])) -> Result<usize> {
        let mut at = 0;
        loop {
            let UnbufferedStatus { discard, state, .. } = self.tls.process_tls_records(&mut bytes[at..]);
            match state? {
                ConnectionState::ReadTraffic(mut traffic) => {
                    while let Some(record) = traffic.next_record() {
                        seen(record?.payload);
                    }
                }
                ConnectionState::EncodeTlsData(mut data) => {
                    let begin = self.out.len();
                    match data.encode(&mut []) {
                        Ok(_) => {}
                        Err(EncodeError::InsufficientSize(more)) => {
                            self.out.resize(begin + more.required_size, 0);
                            let n = data.encode(&mut self.out[begin..])?;
                            self.out.truncate(begin + n);
                        }
                        Err(e) => return Err(e.into()),
                    }
                }
                ConnectionState::TransmitTlsData(data) => data.done(),
                ConnectionState::WriteTraffic(mut traffic) => {
                    // The last handshake message is sent separately: a server that reads more than the handshake
                    // at once may handle the rest only when more bytes come.
                    if std::mem::replace(&mut self.ready, true) && !self.waiting.is_empty() {
                        let records = self.waiting.len().div_ceil(RECORD_BYTES);
                        let begin = self.out.len();
                        self.out.resize(begin + self.waiting.len() + records * RECORD_MORE, 0);
                        let n = traffic.encrypt(&self.waiting, &mut self.out[begin..])?;
                        self.out.truncate(begin + n);
                        self.waiting.clear();
                        if self.waiting.capacity() > RECORD_BYTES {
                            self.waiting = Vec::new();
                        }
                    }
                    return Ok(at + discard);
                }
                ConnectionState::PeerClosed | ConnectionState::Closed => {
                    self.closed = true;
                    return Ok(bytes.len());
                }
                _ => return Ok(at + discard),
            }
            at += discard;
        }
    }
}
