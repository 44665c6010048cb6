//! Searches in a store: which messages a user finds, and what the page says. What queries mean is tested in the crate
//! of the index. The tests of the index's files (`indexed`) use the messages. Never looks at those files.

use super::*;
use serde_json::Value;

/// A store with some messages in rooms 1 and 2: (room, author, text), numbered from 1.
pub(super) const SAID: &[(i64, &str, &str)] = &[
    (1, "ana", "hello world"),
    (1, "Bo", "Hello again, worlds"),
    (2, "ana", "hello from the other room"),
    (1, "ana", "the café near the river"),
    (1, "山田", "CAFE \u{1f980}\u{1f980} cafe"),
    (1, "bo", "col:x is no column, AND is a word"),
    (1, "bo", "one two three"),
    (1, "bo", "three two one -"),
    (1, "bo", "\u{e000} don't \u{e001} panic\n\"quoted\" text"),
    (2, "bo", "c1 c2 u616e61 tags msg"),
    (2, "bo", "shine\u{1f600}"),
    (2, "bo", "明日は東京へ行きます"),
];

pub(super) fn said(store: &mut Store) -> Model {
    let mut model = Model::default();
    store.commit(&mut Model::open(2)).unwrap();
    for (n, user, text) in SAID {
        store.commit(&mut model.say(&[(*n, &[(user, text)])])).unwrap();
    }
    model
}

pub(super) fn look_for(query: &str, rooms: &[i64]) -> SearchIn {
    SearchIn {
        query: query.to_owned(),
        conversations: rooms.iter().map(|n| room(*n)).collect(),
        directs_of: None,
        user: None,
        before: None,
        after: None,
        head: Seq::MAX,
        limit: 20,
    }
}

/// Searches once the index has everything, unless it cannot.
pub(super) async fn find(readers: &Readers, what: SearchIn) -> (Vec<Seq>, bool) {
    let shared = readers.shared();
    let head = shared.work().head;
    let is_decided =
        |p: &super::super::shared::Progress| p.gone || p.failing || (p.file > 0 && p.mark >= head);
    shared.progress().wait_for(is_decided).await.unwrap();
    numbers(&readers.search(what).await.unwrap())
}

#[tokio::test]
async fn where_by_whom_and_before() {
    let (mut store, readers, _) = open(&in_memory());
    said(&mut store);
    let hello = |rooms: &[i64]| look_for("hello", rooms);
    assert_eq!(find(&readers, hello(&[1])).await.0, [2, 1]);
    assert_eq!(find(&readers, hello(&[2])).await.0, [3]);
    assert_eq!(find(&readers, hello(&[3])).await.0, [0; 0]);
    assert_eq!(find(&readers, hello(&[])).await.0, [0; 0]);
    // More rooms than a handful.
    let many: Vec<i64> = (1..2_000).collect();
    assert_eq!(find(&readers, hello(&many)).await.0, [3, 2, 1]);

    let by = |user: &str| SearchIn { user: Some(name(user).key()), ..hello(&[1, 2]) };
    assert_eq!(find(&readers, by("BO")).await.0, [2]);
    assert_eq!(find(&readers, by("ana")).await.0, [3, 1]);
    assert_eq!(find(&readers, by("carla")).await.0, [0; 0]);
    let by = SearchIn { user: Some(name("山田").key()), ..look_for("cafe", &[1]) };
    assert_eq!(find(&readers, by).await.0, [5]);

    let after = |after| SearchIn { after: Some(after), ..hello(&[1, 2]) };
    assert_eq!(find(&readers, after(1)).await.0, [3, 2]);
    assert_eq!(find(&readers, SearchIn { before: Some(3), ..after(1) }).await.0, [2]);
    assert_eq!(find(&readers, SearchIn { limit: 1, ..after(1) }).await, (vec![3], true));
    assert_eq!(find(&readers, SearchIn { limit: 1, ..after(2) }).await, (vec![3], false));
    assert_eq!(find(&readers, after(u64::MAX)).await.0, [0; 0]);

    let page = |before, limit| SearchIn { before, limit, ..hello(&[1, 2]) };
    assert_eq!(find(&readers, page(Some(3), 20)).await, (vec![2, 1], false));
    assert_eq!(find(&readers, page(None, 2)).await, (vec![3, 2], true));
    assert_eq!(find(&readers, page(Some(2), 1)).await, (vec![1], false));
    assert_eq!(find(&readers, page(Some(u64::MAX), 3)).await, (vec![3, 2, 1], false));
    assert_eq!(find(&readers, page(Some(1), 3)).await, (vec![], false));
}

#[tokio::test]
async fn what_was_found_is_as_it_was_sent_and_its_words_are_pointed_out() {
    let (mut store, readers, _) = open(&in_memory());
    said(&mut store);
    let table = [
        ("cafe", 5, "[[0,4],[8,4]]"), // behind two crabs, each one character
        ("東京", 12, "[[3,2]]"),
        ("one NOT nothing", 7, "[[0,3]]"),
    ];
    for (query, seq, highlights) in table {
        let page = readers.search(look_for(query, &[1, 2])).await.unwrap();
        let page: Value = serde_json::from_slice(&page.data).unwrap();
        let message = page["messages"].as_array().unwrap().iter().find(|m| m["seq"] == seq).unwrap();
        assert_eq!(message["highlights"].to_string(), highlights, "{query:?}");
        let (_, user, text) = SAID[usize::try_from(seq - 1).unwrap()];
        assert_eq!((&message["msg"], &message["user"]), (&text.into(), &user.into()));
        assert!(message["room"] == "room1" || seq > 10);
    }
}

/// What a client shows of these texts is tested with the same vectors in `crates/protocol` and `web/`.
#[tokio::test]
async fn highlights_are_those_of_the_vectors_of_the_protocol() {
    let vectors = include_str!("../../../../crates/protocol/vectors/highlights.json");
    let vectors: Vec<Value> = serde_json::from_str(vectors).unwrap();
    for vector in vectors {
        let Some(query) = vector["query"].as_str() else { continue };
        let (mut store, readers, _) = open(&in_memory());
        let mut model = Model::default();
        store.commit(&mut Model::open(1)).unwrap();
        store.commit(&mut model.say(&[(1, &[("ana", vector["text"].as_str().unwrap())])])).unwrap();
        let page = readers.search(look_for(query, &[1])).await.unwrap();
        let page: Value = serde_json::from_slice(&page.data).unwrap();
        assert_eq!(page["messages"][0]["highlights"], vector["highlights"], "{vector}");
    }
}

#[tokio::test]
async fn many_conversations_of_which_few_have_it() {
    let (mut store, readers, _) = open(&in_memory());
    let mut model = Model::default();
    store.commit(&mut Model::open(2)).unwrap();
    store.commit(&mut model.say(&[(1, &[("ana", "word"), ("ana", "word")])])).unwrap();
    store.commit(&mut model.say(&[(2, &[("bo", "word"); 1_200])])).unwrap();
    store.commit(&mut model.say(&[(1, &[("ana", "word")])])).unwrap();
    store.wait_until_indexed().await;
    let without_2: Vec<i64> = (1..100).filter(|n| *n != 2).collect();
    assert_eq!(find(&readers, look_for("word", &without_2)).await, (vec![1_203, 2, 1], false));
    let with_2: Vec<i64> = (1..100).collect();
    let two = SearchIn { limit: 2, ..look_for("word", &with_2) };
    assert_eq!(find(&readers, two).await, (vec![1_203, 1_202], true));
    let two = SearchIn { limit: 2, ..look_for("word", &without_2) };
    assert_eq!(find(&readers, two).await, (vec![1_203, 2], true));
}

/// How long it takes would tell how often a word stands where one may not read.
#[tokio::test]
async fn only_what_may_be_read_is_looked_at() {
    let mut looked_up = Vec::new();
    for elsewhere in [0, 50, 3_000] {
        let (mut store, readers, _) = open(&in_memory());
        let mut model = Model::default();
        store.commit(&mut Model::open(2)).unwrap();
        store.commit(&mut model.say(&[(1, &[("ana", "word"), ("ana", "word")])])).unwrap();
        for _ in 0..elsewhere / 50 {
            store.commit(&mut model.say(&[(2, &[("bo", "word"); 50])])).unwrap();
        }
        let shared = std::sync::Arc::clone(store.parts().1);
        store.wait_until_indexed().await;
        for rooms in [vec![1], (1..500).filter(|n| *n != 2).collect()] {
            assert_eq!(find(&readers, look_for("word", &rooms)).await, (vec![2, 1], false));
            assert_eq!(find(&readers, look_for("wor*", &rooms)).await, (vec![2, 1], false));
            let by = SearchIn { user: Some("bo".parse::<Name>().unwrap().key()), ..look_for("word", &rooms) };
            assert_eq!(find(&readers, by).await, (vec![], false));
        }
        looked_up.push(shared.looked_up.load(std::sync::atomic::Ordering::Relaxed));
    }
    assert_eq!(looked_up, [8; 3], "two messages in each of four searches, whatever is said elsewhere");
}

#[tokio::test]
async fn long_messages_end_a_page_of_results() {
    let (mut store, readers, _) = open(&in_memory());
    let mut model = Model::default();
    store.commit(&mut Model::open(1)).unwrap();
    let long = "word ".repeat(8_000);
    for _ in 0..10 {
        store.commit(&mut model.say(&[(1, &[("ana", long.as_str()); 10])])).unwrap();
    }
    store.wait_until_indexed().await;
    let page = readers.search(SearchIn { limit: 100, ..look_for("word", &[1]) }).await.unwrap();
    assert!(page.data.len() <= 1024 * 1024);
    let (found, more) = numbers(&page);
    assert!(more && found.len() > 2 && found[0] == 100, "{found:?}");
}
