//! Tests of what happens to the order: it is busy, nothing can be ordered, the node is fenced, turns are lost, the process must
//! end, and the store of this node alone fails.

use super::nodes::{Got, Node, Nodes};
use super::{ask, ids, nine_logins, say, two};
use crate::hub::Control;
use crate::hub::Entry;
use crate::order::Cause;
use crate::order::{Next, OrderEvent, Readiness, Stopped};
use serde_json::json;
use std::time::Duration;
use tcp_chat_protocol::reply::ActReply;
use tcp_chat_protocol::request::{Action, Against};
use tcp_chat_protocol::{ErrorKind, Name};
use tcp_chat_state::{Behaviour, Intent, NodeId};
use tokio::sync::oneshot;

/// An operator mutes a user at this node. The receiver gets the answer.
fn mutes(node: &mut Node) -> oneshot::Receiver<Result<ActReply, String>> {
    let (mute, muted) = oneshot::channel();
    let action = Action::Mute(Against::new("user1x".parse::<Name>().unwrap()));
    node.add(Entry::Control(Control::Action(0, Box::new(action), mute)));
    muted
}

fn happens(all: &mut Nodes, event: OrderEvent) {
    all.nodes[0].slow().comes(Next::Event(event));
    all.nodes[0].works();
}

#[test]
fn requests_wait_while_the_order_is_busy_and_queries_go_on() {
    let mut all = two();
    let node = &mut all.nodes[0];
    node.opens(8);
    node.opens(9);
    node.logs_in(9, 9);
    all.settles();
    let node = &mut all.nodes[0];
    node.takes(9);
    node.slow().readiness = Readiness::Busy;
    node.asks(0, &[say(1, "waits"), ask("PING", 2, "{}")]);
    node.asks(0, &[ask("PING", 3, "{}")]);
    node.asks(9, &[ask("PING", 4, "{}")]);
    node.asks(9, &[ask("WHO", 5, "{}"), ask("JOIN", 6, r#"{"room":"ops"}"#), ask("PING", 7, "{}")]);
    node.logs_in(8, 8);
    node.works();
    assert_eq!((ids(&node.takes(0)), ids(&node.takes(9)), node.takes(8)), (vec![], vec![4, 5], vec![]));
    assert!(node.slow().order().is_none(), "nothing was proposed");
    node.slow().readiness = Readiness::Ready;
    all.settles();
    let node = &mut all.nodes[0];
    assert_eq!((ids(&node.takes(0)), ids(&node.takes(9))), (vec![1, 2, 3], vec![6, 7]));
    assert_eq!(node.state().counts().sessions, 4);
}

#[test]
fn requests_are_refused_while_nothing_can_be_ordered_and_queries_go_on() {
    let mut all = two();
    let node = &mut all.nodes[0];
    node.opens(8);
    node.slow().readiness = Readiness::Unavailable;
    let before = node.slow().proposed;
    // More than the errors in a row that close a connection.
    let most = u64::from(node.state().rules().errors) + 5;
    for id in 0..most {
        node.asks(0, &[say(id, "hello")]);
    }
    node.logs_in(8, 8);
    node.works();
    let refused = |id| Got::Refused(id, ErrorKind::Unavailable);
    let got = node.takes(0);
    assert!(matches!(&got[0], Got::Line(told) if told.contains("UNAVAILABLE")), "{got:?}");
    assert_eq!(got[1..], (0..most).map(|id| refused(Some(id))).collect::<Vec<_>>());
    assert_eq!(node.takes(8), [refused(None)]);
    node.asks(0, &[ask("PING", 1, "{}"), ask("JOIN", 2, r#"{"room":"ops"}"#), ask("WHO", 3, "{}")]);
    let mut muted = mutes(node);
    node.works();
    assert_eq!(node.takes(0), [Got::Reply(Some(1)), refused(Some(2)), Got::Reply(Some(3))]);
    assert!(muted.try_recv().unwrap().is_err());
    node.asks(0, &[ask("QUIT", 4, "{}")]);
    node.works();
    assert_eq!(node.takes(0), [Got::Reply(Some(4)), Got::Closed("quit")]);
    assert_eq!(node.slow().proposed, before);
    node.slow().readiness = Readiness::Ready;
    all.settles();
    assert_eq!(all.nodes[1].state().counts().sessions, 1, "the session of the QUIT is over");
}

#[test]
fn a_fenced_node_closes_all_connections_drops_its_turns_and_serves_again() {
    let mut all = two();
    let node = &mut all.nodes[0];
    node.opens(9);
    node.asks(0, &[say(1, "lost")]);
    node.works();
    node.asks(0, &[ask("PING", 2, "{}")]);
    // It ends while its answer waits.
    node.is_lost(0);
    node.works();
    let lost = node.slow().lose();
    assert!(!lost.is_empty());
    all.turn(NodeId(1), vec![Intent::NodeUp(NodeId(1))]);
    happens(&mut all, OrderEvent::Fenced(lost));
    let node = &mut all.nodes[0];
    let notice = node.takes(9);
    assert!(
        matches!(&notice[..], [Got::Line(line), Got::Closed("shutdown")] if line.contains("SHUTDOWN")),
        "{notice:?}"
    );
    assert_eq!(node.hub.edge.connection_count(), 1, "the lost one is gone");
    node.is_lost(9);
    node.slow().comes(Next::Event(OrderEvent::Up));
    node.opens(10);
    node.logs_in(10, 10);
    all.settles();
    let node = &mut all.nodes[0];
    node.asks(10, &[say(3, "again")]);
    all.settles();
    let node = &mut all.nodes[0];
    assert_eq!(ids(&node.takes(10)), [3]);
    assert_eq!((node.state().counts().head, node.hub.edge.connection_count()), (1, 1));
    assert_eq!(all.nodes[1].takes(1).iter().filter(|got| matches!(got, Got::Messages(_))).count(), 1);
}

#[test]
fn a_stuck_order_closes_the_connections_with_requests_under_way_and_only_those() {
    let mut all = two();
    let node = &mut all.nodes[0];
    node.opens(9);
    node.logs_in(9, 9);
    all.settles();
    let node = &mut all.nodes[0];
    node.takes(0);
    node.takes(9);
    node.asks(0, &[say(1, "who knows"), ask("PING", 2, "{}")]);
    let mut muted = mutes(node);
    node.works();
    happens(&mut all, OrderEvent::Stuck);
    let node = &mut all.nodes[0];
    assert_eq!(node.takes(0), [Got::Closed("outcome unknown")]);
    assert!(muted.try_recv().is_err_and(|why| why == oneshot::error::TryRecvError::Closed));
    node.is_lost(0);
    node.asks(9, &[ask("PING", 3, "{}")]);
    node.works();
    assert_eq!(ids(&node.takes(9)), [3]);
    // They come back after all.
    all.settles();
    let node = &mut all.nodes[0];
    assert_eq!(node.takes(9).first(), Some(&Got::Messages(vec![(1, None)])));
    assert_eq!((node.takes(0), node.state().counts().away), (vec![], 1));
}

#[test]
fn requests_in_withdrawn_turns_are_refused_in_order_and_their_connections_stay() {
    let mut all = two();
    let node = &mut all.nodes[0];
    node.opens(9);
    node.logs_in(9, 9);
    node.asks(
        0,
        &[say(1, "withdrawn"), ask("PING", 2, "{}"), say(3, "too"), ask("JOIN", 4, r#"{"room":"ops"}"#)],
    );
    node.works();
    let mut muted = mutes(node);
    node.asks(0, &[say(5, "later")]);
    node.works();
    assert_eq!((node.takes(0), node.takes(9)), (vec![], vec![]));
    let gone = node.slow().lose();
    node.slow().readiness = Readiness::Unavailable;
    happens(&mut all, OrderEvent::Withdrawn(gone));
    let node = &mut all.nodes[0];
    let refused = |id| Got::Refused(Some(id), ErrorKind::Unavailable);
    let got = node.takes(0);
    assert_eq!(got[..5], [refused(1), Got::Reply(Some(2)), refused(3), refused(4), refused(5)], "{got:?}");
    assert_eq!(node.takes(9)[0], Got::Refused(None, ErrorKind::Unavailable), "the LOGIN");
    assert!(muted.try_recv().unwrap().is_err(), "the operator's command was not done");
    // The same connections go on.
    node.slow().readiness = Readiness::Ready;
    node.asks(0, &[say(1, "again")]);
    node.logs_in(9, 9);
    all.settles();
    let node = &mut all.nodes[0];
    assert_eq!(ids(&node.takes(0)), [1]);
    assert_eq!((node.state().counts().sessions, node.state().counts().away), (3, 0));
    assert_eq!(node.state().counts().head, 1);
}

#[test]
fn a_lost_connection_and_a_quit_in_a_withdrawn_turn_still_count() {
    let mut all = two();
    let node = &mut all.nodes[0];
    node.opens(9);
    node.logs_in(9, 9);
    all.settles();
    let node = &mut all.nodes[0];
    node.takes(9);
    node.is_lost(0);
    node.asks(9, &[ask("QUIT", 1, "{}")]);
    node.works();
    let gone = node.slow().lose();
    happens(&mut all, OrderEvent::Withdrawn(gone));
    all.settles();
    let counts = all.nodes[1].state().counts();
    assert_eq!((counts.sessions, counts.away), (2, 1), "one is over, and one is away");
}

#[test]
fn a_connection_that_also_waits_for_a_published_turn_is_closed() {
    let mut all = two();
    let node = &mut all.nodes[0];
    node.asks(0, &[say(1, "published")]);
    node.works();
    let (number, mut turn) = node.slow().order().unwrap();
    node.asks(0, &[say(2, "withdrawn")]);
    node.works();
    let gone = node.slow().lose();
    happens(&mut all, OrderEvent::Withdrawn(gone));
    let node = &mut all.nodes[0];
    assert_eq!(node.takes(0), [Got::Closed("outcome unknown")], "no answer comes before an earlier one");
    node.is_lost(0);
    (all.time, turn.time) = (all.time + 1, all.time + 1);
    for (at, of) in all.nodes.iter_mut().enumerate() {
        let own = (at == 0).then_some(number);
        of.slow().comes(Next::Turn(crate::order::Ordered {
            turn: turn.clone(),
            behaviour: Behaviour::NEWEST,
            own,
        }));
    }
    all.settles();
    assert_eq!(all.nodes[1].state().counts().head, 1);
}

#[test]
fn clients_are_told_once_that_nothing_can_be_ordered_and_that_it_is_over() {
    let mut all = two();
    let node = &mut all.nodes[0];
    node.opens(8);
    let notices = |got: Vec<Got>| -> Vec<serde_json::Value> {
        let line = |got| if let Got::Line(line) = got { line } else { panic!("{got:?}") };
        let parsed =
            got.into_iter().map(|got| serde_json::from_str::<serde_json::Value>(&line(got)).unwrap());
        parsed.map(|line| line["data"].clone()).collect()
    };
    node.slow().readiness = Readiness::Unavailable;
    node.works();
    // A busy order in between is no end of it.
    for readiness in [Readiness::Busy, Readiness::Unavailable] {
        node.slow().readiness = readiness;
        node.works();
    }
    let told = notices(node.takes(0));
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!((&told[0]["kind"], &told[0]["retry_after_ms"]), (&json!("UNAVAILABLE"), &json!(2000)));
    assert_eq!(told[0]["servers"], json!(["chat1.example.org:3000", "chat2.example.org:3000"]));
    assert_eq!(node.takes(8), [], "it is not logged in");
    node.slow().readiness = Readiness::Ready;
    node.works();
    node.works();
    let told = notices(node.takes(0));
    assert_eq!(told.iter().map(|told| &told["kind"]).collect::<Vec<_>>(), ["AVAILABLE"]);
}

#[test]
fn a_login_that_waits_for_others_goes_on_when_their_turns_are_withdrawn() {
    let mut all = nine_logins();
    let node = &mut all.nodes[0];
    let gone = node.slow().lose();
    happens(&mut all, OrderEvent::Withdrawn(gone));
    all.settles();
    assert_eq!(all.nodes[0].state().counts().sessions, 4);
}

#[test]
fn a_login_whose_connection_is_lost_under_way_leaves_no_session_on_it() {
    let mut all = Nodes::new(2, |_| {});
    let node = &mut all.nodes[0];
    node.opens(1);
    node.logs_in(1, 1);
    node.works();
    node.is_lost(1);
    all.settles();
    let counts = all.nodes[0].state().counts();
    assert_eq!((counts.sessions - counts.away, all.nodes[0].hub.edge.connection_count()), (0, 0));
}

#[test]
fn a_node_that_must_end_says_why() {
    let mut all = two();
    let stopped = Stopped { cause: Cause::Diverged, reason: "the state differs".into() };
    happens(&mut all, OrderEvent::Ended(stopped.clone()));
    assert!(matches!(&all.nodes[0].takes(0)[..], [Got::Line(_), Got::Closed("shutdown")]));
    assert_eq!(all.nodes[0].shared().stopped(), Some(&stopped));
}

/// The store of one node fails: it applies nothing more, and refuses nothing that the others apply.
#[test]
fn a_node_whose_store_fails_takes_no_turns_and_then_hands_its_clients_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let mut all = Nodes::at(2, Some(path.clone()), |_| {});
    for (at, node) in (0..).zip(&mut all.nodes) {
        node.opens(at);
        node.logs_in(at, at);
    }
    all.settles();
    let node = &mut all.nodes[0];
    node.takes(0);
    let other = rusqlite::Connection::open(path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    node.asks(0, &[say(1, "first")]);
    node.works();
    all.order(0);
    all.works();
    all.nodes[1].asks(1, &[say(2, "second")]);
    all.nodes[1].works();
    all.order(1);
    all.works();
    assert!(all.nodes[1].state().counts().head == 2, "the others go on");
    let node = &mut all.nodes[0];
    assert_eq!((node.state().counts().head, node.takes(0)), (1, vec![]), "one is applied and held");
    // What is asked now waits, until the time of `hold` is over.
    node.asks(0, &[say(3, "waits")]);
    node.works();
    assert_eq!(node.takes(0), []);
    node.slow().hold = Duration::ZERO;
    node.works();
    let got = node.takes(0);
    assert!(matches!(&got[..], [Got::Line(_), Got::Closed("shutdown")]), "{got:?}");
    // The store works again: what was held is kept, and the log goes on.
    drop(other);
    node.hub.failing = node.hub.failing.take().map(|(why, _)| (why, tokio::time::Instant::now()));
    node.hub.chores();
    all.settles();
    assert_eq!(all.nodes[0].state().counts().head, 2);
    let places: Vec<_> = all.nodes.iter().map(|node| node.hub.store.node().unwrap().place.clone()).collect();
    assert_eq!(places[0], places[1]);
}
