//! Tests of slow work that a restart interrupts: the next process continues where the last one ended.

use super::slices::{is_restorable, rooms};
use super::world::World;
use tcp_chat_protocol::Against;
use tcp_chat_protocol::request::{Action, Place};
use tcp_chat_state::Parts as _;
use tcp_chat_state::{ConversationId, ConversationKind, State};

fn removes(world: &mut World, room: &str) {
    world.acts(Action::RemoveRoom(Place(Some(room.parse().unwrap())))).unwrap();
}

/// The hub has time for one step.
fn step(world: &mut World) {
    world.works(1);
    is_restorable(world);
}

fn goes_on(world: &mut World) {
    world.sweeps = true;
    world.turn();
    is_restorable(world);
    assert!(world.is_at_rest());
}

fn members(world: &World, room: &str) -> usize {
    world.memberships().into_keys().filter(|(_, other)| other == room).count()
}

/// The rooms of that name, including those that are being removed.
fn called(world: &World, room: &str) -> Vec<ConversationId> {
    let found = world.state.snapshot().conversations.into_iter();
    let is_it =
        |kind: &ConversationKind| matches!(kind, ConversationKind::Room(name) if name.as_str() == room);
    found.filter(|c| is_it(&c.kind)).map(|c| c.id).collect()
}

#[test]
fn the_removal_of_a_room_continues_after_a_restart() {
    let (mut world, _) = rooms(2, 3, 0);
    world.sweeps = false;
    removes(&mut world, "room0");
    step(&mut world);
    world.restarts();
    assert_eq!((members(&world, "room0"), members(&world, "room1")), (2, 3));
    let by = world.resumes("by0", None);
    world.skips(&[by]);
    let join = r#"{"op":"JOIN","data":{"room":"room0"}}"#;
    world.sends(by, join);
    assert_eq!(world.hears(by), ["ERROR_MSG NO_SUCH_ROOM"], "it is still being removed");
    let old = called(&world, "room0");
    goes_on(&mut world);
    assert!(called(&world, "room0").is_empty());
    world.sends(by, join);
    assert!(world.hears(by)[0].starts_with("JOIN room0 head 0"));
    assert_ne!(called(&world, "room0"), old);
}

#[test]
fn a_room_that_is_configured_during_its_removal_opens_after_it() {
    for restarts in [false, true] {
        let (mut world, _) = rooms(1, 2, 0);
        world.sweeps = false;
        removes(&mut world, "room0");
        world.rules.default_rooms = ["room0", "lobby"].map(|room| room.parse().unwrap()).to_vec();
        if restarts {
            world.restarts();
        } else {
            let rules = world.rules.clone();
            world.operator(|state| state.set_rules(rules));
        }
        let old = called(&world, "room0");
        assert_eq!(old.len(), 1, "there is no second one beside it");
        goes_on(&mut world);
        let new = called(&world, "room0");
        assert!(new.len() == 1 && new != old);
        assert_eq!(world.state.snapshot().default_rooms.last().unwrap().1, new[0]);
        let ana = world.login("ana");
        world.skips(&[ana]);
        world.sends(ana, r#"{"op":"MSG","data":"x"}"#);
        assert_eq!(world.hears(ana), ["MSG 1<0 room0 ana: x"]);
    }
}

#[test]
fn a_member_who_lost_a_right_before_a_restart_is_evicted_after_it_even_if_the_right_is_back() {
    let (mut world, _) = rooms(1, 2, 0);
    world.sweeps = false;
    for private in [true, false] {
        world.operates(&format!(r#"{{"op":"ROOM","data":{{"room":"room0","private":{private}}}}}"#)).unwrap();
    }
    world.restarts();
    let by = world.resumes("by0", Some(0));
    world.skips(&[by]);
    world.sends(by, r#"{"op":"MSG","data":{"room":"room0","msg":"x"}}"#);
    assert_eq!(world.hears(by), ["ERROR_MSG NOT_A_MEMBER"]);
    goes_on(&mut world);
    assert_eq!(world.hears(by), ["NOTICE REMOVED room0"]);
    assert_eq!(members(&world, "room0"), 0);
}

#[test]
fn a_session_that_ended_before_a_restart_leaves_its_rooms_after_it() {
    let (mut world, _) = rooms(4, 2, 0);
    let by = world.resumes("by0", None);
    world.slice.rooms = 0;
    world.sweeps = false;
    world.sends(by, r#"{"op":"QUIT"}"#);
    step(&mut world);
    world.restarts();
    is_restorable(&world);
    let by = world.resumes("by1", None);
    world.skips(&[by]);
    goes_on(&mut world);
    let told = world.hears(by);
    assert_eq!(told.iter().filter(|line| line.ends_with("by0 left")).count(), 3, "{told:?}");
}

#[test]
fn a_ban_of_addresses_ends_all_their_sessions_also_over_a_restart() {
    let mut world = World::new(|_| {});
    world.address = [192, 0, 2, 1].into();
    let [ana, _] = [world.login("ana"), world.login("bo")];
    let stranger = world.connect();
    world.turn();
    world.skips(&[ana]);
    world.sweeps = false;
    let whom = "192.0.2.0/24".parse().unwrap();
    world.acts(Action::Ban(Against { reason: "spam".into(), ..Against::new(whom) })).unwrap();
    assert_eq!(world.hears(stranger), ["(closed: kicked)"]);
    step(&mut world);
    assert_eq!(world.state.counts().sessions, 1);
    world.restarts();
    assert_eq!(world.state.counts().sessions, 1);
    goes_on(&mut world);
    assert_eq!(world.state.counts().sessions, 0);
}

#[test]
fn joins_of_an_old_store_without_join_numbers_get_unique_numbers() {
    let (world, _) = rooms(3, 1, 0);
    let mut found = world.disk.found();
    found.last_join = 0;
    assert!(State::restore(world.rules.clone(), found, world.now.wall).snapshot().last_join >= 3);
}
