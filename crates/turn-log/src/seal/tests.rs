use super::*;
use crate::entry::{Claim, Generation, Kind, NodeId};

const TURN: Header = Header {
    kind: Kind::Turn,
    behaviour: 1,
    generation: Generation { number: 1, tag: 2 },
    node: NodeId(3),
    epoch: 1,
    n: 1,
    claim: Claim { applied: 0, digest: crate::Digest { log: [0; 16], state: [0; 16] } },
};

/// The nonce of the vectors in <https://c2sp.org/XAES-256-GCM>.
const NONCE: &Nonce = b"ABCDEFGHIJKLMNOPQRSTUVWX";

fn seal_as_published(key: u8, aad: &[u8]) -> Vec<u8> {
    let (key, nonce) = Key::new(&[key; KEY_BYTES]).unwrap().under(NONCE).unwrap();
    let mut text = b"XAES-256-GCM".to_vec();
    key.seal_in_place_append_tag(nonce, Aad::from(aad), &mut text).unwrap();
    text
}

#[test]
fn the_cipher_is_xaes_256_gcm() {
    let hex = |bytes: Vec<u8>| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert_eq!(hex(seal_as_published(1, b"")), "ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271");
    assert_eq!(
        hex(seal_as_published(3, b"c2sp.org/XAES-256-GCM")),
        "986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d"
    );
}

#[test]
fn the_same_content_never_gets_the_same_nonce() {
    let key = Key::new(&[1; KEY_BYTES]).unwrap();
    let nonce = |entry: &[u8]| Sealed::parse(entry).unwrap().nonce;
    let nonces: std::collections::HashSet<Nonce> =
        (0..1_000).map(|_| nonce(&key.seal(&TURN, b"same").unwrap())).collect();
    assert_eq!(nonces.len(), 1_000);
}

#[test]
fn another_key_opens_nothing_and_has_another_id() {
    let (key, other) = (Key::new(&[1; KEY_BYTES]).unwrap(), Key::new(&[2; KEY_BYTES]).unwrap());
    let entry = key.seal(&TURN, b"body").unwrap();
    assert_eq!(other.open(&Sealed::parse(&entry).unwrap()), Err(Forged));
    assert_ne!(key.id(), other.id());
    assert_eq!(key.id(), key.clone().id());
}

#[test]
fn a_body_cannot_be_moved_under_another_header() {
    let key = Key::new(&[1; KEY_BYTES]).unwrap();
    let later = Header { n: 2, ..TURN };
    let (first, second) = (key.seal(&TURN, b"a").unwrap(), key.seal(&later, b"b").unwrap());
    // The nonce goes with the body, or the forgery is refused for the nonce alone.
    let split = crate::HEADER_BYTES - NONCE_BYTES;
    let moved = [&second[..split], &first[split..]].concat();
    assert_eq!(key.open(&Sealed::parse(&moved).unwrap()), Err(Forged));
}

#[test]
fn a_body_has_a_limit_and_a_header_its_place() {
    let key = Key::new(&[1; KEY_BYTES]).unwrap();
    let longest = key.seal(&TURN, &vec![7; BODY_BYTES]).unwrap();
    assert_eq!(longest.len(), ENTRY_BYTES);
    assert!(key.open(&Sealed::parse(&longest).unwrap()).is_ok());
    let long = BODY_BYTES + 1;
    assert_eq!(key.seal(&TURN, &vec![7; long]), Err(SealError::TooLong(long)));
    let error = ParseError::Place { kind: Kind::Turn, epoch: 1, n: 0 };
    let first = Header { n: 0, ..TURN };
    assert_eq!(key.seal(&first, b""), Err(SealError::Header(error)));
}

#[test]
fn a_key_is_never_printed() {
    let key = Key::new(&[0x5A; KEY_BYTES]).unwrap();
    let printed = format!("{key:?}");
    assert!(printed.contains("KeyId") && !printed.contains("90, 90"), "{printed}");
}

#[test]
fn a_message_opens_only_with_its_key_and_its_context() {
    let (key, other) = (Key::new(&[1; KEY_BYTES]).unwrap(), Key::new(&[2; KEY_BYTES]).unwrap());
    for body in [&b""[..], b"a piece"] {
        let message = key.seal_message(b"answer 7", body).unwrap();
        assert_eq!(key.open_message(b"answer 7", &message).as_deref(), Ok(body));
        assert_eq!(key.open_message(b"answer 8", &message), Err(Forged));
        assert_eq!(other.open_message(b"answer 7", &message), Err(Forged));
        for length in 0..message.len() {
            assert_eq!(key.open_message(b"answer 7", &message[..length]), Err(Forged), "{length}");
        }
    }
}

#[test]
fn a_message_is_never_an_entry() {
    let key = Key::new(&[1; KEY_BYTES]).unwrap();
    let message = key.seal_message(b"", &[0; 200]).unwrap();
    assert!(Sealed::parse(&message).map_or(true, |sealed| key.open(&sealed).is_err()));
}
