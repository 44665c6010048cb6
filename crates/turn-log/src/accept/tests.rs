//! Tests of which entries count, and what they do.

mod again;

use super::*;
use crate::body::{self, Gone, Hello, Raise};
use crate::entry::{BODY_BYTES, Header, Kind};
use crate::event::Event;
use crate::members::Life;
use std::sync::Arc;

const FIRST: Generation = Generation { number: 1, tag: 7 };
const BEHAVIOURS: Behaviours = Behaviours { oldest: 1, newest: 2 };
const A: NodeId = NodeId(1);
const B: NodeId = NodeId(2);

/// A reader, and the means to make any entry.
struct Log {
    key: Key,
    reader: Reader,
    last: u64,
}

impl Log {
    fn empty() -> Self {
        let key = Key::new(&[4; 32]).unwrap();
        let reader = Reader::new(key.clone(), A, BEHAVIOURS, Digest::default());
        Self { key, reader, last: 0 }
    }

    /// A is the founder, B has started.
    fn of_two() -> Self {
        let mut log = Self::empty();
        log.counts(&log.header(Kind::Genesis, A, 1, 0), &hello(1, 2));
        log.counts(&log.header(Kind::NodeUp, B, 1, 0), &hello(1, 2));
        log
    }

    /// A header with the claim that is true now.
    fn header(&self, kind: Kind, node: NodeId, epoch: u64, n: u64) -> Header {
        Header { kind, behaviour: 1, generation: FIRST, node, epoch, n, claim: self.reader.claim() }
    }

    fn record(&self, sequence: u64, header: &Header, body: &[u8]) -> Record {
        let bytes: Arc<[u8]> = self.key.seal(header, body).unwrap().into();
        Record { sequence, stamp: LogTime(1_000 + sequence), bytes }
    }

    fn offer(&mut self, record: &Record) -> Result<Result<Event, Void>, Halt> {
        let step = self.reader.accept(record)?;
        self.last = record.sequence;
        Ok(match step {
            Step::Counts(pending) => Ok(pending.applied(&[1; 32]).event),
            Step::Void(void) => Err(void),
        })
    }

    fn next(&mut self, header: &Header, body: &[u8]) -> Result<Result<Event, Void>, Halt> {
        self.offer(&self.record(self.last + 1, header, body))
    }

    fn counts(&mut self, header: &Header, body: &[u8]) -> Event {
        self.next(header, body).unwrap().unwrap()
    }

    fn void(&mut self, header: &Header, body: &[u8]) -> Void {
        self.next(header, body).unwrap().unwrap_err()
    }
}

fn hello(oldest: u16, newest: u16) -> Vec<u8> {
    body::encode(&Hello { behaviours: Behaviours { oldest, newest }, details: b"x".to_vec() })
}

fn gone(node: NodeId, epoch: u64) -> Vec<u8> {
    body::encode(&Gone { node, epoch })
}

#[test]
fn an_entry_counts_only_as_the_next_of_a_living_epoch() {
    let mut log = Log::of_two();
    let turn = |log: &Log, node, epoch, n| log.header(Kind::Turn, node, epoch, n);
    assert_eq!(log.void(&turn(&log, B, 1, 2), b""), Void::Early);
    assert_eq!(log.counts(&turn(&log, B, 1, 1), b"one"), Event::Turn(b"one".to_vec()));
    assert_eq!(log.void(&turn(&log, B, 1, 1), b"one"), Void::Repeated);
    assert_eq!(log.counts(&turn(&log, B, 1, 2), b""), Event::Turn(vec![]));
    assert_eq!(log.void(&turn(&log, B, 2, 1), b""), Void::Unknown);
    assert_eq!(log.void(&turn(&log, NodeId(9), 1, 1), b""), Void::Unknown);
    // The epochs of two nodes have nothing to do with each other.
    assert_eq!(log.counts(&turn(&log, A, 1, 1), b""), Event::Turn(vec![]));
}

#[test]
fn a_start_closes_the_epoch_before_it() {
    let mut log = Log::of_two();
    assert_eq!(log.void(&log.header(Kind::NodeUp, B, 1, 0), &hello(1, 2)), Void::Epoch { next: 2 });
    assert_eq!(log.void(&log.header(Kind::NodeUp, B, 3, 0), &hello(1, 2)), Void::Epoch { next: 2 });
    log.counts(&log.header(Kind::NodeUp, B, 2, 0), &hello(1, 2));
    assert_eq!(log.void(&log.header(Kind::Turn, B, 1, 1), b""), Void::Closed);
    log.counts(&log.header(Kind::Turn, B, 2, 1), b"");
}

#[test]
fn a_closed_epoch_stays_closed() {
    let mut log = Log::of_two();
    let (body, epoch) = (gone(B, 1), Gone { node: B, epoch: 1 });
    let closes = Event::Gone { gone: epoch, closed: true };
    assert_eq!(log.counts(&log.header(Kind::NodeGone, A, 1, 1), &body), closes);
    assert_eq!(log.void(&log.header(Kind::Turn, B, 1, 1), b""), Void::Closed);
    let member = log.reader.members().get(B).unwrap();
    assert_eq!((member.life, member.details.is_empty()), (Life::Closed, true));
    // A second one counts as an entry, and changes nothing. Nor does one that comes after the next start.
    let nothing = Event::Gone { gone: epoch, closed: false };
    assert_eq!(log.counts(&log.header(Kind::NodeGone, A, 1, 2), &body), nothing);
    log.counts(&log.header(Kind::NodeUp, B, 2, 0), &hello(1, 2));
    assert_eq!(log.counts(&log.header(Kind::NodeGone, A, 1, 3), &body), nothing);
    log.counts(&log.header(Kind::Turn, B, 2, 1), b"");
}

#[test]
fn nothing_counts_before_a_generation_or_in_another_one() {
    let mut log = Log::empty();
    assert_eq!(log.void(&log.header(Kind::Turn, A, 1, 1), b""), Void::Generation);
    assert_eq!(log.void(&log.header(Kind::NodeUp, A, 1, 0), &hello(1, 2)), Void::Generation);
    log.counts(&log.header(Kind::Genesis, A, 1, 0), &hello(1, 2));
    assert_eq!(log.void(&log.header(Kind::Genesis, A, 1, 0), &hello(1, 2)), Void::Repeated);
    for generation in [Generation { number: 1, tag: 8 }, Generation { number: 0, tag: 7 }] {
        let genesis = Header { generation, ..log.header(Kind::Genesis, B, 1, 0) };
        assert_eq!(log.void(&genesis, &hello(1, 2)), Void::Generation);
        let turn = Header { generation, ..log.header(Kind::Turn, A, 1, 1) };
        assert_eq!(log.void(&turn, b""), Void::Generation);
    }
}

#[test]
fn a_later_generation_is_followed_only_from_the_state_with_which_it_begins() {
    let mut log = Log::of_two();
    let generation = Generation { number: 2, tag: 9 };
    let genesis = Header { generation, ..log.header(Kind::Genesis, B, 1, 0) };
    let mut other = Log { key: log.key.clone(), reader: log.reader.clone(), last: log.last };
    log.counts(&genesis, &hello(1, 2));
    assert_eq!(log.reader.generation(), Some(generation));
    assert_eq!(log.reader.members().all().count(), 1);
    assert_eq!(log.void(&log.header(Kind::Turn, A, 1, 1), b""), Void::Generation);

    other.counts(&other.header(Kind::Turn, A, 1, 1), b"");
    assert_eq!(other.next(&genesis, &hello(1, 2)), Err(Halt::OtherBase(generation)));
    assert_eq!(other.next(&genesis, &hello(1, 2)), Err(Halt::OtherBase(generation)));
}

#[test]
fn the_founder_after_a_disaster_goes_on_in_another_stream() {
    let log = Log::of_two();
    let saved = log.reader.saved().clone().rebased(0);
    let reader = Reader::resume(log.key.clone(), A, BEHAVIOURS, saved).unwrap();
    let mut log = Log { key: log.key, reader, last: 0 };
    let generation = Generation { number: 2, tag: 9 };
    // Another node of the old generation may still send what it has.
    assert_eq!(log.void(&log.header(Kind::Turn, B, 1, 1), b""), Void::Generation);
    let genesis = Header { generation, ..log.header(Kind::Genesis, A, 1, 0) };
    log.counts(&genesis, &hello(1, 2));
}

#[test]
fn forged_and_malformed_records_are_void() {
    let mut log = Log::of_two();
    let good = log.record(3, &log.header(Kind::Turn, B, 1, 1), b"x");
    let mut bytes = good.bytes.to_vec();
    *bytes.last_mut().unwrap() ^= 1;
    let forged = Record { bytes: bytes.into(), ..good.clone() };
    assert_eq!(log.offer(&forged), Ok(Err(Void::Forged(crate::Forged))));
    let short = Record { sequence: 4, bytes: b"TCTL".as_slice().into(), ..good.clone() };
    assert_eq!(log.offer(&short), Ok(Err(Void::Malformed(crate::ParseError::Length(4)))));
    assert_eq!(log.void(&log.header(Kind::NodeGone, B, 1, 1), b"\xFF"), Void::Body(Kind::NodeGone));
    assert_eq!(log.void(&log.header(Kind::NodeUp, NodeId(5), 1, 0), b""), Void::Body(Kind::NodeUp));
    log.counts(&log.header(Kind::Turn, B, 1, 1), &vec![0; BODY_BYTES]);
}

#[test]
fn a_behaviour_rises_when_every_living_node_can_follow() {
    let mut log = Log::of_two();
    log.counts(&log.header(Kind::NodeUp, NodeId(3), 1, 0), &hello(1, 1));
    let raise = body::encode(&Raise { to: 2 });
    let early = Header { behaviour: 2, ..log.header(Kind::Turn, A, 1, 1) };
    assert_eq!(log.void(&early, b""), Void::Behaviour(2));
    let refused = Event::Raise { to: 2, raised: false };
    assert_eq!(log.counts(&log.header(Kind::Raise, A, 1, 1), &raise), refused);
    log.counts(&log.header(Kind::NodeGone, A, 1, 2), &gone(NodeId(3), 1));
    let raised = Event::Raise { to: 2, raised: true };
    assert_eq!(log.counts(&log.header(Kind::Raise, A, 1, 3), &raise), raised);
    assert_eq!(log.counts(&log.header(Kind::Raise, A, 1, 4), &raise), refused);
    assert_eq!(log.void(&log.header(Kind::NodeUp, NodeId(3), 2, 0), &hello(1, 1)), Void::Unfit(2));
    // What was proposed by the old rules before the rise was read still counts.
    log.counts(&log.header(Kind::Turn, B, 1, 1), b"");
    log.counts(&Header { behaviour: 2, ..log.header(Kind::Turn, B, 1, 2) }, b"");
}

#[test]
fn a_version_that_cannot_follow_a_rise_stops() {
    let mut log = Log::empty();
    log.counts(&log.header(Kind::Genesis, B, 1, 0), &hello(1, 3));
    let raise = log.header(Kind::Raise, B, 1, 1);
    assert_eq!(log.next(&raise, &body::encode(&Raise { to: 3 })), Err(Halt::TooOld(3)));
    let mut late = Log::empty();
    let genesis = Header { behaviour: 3, ..late.header(Kind::Genesis, B, 1, 0) };
    assert_eq!(late.next(&genesis, &hello(1, 3)), Err(Halt::TooOld(3)));
}
