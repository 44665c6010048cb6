//! The entries of the shared log, in two ways. As bytes of someone without the key: parsing never panics, and nothing counts.
//! As entries of someone with the key, with any header and any body: what is sealed is what is read, one altered bit makes
//! an entry void, and the reader counts only the next entry of a living epoch.
//!
//! The first byte of the input selects the way.

use arbitrary::{Arbitrary, Result, Unstructured};
use std::collections::BTreeMap;
use std::sync::LazyLock;
use tcp_chat_turn_log::{
    Behaviours, Claim, Digest, Event, Generation, Header, KEY_BYTES, Key, Kind, LogTime, NodeId, Reader,
    Record, Sealed, Step,
};

const BEHAVIOURS: Behaviours = Behaviours { oldest: 1, newest: 2 };

/// `None` only if the cipher got no memory.
static KEY: LazyLock<Option<Key>> = LazyLock::new(|| Key::new(&[1; KEY_BYTES]).ok());

/// Runs one input.
///
/// # Panics
/// If bytes without a seal count, or entries with one are read as something else.
pub fn run(input: &[u8]) {
    let (Some(key), Some((way, rest))) = (KEY.as_ref(), input.split_first()) else {
        return;
    };
    if way % 2 == 0 {
        raw(key, rest);
    } else {
        // An input that ends early has been used as far as it goes.
        let _ = sealed(key, Unstructured::new(rest));
    }
}

fn raw(key: &Key, bytes: &[u8]) {
    if let Ok(sealed) = Sealed::parse(bytes) {
        assert!(key.open(&sealed).is_err(), "bytes without a seal were opened");
    }
    let mut reader = Reader::new(key.clone(), NodeId(0), BEHAVIOURS, Digest::default());
    let record = Record { sequence: 1, stamp: LogTime(0), bytes: bytes.into() };
    assert!(matches!(reader.accept(&record), Ok(Step::Void(_))), "bytes without a seal count");
}

fn sealed(key: &Key, mut input: Unstructured<'_>) -> Result<()> {
    let mut reader = Reader::new(key.clone(), NodeId(0), BEHAVIOURS, Digest::default());
    // The living epochs, and their next numbers.
    let mut next = BTreeMap::new();
    while !input.is_empty() {
        let header = header(&mut input, &reader)?;
        let body = Vec::<u8>::arbitrary(&mut input)?;
        let Ok(mut bytes) = key.seal(&header, &body) else {
            continue;
        };
        let opened = Sealed::parse(&bytes).map(|sealed| (*sealed.header(), key.open(&sealed)));
        assert_eq!(opened, Ok((header, Ok(body))));
        let is_altered = u8::arbitrary(&mut input)? % 8 == 0;
        if is_altered {
            let bit = input.choose_index(8 * bytes.len())?;
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
        let record = Record { sequence: reader.read() + 1, stamp: LogTime(0), bytes: bytes.into() };
        let Ok(step) = reader.accept(&record) else {
            break;
        };
        let Step::Counts(pending) = step else {
            continue;
        };
        assert!(!is_altered, "an altered entry counts");
        let entry = pending.applied(&[0; 32]);
        let Header { kind, node, epoch, n, .. } = entry.header;
        if kind == Kind::Genesis {
            next.clear();
        }
        if kind.begins_an_epoch() {
            next.insert(node, (epoch, 1));
        } else {
            assert_eq!(next.insert(node, (epoch, n + 1)), Some((epoch, n)), "not the next of a living epoch");
        }
        if let Event::Gone { gone, closed: true } = entry.event {
            assert_eq!(next.remove(&gone.node).map(|(epoch, _)| epoch), Some(gone.epoch));
        }
    }
    Ok(())
}

/// A header, mostly near what would count.
fn header(input: &mut Unstructured<'_>, reader: &Reader) -> Result<Header> {
    let kinds = [Kind::Turn, Kind::Genesis, Kind::NodeUp, Kind::NodeGone, Kind::Raise];
    let kind = *input.choose(&kinds)?;
    let claim = if bool::arbitrary(input)? { reader.claim() } else { Claim::default() };
    Ok(Header {
        kind,
        behaviour: u16::from(u8::arbitrary(input)? % 4),
        generation: Generation { number: u64::from(u8::arbitrary(input)? % 3), tag: 0 },
        node: NodeId(u32::from(u8::arbitrary(input)? % 3)),
        epoch: u64::from(u8::arbitrary(input)? % 4),
        n: if kind.begins_an_epoch() { 0 } else { u64::from(u8::arbitrary(input)? % 8) },
        claim,
    })
}
