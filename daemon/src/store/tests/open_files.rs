//! Tests of files that are removed, moved or replaced while the store is in use: nothing is acknowledged that
//! could not be found later. Other tests use its `Case`, too. Files are only written as whole copies here;
//! partial writes are in `overwritten_files`.

use super::*;
use std::path::PathBuf;

/// A store with one message, and the paths of its files.
pub(super) struct Case {
    pub(super) dir: tempfile::TempDir,
    pub(super) store: Store,
    pub(super) readers: Readers,
    pub(super) model: Model,
}

impl Case {
    pub(super) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("data")).unwrap();
        let (mut store, readers, _) = open(&history(dir.path().join("data/chat.db")));
        let mut model = Model::default();
        // Opened now: later it might open what a test has put in the store's place.
        store.wait_for_index();
        store.commit(&mut Model::open(1)).unwrap();
        store.commit(&mut model.say(&[(1, &[("ana", "before")])])).unwrap();
        store.check_files().unwrap();
        Self { dir, store, readers, model }
    }

    pub(super) fn path(&self, ending: &str) -> PathBuf {
        self.dir.path().join(format!("data/chat.db{ending}"))
    }

    pub(super) fn send(&mut self, text: &str) -> Result<(), StoreError> {
        let (head, messages) = (self.model.head, self.model.messages.len());
        let said = self.store.commit(&mut self.model.say(&[(1, &[("ana", text)])])).map(|_| ());
        if said.is_err() {
            // As in the chat, numbers of refused messages are assigned again.
            self.model.head = head;
            self.model.heads.insert(room(1), head);
            self.model.messages.truncate(messages);
        }
        said
    }

    /// Asserts that the check names the file, and each later attempt as well.
    pub(super) fn assert_lost(&mut self, which: StoreFile, path: &Path) {
        for _ in 0..2 {
            let lost = self.store.check_files().unwrap_err();
            let is_it =
                matches!(&lost, StoreError::Lost { which: it, path: at, .. } if *it == which && at == path);
            assert!(is_it, "{lost}");
            assert!(lost.to_string().contains(path.to_str().unwrap()), "{lost}");
            assert!(self.store.probe().is_err());
        }
    }
}

pub(super) fn texts(path: &Path) -> Vec<String> {
    let log = rusqlite::Connection::open(path).unwrap();
    let mut query = log.prepare("SELECT lines FROM chunks ORDER BY first").unwrap();
    let lines = query.query_map([], |row| row.get::<_, Vec<u8>>(0)).unwrap();
    let line = |line: rusqlite::Result<Vec<u8>>| {
        serde_json::from_slice::<serde_json::Value>(&packed::unpack(&line.unwrap())).unwrap()
    };
    lines.map(|l| line(l)["data"]["msg"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_removed_store_refuses_turns_and_can_be_backed_up() {
    let mut case = Case::new();
    let store = case.path("");
    std::fs::remove_file(&store).unwrap();
    let refused = case.send("after").unwrap_err();
    assert!(matches!(&refused, StoreError::Lost { which: StoreFile::Store, .. }), "{refused}");
    assert!(refused.to_string().contains("was removed while tcp-chatd was using it"), "{refused}");
    case.assert_lost(StoreFile::Store, &store);
    let saved = case.dir.path().join("saved.db");
    case.readers.backup(&saved).await.unwrap();
    assert_eq!(texts(&saved), ["before"], "what was acknowledged, and nothing that was refused");
    assert!(case.store.close().is_err());
    assert!(!store.exists(), "an end makes no empty store");
}

#[tokio::test]
async fn a_replaced_store_is_neither_read_nor_written() {
    let mut case = Case::new();
    let (store, other) = (case.path(""), case.dir.path().join("other.db"));
    case.readers.backup(&other).await.unwrap();
    let bytes = std::fs::read(&other).unwrap();
    std::fs::rename(&other, &store).unwrap();
    assert!(case.send("after").is_err());
    case.assert_lost(StoreFile::Store, &store);
    // The only reader has the old file open. A second one would open the new file.
    case.store.lose_connection();
    assert!(case.send("after").is_err());
    assert!(matches!(case.store.close(), Err(StoreError::Lost { .. })));
    assert_eq!(std::fs::read(&store).unwrap(), bytes);
}

#[test]
fn a_store_that_is_moved_away_fails_until_it_is_back() {
    let mut case = Case::new();
    let (store, away) = (case.path(""), case.dir.path().join("away.db"));
    std::fs::rename(&store, &away).unwrap();
    case.assert_lost(StoreFile::Store, &store);
    std::fs::rename(&away, &store).unwrap();
    case.store.probe().unwrap();
    case.send("after").unwrap();
    let folder = case.dir.path().join("data");
    std::fs::rename(&folder, case.dir.path().join("elsewhere")).unwrap();
    case.assert_lost(StoreFile::Folder, &folder);
    std::fs::create_dir(&folder).unwrap();
    case.assert_lost(StoreFile::Folder, &folder);
    std::fs::remove_dir(&folder).unwrap();
    std::fs::rename(case.dir.path().join("elsewhere"), &folder).unwrap();
    case.send("at last").unwrap();
    case.store.close().unwrap();
    assert_eq!(texts(&store), ["before", "after", "at last"]);
}

#[test]
fn a_removed_write_ahead_log_loses_no_acknowledged_message() {
    let mut case = Case::new();
    let (store, wal) = (case.path(""), case.path("-wal"));
    std::fs::remove_file(&wal).unwrap();
    assert!(case.send("refused").is_err());
    case.assert_lost(StoreFile::Wal, &wal);
    // A copy, as the files would be after a kill.
    let copy = case.dir.path().join("copy.db");
    std::fs::copy(&store, &copy).unwrap();
    assert_eq!(texts(&copy), ["before"]);
    assert!(case.store.close().is_err());
    drop(case.readers);
    assert_eq!(texts(&store), ["before"]);
}

#[test]
fn a_removed_index_of_the_write_ahead_log_loses_no_acknowledged_message() {
    let mut case = Case::new();
    let (store, shm) = (case.path(""), case.path("-shm"));
    std::fs::remove_file(&shm).unwrap();
    case.assert_lost(StoreFile::WalIndex, &shm);
    assert!(case.store.close().is_err());
    drop(case.readers);
    assert_eq!(texts(&store), ["before"]);

    // Another program has made an index of its own: its work must not be disturbed.
    let mut case = Case::new();
    let (store, shm, wal) = (case.path(""), case.path("-shm"), case.path("-wal"));
    std::fs::remove_file(&shm).unwrap();
    std::fs::write(&shm, "").unwrap();
    case.assert_lost(StoreFile::WalIndex, &shm);
    assert!(case.store.close().is_err());
    drop(case.readers);
    assert!(wal.exists());
    assert_eq!(texts(&store), ["before"]);
}

#[test]
fn a_write_ahead_log_removed_with_its_index_loses_no_acknowledged_message() {
    let mut case = Case::new();
    let (store, wal, shm) = (case.path(""), case.path("-wal"), case.path("-shm"));
    std::fs::remove_file(&wal).unwrap();
    std::fs::remove_file(&shm).unwrap();
    let said = case.store.check_files().unwrap_err().to_string();
    assert!(said.contains("what was acknowledged is in the store all the same"), "{said}");
    let copy = case.dir.path().join("copy.db");
    std::fs::copy(&store, &copy).unwrap();
    assert_eq!(texts(&copy), ["before"]);
}

#[tokio::test]
async fn the_next_start_finds_a_backup_that_was_copied_over_the_store() {
    let mut case = Case::new();
    let (store, backup) = (case.path(""), case.dir.path().join("backup.db"));
    case.readers.backup(&backup).await.unwrap();
    for _ in 0..200 {
        case.send("after the backup, and in the write-ahead log").unwrap();
    }
    // The same file with other bytes, as `cp` writes it.
    std::fs::copy(&backup, &store).unwrap();
    case.assert_lost(StoreFile::Store, &store);
    // As after a kill: the next start mixes nothing.
    let aside = case.dir.path().join("data/chat.db-wal.of-the-store-before");
    assert!(aside.exists() && !case.path("-wal").exists());
    assert!(case.store.close().is_err());
    drop(case.readers);
    let (mut again, ..) = open(&history(&store));
    assert_eq!(again.count("SELECT count(*) FROM chunks"), 1);
    again.close().unwrap();
    assert_eq!(texts(&store), ["before"]);
}

#[test]
fn a_link_to_the_store_is_followed_but_a_later_link_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (real, link) = (dir.path().join("real.db"), dir.path().join("chat.db"));
    std::os::unix::fs::symlink(&real, &link).unwrap();
    let (mut store, ..) = open(&history(&link));
    store.commit(&mut Model::open(1)).unwrap();
    store.check_files().unwrap();
    let moved = dir.path().join("moved.db");
    std::fs::rename(&real, &moved).unwrap();
    assert!(store.check_files().is_err());
    std::os::unix::fs::symlink(&moved, &real).unwrap();
    assert!(store.check_files().is_err(), "its write-ahead log would be looked for elsewhere");
    std::fs::remove_file(&real).unwrap();
    std::fs::rename(&moved, &real).unwrap();
    store.check_files().unwrap();
    store.close().unwrap();
}

#[tokio::test]
async fn damage_that_a_reader_finds_stops_the_writer() {
    let mut case = Case::new();
    for _ in 0..50 {
        case.send("some text that fills pages".repeat(100).as_str()).unwrap();
    }
    let other = rusqlite::Connection::open(case.path("")).unwrap();
    other.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    drop(other);
    case.send("after").unwrap();
    // All pages but the first, which the writer has cached: as with a copy that is written over the file.
    let file = std::fs::File::options().write(true).open(case.path("")).unwrap();
    let bytes = file.metadata().unwrap().len();
    std::os::unix::fs::FileExt::write_all_at(&file, &vec![0x55; bytes as usize - 4096], 4096).unwrap();
    let page = PageOf { conversation: room(1), before: None, after: None, limit: 50 };
    assert!(matches!(case.readers.read_page(page).await, Err(StoreError::Corrupt { .. })));
    let store = case.path("");
    case.assert_lost(StoreFile::Store, &store);
    let refused = case.send("refused").unwrap_err();
    assert!(refused.to_string().contains("damaged"), "{refused}");
}

#[test]
fn a_moved_write_ahead_log_stops_the_turns() {
    let mut case = Case::new();
    std::fs::rename(case.path("-wal"), case.path("-away")).unwrap();
    case.store.checked_at -= super::super::file_checks::BETWEEN_CHECKS;
    assert!(matches!(case.send("refused"), Err(StoreError::Lost { which: StoreFile::Wal, .. })));
    let mut case = Case::new();
    let wal = std::fs::File::options().write(true).open(case.path("-wal")).unwrap();
    let bytes = wal.metadata().unwrap().len();
    // Cut and extended meanwhile, so that it has its old length.
    wal.set_len(0).unwrap();
    wal.set_len(bytes).unwrap();
    case.store.checked_at -= super::super::file_checks::BETWEEN_CHECKS;
    assert!(matches!(case.send("refused"), Err(StoreError::Lost { which: StoreFile::Wal, .. })));
}

#[test]
fn a_write_ahead_log_without_its_store_is_not_removed() {
    let mut case = Case::new();
    let (store, wal) = (case.path(""), case.path("-wal"));
    let kept = std::fs::read(&wal).unwrap();
    case.send("more").unwrap();
    drop((case.store, case.readers));
    for left in [None, Some("")] {
        let _ = std::fs::remove_file(&store);
        left.into_iter().for_each(|text| std::fs::write(&store, text).unwrap());
        std::fs::write(&wal, &kept).unwrap();
        assert!(matches!(Store::check(&history(&store)), Err(StoreError::Alone { .. })), "{left:?}");
        let refused = Store::open(&history(&store)).unwrap_err();
        assert!(matches!(refused, StoreError::Alone { .. }), "{refused}");
        assert!(refused.to_string().contains(wal.to_str().unwrap()), "{refused}");
        assert_eq!(std::fs::read(&wal).unwrap(), kept);
    }
    std::fs::remove_file(&wal).unwrap();
    open(&history(&store));
}
