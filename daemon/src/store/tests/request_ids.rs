//! Tests of the request ids of messages: they are found again after any time, and shown to their author.

use super::*;
use crate::store::disk_space::RemovalBudget;
use crate::store::message_age::AgeScan;
use crate::store::retention;

#[tokio::test]
async fn only_the_sessions_own_messages_carry_their_ids() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, readers, _) = open(&history(dir.path().join("chat.db")));
    let mut model = Model::default();
    store.commit(&mut Model::open(2)).unwrap();
    let ids = [
        RequestId::Number(u64::MAX),
        RequestId::Text("18446744073709551615".into()),
        RequestId::Text("".into()),
    ];
    let own = |session, seq, id: &RequestId| Sent {
        session: SessionId(session),
        id: id.clone(),
        conversation: room(1),
        seq,
    };
    let mut writes = model.say(&[(1, &[("ana", "a"), ("bo", "b"), ("ana", "c")]), (2, &[("ana", "d")])]);
    writes.sessions = vec![SessionChange::Put(session_row(1))];
    writes.sent = vec![own(1, 1, &ids[0]), own(2, 2, &ids[0]), own(1, 3, &ids[1]), own(1, 4, &ids[2])];
    store.commit(&mut writes).unwrap();

    let both = [1, 2].map(|n| Range { conversation: room(n), first: 1, last: 9 });
    let caught = super::log::catch_up(&readers, 1, both.to_vec(), 1).await;
    let mut wanted = Vec::new();
    for m in &model.messages {
        match m.seq {
            1 => event::write_with_id(&m.line, &ids[0], &mut wanted),
            3 => event::write_with_id(&m.line, &ids[1], &mut wanted),
            4 => event::write_with_id(&m.line, &ids[2], &mut wanted),
            _ => wanted.extend(&m.line),
        }
    }
    assert_eq!(text(&caught.lines), text(&wanted));
    assert_eq!(store.find_sent(SessionId(1), &ids[0]).unwrap(), Some((room(1), 1)));
    assert_eq!(store.find_sent(SessionId(2), &ids[0]).unwrap(), Some((room(1), 2)));
    assert_eq!(store.find_sent(SessionId(1), &ids[2]).unwrap(), Some((room(2), 4)));
    assert_eq!(store.find_sent(SessionId(2), &ids[2]).unwrap(), None);
    assert_eq!(store.find_sent(SessionId(1), &RequestId::Number(0)).unwrap(), None);

    // The same after a restart.
    store.close().unwrap();
    let (mut store, ..) = open(&history(dir.path().join("chat.db")));
    assert_eq!(store.find_sent(SessionId(1), &ids[1]).unwrap(), Some((room(1), 3)));
}

#[test]
fn ids_are_found_waiting_written_and_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let history = history(dir.path().join("chat.db"));
    let (mut store, ..) = open(&history);
    let mut model = Model::default();
    let mut first = Model::open(1);
    first.sessions = (1..=9).map(|n| SessionChange::Put(session_row(n))).collect();
    store.commit(&mut first).unwrap();
    // Three sessions count from 0 in turns of 200: two batches are written and a third waits.
    let id = |n: u64| {
        if n.is_multiple_of(5) { RequestId::Text(n.to_string().into()) } else { RequestId::Number(n) }
    };
    let session = |n: u64| SessionId(i64::try_from(n % 3).unwrap() + 1);
    let say = |store: &mut Store, model: &mut Model| {
        let from = model.head;
        let mut writes = model.say(&[(1, &[("ana", "x"); 200])]);
        let sent = |n| Sent { session: session(n), id: id(n / 3), conversation: room(1), seq: n + 1 };
        writes.sent = (from..model.head).map(sent).collect();
        store.commit(&mut writes).unwrap();
    };
    let check = |store: &mut Store, head: u64| {
        for n in (0..head).step_by(97).chain([head - 1]) {
            let found = store.find_sent(session(n), &id(n / 3)).unwrap();
            let wanted = (session(n) != SessionId(3) || head < 20_000).then_some((room(1), n + 1));
            assert_eq!(found, wanted, "{n} of {head}");
        }
        assert_eq!(store.find_sent(session(head), &id(head / 3)).unwrap(), None);
    };
    while model.head < 19_000 {
        say(&mut store, &mut model);
    }
    check(&mut store, model.head);
    let filed = store.count("SELECT count(*) FROM sent_as");
    assert!((8_192..19_000).contains(&filed), "{filed} are filed, the others wait");
    drop(store);
    let (mut store, ..) = open(&history);
    check(&mut store, model.head);
    say(&mut store, &mut model);
    // When a session ends its ids are removed, the waiting ones included.
    let end = vec![SessionChange::End(SessionId(3))];
    store.commit(&mut Writes { sessions: end, ..Writes::default() }).unwrap();
    while store.remove_expired(Timestamp(START)).unwrap().is_some() {}
    while model.head < 30_000 {
        let from = model.head;
        let mut writes = model.say(&[(1, &[("ana", "x"); 200])]);
        let sent = |n| Sent { session: session(n), id: id(n / 3), conversation: room(1), seq: n + 1 };
        writes.sent = (from..model.head).filter(|n| session(*n) != SessionId(3)).map(sent).collect();
        store.commit(&mut writes).unwrap();
    }
    check(&mut store, model.head);
    assert_eq!(store.count("SELECT count(*) FROM sent_as WHERE session = 3"), 0);
    // When messages are removed their ids are removed, in `sent_as` or waiting.
    drop(store);
    let (mut store, ..) = open(&History { retain_messages: Some(0), ..history });
    while store.remove_expired(Timestamp(START)).unwrap().is_some() {}
    assert_eq!(store.count("SELECT (SELECT count(*) FROM sent) + (SELECT count(*) FROM sent_as)"), 0);
    assert_eq!(store.find_sent(SessionId(1), &id(0)).unwrap(), None);
}

#[test]
fn ids_of_the_newest_messages_stay_when_those_are_removed() {
    let dir = tempfile::tempdir().unwrap();
    let history = History { retain_messages: Some(0), ..history(dir.path().join("chat.db")) };
    let (mut store, ..) = open(&history);
    let mut model = Model::default();
    let say = |store: &mut Store, model: &mut Model, room_id: i64| {
        let from = model.head;
        let mut writes = model.say(&[(room_id, &[("ana", "x"); 10])]);
        let sent = |seq| Sent {
            session: SessionId(1),
            id: RequestId::Number(seq),
            conversation: room(room_id),
            seq,
        };
        writes.sent = (from + 1..=model.head).map(sent).collect();
        store.commit(&mut writes).unwrap();
    };
    let mut first = Model::open(2);
    first.sessions = vec![SessionChange::Put(session_row(1))];
    store.commit(&mut first).unwrap();
    say(&mut store, &mut model, 1);
    say(&mut store, &mut model, 2);
    store.known_ids = 15;
    store.commit(&mut Writes { gone: vec![room(2)], ..Writes::default() }).unwrap();
    while store.remove_expired(Timestamp(START)).unwrap().is_some() {}
    let counts = |store: &mut Store| {
        ["chunks", "sent", "left_ids"].map(|table| store.count(&format!("SELECT count(*) FROM {table}")))
    };
    // If the state knows a part of a chunk's ids, all ids of the chunk stay.
    assert_eq!(counts(&mut store), [0, 20, 2]);
    store.close().unwrap();
    let (mut store, _, found) = open(&history);
    assert_eq!(found.sent.len(), 20);
    assert_eq!((found.sent[0].seq, found.sent[0].conversation), (1, room(1)));
    assert_eq!((found.sent[19].seq, found.sent[19].conversation), (20, room(2)), "also where it is gone");
    assert_eq!(store.find_sent(SessionId(1), &RequestId::Number(20)).unwrap(), None, "the message is gone");
    store.known_ids = 15;
    say(&mut store, &mut model, 1);
    while store.remove_expired(Timestamp(START)).unwrap().is_some() {}
    assert_eq!(counts(&mut store), [0, 20, 2]);
    store.known_ids = 0;
    while store.remove_expired(Timestamp(START)).unwrap().is_some() {}
    assert_eq!(counts(&mut store), [0, 0, 0]);
    assert_eq!(store.count("SELECT count(*) FROM sent_as"), 0);
    assert!(store.ids.is_empty(), "nor does one wait");
}

#[test]
fn left_ids_are_removed_in_parts_when_space_is_low() {
    let (mut store, ..) = open(&in_memory());
    store
        .log()
        .execute_batch(
            "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 100)
             INSERT INTO sent SELECT n, 1, n FROM n;
             INSERT INTO left_ids VALUES (1, 90, 1), (91, 95, 1), (96, 100, 1)",
        )
        .unwrap();
    let little = Some(RemovalBudget { bytes: 8 << 20, rows: 40 });
    let bounds =
        retention::Bounds::new(&in_memory(), Timestamp(START), 0, 0, little, 0).keeping_ids_after(99);
    let mut left = Vec::new();
    while let Some(slice) =
        retention::next_slice(store.log(), &bounds, 0, retention::RemovalKind::Ids, &mut AgeScan::default())
            .unwrap()
    {
        slice.delete(store.log()).unwrap();
        left.push(store.count("SELECT count(*) FROM sent"));
    }
    assert_eq!(left, [60, 20, 5]);
    assert_eq!(store.count("SELECT first FROM left_ids"), 96);
}

#[test]
fn ids_written_in_the_turn_that_ends_their_session_are_removed() {
    let (mut store, ..) = open(&in_memory());
    let mut model = Model::default();
    store.commit(&mut Model::open(1)).unwrap();
    // As many as make a batch: the next turn writes some of them.
    let mut writes = model.say(&[(1, &[("ana", "x"); 8_192])]);
    writes.sessions = vec![SessionChange::Put(session_row(1))];
    writes.sent = (1..=8_192)
        .map(|seq| Sent { session: SessionId(1), id: RequestId::Number(seq), conversation: room(1), seq })
        .collect();
    store.commit(&mut writes).unwrap();
    assert_eq!(store.count("SELECT count(*) FROM sent_as"), 0);
    store
        .commit(&mut Writes { sessions: vec![SessionChange::End(SessionId(1))], ..Writes::default() })
        .unwrap();
    assert!(store.count("SELECT count(*) FROM sent_as") > 0);
    while store.remove_expired(Timestamp(START)).unwrap().is_some() {}
    assert_eq!(store.count("SELECT count(*) FROM sent_as"), 0);
}
