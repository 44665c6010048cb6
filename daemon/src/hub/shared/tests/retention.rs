//! Tests of retention with a log that several nodes share: whose clock and whose limits remove messages, and what is said of it.

use super::nodes::Nodes;
use super::say;
use crate::hub::chores::RETENTION_EVERY;
use crate::hub::turn::tests::history;
use crate::settings::History;
use std::time::Duration;
use tcp_chat_protocol::Timestamp;
use tcp_chat_state::{Intent, NodeId};

const HOUR: u64 = 3_600_000;

/// Two nodes with these stores, whose log is at that time, and three messages.
fn two(histories: [History; 2], time: u64) -> Nodes {
    let mut all = Nodes::of(&histories, time, |_| {});
    all.nodes[0].opens(0);
    all.nodes[0].logs_in(0, 0);
    all.settles();
    for id in 1..=3 {
        all.nodes[0].asks(0, &[say(id, "hello")]);
        all.settles();
    }
    all
}

#[test]
fn a_node_whose_clock_is_ahead_removes_nobodys_history() {
    let day = || History { retain: Some(Duration::from_millis(24 * HOUR)), ..history(None) };
    // The clocks of the nodes are 44 hours ahead of the log.
    let mut all = two([day(), day()], Timestamp::now().0 - 44 * HOUR);
    assert!(!all.nodes[1].hub.remove_old().unwrap());
    assert_eq!(all.nodes[1].hub.retains, None);
    // A day later by the log, the messages are old.
    all.time += 25 * HOUR;
    all.turn(NodeId(7), vec![Intent::Seal]);
    all.works();
    all.nodes[1].hub.remove_old().unwrap();
    assert!(all.nodes[1].hub.retains.is_some());
}

#[test]
fn a_node_does_not_call_its_history_full_if_another_one_keeps_less() {
    let one = History { retain_messages: Some(1), ..history(None) };
    let mut all = two([history(None), one], Timestamp::now().0);
    for node in &mut all.nodes {
        node.hub.remove_old().unwrap();
    }
    all.settles();
    for node in &mut all.nodes {
        while node.hub.remove_old().unwrap() {}
    }
    let said = |all: &Nodes, at: usize| {
        let hub = &all.nodes[at].hub;
        (hub.state.oldest() > 1, hub.was_above_limit, hub.is_stricter_logged)
    };
    assert_eq!(said(&all, 0), (true, false, true));
    assert_eq!(said(&all, 1), (true, false, false));
    let counts = |at: usize| {
        let hub = &all.nodes[at].hub.metrics.hub;
        ["number", "bytes", "elsewhere"].map(|reason| hub.removals(reason))
    };
    assert_eq!([counts(0), counts(1)], [[0, 0, 2], [2, 0, 0]]);
}

#[test]
fn the_next_slice_is_proposed_as_soon_as_the_last_one_may_have_come_back() {
    let one = || History { retain_messages: Some(1), ..history(None) };
    let mut all = two([one(), one()], Timestamp::now().0);
    let checks = |all: &mut Nodes| {
        let hub = &mut all.nodes[0].hub;
        let now = tokio::time::Instant::now();
        hub.retention_at = now;
        hub.chores();
        hub.retention_at - now
    };
    assert!(checks(&mut all) < RETENTION_EVERY, "a slice is proposed");
    all.settles();
    // One more slice at most for each message, and then nothing is left.
    let rests = (0..3).any(|_| {
        let next = checks(&mut all);
        all.settles();
        next >= RETENTION_EVERY
    });
    assert!(rests);
    assert_eq!(all.nodes[0].hub.metrics.hub.removals("number"), 2);
}
