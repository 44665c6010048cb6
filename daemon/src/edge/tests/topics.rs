//! ROOM with a topic: who may set it, what everyone hears, and where it is shown.

use super::*;

fn topic(room: &str, topic: &str) -> String {
    format!(r#"{{"op":"ROOM","data":{{"room":"{room}","topic":"{topic}"}},"id":1}}"#)
}

#[test]
fn a_topic_is_told_shown_kept_and_removed() {
    let mut world = World::new(|_| {});
    let [ana, bo] = [world.login("ana"), world.login("bo")];
    world.skips(&[ana, bo]);
    world.sends(ana, &topic("LOBBY", "On call: bo"));
    assert_eq!(world.hears(ana), ["ROOM lobby \"On call: bo\" by ana", "ROOM#1"]);
    assert_eq!(world.hears(bo), ["ROOM lobby \"On call: bo\" by ana"]);
    // The same again changes nothing.
    world.sends(bo, &topic("lobby", "On call: bo"));
    assert_eq!((world.hears(bo), world.hears(ana).len()), (vec!["ROOM#1".to_owned()], 0));
    let shown = |world: &mut World| {
        world.sends(bo, r#"{"op":"WHO","data":{"room":"lobby"}}"#);
        world.sends(bo, r#"{"op":"WHO"}"#);
        world.sends(bo, r#"{"op":"ROOMS"}"#);
        world.sends(bo, r#"{"op":"JOIN","data":{"room":"lobby"}}"#);
        world.hears(bo)
    };
    assert_eq!(
        shown(&mut world),
        [
            "WHO lobby [ana here, bo here] of 2 \"On call: bo\"",
            "WHO * [ana here, bo here] of 2",
            "ROOMS lobby(2,0,\"On call: bo\")",
            "JOIN lobby head 0 [ana here, bo here] of 2 \"On call: bo\"",
        ]
    );
    world.operates(&topic("lobby", "")).unwrap();
    assert_eq!(world.hears(ana), ["ROOM lobby \"\" by an operator"]);
    world.hears(bo);
    assert_eq!(shown(&mut world)[2], "ROOMS lobby(2,0)");
    let did: Vec<_> = world.disk.audit.iter().map(|line| (&*line.did, line.what.as_deref())).collect();
    assert_eq!(did, [("topic", Some("set")), ("topic", Some("removed"))]);
}

#[test]
fn where_there_is_a_moderator_members_set_no_topic() {
    let mut world = World::new(|_| {});
    world.registers("cy");
    let [cy, ana] = [world.logs_in("cy", "cy"), world.login("ana")];
    world.skips(&[cy, ana]);
    // The user who opens a room owns it.
    world.sends(cy, r#"{"op":"JOIN","data":{"room":"ops"}}"#);
    world.sends(ana, r#"{"op":"JOIN","data":{"room":"ops"}}"#);
    world.skips(&[cy, ana]);
    world.sends(ana, &topic("ops", "mine"));
    assert_eq!(world.hears(ana), ["ERROR_MSG#1 FORBIDDEN"]);
    world.sends(cy, &topic("ops", "yours"));
    assert_eq!(world.hears(ana), ["ROOM ops \"yours\" by cy"]);
    world.operates(r#"{"op":"MUTE","data":{"user":"ana","room":"lobby"}}"#).unwrap();
    world.sends(ana, &topic("lobby", "x"));
    assert_eq!(world.hears(ana), ["ERROR_MSG#1 FORBIDDEN"], "who may not write there");
    for (line, heard) in [
        (topic("dev", "x"), "ERROR_MSG#1 NO_SUCH_ROOM"),
        (topic("lobby", &"x".repeat(401)), "ERROR_MSG#1 DATA"),
    ] {
        world.sends(ana, &line);
        assert_eq!(world.hears(ana), [heard], "{line}");
    }
    world.sends(ana, r#"{"op":"LEAVE","data":{"room":"lobby"}}"#);
    world.skips(&[ana]);
    world.sends(ana, &topic("lobby", "x"));
    assert_eq!(world.hears(ana), ["ERROR_MSG#1 NOT_A_MEMBER"]);
}

#[test]
fn an_operator_can_leave_topics_to_moderators() {
    let mut world = World::new(|rules| rules.topic_by_members = false);
    let ana = world.login("ana");
    world.skips(&[ana]);
    world.sends(ana, &topic("lobby", "x"));
    assert_eq!(world.hears(ana), ["ERROR_MSG#1 FORBIDDEN"]);
}

#[test]
fn a_topic_ends_with_its_room() {
    let mut world = World::new(|_| {});
    let ana = world.login("ana");
    world.sends(ana, r#"{"op":"JOIN","data":{"room":"ops"}}"#);
    world.sends(ana, &topic("ops", "old"));
    world.sends(ana, r#"{"op":"LEAVE","data":{"room":"ops"}}"#);
    world.skips(&[ana]);
    world.sends(ana, r#"{"op":"JOIN","data":{"room":"ops"}}"#);
    assert_eq!(world.hears(ana), ["JOIN ops head 0 [ana here] of 1"]);
}
