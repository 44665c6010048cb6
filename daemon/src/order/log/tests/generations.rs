//! Tests of the generations of a log: how one begins, and what becomes of stores and nodes of the one before.

use super::*;

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
