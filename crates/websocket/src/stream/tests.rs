//! The stream with a peer that sends single frames: answers, memory, and the end.

use super::{Close, WebSocket};
use crate::MESSAGE_BYTES;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, duplex};

/// A masked frame whose mask changes nothing.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    [&[first, 0x80 | payload.len() as u8, 0, 0, 0, 0], payload].concat()
}

fn pair(room: usize) -> (DuplexStream, WebSocket<DuplexStream>) {
    let (peer, stream) = duplex(room);
    (peer, WebSocket::new(stream, Vec::new()))
}

/// Polls a future once.
fn poll_once<T>(future: impl Future<Output = T>) -> Poll<T> {
    let mut future = Box::pin(future);
    future.as_mut().poll(&mut Context::from_waker(Waker::noop()))
}

/// The result of a future. A future that hangs fails the test.
async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), future).await.expect("nothing arrives")
}

async fn read(socket: &mut WebSocket<DuplexStream>) -> io::Result<Vec<u8>> {
    let mut bytes = [0; 256];
    let length = within(socket.read(&mut bytes)).await?;
    Ok(bytes[..length].to_vec())
}

async fn read_exact(peer: &mut DuplexStream, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    within(peer.read_exact(&mut bytes)).await.unwrap();
    bytes
}

#[tokio::test]
async fn lines_go_both_ways() {
    let (mut peer, mut socket) = pair(4096);
    peer.write_all(&frame(0x81, b"one\ntwo")).await.unwrap();
    assert_eq!(read(&mut socket).await.unwrap(), b"one\ntwo\n");
    socket.write_all(b"three\nfour\n").await.unwrap();
    assert_eq!(read_exact(&mut peer, 13).await, b"\x81\x0bthree\nfour\n");
    assert_eq!(socket.take_overhead(), 5, "the head, without the newline that was added");
    assert_eq!(socket.take_overhead(), 0);
}

#[tokio::test]
async fn a_buffer_of_one_byte_is_enough() {
    let (mut peer, mut socket) = pair(4096);
    peer.write_all(&[frame(0x81, b"ab"), frame(0x81, b"c\n"), frame(0x88, b"")].concat()).await.unwrap();
    let mut text = Vec::new();
    loop {
        let mut byte = [0];
        // Not `read_u8`: 0 bytes are the end.
        match socket.read(&mut byte).await.unwrap() {
            0 => break,
            _ => text.push(byte[0]),
        }
    }
    assert_eq!(text, b"ab\nc\n");
}

#[tokio::test]
async fn bytes_read_with_the_handshake_come_first() {
    let (mut peer, stream) = duplex(4096);
    let early = frame(0x81, b"early\n");
    let mut socket = WebSocket::new(stream, early[..3].to_vec());
    peer.write_all(&early[3..]).await.unwrap();
    assert_eq!(read(&mut socket).await.unwrap(), b"early\n");
}

#[tokio::test]
async fn a_ping_is_answered_without_a_write() {
    let (mut peer, mut socket) = pair(4096);
    peer.write_all(&frame(0x89, b"there?")).await.unwrap();
    assert!(poll_once(read(&mut socket)).is_pending());
    assert_eq!(read_exact(&mut peer, 8).await, b"\x8a\x06there?");
    assert_eq!(socket.take_overhead(), 12, "it counts");
}

#[tokio::test]
async fn only_one_answer_is_held_for_a_peer_that_does_not_read() {
    let (mut peer, mut socket) = pair(1024);
    let (ping, answer) = (frame(0x89, &[7; 100]), 102);
    // Far more than the peer's buffer holds.
    for _ in 0..200 {
        peer.write_all(&ping).await.unwrap();
        assert!(poll_once(read(&mut socket)).is_pending());
    }
    assert!(socket.unsent.0.len() <= answer && socket.incoming.has_ping());
    peer.write_all(&frame(0x81, b"hi\n")).await.unwrap();
    assert_eq!(read(&mut socket).await.unwrap(), b"hi\n", "text is still read");
    read_exact(&mut peer, 1024).await;
    socket.flush().await.unwrap();
    assert!(socket.unsent.0.is_empty() && !socket.incoming.has_ping());
}

#[tokio::test]
async fn a_flood_of_pings_yields_to_other_tasks() {
    struct Endless(usize);
    impl AsyncRead for Endless {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buf: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            self.0 += 1;
            buf.put_slice(&frame(0x89, b""));
            Poll::Ready(Ok(()))
        }
    }
    impl AsyncWrite for Endless {
        fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
            Poll::Ready(Ok(data.len()))
        }
        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }
    let mut socket = WebSocket::new(Endless(0), Vec::new());
    let mut bytes = [0; 64];
    assert!(poll_once(socket.read(&mut bytes)).is_pending());
    assert_eq!(socket.get_ref().0, super::READS_A_POLL);
}

#[tokio::test]
async fn bytes_that_the_stream_does_not_accept_are_sent_first_later() {
    let (mut peer, mut socket) = pair(64);
    let lines = [vec![b'x'; 99], b"\n".to_vec()].concat();
    let Poll::Ready(Ok(taken)) = poll_once(socket.write(&lines)) else { panic!() };
    assert_eq!((taken, socket.unsent.0.len()), (100, 38));
    assert!(poll_once(socket.write(b"more\n")).is_pending(), "only one frame is held");
    let (all, ()) = tokio::join!(read_exact(&mut peer, 102 + 7), async {
        socket.write_all(b"more\n").await.unwrap();
        socket.flush().await.unwrap();
    });
    assert_eq!((&all[..2], &all[102..]), (&b"\x81\x64"[..], &b"\x81\x05more\n"[..]));
    assert_eq!(socket.unsent.0.capacity(), 0, "nothing is held afterwards");
}

#[tokio::test]
async fn a_long_line_is_one_message_of_several_frames() {
    let (mut peer, mut socket) = pair(1 << 20);
    let line = [vec![b'x'; MESSAGE_BYTES], b"end\n".to_vec()].concat();
    socket.write_all(&line).await.unwrap();
    let first = read_exact(&mut peer, 4 + MESSAGE_BYTES).await;
    assert_eq!(&first[..4], b"\x01\x7e\xf0\x00");
    assert_eq!(read_exact(&mut peer, 6).await, b"\x80\x04end\n");
}

#[tokio::test]
async fn a_peer_that_closes_still_receives_its_replies_and_our_close_frame() {
    let (mut peer, mut socket) = pair(4096);
    peer.write_all(&[frame(0x81, b"last\n"), frame(0x88, b"\x03\xe8")].concat()).await.unwrap();
    assert_eq!(read(&mut socket).await.unwrap(), b"last\n");
    assert_eq!(read(&mut socket).await.unwrap(), b"");
    assert_eq!(socket.fault(), None);
    socket.write_all(b"answer\n").await.unwrap();
    socket.shutdown().await.unwrap();
    let mut all = Vec::new();
    peer.read_to_end(&mut all).await.unwrap();
    assert_eq!(all, b"\x81\x07answer\n\x88\x02\x03\xe8");
}

#[tokio::test]
async fn a_protocol_error_sends_a_close_frame_and_discards_the_rest() {
    let (mut peer, mut socket) = pair(4096);
    peer.write_all(&[frame(0x81, b"fine\n"), frame(0x82, b"bin")].concat()).await.unwrap();
    assert_eq!(read(&mut socket).await.unwrap(), b"fine\n");
    assert_eq!(read(&mut socket).await.unwrap(), b"");
    assert_eq!(read_exact(&mut peer, 4).await, b"\x88\x02\x03\xeb");
    assert_eq!(socket.fault(), Some("a binary message"));
    // Nothing follows a Close frame.
    socket.write_all(b"answer\n").await.unwrap();
    peer.write_all(&frame(0x81, b"more\n")).await.unwrap();
    assert!(poll_once(read(&mut socket)).is_pending(), "it is discarded until the peer ends");
    socket.shutdown().await.unwrap();
    assert_eq!(socket.close, Close::Sent);
    let mut rest = Vec::new();
    peer.read_to_end(&mut rest).await.unwrap();
    assert_eq!(rest, b"");
    drop(peer);
    assert_eq!(read(&mut socket).await.unwrap(), b"");
}

#[tokio::test]
async fn the_peers_text_is_read_until_its_close_frame() {
    let (mut peer, mut socket) = pair(4096);
    socket.shutdown().await.unwrap();
    assert_eq!(read_exact(&mut peer, 4).await, b"\x88\x02\x03\xe8");
    peer.write_all(&[frame(0x81, b"late\n"), frame(0x88, b"\x03\xe8")].concat()).await.unwrap();
    assert_eq!(read(&mut socket).await.unwrap(), b"late\n");
    assert_eq!(read(&mut socket).await.unwrap(), b"");
}

#[tokio::test]
async fn an_end_without_a_close_frame_is_an_error() {
    let (peer, mut socket) = pair(4096);
    drop(peer);
    assert_eq!(read(&mut socket).await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
}

#[test]
fn an_idle_websocket_is_small() {
    // The bound for an idle connection is 1,536 bytes more than over TCP.
    assert!(size_of::<WebSocket<Box<u8>>>() <= 256, "{}", size_of::<WebSocket<Box<u8>>>());
}
