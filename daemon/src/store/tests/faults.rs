//! What the store says and does when the file, the disk or somebody else is against it.

use super::super::place::Place;
use super::*;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

/// A store with a few messages, closed.
fn made(path: &Path) -> Model {
    let (mut store, ..) = open(&history(path));
    let mut model = Model::default();
    store.commit(Model::open(1)).unwrap();
    for _ in 0..50 {
        store.commit(model.say(&[(1, &[("ana", "some text that fills pages"); 8])])).unwrap();
    }
    store.close().unwrap();
    model
}

fn refused(path: &Path) -> StoreError {
    let error = Store::open(&history(path)).unwrap_err();
    assert!(error.to_string().contains(path.to_str().unwrap()), "it names the file: {error}");
    error
}

#[tokio::test]
async fn a_full_disk_refuses_turns_and_takes_them_again_when_there_is_room() {
    let dir = tempfile::tempdir().unwrap();
    let history = history(dir.path().join("chat.db"));
    let (mut store, readers, _) = open(&history);
    let mut model = Model::default();
    store.commit(Model::open(1)).unwrap();
    store.commit(model.say(&[(1, &[("ana", "before")])])).unwrap();
    store.limit_pages(Some(0));
    let (head, messages) = (model.head, model.messages.len());
    let long = "x".repeat(5_000);
    let mut refused = 0;
    for _ in 0..3 {
        // Numbers that were refused are given out again, as the chat does.
        model.head = head;
        model.heads.insert(room(1), head);
        model.messages.truncate(messages);
        let error = store.commit(model.say(&[(1, &[("ana", long.as_str()); 40])])).unwrap_err();
        assert!(matches!(error, StoreError::Full { .. }), "{error}");
        assert!(error.may_pass() && !error.is_permission());
        refused += 1;
    }
    assert_eq!(refused, 3);
    let all = Range { conversation: room(1), first: 1, last: Seq::MAX };
    assert_eq!(
        readers.gap(SessionId(1), vec![all], usize::MAX).await.unwrap().count,
        1,
        "none of it is there"
    );
    // It has not become slower to say so, nor is anything left open.
    assert_eq!(store.sent(SessionId(1), &RequestId::Number(1)).unwrap(), None);
    assert!(store.tidy(Timestamp(START)).unwrap().is_none());

    store.limit_pages(None);
    model.head = head;
    model.heads.insert(room(1), head);
    model.messages.truncate(messages);
    store.commit(model.say(&[(1, &[("ana", long.as_str()); 40])])).unwrap();
    let caught = readers.gap(SessionId(1), vec![all], usize::MAX).await.unwrap();
    assert_eq!(caught.lines, model.lines(|_| true));
}

#[tokio::test]
async fn a_turn_that_fails_in_the_middle_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("chat.db");
    let (mut store, readers, _) = open(&history(&path));
    let mut model = Model::default();
    store.commit(Model::open(1)).unwrap();
    let mut writes = model.say(&[(1, &[("ana", "a")])]);
    // The room is there already: the second row cannot be written, after the chunk could.
    let again = (room(1), ConversationKind::Room(name("again")));
    writes.conversations = vec![(room(2), ConversationKind::Room(name("new"))), again];
    assert!(matches!(store.commit(writes.clone()), Err(StoreError::Bug(_))));
    assert_eq!(store.count("SELECT count(*) FROM conversations"), 1);
    writes.conversations.pop();
    store.commit(writes).unwrap();
    assert_eq!(readers.stats().await.unwrap().messages, 1);
}

#[test]
fn what_a_failed_commit_left_in_the_file_does_not_come_back() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, ..) = open(&history(dir.path().join("chat.db")));
    let mut model = Model::default();
    store.commit(Model::open(1)).unwrap();
    store.commit(model.say(&[(1, &[("ana", "kept")])])).unwrap();
    let head = model.head;
    let refused = model.say(&[(1, &[("ana", "refused"), ("ana", "too")])]);
    let copy_all = |store: &mut Store| {
        store.log().query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
        store.check_files().unwrap();
    };
    // As when the sync fails after the write: the rows are there, and nobody was told.
    store.write_unnoticed(&refused);
    store.count("UPDATE totals SET head = head + 2 RETURNING head");
    copy_all(&mut store);
    store.lose_connection();
    model.head = head;
    model.heads.insert(room(1), head);
    model.messages.truncate(1);
    store.commit(model.say(&[(1, &[("bo", "another")])])).unwrap();
    assert_eq!(store.count("SELECT count(*) FROM chunks"), 2);
    // The newest number in the file falls, and that is no older copy.
    copy_all(&mut store);
}

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

#[test]
fn two_daemons_on_one_store_is_an_error_until_the_first_ends() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("chat.db");
    let (store, ..) = open(&history(&path));
    let error = refused(&path);
    assert!(matches!(error, StoreError::InUse { .. }));
    assert!(error.to_string().contains(&std::process::id().to_string()), "{error}");
    Store::check(&history(&path)).unwrap();
    drop(store);
    open(&history(&path));
}

#[test]
fn a_store_of_version_1_is_brought_along_with_all_that_is_in_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("chat.db");
    let old = rusqlite::Connection::open(&path).unwrap();
    old.execute_batch(include_str!("../schema/1.sql")).unwrap();
    old.pragma_update(None, "application_id", 0x7463_4874).unwrap();
    old.pragma_update(None, "user_version", 1).unwrap();
    old.execute_batch(
        "INSERT INTO conversations VALUES (1, 'Lobby', NULL, NULL, 0);
         INSERT INTO sessions VALUES (7, zeroblob(32), 7, 'ana', 'red');
         INSERT INTO members VALUES (7, 1, 0);
         UPDATE totals SET last_conversation = 1, last_session = 7",
    )
    .unwrap();
    drop(old);
    let (_, _, found) = open(&history(&path));
    assert_eq!((found.conversations.len(), found.sessions.len(), found.last_session), (1, 1, 7));
    assert_eq!((found.users.len(), found.certificates.len()), (0, 0));
    assert_eq!(found.rights, crate::chat::StoredRights::default());
}

#[test]
fn certificates_of_a_store_of_version_2_keep_what_they_were() {
    use crate::chat::{Certificate, Digest, Revocation};
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("chat.db");
    let old = rusqlite::Connection::open(&path).unwrap();
    old.execute_batch(include_str!("../schema/1.sql")).unwrap();
    old.execute_batch(include_str!("../schema/2.sql")).unwrap();
    old.execute_batch("PRAGMA application_id = 0x74634874; PRAGMA user_version = 2").unwrap();
    let row = "INSERT INTO certificates (key, name, until, revoked) VALUES (?1, 'ana', 5, ?2)";
    for revoked in [0_u8, 1] {
        old.execute(row, rusqlite::params![[revoked; 32], revoked]).unwrap();
    }
    drop(old);
    let (_, _, found) = open(&history(&path));
    let certificate =
        |key: u8, revoked| Certificate { key: Digest([key; 32]), name: name("ana"), until: 5, revoked };
    let kept = [certificate(0, Revocation::None), certificate(1, Revocation::Key)];
    assert_eq!(found.certificates, kept, "a key that was revoked was so for every name");
}

#[test]
fn a_newer_store_is_refused_with_both_versions_and_not_touched() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("chat.db");
    made(&path);
    rusqlite::Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let before = std::fs::read(&path).unwrap();
    let error = refused(&path);
    let StoreError::Newer { found: 99, known, .. } = &error else { panic!("{error}") };
    assert!(error.to_string().contains("version 99"), "{error}");
    assert!(error.to_string().contains(&format!("up to {known}")), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), before);
    assert!(Store::check(&history(&path)).is_err());
}

#[test]
fn damaged_files_and_files_of_others_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("chat.db");
    made(&path);
    let whole = std::fs::read(&path).unwrap();
    let cut = |bytes: usize| whole[..bytes].to_vec();
    let mut no_header = whole.clone();
    no_header[..16].fill(b'x');
    let mut no_schema = whole.clone();
    no_schema[100..200].fill(0xff);
    for (what, bytes) in [
        ("half", cut(whole.len() / 2)),
        ("a page and a half", cut(6_000)),
        ("no header", no_header),
        ("no schema", no_schema),
        ("text", b"hello, this is a text and no database\n".repeat(40)),
    ] {
        std::fs::write(&path, &bytes).unwrap();
        let error = refused(&path);
        assert!(matches!(error, StoreError::Corrupt { .. } | StoreError::Foreign { .. }), "{what}: {error}");
        assert!(!error.may_pass() && Store::check(&history(&path)).is_err(), "{what}");
        assert_eq!(std::fs::read(&path).unwrap(), bytes, "{what}: it is left as it was");
    }
    let _ = std::fs::remove_file(&path);
    rusqlite::Connection::open(&path).unwrap().execute_batch("CREATE TABLE theirs (x)").unwrap();
    assert!(matches!(refused(&path), StoreError::Foreign { .. }));
    // An empty file is a store that is yet to be made.
    std::fs::write(&path, b"").unwrap();
    open(&history(&path));
}

#[tokio::test]
async fn damage_found_while_reading_is_an_error_and_writing_goes_on_if_it_can() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("chat.db");
    made(&path);
    let mut bytes = std::fs::read(&path).unwrap();
    let at = bytes.windows(8).position(|w| w == b"some tex").unwrap() / 4096 * 4096;
    bytes[at..at + 64].fill(0xff);
    std::fs::write(&path, &bytes).unwrap();
    let error = Store::check(&history(&path)).unwrap_err();
    assert!(matches!(error, StoreError::Corrupt { .. }), "a start does not see it, a check does: {error}");
    let (_store, readers, _) = open(&history(&path));
    let all = Range { conversation: room(1), first: 1, last: Seq::MAX };
    let error = readers.gap(SessionId(1), vec![all], usize::MAX).await.unwrap_err();
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
}

#[test]
fn files_are_for_their_owner_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("folder/chat.db");
    let (mut store, ..) = open(&history(&path));
    store.commit(Model::open(1)).unwrap();
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(path.parent().unwrap()), 0o700);
    for ending in ["", "-wal", "-shm", ".lock"] {
        assert_eq!(mode(Path::new(&format!("{}{ending}", path.display()))), 0o600, "{ending}");
    }
}

#[test]
fn a_path_that_cannot_be_is_named() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("file"), "x").unwrap();
    let error = Store::open(&history(dir.path().join("file/chat.db"))).unwrap_err();
    assert!(error.to_string().contains(dir.path().join("file").to_str().unwrap()), "{error}");
    std::fs::create_dir(dir.path().join("chat.db")).unwrap();
    refused(&dir.path().join("chat.db"));
}

#[test]
fn a_store_that_may_not_be_written_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("chat.db");
    made(&path);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o400)).unwrap();
    if std::fs::File::options().write(true).open(&path).is_ok() {
        println!("skipped: this user may write read-only files");
        return;
    }
    let error = refused(&path);
    assert!(error.is_permission(), "{error}");
}

#[tokio::test]
async fn a_backup_made_under_load_is_a_store() {
    let dir = tempfile::tempdir().unwrap();
    let (path, to) = (dir.path().join("chat.db"), dir.path().join("backup.db"));
    let model = made(&path);
    let (mut store, readers, _) = open(&history(&path));
    let mut more = Model { head: model.head, heads: model.heads.clone(), ..Model::default() };
    let (backup, ()) = tokio::join!(readers.backup(&to), async {
        for _ in 0..200 {
            store.commit(more.say(&[(1, &[("ana", "meanwhile")])])).unwrap();
            tokio::task::yield_now().await;
        }
    });
    backup.unwrap();
    assert_eq!(to.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let again = readers.backup(&to).await.unwrap_err();
    assert!(matches!(again, StoreError::Exists { .. }), "{again}");
    assert!(readers.backup(&dir.path().join("nowhere/backup.db")).await.is_err());
    let left: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().starts_with('.')), "{left:?}");

    let (mut copy, readers, found) = open(&history(&to));
    assert!(found.head >= model.head && found.conversations[0].head == found.head);
    let all = Range { conversation: room(1), first: 1, last: model.head };
    let caught = readers.gap(SessionId(1), vec![all], usize::MAX).await.unwrap();
    assert_eq!(text(&caught.lines), text(&model.lines(|_| true)));
    let mut on = Model { head: found.head, ..Model::default() };
    on.heads.insert(room(1), found.head);
    copy.commit(on.say(&[(1, &[("ana", "on")])])).unwrap();
}

#[tokio::test]
async fn a_store_in_memory_can_be_backed_up_too() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, readers, _) = open(&in_memory());
    let mut model = Model::default();
    store.commit(Model::open(1)).unwrap();
    store.commit(model.say(&[(1, &[("ana", "hello")])])).unwrap();
    readers.backup(&dir.path().join("copy.db")).await.unwrap();
    let (_, readers, _) = open(&history(dir.path().join("copy.db")));
    assert_eq!(readers.line(room(1), 1).await.unwrap(), Some(model.lines(|_| true)));
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
    let (before, mut left) = length(&mut store);
    let until = Instant::now() + Duration::from_secs(20);
    while left > 0 {
        assert!(Instant::now() < until, "{left} of {before} pages are not copied");
        std::thread::yield_now();
        left = length(&mut store).1;
    }
    store.commit(model.say(&[(1, &[("ana", "hello")])])).unwrap();
    let (after, _) = length(&mut store);
    assert!(after < before, "{after} pages, {before} before");
}

/// `TCP_CHATD_SMALL_DISK` names a folder on a disk of a few megabytes that the test may fill:
/// `mount -t tmpfs -o size=8m tmpfs FOLDER`.
#[tokio::test]
async fn a_disk_that_is_really_full_refuses_turns_and_takes_them_again_when_there_is_room() {
    let Some(disk) = std::env::var_os("TCP_CHATD_SMALL_DISK") else {
        println!("skipped: TCP_CHATD_SMALL_DISK names no small disk");
        return;
    };
    let dir = tempfile::tempdir_in(disk).unwrap();
    let ballast = dir.path().join("ballast");
    std::fs::write(&ballast, vec![1; 2_000_000]).unwrap();
    let history = history(dir.path().join("chat.db"));
    let (mut store, readers, _) = open(&history);
    let mut model = Model::default();
    store.commit(Model::open(1)).unwrap();
    let long = "x".repeat(5_000);
    let all = Range { conversation: room(1), first: 1, last: Seq::MAX };
    let (mut kept, mut refused) = (0, 0);
    while refused < 20 {
        let (head, messages) = (model.head, model.messages.len());
        match store.commit(model.say(&[(1, &[("ana", long.as_str()); 4])])) {
            Ok(_) => kept += 4,
            Err(error) => {
                assert!(matches!(error, StoreError::Full { .. }), "{error}");
                refused += 1;
                model.head = head;
                model.heads.insert(room(1), head);
                model.messages.truncate(messages);
            }
        }
        assert!(kept < 10_000, "this is no small disk");
    }
    let caught = readers.gap(SessionId(1), vec![all], usize::MAX).await.unwrap();
    assert_eq!((caught.count, caught.lines == model.lines(|_| true)), (kept, true));
    let backup = readers.backup(&dir.path().join("backup.db")).await;
    assert!(matches!(backup, Err(StoreError::Full { .. })), "{backup:?}");
    // Killed in this state, it starts again, reads, and goes on when there is room.
    drop((store, readers));
    let (mut store, readers, _) = open(&history);
    let caught = readers.gap(SessionId(1), vec![all], usize::MAX).await.unwrap();
    assert_eq!((caught.count, caught.lines == model.lines(|_| true)), (kept, true));
    std::fs::remove_file(&ballast).unwrap();
    for _ in 0..10 {
        store.commit(model.say(&[(1, &[("ana", long.as_str()); 4])])).unwrap();
    }
    let caught = readers.gap(SessionId(1), vec![all], usize::MAX).await.unwrap();
    assert_eq!((caught.count, caught.lines == model.lines(|_| true)), (kept + 40, true));
}
