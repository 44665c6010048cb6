//! Tests of reading on: without holes, again after a reconnect, from a store, and of records that were only heard.

use super::*;

#[test]
fn records_are_read_without_holes() {
    let mut log = Log::of_two();
    let turn = log.header(Kind::Turn, B, 1, 1);
    for offered in [1, 2, 4] {
        let gap = Halt::Gap { expected: 3, offered };
        assert_eq!(log.offer(&log.record(offered, &turn, b"")), Err(gap));
    }
    log.counts(&turn, b"");
}

#[test]
fn an_entry_that_is_not_applied_is_read_again() {
    let mut log = Log::of_two();
    let record = log.record(3, &log.header(Kind::Turn, B, 1, 1), b"x");
    assert!(matches!(log.reader.accept(&record), Ok(Step::Counts(_))));
    assert!(matches!(log.reader.accept(&record), Ok(Step::Counts(_))));
}

#[test]
fn another_entry_at_a_position_that_was_read_means_that_the_log_forgot() {
    let mut log = Log::of_two();
    let turn = log.header(Kind::Turn, B, 1, 1);
    let (first, other) = (log.record(3, &turn, b"x"), log.record(3, &turn, b"x"));
    log.offer(&first).unwrap().unwrap();
    assert_eq!(log.reader.recheck(&first), Ok(()));
    assert_eq!(log.reader.recheck(&other), Err(Halt::Forgot(3)));
    assert_eq!(log.next(&log.header(Kind::Turn, B, 1, 2), b""), Err(Halt::Forgot(3)));
    log.reader.rewind();
    assert_eq!(log.reader.ends_at(9, 3), Err(Halt::Forgot(3)));
}

#[test]
fn void_records_at_the_end_are_read_again_after_a_reconnect() {
    let mut log = Log::of_two();
    let early = log.record(3, &log.header(Kind::Turn, B, 1, 2), b"");
    assert_eq!(log.offer(&early), Ok(Err(Void::Early)));
    assert_eq!((log.reader.rewind(), log.reader.read()), (2, 2));
    // Another record stands there now; it is no harm, since the first one did nothing.
    log.offer(&log.record(3, &log.header(Kind::Turn, B, 1, 1), b"")).unwrap().unwrap();
}

#[test]
fn a_stream_that_is_shorter_halts_until_it_is_long_enough() {
    let mut log = Log::of_two();
    let short = Halt::Shorter { last: 1, applied: 2 };
    assert_eq!(log.reader.ends_at(1, 2), Err(short));
    assert_eq!(log.next(&log.header(Kind::Turn, B, 1, 1), b""), Err(short));
    assert_eq!(log.reader.ends_at(2, 2), Ok(()));
    log.counts(&log.header(Kind::Turn, B, 1, 1), b"");
    // The answer to an old question says nothing about what was read since.
    assert_eq!(log.reader.ends_at(2, 2), Ok(()));
}

#[test]
fn a_claim_of_another_log_is_a_doubt_until_all_was_read_again() {
    for claim_of_a_longer_log in [false, true] {
        let mut log = Log::of_two();
        let mut claim = log.reader.claim();
        if claim_of_a_longer_log {
            claim.applied = 3;
        } else {
            claim.digest.log[0] ^= 1;
        }
        // Void, and still heard: its epoch has not begun in this log.
        let record = log.record(3, &Header { claim, ..log.header(Kind::Turn, B, 2, 1) }, b"");
        assert_eq!(log.offer(&record), Err(Halt::Doubt(3)));
        assert_eq!(log.offer(&record), Err(Halt::Doubt(3)));
        assert_eq!(log.reader.remembered().collect::<Vec<_>>(), [1, 2]);
        log.reader.rechecked();
        // Two nodes, two logs: both hold.
        assert_eq!(log.offer(&record), Err(Halt::Forgot(2)));
    }
}

#[test]
fn a_node_that_has_read_another_log_raises_one_doubt_in_an_epoch() {
    let mut log = Log::of_two();
    // Of three nodes one differs and one is silent, so reading goes on.
    log.counts(&log.header(Kind::NodeUp, NodeId(3), 1, 0), &hello(1, 2));
    let mut claim = log.reader.claim();
    claim.digest.log[0] ^= 1;
    let record = log.record(4, &Header { claim, ..log.header(Kind::Turn, B, 1, 1) }, b"");
    assert_eq!(log.offer(&record), Err(Halt::Doubt(4)));
    log.reader.rechecked();
    assert!(matches!(log.offer(&record), Ok(Ok(_))));
    let next = log.record(5, &Header { claim, ..log.header(Kind::Turn, B, 1, 2) }, b"");
    assert!(matches!(log.offer(&next), Ok(Ok(_))), "it is known");
}

#[test]
fn a_claim_of_another_state_outvotes_the_younger_side() {
    let mut log = Log::of_two();
    let mut claim = log.reader.claim();
    claim.digest.state[0] ^= 1;
    let record = log.record(3, &Header { claim, ..log.header(Kind::Turn, B, 1, 1) }, b"");
    let mut younger = Log { key: log.key.clone(), reader: log.reader.clone(), last: 2 };
    younger.reader.me = B;
    assert!(matches!(log.offer(&record), Ok(Ok(_))));
    let mut claim = younger.reader.claim();
    claim.digest.state[0] ^= 1;
    let record = younger.record(3, &Header { claim, ..younger.header(Kind::Turn, A, 1, 1) }, b"");
    assert_eq!(younger.offer(&record), Err(Halt::Diverged));
}

#[test]
fn many_void_records_do_not_make_a_node_forget_where_it_is() {
    let mut log = Log::of_two();
    let early = log.header(Kind::Turn, B, 1, 5);
    for _ in 0..1_100 {
        assert_eq!(log.void(&early, b""), Void::Early);
    }
    log.reader.rewind();
    log.last = 2;
    log.counts(&log.header(Kind::Turn, B, 1, 1), b"");
    let saved = Saved::decode(&log.reader.saved().encode()).unwrap();
    log.reader = Reader::resume(log.key.clone(), A, BEHAVIOURS, saved).unwrap();
    log.counts(&log.header(Kind::Turn, B, 1, 2), b"");
}

#[test]
fn a_reader_goes_on_from_its_store_with_the_same_key_alone() {
    let log = Log::of_two();
    let bytes = log.reader.saved().encode();
    let saved = Saved::decode(&bytes).unwrap();
    assert_eq!(&saved, log.reader.saved());
    let other = Key::new(&[5; 32]).unwrap();
    let resume = |key: &Key, newest| {
        let behaviours = Behaviours { oldest: newest, newest };
        Reader::resume(key.clone(), A, behaviours, saved.clone()).map(|reader| reader.read())
    };
    assert_eq!(resume(&log.key, 1), Ok(2));
    assert_eq!(resume(&other, 1), Err(ResumeError::OtherKey));
    assert_eq!(resume(&log.key, 2), Err(ResumeError::Behaviour(1)));
    for damaged in [&bytes[..bytes.len() - 1], &[bytes.as_slice(), &[0]].concat(), &[2], &[]] {
        assert_eq!(Saved::decode(damaged), Err(ResumeError::Unreadable));
    }
}

#[test]
fn a_reader_that_goes_on_from_its_store_remembers_what_was_read() {
    let mut log = Log::of_two();
    for n in 1..=3 {
        log.counts(&log.header(Kind::Turn, B, 1, n), b"");
    }
    let other = log.record(3, &log.header(Kind::Turn, B, 1, 1), b"another one");
    let saved = Saved::decode(&log.reader.saved().encode()).unwrap();
    let mut reader = Reader::resume(log.key.clone(), A, BEHAVIOURS, saved).unwrap();
    assert_eq!(reader.remembered().collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    assert_eq!(reader.recheck(&other), Err(Halt::Forgot(3)));
}

/// A store that was written must stay readable: other bytes need another version, and code that reads both.
#[test]
fn the_bytes_of_a_saved_place_never_change() {
    let mut log = Log::of_two();
    log.counts(&log.header(Kind::NodeGone, A, 1, 1), &gone(B, 1));
    // Marks, and so digests, differ with each nonce.
    let saved = &mut log.reader.saved;
    let digest = Digest { log: [0x11; 16], state: [0x22; 16] };
    saved.claim.digest = digest;
    saved.recent = [
        Seen { sequence: 2, mark: None, digest: None },
        Seen { sequence: 3, mark: None, digest: Some(digest) },
    ]
    .into();
    saved.mark = None;
    let hex: String = saved.encode().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, include_str!("../../../golden/saved-2.hex").trim_end());
}

#[test]
fn what_was_heard_is_read_only_if_it_counts_and_its_author_agrees() {
    let mut log = Log::of_two();
    log.counts(&log.header(Kind::Turn, B, 1, 1), b"one");
    let before = log.reader.saved().clone();
    let good = log.header(Kind::Turn, B, 1, 2);
    let junk = Record { sequence: 4, stamp: LogTime(1), bytes: b"junk"[..].into() };
    let mut refused =
        vec![junk, log.record(4, &log.header(Kind::Turn, B, 1, 1), b"again"), log.record(5, &good, b"")];
    let mut claim = good.claim;
    claim.digest.log[0] ^= 1;
    refused.push(log.record(4, &Header { claim, ..good }, b"another log"));
    claim = good.claim;
    claim.digest.state[0] ^= 1;
    refused.push(log.record(4, &Header { claim, ..good }, b"another state"));
    refused.push(log.record(4, &Header { claim: Claim { applied: 9, ..claim }, ..good }, b"from later on"));
    for record in &refused {
        assert!(log.reader.accept_heard(record).is_none());
        assert_eq!((log.reader.saved(), log.reader.read()), (&before, 3));
    }
    let record = log.record(4, &good, b"two");
    let entry = log.reader.accept_heard(&record).unwrap().applied(&[1; 32]);
    assert_eq!((entry.event, log.reader.read()), (Event::Turn(b"two".to_vec()), 4));
}

#[test]
fn only_records_that_were_never_read_are_missed() {
    let mut log = Log::of_two();
    assert_eq!(log.reader.begins_at(3), Ok(false));
    assert_eq!(log.reader.begins_at(4), Err(Truncated { next: 3, first: 4 }));
    for sequence in 3..=6 {
        let junk = Record { sequence, stamp: LogTime(1), bytes: b"junk"[..].into() };
        assert!(log.offer(&junk).unwrap().is_err());
    }
    let saved = Saved::decode(&log.reader.saved().encode()).unwrap();
    log.reader.rewind();
    let resumed = Reader::resume(log.key.clone(), A, BEHAVIOURS, saved).unwrap();
    for mut reader in [log.reader, resumed] {
        assert_eq!(reader.read(), 2);
        assert_eq!(reader.begins_at(8), Err(Truncated { next: 7, first: 8 }));
        assert_eq!((reader.begins_at(7), reader.read()), (Ok(true), 6));
    }
}

#[test]
fn a_detached_entry_is_applied_only_in_its_place() {
    let mut log = Log::of_two();
    let turn = log.record(3, &log.header(Kind::Turn, B, 1, 1), b"one");
    let accept = |reader: &mut Reader, record: &Record| match reader.accept(record) {
        Ok(Step::Counts(pending)) => pending.detach(),
        step => panic!("{step:?}"),
    };
    let detached = accept(&mut log.reader, &turn);
    assert_eq!(detached.entry().event, Event::Turn(b"one".to_vec()));
    let again = accept(&mut log.reader, &turn);
    assert_eq!(log.reader.applied(detached, &[1; 32]).unwrap().sequence, 3);
    let claim = log.reader.claim();
    assert!(log.reader.applied(again, &[1; 32]).is_none(), "applied twice");
    assert_eq!(log.reader.claim(), claim);
    // The log forgot in between.
    let next = log.record(4, &log.header(Kind::Turn, B, 1, 2), b"two");
    let detached = accept(&mut log.reader, &next);
    let other = log.record(3, &log.header(Kind::Turn, B, 1, 1), b"another one");
    log.reader.recheck(&other).unwrap_err();
    assert!(log.reader.applied(detached, &[1; 32]).is_none());
}

#[test]
fn a_server_with_a_wrong_clock_does_not_move_the_time_beyond_the_limit() {
    let mut log = Log::of_two();
    let before = log.reader.time();
    for (stamp, latest, time) in
        [(9_999_999, 5_000, 5_000), (6_000, 7_000, 6_000), (8_000, 0, 6_000), (0, 9_000, 6_000)]
    {
        let header = log.header(Kind::Turn, B, 1, log.last - 1);
        let record = Record { stamp: LogTime(stamp), ..log.record(log.last + 1, &header, b"") };
        let Ok(Step::Counts(pending)) = log.reader.accept(&record) else { panic!("it counts") };
        let mut entry = pending.detach();
        log.reader.limit_time(&mut entry, LogTime(latest));
        assert_eq!(entry.entry().time, LogTime(time), "stamp {stamp}, latest {latest}");
        assert!(log.reader.applied(entry, &[1; 32]).is_some());
        log.last += 1;
        assert!(log.reader.time() >= before);
    }
}
