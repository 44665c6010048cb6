//! Tests the outbox as a property: for all sequences of offered, taken and read items, the connection gets each
//! message once and in order, and the waiting items stay within the bound.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::task::Context;
use tcp_chat_state::steps;

const BOUND: usize = 1000;

fn chunk(conversation: i64, first: Seq, count: u64, prev: Seq) -> Arc<Kept> {
    let lines = (0..count).flat_map(|_| [b'x'; 100]).collect();
    let conversation = ConversationId(conversation);
    Arc::new(Kept::for_tests(Chunk {
        conversation,
        first,
        last: first + count - 1,
        prev,
        ts: 0,
        lines,
        authors: Vec::new(),
    }))
}

fn take(outbox: &Outbox, bytes: usize) -> Vec<Item> {
    match outbox.poll_take(&Context::from_waker(Waker::noop()), bytes) {
        Poll::Ready(Taken::Items(items)) => items.into(),
        Poll::Ready(Taken::Closed(_)) | Poll::Pending => Vec::new(),
    }
}

#[derive(Debug, Clone)]
enum Step {
    /// So many messages in a conversation, with or without the session in it.
    Say(i64, u64, bool),
    /// A reply.
    Reply,
    /// The connection takes up to so many bytes, and reads the ranges from the store.
    Take(usize),
    /// The text of one of the newest messages is removed.
    Redact(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        7 => (0i64..3, 1u64..4, prop::bool::weighted(0.9)).prop_map(|(c, n, heard)| Step::Say(c, n, heard)),
        1 => Just(Step::Reply),
        2 => (1usize..2000).prop_map(Step::Take),
        1 => (0u64..12).prop_map(Step::Redact),
    ]
}

/// A session at the end of an outbox, with a log to read gaps from.
#[derive(Default)]
struct Session {
    log: BTreeMap<Seq, ConversationId>,
    got: Vec<Seq>,
}

impl Session {
    fn receive(&mut self, items: Vec<Item>) {
        for item in items {
            match item {
                Item::Kept(kept) | Item::Own(kept, _) => {
                    self.got.extend(kept.chunk().first..=kept.chunk().last)
                }
                Item::Read(Read::Gap(_, ranges)) => {
                    let is_in = |seq: &Seq, of: &ConversationId| {
                        ranges.iter().any(|r| r.conversation == *of && (r.first..=r.last).contains(seq))
                    };
                    let read: Vec<_> =
                        self.log.iter().filter(|(seq, of)| is_in(seq, of)).map(|(seq, _)| *seq).collect();
                    self.got.extend(read);
                }
                _ => {}
            }
        }
    }
}

proptest! {
    #[test]
    fn each_message_once_in_order_and_bounded(steps in proptest::collection::vec(step(), 1..200)) {
        let outbox = Outbox::new(BOUND);
        let _ = outbox.logged_in(SessionId(1));
        let mut session = Session::default();
        let mut heads = BTreeMap::from([(0, 0), (1, 0), (2, 0)]);
        let (mut head, mut replies, mut offered) = (0, 0, Vec::new());
        for step in steps {
            match step {
                Step::Say(c, count, heard) => {
                    let kept = chunk(c, head + 1, count, heads[&c]);
                    let numbers = head + 1..=head + count;
                    session.log.extend(numbers.clone().map(|seq| (seq, ConversationId(c))));
                    if heard {
                        offered.extend(numbers);
                        let _ = outbox.offer(&kept, Vec::new());
                    }
                    head += count;
                    heads.insert(c, head);
                }
                Step::Reply => {
                    replies += 1;
                    let _ = outbox.push(Item::Line(vec![b'r'; 10]));
                }
                Step::Take(bytes) => session.receive(take(&outbox, bytes)),
                Step::Redact(back) => {
                    let Some(seq) = head.checked_sub(back) else { continue };
                    let Some(&of) = session.log.get(&seq) else { continue };
                    outbox.redact(of, seq);
                    let is_it = |chunk: &Chunk| chunk.conversation == of && (chunk.first..=chunk.last).contains(&seq);
                    let waits = outbox.lock().items.iter().any(|item| match item {
                        Item::Kept(kept) | Item::Own(kept, _) => is_it(kept.chunk()),
                        _ => false,
                    });
                    prop_assert!(!waits, "its text is in memory");
                    replies += 1; // A gap may take more than a short message.
                }
            }
            // A gap between replies counts for little, and replies are bounded by the read side.
            prop_assert!(outbox.lock().bytes <= BOUND + replies * (10 + 64) + 64, "bounded");
        }
        loop {
            let items = take(&outbox, usize::MAX);
            if items.is_empty() {
                break;
            }
            session.receive(items);
        }
        prop_assert_eq!(session.got, offered);
        prop_assert_eq!(outbox.lock().bytes, 0, "what was taken is given back");
    }
}

#[test]
fn an_empty_outbox_wakes_its_connection() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    struct Count(AtomicUsize);
    impl std::task::Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let count = Arc::new(Count(AtomicUsize::new(0)));
    let waker = Waker::from(count.clone());
    let outbox = Outbox::new(BOUND);
    assert!(outbox.poll_take(&Context::from_waker(&waker), 1).is_pending());
    outbox.push(Item::Line(b"a".to_vec())).into_iter().for_each(Waker::wake);
    assert!(outbox.push(Item::Line(b"b".to_vec())).is_none(), "woken once");
    assert_eq!(count.0.load(Ordering::Relaxed), 1);
    let _ = outbox.close(Closed::Lost);
    assert!(outbox.push(Item::Line(b"c".to_vec())).is_none());
    assert_eq!(take(&outbox, usize::MAX).len(), 2, "what was there before is still sent");
    let end = outbox.poll_take(&Context::from_waker(&waker), 1);
    assert!(matches!(end, Poll::Ready(Taken::Closed(Closed::Lost))));
}

#[test]
fn over_the_bound_no_request_is_read_and_presence_is_dropped() {
    let outbox = Outbox::new(10);
    let cx = Context::from_waker(Waker::noop());
    assert!(outbox.poll_may_ask(&cx).is_ready());
    let _ = outbox.push(Item::Line(vec![0; 11]));
    assert!(outbox.is_over() && outbox.poll_may_ask(&cx).is_pending());
    assert!(!outbox.push_unhurried(&Arc::from([0u8; 4])));
    assert_eq!(take(&outbox, usize::MAX).len(), 1);
    assert!(!outbox.is_over());
}

#[test]
fn a_line_that_must_not_be_missed_is_kept_up_to_twice_the_bound() {
    let outbox = Outbox::new(10);
    let line = Arc::from([0u8; 11]);
    for _ in 0..5 {
        let _ = outbox.push_told(&line);
    }
    assert_eq!(take(&outbox, usize::MAX).len(), 2);
}

#[test]
fn a_line_in_no_hurry_wakes_the_connection_later_and_keeps_its_place() {
    let outbox = Outbox::new(1000);
    let waits = || outbox.poll_take(&Context::from_waker(Waker::noop()), usize::MAX).is_pending();
    assert!(waits());
    assert!(outbox.push_unhurried(&Arc::from(*b"a")), "somebody is to be woken for it");
    assert!(!outbox.push_unhurried(&Arc::from(*b"b")), "once for both");
    assert!(outbox.wake().is_some());
    assert_eq!(take(&outbox, usize::MAX).len(), 2);
    assert!(waits());
    assert!(outbox.push_unhurried(&Arc::from(*b"c")), "and anew for what comes later");
    assert!(outbox.push(Item::Line(b"d".to_vec())).is_some(), "what is in a hurry wakes at once");
    assert_eq!(take(&outbox, usize::MAX).len(), 2, "and takes along what waits");
}

#[test]
fn one_connection_cannot_fill_the_inbox() {
    let outbox = Outbox::new(10);
    let cx = Context::from_waker(Waker::noop());
    (0..ASKED).for_each(|_| outbox.asks());
    assert!(outbox.poll_may_ask(&cx).is_pending());
    assert!(outbox.taken().is_some(), "woken when the hub has taken a batch");
    assert!(outbox.poll_may_ask(&cx).is_ready());
}

#[test]
fn a_client_that_asks_too_much_waits_once_before_the_next_read() {
    let outbox = Outbox::new(10);
    let cx = Context::from_waker(Waker::noop());
    (0..3).for_each(|_| outbox.slow(2));
    assert_eq!(outbox.poll_may_ask(&cx), Poll::Ready(Duration::from_millis(6)));
    assert_eq!(outbox.poll_may_ask(&cx), Poll::Ready(Duration::ZERO));
    (0..10_000).for_each(|_| outbox.slow(1));
    assert_eq!(outbox.poll_may_ask(&cx), Poll::Ready(Duration::from_millis(SLOWEST_MS)));
}

#[test]
fn a_reader_that_is_behind_in_many_rooms_costs_the_same_for_each_message() {
    let steps_for = |rooms: i64| {
        let outbox = Outbox::new(BOUND);
        let _ = outbox.logged_in(SessionId(1));
        let _ = outbox.push(Item::Line(vec![0; BOUND]));
        // A gap of a resume is extended, too.
        let from = |room| Range { conversation: ConversationId(room), first: 1, last: 0 };
        let _ = outbox.push(Item::Read(Read::Gap(SessionId(1), (0..rooms).map(from).collect())));
        let chunks: Vec<_> = (0..3 * rooms)
            .map(|n| {
                let first = u64::try_from(n).unwrap() + 1;
                let before = u64::try_from((n - rooms + 1).max(0)).unwrap();
                chunk(n % rooms, first, 1, before)
            })
            .collect();
        let before = steps::so_far();
        for chunk in &chunks {
            let _ = outbox.offer(chunk, Vec::new());
        }
        let taken = steps::so_far() - before;
        let gap = take(&outbox, usize::MAX).pop();
        let Some(Item::Read(Read::Gap(_, ranges))) = gap else { panic!("{gap:?}") };
        assert_eq!(ranges.len(), usize::try_from(rooms).unwrap(), "each room has one range");
        taken
    };
    let (few, many) = (steps_for(100), steps_for(1_000));
    assert!(few > 0 && many <= 12 * few, "{few} steps for 100 rooms, {many} for 1,000");
}

#[test]
fn a_closed_outbox_takes_no_further_items() {
    let outbox = Outbox::new(BOUND);
    let _ = outbox.logged_in(SessionId(1));
    let _ = outbox.push(Item::Line(b"before\n".to_vec()));
    let _ = outbox.close(Closed::By(Closing::Kicked));
    // A session that is noted in rooms is offered their messages.
    assert!(!outbox.offer(&chunk(1, 1, 1, 0), Vec::new()).1);
    assert!(!outbox.push_unhurried(&Arc::from(&b"presence\n"[..])));
    let _ = outbox.push(Item::Line(b"after\n".to_vec()));
    assert_eq!(outbox.bytes(), 7);
    assert!(matches!(&take(&outbox, usize::MAX)[..], [Item::Line(line)] if line == b"before\n"));
    assert!(take(&outbox, usize::MAX).is_empty());
}
