//! Tests of the size of the history and of its limit.

use super::*;

fn fill(store: &mut Store, model: &mut Model, turns: usize) {
    let long = "x".repeat(5_000);
    for _ in 0..turns {
        store.commit(&mut model.say(&[(1, &[("ana", long.as_str()); 10])])).unwrap();
    }
}

#[tokio::test]
async fn over_the_limit_the_oldest_messages_are_removed_in_slices() {
    let dir = tempfile::tempdir().unwrap();
    let most = 2 << 20;
    let history = History { max_bytes: MaxBytes::Bytes(most), ..history(dir.path().join("chat.db")) };
    let (mut store, readers, _) = open(&history);
    let mut model = Model::default();
    store.commit(&mut Model::open(1)).unwrap();
    fill(&mut store, &mut model, 10);
    assert!(store.remove_expired(Timestamp(START)).unwrap().is_none(), "there is room");
    let bytes = store.history_bytes();
    assert!(bytes.taken > 500_000 && bytes.taken < most && bytes.most == Some(most), "{bytes:?}");
    fill(&mut store, &mut model, 90);
    let (mut slices, mut removed) = (0, 0);
    while let Some(slice) = store.remove_expired(Timestamp(START)).unwrap() {
        slices += 1;
        removed += slice.bytes;
        assert_eq!(slice, Removed { bytes: slice.bytes, ..Removed::default() });
    }
    assert!(slices >= 5, "{slices} slices");
    assert!(store.history_bytes().taken <= most, "{:?}", store.history_bytes());
    let stats = readers.read_stats().await.unwrap();
    assert_eq!((stats.messages, stats.oldest), (1_000 - removed, removed + 1));
    // The index counts at most as much as the messages, so at least half of the limit is left for them.
    assert!((150..=400).contains(&stats.messages), "{stats:?}");
    assert_eq!(stats.history.most, Some(most));
}

#[test]
fn counted_bytes_match_the_file_for_all_message_lengths() {
    for length in [1, 100, 1_000, 2_100, 3_900, 4_100, 5_000, 9_000, 16_000] {
        let (mut store, ..) = open(&in_memory());
        let mut model = Model::default();
        store.commit(&mut Model::open(1)).unwrap();
        let before = store.count("PRAGMA page_count");
        let long = "x".repeat(length);
        let turns = 2_000_000 / (length + 400);
        for _ in 0..turns {
            store.commit(&mut model.say(&[(1, &[("ana", long.as_str())])])).unwrap();
        }
        let taken = (store.count("PRAGMA page_count") - before) * 4096;
        let counted = store.count("SELECT bytes FROM totals");
        let ids = 32 * i64::try_from(turns).unwrap();
        assert!(
            (taken * 9 / 10..taken * 12 / 10).contains(&(counted - ids)),
            "{length}: {counted} of {taken}"
        );
    }
}

#[tokio::test]
async fn a_store_with_long_rows_is_read_and_its_bytes_are_counted_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("chat.db");
    let (mut store, readers, _) = open(&history(&path));
    let mut model = Model::default();
    store.commit(&mut Model::open(1)).unwrap();
    let text = "x".repeat(80);
    store.commit(&mut model.say(&[(1, &[("ana", &*text), ("bo", &*text)])])).unwrap();
    let packed = store.totals.bytes;
    store.make_version_20();
    drop((store, readers));
    let (mut store, readers, _) = open(&history(&path));
    assert!(store.totals.bytes > packed + 100, "{} {packed}", store.totals.bytes);
    store.commit(&mut model.say(&[(1, &[("ana", "new")])])).unwrap();
    let page = PageOf { conversation: room(1), before: None, after: None, limit: 10 };
    let page = readers.read_page(page).await.unwrap();
    let page: serde_json::Value = serde_json::from_slice(&page.data).unwrap();
    let texts: Vec<_> = page["messages"].as_array().unwrap().iter().map(|message| &message["msg"]).collect();
    assert_eq!(texts, [&*text, &*text, "new"], "old rows and new ones");
}

#[tokio::test]
async fn only_messages_count_for_the_limit() {
    let dir = tempfile::tempdir().unwrap();
    let most = 1 << 20;
    let history = History { max_bytes: MaxBytes::Bytes(most), ..history(dir.path().join("chat.db")) };
    let (mut store, readers, _) = open(&history);
    let mut model = Model::default();
    store.commit(&mut Model::open(1)).unwrap();
    fill(&mut store, &mut model, 2);
    // Conversations, sessions and lines of the audit log that take more than the limit.
    let conversations = (2..8_000).map(|n| (room(n), ConversationKind::Room(name(&format!("room{n}")))));
    let line = tcp_chat_state::Audit {
        at: START,
        by: tcp_chat_state::By::Operator(0),
        did: "mute".into(),
        whom: None,
        room: None,
        what: None,
        until: None,
        reason: "x".repeat(256).into(),
    };
    let audit = vec![line; 8_000];
    store.commit(&mut Writes { conversations: conversations.collect(), audit, ..Writes::default() }).unwrap();
    assert!(store.count("PRAGMA page_count") * 4096 > 2 << 20);
    assert!(store.remove_expired(Timestamp(START)).unwrap().is_none(), "{:?}", store.history_bytes());
    let stats = readers.read_stats().await.unwrap();
    assert_eq!((stats.messages, stats.oldest), (20, 1));
    let lines: u64 = model.messages.iter().map(|m| m.line.len() as u64).sum();
    assert!((lines..3 * lines).contains(&stats.history.taken), "{stats:?} of {lines}");
}

#[test]
fn message_bytes_follow_the_messages_and_are_counted_in_an_older_store() {
    let dir = tempfile::tempdir().unwrap();
    let history = History { retain_messages: Some(20), ..history(dir.path().join("chat.db")) };
    let (mut store, ..) = open(&history);
    // It would find a total without a number.
    store.indexer = None;
    let counted = |store: &mut Store| {
        let known = store.count("SELECT bytes FROM totals");
        store.log().execute("UPDATE totals SET bytes = NULL", []).unwrap();
        crate::store::history_size::count_if_unknown(store.log()).unwrap();
        assert_eq!(store.count("SELECT bytes FROM totals"), known);
        known
    };
    let mut model = Model::default();
    store.commit(&mut Model::open(1)).unwrap();
    fill(&mut store, &mut model, 10);
    let before = counted(&mut store);
    while store.remove_expired(Timestamp(START)).unwrap().is_some() {}
    let after = counted(&mut store);
    assert!(after > 0 && after < before / 4, "{after} of {before}");
    store.commit(&mut Writes { gone: vec![room(1)], ..Writes::default() }).unwrap();
    fill(&mut store, &mut Model { head: model.head, ..Model::default() }, 1);
    while store.remove_expired(Timestamp(START)).unwrap().is_some() {}
    counted(&mut store);
    store.make_version_6();
    store.close().unwrap();
    let (mut store, ..) = open(&history);
    store.indexer = None;
    counted(&mut store);
}

#[test]
fn half_of_the_disk_is_measured_once_and_not_copied() {
    let dir = tempfile::tempdir().unwrap();
    let history = History { max_bytes: MaxBytes::HalfOfDisk, ..history(dir.path().join("chat.db")) };
    let (mut store, ..) = open(&history);
    let free = location::free_bytes(dir.path()).unwrap();
    let most = store.history_bytes().most.unwrap();
    // Other programs write to the same disk while this runs.
    assert!(most > free / 4 && most < free, "{most} of {free}");
    store.log().execute("UPDATE totals SET max_bytes = 12345678", []).unwrap();
    store.close().unwrap();
    let (store, ..) = open(&history);
    assert_eq!(store.history_bytes().most, Some(12_345_678));
    store.close().unwrap();
    let (store, ..) = open(&History { max_bytes: MaxBytes::Unlimited, ..history.clone() });
    assert_eq!(store.history_bytes().most, None);
}

#[tokio::test]
async fn a_copy_measures_its_own_disk() {
    let dir = tempfile::tempdir().unwrap();
    let (path, copy) = (dir.path().join("chat.db"), dir.path().join("copy.db"));
    let history = History { max_bytes: MaxBytes::HalfOfDisk, ..history(path) };
    let (_store, readers, _) = open(&history);
    readers.backup(&copy).await.unwrap();
    let copied = rusqlite::Connection::open(&copy).unwrap();
    let max: Option<i64> = copied.query_row("SELECT max_bytes FROM totals", [], |row| row.get(0)).unwrap();
    assert_eq!(max, None);
}
