//! The write-ahead log: when it is copied into the store, starts over and stays, and that one that was cut is found out.
//! Run by the store's tests. One that is removed or moved is in `files`.

use super::super::place::Place;
use super::files::Case;
use super::*;

#[test]
fn a_writer_that_is_lost_leaves_its_write_ahead_log() {
    let dir = tempfile::tempdir().unwrap();
    let place = Place::File(dir.path().join("chat.db"));
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

/// A store that has such a write-ahead log.
fn with_pages(path: &Path, pages: wal::Pages) -> (Store, Readers) {
    let (mut store, readers, _) = open(&history(path));
    // What the index reads would keep the write-ahead log from starting over.
    store.indexer = None;
    *store.parts().2 = wal::Checkpoints::start(&Place::File(path.to_owned()), pages).unwrap();
    (store, readers)
}

/// How many pages that has, and how many of them are not copied.
fn length(store: &mut Store) -> (i64, i64) {
    let pages = |row: &rusqlite::Row<'_>| Ok((row.get(1)?, row.get::<_, i64>(1)? - row.get::<_, i64>(2)?));
    store.log().query_row("PRAGMA wal_checkpoint(NOOP)", [], pages).unwrap()
}

#[tokio::test]
async fn the_write_ahead_log_starts_over_while_others_write_and_read() {
    let dir = tempfile::tempdir().unwrap();
    let pages = wal::Pages { look_every: 1, copy: 20, long: 100, too_long: 200 };
    let (mut store, readers) = with_pages(&dir.path().join("chat.db"), pages);
    let mut model = Model::default();
    store.commit(Model::open(1)).unwrap();
    let long = "x".repeat(8_000);
    let page = PageOf { conversation: room(1), before: None, after: None, limit: 1 };
    let (mut pages, mut starts) = (0, 0);
    for turn in 0.. {
        store.commit(model.say(&[(1, &[("ana", long.as_str()); 5])])).unwrap();
        readers.page(page).await.unwrap();
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
fn in_a_lull_all_is_copied_and_the_next_turn_starts_over_by_itself() {
    let dir = tempfile::tempdir().unwrap();
    // The writer would never do it.
    let pages = wal::Pages { look_every: 1, copy: 20, long: 100, too_long: i64::MAX };
    let (mut store, _readers) = with_pages(&dir.path().join("chat.db"), pages);
    let mut model = Model::default();
    store.commit(Model::open(1)).unwrap();
    let long = "x".repeat(8_000);
    while length(&mut store).0 < 100 {
        store.commit(model.say(&[(1, &[("ana", long.as_str()); 5])])).unwrap();
    }
    let (before, _) = length(&mut store);
    wait_until("some pages are not copied", || length(&mut store).1 == 0);
    store.commit(model.say(&[(1, &[("ana", "hello")])])).unwrap();
    let (after, _) = length(&mut store);
    assert!(after < before, "{after} pages, {before} before");
}

#[test]
fn a_write_ahead_log_that_is_cut_is_found_out() {
    let mut case = Case::new();
    let wal = case.path("-wal");
    std::fs::File::options().write(true).open(&wal).unwrap().set_len(4096).unwrap();
    case.is_lost(Which::Wal, &wal);
    assert!(case.says("refused").is_err());

    // Cut to nothing, and a turn comes before anyone looks.
    let mut case = Case::new();
    case.says("before, too").unwrap();
    std::fs::File::options().write(true).open(case.path("-wal")).unwrap().set_len(0).unwrap();
    assert!(case.says("refused").is_err());
    // Cut, and made as long as it was.
    let mut case = Case::new();
    let (wal, bytes) = (case.path("-wal"), case.path("-wal").metadata().unwrap().len());
    let file = std::fs::File::options().write(true).open(&wal).unwrap();
    file.set_len(0).unwrap();
    file.set_len(bytes).unwrap();
    case.is_lost(Which::Wal, &wal);
}

#[test]
fn patience_outlasts_a_copy() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, ..) = open(&history(dir.path().join("chat.db")));
    store.commit(Model::open(1)).unwrap();
    assert_eq!(store.count("PRAGMA busy_timeout"), 100);
    store.be_patient();
    for how in [wal::start_over, wal::start_over_at_once, wal::cut] {
        how(store.log()).unwrap();
        assert_eq!(store.count("PRAGMA busy_timeout"), 5_000);
    }
    store.probe().unwrap();
    assert_eq!(store.count("PRAGMA busy_timeout"), 5_000);
}
