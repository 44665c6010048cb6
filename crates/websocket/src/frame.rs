//! Owns frames: reads and checks heads, unmasks payloads, and writes frames. Called by `incoming` and `outgoing`. Pure.
//! Never keeps a payload.

/// The longest head of a masked frame, in bytes.
pub(crate) const HEAD_BYTES: usize = 14;
/// The longest payload of a control frame, in bytes.
pub(crate) const CONTROL_BYTES: usize = 125;

/// A protocol error of the peer, for which we close the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fault {
    /// The status code of the Close frame.
    pub(crate) code: u16,
    /// The reason, for the log.
    pub(crate) reason: &'static str,
}

const fn protocol_error(reason: &'static str) -> Fault {
    Fault { code: 1002, reason }
}

/// The kinds of frames that a peer may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Continuation,
    Close,
    Ping,
    Pong,
}

/// A frame of the peer, by its head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) kind: Kind,
    pub(crate) is_last: bool,
    pub(crate) length: u64,
    pub(crate) mask: [u8; 4],
}

impl Head {
    /// Reads a head. `None`: more bytes are needed. The caller must call it again with each further byte, until it returns
    /// a head or an error.
    ///
    /// # Errors
    /// The frame breaks the protocol. The first byte that proves it returns the error.
    pub(crate) fn read(bytes: &[u8]) -> Result<Option<Self>, Fault> {
        let [first, second, rest @ ..] = bytes else { return Ok(None) };
        let (is_last, length) = (first & 0x80 != 0, second & 0x7f);
        if first & 0x70 != 0 {
            return Err(protocol_error("a reserved bit is set"));
        }
        let kind = match first & 0x0f {
            0 => Kind::Continuation,
            1 => Kind::Text,
            2 => return Err(Fault { code: 1003, reason: "a binary message" }),
            8 => Kind::Close,
            9 => Kind::Ping,
            10 => Kind::Pong,
            _ => return Err(protocol_error("a reserved opcode")),
        };
        if second & 0x80 == 0 {
            return Err(protocol_error("a frame that is not masked"));
        }
        if matches!(kind, Kind::Close | Kind::Ping | Kind::Pong) {
            if !is_last {
                return Err(protocol_error("a control frame in fragments"));
            }
            if usize::from(length) > CONTROL_BYTES {
                return Err(protocol_error("a control frame of more than 125 bytes"));
            }
        }
        let (length, rest) = match length {
            126 => {
                let Some((length, rest)) = rest.split_first_chunk() else { return Ok(None) };
                (u64::from(u16::from_be_bytes(*length)), rest)
            }
            127 => {
                let Some((length, rest)) = rest.split_first_chunk() else { return Ok(None) };
                (u64::from_be_bytes(*length), rest)
            }
            short => (u64::from(short), rest),
        };
        let shortest = match second & 0x7f {
            126 => 126,
            127 => 1 << 16,
            _ => 0,
        };
        if length < shortest || length >> 63 != 0 {
            return Err(protocol_error("a length that is not in the shortest form, or of more than 63 bits"));
        }
        Ok(rest.first_chunk().map(|mask| Self { kind, is_last, length, mask: *mask }))
    }
}

/// Unmasks bytes of a payload in place. `at` is the offset of the first byte in the payload; only its value modulo 4
/// counts.
pub(crate) fn unmask(bytes: &mut [u8], mask: [u8; 4], at: usize) {
    let mut rotated = mask;
    rotated.rotate_left(at % 4);
    let (blocks, rest) = bytes.as_chunks_mut::<4>();
    for block in blocks {
        *block = (u32::from_ne_bytes(*block) ^ u32::from_ne_bytes(rotated)).to_ne_bytes();
    }
    for (byte, mask) in rest.iter_mut().zip(rotated) {
        *byte ^= mask;
    }
}

/// The status code of the peer's Close frame; 1005 if it has none.
///
/// # Errors
/// The payload is not a code with a reason, or a peer must not send the code (RFC 6455, 7.4).
pub(crate) fn close_code(payload: &[u8]) -> Result<u16, Fault> {
    match payload {
        [] => Ok(1005),
        [high, low, reason @ ..] => {
            let code = u16::from_be_bytes([*high, *low]);
            if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
                return Err(protocol_error("a Close frame with a wrong code"));
            }
            match std::str::from_utf8(reason) {
                Ok(_) => Ok(code),
                Err(_) => Err(Fault { code: 1007, reason: "the reason of a Close frame is not UTF-8" }),
            }
        }
        [_] => Err(protocol_error("a Close frame of one byte")),
    }
}

/// The kinds of frames that we send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sent {
    Text = 1,
    Continuation = 0,
    Close = 8,
    Pong = 10,
}

/// Appends an unmasked frame.
pub(crate) fn write(kind: Sent, is_last: bool, payload: &[u8], out: &mut Vec<u8>) {
    out.push(kind as u8 | if is_last { 0x80 } else { 0 });
    match payload.len() {
        short @ 0..=125 => out.push(short as u8),
        middle @ 126..=0xffff => {
            out.push(126);
            out.extend_from_slice(&(middle as u16).to_be_bytes());
        }
        long => {
            out.push(127);
            out.extend_from_slice(&(long as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(payload);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads the head byte by byte. No prefix of it may be a head.
    fn read(bytes: &[u8]) -> Result<Head, Fault> {
        for end in 0..=bytes.len() {
            if let Some(head) = Head::read(&bytes[..end])? {
                assert_eq!(end, bytes.len(), "a prefix is a head already");
                return Ok(head);
            }
        }
        panic!("{bytes:?} is not a complete head");
    }

    #[test]
    fn a_head_has_the_length_of_its_frame() {
        let mask = [1, 2, 3, 4];
        for (bytes, kind, is_last, length) in [
            (&[0x81, 0x80][..], Kind::Text, true, 0),
            (&[0x01, 0xfd], Kind::Text, false, 125),
            (&[0x80, 0xfe, 0, 126], Kind::Continuation, true, 126),
            (&[0x00, 0xfe, 0xff, 0xff], Kind::Continuation, false, 65_535),
            (&[0x81, 0xff, 0, 0, 0, 0, 0, 1, 0, 0], Kind::Text, true, 65_536),
            (&[0x81, 0xff, 0x7f, 255, 255, 255, 255, 255, 255, 255], Kind::Text, true, u64::MAX >> 1),
            (&[0x88, 0x82], Kind::Close, true, 2),
            (&[0x89, 0xfd], Kind::Ping, true, 125),
            (&[0x8a, 0x80], Kind::Pong, true, 0),
        ] {
            let whole = [bytes, &mask].concat();
            assert_eq!(read(&whole), Ok(Head { kind, is_last, length, mask }), "{bytes:x?}");
        }
    }

    #[test]
    fn an_invalid_head_is_refused_before_its_payload_arrives() {
        for (bytes, code) in [
            (&[0x82, 0x80][..], 1003),
            (&[0x02, 0x80], 1003),
            (&[0x81, 0x02], 1002),
            (&[0xc1, 0x80], 1002),
            (&[0xa1, 0x80], 1002),
            (&[0x91, 0x80], 1002),
            (&[0x83, 0x80], 1002),
            (&[0x8b, 0x80], 1002),
            (&[0x8f, 0x80], 1002),
            (&[0x09, 0x80], 1002),
            (&[0x08, 0x80], 1002),
            (&[0x89, 0xfe], 1002),
            (&[0x88, 0xff], 1002),
            (&[0x81, 0xfe, 0, 125], 1002),
            (&[0x81, 0xff, 0, 0, 0, 0, 0, 0, 255, 255], 1002),
            (&[0x81, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0], 1002),
        ] {
            assert_eq!(read(bytes).map_err(|fault| fault.code), Err(code), "{bytes:x?}");
        }
    }

    #[test]
    fn a_payload_in_two_pieces_is_unmasked_like_one() {
        let mask = [0x37, 0xfa, 0x21, 0x3d];
        let masked = [0x7f, 0x9f, 0x4d, 0x51, 0x58, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
        // The example of RFC 6455, 5.7, is its first five bytes.
        for cut in 0..=5 {
            let mut bytes = masked;
            let (first, second) = bytes[..5].split_at_mut(cut);
            unmask(first, mask, 0);
            unmask(second, mask, cut);
            assert_eq!(&bytes[..5], b"Hello", "cut at {cut}");
        }
    }

    #[test]
    fn a_close_frame_has_a_code_that_a_peer_may_send() {
        let code = |payload: &[u8]| close_code(payload).map_err(|fault| fault.code);
        assert_eq!(code(b""), Ok(1005));
        assert_eq!(code(b"\x03\xe8"), Ok(1000));
        assert_eq!(code(b"\x03\xe9bye"), Ok(1001));
        assert_eq!(code(b"\x0f\xa0"), Ok(4000));
        assert_eq!(code(b"\x03\xe8\xff"), Err(1007));
        for wrong in
            [&b"\x03"[..], b"\x00\x00", b"\x03\xec", b"\x03\xed", b"\x03\xee", b"\x07\xd0", b"\x13\x88"]
        {
            assert_eq!(code(wrong), Err(1002), "{wrong:x?}");
        }
    }

    #[test]
    fn a_frame_is_written_with_the_shortest_length() {
        for (length, head) in [
            (0, &[0x81, 0][..]),
            (125, &[0x81, 125]),
            (126, &[0x81, 126, 0, 126]),
            (65_535, &[0x81, 126, 255, 255]),
            (65_536, &[0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
        ] {
            let mut out = Vec::new();
            write(Sent::Text, true, &vec![b'a'; length], &mut out);
            assert_eq!(&out[..head.len()], head);
            assert_eq!(out.len(), head.len() + length);
        }
    }
}
