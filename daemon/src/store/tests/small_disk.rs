//! Tests of a store that fills a small disk by itself: its refusals leave enough space to recover. On a
//! tmpfs; if none can be mounted, the tests print this and pass.

use super::super::disk_space::{RESERVE, SpaceBefore};
use super::super::location;
use super::disk::{Disk, MIB};
use super::*;
use std::time::{Duration, Instant};

fn of_300(disk: &Disk) -> History {
    History { retain_messages: Some(300), ..history(disk.store()) }
}

/// The messages of one turn from clients that do not wait for replies.
fn turn(model: &mut Model) -> Writes {
    let text = "many words that are found again ".repeat(60);
    model.say(&[(1, &[("ana", text.as_str()); 100])])
}

/// Commits a turn. Returns whether it was stored.
fn send(store: &mut Store, model: &mut Model) -> bool {
    let (head, messages) = (model.head, model.messages.len());
    let kept = store.commit(&mut turn(model));
    if let Err(error) = &kept {
        assert!(matches!(error, StoreError::Full { .. }), "{error}");
        // As in the chat, numbers of refused messages are assigned again.
        model.head = head;
        model.heads.insert(room(1), head);
        model.messages.truncate(messages);
    }
    kept.is_ok()
}

/// Sends until a turn is refused, without removals. Returns the number of committed turns.
fn fill(store: &mut Store, model: &mut Model) -> usize {
    (0..1_000).position(|_| !send(store, model)).expect("1,000 turns of 200 KB fit on no such disk")
}

/// The hub's steps each second while the store fails.
fn probe(store: &mut Store) -> Result<(), StoreError> {
    store.probe()?;
    store.remove_expired(Timestamp(START))?;
    store.check_disk_space()
}

/// Waits until a turn is committed again: at once, unless the index first frees its space on its own thread.
fn assert_recovers(store: &mut Store, model: &mut Model) {
    wait_until("it does not recover", || {
        probe(store).is_ok() && send(store, model) && remove_all_allowed(store)
    });
}

/// False: the removal had not enough space.
fn remove_all_allowed(store: &mut Store) -> bool {
    loop {
        match store.remove_expired(Timestamp(START)) {
            Ok(Some(_)) => {}
            Ok(None) => return true,
            Err(StoreError::Full { .. }) => return false,
            Err(error) => panic!("{error}"),
        }
    }
}

async fn assert_all_is_there(readers: &Readers, model: &Model) {
    let oldest = readers.read_stats().await.unwrap().oldest;
    assert!(model.head - oldest + 1 >= 300, "{oldest} of {}", model.head);
    let range = Range { conversation: room(1), first: oldest, last: Seq::MAX };
    let caught = readers.read_gap(SessionId(1), vec![range], usize::MAX).await.unwrap();
    assert!(caught.lines == model.lines(|m| m.seq >= oldest), "what was acknowledged is there");
}

#[tokio::test]
async fn a_disk_filled_by_the_store_has_space_to_recover() {
    let Some(disk) = Disk::small() else { return };
    let (mut store, readers, _) = open(&of_300(&disk));
    let mut model = Model::default();
    store.commit(&mut Model::open(1)).unwrap();
    let kept = fill(&mut store, &mut model);
    assert!(kept > 40, "only {kept} turns of 200 KB in {MIB} MiB");
    assert_all_is_there(&readers, &model).await;
    assert_recovers(&mut store, &mut model);
    let bytes = disk.store().metadata().unwrap().len();
    for _ in 0..200 {
        assert_recovers(&mut store, &mut model);
    }
    assert_all_is_there(&readers, &model).await;
    assert!(
        disk.store().metadata().unwrap().len() < bytes + (1 << 20),
        "the room of what went is used again"
    );
    store.close().unwrap();
}

#[tokio::test]
async fn the_store_can_start_on_a_full_disk() {
    let Some(disk) = Disk::small() else { return };
    let mut model = Model::default();
    let (mut store, ..) = open(&of_300(&disk));
    store.commit(&mut Model::open(1)).unwrap();
    for how in ["closed", "killed", "closed"] {
        fill(&mut store, &mut model);
        match how {
            "closed" => store.close().unwrap(),
            _ => drop(store),
        }
        let readers;
        (store, readers, _) = open(&of_300(&disk));
        assert_recovers(&mut store, &mut model);
        assert_all_is_there(&readers, &model).await;
    }
}

#[tokio::test]
async fn during_a_long_read_the_write_ahead_log_stays_within_the_space_for_its_copy() {
    let Some(disk) = Disk::small() else { return };
    let (mut store, readers, _) = open(&of_300(&disk));
    let mut model = Model::default();
    store.commit(&mut Model::open(1)).unwrap();
    // As a backup does: nothing that is written from here on can be copied.
    let reader = rusqlite::Connection::open(disk.store()).unwrap();
    reader.execute_batch("BEGIN; SELECT count(*) FROM chunks").unwrap();
    let kept = fill(&mut store, &mut model);
    assert!(kept > 20, "only {kept} turns of 200 KB in {MIB} MiB");
    // A removal takes space, too, and gets none back while the reader holds the log.
    let mut removed = 0;
    while probe(&mut store).is_ok() {
        fill(&mut store, &mut model);
        removed += 1;
        assert!(removed < 100, "a write-ahead log that grows without end");
    }
    remove_all_allowed(&mut store);
    let pages = u64::try_from(store.count("PRAGMA page_count")).unwrap();
    let copy = (pages * location::PAGE_BYTES).saturating_sub(disk.store().metadata().unwrap().len());
    assert!(copy > 1 << 20 && copy <= disk.free(), "{copy} bytes to copy into {}", disk.free());
    reader.execute_batch("COMMIT").unwrap();
    assert_recovers(&mut store, &mut model);
    assert_all_is_there(&readers, &model).await;
}

#[test]
fn the_search_index_leaves_the_reserve_for_messages() {
    let Some(disk) = Disk::small() else { return };
    let (mut store, ..) = open(&history(disk.store()));
    let mut model = Model::default();
    store.commit(&mut Model::open(1)).unwrap();
    store.wait_for_index();
    store.hold_index(true);
    let mut words = 0..u64::MAX;
    let enough = disk.free() / 5 * 3;
    while disk.free() > enough {
        let text: Vec<_> = words.by_ref().take(900).map(|n| format!("{:x}", n * 2_654_435_761)).collect();
        let text = text.join(" ");
        store.commit(&mut model.say(&[(1, &[("ana", text.as_str()); 20])])).unwrap();
    }
    store.hold_index(false);
    // It does not hurry while nobody waits.
    store.parts().1.tell(|work| work.waiting = 1);
    let progress = store.parts().1.progress();
    wait_until("the index takes the whole disk", || progress.borrow().failing);
    assert!(disk.free() >= RESERVE, "{} bytes are left", disk.free());
    store.commit(&mut model.say(&[(1, &[("ana", "kept")])])).unwrap();
}

/// One message of a client that waits for each acknowledgement.
fn send_one(store: &mut Store, model: &mut Model, bytes: usize) -> bool {
    let (head, messages) = (model.head, model.messages.len());
    let text = "x".repeat(bytes);
    let kept = store.commit(&mut model.say(&[(1, &[("ana", text.as_str())])])).is_ok();
    if !kept {
        model.head = head;
        model.heads.insert(room(1), head);
        model.messages.truncate(messages);
    }
    kept
}

#[test]
fn a_disk_filled_by_single_messages_recovers_once_they_are_removed() {
    for (mib, bytes) in [(6, 7_000), (6, 2_000), (6, 200), (8, 7_000), (10, 7_000), (10, 2_000), (16, 7_000)]
    {
        let Some(disk) = Disk::of(mib) else { return };
        let retain = Some(Duration::from_secs(25));
        let (mut store, ..) = open(&History { retain, ..history(disk.store()) });
        let mut model = Model::default();
        store.commit(&mut Model::open(1)).unwrap();
        while send_one(&mut store, &mut model, bytes) {}
        // All of them are too old.
        let later = Timestamp(2 * START);
        let until = Instant::now() + Duration::from_secs(60);
        let mut again = || {
            store.probe()?;
            while store.remove_expired(later)?.is_some() {}
            store.check_disk_space()
        };
        while let Err(error) = again() {
            assert!(Instant::now() < until, "{mib} MiB of {bytes}: {error}; {} bytes are free", disk.free());
            std::thread::yield_now();
        }
        assert_eq!(store.count("SELECT count(*) FROM chunks"), 0);
        for n in 0..10 {
            assert!(send_one(&mut store, &mut model, bytes), "{mib} MiB of {bytes}: the {n}th");
        }
    }
}

#[test]
fn a_write_ahead_log_that_a_reader_holds_does_not_restart() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, ..) = open(&history(dir.path().join("chat.db")));
    let mut model = Model::default();
    store.commit(&mut Model::open(1)).unwrap();
    store.wait_for_index();
    let reader = rusqlite::Connection::open(dir.path().join("chat.db")).unwrap();
    reader.execute_batch("BEGIN; SELECT count(*) FROM chunks").unwrap();
    let copied = checkpoint::run(store.log(), "PASSIVE").unwrap();
    assert!(copied.pages > 0 && copied.uncopied() == 0, "{copied:?}");
    let wal = dir.path().join("chat.db-wal");
    let bytes = wal.metadata().unwrap().len();
    assert_eq!(SpaceBefore::measure(store.log()).unwrap().wal_at, bytes);
    store.commit(&mut model.say(&[(1, &[("ana", "behind what it holds")])])).unwrap();
    let longer = wal.metadata().unwrap().len();
    assert!(longer > bytes);
    reader.execute_batch("COMMIT").unwrap();
    checkpoint::run(store.log(), "PASSIVE").unwrap();
    // The index also reads the log for a moment.
    wait_until("the write-ahead log does not restart", || {
        SpaceBefore::measure(store.log()).unwrap().wal_at == 0
    });
    store.commit(&mut model.say(&[(1, &[("ana", "from the front")])])).unwrap();
    assert_eq!(wal.metadata().unwrap().len(), longer);
}

#[test]
fn the_disk_of_the_linked_file_counts_for_a_store_behind_a_link() {
    let Some(disk) = Disk::small() else { return };
    let dir = tempfile::tempdir().unwrap();
    let link = dir.path().join("link.db");
    std::os::unix::fs::symlink(disk.store(), &link).unwrap();
    let (mut store, ..) = open(&History { max_bytes: MaxBytes::HalfOfDisk, ..history(&link) });
    store.commit(&mut Model::open(1)).unwrap();
    store.wait_for_index();
    let (_, shared, checkpoints) = store.parts();
    assert!(checkpoints.free_bytes().unwrap() <= MIB << 20);
    assert!(shared.max_bytes.unwrap() <= MIB << 19);
    assert_eq!(shared.log.folder().canonicalize().unwrap(), disk.0.path().canonicalize().unwrap());
    let index = shared.index.files().remove(0);
    assert_eq!(index, disk.0.path().canonicalize().unwrap().join("chat.db-search"));
    assert!(index.exists());
    store.close().unwrap();
}

#[test]
fn a_disk_that_reports_no_size_is_not_full() {
    let Some(disk) = Disk::of(0) else { return };
    assert_eq!(location::free_bytes(disk.0.path()), None);
    let history = History { max_bytes: MaxBytes::HalfOfDisk, ..history(disk.store()) };
    let (mut store, ..) = open(&history);
    // As an older version stored it for a disk without a size.
    store.log().execute("UPDATE totals SET max_bytes = 1048576", []).unwrap();
    store.close().unwrap();
    let (mut store, ..) = open(&history);
    store.commit(&mut Model::open(1)).unwrap();
    let mut model = Model::default();
    for _ in 0..20 {
        assert!(send(&mut store, &mut model));
    }
    store.check_disk_space().unwrap();
    store.wait_for_index();
    assert_eq!(store.parts().1.max_bytes, None, "there is nothing to take half of");
    store.close().unwrap();
}
