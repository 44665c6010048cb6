//! Tests of the work that no client has asked for: which node proposes it, and when.

use super::nodes::{Got, Node, Nodes, command};
use super::{ask, ids, say, two};
use crate::hub::turn::tests::history;
use crate::hub::{Control, Entry};
use crate::settings::History;
use std::time::Duration;
use tcp_chat_protocol::Name;
use tcp_chat_state::{Access, Intent, NodeId, UserCommand};
use tokio::sync::oneshot;

#[test]
fn the_end_of_a_session_that_is_away_is_proposed_where_it_was_last() {
    let mut all = Nodes::new(2, |rules| rules.ttl_ms = 0);
    all.nodes[1].opens(1);
    all.nodes[1].logs_in(1, 1);
    all.settles();
    all.nodes[1].is_lost(1);
    all.nodes[1].works();
    all.order(1);
    let before = (all.nodes[0].slow().proposed, all.nodes[1].slow().proposed);
    all.works();
    assert_eq!(all.nodes[0].slow().proposed, before.0, "the other one waits a minute");
    assert_eq!(all.nodes[1].slow().proposed, before.1 + 1);
    all.settles();
    assert_eq!(all.nodes[0].state().counts().sessions, 0);
}

#[test]
fn the_driver_proposes_the_end_of_the_sessions_of_a_node_that_is_gone() {
    let mut all = Nodes::new(3, |rules| rules.ttl_ms = 0);
    all.nodes[2].opens(1);
    all.nodes[2].logs_in(1, 1);
    all.settles();
    // The third one is killed, and its epoch is closed.
    all.turn(NodeId(3), vec![Intent::NodeUp(NodeId(3))]);
    all.lives(&[1, 2]);
    let before = [0, 1].map(|node| all.nodes[node].slow().proposed);
    all.nodes[..2].iter_mut().for_each(Node::works);
    assert_eq!([0, 1].map(|node| all.nodes[node].slow().proposed), [before[0] + 1, before[1]]);
    assert!(all.order(0));
    all.works();
    assert_eq!(all.nodes[1].state().counts().sessions, 0, "at the end of its time, and not a minute later");
}

#[test]
fn the_end_of_a_session_is_proposed_once_while_it_is_under_way() {
    let mut all = Nodes::new(1, |rules| rules.ttl_ms = 0);
    all.nodes[0].opens(1);
    all.nodes[0].logs_in(1, 1);
    all.settles();
    all.nodes[0].is_lost(1);
    all.nodes[0].works();
    all.order(0);
    all.nodes[0].works();
    let before = all.nodes[0].slow().proposed;
    (0..5).for_each(|_| all.nodes[0].works());
    assert_eq!(all.nodes[0].slow().proposed, before, "it is under way");
    all.settles();
    assert_eq!(all.nodes[0].state().counts().sessions, 0);
}

#[test]
fn nobody_expires_while_nothing_can_be_ordered() {
    const TTL: Duration = Duration::from_secs(60);
    let mut all = Nodes::new(1, |rules| rules.ttl_ms = 60_000);
    all.nodes[0].opens(1);
    all.nodes[0].logs_in(1, 1);
    all.settles();
    all.nodes[0].is_lost(1);
    all.settles();
    let node = &mut all.nodes[0];
    let before = node.slow().proposed;
    node.slow().stopped_at = Some(node.hub.began.elapsed());
    // Ten minutes pass.
    node.hub.began -= 10 * TTL;
    node.works();
    assert_eq!(node.slow().proposed, before);
    let stopped_at = node.slow().stopped_at.unwrap();
    node.slow().stopped_at = Some(stopped_at + TTL / 2);
    node.works();
    assert_eq!(node.slow().proposed, before, "half of its time has gone on");
    node.slow().stopped_at = Some(stopped_at + TTL);
    all.settles();
    assert_eq!(all.nodes[0].state().counts().sessions, 0);
}

/// A user in many rooms quits, so that they are left in slow work. Returns how many turns each node has proposed before.
fn removal() -> (Nodes, u64, u64) {
    let mut all = two();
    for first in (0..600).step_by(100) {
        let joins =
            (first..first + 100).map(|n| command(&ask("JOIN", n, &format!(r#"{{"room":"room{n}"}}"#))));
        all.nodes[1].sends(1, joins.collect());
        all.settles();
    }
    all.nodes[1].asks(1, &[ask("QUIT", 1, "{}")]);
    all.nodes[1].works();
    all.order(1);
    let before = (all.nodes[0].slow().proposed, all.nodes[1].slow().proposed);
    (all, before.0, before.1)
}

#[test]
fn only_the_living_node_with_the_lowest_number_does_slow_work() {
    let (mut all, first, second) = removal();
    all.works();
    assert!(all.nodes[0].state().is_sweeping());
    assert_eq!(all.nodes[0].slow().proposed, first + 1, "one turn is under way");
    (0..5).for_each(|_| all.works());
    assert_eq!(all.nodes[0].slow().proposed, first + 1, "and no second one");
    all.settles();
    assert!(!all.nodes[0].state().is_sweeping());
    assert_eq!(all.nodes[1].slow().proposed, second);

    let (mut all, first, _) = removal();
    all.lives(&[2]);
    all.settles();
    assert!(!all.nodes[0].state().is_sweeping(), "the other one does it if the first is gone");
    assert_eq!(all.nodes[0].slow().proposed, first);
}

#[test]
fn an_operator_is_answered_when_the_command_has_come_back() {
    let mut all = two();
    let (reply, mut answer) = oneshot::channel();
    let name = "dora".parse::<Name>().unwrap();
    all.nodes[0].add(Entry::Control(Control::User(0, UserCommand::Remove(name), reply)));
    all.nodes[0].works();
    assert!(answer.try_recv().is_err_and(|why| why == oneshot::error::TryRecvError::Empty));
    all.settles();
    assert!(answer.try_recv().unwrap().is_err(), "there is no such user");
}

#[test]
fn a_notice_of_an_operator_reaches_the_users_of_all_nodes() {
    let mut all = two();
    let (reply, mut answer) = oneshot::channel();
    all.nodes[0].add(Entry::Control(Control::Say("back at noon".to_owned(), reply)));
    all.settles();
    assert_eq!(answer.try_recv(), Ok(Ok(())));
    for (at, node) in (0..).zip(&mut all.nodes) {
        let got = node.takes(at);
        assert!(matches!(&got[..], [Got::Line(line)] if line.contains("back at noon")), "{got:?}");
    }
}

#[test]
fn a_reload_is_answered_when_its_policy_counts_on_all_nodes() {
    let mut all = two();
    let mut rules = all.nodes[0].state().rules().clone();
    all.nodes[1].hub.set_own_policy(rules.clone());
    assert!(all.nodes[1].slow().differs_in.is_empty());
    rules.presence_limit = 17;
    rules.access = Access::Password("hash".into());
    let (reply, mut answer) = oneshot::channel();
    all.nodes[0].add(Entry::Control(Control::Rules(Box::new(rules), reply)));
    all.nodes[0].works();
    assert!(answer.try_recv().is_err());
    all.settles();
    assert!(answer.try_recv().is_ok());
    assert_eq!(all.nodes[1].state().rules().presence_limit, 17);
    assert_eq!(all.nodes[0].slow().differs_in, [""; 0], "the file that was reloaded last counts");
    assert_eq!(all.nodes[1].slow().differs_in, ["auth.mode", "rooms.presence_limit"]);
    let access = all.nodes[1].hub.directory.access();
    assert_eq!(*access, Access::Password("hash".into()), "its connections ask for the password from now on");
}

#[test]
fn turns_that_came_back_together_are_committed_together_and_delivered_in_order() {
    let mut all = two();
    for id in 1..=3 {
        all.nodes[0].asks(0, &[say(id, "hello")]);
        all.nodes[0].works();
        all.order(0);
    }
    let before = commits(&all);
    all.turn(tcp_chat_state::NodeId(7), vec![Intent::Seal]);
    all.nodes[0].works();
    let got = all.nodes[0].takes(0);
    assert_eq!((ids(&got), commits(&all) - before), (vec![1, 2, 3], 1));
    let place = all.nodes[0].hub.store.node().unwrap().place.clone();
    all.nodes[1].works();
    assert_eq!(all.nodes[1].takes(1).len(), 3);
    assert_eq!(all.nodes[1].hub.store.node().unwrap().place, place, "the place of the last turn");
}

/// How many transactions the store of the first node has committed.
fn commits(all: &Nodes) -> u64 {
    all.nodes[0].hub.metrics.hub.commits()
}

#[test]
fn a_turn_that_redacts_is_committed_alone() {
    let mut all = two();
    all.nodes[1].asks(1, &[say(1, "first")]);
    all.settles();
    let redact = ask("REDACT", 3, r#"{"room":"lobby","seq":1}"#);
    for line in [say(2, "before it"), redact, say(4, "behind it"), say(5, "and with that")] {
        all.nodes[1].asks(1, &[line]);
        all.nodes[1].works();
        assert!(all.order(1));
    }
    let before = commits(&all);
    all.nodes[0].works();
    assert_eq!(commits(&all) - before, 3, "before it, it, and the two behind it together");
    all.settles();
    let redacted = all.nodes[1].takes(1).len();
    assert_eq!((all.nodes[0].state().counts().head, redacted > 0), (4, true));
}

#[test]
fn each_node_proposes_by_its_own_limits_and_the_strictest_counts() {
    let keeps = |messages| History { retain_messages: Some(messages), ..history(None) };
    let mut all = Nodes::with(&[keeps(4), keeps(2)], |_| {});
    all.nodes[0].opens(0);
    all.nodes[0].logs_in(0, 0);
    all.settles();
    for id in 1..=6 {
        all.nodes[0].asks(0, &[say(id, "hello")]);
        all.settles();
    }
    let removes = |all: &mut Nodes, node: usize| {
        all.nodes[node].hub.remove_old().unwrap();
        all.settles();
        all.nodes.iter().map(|node| node.state().oldest()).collect::<Vec<_>>()
    };
    assert_eq!(removes(&mut all, 0), [3, 3]);
    assert_eq!(removes(&mut all, 1), [5, 5], "also of a node that does no slow work");
    assert_eq!(removes(&mut all, 0), [5, 5], "what is removed does not come back");
}
