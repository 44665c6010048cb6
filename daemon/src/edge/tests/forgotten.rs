//! Tests of conversations that retention has emptied: they are removed, and no others.

use super::world::World;
use super::*;

const JOIN: &str = r#"{"op":"JOIN","data":{"room":"ops"}}"#;
const SAY: &str = r#"{"op":"MSG","data":{"room":"ops","msg":"x"}}"#;
const LEAVE: &str = r#"{"op":"LEAVE","data":{"room":"ops"}}"#;

/// The rooms in the reply to ana's ROOMS.
fn rooms(world: &mut World, ana: ConnectionId) -> String {
    world.skips(&[ana]);
    world.sends(ana, r#"{"op":"ROOMS"}"#);
    world.hears(ana).remove(0)
}

#[test]
fn a_room_is_removed_with_its_last_message_and_its_last_member() {
    for leaves_first in [true, false] {
        let mut world = World::new(|rules| rules.rooms = 2);
        let ana = world.login("ana");
        world.in_one_turn(ana, &[JOIN, SAY]);
        if leaves_first {
            world.sends(ana, LEAVE);
            assert_eq!(rooms(&mut world, ana), "ROOMS lobby(1,0) ops(0,1)", "its message is there");
            world.forgets_all();
        } else {
            world.forgets_all();
            assert_eq!(rooms(&mut world, ana), "ROOMS lobby(1,0) ops(1,1)", "ana is there");
            world.sends(ana, LEAVE);
        }
        assert_eq!(rooms(&mut world, ana), "ROOMS lobby(1,0)");
        assert_eq!(world.disk.found(), world.state.snapshot());
        // Another room can be opened, also with this name.
        world.sends(ana, JOIN);
        world.skips(&[ana]);
        world.sends(ana, SAY);
        assert_eq!(world.hears(ana), ["MSG 2<0 ops ana: x"]);
    }
}

#[test]
fn a_room_with_members_is_kept_when_its_messages_are_removed() {
    let mut world = World::new(|_| {});
    let [ana, bo] = ["ana", "bo"].map(|name| world.login(name));
    world.in_one_turn(ana, &[JOIN, SAY]);
    world.sends(bo, JOIN);
    world.loses(bo);
    world.forgets_all();
    world.skips(&[ana]);
    world.sends(ana, SAY);
    assert_eq!(world.hears(ana), ["MSG 2<1 ops ana: x"], "the chain has no hole");
    // A newer message keeps the room, through a restart, and a resume delivers it.
    world.sends(ana, LEAVE);
    world.restarts();
    let bo = world.resumes("bo", Some(1));
    assert!(world.hears(bo).contains(&"MSG 2<1 ops ana: x".to_owned()));
}

#[test]
fn a_configured_room_and_a_room_with_permissions_are_kept() {
    let mut world = World::new(|_| {});
    let ana = world.login("ana");
    world.sends(ana, r#"{"op":"MSG","data":"x"}"#);
    world.in_one_turn(ana, &[JOIN, SAY]);
    assert!(world.operates(r#"{"op":"ROOM","data":{"room":"board","private":true}}"#).is_ok());
    let grant = r#"{"op":"GRANT","data":{"room":"ops","user":"mo","role":"moderator"}}"#;
    assert!(world.operates(grant).is_ok());
    world.sends(ana, r#"{"op":"QUIT"}"#);
    world.forgets_all();
    world.restarts();
    assert_eq!(world.state.counts().rooms, 3);
}

#[test]
fn a_start_removes_rooms_that_have_become_empty() {
    let mut world = World::new(|_| {});
    let ana = world.login("ana");
    world.in_one_turn(ana, &[JOIN, SAY, LEAVE]);
    // The process was killed before the state knew of it.
    world.disk.forget(2);
    world.restarts();
    assert_eq!(world.state.counts().rooms, 1);
    assert_eq!(world.disk.found(), world.state.snapshot(), "and has written so");
}

#[test]
fn a_room_with_a_held_message_is_kept() {
    let mut world = World::new(|_| {});
    let ana = world.login("ana");
    world.in_one_turn(ana, &[JOIN, SAY]);
    world.forgets_all();
    world.disk_is_full = true;
    world.sends(ana, SAY);
    world.sends(ana, LEAVE);
    assert_eq!(world.state.counts().rooms, 2);
    world.disk_is_full = false;
    world.recovers();
    assert_eq!(world.state.counts().rooms, 2);
}

#[test]
fn a_direct_conversation_with_an_ended_user_is_removed_with_its_last_message() {
    let mut world = World::new(|_| {});
    let [ana, bo, guest] = ["ana", "bo", "guest"].map(|name| world.login(name));
    for (from, to) in [(guest, "ana"), (bo, "ana")] {
        world.sends(from, &format!(r#"{{"op":"MSG","data":{{"to":"{to}","msg":"x"}}}}"#));
    }
    world.sends(guest, r#"{"op":"QUIT"}"#);
    let directs = |world: &World| {
        let found = world.state.snapshot().conversations;
        found.iter().filter(|c| matches!(c.kind, ConversationKind::Direct(..))).count()
    };
    assert_eq!(directs(&world), 2, "ana may not have read it");
    world.skips(&[ana]);
    world.forgets_all();
    assert_eq!(directs(&world), 1, "bo may write again");
    world.sends(bo, r#"{"op":"MSG","data":{"to":"ana","msg":"y"}}"#);
    assert_eq!(world.hears(ana), ["MSG 3<2 @ana bo: y"]);
    // In the other order: first the messages, then their authors.
    world.forgets_all();
    world.sends(bo, r#"{"op":"QUIT"}"#);
    assert_eq!(directs(&world), 0);
    assert_eq!(world.disk.found(), world.state.snapshot());
}

#[test]
fn a_start_stores_how_far_it_is_with_the_empty_conversations_and_goes_on() {
    let names: Vec<Name> = (0..300).map(|n| format!("room{n}").parse().unwrap()).collect();
    let mut world = World::new(|rules| rules.default_rooms.extend(names));
    world.rules.default_rooms.truncate(1);
    world.sweeps = false;
    for left in [300, 297, 294] {
        world.restarts();
        assert_eq!(world.state.counts().rooms, left + 1);
        world.works(3);
        assert_eq!(world.disk.found(), world.state.snapshot());
        let work = world.disk.found().work;
        assert_eq!(work.len(), 1, "a start does not add a second one: {work:?}");
        assert!(format!("{work:?}").len() < 100, "it is no list: {work:?}");
    }
    // One that is empty only for a later policy is behind that place.
    world.rules.default_rooms.push("room299".parse().unwrap());
    world.restarts();
    world.works(291);
    world.rules.default_rooms.pop();
    world.sweeps = true;
    world.restarts();
    assert_eq!((world.state.counts().rooms, world.is_at_rest()), (1, true));
    assert_eq!(world.disk.found(), world.state.snapshot());
}

#[test]
fn retention_reaches_no_message_that_is_still_to_come() {
    let mut world = World::new(|_| {});
    let ana = world.login("ana");
    world.in_one_turn(ana, &[JOIN, SAY]);
    world.operator(|state| state.retain(u64::MAX));
    assert_eq!(world.state.snapshot().oldest, 2);
    world.sends(ana, SAY);
    world.sends(ana, LEAVE);
    assert_eq!(rooms(&mut world, ana), "ROOMS lobby(1,0) ops(0,2)", "its message is there");
}
