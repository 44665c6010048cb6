//! MARK: what moves a mark, which sessions hear of it, and where it is shown again.

use super::*;

/// `cy`, who is registered, at the desk and on the phone, and `bo`, whose name nobody owns.
fn three() -> (World, [ConnectionId; 3]) {
    let mut world = World::new(|_| {});
    world.registers("cy");
    let all = [world.logs_in("desk", "cy"), world.logs_in("phone", "cy"), world.login("bo")];
    for n in 1..=3 {
        world.sends(all[2], &format!(r#"{{"op":"MSG","data":"{n}"}}"#));
    }
    world.skips(&all);
    (world, all)
}

fn mark(place: &str, seq: Seq) -> String {
    format!(r#"{{"op":"MARK","data":{{{place},"seq":{seq}}},"id":1}}"#)
}

/// The marks in the reply to a LOGIN.
fn marks(world: &mut World, called: &str) -> serde_json::Value {
    let who = world.logs_in(called, "cy");
    let reply: serde_json::Value = serde_json::from_slice(&world.lines(who)[0]).unwrap();
    reply["data"]["marks"].clone()
}

#[test]
fn what_is_read_on_the_phone_is_read_at_the_desk() {
    let (mut world, [desk, phone, bo]) = three();
    world.sends(phone, &mark(r#""room":"LOBBY""#, 2));
    assert_eq!(world.hears(phone), ["MARK#1"], "not to the session itself");
    assert_eq!(world.hears(desk), ["MARK lobby 2"]);
    // Never back, and never twice.
    for seq in [1, 2] {
        world.sends(desk, &mark(r#""room":"lobby""#, seq));
        let reply: serde_json::Value = serde_json::from_slice(&world.lines(desk)[0]).unwrap();
        assert_eq!(reply["data"], serde_json::json!({"room": "lobby", "seq": 2}));
    }
    assert!(world.hears(phone).is_empty() && world.hears(bo).is_empty());
    // Never beyond the newest message.
    world.sends(desk, &mark(r#""room":"lobby""#, u64::MAX));
    assert_eq!(world.hears(phone), ["MARK lobby 3"]);
    world.sends(bo, r#"{"op":"MSG","data":{"to":"cy","msg":"psst"}}"#);
    world.skips(&[desk, phone, bo]);
    world.sends(desk, &mark(r#""with":"BO""#, 4));
    assert_eq!(world.hears(phone), ["MARK @bo 4"]);
    let both = serde_json::json!([{"with": "bo", "seq": 4}, {"room": "lobby", "seq": 3}]);
    assert_eq!(marks(&mut world, "tablet"), both);
    world.restarts();
    assert_eq!(marks(&mut world, "laptop"), both, "also after a restart");
}

#[test]
fn a_name_that_proves_nothing_has_no_marks() {
    let (mut world, [_, _, bo]) = three();
    world.sends(bo, &mark(r#""room":"lobby""#, 2));
    assert_eq!(world.hears(bo), ["ERROR_MSG#1 FORBIDDEN"]);
    let ana = world.login("ana");
    let reply: serde_json::Value = serde_json::from_slice(&world.lines(ana)[0]).unwrap();
    assert!(reply["data"].get("marks").is_none());
    let (mut world, _) = three();
    assert_eq!(marks(&mut world, "tablet"), serde_json::json!([]));
}

#[test]
fn a_mark_outlives_the_membership_and_not_the_room() {
    let (mut world, [desk, phone, _]) = three();
    world.sends(desk, r#"{"op":"JOIN","data":{"room":"ops"}}"#);
    world.sends(desk, r#"{"op":"MSG","data":{"room":"ops","msg":"x"}}"#);
    world.sends(desk, &mark(r#""room":"ops""#, 4));
    world.skips(&[desk, phone]);
    world.sends(phone, &mark(r#""room":"ops""#, 4));
    assert_eq!(world.hears(phone), ["ERROR_MSG#1 NOT_A_MEMBER"]);
    assert_eq!(marks(&mut world, "tablet"), serde_json::json!([]), "this session is not in the room");
    world.sends(phone, r#"{"op":"JOIN","data":{"room":"ops"}}"#);
    assert_eq!(world.hears(phone), ["JOIN ops head 4 [cy here owner] of 1 read 4"]);
    world.operates(r#"{"op":"GRANT","data":{"user":"cy","role":"none","room":"ops"}}"#).unwrap();
    world.sends(desk, r#"{"op":"LEAVE","data":{"room":"ops"}}"#);
    world.sends(phone, r#"{"op":"LEAVE","data":{"room":"ops"}}"#);
    world.forgets_all();
    world.skips(&[desk, phone]);
    world.sends(phone, r#"{"op":"JOIN","data":{"room":"ops"}}"#);
    assert_eq!(world.hears(phone), ["JOIN ops head 0 [cy here owner] of 1"], "it is another room");
    assert!(world.disk.found().marks.is_empty());
    for (place, heard) in [
        (r#""room":"ops""#, "MARK#1"),
        (r#""with":"cy""#, "MARK#1"),
        (r#""with":"nobody""#, "ERROR_MSG#1 NO_SUCH_USER"),
        (r#""room":"dev""#, "ERROR_MSG#1 NO_SUCH_ROOM"),
    ] {
        world.sends(phone, &mark(place, 4));
        assert_eq!(world.hears(phone), [heard], "{place}: nothing was said there");
    }
    assert!(world.disk.found().marks.is_empty());
}

#[test]
fn a_user_who_is_removed_leaves_no_marks() {
    let (mut world, [desk, ..]) = three();
    world.sends(desk, &mark(r#""room":"lobby""#, 3));
    assert_eq!(world.disk.found().marks.len(), 1);
    world.grants(UserCommand::Remove("cy".parse().unwrap()));
    assert!(world.disk.found().marks.is_empty());
}

#[test]
fn a_user_has_a_bounded_number_of_marks() {
    let mut world = World::new(|rules| {
        rules.rooms_per_session = 0;
        rules.rooms_per_network = 0;
        rules.rate.per_second = 0;
    });
    world.registers("cy");
    let cy = world.logs_in("desk", "cy");
    for n in 1..=1_001 {
        let room = format!("r{n}");
        world.sends(cy, &format!(r#"{{"op":"JOIN","data":{{"room":"{room}"}}}}"#));
        world.sends(cy, &format!(r#"{{"op":"MSG","data":{{"room":"{room}","msg":"x"}}}}"#));
        world.sends(cy, &mark(&format!(r#""room":"{room}""#), n));
    }
    let seqs: Vec<_> = world.disk.found().marks.iter().map(|mark| mark.seq).collect();
    assert_eq!((seqs.len(), seqs.iter().min()), (1_000, Some(&2)), "that of the oldest message went");
    let shown = marks(&mut world, "phone");
    assert_eq!(shown, serde_json::json!([]), "of the rooms of the session");
}

#[test]
fn a_full_disk_keeps_no_mark() {
    let (mut world, [desk, phone, _]) = three();
    world.disk_is_full = true;
    world.sends(desk, &mark(r#""room":"lobby""#, 1));
    world.sends(desk, &mark(r#""room":"lobby""#, 2));
    assert_eq!(world.hears(desk), ["ERROR_MSG#1 INTERNAL"]);
    world.disk_is_full = false;
    world.recovers();
    assert_eq!(world.hears(desk), ["MARK#1"]);
    assert_eq!(world.hears(phone), ["MARK lobby 1"]);
}
