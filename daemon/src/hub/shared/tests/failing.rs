//! Tests of a node whose store fails, of its place in the log, and of its end.

use super::nodes::{Got, Nodes};
use super::{ask, ids, say, two};
use crate::hub::shared::ends::{HAND_OVER_AFTER, PLACE_AFTER, PLACE_TURNS};
use crate::hub::{Control, Ended, Entry, PolicyRefused};
use crate::order::Readiness;
use crate::store::Store;
use std::time::{Duration, Instant};
use tcp_chat_protocol::ErrorKind;
use tcp_chat_protocol::request::{Action, Against};
use tcp_chat_state::Behaviour;
use tokio::sync::oneshot;

/// One or two nodes with a user each. The store of the first one cannot be written, because of the returned connection, and the
/// node has noticed that.
fn failing(count: u32) -> (Nodes, rusqlite::Connection, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let mut all = Nodes::at(count, Some(path.clone()), |_| {});
    for (at, node) in (0..).zip(&mut all.nodes) {
        node.opens(at);
        node.logs_in(at, at);
    }
    all.settles();
    refused(&mut all, 50);
    all.nodes[0].takes(0);
    let other = rusqlite::Connection::open(path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    all.nodes[0].asks(0, &[say(1, "held")]);
    all.nodes[0].works();
    all.order(0);
    all.nodes[0].works();
    assert!(all.nodes[0].hub.failing.is_some());
    (all, other, folder)
}

/// The store of the first node has failed for so long.
fn fails_for(all: &mut Nodes, time: Duration) {
    all.nodes[0].hub.shared.fails_since = Instant::now().checked_sub(time);
    all.nodes[0].works();
}

#[test]
fn a_node_whose_store_fails_tells_that_it_lives_until_hold_is_over() {
    let (mut all, _other, _folder) = failing(2);
    let node = &mut all.nodes[0];
    node.works();
    assert_eq!(node.slow().rests.last(), Some(&true));
    let hold = node.slow().hold;
    fails_for(&mut all, hold - Duration::from_secs(1));
    assert_eq!(all.nodes[0].slow().rests.last(), Some(&true));
    fails_for(&mut all, hold);
    assert_eq!(all.nodes[0].slow().rests.last(), Some(&false), "the others close its epoch");
}

#[test]
fn clients_go_to_another_node_soon_and_stay_at_the_last_one() {
    for others in [true, false] {
        let (mut all, _other, _folder) = failing(2);
        let hold = all.nodes[0].slow().hold;
        all.nodes[0].hub.shared.members.truncate(1 + usize::from(others));
        fails_for(&mut all, HAND_OVER_AFTER - Duration::from_secs(1));
        all.nodes[0].asks(0, &[say(2, "waits")]);
        all.nodes[0].works();
        assert_eq!(all.nodes[0].takes(0), []);
        fails_for(&mut all, HAND_OVER_AFTER);
        let got = all.nodes[0].takes(0);
        if others {
            assert!(matches!(&got[..], [Got::Line(_), Got::Closed("shutdown")]), "{got:?}");
            continue;
        }
        assert_eq!(got, [], "nobody else could serve it");
        fails_for(&mut all, hold);
        let got = all.nodes[0].takes(0);
        let is_told = |got: &Got| matches!(got, Got::Line(told) if told.contains("UNAVAILABLE"));
        assert!(is_told(&got[0]), "{got:?}");
        assert_eq!(got[1..], [Got::Refused(Some(2), ErrorKind::Unavailable)]);
        all.nodes[0].asks(0, &[ask("WHO", 3, "{}")]);
        all.nodes[0].works();
        assert_eq!(ids(&all.nodes[0].takes(0)), [3]);
    }
}

#[test]
fn an_operator_is_refused_at_once_while_the_store_fails_or_nothing_can_be_ordered() {
    let (mut failing, _other, _folder) = failing(2);
    let mut stands_still = two();
    stands_still.nodes[0].slow().readiness = Readiness::Unavailable;
    for (all, wanted) in
        [(&mut failing, PolicyRefused::StoreFails), (&mut stands_still, PolicyRefused::Unavailable)]
    {
        let node = &mut all.nodes[0];
        let before = node.slow().proposed;
        let rules = Box::new(node.state().rules().clone());
        let ((reload, mut reloaded), (check, mut checked)) = (oneshot::channel(), oneshot::channel());
        let (kick, mut kicked) = oneshot::channel();
        let action = Action::Kick(Against::new("user1x".parse().unwrap()));
        node.add(Entry::Control(Control::CheckRules(rules.clone(), check)));
        node.add(Entry::Control(Control::Rules(rules, reload)));
        node.add(Entry::Control(Control::Action(0, Box::new(action), kick)));
        node.works();
        assert_eq!(checked.try_recv().unwrap(), Err(wanted));
        assert_eq!(reloaded.try_recv().unwrap().map(|_| ()), Err(wanted));
        assert!(kicked.try_recv().unwrap().is_err());
        assert_eq!(node.slow().proposed, before);
    }
}

#[test]
fn a_policy_that_no_entry_takes_is_refused_and_a_long_one_has_its_own_turn() {
    let mut all = two();
    let names = |count: u32| (0..count).map(|n| format!("room-{n:019}").parse().unwrap()).collect();
    let mut rules = all.nodes[0].state().rules().clone();
    rules.posted_rooms = names(50_000);
    let (reload, mut reloaded) = oneshot::channel();
    all.nodes[0].add(Entry::Control(Control::Rules(Box::new(rules.clone()), reload)));
    all.nodes[0].works();
    assert!(matches!(reloaded.try_recv().unwrap(), Err(PolicyRefused::TooLong(_))));
    // About as long as it may be, behind messages that fill a turn.
    rules.posted_rooms = names(10_000);
    let (reload, mut reloaded) = oneshot::channel();
    let long = format!(r#"{{"room":"lobby","msg":"{}"}}"#, "x".repeat(50_000));
    (1..=6).for_each(|id| all.nodes[0].asks(0, &[ask("MSG", id, &long)]));
    all.nodes[0].add(Entry::Control(Control::Rules(Box::new(rules), reload)));
    all.settles();
    assert!(reloaded.try_recv().unwrap().is_ok());
    assert_eq!(all.nodes[1].state().rules().posted_rooms.len(), 10_000);
    assert_eq!(ids(&all.nodes[0].takes(0)), [1, 2, 3, 4, 5, 6]);
}

/// A turn of a request that is refused.
fn refused(all: &mut Nodes, id: u64) {
    all.nodes[0].asks(0, &[ask("LEAVE", id, r#"{"room":"nowhere"}"#)]);
    all.nodes[0].works();
    assert!(all.order(0));
    all.nodes[0].works();
}

#[test]
fn the_place_of_turns_without_writes_is_kept_after_some_time_and_after_many_turns() {
    let mut all = Nodes::new(1, |rules| rules.errors = 0);
    all.nodes[0].opens(0);
    all.nodes[0].logs_in(0, 0);
    all.settles();
    let place = |all: &Nodes| all.nodes[0].hub.store.node().unwrap().place.clone();
    let before = place(&all);
    refused(&mut all, 1);
    all.nodes[0].hub.chores();
    assert_eq!(place(&all), before, "one costs no commit");
    let unkept = all.nodes[0].hub.shared.unkept.as_mut().unwrap();
    unkept.2 = Instant::now().checked_sub(PLACE_AFTER).unwrap();
    assert!(all.nodes[0].hub.next_due(&all.nodes[0].waiting) <= tokio::time::Instant::now());
    all.nodes[0].hub.chores();
    let later = place(&all);
    assert_ne!(later, before);
    (0..u64::from(PLACE_TURNS)).for_each(|id| refused(&mut all, id));
    all.nodes[0].hub.chores();
    assert_ne!(place(&all), later);
    assert!(all.nodes[0].hub.shared.unkept.is_none());
    // A turn with writes keeps its own.
    refused(&mut all, 1);
    all.nodes[0].asks(0, &[say(2, "hello")]);
    all.settles();
    assert!(all.nodes[0].hub.shared.unkept.is_none());
}

#[test]
fn a_place_that_is_kept_does_not_go_back() {
    let (mut all, other, _folder) = failing(1);
    assert!(all.nodes[0].hub.shared.unkept.is_some(), "of the refused turn before the failure");
    drop(other);
    let node = &mut all.nodes[0];
    node.hub.failing = node.hub.failing.take().map(|(why, _)| (why, tokio::time::Instant::now()));
    node.hub.chores();
    assert!(node.hub.failing.is_none());
    assert!(node.hub.shared.unkept.is_none(), "the held turn behind it has a later place");
}

#[tokio::test(start_paused = true)]
async fn a_node_that_ends_applies_what_comes_before_its_end_and_keeps_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let mut all = Nodes::at(1, Some(path.clone()), |_| {});
    all.nodes[0].opens(0);
    all.nodes[0].logs_in(0, 0);
    all.settles();
    all.nodes[0].asks(0, &[say(1, "last")]);
    all.nodes[0].works();
    all.order(0);
    all.nodes[0].slow().refuses_to_leave = 2;
    let mut node = all.nodes.remove(0);
    // One without writes behind it.
    node.asks(0, &[ask("LEAVE", 2, r#"{"room":"nowhere"}"#)]);
    node.works();
    let (number, turn) = node.slow().order().unwrap();
    node.slow().comes(crate::order::Next::Turn(crate::order::Ordered {
        turn,
        behaviour: Behaviour::NEWEST,
        own: Some(number),
    }));
    let before = node.hub.store.node().unwrap().place.clone();
    let began = tokio::time::Instant::now();
    let ended = node.hub.finish().await;
    assert!(matches!(ended, Ended::Clean), "{ended:?}");
    assert!(began.elapsed() < Duration::from_millis(500), "what was refused twice is proposed again");
    let history = crate::hub::turn::tests::history(Some(path));
    let (store, _, found) = Store::open_as(&history, Some("chat1")).unwrap();
    assert_eq!(found.head, 1);
    assert_eq!(
        store.node().unwrap().place[..],
        (u64::from_be_bytes(before[..].try_into().unwrap()) + 1).to_be_bytes()
    );
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_node_does_not_wait_for_ever() {
    for stopped in [false, true] {
        let mut all = two();
        all.nodes[0].slow().refuses_to_leave = u32::MAX;
        if stopped {
            let stopped = crate::order::Stopped {
                cause: crate::order::Cause::Diverged,
                reason: "the state differs".into(),
            };
            all.nodes[0].slow().comes(crate::order::Next::Event(crate::order::OrderEvent::Ended(stopped)));
            all.nodes[0].works();
        }
        let began = tokio::time::Instant::now();
        let ended = all.nodes.remove(0).hub.finish().await;
        assert_eq!(matches!(ended, Ended::Stopped(_)), stopped);
        assert!(began.elapsed() <= Duration::from_secs(2));
    }
}

#[test]
fn a_shutdown_answers_the_requests_before_it_first() {
    for apart in [false, true] {
        let mut all = two();
        all.nodes[0].asks(0, &[say(1, "last")]);
        if apart {
            all.nodes[0].works();
        }
        all.nodes[0].add(Entry::Control(Control::Shutdown));
        all.settles();
        let got = all.nodes[0].takes(0);
        assert!(
            matches!(&got[..], [Got::Messages(_), Got::Line(line), Got::Closed("shutdown")] if line.contains("SHUTDOWN")),
            "{apart}: {got:?}"
        );
    }
}
