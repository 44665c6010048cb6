//! Owns TLS on one server socket, over rustls's interface without buffers: an idle connection holds its keys
//! and no buffer. Called by the daemon for each connection that it accepts. Never knows what the bytes mean,
//! and contains no type of the daemon.
//!
//! `tokio-rustls` does the same with a read buffer of 4 KiB for each connection, for as long as the connection
//! lasts: half of what an idle connection costs. Here ciphertext goes through buffers that belong to the thread.
//! A connection keeps only the beginning of a record that is not complete, and what the kernel did not take.
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
//! Bounds: one read takes at most 17 KiB from the socket, one write at most 64 KiB of plaintext. A handshake
//! message or a record that is not complete after 64 KiB ends the connection with `InvalidData`. There is no
//! limit on time: the caller sets one around [`TlsStream::accept`], each read and each write.

mod records;
mod stream;

pub use stream::{HandshakeError, TlsStream};
