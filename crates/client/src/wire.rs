//! Owns the I/O of one connection: bytes to lines and lines to bytes. Used by `task`. Never knows what a line
//! means for the session.

use crate::Error;
use crate::dial::{self, ServerTarget};
use std::collections::VecDeque;
use std::io;
use std::time::Duration;
use tcp_chat_protocol::reply::{self, Incoming};
use tcp_chat_protocol::{Line, LineDecoder};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

/// The longest line from the daemon, in bytes: enough for a page of 500 of the longest messages, escaped.
const LINE_BYTES: usize = 32 * 1024 * 1024;
/// The largest read, in bytes.
const READ_BYTES: usize = 64 * 1024;

/// How long the TLS shutdown may take.
const QUIT_TIMEOUT: Duration = Duration::from_secs(1);

type Stream = TlsStream<TcpStream>;

pub(crate) struct Connection {
    pub(crate) reader: LineReader,
    pub(crate) writer: LineWriter,
}

impl Connection {
    pub(crate) fn new(stream: Stream, target: ServerTarget) -> Self {
        let (read, write) = tokio::io::split(stream);
        let reader = LineReader {
            read,
            buffer: vec![0; READ_BYTES].into(),
            decoder: LineDecoder::new(LINE_BYTES),
            lines: VecDeque::new(),
            target,
        };
        Self { reader, writer: LineWriter { write, out: Vec::new(), done: 0, unflushed: false } }
    }
}

pub(crate) struct LineReader {
    read: ReadHalf<Stream>,
    buffer: Box<[u8]>,
    decoder: LineDecoder,
    /// Lines of the last read that were not returned yet.
    lines: VecDeque<Incoming>,
    target: ServerTarget,
}

impl LineReader {
    /// The next line of the daemon. Cancellation safe.
    ///
    /// # Errors
    /// [`Error::NoConnection`] at the end of the connection, [`Error::Protocol`] for a line that breaks the
    /// protocol.
    pub(crate) async fn next(&mut self) -> Result<Incoming, Error> {
        loop {
            if let Some(line) = self.lines.pop_front() {
                return Ok(line);
            }
            let n = match self.read.read(&mut self.buffer).await {
                Ok(0) => return Err(self.target.unreachable("the server closed the connection")),
                Ok(n) => n,
                Err(e) => return Err(dial::classify(&self.target, &e)),
            };
            let mut lines = self.decoder.feed(&self.buffer[..n]);
            while let Some(line) = lines.next() {
                let Line::Bytes(bytes) = line else {
                    return Err(Error::Protocol(format!("a line of more than {LINE_BYTES} bytes")));
                };
                let read = reply::read(bytes);
                self.lines.push_back(read.map_err(|e| Error::misread("a line", &e))?);
            }
        }
    }
}

pub(crate) struct LineWriter {
    write: WriteHalf<Stream>,
    /// The bytes to write; those before `done` are written.
    pub(crate) out: Vec<u8>,
    done: usize,
    unflushed: bool,
}

impl LineWriter {
    /// Whether [`Self::work`] has something to do.
    pub(crate) fn has_work(&self) -> bool {
        self.unflushed || self.done < self.out.len()
    }

    /// Writes or flushes a part. Cancellation safe.
    pub(crate) async fn work(&mut self) -> io::Result<()> {
        if self.done < self.out.len() {
            self.unflushed = true;
            match self.write.write(&self.out[self.done..]).await? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                n => self.done += n,
            }
            if self.done == self.out.len() {
                (self.out, self.done) = (Vec::new(), 0);
            }
            return Ok(());
        }
        self.write.flush().await?;
        self.unflushed = false;
        Ok(())
    }

    /// Writes all waiting bytes.
    pub(crate) async fn finish(&mut self) -> io::Result<()> {
        while self.has_work() {
            self.work().await?;
        }
        Ok(())
    }

    /// Drops the waiting bytes: the server no longer reads.
    pub(crate) fn give_up(&mut self) {
        (self.out, self.done, self.unflushed) = (Vec::new(), 0, false);
    }

    /// Shuts TLS down.
    pub(crate) async fn close(&mut self) {
        // The server may have left already.
        let _ = tokio::time::timeout(QUIT_TIMEOUT, self.write.shutdown()).await;
    }
}
