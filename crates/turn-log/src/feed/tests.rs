use super::*;

fn at(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn record(sequence: u64) -> Record {
    long(sequence, 1)
}

fn long(sequence: u64, bytes: usize) -> Record {
    Record { sequence, stamp: LogTime(sequence), bytes: vec![0; bytes].into() }
}

fn taken(feed: &mut Feed) -> Vec<u64> {
    std::iter::from_fn(|| feed.take()).map(|record| record.sequence).collect()
}

#[test]
fn records_come_out_in_sequence_and_once() {
    let mut feed = Feed::after(0, at(0));
    for sequence in [2, 2, 1, 4] {
        assert_eq!(feed.offer(record(sequence), at(0)), Offered::Taken);
    }
    assert_eq!(taken(&mut feed), [1, 2]);
    assert_eq!(feed.offer(record(2), at(0)), Offered::Old(record(2)));
    assert_eq!(feed.offer(record(3), at(0)), Offered::Taken);
    assert_eq!(taken(&mut feed), [3, 4]);
}

#[test]
fn a_hole_is_asked_for_at_once_and_again() {
    let mut feed = Feed::after(4, at(0));
    feed.offer(record(7), at(10));
    assert_eq!(feed.ask(at(10)), Some(Ask { first: 5, last: 6 }));
    assert_eq!(feed.ask(at(1_009)), None);
    assert_eq!(feed.wake(), at(1_010));
    assert_eq!(feed.ask(at(1_010)), Some(Ask { first: 5, last: 6 }));
    feed.offer(record(5), at(1_020));
    assert_eq!(taken(&mut feed), [5]);
    // The answer to the second request is still on its way.
    assert_eq!(feed.ask(at(1_020)), None);
    feed.offer(record(6), at(1_030));
    assert_eq!(taken(&mut feed), [6, 7]);
    assert_eq!(feed.ask(at(1_030)), None);
}

#[test]
fn silence_is_asked_about_each_second() {
    let mut feed = Feed::after(4, at(0));
    let ask = Some(Ask { first: 5, last: 4 + ASK_RECORDS });
    assert_eq!(feed.ask(at(999)), None);
    assert_eq!(feed.ask(at(1_000)), ask);
    assert_eq!(feed.ask(at(1_999)), None);
    assert_eq!(feed.ask(at(2_000)), ask);
    feed.reconnected(at(2_001));
    assert_eq!(feed.ask(at(2_001)), ask);
}

#[test]
fn a_long_way_is_asked_for_in_pieces() {
    let mut feed = Feed::after(0, at(0));
    feed.ends_at(ASK_RECORDS + 1);
    assert_eq!(feed.ask(at(0)), Some(Ask { first: 1, last: ASK_RECORDS }));
    for sequence in 1..=ASK_RECORDS {
        feed.offer(record(sequence), at(1));
        feed.take();
    }
    assert_eq!(feed.ask(at(1)), Some(Ask { first: ASK_RECORDS + 1, last: ASK_RECORDS + 1 }));
}

#[test]
fn the_next_request_follows_an_answer_that_the_stream_ended() {
    let mut feed = Feed::after(0, at(0));
    feed.ends_at(9);
    let first = Ask { first: 1, last: 9 };
    assert_eq!(feed.ask(at(0)), Some(first));
    for sequence in 1..=3 {
        feed.offer(record(sequence), at(1));
        assert_eq!(feed.ask(at(1)), None, "the answer has not ended");
    }
    feed.answered(first);
    let second = Ask { first: 4, last: 9 };
    // Nothing of the first answer was taken yet.
    assert_eq!(feed.ask(at(1)), Some(second));
    // A late end of the first answer, and one without a record.
    feed.answered(first);
    feed.answered(second);
    assert_eq!(feed.ask(at(1_000)), None);
    assert_eq!(feed.ask(at(1_001)), Some(second));
    assert_eq!(taken(&mut feed), [1, 2, 3]);
    assert_eq!(feed.ask(at(1_002)), None);
}

#[test]
fn nothing_is_asked_for_while_much_waits_for_the_reader() {
    let mut feed = Feed::after(0, at(0));
    feed.ends_at(9);
    let mut ask = feed.ask(at(0)).unwrap();
    for sequence in 1..=3 {
        feed.offer(long(sequence, ASK_BYTES / 2), at(0));
        feed.answered(ask);
        let next = feed.ask(at(0));
        assert_eq!(next.is_some(), sequence < 3, "{sequence}");
        ask = next.unwrap_or(ask);
    }
    assert_eq!(feed.whole_bytes, feed.bytes);
    feed.take();
    assert_eq!(feed.ask(at(0)), Some(Ask { first: 4, last: 9 }));
    assert_eq!(taken(&mut feed), [2, 3]);
    assert_eq!((feed.whole_bytes, feed.bytes), (0, 0));
}

#[test]
fn records_without_bytes_that_come_too_early_have_a_limit() {
    let mut feed = Feed::after(0, at(0));
    for sequence in 2..200_000 {
        feed.hear(long(sequence, 0), at(0));
    }
    assert!(feed.ahead.len() <= AHEAD_BYTES / 100, "{}", feed.ahead.len());
    feed.offer(record(1), at(0));
    assert_eq!(taken(&mut feed).len(), AHEAD_BYTES / RECORD_BYTES - 1);
    assert_eq!((feed.whole_bytes, feed.bytes), (0, 0));
}

#[test]
fn what_comes_too_early_has_a_limit() {
    let mut feed = Feed::after(0, at(0));
    let piece = AHEAD_BYTES / 4 - RECORD_BYTES;
    for sequence in 2..40 {
        feed.offer(long(sequence, piece), at(0));
        assert!(feed.bytes <= AHEAD_BYTES && feed.ahead.len() <= 4);
    }
    feed.offer(long(1, piece), at(0));
    assert_eq!(taken(&mut feed), [1, 2, 3, 4]);
    assert_eq!(feed.bytes, 0);
    assert_eq!((feed.whole, feed.whole_bytes), (4, 0));
    // The dropped ones are asked for.
    assert_eq!(feed.ask(at(0)), Some(Ask { first: 5, last: 39 }));
}

#[test]
fn what_was_heard_never_replaces_what_the_stream_answered() {
    let stamped = |sequence, stamp| Record { stamp: LogTime(stamp), ..record(sequence) };
    let mut feed = Feed::after(4, at(0));
    for (sequence, heard) in [(5, 1), (5, 2), (6, 1), (8, 1)] {
        feed.hear(stamped(sequence, heard), at(0));
    }
    assert_eq!(feed.heard(9).collect::<Vec<_>>(), [5, 6]);
    feed.offer(stamped(6, 3), at(0));
    feed.hear(stamped(6, 4), at(0));
    assert_eq!(feed.heard(9).collect::<Vec<_>>(), [5]);
    let stamps: Vec<_> = std::iter::from_fn(|| feed.take()).map(|record| record.stamp.0).collect();
    assert_eq!(stamps, [1, 3]);
    assert_eq!((feed.heard(9).count(), feed.bytes), (0, 1 + RECORD_BYTES));
}
