//! Tests of the log against a simple model: all committed messages are read back once, in order. Nothing
//! fails here; failures are in `faults`.

use super::*;
use proptest::prelude::*;

/// The messages of each turn: (room, number of messages).
fn turns() -> impl Strategy<Value = Vec<Vec<(i64, usize)>>> {
    prop::collection::vec(prop::collection::vec((1i64..6, 1usize..9), 1..5), 1..30)
}

fn written(history: &History, turns: &[Vec<(i64, usize)>]) -> (Store, Readers, Model) {
    let (mut store, readers, _) = open(history);
    let mut model = Model::default();
    store.commit(&mut Model::open(5)).unwrap();
    for turn in turns {
        let texts: Vec<Vec<(&str, &str)>> =
            turn.iter().map(|(_, n)| vec![("ana", "hé\n\"llo\" 🦀"); *n]).collect();
        let said: Vec<_> = turn.iter().zip(&texts).map(|((n, _), texts)| (*n, &texts[..])).collect();
        let writes = model.say(&said);
        let kept = store.commit(&mut writes.clone()).unwrap();
        assert!(kept.iter().map(|kept| kept.chunk()).eq(&writes.chunks));
    }
    (store, readers, model)
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// Reads a gap to its end, part by part.
pub(super) async fn catch_up(
    readers: &Readers,
    session: i64,
    mut ranges: Vec<Range>,
    bytes: usize,
) -> CatchUp {
    let mut all = CatchUp::default();
    while !ranges.is_empty() {
        let part = readers.read_gap(SessionId(session), ranges, bytes).await.unwrap();
        assert_eq!(part.count, part.lines.iter().filter(|b| **b == b'\n').count());
        assert!(
            part.rest.is_empty() || part.lines.len() >= bytes.max(1),
            "a part that is cut has what was asked"
        );
        all.lines.extend(part.lines);
        all.count += part.count;
        all.looked_up += part.looked_up;
        all.lost = all.lost.or(part.lost);
        ranges = part.rest;
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn a_gap_has_every_wanted_line_once_and_in_order(
        turns in turns(), cuts in prop::collection::vec((1u64..400, 0u64..400), 6), bytes in 0usize..20_000, file in any::<bool>(),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let history = if file { history(dir.path().join("chat.db")) } else { in_memory() };
        let (_store, readers, model) = written(&history, &turns);
        // Rooms 1 to 5, and one that never existed.
        let ranges: Vec<_> = (1i64..).zip(&cuts)
            .map(|(n, (first, more))| Range { conversation: room(n), first: *first, last: first + more })
            .collect();
        let caught = runtime().block_on(catch_up(&readers, 1, ranges.clone(), bytes));
        let wanted = model.lines(|m| {
            ranges.iter().any(|r| r.conversation == m.conversation && (r.first..=r.last).contains(&m.seq))
        });
        prop_assert_eq!(text(&caught.lines), text(&wanted));
        prop_assert_eq!(caught.lost, None);
    }

    #[test]
    fn pages_go_through_a_conversation_in_both_directions(
        turns in turns(), limit in 1usize..12, n in 1i64..6, from in 0u64..300, to in 0u64..300,
    ) {
        let (_store, readers, model) = written(&in_memory(), &turns);
        let of = |before, after| PageOf { conversation: room(n), before, after, limit };
        let wanted: Vec<Seq> = model.messages.iter().filter(|m| m.conversation == room(n)).map(|m| m.seq).collect();
        runtime().block_on(async {
            let (mut up, mut after) = (Vec::<Seq>::new(), Some(0));
            while after.is_some() {
                let (page, more) = numbers(&readers.read_page(of(None, after)).await.unwrap());
                up.extend(&page);
                after = more.then(|| *page.last().unwrap());
            }
            assert_eq!(up, wanted);

            let (mut down, mut before, mut more) = (Vec::<Seq>::new(), None, true);
            while more {
                let (mut page, m) = numbers(&readers.read_page(of(before, None)).await.unwrap());
                page.reverse();
                down.extend(&page);
                (before, more) = (page.last().copied(), m);
            }
            down.reverse();
            assert_eq!(down, wanted);

            let between: Vec<_> = wanted.iter().copied().filter(|seq| *seq > from && *seq < to).collect();
            let (page, more) = numbers(&readers.read_page(of(Some(to), Some(from))).await.unwrap());
            assert_eq!(page, between.iter().copied().take(limit).collect::<Vec<_>>());
            assert_eq!(more, between.len() > limit);

            let below: Vec<_> = wanted.iter().copied().filter(|seq| *seq < to).collect();
            let (page, more) = numbers(&readers.read_page(of(Some(to), None)).await.unwrap());
            assert_eq!(page, below[below.len().saturating_sub(limit)..]);
            assert_eq!(more, below.len() > limit);
        });
    }

    #[test]
    fn each_message_can_be_read_alone(turns in turns()) {
        let (_store, readers, model) = written(&in_memory(), &turns);
        runtime().block_on(async {
            for m in &model.messages {
                assert_eq!(readers.read_line(m.conversation, m.seq).await.unwrap().as_ref(), Some(&m.line));
                assert_eq!(readers.read_line(room(7), m.seq).await.unwrap(), None);
            }
            assert_eq!(readers.read_line(room(1), model.head + 1).await.unwrap(), None);
            assert_eq!(readers.read_line(room(1), u64::MAX).await.unwrap(), None);
        });
    }
}

#[tokio::test]
async fn numbers_above_all_numbers_are_accepted() {
    let (_store, readers, model) = written(&in_memory(), &[vec![(1, 3)]]);
    let of = |before, after| PageOf { conversation: room(1), before, after, limit: 9 };
    let page = |of| {
        let readers = readers.clone();
        async move { numbers(&readers.read_page(of).await.unwrap()) }
    };
    assert_eq!(page(of(Some(u64::MAX), None)).await, (vec![1, 2, 3], false));
    assert_eq!(page(of(Some(u64::MAX), Some(1))).await, (vec![2, 3], false));
    assert_eq!(page(of(None, Some(u64::MAX))).await, (vec![], false));
    assert_eq!(page(of(Some(0), None)).await, (vec![], false));
    assert_eq!(page(of(Some(2), Some(3))).await, (vec![], false));
    let all = Range { conversation: room(1), first: 0, last: u64::MAX };
    let caught = readers.read_gap(SessionId(1), vec![all], 0).await.unwrap();
    assert_eq!((caught.lines, caught.count, caught.lost), (model.lines(|_| true), 3, None));
    assert_eq!(caught.rest, []);
}

#[tokio::test]
async fn a_page_ends_at_one_mebibyte_and_reports_more() {
    let (mut store, readers, _) = open(&in_memory());
    let mut model = Model::default();
    store.commit(&mut Model::open(1)).unwrap();
    let long = "x".repeat(60_000);
    for _ in 0..5 {
        store.commit(&mut model.say(&[(1, &[("ana", long.as_str()); 8])])).unwrap();
    }
    let of = |before, after| PageOf { conversation: room(1), before, after, limit: 500 };
    let newest = readers.read_page(of(None, None)).await.unwrap();
    let oldest = readers.read_page(of(None, Some(0))).await.unwrap();
    for (page, wanted) in [(newest, 24..=40), (oldest, 1..=17)] {
        assert!(page.data.len() <= 1024 * 1024);
        assert_eq!(numbers(&page), (wanted.collect(), true));
    }
}

#[test]
fn numbers_that_do_not_grow_are_refused() {
    let (mut store, ..) = open(&in_memory());
    let mut model = Model::default();
    let mut first = model.say(&[(1, &[("ana", "a"), ("ana", "b")])]);
    let mut second = model.say(&[(1, &[("ana", "c")])]);
    store.commit(&mut first.clone()).unwrap();
    assert!(matches!(store.commit(&mut first), Err(StoreError::Bug(_))), "the same again");
    let mut no_line = second.clone();
    no_line.chunks[0].last += 1;
    assert!(matches!(store.commit(&mut no_line), Err(StoreError::Bug(_))), "a number without a line");
    store.commit(&mut second).unwrap();
}

#[tokio::test]
async fn totals_are_known_without_a_scan() {
    let dir = tempfile::tempdir().unwrap();
    let history = history(dir.path().join("chat.db"));
    let (mut store, readers, _) = open(&history);
    assert_eq!(readers.read_stats().await.unwrap().messages, 0);
    let mut model = Model::default();
    store.commit(&mut Model::open(1)).unwrap();
    for _ in 0..3 {
        store.commit(&mut model.say(&[(1, &[("ana", "x"); 4])])).unwrap();
    }
    let stats = readers.read_stats().await.unwrap();
    assert_eq!((stats.messages, stats.oldest, stats.head), (12, 1, 12));
    assert!(stats.bytes > 0);
}

#[tokio::test]
async fn a_gap_of_many_conversations_costs_the_same_for_each_of_them() {
    for rooms in [100, 1_000_i64] {
        let (mut store, readers, _) = open(&in_memory());
        let mut model = Model::default();
        store.commit(&mut Model::open(rooms)).unwrap();
        for _ in 0..2 {
            for room in 1..=rooms {
                store.commit(&mut model.say(&[(room, &[("ana", "hello")])])).unwrap();
            }
        }
        let gap = (1..=rooms).map(|n| Range { conversation: room(n), first: 1, last: model.head }).collect();
        let all = catch_up(&readers, 9, gap, 1_000).await;
        assert_eq!(all.lines, model.lines(|_| true));
        let most = 6 * usize::try_from(rooms).unwrap();
        assert!(all.looked_up <= most, "{} look-ups for {rooms} conversations", all.looked_up);
    }
}

/// A client that was away during several restores: the messages after each copy have numbers that it may have
/// seen.
#[tokio::test]
async fn the_common_part_of_two_logs_is_known_after_several_restores() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let mut logs = Vec::new();
    // The messages in each log before it is copied, and more that the copy does not have.
    for (n, said) in [8, 5, 4].into_iter().enumerate() {
        let (mut store, readers, found) = open(&history(path(&format!("{n}.db"))));
        logs.push(found.log.clone());
        let mut model = Model { head: found.head, ..Model::default() };
        for _ in 0..said {
            store.commit(&mut model.say(&[(1, &[("ana", "a")])])).unwrap();
        }
        readers.backup(&path(&format!("{}.db", n + 1))).await.unwrap();
        store.commit(&mut model.say(&[(1, &[("ana", "not in the copy")])])).unwrap();
    }
    let (.., found) = open(&history(path("3.db")));
    let common = |log: &str| found.log.common_with(Some(log));
    assert_eq!((common(&logs[0].id), common(&logs[1].id), common(&logs[2].id)), (8, 13, 17));
    assert_eq!((common(&found.log.id), common("unknown"), found.log.common_with(None)), (17, 8, 8));
}
