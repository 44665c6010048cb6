//! Owns a node with a real store: it reads a log, applies its turns, and commits several of them in one transaction with the
//! place. Used by the test that replays a log. Never proposes a turn.

use super::sealed;
use super::sqlite::history;
use super::state::rules;
use tcp_chat_protocol::Timestamp;
use tcp_chat_state::{Snapshot, State, Writes};
use tcp_chat_turn_log::{Digest, Entry, Reader, Record, Saved};
use tcp_chatd::settings::History;
use tcp_chatd::store::Store;

pub(crate) struct Node {
    name: &'static str,
    /// `None` only while the file is reopened.
    store: Option<Store>,
    state: State,
    pub(crate) reader: Reader,
    /// The writes of the turns that are applied and not committed.
    waiting: Writes,
    history: History,
    _folder: tempfile::TempDir,
}

impl Node {
    pub(crate) fn new(name: &'static str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let history = history(&folder);
        let (mut store, _, found) = Store::open_as(&history, Some(name)).unwrap();
        let reader = sealed::reader();
        store.enter_cluster(name, &reader.saved().encode()).unwrap();
        let state = restore(found);
        let waiting = Writes::default();
        Self { name, store: Some(store), state, reader, waiting, history, _folder: folder }
    }

    /// Reads the records after the last one that it has read, and returns the entries that count.
    pub(crate) fn read(&mut self, records: &[Record]) -> Vec<Entry> {
        let from = usize::try_from(self.reader.read()).unwrap();
        records.iter().skip(from).filter_map(|record| self.read_one(record)).collect()
    }

    fn read_one(&mut self, record: &Record) -> Option<Entry> {
        let Self { reader, state, waiting, .. } = self;
        sealed::read(reader, record, |turn| {
            let writes = state.apply(turn, |_, changes, _| changes.clear());
            let digest = writes.digest();
            waiting.append(writes);
            digest
        })
    }

    /// Commits what was applied since the last time, with the place of the last turn.
    pub(crate) fn commit(&mut self) {
        let place = self.reader.saved().encode();
        self.store.as_mut().unwrap().commit_at(&mut self.waiting, Some(&place)).unwrap();
        self.waiting = Writes::default();
    }

    /// Removes a slice of what retention has decided, after a commit: a store does so when it has the time.
    pub(crate) fn remove_slice(&mut self) {
        let (store, oldest) = (self.store.as_mut().unwrap(), self.state.snapshot().oldest);
        store.remove_slice(Timestamp(0), oldest).unwrap();
    }

    /// The process is killed, and another one goes on where the store is.
    pub(crate) fn restart(&mut self) {
        self.waiting = Writes::default();
        drop(self.store.take());
        let (store, _, found) = Store::open_as(&self.history, Some(self.name)).unwrap();
        let place = Saved::decode(&store.node().unwrap().place).unwrap();
        self.reader = Reader::resume(sealed::key(), sealed::PROPOSER, sealed::BEHAVIOURS, place).unwrap();
        self.state = restore(found);
        self.store = Some(store);
    }

    /// The digests of the log and of all writes.
    pub(crate) fn digest(&self) -> Digest {
        self.reader.claim().digest
    }

    /// The facts, without the identity of the log: it is random, and a node that joins gets that of the others.
    pub(crate) fn facts(&self) -> tcp_chat_state::Facts {
        let mut facts = self.state.facts();
        facts.remove("log");
        facts
    }
}

fn restore(found: Snapshot) -> State {
    let policy = found.rules.clone().unwrap_or_else(rules);
    State::restore(policy, found, 0)
}
