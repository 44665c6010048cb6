//! Tests of a hub that waits: it looks at what waits only when that can go on, and comes to rest in every state. And of errors in
//! a row while a turn is under way.

use super::nodes::{Got, Nodes};
use super::{ask, ids, say, two};
use crate::auth::Proof;
use crate::edge::{Ask, Command, LoginAsk, Secret};
use crate::order::Readiness;
use std::net::Ipv4Addr;
use tcp_chat_protocol::request::{Bounds, Request, parse};
use tcp_chat_protocol::{ErrorKind, Refusal};
use tcp_chat_state::Evidence;
use tokio::time::Instant;

const MANY: u64 = 2_000;

/// A LOGIN of one of more users than a byte counts.
fn login(n: u64) -> Command {
    let line = format!(r#"{{"op":"LOGIN","data":{{"name":"user{n}x"}}}}"#);
    let Ok((None, Request::Login(login))) = parse(line.as_bytes(), &Bounds { msg_bytes: 1, rooms: 0 }) else {
        panic!("{line}");
    };
    let mut hash = [9; 32];
    hash[..8].copy_from_slice(&n.to_be_bytes());
    let fresh = Secret { token: format!("token{n}").into(), hash };
    let proof = Proof::for_tests(Evidence::NotNeeded);
    Command::Ask(None, Ask::Login(Box::new(LoginAsk { login: *login, fresh, resumes: None, proof })))
}

/// A node with many users.
fn many() -> Nodes {
    let mut all = Nodes::new(1, |rules| rules.sessions = 0);
    let node = &mut all.nodes[0];
    for connection in 0..MANY {
        node.opens(connection);
        node.sends(connection, vec![login(connection)]);
    }
    all.settles();
    (0..MANY).for_each(|connection| drop(all.nodes[0].takes(connection)));
    all
}

#[test]
fn a_busy_order_makes_nobody_look_again_and_again_at_what_waits() {
    let mut all = many();
    let node = &mut all.nodes[0];
    node.slow().readiness = Readiness::Busy;
    let before = node.waiting.looked.get();
    for connection in 1..MANY {
        let lines = if connection % 2 == 0 { say(1, "waits") } else { ask("JOIN", 1, r#"{"room":"ops"}"#) };
        node.asks(connection, &[lines]);
        node.passes();
    }
    for id in 0..200 {
        node.asks(0, &[ask("PING", id, "{}")]);
        node.works();
    }
    let looked = node.waiting.looked.get() - before;
    assert!(looked < 4 * (MANY as usize + 200), "{looked} for {MANY} entries");
    assert_eq!(node.takes(0).len(), 200);
    node.slow().readiness = Readiness::Ready;
    all.settles();
    for connection in 1..MANY {
        assert_eq!(ids(&all.nodes[0].takes(connection)).iter().filter(|id| **id == 1).count(), 1);
    }
}

/// A user whose connection is closed after more than three errors in a row, and a message of it under way.
fn with_errors() -> Nodes {
    let mut all = Nodes::new(1, |rules| rules.errors = 3);
    let node = &mut all.nodes[0];
    node.opens(1);
    node.logs_in(1, 1);
    all.settles();
    all.nodes[0].takes(1);
    all.nodes[0].asks(1, &[say(1, "under way")]);
    all.nodes[0].works();
    all
}

/// Lines that are refused before anything is applied.
fn wrong(count: usize) -> Vec<Command> {
    let refusal = || Refusal::new(ErrorKind::Data, "wrong");
    (0..count).map(|_| Command::Refused(refusal())).collect()
}

#[test]
fn what_comes_behind_the_error_that_closes_a_connection_is_not_proposed() {
    let mut all = with_errors();
    for line in wrong(4) {
        all.nodes[0].sends(1, vec![line]);
        all.nodes[0].works();
    }
    all.nodes[0].asks(1, &[say(2, "too late")]);
    all.settles();
    assert_eq!(all.nodes[0].state().counts().head, 1);
    assert_eq!(all.nodes[0].takes(1).last(), Some(&Got::Closed("too many errors")));
}

#[test]
fn a_request_that_is_accepted_ends_the_errors_in_a_row_also_under_way() {
    let mut all = with_errors();
    for id in 2..=4 {
        all.nodes[0].sends(1, wrong(3));
        all.nodes[0].works();
        all.nodes[0].asks(1, &[say(id, "right")]);
        all.nodes[0].works();
    }
    all.settles();
    assert_eq!(all.nodes[0].state().counts().head, 4);
    assert_eq!(ids(&all.nodes[0].takes(1)), [1, 2, 3, 4]);
}

#[test]
fn a_hub_that_rests_has_nothing_due() {
    for readiness in [Readiness::Ready, Readiness::Busy, Readiness::Unavailable] {
        let mut all = Nodes::new(2, |rules| rules.ttl_ms = 0);
        let node = &mut all.nodes[0];
        for connection in 0..3 {
            node.opens(connection);
            node.logs_in(connection, connection);
        }
        all.settles();
        let node = &mut all.nodes[0];
        // One is away and has expired, one asks, one waits for its LOGIN, and there is work to propose.
        node.is_lost(0);
        node.works();
        all.order(0);
        let node = &mut all.nodes[0];
        node.slow().readiness = readiness;
        node.hub.retains = Some(0);
        node.asks(1, &[say(1, "hello"), ask("WHO", 2, "{}")]);
        node.opens(7);
        node.logs_in(7, 7);
        node.asks(7, &[say(3, "behind"), ask("WHO", 4, "{}")]);
        node.hub.chores();
        node.works();
        let now = Instant::now();
        let due = node.hub.next_due(&node.waiting);
        assert!(due > now, "{readiness:?}");
    }
}

#[test]
fn a_crowd_that_leaves_while_nothing_is_ordered_keeps_nobody_from_an_answer() {
    const CROWD: u64 = 5_000;
    let mut all = two();
    let node = &mut all.nodes[0];
    for n in 100..100 + CROWD {
        let [.., high, low] = n.to_be_bytes();
        node.opens_from(n, Ipv4Addr::new(10, 0, high, low).into());
        node.sends(n, vec![login(n)]);
    }
    all.settles();
    for readiness in [Readiness::Busy, Readiness::Unavailable] {
        let node = &mut all.nodes[0];
        node.slow().readiness = readiness;
        let from = if readiness == Readiness::Busy { 100 } else { 100 + CROWD / 2 };
        for n in from..from + CROWD / 2 {
            node.is_lost(n);
        }
        node.works();
        node.takes(0);
        node.asks(0, &[ask("PING", 1, "{}"), ask("WHO", 2, "{}")]);
        node.works();
        assert_eq!(node.takes(0), [Got::Reply(Some(1)), Got::Reply(Some(2))], "{readiness:?}");
        assert_eq!(node.state().counts().away, 0);
    }
    all.nodes[0].slow().readiness = Readiness::Ready;
    all.settles();
    assert_eq!(all.nodes[1].state().counts().away, CROWD as usize);
}
