//! The WebSocket against a model: with any division into reads, the text is the same, and a fault is the same
//! fault.

use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use tcp_chat_websocket::WebSocket;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};

/// The meaning of the frames, in a slow form: the text, and the code of our Close frame.
fn model(mut bytes: &[u8]) -> (Vec<u8>, u16) {
    let (mut text, mut within, mut begun) = (Vec::new(), false, 0);
    loop {
        let frame = match frame(bytes) {
            Ok(Some(frame)) => frame,
            // The peer disconnected inside a message: the received part counts.
            Ok(None) => return part(text, bytes, within),
            Err(code) => return (text, code),
        };
        let Frame { first, ref payload, length } = frame;
        bytes = &bytes[length..];
        match first & 0x0f {
            8 if payload.is_empty() => return (text, 1000),
            8 => return (text, close(payload)),
            9 | 10 => continue,
            1 if within => return (text, 1002),
            0 if !within => return (text, 1002),
            1 => begun = text.len(),
            _ => {}
        }
        text.extend_from_slice(payload);
        within = first & 0x80 == 0;
        if !within && text.len() > begun && text.last() != Some(&b'\n') {
            text.push(b'\n');
        }
    }
}

struct Frame {
    first: u8,
    payload: Vec<u8>,
    /// Of all text together, in bytes.
    length: usize,
}

/// The first frame. `None`: it is incomplete.
fn frame(bytes: &[u8]) -> Result<Option<Frame>, u16> {
    let [first, second, ..] = *bytes else { return Ok(None) };
    let (opcode, short) = (first & 0x0f, second & 0x7f);
    if first & 0x70 != 0 || matches!(opcode, 3..=7 | 11..) {
        return Err(1002);
    }
    if opcode == 2 {
        return Err(1003);
    }
    if second & 0x80 == 0 || opcode >= 8 && (first & 0x80 == 0 || short > 125) {
        return Err(1002);
    }
    let wide = match short {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    let Some(rest) = bytes.get(2..2 + wide) else { return Ok(None) };
    let mut payload = rest.iter().fold(0_u64, |length, byte| length << 8 | u64::from(*byte));
    if wide == 2 && payload < 126 || wide == 8 && !(65_536..=u64::MAX / 2).contains(&payload) {
        return Err(1002);
    }
    if wide == 0 {
        payload = short.into();
    }
    let from = 2 + wide + 4;
    if bytes.len() < from || ((bytes.len() - from) as u64) < payload {
        return Ok(None);
    }
    let length = from + payload as usize;
    let mask = &bytes[from - 4..from];
    let payload = bytes[from..length].iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask);
    Ok(Some(Frame { first, payload: payload.collect(), length }))
}

/// The text including the received part of an incomplete frame. An invalid frame is known by its header.
fn part(mut text: Vec<u8>, bytes: &[u8], within: bool) -> (Vec<u8>, u16) {
    let [first, second, ..] = *bytes else { return (text, 0) };
    let from = match second & 0x7f {
        126 => 8,
        127 => 14,
        _ => 6,
    };
    if bytes.len() < from {
        return (text, 0);
    }
    match (first & 0x0f, within) {
        (1, true) | (0, false) => (text, 1002),
        (1, false) | (0, true) => {
            let mask = &bytes[from - 4..from];
            text.extend(bytes[from..].iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
            (text, 0)
        }
        _ => (text, 0),
    }
}

fn close(payload: &[u8]) -> u16 {
    match payload {
        [_] => 1002,
        [high, low, reason @ ..] => match u16::from_be_bytes([*high, *low]) {
            1000..=1003 | 1007..=1014 | 3000..=4999 if std::str::from_utf8(reason).is_ok() => 1000,
            1000..=1003 | 1007..=1014 | 3000..=4999 => 1007,
            _ => 1002,
        },
        [] => 1000,
    }
}

/// A peer that has sent everything. It delivers the bytes in pieces, and receives everything.
struct Peer<'a> {
    sent: &'a [u8],
    pieces: std::iter::Cycle<std::slice::Iter<'a, u8>>,
    heard: Vec<u8>,
}

impl AsyncRead for Peer<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let most = self.pieces.next().map_or(usize::MAX, |piece| usize::from(*piece) + 1);
        let (now, later) = self.sent.split_at(most.min(buf.remaining()).min(self.sent.len()));
        buf.put_slice(now);
        self.sent = later;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Peer<'_> {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let most = self.pieces.next().map_or(usize::MAX, |piece| usize::from(*piece) + 1);
        let now = &data[..most.min(data.len())];
        self.heard.extend_from_slice(now);
        Poll::Ready(Ok(now.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Polls until it is ready: the peer is always ready, and a task that yields is polled again.
fn run_to_end<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return value;
        }
    }
}

/// Takes the size of reads, the number of pieces and their sizes from the start of the input, one byte each.
/// The rest is what a peer sends. Reads it to its end, then closes.
///
/// # Panics
/// If the stream and the model disagree, or our output is not valid frames.
pub fn run(input: &[u8]) {
    let [room, number, rest @ ..] = input else { return };
    let Some((pieces, bytes)) = rest.split_at_checked(usize::from(number % 8)) else { return };
    let peer = Peer { sent: bytes, pieces: pieces.iter().cycle(), heard: Vec::new() };
    let mut socket = WebSocket::new(peer, Vec::new());
    let mut text = Vec::new();
    let ended = run_to_end(async {
        let mut read = vec![0; usize::from(*room) + 1];
        loop {
            match socket.read(&mut read).await {
                Ok(0) => return true,
                Ok(length) => text.extend_from_slice(&read[..length]),
                Err(_) => return false,
            }
        }
    });
    let has_fault = socket.fault().is_some();
    run_to_end(socket.shutdown()).expect("the peer takes everything");
    let (expected, code) = model(bytes);
    assert_eq!(text, expected);
    assert_eq!((ended, has_fault), (code != 0, code > 1000));
    // The peer received answers to its pings, then one Close frame with this code.
    let mut heard = &socket.get_ref().heard[..];
    while let [0x8a, length, rest @ ..] = heard {
        heard = &rest[usize::from(*length)..];
    }
    assert_eq!(heard, [&[0x88, 2][..], &code.max(1000).to_be_bytes()].concat());
}
