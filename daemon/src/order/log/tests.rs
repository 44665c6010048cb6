//! Three orders over one stream in memory: each turn once, in one order, whatever happens.

mod forged;
mod raise;
mod world;

use super::*;
use crate::order::Cause;
use std::time::Duration;
use tcp_chat_turn_log::{Claim, Header, Kind, Life};
use world::{Disk, Node, PATIENCE, World};

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
fn a_repeated_beat_of_a_killed_process_does_not_stop_the_next_one() {
    let mut world = World::new(17);
    world.pass(seconds(3));
    // Once, before it asks whether another process lives, while it does, and after it.
    for delay in 0..10 {
        let old = world.beats[&1].clone();
        world.restart(1);
        world.pass(Duration::from_millis(100 * delay));
        world.beat(1, &old);
        world.pass(seconds(3));
        assert_eq!(event(&world, 1), None, "{delay}");
    }
    world.heal();
    world.check();
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
fn the_other_nodes_take_the_store_with_which_a_generation_begins() {
    let mut world = World::new(12);
    world.load = 0;
    world.pass(seconds(2));
    let digest = world.nodes[2].order.reader.claim().digest;
    assert_eq!(world.nodes[0].order.reader.claim().digest, digest, "their states are the same");
    (0..2).for_each(|node| world.pause(node, seconds(4)));
    world.reseed(2, Generation { number: 2, tag: 11 });
    world.pass(seconds(3));
    assert_eq!(world.nodes[2].order.reader.generation().unwrap().number, 2);
    let mut ups = world.nodes[2].ups.clone();
    ups.sort_unstable();
    ups.dedup();
    let mut all = vec![NodeId::LOCAL];
    all.extend(world.nodes.iter().map(|node| node.order.node()));
    all.sort_unstable();
    assert_eq!(ups, all, "no connection of the generation before is there");
    (0..2).for_each(|node| world.restart(node));
    world.pass(seconds(10));
    let events = [event(&world, 0), event(&world, 1), event(&world, 2)];
    assert_eq!(events, [Some("other_generation"), Some("other_generation"), None]);
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
fn a_node_that_was_away_reads_without_a_pause_between_the_answers() {
    let mut world = World::new(25);
    world.load = 50;
    world.cut(2, seconds(20));
    world.pass(seconds(20));
    (world.load, world.answers) = (0, 16);
    let missed = world.records.len() as u64 - world.nodes[2].order.reader.read();
    assert!(missed > 500, "{missed}");
    world.pass(seconds(5));
    assert_eq!(world.nodes[2].order.reader.read(), world.records.len() as u64);
}

#[test]
fn a_reconnect_asks_for_few_records_and_goes_on_where_an_answer_ends() {
    let mut world = World::new(27);
    world.load = 50;
    world.pass(seconds(30));
    (world.load, world.asked, world.told) = (0, 0, 5);
    world.pass(seconds(2));
    assert!(world.nodes[1].order.reader.remembered().count() > 500);
    (0..3).for_each(|node| world.cut(node, seconds(1)));
    world.pass(seconds(3));
    assert!(world.asked <= compare::TOGETHER, "{}", world.asked);
    assert!(world.nodes.iter().all(|node| node.order.readiness(world.now) == Readiness::Ready));
    world.heal();
    world.check();
}

/// The next entry of the third node, as if it had read another log.
fn of_another_log(world: &World) -> Record {
    let (reader, node) = (&world.nodes[1].order.reader, world.nodes[2].order.me);
    let member = reader.members().get(node).unwrap();
    let Life::Living { next } = member.life else { panic!("it was closed") };
    let claim = Claim { digest: Digest { log: [9; 16], state: [9; 16] }, ..reader.claim() };
    let generation = reader.generation().unwrap();
    let header =
        Header { kind: Kind::Turn, behaviour: 1, generation, node, epoch: member.epoch, n: next, claim };
    let body = Turn { node: world.nodes[2].order.node(), ..Turn::empty(0) }.encode().unwrap();
    let bytes = world.nodes[1].order.key.seal(&header, &body).unwrap().into();
    Record { sequence: world.records.len() as u64 + 1, stamp: world.records.last().unwrap().stamp, bytes }
}

/// Every node remembers several hundred records, which are compared in pieces.
#[test]
fn a_doubt_compares_all_that_is_remembered() {
    for altered in [None, Some(40)] {
        let mut world = World::new(28);
        world.load = 50;
        world.pass(seconds(30));
        world.load = 0;
        world.pass(seconds(2));
        let remembered: Vec<u64> = world.nodes[1].order.reader.remembered().collect();
        assert!(remembered.len() > 500);
        if let Some(place) = altered {
            let bytes = &mut world.records[usize::try_from(remembered[place]).unwrap() - 1].bytes;
            *bytes = b"another"[..].into();
        }
        (world.told, world.asked) = (7, 0);
        let record = of_another_log(&world);
        let doubted = record.sequence;
        world.records.push(record);
        world.pass(seconds(4));
        assert!(world.asked > 1 && world.asked <= compare::TOGETHER, "{}", world.asked);
        assert_eq!(event(&world, 1), altered.map(|_| "log_forgot"));
        assert_eq!(world.nodes[1].order.reader.read() >= doubted, altered.is_none());
    }
}

#[test]
fn nodes_hold_after_the_stream_has_lost_its_end() {
    let mut world = World::new(6);
    world.records.truncate(world.records.len() - 20);
    for node in 0..3 {
        world.cut(node, seconds(1));
    }
    world.pass(seconds(30));
    let is_held = |node: &Node| {
        node.stopped.as_ref().is_some_and(|stopped| stopped.cause == Cause::LogForgot)
            || node.order.readiness(world.now) == Readiness::Unavailable
    };
    assert!(world.nodes.iter().all(is_held));
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
fn a_server_with_a_wrong_clock_does_not_set_the_time_of_a_new_generation() {
    let mut world = World::new(16);
    (0..2).for_each(|node| world.pause(node, seconds(60)));
    let ten_years = 10 * 365 * 24 * 3_600_000;
    (world.clock, world.ahead) = (100_000, ten_years);
    world.load = 0;
    world.reseed(2, Generation { number: 2, tag: 11 });
    world.pass(seconds(3));
    let order = &world.nodes[2].order;
    assert!(
        order.proposer.is_up() && order.reader.time().0 <= 100_000 + 300_000,
        "{:?}",
        order.reader.time()
    );
    assert_eq!(order.report(world.now).clock_behind_s, None, "not known yet");
    world.load = 50;
    world.pass(seconds(2));
    let behind = world.nodes[2].order.report(world.now).clock_behind_s.unwrap();
    assert!((ten_years / 1000 - 200..=ten_years / 1000).contains(&behind), "{behind}");
    // The clocks agree again.
    world.ahead = 0;
    world.clock = 400_000;
    world.pass(seconds(2));
    let order = &world.nodes[2].order;
    assert_eq!(order.report(world.now).clock_behind_s, None, "{:?}", order.reader.time());
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
fn a_founder_that_was_killed_goes_on_with_its_generation() {
    let mut world = World::new(13);
    world.load = 0;
    (0..2).for_each(|node| world.pause(node, seconds(60)));
    world.pass(seconds(1));
    world.rebase(2);
    let before = world.nodes[2].disk.clone();
    world.reseed(2, Generation { number: 2, tag: 11 });
    world.pass(seconds(3));
    // Its entry came into the log, and nobody read it.
    world.nodes[2].disk = before;
    world.restart(2);
    world.pass(seconds(5));
    assert_eq!(event(&world, 2), None);
    assert!(world.nodes[2].order.proposer.is_up());
}

#[test]
fn a_reseed_that_was_cut_off_is_told_and_does_not_fill_the_log() {
    let mut world = World::new(14);
    world.load = 0;
    world.pass(seconds(1));
    (0..2).for_each(|node| world.pause(node, seconds(60)));
    world.rebase(2);
    let records = world.records.len();
    world.restart(2);
    world.pass(seconds(10));
    assert_eq!(event(&world, 2), Some("no_cluster"));
    let reason = &world.nodes[2].stopped.as_ref().unwrap().reason;
    assert!(reason.contains("Run `tcp-chatd cluster reseed` again"), "{reason}");
    assert_eq!(world.records.len(), records);
}

#[test]
fn a_start_that_is_void_again_and_again_does_not_fill_the_log() {
    let mut world = World::new(15);
    world.load = 0;
    let now = world.now;
    // So that no epoch of it lives, which would make it wait.
    world.nodes[2].order.leave(now);
    world.pass(seconds(1));
    (0..2).for_each(|node| world.pause(node, seconds(60)));
    let present = world.nodes[2].order.reader.generation().unwrap();
    // Only a later generation would count.
    world.reseed(2, present);
    let records = world.records.len();
    world.pass(seconds(10));
    assert!((2..=11).contains(&(world.records.len() - records)), "{}", world.records.len() - records);
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
