//! Owns the server side of a WebSocket (RFC 6455) as a stream of lines: text messages in and out, over any stream. Used
//! by the two hosts of the page: the daemon and the client's relay. Never interprets a line, and contains no type of the
//! hosts.
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
//! **In.** Text messages in any fragments become bytes. If a message ends without a newline, one is added. A message has
//! no length limit here: the line decoder of the host limits lines. UTF-8 is not checked here: the line decoder refuses
//! invalid JSON, as on other transports. After a Close frame or a protocol error, a read returns 0 bytes. Everything that
//! the peer sends after that is discarded.
//!
//! **Out.** Each write becomes one frame of at most [`MESSAGE_BYTES`]. The frame ends after the last newline in it, so a
//! message contains whole lines. A longer line becomes a message of several frames. A shutdown sends a Close frame.
//!
//! **Protocol errors.** A binary message closes the connection with 1003. These close it with 1002: unmasked frames,
//! reserved bits and opcodes, control frames that are fragmented or longer than 125 bytes, continuations without a first
//! frame, lengths that are not in the shortest form, Close frames with an invalid code.
//!
//! **Pings.** For each read from the stream, only the latest ping is answered. Between reads at most one answer of 131
//! bytes is held. [`WebSocket::take_overhead`] counts the bytes that are not text, for the rate limits of the host.
//!
//! **Memory.** An idle WebSocket holds no buffer. Incoming frames are unmasked in place. Outgoing frames are built in a
//! buffer of the thread. A WebSocket keeps only the bytes that the stream did not accept: at most one frame.
//!
//! The codec is our own, 150 lines. `tungstenite` needs buffers of 130 KiB for each connection; its type without them
//! depends on `rand` and `log`. `websocket-sans-io` would fit, but its only release is of 2023, and its mask offset
//! overflows in builds with overflow checks.

mod frame;
pub mod handshake;
mod incoming;
mod outgoing;
mod stream;

pub use outgoing::MESSAGE_BYTES;
pub use stream::WebSocket;
