//! The files of the search index: that it goes on after a restart, is made anew where it is bad, lets go of what was
//! removed, and how large it gets. Run by the store's tests. What a search finds is in `search`.

use super::super::index::Worker;
use super::search::{find, look_for, said};
use super::*;

#[tokio::test]
async fn a_restart_goes_on_with_the_index_and_makes_a_bad_one_anew() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("chat.db");
    let index = dir.path().join("chat.db-search");
    let history = history(&path);
    let (mut store, readers, _) = open(&history);
    let mut model = said(&mut store);
    assert_eq!(find(&readers, look_for("hello", &[1, 2])).await.0, [3, 2, 1]);
    drop(readers);
    store.close().unwrap();

    let spoil: [&dyn Fn(); 6] = [
        &|| {},
        &|| std::fs::remove_file(&index).unwrap(),
        &|| {
            std::fs::write(&index, "this is no database, and it is longer than a header ".repeat(20)).unwrap()
        },
        &|| std::fs::File::options().write(true).open(&index).unwrap().set_len(5_000).unwrap(),
        &|| {
            // Another log's, or one from after a backup was put back.
            let other = rusqlite::Connection::open(&index).unwrap();
            other.execute("UPDATE about SET mark = 999", []).unwrap();
        },
        &|| {
            // From before the words were cut as they are now: nothing of it would be found.
            let older = rusqlite::Connection::open(&index).unwrap();
            older.execute("UPDATE about SET version = version - 1", []).unwrap();
            older.execute("DELETE FROM words", []).unwrap();
        },
    ];
    for (n, spoil) in spoil.iter().enumerate() {
        spoil();
        let (mut store, readers, _) = open(&history);
        store.commit(&mut model.say(&[(1, &[("ana", "something new")])])).unwrap();
        let new = model.head;
        let found = find(&readers, look_for("hello OR new", &[1, 2])).await.0;
        assert_eq!((found[0], &found[n + 1..]), (new, &[3, 2, 1][..]), "case {n}");
        drop(readers);
        store.close().unwrap();
    }
}

#[test]
fn only_messages_and_removals_wake_the_index() {
    let (mut store, _readers, _) = open(&in_memory());
    let shared = store.parts().1.clone();
    let woken = || shared.woken.load(std::sync::atomic::Ordering::Relaxed);
    let mut model = Model::default();
    store.commit(&mut model.say(&[(1, &[("ana", "hello")])])).unwrap();
    assert_eq!(woken(), 1);
    let sessions = vec![SessionChange::Put(session_row(1))];
    store.commit(&mut Writes { sessions, ..Writes::default() }).unwrap();
    assert_eq!(woken(), 1, "a login has no words");
    store.commit(&mut Writes { gone: vec![room(1)], ..Writes::default() }).unwrap();
    assert_eq!(woken(), 2);
}

#[test]
fn an_index_that_has_caught_up_waits_for_more_messages_and_has_removed_what_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, ..) = open(&history(dir.path().join("chat.db")));
    let shared = store.parts().1.clone();
    wait_until("the index has not done its first step", || shared.progress().borrow().removals == Some(0));
    store.hold_index(true);
    let mut worker = Worker::new(shared.clone());
    let mut step = || worker.step(shared.work()).unwrap();
    let reached = || (shared.progress().borrow().mark, shared.progress().borrow().removals);
    let mut model = Model::default();
    store.commit(&mut Model::open(2)).unwrap();
    store.commit(&mut model.say(&[(1, &[("ana", "hello")]), (2, &[("bo", "hello")])])).unwrap();
    assert!(!step(), "all messages are in it");
    assert_eq!(reached(), (2, Some(0)));
    // Messages that come before each step do not keep it from removals.
    store.commit(&mut Writes { gone: vec![room(2)], ..Writes::default() }).unwrap();
    for _ in 0..3 {
        store.commit(&mut model.say(&[(1, &[("ana", "more")])])).unwrap();
        step();
    }
    assert_eq!(reached(), (5, Some(1)));
    let long = "x".repeat(1_000);
    for _ in 0..2 {
        store.commit(&mut model.say(&[(1, &[("ana", long.as_str()); 600])])).unwrap();
    }
    assert!(step(), "it reads half a MiB at once");
    assert_eq!(reached(), (605, Some(1)));
    while step() {}
    assert_eq!(reached(), (1_205, Some(1)));
}

#[tokio::test]
async fn an_index_that_breaks_while_it_is_used_is_made_anew() {
    let dir = tempfile::tempdir().unwrap();
    let history = history(dir.path().join("chat.db"));
    let (mut store, readers, _) = open(&history);
    said(&mut store);
    assert_eq!(find(&readers, look_for("hello", &[1, 2])).await.0, [3, 2, 1]);
    let other = rusqlite::Connection::open(dir.path().join("chat.db-search")).unwrap();
    other.execute("DELETE FROM words_data", []).unwrap();
    drop(other);
    let before = readers.read_stats().await.unwrap();
    let broken = readers.search(look_for("hello", &[1, 2])).await;
    let broken = broken.unwrap_err();
    assert!(matches!(broken, StoreError::Index { .. }), "{broken:?}");
    assert!(!broken.to_string().contains("the store"), "only the index is damaged: {broken}");
    // The log is not touched by that.
    assert_eq!(readers.read_stats().await.unwrap().messages, before.messages);
    store.wait_for_index_file(2).await;
    assert_eq!(find(&readers, look_for("hello", &[1, 2])).await.0, [3, 2, 1]);
}

#[tokio::test]
async fn a_search_reads_the_log_while_the_index_has_given_its_room_and_says_nothing_of_damage() {
    let dir = tempfile::tempdir().unwrap();
    let history = history(dir.path().join("chat.db"));
    let (mut store, readers, _) = open(&history);
    said(&mut store);
    assert_eq!(find(&readers, look_for("hello", &[1, 2])).await.0, [3, 2, 1]);
    store.set_index_gives_room(true);
    let file = dir.path().join("chat.db-search");
    wait_until("the index has not removed its file", || !file.exists());
    for _ in 0..3 {
        assert_eq!(find(&readers, look_for("hello", &[1, 2])).await.0, [3, 2, 1]);
    }
    let mut model = Model { head: readers.read_stats().await.unwrap().head, ..Model::default() };
    for _ in 0..11 {
        store
            .commit(&mut model.say(&[(1, &[("ana", "much more than a search reads of the log"); 100])]))
            .unwrap();
    }
    for _ in 0..3 {
        let page = readers.search(look_for("hello", &[1, 2])).await.unwrap();
        assert_eq!(numbers(&page).0, [0; 0]);
        assert!(text(&page.data).contains(r#","indexed":0,"#), "{}", text(&page.data));
    }
    store.set_index_gives_room(false);
    let head = readers.read_stats().await.unwrap().head;
    let mut progress = readers.shared().progress();
    let indexed = progress.wait_for(|p| p.file >= 2 && p.mark >= head);
    within("the messages are not in the new index", indexed).await.unwrap();
    assert_eq!(find(&readers, look_for("hello", &[1, 2])).await.0, [3, 2, 1]);
}

#[tokio::test]
async fn what_retention_took_is_not_found_and_leaves_the_index() {
    let dir = tempfile::tempdir().unwrap();
    let mut history = history(dir.path().join("chat.db"));
    history.retain_messages = Some(6);
    let (mut store, readers, _) = open(&history);
    said(&mut store);
    assert_eq!(find(&readers, look_for("hello OR two", &[1, 2])).await.0, [8, 7, 3, 2, 1]);
    while store.remove_expired(Timestamp(START)).unwrap().is_some() {}
    assert_eq!(find(&readers, look_for("hello OR two", &[1, 2])).await.0, [8, 7]);
    store.commit(&mut Writes { gone: vec![room(2)], ..Writes::default() }).unwrap();
    while store.remove_expired(Timestamp(START)).unwrap().is_some() {}
    store.wait_for_removals_in_index().await;
    store.close().unwrap();
    let index = rusqlite::Connection::open(dir.path().join("chat.db-search")).unwrap();
    let left: Vec<i64> = index
        .prepare("SELECT rowid FROM words ORDER BY rowid")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    assert_eq!(left, [7, 8, 9]);
}

#[tokio::test]
async fn the_direct_messages_of_a_user_are_one_word_of_the_index_however_many_they_are() {
    let dir = tempfile::tempdir().unwrap();
    for history in [history(dir.path().join("chat.db")), in_memory()] {
        let (mut store, readers, _) = open(&history);
        let mut model = Model::default();
        let direct = |n: i64, a, b| (room(n), ConversationKind::Direct(UserId(a), UserId(b)));
        let mut conversations: Vec<_> = (10..500).map(|n| direct(n, 1, n)).collect();
        conversations.extend([direct(2, 2, 3), direct(3, 3, 3), direct(4, 3, 11)]);
        conversations.extend(Model::open(1).conversations);
        store.commit(&mut Writes { conversations, ..Writes::default() }).unwrap();
        let said = [(1, "word"), (2, "word"), (3, "word"), (4, "word"), (10, "word"), (499, "word x")];
        for (n, text) in said {
            store.commit(&mut model.say(&[(n, &[("ana", text)])])).unwrap();
        }
        let of = |user| SearchIn { directs_of: Some(UserId(user)), ..look_for("word", &[1]) };
        for (user, wanted) in
            [(1, vec![6, 5, 1]), (3, vec![4, 3, 2, 1]), (11, vec![4, 1]), (499, vec![6, 1]), (7, vec![1])]
        {
            assert_eq!(find(&readers, of(user)).await, (wanted, false), "user {user}");
        }
        let alone = SearchIn { conversations: Vec::new(), ..of(1) };
        assert_eq!(find(&readers, alone).await, (vec![6, 5], false));
        // Who is gone from the log is not found, whatever the index still has.
        store.commit(&mut Writes { gone: vec![room(499)], ..Writes::default() }).unwrap();
        assert_eq!(find(&readers, of(1)).await, (vec![5, 1], false));
    }
}
