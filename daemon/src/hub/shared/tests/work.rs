//! Tests of the work that no client has asked for: which node proposes it, and when.

use super::nodes::{Got, Nodes, command};
use super::{ask, two};
use crate::hub::{Control, Entry};
use tcp_chat_protocol::Name;
use tcp_chat_state::{Access, Intent, UserCommand};
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
    rules.presence_limit = 17;
    rules.access = Access::Password("hash".into());
    let (reply, mut answer) = oneshot::channel();
    all.nodes[0].add(Entry::Control(Control::Rules(Box::new(rules), reply)));
    all.nodes[0].works();
    assert!(answer.try_recv().is_err());
    all.settles();
    assert!(answer.try_recv().is_ok());
    assert_eq!(all.nodes[1].state().rules().presence_limit, 17);
    let access = all.nodes[1].hub.directory.access();
    assert_eq!(*access, Access::Password("hash".into()), "its connections ask for the password from now on");
}

#[test]
fn turns_that_came_back_together_are_committed_together_and_delivered_in_order() {
    let mut all = two();
    for id in 1..=3 {
        all.nodes[0].asks(0, &[super::say(id, "hello")]);
        all.nodes[0].works();
        all.order(0);
    }
    all.turn(tcp_chat_state::NodeId(7), vec![Intent::Seal]);
    all.nodes[0].works();
    let got = all.nodes[0].takes(0);
    assert_eq!(super::ids(&got), [1, 2, 3]);
    let place = all.nodes[0].hub.store.node().unwrap().place.clone();
    all.nodes[1].works();
    assert_eq!(all.nodes[1].takes(1).len(), 3);
    assert_eq!(all.nodes[1].hub.store.node().unwrap().place, place, "the place of the last turn");
}
