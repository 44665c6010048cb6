//! Tests of removals by age, number and bytes, and of what readers are told.

use super::*;

/// Ten turns, a minute apart: each has one message in room 2 and three in room 1, by session 1.
fn ten_turns(store: &mut Store) -> Model {
    let mut model = Model::default();
    store.commit(&mut Model::open(2)).unwrap();
    for n in 0..10 {
        let mut writes = model.say(&[(2, &[("bo", "x")]), (1, &[("ana", "a"), ("ana", "b"), ("ana", "c")])]);
        let seq = model.head;
        writes.sent =
            vec![Sent { session: SessionId(1), id: RequestId::Number(n), conversation: room(1), seq }];
        if n == 0 {
            writes.sessions = vec![SessionChange::Put(session_row(1))];
        }
        store.commit(&mut writes).unwrap();
    }
    model
}

fn tidy(store: &mut Store, minutes: u64) {
    while store.remove_expired(Timestamp(START + minutes * MINUTE)).unwrap().is_some() {}
}

async fn all_of(readers: &Readers, n: i64, first: Seq, last: Seq) -> (Vec<u8>, Option<(Seq, Seq)>) {
    let range = Range { conversation: room(n), first, last };
    let caught = readers.read_gap(SessionId(9), vec![range], usize::MAX).await.unwrap();
    assert_eq!(caught.rest, []);
    (caught.lines, caught.lost)
}

#[tokio::test]
async fn removal_by_age_reports_the_exact_gap() {
    let dir = tempfile::tempdir().unwrap();
    let mut history = history(dir.path().join("chat.db"));
    history.retain = Some(std::time::Duration::from_secs(5 * 60));
    let (mut store, readers, _) = open(&history);
    let model = ten_turns(&mut store);
    tidy(&mut store, 5);
    assert_eq!(readers.read_stats().await.unwrap().messages, 40, "none is older yet");
    // Turns 0, 1 and 2 are removed: messages 1 to 12.
    tidy(&mut store, 8);
    let stats = readers.read_stats().await.unwrap();
    assert_eq!((stats.messages, stats.oldest, stats.head), (28, 13, 40));

    let left = |n, first, last| {
        model.lines(|m| m.conversation == room(n) && m.seq > 12 && (first..=last).contains(&m.seq))
    };
    for (n, first, last, lost) in [
        (1, 1, 40, Some((1, 12))),
        (1, 3, 40, Some((3, 12))),
        (1, 12, 12, Some((12, 12))),
        (1, 13, 40, None), // 13 is room 2's
        (1, 14, 40, None),
        (1, 5, 7, Some((5, 7))),
        (2, 1, 40, Some((1, 9))),
        (2, 9, 40, Some((9, 9))),
        (2, 10, 40, None), // 10 to 12 were room 1's
        (2, 10, 12, None),
        (2, 17, 17, None),
        (3, 1, 40, None),
    ] {
        assert_eq!(
            all_of(&readers, n, first, last).await,
            (left(n, first, last), lost),
            "{n} {first} {last}"
        );
    }
    // A gap that is read in parts reports the loss once, whatever the parts are.
    let both: Vec<_> = [1, 2].map(|n| Range { conversation: room(n), first: 2, last: 40 }).to_vec();
    let first = readers.read_gap(SessionId(9), both, 0).await.unwrap();
    assert_eq!(first.lost, Some((2, 12)));
    let then = readers.read_gap(SessionId(9), first.rest, usize::MAX).await.unwrap();
    assert_eq!((then.lost, then.rest), (None, vec![]));

    // All of it is removed: the head still shows the loss.
    tidy(&mut store, 99);
    assert_eq!(readers.read_stats().await.unwrap().messages, 0);
    assert_eq!(all_of(&readers, 1, 30, 40).await, (vec![], Some((30, 40))));
    assert_eq!(all_of(&readers, 2, 37, 40).await, (vec![], Some((37, 37))));
    assert_eq!(all_of(&readers, 2, 38, 40).await, (vec![], None));
    assert_eq!(store.find_sent(SessionId(1), &RequestId::Number(9)).unwrap(), None);
    store.close().unwrap();
    let (_, _, found) = open(&history);
    assert_eq!((found.head, found.conversations[0].head, found.conversations[1].head), (40, 40, 37));
}

#[tokio::test]
async fn removal_by_number_takes_whole_chunks_with_their_ids() {
    let (mut store, readers, _) = open(&History { retain_messages: Some(10), ..in_memory() });
    ten_turns(&mut store);
    tidy(&mut store, 0);
    // 29 to 31 are one chunk: all go or none; 10 have to stay.
    let stats = readers.read_stats().await.unwrap();
    assert_eq!((stats.messages, stats.oldest), (11, 30));
    assert_eq!(store.find_sent(SessionId(1), &RequestId::Number(6)).unwrap(), None);
    assert_eq!(store.find_sent(SessionId(1), &RequestId::Number(7)).unwrap(), Some((room(1), 32)));
    assert_eq!(store.count("SELECT count(*) FROM sent"), 3);
    assert!(store.remove_expired(Timestamp(START)).unwrap().is_none());
}

#[tokio::test]
async fn ended_sessions_and_removed_conversations_leave_no_rows() {
    let (mut store, readers, _) = open(&in_memory());
    let model = ten_turns(&mut store);
    store
        .commit(&mut Writes {
            gone: vec![room(2)],
            sessions: vec![SessionChange::End(SessionId(1))],
            ..Writes::default()
        })
        .unwrap();
    tidy(&mut store, 0);
    assert_eq!(store.count("SELECT count(*) FROM sent_as"), 0);
    assert_eq!(store.count("SELECT count(*) FROM chunks"), 10);
    assert_eq!(store.count("SELECT count(*) FROM gone_sessions"), 0);
    assert_eq!(store.count("SELECT count(*) FROM gone_conversations"), 0);
    assert_eq!(readers.read_stats().await.unwrap().messages, 30);
    assert_eq!(all_of(&readers, 1, 1, 40).await, (model.lines(|m| m.conversation == room(1)), None));
}

#[tokio::test]
async fn an_id_can_be_used_again_after_its_conversation_was_removed() {
    let (mut store, ..) = open(&in_memory());
    let mut model = Model::default();
    let id = RequestId::Text("x".into());
    let sent = |n, seq| Sent { session: SessionId(1), id: id.clone(), conversation: room(n), seq };
    store.commit(&mut Model::open(2)).unwrap();
    let mut writes = model.say(&[(2, &[("ana", "a")])]);
    writes.sent = vec![sent(2, 1)];
    store.commit(&mut writes).unwrap();
    store.commit(&mut Writes { gone: vec![room(2)], ..Writes::default() }).unwrap();
    assert_eq!(store.find_sent(SessionId(1), &id).unwrap(), None);
    let mut writes = model.say(&[(1, &[("ana", "a")])]);
    writes.sent = vec![sent(1, 2)];
    store.commit(&mut writes).unwrap();
    assert_eq!(store.find_sent(SessionId(1), &id).unwrap(), Some((room(1), 2)));
    tidy(&mut store, 0);
    assert_eq!(store.find_sent(SessionId(1), &id).unwrap(), Some((room(1), 2)));
}

#[test]
fn slices_are_small() {
    let (mut store, ..) = open(&History { retain_messages: Some(0), ..in_memory() });
    let mut model = Model::default();
    store.commit(&mut Model::open(1)).unwrap();
    let long = "x".repeat(50_000);
    for _ in 0..20 {
        store.commit(&mut model.say(&[(1, &[("ana", long.as_str()); 4])])).unwrap();
    }
    let mut slices = 0;
    while store.remove_expired(Timestamp(START)).unwrap().is_some() {
        slices += 1;
    }
    assert!(slices >= 6, "{slices} slices for 4 MB");
    assert_eq!(store.count("SELECT messages FROM totals"), 0);
}

#[test]
fn removed_conversations_and_old_messages_do_not_delay_each_other() {
    let (mut store, ..) = open(&History { retain_messages: Some(0), ..in_memory() });
    let mut model = Model::default();
    store.commit(&mut Model::open(2_001)).unwrap();
    // Old messages for some slices, and as many removed rooms as come in a minute of JOIN and LEAVE.
    let long = "x".repeat(50_000);
    for _ in 0..20 {
        store.commit(&mut model.say(&[(1, &[("ana", long.as_str()); 4])])).unwrap();
    }
    let each: Vec<(i64, &[(&str, &str)])> = (2..=2_001).map(|n| (n, &[("bo", "x")][..])).collect();
    store.commit(&mut model.say(&each)).unwrap();
    store.commit(&mut Writes { gone: (2..=2_001).map(room).collect(), ..Writes::default() }).unwrap();
    let (mut old, mut gone) = (20, 2_000);
    for _ in 0..6 {
        store.remove_expired(Timestamp(START)).unwrap();
        let now = store.count("SELECT count(*) FROM chunks WHERE conversation = 1");
        let rows = store.count("SELECT count(*) FROM gone_conversations");
        assert!(now < old || rows < gone - 50, "{now} of {old} old, {rows} of {gone} gone");
        (old, gone) = (now, rows);
    }
    assert!(old < 12 && gone < 1_700, "{old} old messages, {gone} gone rooms are left");
    tidy(&mut store, 0);
    assert_eq!(store.count("SELECT count(*) FROM chunks") + store.count("SELECT count(*) FROM sent"), 0);
    assert_eq!(store.count("SELECT messages FROM totals"), 0);
}

#[test]
fn many_ended_sessions_fit_into_one_slice_and_one_with_many_ids_does_not() {
    let (mut store, ..) = open(&in_memory());
    let of = |session: i64, ids: i64| {
        format!(
            "INSERT OR IGNORE INTO gone_sessions VALUES ({session});
             WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {ids})
             INSERT INTO sent_as SELECT {session}, n, n FROM n;"
        )
    };
    for session in 1..=100 {
        store.log().execute_batch(&of(session, 2)).unwrap();
    }
    store.remove_expired(Timestamp(START)).unwrap();
    assert_eq!(store.count("SELECT count(*) FROM gone_sessions"), 0);
    assert_eq!(store.count("SELECT count(*) FROM sent_as"), 0);
    store.log().execute_batch(&of(1, 5_000)).unwrap();
    store.log().execute_batch(&of(2, 1)).unwrap();
    let mut left = Vec::new();
    while store.remove_expired(Timestamp(START)).unwrap().is_some() {
        left.push(store.count("SELECT count(*) FROM sent_as"));
    }
    assert_eq!(left, [2_953, 905, 0]);
}

#[test]
fn conversations_and_sessions_without_rows_are_not_marked_for_removal() {
    let (mut store, ..) = open(&in_memory());
    store.commit(&mut Model::open(3)).unwrap();
    let mut model = Model::default();
    store.commit(&mut model.say(&[(3, &[("ana", "x")])])).unwrap();
    let sessions = vec![SessionChange::Put(session_row(1))];
    store.commit(&mut Writes { sessions, ..Writes::default() }).unwrap();
    let sessions = vec![SessionChange::End(SessionId(1))];
    store.commit(&mut Writes { gone: vec![room(1), room(3)], sessions, ..Writes::default() }).unwrap();
    assert_eq!(store.count("SELECT ifnull(max(id), 0) FROM gone_conversations"), 3);
    assert_eq!(store.count("SELECT count(*) FROM gone_conversations"), 1);
    assert_eq!(store.count("SELECT count(*) FROM gone_sessions"), 0);
}

#[test]
fn a_removal_is_proposed_first_and_done_once_decided() {
    let dir = tempfile::tempdir().unwrap();
    let mut history = history(dir.path().join("chat.db"));
    history.retain = Some(std::time::Duration::from_secs(5 * 60));
    let (mut store, _, found) = open(&history);
    assert_eq!(found.oldest, 0);
    ten_turns(&mut store);
    let now = Timestamp(START + 8 * MINUTE);
    assert_eq!(store.propose_retention(now, 1).unwrap(), Some(13));
    assert!(store.remove_slice(now, found.oldest).unwrap().is_none(), "nothing is decided");
    assert_eq!(store.count("SELECT min(first) FROM chunks"), 1);
    // A restart between the decision and the removal.
    store.commit(&mut Writes { oldest: Some(13), ..Writes::default() }).unwrap();
    assert_eq!(store.propose_retention(now, 1).unwrap(), None, "it is decided");
    store.close().unwrap();
    let (mut store, _, found) = open(&history);
    assert_eq!(found.oldest, 13);
    assert_eq!(
        store.remove_slice(now, found.oldest).unwrap(),
        Some(Removed { age: 12, ..Removed::default() })
    );
    assert_eq!(store.count("SELECT min(first) FROM chunks"), 13);
    // Removals of room 2 were not by retention; 13 was one of them.
    let sessions = vec![SessionChange::End(SessionId(1))];
    store.commit(&mut Writes { gone: vec![room(2)], sessions, ..Writes::default() }).unwrap();
    while store.remove_slice(now, 13).unwrap().is_some() {}
    store.close().unwrap();
    let (mut store, _, found) = open(&history);
    assert_eq!(found.oldest, 13);
    tidy(&mut store, 99);
    store.close().unwrap();
    assert_eq!(open(&history).2.oldest, 41, "as if the next message were the oldest");
}

/// Run by hand: `cargo test -p tcp-chatd --lib measure_secure_removals -- --ignored --nocapture`.
#[test]
#[ignore = "measures, and decides nothing"]
fn measure_secure_removals() {
    for (what, bytes, count) in [("short", 200, 30_000), ("long", 20_000, 1_500)] {
        for secure in ["OFF", "FAST", "ON", "OFF", "ON"] {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("chat.db");
            let history = History { retain_messages: Some(1), ..history(&path) };
            let (mut store, _, _) = open(&history);
            store.indexer = None;
            let mut model = Model::default();
            store.commit(&mut Model::open(1)).unwrap();
            let text = "x".repeat(bytes);
            for _ in 0..count {
                store.commit(&mut model.say(&[(1, &[("ana", &text)])])).unwrap();
            }
            store.log().query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
            *store.parts().2 = checkpoint::Checkpoints::default();
            store.log().query_row(&format!("PRAGMA secure_delete = {secure}"), [], |_| Ok(())).unwrap();
            let began = Instant::now();
            while store.remove_expired(Timestamp(START)).unwrap().is_some() {}
            let (took, wal) = (began.elapsed(), dir.path().join("chat.db-wal").metadata().unwrap().len());
            println!("{what}, secure_delete = {secure}: {took:?}, {wal} bytes in the write-ahead log");
        }
    }
}
