//! Owns the server side of a WebSocket (RFC 6455) as a stream of lines: text messages in and out, over any stream. Used
//! by the two hosts of the page: the daemon and the client's relay. Never knows what a line means, and contains no type
//! of theirs.
//!
//! A host first checks the request with [`handshake::answer`] and sends the head that it returns. Then it wraps the
//! stream in a [`WebSocket`]:
//!
//! ```
//! use tcp_chat_websocket::{WebSocket, handshake};
//! use tokio::io::{AsyncReadExt, AsyncWriteExt};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let request = http::Request::get("/ws")
//!     .header("Connection", "Upgrade")
//!     .header("Upgrade", "websocket")
//!     .header("Sec-WebSocket-Version", "13")
//!     .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
//!     .header("Sec-WebSocket-Protocol", "tcp-chat.1")
//!     .body(())?;
//! let head = handshake::answer(&request).map_err(|refused| refused.reason)?;
//! assert_eq!(head.headers()["Sec-WebSocket-Accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
//!
//! // From here on the stream is read and written like any `AsyncRead + AsyncWrite`.
//! let (mut browser, server) = tokio::io::duplex(1024);
//! let mut server = WebSocket::new(server, Vec::new());
//! browser.write_all(b"\x81\x82\x00\x00\x00\x00hi").await?; // a masked text message: "hi"
//! let mut line = [0; 3];
//! server.read_exact(&mut line).await?;
//! assert_eq!(&line, b"hi\n"); // the newline may be left out at the end of a message
//! server.write_all(b"hello\n").await?;
//! let mut frame = [0; 8];
//! browser.read_exact(&mut frame).await?;
//! assert_eq!(&frame, b"\x81\x06hello\n");
//! # Ok(()) }
//! ```
//!
//! **In.** Text messages in any fragments become bytes. A newline is added where a message ends without one. A message
//! has no bound of its own: the reader of the lines has one. UTF-8 is not checked: the reader of the lines refuses what is
//! no JSON, as it does on other transports. A read yields the end (0 bytes) once the peer has sent a Close frame, or has
//! broken the protocol; then the rest of what it sends is discarded.
//!
//! **Out.** Each write becomes one frame of at most [`MESSAGE_BYTES`] that ends after the last newline in it, so that a
//! message holds whole lines. A longer line becomes a message of several frames. A shutdown sends a Close frame.
//!
//! **Faults.** Binary messages close with 1003. Closed with 1002: unmasked frames, reserved bits and opcodes, control
//! frames that are fragmented or longer than 125 bytes, continuations without a beginning, lengths that are not written
//! in the shortest form, Close frames with a wrong code.
//!
//! **Pings** are answered, at most one for each read from the stream, and only the latest one. Between reads at most one
//! answer of 131 bytes is held. [`WebSocket::take_overhead`] counts what the peer sent beside text, for the rate limits of
//! the host.
//!
//! **Memory.** An idle WebSocket holds no buffer. Frames are unmasked where they lie, and made in a buffer of the thread.
//! Only what the stream did not take is kept: at most one frame.
//!
//! The codec is our own, 150 lines. `tungstenite` has no frames without buffers of 130 KiB for each connection, except in
//! a type that brings `rand` and `log` along. `websocket-sans-io` fits, but had its only release in 2023, and its
//! phase of the mask overflows where overflow is checked.

mod frame;
pub mod handshake;
mod incoming;
mod outgoing;
mod stream;

pub use outgoing::MESSAGE_BYTES;
pub use stream::WebSocket;
