//! Tests of the other users while many sessions leave many rooms, a slice in each turn: requests stay cheap, and other
//! slow work continues.

use super::access::name;
use super::slices::rooms;
use super::*;
use tcp_chat_protocol::request::{Action, Place};
use tcp_chat_state::Parts as _;
use tcp_chat_state::steps;

#[test]
fn queries_cost_no_more_while_many_sessions_leave_many_rooms() {
    let lookups = [
        r#"{"op":"ROOMS"}"#,
        r#"{"op":"JOIN","data":{"room":"room0"}}"#,
        r#"{"op":"WHO","data":{"room":"room0"}}"#,
    ];
    for line in lookups {
        let of = |sessions: usize| {
            let (mut world, cy) = rooms(100, 1, sessions);
            let by = world.resumes("by0", None);
            world.skips(&[by]);
            world.sweeps = false;
            cy.iter().for_each(|who| world.sends(*who, r#"{"op":"QUIT"}"#));
            let before = steps::so_far();
            world.sends(by, line);
            steps::so_far() - before
        };
        // 1,000 rooms to leave, and 20,000.
        let (small, large) = (of(10), of(200));
        assert!(large <= small + 1_200, "{line}: {small} steps, then {large}");
    }
}

#[test]
fn a_room_with_constant_joins_and_leaves_does_not_stop_the_sweeps() {
    let (mut world, cy) = rooms(2, 3, 1);
    let by = world.resumes("by0", None);
    world.skips(&[by]);
    world.sweeps = false;
    world.slice.copies = 1;
    world.acts(Action::RemoveRoom(Place(Some(name("room0"))))).unwrap();
    world.skips(&[by, cy[0]]);
    for n in 0..50 {
        let op = if n % 2 == 0 { "LEAVE" } else { "JOIN" };
        let command = world.command(&format!(r#"{{"op":"{op}","data":{{"room":"room1"}}}}"#));
        world.adds(cy[0], command);
        world.steps = Some(16);
        world.turn();
    }
    assert!(!world.state.is_removing());
}

/// The number of rooms of sessions that a turn of 256 steps writes into the store, beside so many other sweeps, and
/// the number of rooms that sessions have left in it.
fn told(others: usize) -> (usize, usize) {
    let (mut world, cy) = rooms(192, 1, 40);
    (world.slice.rooms, world.sweeps) = (0, false);
    cy.iter().for_each(|who| world.sends(*who, r#"{"op":"QUIT"}"#));
    let left =
        |world: &World| world.state.snapshot().ended_sessions.iter().map(|l| l.rooms.len()).sum::<usize>();
    let before = left(&world);
    world.state.begin(world.now.wall);
    for n in 0..others {
        world.state.push_sweep(Sweep::Directs(UserId(i64::try_from(n).unwrap()), None));
    }
    world.state.run_sweeps(256);
    let writes = world.state.end();
    let rooms = |c: &EndedSessionChange| if let EndedSessionChange::Put(l) = c { l.rooms.len() } else { 0 };
    (writes.ended_sessions.iter().map(rooms).sum(), before - left(&world))
}

#[test]
fn sessions_that_leave_many_rooms_cause_few_writes() {
    for others in [0, 1, 1_000] {
        let (told, gone) = told(others);
        assert!(gone >= 250, "beside {others} other sweeps only {gone} rooms were left");
        assert!(told <= 192, "beside {others} other sweeps {told} rooms were written");
    }
}

#[test]
fn the_removal_of_a_room_is_not_delayed_by_sessions_that_leave() {
    let (mut world, cy) = rooms(192, 1, 40);
    (world.slice.rooms, world.sweeps) = (0, false);
    cy.iter().for_each(|who| world.sends(*who, r#"{"op":"QUIT"}"#));
    world.acts(Action::RemoveRoom(Place(Some(name("room0"))))).unwrap();
    // A few steps for each of the 40 sessions, and not all of their rooms.
    world.works(600);
    assert!(!world.state.is_removing() && world.has_work());
}
