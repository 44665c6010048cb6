//! Tests of the size of a turn: how much it takes, where it ends, and who comes first in the next one.

use super::*;
use crate::hub::gather::{ENCODED_BYTES, TURN_BYTES};
use tcp_chat_state::{Intent, Op};

#[test]
fn a_turn_ends_by_its_total_of_bytes_and_loses_no_message() {
    for (what, before, bytes, wanted) in [
        ("long ones", vec![], TURN_BYTES, vec![1, 1, 1, 1]),
        ("long ones behind something else", vec![join()], TURN_BYTES, vec![1, 1, 1, 1]),
        ("halves", vec![], ENCODED_BYTES / 2 - 1024, vec![2, 2]),
        ("short ones", vec![], 100, vec![4]),
    ] {
        let (mut hub, outboxes) = hub(4);
        let mut waiting = Waiting::default();
        for n in 0..4 {
            let list = before.iter().cloned().chain([say(bytes)]).collect();
            waiting.add(Entry::Commands(ConnectionId(n), list));
        }
        assert_eq!(turns(&mut hub, &mut waiting), wanted, "{what}");
        for outbox in &outboxes {
            assert_eq!(heard(outbox), [1, 2, 3, 4], "{what}");
        }
    }
}

/// However long the messages are, and whatever waits beside them: one entry of a log takes each turn.
#[test]
fn a_gathered_turn_can_be_encoded() {
    for bytes in [1, 300, 8 * 1024, LIGHT_BYTES - 2, LIGHT_BYTES, 200 * 1024, ENCODED_BYTES - 1024] {
        let (mut hub, _outboxes) = hub(8);
        let mut waiting = Waiting::default();
        let short = bytes.min(LIGHT_BYTES - 2);
        let count = (2 * 1024 * 1024 / short).min(5_000);
        for n in 0..4 {
            waiting.add(Entry::Commands(ConnectionId(n), vec![say(short); count]));
            let long = (0..4).flat_map(|_| [say(bytes), join()]).collect();
            waiting.add(Entry::Commands(ConnectionId(n + 4), long));
        }
        let (mut said, mut turns) = (0, 0);
        while !waiting.is_empty() {
            hub.gather(hub.now(), &mut waiting, Readiness::Ready);
            let turn = hub.edge.take_turn(0, 0);
            said += turn.intents.iter().filter(|i| matches!(i, Intent::Request(_, _, Op::Say(..)))).count();
            assert!(turn.encode().is_ok_and(|bytes| bytes.len() > 1), "{bytes}: {:?}", turn.encode().err());
            turns += 1;
        }
        assert_eq!(said, 4 * count + 16, "{bytes}: none is lost");
        assert!(turns < 60, "{bytes}: {turns}");
    }
}

#[test]
fn a_request_proceeds_beside_messages_that_fill_the_turn() {
    let (mut hub, _) = hub(2);
    let mut waiting = Waiting::default();
    fill(&mut waiting);
    waiting.add(Entry::Commands(ConnectionId(1), vec![join()]));
    hub.turn(&mut waiting);
    let counts = hub.state.counts();
    assert_eq!((counts.head, counts.rooms), (5, 2), "so much talk, and the room is open");
}

/// A WHO of an empty room is answered in microseconds: many of them take less than a turn.
#[test]
fn many_requests_share_a_turn_beside_messages_that_fill_it() {
    const MANY: u64 = 100;
    let (mut hub, _) = hub(MANY);
    let mut waiting = Waiting::default();
    let leave = Ask::Leave(Place(Some("ops".parse().unwrap())));
    for n in 1..MANY {
        waiting.add(Entry::Commands(ConnectionId(n), vec![Command::Ask(None, leave.clone())]));
    }
    let mut turns = 0;
    while waiting.waits_in_line() {
        fill(&mut waiting);
        hub.turn(&mut waiting);
        turns += 1;
    }
    assert!(turns < MANY - 1, "{turns} turns for {} requests", MANY - 1);
}

#[test]
fn long_messages_proceed_one_by_one_beside_messages_that_fill_the_turn() {
    let (mut hub, _) = hub(4);
    let mut waiting = Waiting::default();
    for n in 1..4 {
        waiting.add(Entry::Commands(ConnectionId(n), vec![say(LIGHT_BYTES)]));
    }
    let mut said = Vec::new();
    for _ in 0..3 {
        fill(&mut waiting);
        let before = hub.state.counts().head;
        hub.turn(&mut waiting);
        said.push(hub.state.counts().head - before);
    }
    assert_eq!(said, [6, 6, 6], "five of what fills it, and one long one");
    assert!(!waiting.waits_in_line());
}

#[test]
fn a_turn_may_end_within_a_batch_and_its_rest_is_first_in_the_next() {
    for (what, bytes, count, wanted, ends) in [
        ("many short ones", 1, 5000, vec![2048, 2048, 905], 2),
        ("few large ones", LIGHT_BYTES - 2, 20, vec![5, 5, 5, 6], 3),
        ("as many as a turn takes", 1, 2048, vec![2048, 1], 0),
    ] {
        let (mut hub, outboxes) = hub(2);
        let mut waiting = Waiting::default();
        waiting.add(Entry::Commands(ConnectionId(0), vec![say(bytes); count]));
        // Its own next request, and the messages of another connection.
        waiting.add(Entry::Commands(ConnectionId(0), vec![Command::Ask(None, Ask::Quit)]));
        waiting.add(Entry::Commands(ConnectionId(1), vec![say(10)]));
        // So many that its next batch waits until one of them is taken.
        let may_ask = || outboxes[0].poll_may_ask(&Context::from_waker(Waker::noop())).is_ready();
        while may_ask() {
            outboxes[0].asks();
        }
        for (turn, wanted) in wanted.iter().enumerate() {
            let before = hub.state.counts().head;
            hub.turn(&mut waiting);
            assert_eq!(hub.state.counts().head - before, *wanted, "{what}, turn {turn}");
            assert_eq!(may_ask(), turn >= ends, "{what}, turn {turn}: it is taken once all of it is");
        }
        turns(&mut hub, &mut waiting);
        assert_eq!(hub.state.counts().sessions, 1, "{what}: its next request comes after it");
    }
}

#[test]
fn messages_do_not_wait_for_a_queue_of_long_messages() {
    let (mut hub, outboxes) = hub(4);
    let mut waiting = Waiting::default();
    for n in 0..3 {
        waiting.add(Entry::Commands(ConnectionId(n), vec![say(ENCODED_BYTES / 2)]));
    }
    waiting.add(Entry::Commands(ConnectionId(3), vec![say(10)]));
    hub.turn(&mut waiting);
    assert_eq!(hub.state.counts().head, 2, "it is kept beside the first of them");
    assert_eq!(heard(&outboxes[3]), [1, 2]);
}

#[test]
fn messages_do_not_wait_for_a_queue_of_messages_that_need_a_turn_each() {
    let (mut hub, _outboxes) = hub(4);
    let mut waiting = Waiting::default();
    for n in 0..6 {
        waiting.add(Entry::Commands(ConnectionId(n % 3), vec![say(ENCODED_BYTES + 1_000)]));
    }
    hub.turn(&mut waiting);
    waiting.add(Entry::Commands(ConnectionId(3), vec![say(10)]));
    hub.turn(&mut waiting);
    hub.turn(&mut waiting);
    assert!(waiting.next_first(|_| true).is_none(), "it still waits");
    assert!(!waiting.is_empty(), "the long ones were all taken before");
}

/// Chunks of five and of three messages that fill a turn together are read and written again for a redaction in each.
#[test]
fn redactions_fill_a_turn_by_the_chunks_that_they_write() {
    let (mut hub, _outboxes) = hub(1);
    // So that only bytes end a turn.
    hub.turn_time = Duration::from_secs(60);
    let mut waiting = Waiting::default();
    // Chunks of five, three, five and three messages.
    for _ in 0..2 {
        waiting.add(Entry::Commands(ConnectionId(0), (0..8).map(|_| say(LIGHT_BYTES - 2)).collect()));
        turns(&mut hub, &mut waiting);
    }
    let head = hub.state.counts().head;
    let redact = |seq| {
        let of = Conversation::Room(Place(Some("lobby".parse().unwrap())));
        let redact = Redact { of, seq, reason: String::new() };
        Command::Ask(None, Ask::Action(Box::new(Action::Redact(redact))))
    };
    waiting.add(Entry::Commands(ConnectionId(0), [1, head, 2, head - 1].map(redact).into()));
    let mut counts = Vec::new();
    while !waiting.is_empty() {
        counts.push(hub.gather(hub.now(), &mut waiting, Readiness::Ready).commands);
        hub.edge.take_turn(0, 0);
    }
    assert_eq!(counts, [2, 2]);
}
