//! Tests of other programs that change the bytes of the store's files while it is in use: what the store
//! detects, and what is no loss. Files that are removed, moved or replaced are in `open_files`.

use super::open_files::{Case, texts};
use super::*;

#[tokio::test]
async fn the_next_turn_detects_a_backup_restored_into_the_store() {
    let mut case = Case::new();
    let (store, backup) = (case.path(""), case.dir.path().join("backup.db"));
    case.readers.backup(&backup).await.unwrap();
    case.send("after the backup").unwrap();
    // As `.restore` of the sqlite3 command does it, with all locks.
    let mut other = rusqlite::Connection::open(&store).unwrap();
    other.restore(rusqlite::MAIN_DB, &backup, None::<fn(rusqlite::backup::Progress)>).unwrap();
    drop(other);
    for _ in 0..2 {
        let refused = case.send("refused").unwrap_err();
        assert!(matches!(refused, StoreError::Lost { which: StoreFile::Store, .. }), "{refused}");
    }
    drop((case.store, case.readers));
    assert_eq!(texts(&store), ["before"]);
}

#[test]
fn allowed_changes_by_other_programs_are_no_loss() {
    let mut case = Case::new();
    let store = case.path("");
    let other = rusqlite::Connection::open(&store).unwrap();
    for how in ["PASSIVE", "RESTART", "TRUNCATE"] {
        for _ in 0..20 {
            case.send("some text that takes pages").unwrap();
        }
        other.query_row(&format!("PRAGMA wal_checkpoint({how})"), [], |_| Ok(())).unwrap();
        case.store.check_files().unwrap();
    }
    other
        .execute_batch("CREATE TABLE big (x); INSERT INTO big VALUES (zeroblob(1000000)); DROP TABLE big")
        .unwrap();
    other.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    case.store.check_files().unwrap();
    other.execute_batch("VACUUM; PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    case.store.check_files().unwrap();
    case.send("on").unwrap();
    case.store.probe().unwrap();
    case.store.close().unwrap();
}

#[test]
fn a_turn_waits_briefly_for_a_foreign_lock_and_a_probe_not_at_all() {
    let mut case = Case::new();
    let wait = |store: &mut Store| store.count("PRAGMA busy_timeout");
    assert!(wait(&mut case.store) <= 100);
    let other = rusqlite::Connection::open(case.path("")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert!(matches!(case.send("refused"), Err(StoreError::Busy { .. })));
    assert!(matches!(case.store.probe(), Err(StoreError::Busy { .. })));
    assert!(wait(&mut case.store) <= 100);
    case.store.lose_connection();
    assert!(matches!(case.store.probe(), Err(StoreError::Busy { .. })));
    assert!(wait(&mut case.store) <= 100);
    other.execute_batch("ROLLBACK").unwrap();
    case.store.probe().unwrap();
    case.send("kept").unwrap();
}

#[test]
fn a_cut_or_overwritten_store_is_detected_for_good() {
    for cut in [0, 8192] {
        let mut case = Case::new();
        let store = case.path("");
        case.store.log().query_row("PRAGMA wal_checkpoint(FULL)", [], |_| Ok(())).unwrap();
        case.store.check_files().unwrap();
        let bytes = std::fs::read(&store).unwrap();
        std::fs::File::options().write(true).open(&store).unwrap().set_len(cut).unwrap();
        case.assert_lost(StoreFile::Store, &store);
        std::fs::write(&store, bytes).unwrap();
        case.assert_lost(StoreFile::Store, &store);
        assert!(case.store.close().is_err());
    }
}

/// Messages that fit into the existing pages: the header of the file stays the same.
#[test]
fn an_older_copy_of_the_same_size_is_detected_without_a_read() {
    let mut case = Case::new();
    let (store, older) = (case.path(""), case.dir.path().join("older.db"));
    let copy_all = |case: &mut Case| {
        case.store.log().query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
        case.store.check_files().unwrap();
    };
    copy_all(&mut case);
    std::fs::copy(&store, &older).unwrap();
    let said = ["one", "two", "three"];
    said.iter().for_each(|text| case.send(text).unwrap());
    copy_all(&mut case);
    let header = |path: &Path| std::fs::read(path).unwrap()[..100].to_vec();
    assert_eq!(header(&store), header(&older), "or else this test shows nothing");
    assert_eq!(store.metadata().unwrap().len(), older.metadata().unwrap().len());
    case.send("in the write-ahead log").unwrap();
    std::fs::copy(&older, &store).unwrap();
    case.assert_lost(StoreFile::Store, &store);
    assert!(case.send("refused").is_err());
}

/// After a failed turn the newest number in the file may fall. Once all is copied it may not, even if a
/// reader delayed the copy at first.
#[test]
fn an_older_copy_is_detected_after_a_failed_turn() {
    for is_held_up in [false, true] {
        let mut case = Case::new();
        let (store, older) = (case.path(""), case.dir.path().join("older.db"));
        let copy_all = |case: &mut Case| {
            case.store.log().query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
            case.store.check_files().unwrap();
        };
        copy_all(&mut case);
        std::fs::copy(&store, &older).unwrap();
        let reader = rusqlite::Connection::open(&store).unwrap();
        if is_held_up {
            reader.execute_batch("BEGIN; SELECT count(*) FROM chunks").unwrap();
            case.send("behind what it reads").unwrap();
        }
        case.store.lose_connection();
        ["one", "two", "three"].iter().for_each(|text| case.send(text).unwrap());
        drop(reader);
        copy_all(&mut case);
        case.send("in the write-ahead log").unwrap();
        std::fs::copy(&older, &store).unwrap();
        case.assert_lost(StoreFile::Store, &store);
        assert!(case.send("refused").is_err());
    }
}

#[tokio::test]
async fn the_write_ahead_log_of_an_emptied_store_is_not_removed() {
    let mut case = Case::new();
    std::fs::File::options().write(true).open(case.path("")).unwrap().set_len(0).unwrap();
    let page = PageOf { conversation: room(1), before: None, after: None, limit: 1 };
    // SQLite removes it when another connection opens.
    let shared = case.readers.shared();
    assert!(matches!(shared.check_log(), Err(StoreError::Lost { .. })));
    for _ in 0..8 {
        let _ = case.readers.read_page(page).await;
    }
    assert!(case.send("refused").is_err());
    assert!(case.store.close().is_err());
    drop(case.readers);
    let store = case.dir.path().join("data/chat.db");
    assert!(case.dir.path().join("data/chat.db-wal").metadata().unwrap().len() > 0);
    assert!(matches!(Store::open(&history(store)), Err(StoreError::Alone { .. })));
}
