//! Owns TLS on one server socket, over rustls's unbuffered interface: an idle connection holds its keys and no
//! buffer. Called by the daemon for each accepted connection. Never knows the meaning of the bytes, and contains
//! no type of the daemon.
//!
//! `tokio-rustls` keeps a read buffer of 4 KiB for each connection while the connection lasts: half of the memory
//! of an idle connection. Here ciphertext goes through buffers of the thread. A connection keeps only the
//! beginning of an incomplete record, and the bytes that the kernel did not accept.
//!
//! ```no_run
//! # async fn example(config: std::sync::Arc<rustls::ServerConfig>, socket: tokio::net::TcpStream)
//! # -> Result<(), tcp_chat_tls_stream::HandshakeError> {
//! let stream = tcp_chat_tls_stream::TlsStream::accept(config, socket).await?;
//! // From here on it is read and written like any `AsyncRead + AsyncWrite`.
//! assert!(stream.is_tls_1_3());
//! # Ok(()) }
//! ```
//!
//! In TLS 1.3 the server may send its session tickets at any time after the handshake. They wait for the first bytes of the
//! caller, so they need no packet of their own.
//!
//! Bounds: one read takes at most 17 KiB from the socket, one write at most 64 KiB of plaintext. A handshake
//! message or a record that is not complete after 64 KiB ends the connection with `InvalidData`. There is no
//! limit on time: the caller sets one around [`TlsStream::accept`], each read and each write.

mod records;
mod stream;

pub use stream::{HandshakeError, TlsStream};
