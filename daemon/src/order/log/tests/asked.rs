//! Tests of what a node asks the stream: records that it has missed, and its leader about those that it has read.

use super::*;

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
