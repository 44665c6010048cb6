//! Tests of backups: their content, the names that they must not take, and what they leave behind. A backup
//! that replaces the store is tested in `restored`.

use super::open_files::Case;
use super::opening::make_store;
use super::*;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

#[tokio::test]
async fn a_backup_made_under_load_is_a_store() {
    let dir = tempfile::tempdir().unwrap();
    let (path, to) = (dir.path().join("chat.db"), dir.path().join("backup.db"));
    let model = make_store(&path);
    let (mut store, readers, _) = open(&history(&path));
    let mut more = Model { head: model.head, heads: model.heads.clone(), ..Model::default() };
    let (backup, ()) = tokio::join!(readers.backup(&to), async {
        for _ in 0..200 {
            store.commit(&mut more.say(&[(1, &[("ana", "meanwhile")])])).unwrap();
            tokio::task::yield_now().await;
        }
    });
    backup.unwrap();
    assert_eq!(to.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let again = readers.backup(&to).await.unwrap_err();
    assert!(matches!(again, StoreError::Exists { .. }), "{again}");
    let folder = dir.path().join("nowhere");
    let nowhere = readers.backup(&folder.join("backup.db")).await.unwrap_err().to_string();
    // The error names the requested folder, not the hidden file that `tempfile` tried to make.
    assert!(nowhere.contains(folder.to_str().unwrap()) && nowhere.ends_with("(os error 2)"), "{nowhere}");
    let left: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().starts_with('.')), "{left:?}");

    let (mut copy, readers, found) = open(&history(&to));
    assert!(found.head >= model.head && found.conversations[0].head == found.head);
    let all = Range { conversation: room(1), first: 1, last: model.head };
    let caught = readers.read_gap(SessionId(1), vec![all], usize::MAX).await.unwrap();
    assert_eq!(text(&caught.lines), text(&model.lines(|_| true)));
    let mut on = Model { head: found.head, ..Model::default() };
    on.heads.insert(room(1), found.head);
    copy.commit(&mut on.say(&[(1, &[("ana", "on")])])).unwrap();
}

#[tokio::test]
async fn a_store_in_memory_can_be_backed_up() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, readers, _) = open(&in_memory());
    let mut model = Model::default();
    store.commit(&mut Model::open(1)).unwrap();
    store.commit(&mut model.say(&[(1, &[("ana", "hello")])])).unwrap();
    readers.backup(&dir.path().join("copy.db")).await.unwrap();
    let (_, readers, _) = open(&history(dir.path().join("copy.db")));
    assert_eq!(readers.read_line(room(1), 1).await.unwrap(), Some(model.lines(|_| true)));
}

#[tokio::test]
async fn the_copy_of_a_killed_backup_is_removed_and_one_in_progress_stays() {
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
    // Beside the store, a start removes it.
    let beside = case.path("").with_file_name(".tcp-chatd-backup-dead");
    std::fs::write(&beside, "half").unwrap();
    let store = case.path("");
    case.store.close().unwrap();
    open(&history(&store));
    assert!(!beside.exists());
}

#[test]
fn a_backup_blocks_no_reader_and_close_ends_it() {
    let case = Case::new();
    let page = PageOf { conversation: room(1), before: None, after: None, limit: 1 };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let shared = case.readers.shared();
    // A backup that makes no progress.
    let running = shared.backing_up.lock().unwrap();
    let backups: Vec<_> = (0..6)
        .map(|n| {
            let (readers, to) = (case.readers.clone(), case.dir.path().join(format!("{n}.db")));
            runtime.spawn(async move { readers.backup(&to).await })
        })
        .collect();
    for _ in 0..20 {
        runtime.block_on(case.readers.read_page(page)).unwrap();
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
async fn a_backup_is_refused_the_names_of_files_beside_the_store() {
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
    // Any other name is allowed, and so are these names in another folder.
    let elsewhere = case.dir.path().join("backups");
    std::fs::create_dir(&elsewhere).unwrap();
    let moved = elsewhere.join(named("-journal").file_name().unwrap());
    for to in [named("-2026-11-29"), named(".bak"), moved] {
        case.readers.backup(&to).await.unwrap();
    }
}
