//! Owns a log in memory: it seals turns into entries as a node publishes them, and puts them into a stream with void
//! records in between. Used by the tests that replay a log. Never applies a turn.

use std::time::Duration;
use tcp_chat_state::{BEHAVIOUR, Turn};
use tcp_chat_turn_log::{
    Behaviours, Digest, Entry, Generation, Hello, KEY_BYTES, Key, LogTime, NodeId, Proposal, Proposer,
    Reader, Record, Step,
};

/// The node that publishes all turns.
pub(crate) const PROPOSER: NodeId = NodeId(7);
/// What this version follows.
pub(crate) const BEHAVIOURS: Behaviours = Behaviours { oldest: BEHAVIOUR, newest: BEHAVIOUR };
/// No time passes for the proposer: it publishes each entry once.
const NOW: Duration = Duration::ZERO;

/// The key of every log in the tests.
pub(crate) fn key() -> Key {
    Key::new(&[7; KEY_BYTES]).unwrap()
}

/// A reader of a log from its beginning.
pub(crate) fn reader() -> Reader {
    Reader::new(key(), PROPOSER, BEHAVIOURS, Digest::default())
}

/// The end of a log, where turns are added.
pub(crate) struct Writer {
    proposer: Proposer,
    pub(crate) records: Vec<Record>,
}

impl Writer {
    /// Begins a log at that time, in milliseconds since 1970: its first record is the genesis.
    pub(crate) fn new(reader: &Reader, time: u64) -> Self {
        let mut proposer = Proposer::new(key(), PROPOSER, Duration::from_secs(60), NOW);
        proposer.connected();
        let hello = Hello { behaviours: BEHAVIOURS, details: b"chat1".to_vec() };
        proposer.found(reader, Generation { number: 1, tag: 42 }, BEHAVIOUR, &hello, NOW).unwrap();
        let mut writer = Self { proposer, records: Vec::new() };
        writer.publish(time);
        writer
    }

    /// Seals a turn. `reader` is the proposer's. The entry before must be read.
    pub(crate) fn seal(&mut self, reader: &Reader, turn: &Turn) {
        let body = turn.encode().expect("a short turn");
        self.proposer.propose(reader, Proposal::Turn(&body), NOW).expect("room for an entry");
        self.publish(turn.time);
    }

    /// Stores the newest record once more, as a resend does. It is void.
    pub(crate) fn repeat(&mut self) {
        let Record { stamp, bytes, .. } = self.records.last().expect("a record").clone();
        self.push(stamp, bytes);
    }

    /// The proposer has read its entry.
    pub(crate) fn counted(&mut self, entry: &Entry) {
        self.proposer.counted(entry, NOW);
    }

    fn publish(&mut self, time: u64) {
        for bytes in self.proposer.to_send(NOW) {
            self.push(LogTime(time), bytes);
        }
    }

    fn push(&mut self, stamp: LogTime, bytes: std::sync::Arc<[u8]>) {
        self.records.push(Record { sequence: self.records.len() as u64 + 1, stamp, bytes });
    }
}

/// Reads a record. An entry that counts becomes a turn, which `apply` applies; it returns the digest of the writes.
pub(crate) fn read(
    reader: &mut Reader,
    record: &Record,
    apply: impl FnOnce(Turn) -> [u8; 32],
) -> Option<Entry> {
    match reader.accept(record).unwrap_or_else(|halt| panic!("record {}: {halt}", record.sequence)) {
        Step::Void(_) => None,
        Step::Counts(pending) => {
            let outcome = apply(turn_of(pending.entry()));
            Some(pending.applied(&outcome))
        }
    }
}

/// The turn that an entry is, at the time of the log.
fn turn_of(entry: &Entry) -> Turn {
    use tcp_chat_state::{Intent, NodeId};
    use tcp_chat_turn_log::Event;
    let time = entry.time.0;
    match &entry.event {
        Event::Turn(body) => Turn { time, ..Turn::decode(body).expect("an encoded turn") },
        Event::Genesis(_) => {
            let nodes = [NodeId::LOCAL, NodeId(entry.header.node.0)];
            Turn { intents: nodes.map(Intent::NodeUp).into(), ..Turn::empty(time) }
        }
        other => panic!("{other:?}"),
    }
}
