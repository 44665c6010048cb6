use super::*;
use crate::body::{Behaviours, Body, Gone, Hello, Raise, decode, encode};
use crate::{Forged, KEY_BYTES, Key};
use proptest::prelude::*;

fn key() -> Key {
    Key::new(&std::array::from_fn::<u8, KEY_BYTES, _>(|i| i as u8)).unwrap()
}

/// A header in which no two fields have the same bytes.
fn header(kind: Kind, epoch: u64, n: u64) -> Header {
    Header {
        kind,
        behaviour: 0x0102,
        generation: Generation { number: 0x1112_1314_1516_1718, tag: 0x2122_2324_2526_2728 },
        node: NodeId(0x3132_3334),
        epoch,
        n,
        claim: Claim {
            applied: 0x4142_4344_4546_4748,
            digest: Digest {
                log: std::array::from_fn(|i| 0x50 + i as u8),
                state: std::array::from_fn(|i| 0x70 + i as u8),
            },
        },
    }
}

/// Each kind, with a body, as the golden file has them.
fn golden() -> Vec<(Header, Vec<u8>)> {
    fn body(body: &impl Body) -> Vec<u8> {
        encode(body)
    }
    let behaviours = Behaviours { oldest: 3, newest: 300 };
    let hello = Hello { behaviours, details: b"chat1".to_vec() };
    vec![
        (header(Kind::Genesis, 1, 0), body(&hello)),
        (header(Kind::NodeUp, 0x6162_6364_6566_6768, 0), body(&hello)),
        (header(Kind::Turn, 2, 0x7172_7374_7576_7778), b"a turn".to_vec()),
        (header(Kind::NodeGone, 2, 1), body(&Gone { node: NodeId(0xFFFF_FFFF), epoch: 300 })),
        (header(Kind::Raise, 2, 1), body(&Raise { to: 300 })),
        (header(Kind::Turn, 2, 1), vec![]),
    ]
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Logs that were written must stay readable. Bytes that differ from these need another format number, and code that reads
/// both. Nonce: the bytes `A0`, `A1`, and so on.
#[test]
fn the_bytes_of_an_entry_never_change() {
    let nonce = std::array::from_fn(|i| 0xA0 + i as u8);
    let wanted: Vec<&str> =
        include_str!("../../golden/entries-1.hex").lines().filter(|line| !line.starts_with('#')).collect();
    let written: Vec<String> =
        golden().iter().map(|(header, body)| hex(&key().seal_with(&nonce, header, body).unwrap())).collect();
    assert_eq!(written, wanted, "written:\n{}", written.join("\n"));
    for (line, (header, body)) in wanted.iter().zip(golden()) {
        let bytes: Vec<u8> =
            (0..line.len() / 2).map(|i| u8::from_str_radix(&line[2 * i..2 * i + 2], 16).unwrap()).collect();
        let sealed = Sealed::parse(&bytes).unwrap();
        assert_eq!(*sealed.header(), header);
        assert_eq!(key().open(&sealed), Ok(body));
    }
}

#[test]
fn bytes_that_are_no_entry_are_refused_with_a_reason() {
    let good = key().seal(&header(Kind::Turn, 2, 1), b"x").unwrap();
    let parse = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = good.clone();
        change(&mut bytes);
        Sealed::parse(&bytes).err()
    };
    let shortest = HEADER_BYTES + TAG_BYTES;
    assert_eq!(parse(&|_| {}), None);
    assert_eq!(parse(&|b| b.truncate(shortest)), None);
    assert_eq!(parse(&|b| b.truncate(shortest - 1)), Some(ParseError::Length(shortest - 1)));
    assert_eq!(parse(&|b| b.clear()), Some(ParseError::Length(0)));
    assert_eq!(parse(&|b| b.resize(ENTRY_BYTES, 0)), None);
    assert_eq!(parse(&|b| b.resize(ENTRY_BYTES + 1, 0)), Some(ParseError::Length(ENTRY_BYTES + 1)));
    assert_eq!(parse(&|b| b[0] ^= 1), Some(ParseError::Magic));
    assert_eq!(parse(&|b| b[4] = 2), Some(ParseError::Format(2)));
    assert_eq!(parse(&|b| b[5] = 5), Some(ParseError::Kind(5)));
    let place = |kind, epoch, n| Some(ParseError::Place { kind, epoch, n });
    assert_eq!(parse(&|b| b[43] = 0), place(Kind::Turn, 2, 0));
    assert_eq!(parse(&|b| b[35] = 0), place(Kind::Turn, 0, 1));
    assert_eq!(parse(&|b| b[5] = 2), place(Kind::NodeUp, 2, 1));
    assert_eq!(parse(&|b| (b[5], b[43]) = (1, 0)), place(Kind::Genesis, 2, 0));
    assert_eq!(parse(&|b| (b[5], b[35], b[43]) = (1, 1, 0)), None);
}

#[test]
fn every_kind_has_a_byte_of_its_own() {
    for (byte, kind) in Kind::ALL {
        assert_eq!((kind.byte(), Kind::parse(byte)), (byte, Some(kind)));
    }
}

#[test]
fn a_body_is_read_whole_or_not_at_all() {
    let mut body = encode(&Gone { node: NodeId(7), epoch: 9 });
    assert_eq!(decode(&body), Some(Gone { node: NodeId(7), epoch: 9 }));
    assert_eq!(decode::<Gone>(&body[..1]), None);
    body.push(0);
    assert_eq!(decode::<Gone>(&body), None);
}

fn kinds() -> impl Strategy<Value = (Kind, u64, u64)> {
    prop_oneof![
        Just((Kind::Genesis, 1, 0)),
        (1..=u64::MAX).prop_map(|epoch| (Kind::NodeUp, epoch, 0)),
        (prop::sample::select(vec![Kind::Turn, Kind::NodeGone, Kind::Raise]), 1..=u64::MAX, 1..=u64::MAX),
    ]
}

proptest! {
    #[test]
    fn what_is_sealed_is_what_is_read(
        (kind, epoch, n) in kinds(), behaviour: u16, number: u64, tag: u64, node: u32, applied: u64,
        log: [u8; 16], state: [u8; 16], body in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let header = Header {
            kind, behaviour, generation: Generation { number, tag }, node: NodeId(node), epoch, n,
            claim: Claim { applied, digest: Digest { log, state } },
        };
        let bytes = key().seal(&header, &body).unwrap();
        let sealed = Sealed::parse(&bytes).unwrap();
        prop_assert_eq!(*sealed.header(), header);
        prop_assert_eq!(key().open(&sealed), Ok(body));
    }

    /// Each bit of header, body and tag is authenticated.
    #[test]
    fn an_altered_entry_is_refused(bit in 0..8 * (HEADER_BYTES + 20 + TAG_BYTES)) {
        let mut bytes = key().seal(&header(Kind::Turn, 2, 3), &[5; 20]).unwrap();
        bytes[bit / 8] ^= 1 << (bit % 8);
        if let Ok(sealed) = Sealed::parse(&bytes) {
            prop_assert_eq!(key().open(&sealed), Err(Forged));
        }
    }

    #[test]
    fn any_bytes_are_parsed_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = Sealed::parse(&bytes);
    }
}
