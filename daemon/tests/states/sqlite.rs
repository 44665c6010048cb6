//! Owns the real store as a [`Shelf`], so that a state is rebuilt from SQLite. Used by the proof. Never removes old
//! messages from the file: only the state is told about retention.

use super::state::Shelf;
use tcp_chat_protocol::Seq;
use tcp_chat_state::{Erasure, ErasureStep, Past, Snapshot, Sought, Writes};
use tcp_chatd::settings::{Durability, History, MaxBytes};
use tcp_chatd::store::Store;

/// The settings of a store in this folder, without limits.
pub(crate) fn history(folder: &tempfile::TempDir) -> History {
    History {
        path: Some(folder.path().join("log.db")),
        durability: Durability::Crash,
        retain: None,
        retain_messages: None,
        max_bytes: MaxBytes::Unlimited,
    }
}

pub(crate) struct Sqlite {
    /// `None` only while the file is reopened.
    store: Option<Store>,
    found: Option<Snapshot>,
    history: History,
    _folder: tempfile::TempDir,
}

impl Sqlite {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let history = history(&folder);
        let (store, _, found) = Store::open(&history).unwrap();
        Self { store: Some(store), found: Some(found), history, _folder: folder }
    }

    fn store(&mut self) -> &mut Store {
        self.store.as_mut().unwrap()
    }
}

impl Shelf for Sqlite {
    fn write(&mut self, mut writes: Writes) {
        if !writes.is_empty() {
            self.store().commit(&mut writes).unwrap();
        }
    }

    fn found(&mut self) -> Snapshot {
        // The identity of the log is random.
        let of_no_log = |found: Snapshot| Snapshot { log: tcp_chat_state::LogId::default(), ..found };
        if let Some(found) = self.found.take() {
            return of_no_log(found);
        }
        self.store.take().unwrap().close().unwrap();
        let (store, _, found) = Store::open(&self.history).unwrap();
        self.store = Some(store);
        of_no_log(found)
    }

    fn past(&mut self, sought: Option<Sought>) -> Past {
        let found = sought.and_then(|sought| match sought {
            Sought::Sent(session, id) => self
                .store()
                .find_sent(session, &id)
                .unwrap()
                .map(|(conversation, seq)| Past::Kept(conversation, seq)),
            Sought::Message(seq) => {
                self.store().find_message(seq).unwrap().map(|found| Past::Message(found.message))
            }
        });
        found.unwrap_or(Past::Absent)
    }

    fn erasure_step(&mut self, erasure: &Erasure) -> ErasureStep {
        self.store().propose_erasure(erasure, 0).unwrap().expect("room on the disk")
    }

    fn forget(&mut self, _: Seq) {}
}
