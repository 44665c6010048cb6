//! Tests of a backup that replaces the store while the write-ahead log of the old store is still there: the
//! two are never mixed, and the renamed log is not removed. Also of the log id afterwards.

use super::open_files::{Case, texts};
use super::*;
use std::path::PathBuf;

type Put = fn(&Path, &Path);

/// The ways to put a backup in the store's place.
const WAYS: [(&str, Put); 3] = [
    ("mv", |backup, store| std::fs::rename(backup, store).unwrap()),
    ("cp", |backup, store| {
        std::fs::copy(backup, store).unwrap();
    }),
    ("cp --remove-destination", |backup, store| {
        std::fs::remove_file(store).unwrap();
        std::fs::copy(backup, store).unwrap();
    }),
];

/// A store with one message in a backup, and many more in its write-ahead log.
async fn case() -> (Case, PathBuf) {
    let mut case = Case::new();
    let backup = case.dir.path().join("backup.db");
    case.readers.backup(&backup).await.unwrap();
    for _ in 0..200 {
        case.send("after the backup, and in the write-ahead log").unwrap();
    }
    (case, backup)
}

fn assert_only_backup(store: &Path) {
    let (mut again, ..) = open(&history(store));
    assert_eq!(again.count("SELECT count(*) FROM chunks"), 1);
    let said: String = again.log().query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(said, "ok");
    again.close().unwrap();
    assert_eq!(texts(store), ["before"]);
}

#[tokio::test]
async fn the_next_start_finds_a_backup_moved_over_the_store_in_use() {
    let (mut case, backup) = case().await;
    let (store, wal) = (case.path(""), case.path("-wal"));
    std::fs::rename(&backup, &store).unwrap();
    case.assert_lost(StoreFile::Store, &store);
    assert!(wal.exists(), "the old store may still be put back");
    assert!(case.store.close().is_err());
    drop(case.readers);
    assert!(!wal.exists() && case.dir.path().join("data/chat.db-wal.of-the-store-before").exists());
    assert_only_backup(&store);
}

#[tokio::test]
async fn a_backup_after_a_kill_is_not_mixed_with_the_old_log() {
    for (way, put) in WAYS {
        let (case, backup) = case().await;
        let (store, wal) = (case.path(""), case.path("-wal"));
        let dir = case.dir;
        // A copy, as after a kill.
        drop((case.store, case.readers));
        let left = std::fs::read(&wal).unwrap();
        assert!(!left.is_empty() && Store::foreign_wal(&history(&store)).is_none(), "{way}");
        put(&backup, &store);
        assert_eq!(Store::foreign_wal(&history(&store)), Some(wal.clone()), "{way}");
        assert!(Store::check(&history(&store)).unwrap().newest.is_some(), "{way}: the backup is whole");
        // An existing file keeps its name.
        let aside = dir.path().join("data/chat.db-wal.of-the-store-before");
        std::fs::write(&aside, "an earlier one").unwrap();
        assert_only_backup(&store);
        assert_eq!(std::fs::read(&aside).unwrap(), b"an earlier one", "{way}");
        let second = dir.path().join("data/chat.db-wal.of-the-store-before-2");
        assert_eq!(std::fs::read(second).unwrap(), left, "{way}");
    }
}

#[tokio::test]
async fn a_backup_of_a_restored_store_is_not_mixed_with_the_old_log() {
    let mut case = Case::new();
    let (dir, first) = (case.dir.path().to_owned(), case.dir.path().join("first.db"));
    case.readers.backup(&first).await.unwrap();
    let (mut store, readers, _) = open(&history(&first));
    store.commit(&mut case.model.say(&[(1, &[("ana", "after the first")])])).unwrap();
    readers.backup(&dir.join("second.db")).await.unwrap();
    for _ in 0..200 {
        store.commit(&mut case.model.say(&[(1, &[("ana", "after the second")])])).unwrap();
    }
    drop((store, readers));
    std::fs::rename(dir.join("second.db"), &first).unwrap();
    assert!(Store::foreign_wal(&history(&first)).is_some());
    let (mut again, ..) = open(&history(&first));
    assert_eq!(again.count("SELECT count(*) FROM chunks"), 2);
    again.close().unwrap();
    assert_eq!(texts(&first), ["before", "after the first"]);
}

#[tokio::test]
async fn a_killed_store_is_opened_with_its_own_write_ahead_log() {
    let (case, _) = case().await;
    let store = case.path("");
    drop((case.store, case.readers));
    // Twice, since each start records the store again.
    for _ in 0..2 {
        assert_eq!(Store::foreign_wal(&history(&store)), None);
        Store::check(&history(&store)).unwrap();
        let (mut again, readers, _) = open(&history(&store));
        assert_eq!(again.count("SELECT count(*) FROM chunks"), 201);
        drop((again, readers));
    }
    // A store and a log that were copied together from elsewhere belong together.
    let (wal, away) = (store.with_file_name("chat.db-wal"), case.dir.path().join("away"));
    std::fs::create_dir(&away).unwrap();
    for file in [&store, &wal] {
        std::fs::copy(file, away.join(file.file_name().unwrap())).unwrap();
    }
    for file in [&store, &wal] {
        std::fs::rename(away.join(file.file_name().unwrap()), file).unwrap();
    }
    assert_eq!(Store::foreign_wal(&history(&store)), None);
    let (mut again, ..) = open(&history(&store));
    assert_eq!(again.count("SELECT count(*) FROM chunks"), 201);
}

/// Backups have the same header, whatever their content is.
#[tokio::test]
async fn a_second_backup_of_a_restored_store_is_not_mixed_with_the_old_log() {
    let dir = tempfile::tempdir().unwrap();
    let (store, backup) = (dir.path().join("chat.db"), dir.path().join("backup.db"));
    let (mut first, readers, _) = open(&history(&store));
    let mut model = Model::default();
    first.commit(&mut Model::open(1)).unwrap();
    first.commit(&mut model.say(&[(1, &[("ana", "before")])])).unwrap();
    readers.backup(&backup).await.unwrap();
    drop((first, readers));
    for ending in ["", "-wal", "-shm", ".lock", "-search"] {
        let _ = std::fs::remove_file(format!("{}{ending}", store.display()));
    }
    std::fs::copy(&backup, &store).unwrap();
    let (mut restored, readers, _) = open(&history(&store));
    let again = dir.path().join("again.db");
    readers.backup(&again).await.unwrap();
    for _ in 0..50 {
        restored.commit(&mut model.say(&[(1, &[("ana", "after the second backup")])])).unwrap();
    }
    // Killed, with one start in between.
    drop((restored, readers));
    let (mut own, readers, _) = open(&history(&store));
    assert_eq!(own.count("SELECT count(*) FROM chunks"), 51, "its own write-ahead log is its own");
    drop((own, readers));
    for backup in [&again, &backup] {
        std::fs::copy(backup, &store).unwrap();
        assert!(Store::foreign_wal(&history(&store)).is_some());
        let (mut restored, readers, _) = open(&history(&store));
        assert_eq!(restored.count("SELECT count(*) FROM chunks"), 1);
        restored.commit(&mut model.say(&[(1, &[("ana", "once more")])])).unwrap();
        drop((restored, readers));
    }
}

#[tokio::test]
async fn a_restored_backup_has_a_new_log_id_and_a_restart_does_not() {
    let dir = tempfile::tempdir().unwrap();
    let (path, backup) = (dir.path().join("chat.db"), dir.path().join("backup.db"));
    let (mut store, readers, found) = open(&history(&path));
    let mut model = Model::default();
    store.commit(&mut model.say(&[(1, &[("ana", "a"), ("ana", "b")])])).unwrap();
    readers.backup(&backup).await.unwrap();
    store.commit(&mut model.say(&[(1, &[("ana", "c")])])).unwrap();
    drop((store, readers));
    let (mut store, _, again) = open(&history(&path));
    assert_eq!((again.log, again.head), (found.log.clone(), 3));
    let index_of: Vec<u8> = store.log().query_row("SELECT store FROM totals", [], |row| row.get(0)).unwrap();
    drop(store);

    let mut ids = vec![found.log.id];
    for _ in 0..2 {
        for ending in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(format!("{}{ending}", path.display()));
        }
        std::fs::copy(&backup, &path).unwrap();
        let (store, _, restored) = open(&history(&path));
        assert_eq!((restored.log.from, restored.head), (2, 2));
        assert!(restored.log.id.len() == 32 && !ids.contains(&restored.log.id), "{ids:?} {restored:?}");
        drop(store);
        let (mut store, _, again) = open(&history(&path));
        assert_eq!(again.log, restored.log);
        assert_eq!(restored.log.before, [(ids[0].clone(), 2)], "the backup is of the first");
        let now: Vec<u8> = store.log().query_row("SELECT store FROM totals", [], |row| row.get(0)).unwrap();
        assert_ne!(now, index_of, "the search index is made anew");
        ids.push(restored.log.id);
    }
}

#[test]
fn a_store_of_an_older_version_gets_a_log_id() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("chat.db");
    let (mut store, ..) = open(&history(&path));
    store.commit(&mut Model::default().say(&[(1, &[("ana", "a")])])).unwrap();
    let sql = "SELECT store FROM totals";
    let index_of: Vec<u8> = store.log().query_row(sql, [], |row| row.get(0)).unwrap();
    store.make_version_6();
    drop(store);
    let (mut store, _, found) = open(&history(&path));
    assert_eq!((found.log.id.len(), found.log.from), (32, 1));
    let now: Vec<u8> = store.log().query_row(sql, [], |row| row.get(0)).unwrap();
    assert_eq!(now, index_of, "an upgrade does not make the search index anew");
}
