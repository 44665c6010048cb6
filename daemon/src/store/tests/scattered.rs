//! Tests of removals on a full small disk whose rows are scattered over the store's file, or that free many
//! pages: each must fit into the reserve that turns leave. On a tmpfs.

use super::super::disk_space::RemovalBudget;
use super::super::message_age::AgeScan;
use super::super::retention;
use super::disk::Disk;
use super::*;
use std::time::{Duration, Instant};

/// The time at which every message is too old.
const LATER: Timestamp = Timestamp(START * 2);

/// A store on its own small disk, and the model of its messages.
struct Full {
    disk: Disk,
    store: Store,
    model: Model,
    ids: u64,
}

impl Full {
    fn new(mib: u64, sessions: i64) -> Option<Self> {
        let disk = Disk::of(mib)?;
        let retain = Some(Duration::from_secs(25));
        let (mut store, ..) = open(&History { retain, ..history(disk.store()) });
        let sessions = (1..=sessions).map(|n| SessionChange::Put(session_row(n))).collect();
        store.commit(&mut Writes { sessions, ..Model::open(1) }).unwrap();
        Some(Self { disk, store, model: Model::default(), ids: 0 })
    }

    /// Sends so many messages in one turn, with the ids that `id` makes. False: they were refused.
    fn send(
        &mut self,
        text: &str,
        count: usize,
        mut id: impl FnMut(u64) -> Option<(i64, RequestId)>,
    ) -> bool {
        let (head, messages) = (self.model.head, self.model.messages.len());
        let mut writes = self.model.say(&[(1, &vec![("ana", text); count][..])]);
        let sent = (head + 1..=self.model.head).filter_map(|seq| {
            self.ids += 1;
            let (session, id) = id(self.ids)?;
            Some(Sent { session: SessionId(session), id, conversation: room(1), seq })
        });
        writes.sent = sent.collect();
        let kept = self.store.commit(&mut writes);
        if let Err(error) = &kept {
            assert!(matches!(error, StoreError::Full { .. }), "{error}");
            self.model.head = head;
            self.model.heads.insert(room(1), head);
            self.model.messages.truncate(messages);
        }
        kept.is_ok()
    }

    /// The hub's steps while the store fails.
    fn probe(&mut self) -> Result<(), StoreError> {
        self.store.probe()?;
        self.store.remove_expired(LATER)?;
        self.store.check_disk_space()
    }

    fn assert_recovers(&mut self) {
        let until = Instant::now() + Duration::from_secs(20);
        while let Err(error) = self.probe() {
            let (free, chunks) = (self.disk.free(), self.store.count("SELECT count(*) FROM chunks"));
            assert!(Instant::now() < until, "{error}: {free} bytes are free, {chunks} chunks are left");
            std::thread::yield_now();
        }
    }

    /// Removes all messages. Returns how many were removed.
    fn remove_all(&mut self) -> u64 {
        let mut removed = 0;
        while let Some(slice) = self.store.remove_expired(LATER).unwrap() {
            removed += slice.age;
        }
        removed
    }
}

/// A random id, as clients make it.
fn random(n: u64) -> RequestId {
    RequestId::Text(crate::auth::sha256(&n.to_be_bytes()).to_string()[..32].into())
}

#[test]
fn ids_of_many_sessions_do_not_keep_a_small_disk_full() {
    let Some(mut full) = Full::new(16, 250) else { return };
    let id = |n: u64| Some((i64::try_from(n * 97 % 250).unwrap() + 1, RequestId::Number(n)));
    for at_once in [40, 1] {
        while full.send(&"x".repeat(60), at_once, id) {}
    }
    full.assert_recovers();
    assert!(full.send("x", 1, id));
}

#[test]
fn a_chunk_with_too_many_ids_is_removed_after_its_ids() {
    let Some(mut full) = Full::new(12, 1) else { return };
    let id = |n| Some((1, random(n)));
    while full.send(&"x".repeat(40), 2_000, id) {}
    let said = full.model.head;
    let (chunks, filed) = ("SELECT count(*) FROM chunks", "SELECT count(*) FROM sent_as");
    let (had, ids) = (full.store.count(chunks), full.store.count(filed));
    assert!(ids > 1_000, "{ids} are filed");
    let began = Instant::now();
    while full.store.count(filed) == ids {
        let _ = full.probe();
        assert!(began.elapsed() < Duration::from_secs(20), "{} bytes are free", full.disk.free());
    }
    assert_eq!(full.store.count(chunks), had, "the chunk is there as long as some of its ids are");
    full.assert_recovers();
    full.remove_all();
    for table in ["chunks", "sent", "sent_as"] {
        assert_eq!(full.store.count(&format!("SELECT count(*) FROM {table}")), 0, "{table}");
    }
    assert_eq!(full.store.count("SELECT messages FROM totals"), 0, "of {said}");
    assert!(full.send("x", 2_000, id));
}

#[test]
fn a_long_chunk_does_not_keep_a_small_disk_full() {
    for (mib, first) in [(8, 900_000), (24, 4_000_000)] {
        let Some(mut full) = Full::new(mib, 1) else { return };
        assert!(full.send(&"x".repeat(first), 1, |_| None));
        while full.send(&"x".repeat(7_000), 1, |_| None) {}
        full.assert_recovers();
        assert!(full.send("x", 1, |_| None));
    }
}

#[test]
fn a_removal_on_a_full_disk_tries_smaller_slices() {
    let Some(mut full) = Full::new(12, 1) else { return };
    while full.send(&"x".repeat(40), 500, |n| Some((1, random(n)))) {}
    // Only this test frees or takes space on this disk.
    drop(full.store.indexer.take());
    full.store.probe().unwrap();
    // Another program takes all but a few pages.
    let filler = full.disk.store().with_file_name("filler");
    let free = usize::try_from(full.disk.free()).unwrap().saturating_sub(60_000);
    std::fs::write(&filler, vec![1; free]).unwrap();
    for halved in [1, 2] {
        let removed = full.store.remove_expired(LATER);
        assert!(matches!(removed, Err(StoreError::Full { .. })), "{removed:?}");
        assert_eq!(full.store.halvings, halved);
        assert!(!full.store.has_grown(), "the hub would try again in each turn");
    }
    std::fs::remove_file(&filler).unwrap();
    full.assert_recovers();
    full.remove_all();
    assert_eq!(full.store.halvings, 0, "the next slice is a whole one");
}

#[test]
fn a_decided_chunk_is_removed_even_if_the_limit_was_raised() {
    let (mut store, ..) = open(&in_memory());
    let mut model = Model::default();
    store.commit(&mut Model::open(1)).unwrap();
    let said: Vec<_> = (0..100).map(|_| ("ana", "x")).collect();
    let mut writes = model.say(&[(1, &said)]);
    writes.sessions = vec![SessionChange::Put(session_row(1))];
    let sent = |seq| Sent { session: SessionId(1), id: RequestId::Number(seq), conversation: room(1), seq };
    writes.sent = (1..=100).map(sent).collect();
    store.commit(&mut writes).unwrap();
    let little = Some(RemovalBudget { bytes: 8 << 20, rows: 10 });
    // The history was too large when this was decided, and its limit was raised since.
    let next = |store: &mut Store, oldest| {
        let bounds = retention::Bounds::new(&in_memory(), Timestamp(START), 0, oldest, little, 0);
        retention::next_slice(
            store.log(),
            &bounds,
            100,
            retention::RemovalKind::Sessions,
            &mut AgeScan::default(),
        )
        .unwrap()
    };
    assert!(next(&mut store, 1).is_none(), "nothing is decided");
    let slice = next(&mut store, 101).expect("it goes");
    slice.delete(store.log()).unwrap();
    let (ids, messages) =
        ("SELECT count(*) FROM sent", "SELECT ifnull(sum(last - first + 1), 0) FROM chunks");
    assert!(store.count(ids) < 100 && store.count(messages) == 100);
    while let Some(slice) = next(&mut store, 101) {
        slice.delete(store.log()).unwrap();
    }
    assert_eq!((store.count(ids), store.count(messages)), (0, 0));
}
