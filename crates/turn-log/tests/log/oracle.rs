//! Which turns count, by a second implementation of the rules: slow, short, and without a line of the reader.

use std::collections::{BTreeMap, HashSet};
use tcp_chat_turn_log::{Gone, Key, Kind, NodeId, Record, Sealed};

/// The bodies of the turns that count, in order.
pub(crate) fn counted(key: &Key, records: &[Record]) -> Vec<Vec<u8>> {
    let mut turns = Vec::new();
    let mut generation = None;
    // The last epoch of each node, and what it waits for; a closed epoch waits for nothing.
    let mut waits: BTreeMap<u32, (u64, Option<u64>)> = BTreeMap::new();
    for record in records {
        let sealed = Sealed::parse(&record.bytes).unwrap();
        let header = *sealed.header();
        let body = key.open(&sealed).unwrap();
        let node = header.node.0;
        match header.kind {
            Kind::Genesis => {
                if generation.is_none() {
                    generation = Some(header.generation);
                    waits.insert(node, (1, Some(1)));
                }
                continue;
            }
            _ if generation != Some(header.generation) => continue,
            Kind::NodeUp => {
                let last = waits.get(&node).map_or(0, |(epoch, _)| *epoch);
                if header.epoch == last + 1 {
                    waits.insert(node, (header.epoch, Some(1)));
                }
                continue;
            }
            _ => {}
        }
        if waits.get(&node) != Some(&(header.epoch, Some(header.n))) {
            continue;
        }
        waits.insert(node, (header.epoch, Some(header.n + 1)));
        match header.kind {
            Kind::NodeGone => {
                let gone = gone(&body);
                let last = waits.get_mut(&gone.node.0);
                if let Some((_, wait)) = last.filter(|(epoch, _)| *epoch == gone.epoch) {
                    *wait = None;
                }
            }
            Kind::Turn => turns.push(body),
            kind => panic!("the model does not propose {kind:?}"),
        }
    }
    let distinct: HashSet<_> = turns.iter().collect();
    assert_eq!(distinct.len(), turns.len(), "the model gave one text to two turns");
    turns
}

/// The body of a `NodeGone`: two numbers in LEB128.
fn gone(body: &[u8]) -> Gone {
    let mut numbers = [0_u64; 2];
    let (mut at, mut shift) = (0, 0);
    for byte in body {
        numbers[at] |= u64::from(byte & 0x7F) << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            at += 1;
            shift = 0;
        }
    }
    Gone { node: NodeId(u32::try_from(numbers[0]).unwrap()), epoch: numbers[1] }
}
