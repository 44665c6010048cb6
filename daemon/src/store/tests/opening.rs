//! Tests of what a start and `check` report about the file at the store's path: of another program, newer,
//! older, damaged, or without permission. Failures while a store is in use are in `faults` and `open_files`.

use super::*;
use std::os::unix::fs::PermissionsExt;

/// Makes a store with a few messages, and closes it.
pub(super) fn make_store(path: &Path) -> Model {
    let (mut store, ..) = open(&history(path));
    let mut model = Model::default();
    store.commit(&mut Model::open(1)).unwrap();
    for _ in 0..50 {
        store.commit(&mut model.say(&[(1, &[("ana", "some text that fills pages"); 8])])).unwrap();
    }
    store.close().unwrap();
    model
}

fn open_refused(path: &Path) -> StoreError {
    let error = Store::open(&history(path)).unwrap_err();
    assert!(error.to_string().contains(path.to_str().unwrap()), "it names the file: {error}");
    error
}

#[test]
fn a_second_daemon_on_a_store_is_refused_until_the_first_ends() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("chat.db");
    let (store, ..) = open(&history(&path));
    let error = open_refused(&path);
    assert!(matches!(error, StoreError::InUse { .. }));
    assert!(error.to_string().contains(&std::process::id().to_string()), "{error}");
    Store::check(&history(&path)).unwrap();
    drop(store);
    open(&history(&path));
}

#[test]
fn the_policy_of_an_older_version_is_not_read_and_the_store_opens() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("chat.db");
    make_store(&path);
    let log = rusqlite::Connection::open(&path).unwrap();
    // As the version wrote it that had `accounts` in its place.
    let older = "0102056c6f626279036f707301066275696c64730103626f74010064e8070a141e280506070809000a0b0c323c465080400d0e";
    log.execute(&format!("INSERT INTO policy (id, rules) VALUES (1, x'{older}')"), []).unwrap();
    drop(log);
    let (_, _, found) = open(&history(&path));
    assert_eq!((found.rules, found.head), (None, 400));
}

#[test]
fn a_store_of_version_1_is_migrated_completely() {
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
    assert_eq!(found.permissions, tcp_chat_state::StoredPermissions::default());
}

#[test]
fn certificates_of_a_store_of_version_2_keep_what_they_were() {
    use tcp_chat_state::{Certificate, Digest, Revocation};
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
fn a_store_of_version_14_keeps_its_order_its_shares_and_what_retention_has_removed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("chat.db");
    let (mut store, ..) = open(&history(&path));
    let mut model = Model::default();
    store.commit(&mut Model::open(3)).unwrap();
    store.commit(&mut model.say(&[(1, &[("ana", "a"), ("ana", "b")])])).unwrap();
    store.make_version_14();
    store
        .log()
        .execute_batch(
            "INSERT INTO sessions VALUES (7, zeroblob(32), 7, 'ana', 'red');
             INSERT INTO members (session, room, since) VALUES (7, 3, 0), (7, 1, 1);
             INSERT INTO grants (room, user, role) VALUES (0, 'Mo', 'moderator'), (0, 'bo', 'member');
             INSERT INTO mutes (room, user, reason, by, since) VALUES
                 (1, 'a', '', 'bo', 5), (1, 'b', '', 'mo', 5), (1, 'c', '', 'operator (uid 0)', 5), (0, 'd', '', 'bo', 5);
             INSERT INTO bans (room, whom, reason, by, since) VALUES
                 (1, 'user:a', '', 'bo', 5), (1, 'user:b', '', 'mo', 5);
             UPDATE chunks SET first = 2",
        )
        .unwrap();
    store.close().unwrap();
    let (store, _, found) = open(&history(&path));
    assert_eq!(found.sessions[0].rooms, [(room(1), 1), (room(3), 0)], "by their ids");
    assert_eq!((found.oldest, found.last_join), (2, 0));
    let shares: Vec<_> =
        found.permissions.mutes.iter().map(|(_, user, mute)| (user, mute.share.clone())).collect();
    let [a, b, c, d] = ["a", "b", "c", "d"].map(name);
    assert_eq!(shares, [(&d, None), (&a, Some(name("bo"))), (&b, None), (&c, None)]);
    let shares: Vec<_> = found.permissions.bans.iter().map(|(_, _, ban)| ban.share.clone()).collect();
    assert_eq!(shares, [Some(name("bo")), None]);
    assert!(found.work.is_empty() && found.ended_sessions.is_empty() && found.lost.is_empty());
    drop(store);
}

#[test]
fn ids_of_a_store_of_version_15_have_the_conversation_of_their_message() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("chat.db");
    let (mut store, ..) = open(&history(&path));
    let mut model = Model::default();
    store.commit(&mut Model::open(3)).unwrap();
    let mut writes = model.say(&[(3, &[("ana", "a"), ("ana", "b")]), (2, &[("ana", "c")])]);
    writes.sessions = vec![SessionChange::Put(session_row(1))];
    let sent =
        |seq, n| Sent { session: SessionId(1), id: RequestId::Number(seq), conversation: room(n), seq };
    writes.sent = vec![sent(1, 3), sent(2, 3), sent(3, 2)];
    let wanted = writes.sent.clone();
    store.commit(&mut writes).unwrap();
    store.make_version_15();
    store.close().unwrap();
    let (store, _, found) = open(&history(&path));
    assert_eq!(found.sent, wanted);
    drop(store);
}

#[test]
fn a_newer_store_is_refused_with_both_versions_and_not_touched() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("chat.db");
    make_store(&path);
    rusqlite::Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let before = std::fs::read(&path).unwrap();
    let error = open_refused(&path);
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
    make_store(&path);
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
        let error = open_refused(&path);
        assert!(matches!(error, StoreError::Corrupt { .. } | StoreError::Foreign { .. }), "{what}: {error}");
        assert!(!error.may_pass() && Store::check(&history(&path)).is_err(), "{what}");
        assert_eq!(std::fs::read(&path).unwrap(), bytes, "{what}: it is left as it was");
    }
    let _ = std::fs::remove_file(&path);
    rusqlite::Connection::open(&path).unwrap().execute_batch("CREATE TABLE theirs (x)").unwrap();
    assert!(matches!(open_refused(&path), StoreError::Foreign { .. }));
    // An empty file is a store that will be created.
    std::fs::write(&path, b"").unwrap();
    open(&history(&path));
}

#[test]
fn files_are_for_their_owner_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("folder/chat.db");
    let (mut store, ..) = open(&history(&path));
    store.commit(&mut Model::open(1)).unwrap();
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(path.parent().unwrap()), 0o700);
    for ending in ["", "-wal", "-shm", ".lock"] {
        assert_eq!(mode(Path::new(&format!("{}{ending}", path.display()))), 0o600, "{ending}");
    }
}

#[test]
fn an_impossible_path_is_named_in_the_error() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("file"), "x").unwrap();
    let error = Store::open(&history(dir.path().join("file/chat.db"))).unwrap_err();
    assert!(error.to_string().contains(dir.path().join("file").to_str().unwrap()), "{error}");
    std::fs::create_dir(dir.path().join("chat.db")).unwrap();
    open_refused(&dir.path().join("chat.db"));
}

#[test]
fn a_store_without_write_permission_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("chat.db");
    make_store(&path);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o400)).unwrap();
    if std::fs::File::options().write(true).open(&path).is_ok() {
        println!("skipped: this user may write read-only files");
        return;
    }
    let error = open_refused(&path);
    assert!(error.is_permission(), "{error}");
}

/// The names in a folder.
fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_check_leaves_no_file_beside_the_store() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("chat.db");
    let model = make_store(&path);
    let is_left_as_it_was = |history: &History| {
        let before = names(dir.path());
        assert!(Store::check(history).unwrap().newest.is_some());
        assert_eq!(names(dir.path()), before);
    };
    is_left_as_it_was(&history(&path));
    // A backup that was never opened.
    let (mut store, readers, _) = open(&history(&path));
    // The files that this makes are not from the check.
    store.wait_for_index();
    let backup = dir.path().join("backup.db");
    readers.backup(&backup).await.unwrap();
    is_left_as_it_was(&history(&backup));
    // In use, and killed: the content of the write-ahead log is read, too.
    drop(readers);
    is_left_as_it_was(&history(&path));
    let mut model = model;
    store.commit(&mut model.say(&[(1, &[("ana", "in the write-ahead log")])])).unwrap();
    let newest = Store::check(&history(&path)).unwrap().newest;
    assert_eq!(newest, store.newest_timestamp().unwrap());
    drop(store);
    is_left_as_it_was(&history(&path));
    assert_eq!(Store::check(&history(&path)).unwrap().newest, newest);
}

#[test]
fn a_store_of_version_18_can_erase_users() {
    let dir = tempfile::tempdir().unwrap();
    let history = history(dir.path().join("chat.db"));
    let (mut store, ..) = open(&history);
    store.commit(&mut Model::open(1)).unwrap();
    store.make_version_18();
    store.close().unwrap();
    let (mut store, _, found) = open(&history);
    assert!(found.erasures.is_empty());
    assert_eq!(store.count("SELECT count(audit) + count(redactions) FROM erasures"), 0);
}
