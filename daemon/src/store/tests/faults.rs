//! Turns that fail: what the store says and does when the file or the disk is against it, and that it loses nothing. Run
//! by the store's tests. Never touches the files from outside: that is in `files` and `written_over`.

use super::opened::made;
use super::*;

#[tokio::test]
async fn a_full_disk_refuses_turns_and_takes_them_again_when_there_is_room() {
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
        // Numbers that were refused are given out again, as the chat does.
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
    store.commit(&mut model.say(&[(1, &[("ana", long.as_str()); 40])])).unwrap();
    let caught = readers.gap(SessionId(1), vec![all], usize::MAX).await.unwrap();
    assert_eq!(caught.lines, model.lines(|_| true));
}

#[tokio::test]
async fn a_turn_that_fails_in_the_middle_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("chat.db");
    let (mut store, readers, _) = open(&history(&path));
    let mut model = Model::default();
    store.commit(&mut Model::open(1)).unwrap();
    let mut writes = model.say(&[(1, &[("ana", "a")])]);
    // The room is there already: the second row cannot be written, after the chunk could.
    let again = (room(1), ConversationKind::Room(name("again")));
    writes.conversations = vec![(room(2), ConversationKind::Room(name("new"))), again];
    assert!(matches!(store.commit(&mut writes.clone()), Err(StoreError::Bug(_))));
    assert_eq!(store.count("SELECT count(*) FROM conversations"), 1);
    writes.conversations.pop();
    store.commit(&mut writes).unwrap();
    assert_eq!(readers.stats().await.unwrap().messages, 1);
}

#[test]
fn what_a_failed_commit_left_in_the_file_does_not_come_back() {
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
    // As when the sync fails after the write: the rows are there, and nobody was told.
    store.write_unnoticed(&refused);
    store.count("UPDATE totals SET head = head + 2 RETURNING head");
    copy_all(&mut store);
    store.lose_connection();
    model.head = head;
    model.heads.insert(room(1), head);
    model.messages.truncate(1);
    store.commit(&mut model.say(&[(1, &[("bo", "another")])])).unwrap();
    assert_eq!(store.count("SELECT count(*) FROM chunks"), 2);
    // The newest number in the file falls, and that is no older copy.
    copy_all(&mut store);
}

#[test]
fn a_kill_behind_a_failed_commit_leaves_a_store_that_goes_on() {
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
    store.write_unnoticed(&failed);
    store.count(
        "UPDATE totals SET head = head + 2, messages = messages + 2, last_session = 7,
                 last_conversation = 2 RETURNING head",
    );
    store.lose_connection();
    // Something opens the file again, and then the process is killed.
    assert!(store.newest().unwrap().is_some());
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
        store.commit(&mut model.say(&[(1, &[("ana", long.as_str()); 4])])).unwrap();
    }
    let caught = readers.gap(SessionId(1), vec![all], usize::MAX).await.unwrap();
    assert_eq!((caught.count, caught.lines == model.lines(|_| true)), (kept + 40, true));
}
