//! Tests of the write-ahead log: when it is copied into the store, when it restarts, that it stays when the
//! writer is lost, and that a cut is detected. A log that is removed or moved is tested in `open_files`.

use super::super::location::Location;
use super::open_files::Case;
use super::*;

#[test]
fn a_lost_writer_leaves_its_write_ahead_log() {
    let dir = tempfile::tempdir().unwrap();
    let place = Location::File(dir.path().join("chat.db"));
    let wal = dir.path().join("chat.db-wal");
    let log = schema::open_writer(&place, Durability::Crash).unwrap();
    log.execute_batch("UPDATE totals SET head = head + 1").unwrap();
    drop(log);
    let bytes = wal.metadata().unwrap().len();
    assert!(bytes > 0);
    let log = schema::reopen_writer(&place, Durability::Crash).unwrap();
    log.query_row("SELECT head FROM totals", [], |_| Ok(())).unwrap();
    drop(log);
    assert_eq!(wal.metadata().unwrap().len(), bytes);
}

/// Opens a store with these checkpoint thresholds.
fn with_pages(path: &Path, pages: checkpoint::Thresholds) -> (Store, Readers) {
    let (mut store, readers, _) = open(&history(path));
    // The reads of the index would delay the restart of the write-ahead log.
    store.indexer = None;
    *store.parts().2 = checkpoint::Checkpoints::start(&Location::File(path.to_owned()), pages).unwrap();
    (store, readers)
}

/// The number of pages of the write-ahead log, and how many of them are not copied.
fn length(store: &mut Store) -> (i64, i64) {
    let pages = |row: &rusqlite::Row<'_>| Ok((row.get(1)?, row.get::<_, i64>(1)? - row.get::<_, i64>(2)?));
    store.log().query_row("PRAGMA wal_checkpoint(NOOP)", [], pages).unwrap()
}

#[tokio::test]
async fn the_write_ahead_log_restarts_under_writes_and_reads() {
    let dir = tempfile::tempdir().unwrap();
    let pages = checkpoint::Thresholds {
        measure_every: 1,
        copy_from: 20,
        pause_from: 100,
        restart_from: 200,
        ..Default::default()
    };
    let (mut store, readers) = with_pages(&dir.path().join("chat.db"), pages);
    let mut model = Model::default();
    store.commit(&mut Model::open(1)).unwrap();
    let long = "x".repeat(8_000);
    let page = PageOf { conversation: room(1), before: None, after: None, limit: 1 };
    let (mut pages, mut starts) = (0, 0);
    for turn in 0.. {
        store.commit(&mut model.say(&[(1, &[("ana", long.as_str()); 5])])).unwrap();
        readers.read_page(page).await.unwrap();
        let (now, _) = length(&mut store);
        starts += u32::from(now < pages);
        pages = now;
        if starts == 3 {
            break;
        }
        assert!(turn < 5_000, "it started over {starts} times, and has {pages} pages");
    }
}

#[test]
fn in_a_pause_all_is_copied_and_the_next_turn_restarts_the_log() {
    let dir = tempfile::tempdir().unwrap();
    // The writer itself would never restart the log.
    let pages = checkpoint::Thresholds {
        measure_every: 1,
        copy_from: 20,
        pause_from: 100,
        restart_from: i64::MAX,
        ..Default::default()
    };
    let (mut store, _readers) = with_pages(&dir.path().join("chat.db"), pages);
    let mut model = Model::default();
    store.commit(&mut Model::open(1)).unwrap();
    let long = "x".repeat(8_000);
    while length(&mut store).0 < 100 {
        store.commit(&mut model.say(&[(1, &[("ana", long.as_str()); 5])])).unwrap();
    }
    let (before, _) = length(&mut store);
    wait_until("some pages are not copied", || length(&mut store).1 == 0);
    store.commit(&mut model.say(&[(1, &[("ana", "hello")])])).unwrap();
    let (after, _) = length(&mut store);
    assert!(after < before, "{after} pages, {before} before");
}

#[test]
fn a_redacted_text_leaves_the_write_ahead_log_while_turns_come_without_a_pause() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("chat.db");
    // Nothing else would copy the log or restart it.
    let pages = checkpoint::Thresholds {
        copy_from: i64::MAX,
        restart_from: i64::MAX,
        truncate_within: Duration::ZERO,
        ..Default::default()
    };
    let (mut store, _readers) = with_pages(&path, pages);
    let mut model = Model::default();
    store.commit(&mut Model::open(1)).unwrap();
    store.commit(&mut model.say(&[(1, &[("ana", "hunter2zx")])])).unwrap();
    let by = Some(name("mo"));
    let redactions = vec![tcp_chat_state::Redaction { seq: 1, by, reason: "".into() }];
    store.commit(&mut Writes { redactions, ..Writes::default() }).unwrap();
    // Each file is read after a turn and before the next one: there is no pause.
    wait_until("the text is in a file", || {
        store.commit(&mut model.say(&[(1, &[("ana", "hello")])])).unwrap();
        let has = |file: std::path::PathBuf| {
            std::fs::read(file).is_ok_and(|bytes| memchr::memmem::find(&bytes, b"hunter2zx").is_some())
        };
        !has(path.clone()) && !has(dir.path().join("chat.db-wal"))
    });
}

#[test]
fn a_cut_write_ahead_log_is_detected() {
    let mut case = Case::new();
    let wal = case.path("-wal");
    std::fs::File::options().write(true).open(&wal).unwrap().set_len(4096).unwrap();
    case.assert_lost(StoreFile::Wal, &wal);
    assert!(case.send("refused").is_err());

    // Cut to nothing, and a turn comes before any check.
    let mut case = Case::new();
    case.send("before, too").unwrap();
    std::fs::File::options().write(true).open(case.path("-wal")).unwrap().set_len(0).unwrap();
    assert!(case.send("refused").is_err());
    // Cut, and then extended to its old length.
    let mut case = Case::new();
    let (wal, bytes) = (case.path("-wal"), case.path("-wal").metadata().unwrap().len());
    let file = std::fs::File::options().write(true).open(&wal).unwrap();
    file.set_len(0).unwrap();
    file.set_len(bytes).unwrap();
    case.assert_lost(StoreFile::Wal, &wal);
}

#[test]
fn the_busy_timeout_is_restored_after_a_copy() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, ..) = open(&history(dir.path().join("chat.db")));
    store.commit(&mut Model::open(1)).unwrap();
    assert_eq!(store.count("PRAGMA busy_timeout"), 100);
    store.wait_longer_for_locks();
    for how in [checkpoint::restart_wal, checkpoint::try_restart_wal, checkpoint::truncate_wal] {
        how(store.log()).unwrap();
        assert_eq!(store.count("PRAGMA busy_timeout"), 5_000);
    }
    store.probe().unwrap();
    assert_eq!(store.count("PRAGMA busy_timeout"), 5_000);
}
