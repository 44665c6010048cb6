//! Tests of the order in which waiting commands enter a turn: a message before a join, each connection in its own order, and
//! no connection delayed by one that does not read. Never starts a hub.

use super::*;
use crate::edge::{Ask, LIGHT_BYTES};
use tcp_chat_protocol::Name;

const A: ConnectionId = ConnectionId(1);
const B: ConnectionId = ConnectionId(2);

fn ping() -> Command {
    Command::Ask(None, Ask::Ping)
}

fn join(room: &str) -> Command {
    Command::Ask(None, Ask::Join(Name::parse(room).expect("a name")))
}

fn told(command: Option<Command>) -> String {
    match command {
        Some(Command::Ask(_, Ask::Join(name))) => name.to_string(),
        Some(Command::Ask(_, Ask::Ping)) => "ping".into(),
        other => format!("{other:?}"),
    }
}

/// The remaining commands of the connections that take turns.
fn steps(waiting: &mut Waiting) -> Vec<(u64, String, bool)> {
    std::iter::from_fn(|| waiting.next_step(|_| false, |_, _| false, |_| Ok(())))
        .map(|s| (s.connection.0, told(s.command), s.ends_batch))
        .collect()
}

/// The next entry of those that come first, complete.
fn first(waiting: &mut Waiting) -> Option<Entry> {
    waiting.next_first(|_| true).map(|(entry, _)| entry)
}

#[test]
fn messages_go_before_joins() {
    let mut waiting = Waiting::default();
    waiting.add(Entry::Commands(A, vec![join("r1")]));
    waiting.add(Entry::Commands(B, vec![Command::Read(9), ping()]));
    assert!(matches!(first(&mut waiting), Some(Entry::Commands(who, _)) if who == B));
    assert!(first(&mut waiting).is_none());
    assert_eq!(steps(&mut waiting), [(1, "r1".into(), true)]);
    assert!(waiting.is_empty());
}

#[test]
fn messages_go_before_very_long_messages() {
    let say = |bytes| {
        let room = tcp_chat_protocol::request::Target::Default;
        Command::Ask(None, Ask::Say(room, "x".repeat(bytes).into()))
    };
    let mut waiting = Waiting::default();
    waiting.add(Entry::Commands(A, vec![Command::Read(9), say(LIGHT_BYTES + 1)]));
    waiting.add(Entry::Commands(A, vec![ping()]));
    waiting.add(Entry::Commands(B, vec![Command::Read(9), say(LIGHT_BYTES)]));
    assert!(matches!(first(&mut waiting), Some(Entry::Commands(who, _)) if who == B));
    assert!(first(&mut waiting).is_none(), "its own ping comes after its message");
    assert_eq!(steps(&mut waiting).len(), 3);
}

#[test]
fn the_order_of_a_connection_is_kept() {
    let mut waiting = Waiting::default();
    waiting.add(Entry::Commands(A, vec![join("r1"), join("r2")]));
    waiting.add(Entry::Commands(A, vec![ping()]));
    assert!(first(&mut waiting).is_none(), "the ping came after the rooms");
    assert_eq!(
        steps(&mut waiting),
        [(1, "r1".into(), false), (1, "r2".into(), true), (1, "ping".into(), true)]
    );
    // Once all is done, its messages come first again.
    waiting.add(Entry::Commands(A, vec![ping()]));
    assert!(first(&mut waiting).is_some());
}

#[test]
fn the_order_of_a_connection_is_kept_also_if_steps_come_before_messages() {
    let mut waiting = Waiting::default();
    waiting.add(Entry::Commands(A, vec![ping()]));
    waiting.add(Entry::Commands(A, vec![ping()]));
    waiting.add(Entry::Commands(A, vec![join("r1")]));
    waiting.add(Entry::Commands(A, vec![ping()]));
    waiting.add(Entry::Commands(B, vec![join("r2")]));
    assert_eq!(steps(&mut waiting), [(2, "r2".into(), true)], "B said nothing before");
    assert!(first(&mut waiting).is_some());
    assert_eq!(steps(&mut waiting), [], "one of A's pings waits yet");
    assert!(!waiting.is_empty() && first(&mut waiting).is_some() && first(&mut waiting).is_none());
    assert!(!waiting.is_empty(), "now it is A's turn");
    assert_eq!(steps(&mut waiting), [(1, "r1".into(), true), (1, "ping".into(), true)]);
    assert!(waiting.is_empty() && waiting.in_first.is_empty());
}

#[test]
fn the_rest_of_a_batch_comes_first_again() {
    let mut waiting = Waiting::default();
    waiting.add(Entry::Commands(A, vec![ping(), ping(), ping()]));
    waiting.add(Entry::Commands(B, vec![ping()]));
    waiting.add(Entry::Commands(A, vec![join("r1")]));
    for (room, wanted) in [(2, (A, 2, false)), (2, (A, 1, true)), (2, (B, 1, true))] {
        assert_eq!(waiting.waits_in_line(), wanted.0 == B, "A waits for the rest of what it said");
        let mut left = room;
        let takes = |_: &Command| {
            left -= 1;
            left >= 0
        };
        let Some((Entry::Commands(who, list), is_all)) = waiting.next_first(takes) else { panic!() };
        assert_eq!((who, list.len(), is_all), wanted);
    }
    assert_eq!(steps(&mut waiting), [(1, "r1".into(), true)]);
    assert!(waiting.is_empty() && waiting.in_first.is_empty());
}

#[test]
fn a_long_list_waits_for_the_lists_of_others() {
    let mut waiting = Waiting::default();
    waiting.add(Entry::Commands(A, vec![join("r1"), join("r2"), join("r3")]));
    waiting.add(Entry::Commands(B, vec![join("r4")]));
    let order: Vec<_> = steps(&mut waiting).into_iter().map(|(_, what, _)| what).collect();
    assert_eq!(order, ["r1", "r4", "r2", "r3"]);
}

#[test]
fn a_connection_that_does_not_read_is_held_and_delays_no_other() {
    let mut waiting = Waiting::default();
    waiting.add(Entry::Commands(A, vec![join("r1"), join("r2")]));
    waiting.add(Entry::Commands(B, vec![join("r3")]));
    let mut next = |full: Option<ConnectionId>| {
        waiting.next_step(|c| Some(c) == full, |_, _| false, |_| Ok(())).map(|s| told(s.command))
    };
    assert_eq!(next(None), Some("r1".into()));
    assert_eq!(next(Some(A)), Some("r3".into()));
    assert_eq!(next(Some(A)), None);
    assert!(waiting.holds() && waiting.is_empty(), "there is nothing to do for now");
    waiting.release(|_| true);
    waiting.add(Entry::Commands(A, vec![ping()]));
    assert!(first(&mut waiting).is_none() && waiting.is_empty(), "what it says next comes after that");
    waiting.release(|_| false);
    assert_eq!(steps(&mut waiting), [(1, "r2".into(), true), (1, "ping".into(), true)]);
    assert!(!waiting.holds());
}

#[test]
fn a_lost_connection_is_not_held() {
    for lost_while_held in [true, false] {
        let mut waiting = Waiting::default();
        waiting.add(Entry::Commands(A, vec![join("r1")]));
        let lost = Entry::Commands(A, vec![Command::Lost]);
        if lost_while_held {
            assert!(waiting.next_step(|_| true, |_, _| false, |_| Ok(())).is_none());
            waiting.add(lost);
            waiting.release(|_| true);
        } else {
            waiting.add(lost);
        }
        assert!(waiting.next_step(|_| true, |_, _| false, |_| Ok(())).is_some());
        let last = waiting.next_step(|_| true, |_, _| false, |_| Ok(()));
        assert!(matches!(last, Some(Step { command: Some(Command::Lost), .. })), "{last:?}");
        assert!(waiting.is_empty() && !waiting.holds());
    }
}

#[test]
fn a_postponed_connection_comes_first_in_the_next_turn_and_delays_no_other() {
    let mut waiting = Waiting::default();
    waiting.add(Entry::Commands(A, vec![join("r1"), join("r2")]));
    waiting.add(Entry::Commands(B, vec![join("r3"), join("r4")]));
    let mut turn = |waits: &[ConnectionId]| {
        let next = || waiting.next_step(|_| false, |c, _| waits.contains(&c), |_| Ok(()));
        let taken: Vec<_> = std::iter::from_fn(next).map(|step| told(step.command)).collect();
        assert_eq!(waiting.is_empty(), waits.is_empty(), "what waits is not forgotten");
        waiting.next_turn();
        taken
    };
    assert_eq!(turn(&[A]), ["r3", "r4"]);
    assert_eq!(turn(&[A, B]), [""; 0]);
    assert_eq!(turn(&[]), ["r1", "r2"]);
}

#[test]
fn an_empty_batch_ends_too() {
    let mut waiting = Waiting::default();
    waiting.add(Entry::Commands(A, vec![join("r1")]));
    waiting.add(Entry::Commands(A, Vec::new()));
    assert_eq!(steps(&mut waiting).len(), 2);
    assert!(waiting.is_empty());
}
