//! The decoder: each byte sequence in every cut, and random messages against a model.

use super::{End, Incoming};
use crate::frame;
use proptest::prelude::*;

const MASK: [u8; 4] = [0xa1, 0x02, 0xb3, 0x44];

/// A frame as a client sends it.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![first];
    match payload.len() {
        short @ 0..=125 => out.push(0x80 | short as u8),
        long => {
            out.push(0x80 | 126);
            out.extend_from_slice(&(long as u16).to_be_bytes());
        }
    }
    out.extend_from_slice(&MASK);
    let mut masked = payload.to_vec();
    frame::unmask(&mut masked, MASK, 0);
    out.extend_from_slice(&masked);
    out
}

/// The result of decoding a sequence of bytes.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    text: Vec<u8>,
    pings: Vec<Vec<u8>>,
    end: Option<Result<(), u16>>,
}

/// Decodes the pieces one after the other, as reads return them.
fn take<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
    let mut incoming = Incoming::default();
    let (mut text, mut pings) = (Vec::new(), Vec::new());
    for piece in pieces {
        text.extend(incoming.take_owed_newline());
        let mut bytes = piece.to_vec();
        let length = incoming.take(&mut bytes);
        assert!(bytes[length..].iter().all(|byte| *byte == 0), "a part of a payload is left in the buffer");
        text.extend_from_slice(&bytes[..length]);
        pings.extend(incoming.take_ping());
    }
    text.extend(incoming.take_owed_newline());
    assert_eq!(incoming.take_owed_newline(), None);
    let end = incoming.end().map(|end| match end {
        End::Closed => Ok(()),
        End::Fault(fault) => Err(fault.code),
    });
    Outcome { text, pings, end }
}

/// Decodes the bytes as one piece, as every two pieces, and byte by byte. The results are equal.
fn in_every_cut(bytes: &[u8]) -> Outcome {
    let single = take(bytes.chunks(1));
    for cut in 0..=bytes.len() {
        let (first, second) = bytes.split_at(cut);
        let mut outcome = take([first, second]);
        // Only the last ping in one read is answered.
        assert!(outcome.pings.iter().all(|ping| single.pings.contains(ping)));
        outcome.pings.clone_from(&single.pings);
        assert_eq!(outcome, single, "cut at {cut}");
    }
    single
}

#[test]
fn messages_become_the_same_lines_in_every_cut() {
    let long = [vec![b'x'; 200], b"\n".to_vec()].concat();
    let bytes = [
        frame(0x81, b"one\n"),
        frame(0x81, b"no newline"),
        frame(0x81, b""),
        frame(0x89, b"are you there"),
        frame(0x01, b"in "),
        frame(0x00, b"three "),
        frame(0x89, b""),
        frame(0x80, b"frames\r\nand a half"),
        frame(0x8a, b"unasked"),
        frame(0x01, b"ends empty"),
        frame(0x80, b""),
        frame(0x81, b"\n"),
        frame(0x81, &long),
        frame(0x88, b"\x03\xe8done"),
        b"what comes after a Close frame".to_vec(),
    ]
    .concat();
    let Outcome { text, pings, end } = in_every_cut(&bytes);
    let expected = [
        "one\nno newline\nin three frames\r\nand a half\nends empty\n\n",
        std::str::from_utf8(&long).unwrap(),
    ];
    assert_eq!(String::from_utf8(text).unwrap(), expected.concat());
    assert_eq!(pings, [b"are you there".to_vec(), Vec::new()]);
    assert_eq!(end, Some(Ok(())));
}

#[test]
fn a_protocol_error_ends_the_text_in_every_cut() {
    let fine = frame(0x81, b"fine\n");
    for (bytes, code) in [
        (frame(0x82, b"binary"), 1003),
        (b"\x81\x02hi".to_vec(), 1002),
        (frame(0xc1, b"compressed"), 1002),
        (frame(0x80, b"continues nothing"), 1002),
        ([frame(0x01, b""), frame(0x81, b"within")].concat(), 1002),
        (frame(0x09, b"half a ping"), 1002),
        (frame(0x89, &[0; 126]), 1002),
        (frame(0x88, b"\x03"), 1002),
        (frame(0x88, b"\x03\xed"), 1002),
        (frame(0x88, b"\x03\xe8\xc3"), 1007),
    ] {
        let Outcome { text, end, .. } = in_every_cut(&[fine.clone(), bytes.clone(), fine.clone()].concat());
        assert_eq!((text, end), (b"fine\n".to_vec(), Some(Err(code))), "{bytes:x?}");
    }
}

#[test]
fn an_answered_ping_takes_no_memory() {
    let mut incoming = Incoming::default();
    let mut bytes = [frame(0x89, &[7; 125]), frame(0x8a, &[7; 125]), frame(0x89, b"last")].concat();
    assert_eq!(incoming.take(&mut bytes), 0);
    assert!(incoming.has_ping());
    assert_eq!(incoming.take_ping().unwrap(), b"last");
    assert_eq!((incoming.control.capacity(), incoming.ping), (0, None));
}

/// A message of the model, in fragments, with pings between them.
fn message() -> impl Strategy<Value = (Vec<Vec<u8>>, bool)> {
    let text = prop_oneof![Just(b"\n".to_vec()), proptest::collection::vec(any::<u8>(), 0..300)];
    (proptest::collection::vec(text, 1..4), any::<bool>())
}

proptest! {
    #[test]
    fn any_messages_in_any_pieces_become_their_text(
        messages in proptest::collection::vec(message(), 0..8),
        cuts in proptest::collection::vec(1_usize..40, 1..20),
    ) {
        let (mut bytes, mut expected) = (Vec::new(), Vec::new());
        for (fragments, pings) in &messages {
            let last = fragments.len() - 1;
            for (at, fragment) in fragments.iter().enumerate() {
                let first = u8::from(at == 0) | if at == last { 0x80 } else { 0 };
                bytes.extend(frame(first, fragment));
                if *pings {
                    bytes.extend(frame(0x89, b"ping"));
                }
            }
            let text = fragments.concat();
            expected.extend_from_slice(&text);
            if text.last().is_some_and(|last| *last != b'\n') {
                expected.push(b'\n');
            }
        }
        let mut pieces = Vec::new();
        let (mut rest, mut cuts) = (&bytes[..], cuts.iter().cycle());
        while !rest.is_empty() {
            let (piece, then) = rest.split_at(rest.len().min(*cuts.next().unwrap()));
            pieces.push(piece);
            rest = then;
        }
        let outcome = take(pieces);
        prop_assert_eq!(outcome.text, expected);
        prop_assert_eq!(outcome.end, None);
    }

    #[test]
    fn any_bytes_have_the_same_result_in_every_cut(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
        in_every_cut(&bytes);
    }
}
