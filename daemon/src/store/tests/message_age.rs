//! Tests of the age of messages when clocks were wrong.

use super::*;

const DAY: u64 = 24 * 3_600_000;
const YEAR: u64 = 365 * DAY;

/// A store that keeps messages for ten days, with one message for each timestamp.
fn with_stamps(stamps: &[u64]) -> Store {
    let retain = Some(std::time::Duration::from_millis(10 * DAY));
    let (mut store, ..) = open(&History { retain, ..in_memory() });
    let mut model = Model::default();
    store.commit(&mut Model::open(1)).unwrap();
    for ts in stamps {
        let mut writes = model.say(&[(1, &[("ana", "x")])]);
        writes.chunks[0].ts = *ts;
        store.commit(&mut writes).unwrap();
    }
    store
}

/// The first remaining message at that time, after some calls that may have found nothing.
fn first_left(store: &mut Store, now: u64) -> i64 {
    for _ in 0..8 {
        while store.remove_expired(Timestamp(now)).unwrap().is_some() {}
    }
    store.count("SELECT ifnull(min(first), 0) FROM chunks")
}

#[test]
fn a_timestamp_in_the_future_protects_no_later_message() {
    let now = START + 20 * DAY;
    let mut store = with_stamps(&[START + 10 * YEAR, START, START + DAY, START + 15 * DAY]);
    assert_eq!(first_left(&mut store, now), 4);
    // Alone, it stays: nothing shows when it was sent.
    let mut store = with_stamps(&[START + 10 * YEAR]);
    assert_eq!(first_left(&mut store, now), 1);
    // Before a message that is not old, it stays, too.
    let mut store = with_stamps(&[START + 10 * YEAR, START + 15 * DAY]);
    assert_eq!(first_left(&mut store, now), 1);
    assert_eq!(first_left(&mut store, START + 26 * DAY), 0);
}

#[test]
fn many_timestamps_in_the_future_are_scanned_in_several_calls() {
    let mut stamps = vec![START + 10 * YEAR; 1_500];
    stamps.extend([START, START + DAY, START + 15 * DAY]);
    let mut store = with_stamps(&stamps);
    assert!(
        store.remove_expired(Timestamp(START + 20 * DAY)).unwrap().is_none(),
        "one call does not look at all of it"
    );
    assert_eq!(first_left(&mut store, START + 20 * DAY), 1_503);
}

#[test]
fn a_possible_timestamp_protects_all_later_messages() {
    let now = START + 20 * DAY;
    let young = START + 15 * DAY;
    // The clock was set back while the daemon ran: more timestamps are wrong than right.
    for (right, wrong) in [(1, 2), (10, 12), (64, 70)] {
        let stamps = [vec![young; right], vec![START; wrong], vec![young]].concat();
        let mut store = with_stamps(&stamps);
        assert_eq!(first_left(&mut store, now), 1, "{right} before {wrong}");
        // Once they are old by their own timestamps, all are removed.
        assert_eq!(first_left(&mut store, START + 26 * DAY), 0, "{right} before {wrong}");
    }
    // The present clock shows that the timestamp is wrong, so it protects nothing.
    let mut store = with_stamps(&[START + 21 * DAY, START, START, young]);
    assert_eq!(first_left(&mut store, now), 4);
}

#[test]
fn a_clock_that_was_slow_removes_no_earlier_message() {
    let now = START + 20 * DAY;
    let young = START + 15 * DAY;
    for behind in [1_000, START] {
        let mut store = with_stamps(&[young, young, young, behind, behind, young]);
        assert_eq!(first_left(&mut store, now), 1, "{behind}");
    }
    // Also with many timestamps from a clock without a battery.
    let mut stamps = vec![young; 2];
    stamps.extend([1_000; 100]);
    assert_eq!(first_left(&mut with_stamps(&stamps), now), 1);
}
