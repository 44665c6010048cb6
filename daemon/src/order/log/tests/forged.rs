//! What someone publishes where only the stream should, a stream with a wrong clock, and records that it has altered or removed.

use super::super::reading::AHEAD_MS;
use super::*;
use tcp_chat_turn_log::LogTime;

fn junk(sequence: u64) -> Record {
    Record { sequence, stamp: LogTime(1_000), bytes: b"junk"[..].into() }
}

fn last(world: &World) -> u64 {
    world.records.len() as u64
}

#[test]
fn junk_that_was_heard_neither_hides_an_entry_nor_stops_a_node() {
    let mut world = World::new(20);
    for round in 0..60 {
        // What comes next, what came last, and far ahead.
        for sequence in [last(&world) + 1, last(&world) + 2, last(&world) - round % 9, u64::MAX] {
            world.tell(0..3, &junk(sequence));
        }
        world.pass(Duration::from_millis(200));
    }
    world.heal();
    world.check();
    for node in &world.nodes {
        assert_eq!(node.order.reader.claim(), world.nodes[0].order.reader.claim());
    }
}

#[test]
fn an_entry_that_was_heard_with_a_forged_time_does_not_set_it() {
    let mut world = World::new(21);
    world.lie = 3_600_000;
    world.pass(seconds(10));
    world.lie = 0;
    world.heal();
    world.check();
    for node in &world.nodes {
        assert!(node.order.reader.time() <= world.records.last().unwrap().stamp);
    }
}

/// The turns of this test have the time 0 at their proposers.
#[test]
fn a_server_with_a_wrong_clock_does_not_set_the_time_of_the_log() {
    let mut world = World::new(25);
    world.ahead = 3_600_000;
    world.pass(seconds(10));
    // A start has no time of its proposer.
    world.restart(1);
    world.heal();
    world.check();
    let before = world.nodes[0].disk.time;
    assert!(world.nodes.iter().all(|node| node.disk.time == before), "the times differ");
    assert_eq!(before, AHEAD_MS, "as far as a clock may be ahead");
    // The next server is right, and the time does not go back.
    world.ahead = 0;
    world.load = 8;
    world.pass(seconds(5));
    world.heal();
    assert!(world.nodes.iter().all(|node| node.disk.time == before));
}

#[test]
fn a_record_that_was_altered_is_noticed_after_a_reconnect() {
    let mut world = World::new(26);
    world.pass(seconds(3));
    world.heal();
    let applied = world.nodes[1].order.reader.claim().applied;
    let altered = &mut world.records[usize::try_from(applied).unwrap() - 4].bytes;
    let mut bytes = altered.to_vec();
    *bytes.last_mut().unwrap() ^= 1;
    *altered = bytes.into();
    world.cut(1, seconds(1));
    world.pass(seconds(5));
    assert_eq!([event(&world, 0), event(&world, 1)], [None, Some("log_forgot")]);
    // Also a process that starts again knows what it has read.
    world.restart(2);
    world.pass(seconds(5));
    assert_eq!(event(&world, 2), Some("log_forgot"));
}

#[test]
fn an_entry_that_was_heard_again_at_another_position_stops_no_node() {
    let mut world = World::new(22);
    for _ in 0..40 {
        let old = world.records[world.records.len() - 5].bytes.clone();
        let record = Record { sequence: last(&world) + 1, stamp: LogTime(2_000), bytes: old };
        world.tell(0..3, &record);
        world.pass(Duration::from_millis(100));
    }
    world.heal();
    world.check();
}

#[test]
fn void_records_that_the_stream_has_removed_are_no_loss() {
    let mut world = World::new(23);
    world.heal();
    for _ in 0..20 {
        world.records.push(junk(last(&world) + 1));
    }
    world.pass(seconds(3));
    world.first = last(&world) + 1;
    (0..3).for_each(|node| world.cut(node, seconds(1)));
    world.pass(seconds(3));
    world.load = 8;
    world.pass(seconds(10));
    world.heal();
    world.check();
}

#[test]
fn a_quiet_log_goes_on_so_that_no_node_is_far_from_its_end() {
    let mut world = World::new(24);
    world.load = 0;
    world.pass(seconds(2));
    for _ in 0..20 {
        world.records.push(junk(last(&world) + 1));
    }
    let before = last(&world);
    world.pass(world::PATIENCE.quiet + seconds(2));
    assert_eq!(last(&world), before + 1, "one empty turn");
    // Everything but it has gone, and all daemons start again.
    world.first = last(&world);
    (0..3).for_each(|node| world.restart(node));
    world.pass(seconds(10));
    world.load = 8;
    world.pass(seconds(60));
    world.heal();
    world.check();
}
