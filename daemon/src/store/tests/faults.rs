//! Tests of turns that fail: what the store reports when the file or the disk fails, and that it loses
//! nothing. Never changes the files from outside; that is in `open_files` and `overwritten_files`.

use super::opening::make_store;
use super::*;

#[tokio::test]
async fn a_full_disk_refuses_turns_until_there_is_space() {
    let dir = tempfile::tempdir().unwrap();
    let history = history(dir.path().join("chat.db"));
    let (mut store, readers, _) = open(&history);
    let mut model = Model::default();
    store.commit(&mut Model::open(1)).unwrap();
    store.commit(&mut model.say(&[(1, &[("ana", "before")])])).unwrap();
    store.limit_pages(Some(0));
    let (head, messages) = (model.head, model.messages.len());
    let long = "x".repeat(5_000);
    let mut refused = 0;
    for _ in 0..3 {
        // As in the chat, numbers of refused messages are assigned again.
        model.head = head;
        model.heads.insert(room(1), head);
        model.messages.truncate(messages);
        let error = store.commit(&mut model.say(&[(1, &[("ana", long.as_str()); 40])])).unwrap_err();
        assert!(matches!(error, StoreError::Full { .. }), "{error}");
        assert!(error.may_pass() && !error.is_permission());
        refused += 1;
    }
    assert_eq!(refused, 3);
    let all = Range { conversation: room(1), first: 1, last: Seq::MAX };
    assert_eq!(
        readers.read_gap(SessionId(1), vec![all], usize::MAX).await.unwrap().count,
        1,
        "none of it is there"
    );
    // Refusals do not become slower, and leave nothing open.
    assert_eq!(store.find_sent(SessionId(1), &RequestId::Number(1)).unwrap(), None);
    assert!(store.remove_expired(Timestamp(START)).unwrap().is_none());

    store.limit_pages(None);
    model.head = head;
    model.heads.insert(room(1), head);
    model.messages.truncate(messages);
    store.commit(&mut model.say(&[(1, &[("ana", long.as_str()); 40])])).unwrap();
    let caught = readers.read_gap(SessionId(1), vec![all], usize::MAX).await.unwrap();
    assert_eq!(caught.lines, model.lines(|_| true));
}

#[tokio::test]
async fn a_turn_that_fails_halfway_stores_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("chat.db");
    let (mut store, readers, _) = open(&history(&path));
    let mut model = Model::default();
    store.commit(&mut Model::open(1)).unwrap();
    let mut writes = model.say(&[(1, &[("ana", "a")])]);
    // The room exists already: the chunk can be written, but the second row cannot.
    let again = (room(1), ConversationKind::Room(name("again")));
    writes.conversations = vec![(room(2), ConversationKind::Room(name("new"))), again];
    assert!(matches!(store.commit(&mut writes.clone()), Err(StoreError::Bug(_))));
    assert_eq!(store.count("SELECT count(*) FROM conversations"), 1);
    writes.conversations.pop();
    store.commit(&mut writes).unwrap();
    assert_eq!(readers.read_stats().await.unwrap().messages, 1);
}

#[test]
fn rows_of_a_failed_commit_do_not_appear_again() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, ..) = open(&history(dir.path().join("chat.db")));
    let mut model = Model::default();
    store.commit(&mut Model::open(1)).unwrap();
    store.commit(&mut model.say(&[(1, &[("ana", "kept")])])).unwrap();
    let head = model.head;
    let refused = model.say(&[(1, &[("ana", "refused"), ("ana", "too")])]);
    let copy_all = |store: &mut Store| {
        store.log().query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
        store.check_files().unwrap();
    };
    // As after a failed sync: the rows are in the file, but were not acknowledged.
    store.write_without_commit(&refused);
    store.count("UPDATE totals SET head = head + 2 RETURNING head");
    copy_all(&mut store);
    store.lose_connection();
    model.head = head;
    model.heads.insert(room(1), head);
    model.messages.truncate(1);
    store.commit(&mut model.say(&[(1, &[("bo", "another")])])).unwrap();
    assert_eq!(store.count("SELECT count(*) FROM chunks"), 2);
    // The newest number in the file falls, but this must not count as an older copy.
    copy_all(&mut store);
}

#[test]
fn a_kill_after_a_failed_commit_leaves_a_usable_store() {
    let dir = tempfile::tempdir().unwrap();
    let history = history(dir.path().join("chat.db"));
    let (mut store, readers, _) = open(&history);
    let mut model = Model::default();
    store.commit(&mut Model::open(1)).unwrap();
    store.commit(&mut model.say(&[(1, &[("ana", "kept")])])).unwrap();
    let mut failed = model.say(&[(1, &[("ana", "held"), ("ana", "too")])]);
    let row = SessionRow {
        id: SessionId(7),
        token_hash: [7; 32],
        user: UserId(7),
        name: name("bo"),
        color: Colour::default(),
        origin: None,
    };
    failed.sessions = vec![SessionChange::Put(row)];
    failed.conversations = vec![(room(2), ConversationKind::Room(name("new")))];
    store.write_without_commit(&failed);
    store.count(
        "UPDATE totals SET head = head + 2, messages = messages + 2, last_session = 7,
                 last_conversation = 2 RETURNING head",
    );
    store.lose_connection();
    // The file is opened again, and then the process is killed.
    assert!(store.newest_timestamp().unwrap().is_some());
    drop((store, readers));
    let (_store, _readers, found) = open(&history);
    assert_eq!((found.head, found.conversations[0].head), (1, 1), "else the next message cannot be kept");
    assert_eq!((found.sessions.len(), found.last_session), (1, 7), "else the next session has its number");
    assert_eq!(
        (found.conversations.len(), found.last_conversation),
        (1, 2),
        "else the next room has its grants"
    );
}

#[tokio::test]
async fn damage_found_by_a_read_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("chat.db");
    make_store(&path);
    let mut bytes = std::fs::read(&path).unwrap();
    let at = bytes.windows(8).position(|w| w == b"some tex").unwrap() / 4096 * 4096;
    bytes[at..at + 64].fill(0xff);
    std::fs::write(&path, &bytes).unwrap();
    let error = Store::check(&history(&path)).unwrap_err();
    assert!(matches!(error, StoreError::Corrupt { .. }), "a start does not see it, a check does: {error}");
    let (_store, readers, _) = open(&history(&path));
    let all = Range { conversation: room(1), first: 1, last: Seq::MAX };
    let error = readers.read_gap(SessionId(1), vec![all], usize::MAX).await.unwrap_err();
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
}

/// `TCP_CHATD_SMALL_DISK` names a folder on a disk of a few megabytes that the test may fill. To make one:
/// `mount -t tmpfs -o size=8m tmpfs FOLDER`.
#[tokio::test]
async fn a_real_full_disk_refuses_turns_until_there_is_space() {
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
    store.commit(&mut Model::open(1)).unwrap();
    let long = "x".repeat(5_000);
    let all = Range { conversation: room(1), first: 1, last: Seq::MAX };
    let (mut kept, mut refused) = (0, 0);
    while refused < 20 {
        let (head, messages) = (model.head, model.messages.len());
        match store.commit(&mut model.say(&[(1, &[("ana", long.as_str()); 4])])) {
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
    let caught = readers.read_gap(SessionId(1), vec![all], usize::MAX).await.unwrap();
    assert_eq!((caught.count, caught.lines == model.lines(|_| true)), (kept, true));
    let backup = readers.backup(&dir.path().join("backup.db")).await;
    assert!(matches!(backup, Err(StoreError::Full { .. })), "{backup:?}");
    // After a kill in this state, it starts again, reads, and continues once there is space.
    drop((store, readers));
    let (mut store, readers, _) = open(&history);
    let caught = readers.read_gap(SessionId(1), vec![all], usize::MAX).await.unwrap();
    assert_eq!((caught.count, caught.lines == model.lines(|_| true)), (kept, true));
    std::fs::remove_file(&ballast).unwrap();
    for _ in 0..10 {
        store.commit(&mut model.say(&[(1, &[("ana", long.as_str()); 4])])).unwrap();
    }
    let caught = readers.read_gap(SessionId(1), vec![all], usize::MAX).await.unwrap();
    assert_eq!((caught.count, caught.lines == model.lines(|_| true)), (kept + 40, true));
}
