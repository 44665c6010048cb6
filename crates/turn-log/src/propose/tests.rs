//! Tests of what is published and when, and of what comes back.

use super::*;
use crate::body::{Behaviours, Gone};
use crate::entry::{BODY_BYTES, Digest};
use crate::feed::Record;
use crate::members::Void;
use crate::news::News;
use crate::{LogTime, Step};

const ME: NodeId = NodeId(1);
const HOLD: Duration = Duration::from_secs(15);

fn at(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// A node and its stream: what is published is stored only where a test says so.
struct Bench {
    reader: Reader,
    proposer: Proposer,
    last: u64,
}

impl Bench {
    fn process(node: NodeId) -> Self {
        let key = Key::new(&[3; 32]).unwrap();
        let behaviours = Behaviours { oldest: 1, newest: 2 };
        let reader = Reader::new(key.clone(), node, behaviours, Digest::default());
        let mut proposer = Proposer::new(key, node, HOLD, at(0));
        proposer.connected();
        Self { reader, proposer, last: 0 }
    }

    fn hello() -> Hello {
        Hello { behaviours: Behaviours { oldest: 1, newest: 2 }, details: vec![] }
    }

    /// A founder that is up.
    fn up() -> Self {
        let mut bench = Self::process(ME);
        let generation = Generation { number: 1, tag: 1 };
        bench.proposer.found(&bench.reader, generation, 1, &Self::hello(), at(0)).unwrap();
        assert_eq!(bench.store_all(at(0)), [Some(News::Up)]);
        bench
    }

    fn turn(&mut self, now: Duration) -> Result<u64, ProposeError> {
        self.proposer.propose(&self.reader, Proposal::Turn(b"turn"), now)
    }

    fn store(&mut self, bytes: Arc<[u8]>, now: Duration) -> Option<News> {
        self.last += 1;
        let record = Record { sequence: self.last, stamp: LogTime(1), bytes };
        match self.reader.accept(&record).unwrap() {
            Step::Counts(pending) => self.proposer.counted(&pending.applied(&[0; 32]), now),
            Step::Void(void) => self.proposer.void(&record, void),
        }
    }

    fn store_all(&mut self, now: Duration) -> Vec<Option<News>> {
        self.proposer.to_send(now).into_iter().map(|bytes| self.store(bytes, now)).collect()
    }
}

#[test]
fn a_turn_is_sent_once_and_again_when_its_first_did_not_come_back() {
    let mut bench = Bench::up();
    assert_eq!((bench.turn(at(0)), bench.turn(at(0))), (Ok(1), Ok(2)));
    let sent = bench.proposer.to_send(at(0));
    assert_eq!(sent.len(), 2);
    assert_eq!(bench.turn(at(500)), Ok(3));
    assert_eq!(bench.proposer.wake(), Some(at(1_000)));
    assert_eq!(bench.proposer.to_send(at(500)).len(), 1);
    assert_eq!(bench.proposer.to_send(at(999)).len(), 0);
    let again = bench.proposer.to_send(at(1_000));
    assert_eq!((again.len(), &again[..2]), (3, &sent[..]));
    // The second alone does not count, however often it is stored.
    assert_eq!(bench.store(Arc::clone(&sent[1]), at(1_000)), None);
    assert_eq!(bench.store(Arc::clone(&sent[0]), at(1_000)), Some(News::Counted(1)));
    assert_eq!(bench.store(Arc::clone(&sent[0]), at(1_000)), None);
    assert_eq!(bench.store(Arc::clone(&sent[1]), at(1_000)), Some(News::Counted(2)));
    assert_eq!(bench.proposer.in_flight(), 1);
}

#[test]
fn after_a_reconnect_everything_is_sent_at_once() {
    let mut bench = Bench::up();
    bench.turn(at(0)).unwrap();
    assert_eq!(bench.proposer.to_send(at(0)).len(), 1);
    bench.proposer.disconnected(at(10));
    bench.turn(at(20)).unwrap();
    assert_eq!(bench.proposer.to_send(at(5_000)).len(), 0);
    bench.proposer.connected();
    assert_eq!(bench.proposer.to_send(at(5_000)).len(), 2);
    assert_eq!(bench.proposer.to_send(at(5_000)).len(), 0);
}

#[test]
fn the_window_has_limits() {
    let mut bench = Bench::up();
    for n in 1..=WINDOW_ENTRIES as u64 {
        assert_eq!(bench.turn(at(0)), Ok(n));
    }
    assert_eq!(bench.turn(at(0)), Err(ProposeError::Full));
    assert_eq!(bench.store_all(at(0)).len(), WINDOW_ENTRIES);
    let long = vec![0; BODY_BYTES];
    let mut taken = 0;
    while bench.proposer.propose(&bench.reader, Proposal::Turn(&long), at(0)).is_ok() {
        taken += 1;
    }
    assert_eq!(taken, 8);
    assert!(bench.proposer.bytes <= WINDOW_BYTES);
    bench.store_all(at(0));
    assert_eq!(bench.proposer.bytes, 0);
}

#[test]
fn what_was_never_published_can_be_withdrawn_and_its_number_is_used_again() {
    let mut bench = Bench::up();
    bench.turn(at(0)).unwrap();
    bench.proposer.to_send(at(0));
    bench.proposer.disconnected(at(1));
    assert_eq!((bench.turn(at(2)), bench.turn(at(2))), (Ok(2), Ok(3)));
    assert_eq!(bench.proposer.withdraw(), [2, 3]);
    assert_eq!(bench.turn(at(3)), Ok(2));
    bench.proposer.connected();
    assert_eq!(bench.store_all(at(4)), [Some(News::Counted(1)), Some(News::Counted(2))]);
    assert_eq!(bench.proposer.bytes, 0);
}

#[test]
fn a_node_holds_when_nothing_comes_back_and_goes_on_when_something_does() {
    let mut bench = Bench::up();
    bench.turn(at(1_000)).unwrap();
    let sent = bench.proposer.to_send(at(1_000));
    assert!(!bench.proposer.is_holding(at(15_999)));
    assert_eq!(bench.turn(at(16_000)), Err(ProposeError::Hold));
    bench.store(sent[0].clone(), at(16_000));
    assert_eq!(bench.turn(at(16_000)), Ok(2));
    // Without anything in flight, only the connection says so.
    bench.store_all(at(16_000));
    assert!(!bench.proposer.is_holding(at(90_000)));
    bench.proposer.disconnected(at(90_000));
    assert!(!bench.proposer.is_holding(at(104_999)));
    assert!(bench.proposer.is_holding(at(105_000)));
}

#[test]
fn an_entry_does_not_hold_for_the_time_in_which_those_before_it_came_back() {
    let mut bench = Bench::up();
    bench.turn(at(0)).unwrap();
    bench.turn(at(0)).unwrap();
    let sent = bench.proposer.to_send(at(0));
    bench.store(sent[0].clone(), at(14_000));
    assert!(!bench.proposer.is_holding(at(28_999)));
    assert!(bench.proposer.is_holding(at(29_000)));
}

#[test]
fn the_end_of_the_own_epoch_makes_everything_in_flight_void() {
    let mut bench = Bench::up();
    let me = Gone { node: ME, epoch: 1 };
    assert_eq!(bench.proposer.propose(&bench.reader, Proposal::Gone(me), at(0)), Ok(1));
    bench.turn(at(0)).unwrap();
    let sent = bench.proposer.to_send(at(0));
    assert_eq!(bench.store(sent[0].clone(), at(0)), Some(News::Fenced(vec![2])));
    assert_eq!(bench.store(sent[1].clone(), at(0)), None);
    assert_eq!(bench.turn(at(0)), Err(ProposeError::NotUp));
    bench.proposer.start(&bench.reader, &Bench::hello(), at(0)).unwrap();
    assert_eq!(bench.store_all(at(0)), [Some(News::Up)]);
    assert_eq!(bench.reader.members().get(ME).unwrap().epoch, 2);
    assert_eq!(bench.turn(at(0)), Ok(1));
}

#[test]
fn a_later_generation_makes_everything_in_flight_void() {
    let mut bench = Bench::up();
    bench.turn(at(0)).unwrap();
    let mut founder = Proposer::new(bench.proposer.key.clone(), NodeId(2), HOLD, at(0));
    founder.connected();
    let generation = Generation { number: 2, tag: 9 };
    founder.found(&bench.reader, generation, 1, &Bench::hello(), at(0)).unwrap();
    let genesis = founder.to_send(at(0)).remove(0);
    assert_eq!(bench.store(genesis, at(0)), Some(News::Fenced(vec![1])));
    assert!(bench.proposer.is_down());
}

#[test]
fn a_later_start_with_the_same_identity_ends_the_earlier_process() {
    let mut bench = Bench::up();
    bench.turn(at(0)).unwrap();
    let mut twin = Bench::process(ME);
    twin.reader = bench.reader.clone();
    twin.proposer.start(&twin.reader, &Bench::hello(), at(0)).unwrap();
    let start = twin.proposer.to_send(at(0)).remove(0);
    assert_eq!(bench.store(start, at(0)), Some(News::Replaced(vec![1])));
}

#[test]
fn of_two_starts_in_one_epoch_the_second_is_told_to_start_again() {
    let mut bench = Bench::up();
    let mut starts = [Bench::process(NodeId(2)), Bench::process(NodeId(2))];
    for process in &mut starts {
        process.reader = bench.reader.clone();
        process.last = bench.last;
        process.proposer.start(&process.reader, &Bench::hello(), at(0)).unwrap();
    }
    let [first, second] = &mut starts;
    let (one, two) = (first.proposer.to_send(at(0)).remove(0), second.proposer.to_send(at(0)).remove(0));
    assert_eq!(first.store(one.clone(), at(0)), Some(News::Up));
    assert_eq!(second.store(one.clone(), at(0)), Some(News::StartVoid(Void::Epoch { next: 2 })));
    assert_eq!(bench.store(one, at(0)), None);
    assert_eq!((first.store(two.clone(), at(0)), second.store(two, at(0))), (None, None));
    assert!(first.proposer.is_up() && second.proposer.is_down());
    second.proposer.start(&second.reader, &Bench::hello(), at(0)).unwrap();
    let three = second.proposer.to_send(at(0)).remove(0);
    assert_eq!(second.store(three.clone(), at(0)), Some(News::Up));
    assert_eq!(first.store(three, at(0)), Some(News::Replaced(vec![])));
}

#[test]
fn a_version_that_is_too_old_learns_it_from_its_own_start() {
    let mut bench = Bench::up();
    bench.proposer.propose(&bench.reader, Proposal::Raise(2), at(0)).unwrap();
    bench.store_all(at(0));
    assert_eq!(bench.reader.members().behaviour(), 2);
    bench.proposer.end();
    let old = Hello { behaviours: Behaviours { oldest: 1, newest: 1 }, details: vec![] };
    bench.proposer.start(&bench.reader, &old, at(0)).unwrap();
    assert_eq!(bench.store_all(at(0)), [Some(News::StartVoid(Void::Unfit(2)))]);
}

#[test]
fn a_window_with_room_takes_the_longest_entry() {
    let mut bench = Bench::up();
    let longest = vec![0; BODY_BYTES];
    while bench.proposer.has_room() {
        bench.proposer.propose(&bench.reader, Proposal::Turn(&longest), at(0)).unwrap();
    }
    assert_eq!(bench.proposer.in_flight(), WINDOW_BYTES / ENTRY_BYTES);
    let mut bench = Bench::up();
    while bench.proposer.has_room() {
        bench.turn(at(0)).unwrap();
    }
    assert_eq!(bench.proposer.in_flight(), WINDOW_ENTRIES);
}
