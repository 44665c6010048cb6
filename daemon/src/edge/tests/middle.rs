//! Tests of slow work in the middle of its slices: no user sees two states of it, and none costs a turn more than a
//! slice.

use super::access::name;
use super::slices::{enters, is_kept, rooms};
use super::world::World;
use tcp_chat_protocol::request::Place;
use tcp_chat_protocol::{Action, ErrorKind};
use tcp_chat_state::{UserCommand, steps};

const JOINS: &str = r#"{"op":"JOIN","data":{"room":"room0"}}"#;

fn removes_room0(world: &mut World) {
    world.acts(Action::RemoveRoom(Place(Some(name("room0"))))).unwrap();
}

#[test]
fn the_name_of_a_removed_room_is_free_when_its_last_member_is_out() {
    let (mut world, cy) = rooms(2, 2, 1);
    let by = world.resumes("by0", None);
    world.skips(&[by, cy[0]]);
    world.sweeps = false;
    removes_room0(&mut world);
    for (line, answer) in [
        (JOINS, "ERROR_MSG NO_SUCH_ROOM"),
        (r#"{"op":"JOIN","data":{"room":"r\u043eom0"}}"#, "ERROR_MSG NO_SUCH_ROOM"),
        (r#"{"op":"MSG","data":{"room":"room0","msg":"a"}}"#, "ERROR_MSG NO_SUCH_ROOM"),
    ] {
        world.sends(by, line);
        assert_eq!(world.hears(by), [answer], "{line}");
    }
    let new = world.connect();
    world.sends(new, &enters(1, "new", ""));
    assert_eq!(world.hears(new), ["ERROR_MSG NO_SUCH_ROOM"]);
    let private = world.operates(r#"{"op":"ROOM","data":{"room":"room0","private":true}}"#);
    assert_eq!(private, Err(ErrorKind::NoSuchRoom));
    let again = world.resumes("cy0", None);
    assert_eq!(world.hears(again), ["LOGIN cy room0,room1 head 0"]);
    world.sweeps = true;
    world.turn();
    assert_eq!(world.hears(by), ["NOTICE REMOVED room0"]);
    assert_eq!(world.hears(again), ["NOTICE REMOVED room0"]);
    world.sends(by, JOINS);
    assert_eq!(world.hears(by), ["JOIN room0 head 0 [by0 here] of 1"]);
    is_kept(&world);
}

#[test]
fn a_room_that_is_being_removed_cannot_be_read() {
    let (mut world, _) = rooms(2, 2, 0);
    let by = world.resumes("by0", None);
    world.sends(by, r#"{"op":"MSG","data":{"room":"room0","msg":"old"}}"#);
    world.sends(by, r#"{"op":"MSG","data":{"room":"room1","msg":"kept"}}"#);
    world.skips(&[by]);
    world.sweeps = false;
    removes_room0(&mut world);
    world.sends(by, r#"{"op":"SEARCH","data":{"query":"old"}}"#);
    let found = world.hears(by).concat();
    assert_eq!(found.matches("ConversationId(").count(), 1, "{found}");
    let other = world.resumes("by1", Some(0));
    assert_eq!(world.hears(other), ["LOGIN by1 room0,room1 head 2", "MSG 2<0 room1 by0: kept"]);
}

#[test]
fn a_restart_in_the_middle_of_a_removal_finds_one_room_of_that_name() {
    let (mut world, _) = rooms(2, 2, 0);
    let by = world.resumes("by0", None);
    world.sends(by, r#"{"op":"MSG","data":{"room":"room0","msg":"old"}}"#);
    world.sweeps = false;
    removes_room0(&mut world);
    world.works(1);
    world.skips(&[by]);
    world.sends(by, JOINS);
    assert_eq!(world.hears(by), ["ERROR_MSG NO_SUCH_ROOM"]);
    world.sweeps = true;
    world.restarts();
    let by = world.resumes("by0", None);
    world.skips(&[by]);
    world.sends(by, JOINS);
    assert_eq!(world.hears(by), ["JOIN room0 head 0 [by0 here] of 1"], "the old one is gone");
    world.sends(by, r#"{"op":"ROOMS"}"#);
    assert_eq!(world.hears(by), ["ROOMS lobby(0,0) room1(2,0) room0(1,0)"]);
    is_kept(&world);
}

#[test]
fn the_name_of_a_hidden_room_does_not_show_that_it_is_being_removed() {
    let (mut world, cy) = rooms(2, 2, 1);
    world.operates(r#"{"op":"GRANT","data":{"user":"cy","role":"member","room":"room0"}}"#).unwrap();
    world.operates(r#"{"op":"ROOM","data":{"room":"room0","private":true}}"#).unwrap();
    let by = world.resumes("by0", None);
    world.skips(&[by, cy[0]]);
    world.sends(by, JOINS);
    let before = world.lines(by);
    world.sweeps = false;
    removes_room0(&mut world);
    world.sends(by, JOINS);
    assert_eq!(world.lines(by), before);
}

#[test]
fn a_session_that_has_ended_is_not_counted() {
    let (mut world, cy) = rooms(3, 2, 2);
    let by = world.resumes("by0", None);
    world.slice.rooms = 0;
    world.sweeps = false;
    world.sends(cy[0], r#"{"op":"QUIT"}"#);
    world.skips(&[by]);
    world.sends(by, r#"{"op":"WHO","data":{"room":"room2"}}"#);
    assert_eq!(world.hears(by), ["WHO room2 [by0 here, by1 here, cy here] of 3"], "by another session");
    world.sends(cy[1], r#"{"op":"QUIT"}"#);
    for (line, answer) in [
        (r#"{"op":"WHO","data":{"room":"room2"}}"#, "WHO room2 [by0 here, by1 here] of 2"),
        (r#"{"op":"JOIN","data":{"room":"room2"}}"#, "JOIN room2 head 0 [by0 here, by1 here] of 2"),
        (r#"{"op":"ROOMS"}"#, "ROOMS lobby(0,0) room0(2,0) room1(2,0) room2(2,0)"),
    ] {
        world.sends(by, line);
        assert_eq!(world.hears(by), [answer]);
    }
    world.works(3);
    world.skips(&[by]);
    world.sends(by, r#"{"op":"ROOMS"}"#);
    assert_eq!(world.hears(by), ["ROOMS lobby(0,0) room0(2,0) room1(2,0) room2(2,0)"]);
}

#[test]
fn a_name_stays_taken_while_its_ended_session_leaves_many_rooms() {
    let of = |n| {
        let (mut world, _) = rooms(n, 3, 16);
        world.sweeps = false;
        world.grants(UserCommand::Remove(name("cy")));
        let who = world.connect();
        let before = steps::so_far();
        world.sends(who, r#"{"op":"LOGIN","data":{"name":"cy","rooms":["lobby"]}}"#);
        let cost = steps::so_far() - before;
        assert_eq!(world.hears(who), ["ERROR_MSG NAME_TAKEN"]);
        world.sweeps = true;
        world.turn();
        world.sends(who, r#"{"op":"LOGIN","data":{"name":"cy","rooms":["lobby"]}}"#);
        assert_eq!(world.hears(who), ["LOGIN cy lobby head 0"]);
        is_kept(&world);
        cost
    };
    let (small, large) = (of(40), of(400));
    assert!(large <= small + 100, "{small} steps, then {large}");
}

/// The announced presence, and its amount in a turn, belong to the process; the amount of slow work is part of the
/// turn.
#[test]
fn presence_that_is_not_announced_delays_no_slow_work() {
    let facts = |copies: usize| {
        let (mut world, cy) = rooms(8, 1, 1);
        let by = world.resumes("by0", None);
        world.skips(&[by]);
        world.sweeps = false;
        (world.slice.rooms, world.slice.copies) = (0, copies);
        world.sends(cy[0], r#"{"op":"QUIT"}"#);
        world.works(5);
        (world.state.facts(), world.hears(by).len())
    };
    let (few, many) = (facts(1), facts(100));
    assert_eq!(
        (few.1, many.1),
        (1, 5),
        "a step leaves a room, and a process tells as much as it has time for"
    );
    assert_eq!(few.0, many.0);
}
