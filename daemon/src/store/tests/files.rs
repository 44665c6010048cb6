//! What happens to the store's files while it is in use, and that nothing is acknowledged that nobody
//! would find again.

use super::*;
use std::path::PathBuf;

/// A store with one message, and where its files lie.
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
        // Later it might open what a test has put in the store's place.
        store.wait_for_index();
        store.commit(Model::open(1)).unwrap();
        store.commit(model.say(&[(1, &[("ana", "before")])])).unwrap();
        store.check_files().unwrap();
        Self { dir, store, readers, model }
    }

    pub(super) fn path(&self, ending: &str) -> PathBuf {
        self.dir.path().join(format!("data/chat.db{ending}"))
    }

    pub(super) fn says(&mut self, text: &str) -> Result<(), StoreError> {
        let (head, messages) = (self.model.head, self.model.messages.len());
        let said = self.store.commit(self.model.say(&[(1, &[("ana", text)])])).map(|_| ());
        if said.is_err() {
            // As the chat does: numbers that were refused are given out again.
            self.model.head = head;
            self.model.heads.insert(room(1), head);
            self.model.messages.truncate(messages);
        }
        said
    }

    /// The check names the file, and so does every try from there on.
    pub(super) fn is_lost(&mut self, which: Which, path: &Path) {
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
        serde_json::from_slice::<serde_json::Value>(&line.unwrap()).unwrap()
    };
    lines.map(|l| line(l)["data"]["msg"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_store_that_was_removed_acknowledges_nothing_more_and_can_be_saved() {
    let mut case = Case::new();
    let store = case.path("");
    std::fs::remove_file(&store).unwrap();
    let refused = case.says("after").unwrap_err();
    assert!(matches!(&refused, StoreError::Lost { which: Which::Store, .. }), "{refused}");
    assert!(refused.to_string().contains("was removed while tcp-chatd was using it"), "{refused}");
    case.is_lost(Which::Store, &store);
    let saved = case.dir.path().join("saved.db");
    case.readers.backup(&saved).await.unwrap();
    assert_eq!(texts(&saved), ["before"], "what was acknowledged, and nothing that was refused");
    assert!(case.store.close().is_err());
    assert!(!store.exists(), "an end makes no empty store");
}

#[tokio::test]
async fn a_store_that_was_replaced_is_neither_read_nor_written() {
    let mut case = Case::new();
    let (store, other) = (case.path(""), case.dir.path().join("other.db"));
    case.readers.backup(&other).await.unwrap();
    let bytes = std::fs::read(&other).unwrap();
    std::fs::rename(&other, &store).unwrap();
    assert!(case.says("after").is_err());
    case.is_lost(Which::Store, &store);
    // The one reader has the old file; a second would open the new one.
    case.store.lose_connection();
    assert!(case.says("after").is_err());
    assert!(matches!(case.store.close(), Err(StoreError::Lost { .. })));
    assert_eq!(std::fs::read(&store).unwrap(), bytes);
}

#[test]
fn a_store_that_is_moved_away_fails_until_it_is_back() {
    let mut case = Case::new();
    let (store, away) = (case.path(""), case.dir.path().join("away.db"));
    std::fs::rename(&store, &away).unwrap();
    case.is_lost(Which::Store, &store);
    std::fs::rename(&away, &store).unwrap();
    case.store.probe().unwrap();
    case.says("after").unwrap();
    let folder = case.dir.path().join("data");
    std::fs::rename(&folder, case.dir.path().join("elsewhere")).unwrap();
    case.is_lost(Which::Folder, &folder);
    std::fs::create_dir(&folder).unwrap();
    case.is_lost(Which::Folder, &folder);
    std::fs::remove_dir(&folder).unwrap();
    std::fs::rename(case.dir.path().join("elsewhere"), &folder).unwrap();
    case.says("at last").unwrap();
    case.store.close().unwrap();
    assert_eq!(texts(&store), ["before", "after", "at last"]);
}

#[test]
fn a_write_ahead_log_that_was_removed_costs_nothing_that_was_acknowledged() {
    let mut case = Case::new();
    let (store, wal) = (case.path(""), case.path("-wal"));
    std::fs::remove_file(&wal).unwrap();
    assert!(case.says("refused").is_err());
    case.is_lost(Which::Wal, &wal);
    // As if it were killed now.
    let copy = case.dir.path().join("copy.db");
    std::fs::copy(&store, &copy).unwrap();
    assert_eq!(texts(&copy), ["before"]);
    assert!(case.store.close().is_err());
    drop(case.readers);
    assert_eq!(texts(&store), ["before"]);
}

#[test]
fn an_index_of_the_write_ahead_log_that_was_removed_costs_nothing_that_was_acknowledged() {
    let mut case = Case::new();
    let (store, shm) = (case.path(""), case.path("-shm"));
    std::fs::remove_file(&shm).unwrap();
    case.is_lost(Which::WalIndex, &shm);
    assert!(case.store.close().is_err());
    drop(case.readers);
    assert_eq!(texts(&store), ["before"]);

    // Another program has made an index of its own: what it does in it is not to be disturbed.
    let mut case = Case::new();
    let (store, shm, wal) = (case.path(""), case.path("-shm"), case.path("-wal"));
    std::fs::remove_file(&shm).unwrap();
    std::fs::write(&shm, "").unwrap();
    case.is_lost(Which::WalIndex, &shm);
    assert!(case.store.close().is_err());
    drop(case.readers);
    assert!(wal.exists());
    assert_eq!(texts(&store), ["before"]);
}

#[test]
fn a_write_ahead_log_and_its_index_removed_together_cost_nothing_either() {
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

#[test]
fn a_store_that_is_cut_or_written_over_is_found_out_and_does_not_heal() {
    for cut in [0, 8192] {
        let mut case = Case::new();
        let store = case.path("");
        case.store.log().query_row("PRAGMA wal_checkpoint(FULL)", [], |_| Ok(())).unwrap();
        case.store.check_files().unwrap();
        let bytes = std::fs::read(&store).unwrap();
        std::fs::File::options().write(true).open(&store).unwrap().set_len(cut).unwrap();
        case.is_lost(Which::Store, &store);
        std::fs::write(&store, bytes).unwrap();
        case.is_lost(Which::Store, &store);
        assert!(case.store.close().is_err());
    }
}

#[tokio::test]
async fn a_backup_that_was_copied_over_the_store_is_what_the_next_start_finds() {
    let mut case = Case::new();
    let (store, backup) = (case.path(""), case.dir.path().join("backup.db"));
    case.readers.backup(&backup).await.unwrap();
    for _ in 0..200 {
        case.says("after the backup, and in the write-ahead log").unwrap();
    }
    // The same file with other bytes, as `cp` does it.
    std::fs::copy(&backup, &store).unwrap();
    case.is_lost(Which::Store, &store);
    // As if it were killed now: the next start mixes nothing.
    let aside = case.dir.path().join("data/chat.db-wal.of-the-store-before");
    assert!(aside.exists() && !case.path("-wal").exists());
    assert!(case.store.close().is_err());
    drop(case.readers);
    let (mut again, ..) = open(&history(&store));
    assert_eq!(again.count("SELECT count(*) FROM chunks"), 1);
    again.close().unwrap();
    assert_eq!(texts(&store), ["before"]);
}

/// Messages that fit into the pages that are there: the header of the file stays as it was.
#[test]
fn an_older_copy_of_the_same_size_written_over_the_store_is_found_out_before_anyone_reads() {
    let mut case = Case::new();
    let (store, older) = (case.path(""), case.dir.path().join("older.db"));
    let copy_all = |case: &mut Case| {
        case.store.log().query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
        case.store.check_files().unwrap();
    };
    copy_all(&mut case);
    std::fs::copy(&store, &older).unwrap();
    let said = ["one", "two", "three"];
    said.iter().for_each(|text| case.says(text).unwrap());
    copy_all(&mut case);
    let header = |path: &Path| std::fs::read(path).unwrap()[..100].to_vec();
    assert_eq!(header(&store), header(&older), "or else this test shows nothing");
    assert_eq!(store.metadata().unwrap().len(), older.metadata().unwrap().len());
    case.says("in the write-ahead log").unwrap();
    std::fs::copy(&older, &store).unwrap();
    case.is_lost(Which::Store, &store);
    assert!(case.says("refused").is_err());
}

#[tokio::test]
async fn a_backup_that_was_restored_into_the_store_is_found_out_by_the_next_turn() {
    let mut case = Case::new();
    let (store, backup) = (case.path(""), case.dir.path().join("backup.db"));
    case.readers.backup(&backup).await.unwrap();
    case.says("after the backup").unwrap();
    // As `.restore` of the sqlite3 command does it: by the rules, with all the locks.
    let mut other = rusqlite::Connection::open(&store).unwrap();
    other.restore(rusqlite::MAIN_DB, &backup, None::<fn(rusqlite::backup::Progress)>).unwrap();
    drop(other);
    for _ in 0..2 {
        let refused = case.says("refused").unwrap_err();
        assert!(matches!(refused, StoreError::Lost { which: Which::Store, .. }), "{refused}");
    }
    assert!(case.store.replace(&Found::default()).is_err(), "it does not heal");
    drop((case.store, case.readers));
    assert_eq!(texts(&store), ["before"]);
}

#[test]
fn a_store_behind_a_link_is_followed_and_a_link_that_comes_later_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let (real, link) = (dir.path().join("real.db"), dir.path().join("chat.db"));
    std::os::unix::fs::symlink(&real, &link).unwrap();
    let (mut store, ..) = open(&history(&link));
    store.commit(Model::open(1)).unwrap();
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

#[tokio::test]
async fn of_a_store_that_was_cut_to_nothing_nobody_removes_the_write_ahead_log() {
    let mut case = Case::new();
    std::fs::File::options().write(true).open(case.path("")).unwrap().set_len(0).unwrap();
    let page = PageOf { conversation: room(1), before: None, after: None, limit: 1 };
    // SQLite removes it when another connection opens.
    let shared = case.readers.shared();
    assert!(matches!(shared.check_log(), Err(StoreError::Lost { .. })));
    for _ in 0..8 {
        let _ = case.readers.page(page).await;
    }
    assert!(case.says("refused").is_err());
    assert!(case.store.close().is_err());
    drop(case.readers);
    let store = case.dir.path().join("data/chat.db");
    assert!(case.dir.path().join("data/chat.db-wal").metadata().unwrap().len() > 0);
    assert!(matches!(Store::open(&history(store)), Err(StoreError::Alone { .. })));
}

#[tokio::test]
async fn damage_that_a_reader_finds_stops_the_writer() {
    let mut case = Case::new();
    for _ in 0..50 {
        case.says("some text that fills pages".repeat(100).as_str()).unwrap();
    }
    let other = rusqlite::Connection::open(case.path("")).unwrap();
    other.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    drop(other);
    case.says("after").unwrap();
    // All pages but the first, which the writer knows by heart: as of a copy that is put over it.
    let file = std::fs::File::options().write(true).open(case.path("")).unwrap();
    let bytes = file.metadata().unwrap().len();
    std::os::unix::fs::FileExt::write_all_at(&file, &vec![0x55; bytes as usize - 4096], 4096).unwrap();
    let page = PageOf { conversation: room(1), before: None, after: None, limit: 50 };
    assert!(matches!(case.readers.page(page).await, Err(StoreError::Corrupt { .. })));
    let store = case.path("");
    case.is_lost(Which::Store, &store);
    let refused = case.says("refused").unwrap_err();
    assert!(refused.to_string().contains("damaged"), "{refused}");
}

#[test]
fn a_write_ahead_log_that_was_moved_away_stops_the_turns() {
    let mut case = Case::new();
    std::fs::rename(case.path("-wal"), case.path("-away")).unwrap();
    case.store.checked_at -= super::super::guard::BETWEEN_CHECKS;
    assert!(matches!(case.says("refused"), Err(StoreError::Lost { which: Which::Wal, .. })));
    let mut case = Case::new();
    let wal = std::fs::File::options().write(true).open(case.path("-wal")).unwrap();
    let bytes = wal.metadata().unwrap().len();
    // Cut and written on meanwhile, so that it is as long again.
    wal.set_len(0).unwrap();
    wal.set_len(bytes).unwrap();
    case.store.checked_at -= super::super::guard::BETWEEN_CHECKS;
    assert!(matches!(case.says("refused"), Err(StoreError::Lost { which: Which::Wal, .. })));
}

#[test]
fn what_other_programs_may_do_is_no_loss() {
    let mut case = Case::new();
    let store = case.path("");
    let other = rusqlite::Connection::open(&store).unwrap();
    for how in ["PASSIVE", "RESTART", "TRUNCATE"] {
        for _ in 0..20 {
            case.says("some text that takes pages").unwrap();
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
    case.says("on").unwrap();
    case.store.probe().unwrap();
    case.store.close().unwrap();
}

#[test]
fn a_write_ahead_log_without_its_store_is_not_thrown_away() {
    let mut case = Case::new();
    let (store, wal) = (case.path(""), case.path("-wal"));
    let kept = std::fs::read(&wal).unwrap();
    case.says("more").unwrap();
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

#[test]
fn a_turn_waits_only_a_moment_for_the_lock_of_another_program_and_a_probe_not_at_all() {
    let mut case = Case::new();
    let wait = |store: &mut Store| store.count("PRAGMA busy_timeout");
    assert!(wait(&mut case.store) <= 100);
    let other = rusqlite::Connection::open(case.path("")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert!(matches!(case.says("refused"), Err(StoreError::Busy { .. })));
    assert!(matches!(case.store.probe(), Err(StoreError::Busy { .. })));
    assert!(wait(&mut case.store) <= 100);
    case.store.lose_connection();
    assert!(matches!(case.store.probe(), Err(StoreError::Busy { .. })));
    assert!(wait(&mut case.store) <= 100);
    other.execute_batch("ROLLBACK").unwrap();
    case.store.probe().unwrap();
    case.says("kept").unwrap();
}

#[tokio::test]
async fn what_a_killed_backup_left_goes_and_what_another_writes_stays() {
    let case = Case::new();
    let folder = case.dir.path().join("backups");
    std::fs::create_dir(&folder).unwrap();
    let (dead, alive) = (folder.join(".tcp-chatd-backup-dead"), folder.join(".tcp-chatd-backup-alive"));
    let other = folder.join("another.db");
    for file in [&dead, &alive, &other] {
        std::fs::write(file, "half").unwrap();
    }
    let lock = std::fs::File::open(&alive).unwrap();
    lock.lock().unwrap();
    case.readers.backup(&folder.join("backup.db")).await.unwrap();
    assert!(!dead.exists() && alive.exists() && other.exists());
    // Beside the store, a start is enough.
    let beside = case.path("").with_file_name(".tcp-chatd-backup-dead");
    std::fs::write(&beside, "half").unwrap();
    let store = case.path("");
    case.store.close().unwrap();
    open(&history(&store));
    assert!(!beside.exists());
}

#[test]
fn a_backup_takes_no_place_of_those_who_read_and_the_end_ends_it() {
    let case = Case::new();
    let page = PageOf { conversation: room(1), before: None, after: None, limit: 1 };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let shared = case.readers.shared();
    // A backup that does not get on.
    let running = shared.backing_up.lock().unwrap();
    let backups: Vec<_> = (0..6)
        .map(|n| {
            let (readers, to) = (case.readers.clone(), case.dir.path().join(format!("{n}.db")));
            runtime.spawn(async move { readers.backup(&to).await })
        })
        .collect();
    for _ in 0..20 {
        runtime.block_on(case.readers.page(page)).unwrap();
    }
    shared.closing.store(true, std::sync::atomic::Ordering::Release);
    drop(running);
    for backup in backups {
        let ended = runtime.block_on(backup).unwrap().unwrap_err();
        assert!(matches!(ended, StoreError::Closing), "{ended}");
    }
    case.store.close().unwrap();
}

#[tokio::test]
async fn a_backup_takes_no_name_of_a_file_beside_the_store() {
    let case = Case::new();
    let named = |ending: &str| PathBuf::from(format!("{}{ending}", case.path("").display()));
    let link = case.dir.path().join("link");
    std::os::unix::fs::symlink(case.path("").parent().unwrap(), &link).unwrap();
    for ending in ["-journal", "-wal.old", "-shm2", "-search-journal", ".lock2"] {
        let through = link.join(named(ending).file_name().unwrap());
        for to in [named(ending), through] {
            let refused = case.readers.backup(&to).await.unwrap_err();
            assert!(matches!(refused, StoreError::Reserved { .. }), "{}: {refused}", to.display());
            assert!(!named(ending).exists(), "{ending}");
        }
    }
    // Any other name is good, and so are these names elsewhere.
    let elsewhere = case.dir.path().join("backups");
    std::fs::create_dir(&elsewhere).unwrap();
    let moved = elsewhere.join(named("-journal").file_name().unwrap());
    for to in [named("-2026-11-29"), named(".bak"), moved] {
        case.readers.backup(&to).await.unwrap();
    }
}
