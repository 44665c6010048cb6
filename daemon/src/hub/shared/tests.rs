//! Tests of hubs that share a log: what each connection is answered, and when; what happens when the order stops, or the node is
//! fenced; and the work that no client has asked for.

mod events;
mod failing;
mod nodes;
mod resends;
mod retention;
mod waits;
mod work;

use nodes::{Got, Nodes, command};
use std::collections::BTreeMap;
use tcp_chat_protocol::ErrorKind;

/// A line that says something in the default room.
fn say(id: u64, text: &str) -> String {
    ask("MSG", id, &format!(r#"{{"room":"lobby","msg":"{text}"}}"#))
}

fn ask(op: &str, id: u64, data: &str) -> String {
    format!(r#"{{"op":"{op}","id":{id},"data":{data}}}"#)
}

/// The numbers of a test, always the same for the same seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % most
    }
}

fn ids(got: &[Got]) -> Vec<u64> {
    got.iter().flat_map(Got::answers).collect()
}

/// Two nodes, with one user on each.
fn two() -> Nodes {
    let mut all = Nodes::new(2, |_| {});
    for (at, node) in (0..).zip(&mut all.nodes) {
        node.opens(at);
        node.logs_in(at, at);
    }
    all.settles();
    for (at, node) in (0..).zip(&mut all.nodes) {
        node.takes(at);
    }
    all
}

/// A node, and nine clients of one network that log in, each in a turn of its own. The network can have five sessions.
fn nine_logins() -> Nodes {
    // Half of ten sessions for one network.
    let mut all = Nodes::new(1, |rules| rules.sessions = 10);
    let node = &mut all.nodes[0];
    for connection in 0..9 {
        node.opens_from(connection, "192.0.2.7".parse().unwrap());
        node.logs_in(connection, connection);
        // A turn for each.
        node.works();
    }
    assert_eq!(node.slow().proposed, 5, "the others wait");
    all
}

#[test]
fn a_message_is_delivered_when_its_turn_has_come_back_and_to_all_nodes() {
    let mut all = two();
    all.nodes[0].asks(0, &[say(7, "hello")]);
    all.works();
    assert_eq!((all.nodes[0].takes(0), all.nodes[1].takes(1)), (vec![], vec![]));
    assert!(all.order(0));
    all.nodes[1].works();
    assert_eq!(all.nodes[1].takes(1), [Got::Messages(vec![(1, None)])]);
    assert_eq!(all.nodes[0].takes(0), []);
    all.nodes[0].works();
    assert_eq!(all.nodes[0].takes(0), [Got::Messages(vec![(1, Some(7))])]);
}

#[test]
fn a_query_of_a_connection_with_nothing_under_way_costs_no_turn() {
    let mut all = two();
    let before = all.nodes[0].slow().proposed;
    all.nodes[0]
        .asks(0, &[ask("PING", 1, "{}"), ask("WHO", 2, "{}"), ask("HISTORY", 3, r#"{"room":"lobby"}"#)]);
    all.nodes[0].works();
    assert_eq!(ids(&all.nodes[0].takes(0)), [1, 2, 3]);
    assert_eq!(all.nodes[0].slow().proposed, before);
}

#[test]
fn a_query_waits_for_the_earlier_requests_of_its_connection_and_for_no_other() {
    let mut all = two();
    all.nodes[0].opens(9);
    all.nodes[0].logs_in(9, 9);
    all.settles();
    let node = &mut all.nodes[0];
    node.takes(0);
    node.takes(9);
    node.asks(0, &[say(1, "first")]);
    node.works();
    node.asks(0, &[ask("HISTORY", 2, r#"{"room":"lobby"}"#)]);
    node.asks(9, &[ask("HISTORY", 3, r#"{"room":"lobby"}"#)]);
    node.works();
    assert_eq!(node.takes(0), []);
    assert_eq!(ids(&node.takes(9)), [3]);
    node.asks(0, &[say(4, "second")]);
    node.works();
    all.order(0);
    all.nodes[0].works();
    let got = all.nodes[0].takes(0);
    assert_eq!(
        got,
        [Got::Messages(vec![(1, Some(1))]), Got::Page(Some(2), Some(2))],
        "and not the second one"
    );
    all.settles();
    assert_eq!(ids(&all.nodes[0].takes(0)), [4]);
}

#[test]
fn requests_behind_a_login_wait_until_it_has_come_back() {
    let mut all = Nodes::new(1, |_| {});
    let node = &mut all.nodes[0];
    node.opens(1);
    node.logs_in(1, 1);
    node.works();
    node.asks(1, &[say(1, "hello"), ask("PING", 2, "{}")]);
    node.works();
    assert_eq!(node.slow().proposed, 1, "only the LOGIN");
    all.settles();
    assert_eq!(ids(&all.nodes[0].takes(1)), [1, 2]);
}

/// Connections of two nodes ask at random, and the log takes turns from both in any order.
#[test]
fn each_request_is_answered_once_in_the_order_of_its_connection_and_sees_the_earlier_ones() {
    for seed in 1..=60 {
        talk(&mut Dice(u64::wrapping_mul(seed, 0x9E37_79B9_7F4A_7C15)), seed);
    }
}

/// One connection of that test: its node, the ids that it has asked, and the rooms that it is in.
#[derive(Default)]
struct Client {
    asked: Vec<u64>,
    /// The WHO requests that are refused, because the room was left or never entered; the others are not.
    refused: BTreeMap<u64, bool>,
    is_in: bool,
}

fn talk(dice: &mut Dice, seed: u64) {
    const CLIENTS: u64 = 6;
    let mut all = Nodes::new(2, |_| {});
    for node in &mut all.nodes {
        node.slow().window = 1 + usize::try_from(dice.below(5)).unwrap();
    }
    let node_of = |client: u64| usize::from(client % 2 == 1);
    for client in 0..CLIENTS {
        all.nodes[node_of(client)].opens(client);
        all.nodes[node_of(client)].logs_in(client, client);
    }
    all.settles();
    (0..CLIENTS).for_each(|client| drop(all.nodes[node_of(client)].takes(client)));
    let mut clients: Vec<Client> = (0..CLIENTS).map(|_| Client::default()).collect();
    for _ in 0..150 {
        let client = dice.below(CLIENTS);
        match dice.below(6) {
            0..=2 => {
                let lines = (0..=dice.below(3)).map(|_| line(dice, &mut clients[client as usize], client));
                let lines: Vec<_> = lines.collect();
                all.nodes[node_of(client)].asks(client, &lines);
            }
            3 => all.nodes[node_of(client)].passes(),
            _ => drop(all.order(node_of(client))),
        }
    }
    all.settles();
    for (client, Client { asked, refused, .. }) in (0..).zip(clients) {
        let got = all.nodes[node_of(client)].takes(client);
        assert_eq!(ids(&got), asked, "seed {seed}, client {client}");
        let mut seen = 0;
        for got in got {
            match got {
                Got::Refused(Some(id), kind) => {
                    assert!(refused[&id], "seed {seed}: {id} was refused: {kind:?}");
                }
                Got::Reply(Some(id)) => assert!(!refused.get(&id).is_some_and(|is| *is), "seed {seed}: {id}"),
                Got::Messages(list) => {
                    list.iter().for_each(|(seq, _)| assert!(*seq > seen, "seed {seed}"));
                    seen = seen.max(list.last().unwrap().0);
                }
                Got::Page(_, before) => assert!(before.is_none_or(|before| before > seen), "seed {seed}"),
                _ => {}
            }
        }
    }
}

/// A line of a client, with what is to become of it.
fn line(dice: &mut Dice, client: &mut Client, number: u64) -> String {
    let id = 1 + client.asked.len() as u64;
    client.asked.push(id);
    let room = format!(r#"{{"room":"room{number}"}}"#);
    match dice.below(8) {
        0..=2 => say(id, "hello"),
        3 => ask("PING", id, "{}"),
        4 => ask("HISTORY", id, r#"{"room":"lobby"}"#),
        5 => {
            client.is_in = true;
            ask("JOIN", id, &room)
        }
        6 => {
            client.refused.insert(id, !client.is_in);
            client.is_in = false;
            ask("LEAVE", id, &room)
        }
        _ => {
            client.refused.insert(id, !client.is_in);
            ask("HISTORY", id, &room)
        }
    }
}

#[test]
fn a_resend_is_kept_once_wherever_the_first_one_is() {
    // In the same turn; under way; and kept, with the resend on its way before that is known.
    for ordered in 0..3 {
        let mut all = two();
        let node = &mut all.nodes[0];
        let first = || vec![command(r#"{"op":"MSG","id":"a","data":{"room":"lobby","msg":"once"}}"#)];
        node.sends(0, first());
        if ordered > 0 {
            node.works();
        }
        node.sends(0, first());
        node.works();
        if ordered > 1 {
            all.order(0);
            all.nodes[0].works();
            all.nodes[0].sends(0, first());
        }
        all.settles();
        assert_eq!(all.nodes[0].state().counts().head, 1, "{ordered}");
        assert_eq!(all.nodes[1].takes(1), [Got::Messages(vec![(1, None)])]);
    }
}

#[test]
fn the_sessions_of_a_network_are_reserved_until_their_turns_have_come_back() {
    let mut all = nine_logins();
    all.settles();
    assert_eq!(all.nodes[0].state().counts().sessions, 5);
    let full = |got: &[Got]| got.iter().any(|got| matches!(got, Got::Refused(_, ErrorKind::ServerFull)));
    assert_eq!((0..9).filter(|connection| full(&all.nodes[0].takes(*connection))).count(), 4);
}

#[test]
fn a_first_direct_message_is_paid_once_also_by_the_next_one_under_way() {
    let mut all = Nodes::new(1, |rules| {
        rules.strangers_per_minute = 3;
        rules.rate.per_second = 1_000;
        rules.rate.burst = 1_000;
    });
    let node = &mut all.nodes[0];
    for connection in 0..5 {
        node.opens(connection);
        node.logs_in(connection, connection);
    }
    all.settles();
    let node = &mut all.nodes[0];
    node.takes(0);
    let to = |id, user| ask("MSG", id, &format!(r#"{{"to":"user{user}x","msg":"hello"}}"#));
    // Each in a turn of its own: two to one user, and then one each to three others.
    for lines in [vec![to(1, 1), to(2, 1)], vec![to(3, 2), to(4, 3), to(5, 4)]] {
        for line in lines {
            all.nodes[0].asks(0, &[line]);
            all.nodes[0].works();
        }
        all.settles();
    }
    let got = all.nodes[0].takes(0);
    assert_eq!(ids(&got), [1, 2, 3, 4, 5]);
    let refused: Vec<_> = got.iter().filter(|got| matches!(got, Got::Refused(..))).collect();
    assert_eq!(refused, [&Got::Refused(Some(5), ErrorKind::RateLimited)]);
}

#[test]
fn errors_in_a_row_close_a_connection_also_with_turns_under_way() {
    let mut all = Nodes::new(1, |rules| rules.errors = 3);
    let node = &mut all.nodes[0];
    node.opens(1);
    node.logs_in(1, 1);
    all.settles();
    let node = &mut all.nodes[0];
    node.takes(1);
    // Refused where they are applied, and refused before that.
    let wrong = |id| ask("LEAVE", id, r#"{"room":"nowhere"}"#);
    let query = |id| ask("HISTORY", id, r#"{"room":"nowhere"}"#);
    for line in [wrong(1), query(2), wrong(3), query(4), wrong(5)] {
        node.asks(1, &[line]);
        node.works();
    }
    all.settles();
    let got = all.nodes[0].takes(1);
    assert_eq!(ids(&got), [1, 2, 3, 4]);
    assert_eq!(got.last(), Some(&Got::Closed("too many errors")));
}
