//! Three orders over one stream in memory: each turn once, in one order, whatever happens.

mod asked;
mod forged;
mod generations;
mod nodes;
mod raise;
mod stream;
mod world;

use super::*;
use crate::order::Cause;
use nodes::{Disk, Node};
use std::time::Duration;
use tcp_chat_turn_log::{Claim, Header, Kind, Life};
use world::{PATIENCE, World};

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn event(world: &World, node: usize) -> Option<&'static str> {
    world.nodes[node].stopped.as_ref().map(|stopped| stopped.cause.as_str())
}

#[test]
fn three_nodes_apply_each_turn_once_and_in_one_order() {
    for seed in 0..4 {
        let mut world = World::new(seed);
        world.loss = [0, 2, 10, 30][usize::try_from(seed).unwrap()];
        world.pass(seconds(20));
        world.heal();
        world.check();
        for node in &world.nodes {
            assert_eq!(node.order.reader.claim(), world.nodes[0].order.reader.claim());
            assert_eq!(node.members[0], node.order.identity.name);
        }
    }
}

#[test]
fn a_node_goes_on_where_its_store_is() {
    for seed in 0..6 {
        let mut world = World::new(seed);
        world.loss = 3;
        for node in [0, 1, 2, 1] {
            world.pass(seconds(2));
            world.restart(node);
        }
        world.heal();
        world.check();
    }
}

#[test]
fn a_paused_node_is_fenced_and_starts_again() {
    let mut world = World::new(1);
    world.pause(2, seconds(12));
    world.pass(seconds(11));
    assert!(world.nodes[..2].iter().all(|node| node.members.len() == 2), "it was closed");
    world.heal();
    assert_eq!(world.nodes[2].fenced, 1);
    world.check();
}

#[test]
fn a_node_that_rests_is_not_closed_while_it_tells_that_it_lives_and_then_is() {
    let mut world = World::new(12);
    world.fails(1, seconds(12), seconds(12));
    world.pass(seconds(11));
    assert!(world.nodes[0].members.len() == 3, "it lives");
    world.heal();
    assert_eq!(world.nodes[1].fenced, 0);
    world.check();

    world.fails(1, seconds(30), seconds(10));
    world.pass(seconds(20));
    assert!(world.nodes[0].members.len() == 2, "it was closed");
    assert!(world.nodes[1].order.due().unwrap() > world.now, "nothing is due at once while it rests");
    world.load = 8;
    world.pass(seconds(10));
    world.heal();
    assert_eq!(world.nodes[1].fenced, 1);
    world.check();
}

#[test]
fn a_node_without_a_connection_refuses_after_hold_and_comes_back() {
    let mut world = World::new(2);
    // So that something is under way.
    world.load = 100;
    world.pass(Duration::from_millis(200));
    world.load = 8;
    world.cut(1, seconds(20));
    world.pass(seconds(10));
    let now = world.now;
    assert_ne!(world.nodes[1].order.readiness(now), Readiness::Unavailable);
    let running = world.nodes[1].order.running(now);
    world.pass(seconds(8));
    let Node { order, stuck, .. } = &world.nodes[1];
    assert_eq!((order.readiness(world.now), *stuck), (Readiness::Unavailable, 1));
    assert!(!world.nodes[1].never.is_empty(), "what was never published is taken back");
    assert!(order.running(world.now) - running < seconds(1), "the clock stands still");
    world.heal();
    world.check();
}

#[test]
fn a_node_without_a_connection_refuses_also_if_nobody_writes() {
    let mut world = World::new(7);
    world.load = 0;
    world.pass(seconds(3));
    world.cut(1, seconds(30));
    // The last sign of life is up to six seconds old, and lasts for five.
    world.pass(PATIENCE.hold - seconds(2));
    assert_eq!(world.nodes[1].order.readiness(world.now), Readiness::Ready);
    world.pass(seconds(8));
    assert_eq!(world.nodes[1].order.readiness(world.now), Readiness::Unavailable);
    assert_eq!(world.nodes[0].order.readiness(world.now), Readiness::Ready, "its leader answers");
    world.heal();
    assert_eq!(world.nodes[1].order.readiness(world.now), Readiness::Ready);
}

#[test]
fn of_a_copied_store_the_second_process_does_not_start() {
    let mut world = World::new(3);
    world.twin(1);
    world.heal();
    assert_eq!(event(&world, 3), Some("name_in_use"));
    assert_eq!(event(&world, 1), None);
    world.check();
}

#[test]
fn recorded_beats_of_a_killed_process_do_not_stop_the_next_one() {
    // Before it asks whether another process lives, while it does, and after it.
    for delay in 0..10 {
        let mut world = World::new(17);
        // A second process asks, and is answered.
        world.twin(1);
        world.pass(seconds(3));
        assert_eq!(event(&world, 3), Some("name_in_use"));
        let mut recorded = vec![world.answer.clone().unwrap(), world.beats[&1].clone()];
        world.pass(seconds(2));
        recorded.push(world.beats[&1].clone());
        world.restart(1);
        world.pass(Duration::from_millis(100 * delay));
        recorded.iter().for_each(|old| world.beat(1, old));
        world.pass(seconds(3));
        assert_eq!(event(&world, 1), None, "{delay}");
        world.heal();
        world.check();
    }
}

/// Their SHA-256 begins with the same four bytes.
#[test]
fn two_names_with_one_number_cannot_be_in_one_cluster() {
    let names = ["node13192", "node26341"];
    assert_eq!(node_id(names[0]), node_id(names[1]));
    let mut world = World::without_nodes(15);
    let founds = Begin::Found { generation: Generation { number: 1, tag: 9 }, base: Digest::default() };
    for ((name, begin), process) in names.into_iter().zip([founds, Begin::Empty]).zip(1..) {
        world.nodes.push(Node::new(name, process, begin, Disk::default(), world.now));
        world.pass(seconds(3));
    }
    assert_eq!([event(&world, 0), event(&world, 1)], [None, Some("name_in_use")]);
    let reason = &world.nodes[1].stopped.as_ref().unwrap().reason;
    assert!(names.iter().all(|name| reason.contains(name)), "{reason}");
}

#[test]
fn a_copied_store_whose_original_is_silent_replaces_it() {
    let mut world = World::new(4);
    world.pause(1, seconds(5));
    world.twin(1);
    world.heal();
    assert_eq!(event(&world, 1), Some("replaced"));
    assert_eq!(event(&world, 3), None);
    world.check();
}

#[test]
fn a_node_that_was_away_too_long_says_so() {
    let mut world = World::new(5);
    world.cut(2, seconds(10));
    world.pass(seconds(9));
    world.first = world.records.len() as u64 - 2;
    world.pass(seconds(3));
    assert_eq!(event(&world, 2), Some("away_too_long"));
    assert_eq!(event(&world, 0), None);
}

#[test]
fn a_node_that_diverges_ends_alone() {
    let mut world = World::new(7);
    world.nodes[1].diverges = true;
    world.pass(seconds(20));
    assert_eq!([event(&world, 0), event(&world, 1), event(&world, 2)], [None, Some("diverged"), None]);
}

#[test]
fn a_node_that_differs_is_outvoted_although_another_one_has_nothing_to_say() {
    for seed in 0..8 {
        let mut world = World::new(seed);
        world.speakers = 1;
        world.restart(2);
        world.nodes[2].diverges = true;
        world.pass(seconds(20));
        let events = [event(&world, 0), event(&world, 1), event(&world, 2)];
        assert_eq!(events, [None, None, Some("diverged")], "{seed}");
    }
}

#[test]
fn a_node_that_leaves_is_closed_at_once() {
    let mut world = World::new(8);
    world.load = 0;
    world.pass(seconds(1));
    let now = world.now;
    world.nodes[0].order.leave(now);
    world.pass(seconds(1));
    assert_eq!(world.nodes[1].members.len(), 2);
}

#[test]
fn an_idle_log_still_lets_sessions_expire() {
    let mut world = World::new(9);
    world.load = 0;
    world.pass(seconds(2));
    let (now, running) = (world.now, world.nodes[0].order.running(world.now));
    let records = world.records.len();
    world.pass(seconds(60));
    assert_eq!(world.nodes[0].order.running(world.now) - running, world.now - now);
    assert_eq!(world.records.len(), records, "and writes nothing");
}

#[test]
fn an_empty_stream_is_no_empty_chat() {
    let mut world = World::without_nodes(10);
    world.nodes.push(Node::new("chat1", 1, Begin::Empty, Disk::default(), world.now));
    world.pass(seconds(3));
    assert_eq!(event(&world, 0), Some("no_cluster"));
}

#[test]
fn a_turn_that_speaks_for_another_node_does_nothing_on_any_node() {
    let mut world = World::new(16);
    world.load = 0;
    world.pass(seconds(1));
    let (turn, now) = (u64::MAX, world.now);
    let intents = vec![tcp_chat_state::Intent::Retain(turn)];
    let forged = Turn { node: world.nodes[1].order.node(), intents, ..Turn::empty(0) };
    let node = &mut world.nodes[0];
    let number = node.order.propose(&forged, now).unwrap();
    node.in_flight.insert(number, turn);
    world.pass(seconds(2));
    assert_eq!(world.nodes[0].never, [turn]);
    assert!(world.nodes.iter().all(|node| !node.disk.turns.contains(&turn)));
    world.load = 8;
    world.pass(seconds(30));
    world.heal();
    world.check();
}

#[test]
fn each_node_names_those_whose_configuration_differs() {
    let mut world = World::new(18);
    world.nodes[1].order.note_differing(vec!["limits.burst"]);
    world.pass(seconds(3));
    let named = |world: &World| {
        let reports = world.nodes.iter().map(|node| node.order.report(world.now));
        reports.map(|report| (report.policy_differs, report.policy_differs_in)).collect::<Vec<_>>()
    };
    let chat2: Vec<Box<str>> = vec!["chat2".into()];
    let others = (chat2.clone(), vec![]);
    assert_eq!(named(&world), [others.clone(), (chat2, vec!["limits.burst"]), others]);
    world.nodes[1].order.note_differing(Vec::new());
    world.pass(seconds(3));
    assert!(named(&world).iter().all(|(nodes, keys)| nodes.is_empty() && keys.is_empty()));
}

#[test]
fn the_lowest_living_node_drives() {
    let world = World::new(11);
    let lowest = world.nodes.iter().map(|node| node.order.me).min().unwrap();
    for node in &world.nodes {
        assert_eq!(node.order.is_driver(), node.order.me == lowest);
    }
}

#[test]
fn the_number_of_a_node_comes_from_its_name() {
    // printf chat1 | sha256sum | head -c 8
    assert_eq!(node_id("chat1").0, 0x93699725);
}
