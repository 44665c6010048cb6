//! Searches while the index is behind the log: how long they wait, what they find, and what they say of it. Run by the
//! store's tests. Time stands still in them: it moves on only while everything waits.

use super::search::look_for;
use super::*;
use crate::store::search::PATIENCE;
use serde_json::Value;
use std::time::Duration;

/// What a search found, how far it reached, and for how long it waited.
async fn found(readers: &Readers, what: SearchIn) -> (Vec<Seq>, Seq, Duration) {
    let began = tokio::time::Instant::now();
    let page = readers.search(what).await.unwrap();
    let waited = began.elapsed();
    let indexed = serde_json::from_slice::<Value>(&page.data).unwrap()["indexed"].as_u64().unwrap();
    (numbers(&page).0, indexed, waited)
}

/// A store whose index has one message in each of two rooms, and no more from now on.
async fn held(history: &History) -> (Store, Readers, Model) {
    let (mut store, readers, _) = open(history);
    let mut model = Model::default();
    store.commit(&mut Model::open(2)).unwrap();
    store.commit(&mut model.say(&[(1, &[("ana", "old word")]), (2, &[("bo", "old word")])])).unwrap();
    store.wait_until_indexed().await;
    store.hold_index(true);
    (store, readers, model)
}

#[tokio::test(start_paused = true)]
async fn a_search_waits_for_the_index_for_50_ms_and_reads_the_newest_messages_from_the_log() {
    let dir = tempfile::tempdir().unwrap();
    for history in [history(dir.path().join("chat.db")), in_memory()] {
        let (mut store, readers, mut model) = held(&history).await;
        let all = |rooms: &[i64]| SearchIn { head: 6, ..look_for("word", rooms) };
        assert_eq!(
            found(&readers, all(&[1, 2])).await,
            (vec![2, 1], 2, Duration::ZERO),
            "nothing is missing"
        );

        let new = [("ana", "new word"), ("bo", "another"), ("Bo", "a newer word")];
        store.commit(&mut model.say(&[(1, &new), (2, &[("ana", "word elsewhere")])])).unwrap();
        assert_eq!(found(&readers, all(&[1, 2])).await, (vec![6, 5, 3, 2, 1], 6, PATIENCE));
        assert_eq!(PATIENCE, Duration::from_millis(50));
        for (what, wanted) in [
            (all(&[1]), vec![5, 3, 1]),
            (all(&[2]), vec![6, 2]),
            (all(&[3]), vec![]),
            (SearchIn { user: Some(name("BO").key()), ..all(&[1, 2]) }, vec![5, 2]),
            (SearchIn { after: Some(1), before: Some(6), ..all(&[1, 2]) }, vec![5, 3, 2]),
            (SearchIn { after: Some(3), ..all(&[1]) }, vec![5]),
            (SearchIn { query: "word NOT newer".into(), ..all(&[1]) }, vec![3, 1]),
        ] {
            assert_eq!(found(&readers, what.clone()).await, (wanted, 6, PATIENCE), "{what:?}");
        }
        let two = readers.search(SearchIn { limit: 2, ..all(&[1, 2]) }).await.unwrap();
        assert_eq!(numbers(&two), (vec![6, 5], true));
        let rest = readers.search(SearchIn { limit: 3, before: Some(5), ..all(&[1, 2]) }).await.unwrap();
        assert_eq!(numbers(&rest), (vec![3, 2, 1], false));
        // What came after the request is not in its answer, and the reply does not say that it was searched.
        let earlier = SearchIn { head: 5, before: Some(6), ..all(&[1, 2]) };
        assert_eq!(found(&readers, earlier).await, (vec![5, 3, 2, 1], 5, PATIENCE));

        store.hold_index(false);
        store.wait_until_indexed().await;
        assert_eq!(found(&readers, all(&[1, 2])).await, (vec![6, 5, 3, 2, 1], 6, Duration::ZERO));
    }
}

#[tokio::test(start_paused = true)]
async fn a_search_does_not_wait_for_an_index_that_is_far_behind_and_says_how_far_it_reaches() {
    let (mut store, readers, mut model) = held(&in_memory()).await;
    for _ in 0..30 {
        store.commit(&mut model.say(&[(1, &[("ana", "new word"); 100])])).unwrap();
    }
    let word = || SearchIn { head: 3_002, ..look_for("word", &[1, 2]) };
    assert_eq!(found(&readers, word()).await, (vec![2, 1], 2, Duration::ZERO));
    let page: Value = serde_json::from_slice(&readers.search(word()).await.unwrap().data).unwrap();
    assert_eq!((&page["indexed"], &page["head"], &page["more"]), (&2.into(), &3_002.into(), &false.into()));
    // It does not make the index hurry: the chat goes first.
    assert_eq!(readers.shared().work().waiting, 0);
    store.hold_index(false);
    store.wait_until_indexed().await;
    let (seqs, indexed, waited) = found(&readers, word()).await;
    assert_eq!((seqs[0], indexed, waited), (3_002, 3_002, Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn an_index_that_nobody_waits_for_any_longer_gives_way_again() {
    let (mut store, readers, mut model) = held(&in_memory()).await;
    store.commit(&mut model.say(&[(1, &[("ana", "new word")])])).unwrap();
    let shared = readers.shared();
    let search = || readers.search(look_for("word", &[1]));
    let (_, _, waiting) = tokio::join!(search(), search(), async {
        tokio::task::yield_now().await;
        shared.work().waiting
    });
    assert_eq!((waiting, shared.work().waiting), (2, 0), "while they wait, and after that");
    // A connection that goes away takes its search along.
    let gone = tokio::time::timeout(PATIENCE / 2, search()).await;
    assert!(gone.is_err());
    assert_eq!(shared.work().waiting, 0);
    // An index that turns out to be far behind.
    for _ in 0..30 {
        store.commit(&mut model.say(&[(1, &[("ana", "new word"); 100])])).unwrap();
    }
    shared.report(|p| p.file = 0);
    let opens = async {
        tokio::task::yield_now().await;
        shared.report(|p| p.file = 1);
        shared.work().waiting
    };
    let (_, waiting) = tokio::join!(search(), opens);
    assert_eq!((waiting, shared.work().waiting), (1, 0));
}

/// How long it takes must not tell what is said where one may not read.
#[tokio::test(start_paused = true)]
async fn of_the_newest_messages_only_those_that_may_be_read_are_read() {
    let (mut store, readers, mut model) = held(&in_memory()).await;
    // In room 2 it is more than a search reads.
    let long = "word ".repeat(1_600);
    for _ in 0..10 {
        store.commit(&mut model.say(&[(2, &[("bo", long.as_str()); 10])])).unwrap();
    }
    store.commit(&mut model.say(&[(1, &[("ana", "new word")])])).unwrap();
    let word = |rooms: &[i64]| SearchIn { head: 103, ..look_for("word", rooms) };
    assert_eq!(found(&readers, word(&[1])).await, (vec![103, 1], 103, PATIENCE));
    let (seqs, indexed, _) = found(&readers, word(&[1, 2])).await;
    assert_eq!((seqs, indexed), (vec![2, 1], 2));
}

#[tokio::test]
async fn while_an_old_index_is_made_anew_a_search_says_that_it_reached_nothing_or_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let history = history(dir.path().join("chat.db"));
    let (mut store, readers, mut model) = held(&history).await;
    store.hold_index(false);
    store.commit(&mut model.say(&[(1, &[("ana", "new word"); 100])])).unwrap();
    store.wait_until_indexed().await;
    drop(readers);
    store.close().unwrap();
    let older = rusqlite::Connection::open(dir.path().join("chat.db-search")).unwrap();
    older.execute("UPDATE about SET version = version - 1", []).unwrap();
    drop(older);

    let (mut store, readers, _) = open(&history);
    store.hold_index(true);
    let word = || SearchIn { head: 102, ..look_for("old", &[1, 2]) };
    assert_eq!(found(&readers, word()).await.1, 102, "few enough for the log");
    for _ in 0..20 {
        store.commit(&mut model.say(&[(1, &[("ana", "new word"); 100])])).unwrap();
    }
    let (seqs, indexed, _) = found(&readers, SearchIn { head: model.head, ..word() }).await;
    assert!((seqs.len(), indexed) == (0, 0) || (seqs == [2, 1] && indexed >= 2), "{seqs:?} {indexed}");
    store.hold_index(false);
    store.wait_until_indexed().await;
    let (seqs, indexed, _) = found(&readers, SearchIn { head: model.head, ..word() }).await;
    assert_eq!((seqs, indexed), (vec![2, 1], model.head));
}
