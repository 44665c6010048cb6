//! A newer version comes, one node after the other; and servers over which nothing is ordered.

use super::super::raise::AWAY;
use super::*;
use tcp_chat_turn_log::ResumeError;

/// The behaviours of the turns that each node has applied.
fn behaviours(world: &World) -> Vec<&[u16]> {
    world.nodes.iter().map(|node| &node.behaviours[..]).collect()
}

fn is_raised(world: &World) -> bool {
    world.nodes.iter().any(|node| node.order.reader.members().behaviour() == 2)
}

#[test]
fn all_nodes_follow_a_newer_behaviour_from_one_entry_on() {
    for seed in 0..4 {
        let mut world = World::new(30 + seed);
        world.loss = 3;
        for node in [2, 0, 1] {
            world.pass(seconds(3));
            assert!(!is_raised(&world));
            world.restart_as(2, node).unwrap();
        }
        world.heal();
        world.check();
        let all = behaviours(&world);
        assert!(all.iter().all(|one| *one == all[0]), "{all:?}");
        assert!(all[0].is_sorted() && all[0][0] == 1 && all[0].last() == Some(&2), "{all:?}");
        let raises = world.nodes[0].order.report(world.now);
        assert_eq!((raises.behaviour, raises.behaviour_known, raises.raise_waits_for.len()), (2, 2, 0));
    }
}

#[test]
fn a_raise_waits_for_a_node_of_an_older_version_and_names_it() {
    let mut world = World::new(34);
    world.restart_as(2, 0).unwrap();
    world.pass(seconds(3));
    world.restart_as(2, 1).unwrap();
    world.pass(seconds(20));
    assert!(!is_raised(&world));
    let waits = |world: &World| world.nodes[0].order.report(world.now).raise_waits_for;
    assert_eq!(waits(&world), ["chat3".into()]);
    // It restarts, and is not shut out.
    world.load = 0;
    world.cut(2, seconds(60));
    world.pass(seconds(50));
    assert_eq!(world.nodes[0].members.len(), 2);
    assert_eq!(waits(&world), ["chat3".into()]);
    world.pass(seconds(20));
    assert_eq!((world.nodes[0].members.len(), is_raised(&world)), (3, false));
}

#[test]
fn an_older_version_that_was_away_for_long_ends_instead_of_applying_other_rules() {
    let mut world = World::new(35);
    world.load = 0;
    for node in [0, 1] {
        world.restart_as(2, node).unwrap();
        world.pass(seconds(3));
    }
    world.cut(2, AWAY + seconds(60));
    world.pass(AWAY - seconds(30));
    assert!(!is_raised(&world));
    world.pass(seconds(60));
    assert!(is_raised(&world), "a node that was removed holds nothing back for ever");
    world.load = 8;
    world.pass(seconds(40));
    let stopped = world.nodes[2].stopped.clone().unwrap();
    assert_eq!(stopped.cause, Cause::TooOld);
    assert!(stopped.reason.contains("behaviour 2") && stopped.reason.contains("Install"), "{stopped:?}");
    assert!(!world.nodes[2].behaviours.contains(&2), "it applied nothing more");
}

#[test]
fn an_older_version_does_not_start_on_a_store_behind_the_raise() {
    let mut world = World::new(36);
    for node in [0, 1, 2] {
        world.restart_as(2, node).unwrap();
        world.pass(seconds(3));
    }
    world.pass(seconds(5));
    assert!(is_raised(&world));
    assert_eq!(world.restart_as(1, 0), Err(ResumeError::Behaviour(2)));
}

#[test]
fn a_generation_that_begins_again_keeps_the_behaviour_for_the_older_nodes() {
    let mut world = World::new(40);
    world.load = 0;
    world.pass(seconds(5));
    let disk = world.nodes[0].disk.clone();
    let place = Saved::decode(&disk.place.clone().unwrap().0).unwrap();
    let place = Place(place.rebased(world.records.len() as u64).encode());
    world.nodes.clear();
    let begin = Begin::FoundAgain { generation: Generation { number: 2, tag: 10 }, place, time: 0 };
    world.nodes.push(Node::of_version(2, "chat1", 50, begin, disk, world.now).unwrap());
    world.pass(seconds(60));
    let [node] = &world.nodes[..] else { unreachable!() };
    assert_eq!(node.order.reader.generation().unwrap().number, 2);
    assert!(!node.behaviours.is_empty() && node.behaviours.iter().all(|number| *number == 1));
    assert!(!is_raised(&world), "another one may come");
    world.pass(AWAY);
    assert!(is_raised(&world));
}

#[test]
fn a_server_over_which_nothing_is_ordered_is_left_with_a_growing_pause() {
    let mut world = World::new(37);
    let began = world.now;
    world.deafen(1, seconds(200));
    world.pass(seconds(199));
    let leaves: Vec<_> = world.nodes[1].leaves.iter().map(|at| (*at - began).as_secs()).collect();
    assert!(leaves.len() >= 3 && leaves[0] <= PATIENCE.hold.as_secs() + 2, "{leaves:?}");
    for (pause, two) in [2, 4].iter().zip(leaves.windows(2)) {
        let wanted = pause * PATIENCE.hold.as_secs();
        assert!((wanted..wanted + 2).contains(&(two[1] - two[0])), "{leaves:?}");
    }
    assert!(world.nodes[0].leaves.is_empty(), "the others stay");
    world.heal();
    world.check();
}

#[test]
fn a_server_that_answers_for_the_leader_is_not_left() {
    let mut world = World::new(39);
    world.nodes[1].hears_the_leader = true;
    world.deafen(1, seconds(100));
    world.pass(seconds(99));
    assert_eq!(world.nodes[1].order.readiness(world.now), Readiness::Unavailable);
    assert!(world.nodes[1].leaves.is_empty());
    world.heal();
    world.check();
}

#[test]
fn a_stream_that_stays_shorter_is_told_to_the_operator() {
    let mut world = World::new(38);
    world.load = 0;
    world.pass(seconds(5));
    world.records.truncate(world.records.len() - 5);
    world.cut(0, seconds(1));
    world.pass(seconds(4));
    let told = |world: &World| world.nodes[0].order.shorter.map(|(_, is_told)| is_told);
    assert_eq!(told(&world), Some(false), "a leader may catch up");
    world.pass(seconds(4));
    assert_eq!(told(&world), Some(true));
}
