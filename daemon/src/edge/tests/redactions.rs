//! REDACT: who may, what is refused and how, and what everyone hears and reads afterwards.

use super::*;
use tcp_chat_protocol::Action;
use tcp_chat_protocol::request::{Conversation, Place, Redact};

/// `op`, who is a registered owner of the server, `ana` and `bo`, who are nobody in particular.
fn three() -> (World, [ConnectionId; 3]) {
    let mut world = World::new(|_| {});
    world.registers("op");
    world.operates(r#"{"op":"GRANT","data":{"user":"op","role":"owner"}}"#).unwrap();
    let all = [world.logs_in("op", "op"), world.login("ana"), world.login("bo")];
    world.skips(&all);
    (world, all)
}

fn redact(seq: Seq) -> String {
    format!(r#"{{"op":"REDACT","data":{{"room":"lobby","seq":{seq},"reason":"oops"}},"id":1}}"#)
}

#[test]
fn an_author_takes_back_a_message_and_all_hear_of_it_once() {
    let (mut world, [_, ana, bo]) = three();
    world.sends(ana, r#"{"op":"MSG","data":"hunter2","id":"m"}"#);
    world.skips(&[ana, bo]);
    world.sends(ana, &redact(1));
    assert_eq!(world.hears(ana), ["REDACTED lobby 1 by ana: oops", "REDACT#1"]);
    assert_eq!(world.hears(bo), ["REDACTED lobby 1 by ana: oops"]);
    // Once more: nothing changes, and nobody hears of it; not by another actor either.
    world.sends(ana, &redact(1));
    world.operates(&redact(1)).unwrap();
    assert_eq!((world.hears(ana), world.hears(bo).len()), (vec!["REDACT#1".to_owned()], 0));
    assert_eq!(world.disk.audit.iter().filter(|line| &*line.did == "redact").count(), 1);
    // The same message again is that message, as it is now.
    world.sends(ana, r#"{"op":"MSG","data":"hunter2","id":"m"}"#);
    assert_eq!(world.hears(ana), ["MSG#m 1<0 lobby ana: (redacted by ana)"]);
    world.sends(ana, r#"{"op":"MSG","data":"next"}"#);
    assert_eq!(world.hears(ana), ["MSG 2<1 lobby ana: next"]);
    world.loses(bo);
    let bo = world.resumes("bo", Some(0));
    assert_eq!(world.hears(bo)[1..], ["MSG 1<0 lobby ana: (redacted by ana)", "MSG 2<1 lobby ana: next"]);
}

#[test]
fn a_name_alone_is_no_author() {
    let (mut world, [op, ana, bo]) = three();
    world.sends(ana, r#"{"op":"MSG","data":"mine"}"#);
    world.skips(&[op, ana, bo]);
    world.sends(bo, &redact(1));
    assert_eq!(world.hears(bo), ["ERROR_MSG#1 FORBIDDEN"]);
    // The next session of that name is another user.
    world.sends(ana, r#"{"op":"QUIT"}"#);
    let ana = world.login("ana");
    world.skips(&[op, ana, bo]);
    world.sends(ana, &redact(1));
    assert_eq!(world.hears(ana), ["ERROR_MSG#1 FORBIDDEN"]);
    // Any session of a registered user is its author.
    world.sends(op, r#"{"op":"MSG","data":"ours"}"#);
    world.operates(r#"{"op":"GRANT","data":{"user":"op","role":"member"}}"#).unwrap();
    let phone = world.logs_in("phone", "op");
    world.skips(&[op, phone]);
    world.sends(phone, &redact(1));
    assert_eq!(world.hears(phone), ["ERROR_MSG#1 FORBIDDEN"], "no moderator any more");
    world.sends(phone, &redact(2));
    assert_eq!(world.hears(phone), ["REDACTED lobby 2 by op: oops", "REDACT#1"]);
}

#[test]
fn the_time_of_authors_ends_and_that_of_moderators_does_not() {
    let (mut world, [op, ana, bo]) = three();
    world.sends(ana, r#"{"op":"MSG","data":"1"}"#);
    world.sends(ana, r#"{"op":"MSG","data":"2"}"#);
    let limit = world.rules.redact_ms;
    assert_eq!(limit, 15 * 60 * 1000);
    world.passes(limit);
    world.skips(&[op, ana, bo]);
    world.sends(ana, &redact(1));
    assert_eq!(world.hears(ana), ["REDACTED lobby 1 by ana: oops", "REDACT#1"], "at the last moment");
    world.passes(1);
    world.sends(ana, &redact(2));
    assert_eq!(world.hears(ana), ["ERROR_MSG#1 FORBIDDEN"]);
    world.sends(op, &redact(2));
    assert_eq!(
        world.hears(op),
        ["REDACTED lobby 1 by ana: oops", "REDACTED lobby 2 by op: oops", "REDACT#1"]
    );

    let mut world = World::new(|rules| rules.redact_ms = 0);
    let ana = world.login("ana");
    world.sends(ana, r#"{"op":"MSG","data":"1"}"#);
    world.skips(&[ana]);
    world.sends(ana, &redact(1));
    assert_eq!(world.hears(ana), ["ERROR_MSG#1 FORBIDDEN"], "never");
    assert_eq!(world.operates(&redact(1)).unwrap().seq, Some(1));
    assert_eq!(world.hears(ana), ["REDACTED lobby 1 by an operator: oops"]);
}

#[test]
fn what_is_no_message_of_that_conversation_is_refused_alike() {
    let (mut world, [op, ana, bo]) = three();
    world.sends(ana, r#"{"op":"JOIN","data":{"room":"ops"}}"#);
    world.sends(ana, r#"{"op":"MSG","data":{"room":"ops","msg":"1"}}"#);
    world.sends(ana, r#"{"op":"MSG","data":{"to":"bo","msg":"2"}}"#);
    world.sends(ana, r#"{"op":"MSG","data":"3"}"#);
    world.skips(&[op, ana, bo]);
    for seq in [0, 1, 2, 4, u64::MAX] {
        for who in [op, ana] {
            world.sends(who, &redact(seq));
            assert_eq!(world.hears(who), ["ERROR_MSG#1 DATA"], "{seq}");
        }
        assert_eq!(world.operates(&redact(seq)), Err(ErrorKind::Data));
    }
    // Retention took it.
    world.forgets_all();
    world.sends(ana, &redact(3));
    assert_eq!(world.hears(ana), ["ERROR_MSG#1 DATA"]);
    for (line, heard) in [
        (r#"{"op":"REDACT","data":{"room":"ops","seq":1}}"#, "ERROR_MSG NOT_A_MEMBER"),
        (r#"{"op":"REDACT","data":{"room":"dev","seq":1}}"#, "ERROR_MSG NO_SUCH_ROOM"),
        (r#"{"op":"REDACT","data":{"with":"nobody","seq":1}}"#, "ERROR_MSG NO_SUCH_USER"),
        (r#"{"op":"REDACT","data":{"with":"op","seq":1}}"#, "ERROR_MSG DATA"),
    ] {
        world.sends(bo, line);
        assert_eq!(world.hears(bo), [heard], "{line}");
    }
}

#[test]
fn direct_messages_are_their_authors_alone() {
    let (mut world, [op, ana, bo]) = three();
    world.sends(ana, r#"{"op":"MSG","data":{"to":"bo","msg":"psst"}}"#);
    world.skips(&[op, ana, bo]);
    world.sends(bo, r#"{"op":"REDACT","data":{"with":"ana","seq":1}}"#);
    assert_eq!(world.hears(bo), ["ERROR_MSG FORBIDDEN"]);
    world.sends(op, r#"{"op":"REDACT","data":{"with":"ana","seq":1}}"#);
    assert_eq!(world.hears(op), ["ERROR_MSG DATA"]);
    let of = Conversation::With(Place("ana".parse().ok()));
    let action = Action::Redact(Redact { of, seq: 1, reason: String::new() });
    assert_eq!(world.acts(action), Err(ErrorKind::Data), "operators name it by its number");
    world.sends(ana, r#"{"op":"REDACT","data":{"with":"BO","seq":1}}"#);
    assert_eq!(world.hears(ana), ["REDACTED ana @bo 1 by ana", "REDACT"]);
    assert_eq!(world.hears(bo), ["REDACTED ana @bo 1 by ana"]);
    assert!(world.hears(op).is_empty());
}

#[test]
fn an_operator_redacts_by_the_number_alone() {
    let (mut world, [op, ana, bo]) = three();
    world.sends(ana, r#"{"op":"MSG","data":{"to":"bo","msg":"psst"}}"#);
    world.sends(ana, r#"{"op":"MSG","data":"in the lobby"}"#);
    world.skips(&[op, ana, bo]);
    let number = |seq| Action::RedactNumber { seq, reason: "a password".to_owned() };
    let done = world.acts(number(1)).unwrap();
    assert_eq!((done.seq, done.room, done.with), (Some(1), None, None));
    assert_eq!(world.acts(number(2)).unwrap().room.as_deref(), Some("lobby"));
    assert_eq!(world.acts(number(3)), Err(ErrorKind::Data));
    let direct = "REDACTED ana @bo 1 by an operator: a password";
    let room = "REDACTED lobby 2 by an operator: a password";
    assert_eq!(world.hears(bo), [direct, room]);
    assert_eq!(world.hears(ana), [direct, room]);
    assert_eq!(world.hears(op), [room]);
    assert_eq!(world.acts(number(1)).unwrap().seq, Some(1), "it stays as it is");
    assert!(world.hears(bo).is_empty());
    let what: Vec<_> = world.disk.audit.iter().filter_map(|line| line.what.as_deref()).collect();
    assert_eq!(what[what.len() - 2..], ["direct message 1", "message 2"]);
}

#[test]
fn an_author_redacts_a_direct_message_after_the_other_user_has_gone() {
    let (mut world, [op, ana, bo]) = three();
    world.sends(ana, r#"{"op":"MSG","data":{"to":"bo","msg":"psst"}}"#);
    world.sends(bo, r#"{"op":"QUIT"}"#);
    world.skips(&[op, ana, bo]);
    // Another one has the name now: with that one there is no conversation.
    let other = world.login("bo");
    world.skips(&[op, ana, other]);
    world.sends(other, r#"{"op":"REDACT","data":{"with":"ana","seq":1}}"#);
    assert_eq!(world.hears(other), ["ERROR_MSG DATA"]);
    world.sends(ana, r#"{"op":"REDACT","data":{"with":"op","seq":1}}"#);
    assert_eq!(world.hears(ana), ["ERROR_MSG DATA"]);
    world.sends(ana, r#"{"op":"REDACT","data":{"with":"Bo","seq":1}}"#);
    assert_eq!(world.hears(ana), ["REDACTED ana @bo 1 by ana", "REDACT"]);
    assert!(world.hears(other).is_empty());
}

#[test]
fn two_redactions_in_one_turn_are_one() {
    let (mut world, [op, ana, bo]) = three();
    world.sends(ana, r#"{"op":"MSG","data":"1"}"#);
    world.skips(&[op, ana, bo]);
    world.in_one_turn(ana, &[&redact(1), r#"{"op":"MSG","data":"2"}"#, &redact(1)]);
    assert_eq!(
        world.hears(ana),
        ["REDACTED lobby 1 by ana: oops", "REDACT#1", "MSG 2<1 lobby ana: 2", "REDACT#1"]
    );
    assert_eq!(world.hears(bo), ["REDACTED lobby 1 by ana: oops", "MSG 2<1 lobby ana: 2"]);
}

/// Those that the store cannot keep are refused; one of the turn that failed waits with its event.
#[test]
fn a_full_disk_redacts_nothing_that_it_has_not_kept() {
    let (mut world, [op, ana, bo]) = three();
    world.sends(ana, r#"{"op":"MSG","data":"1"}"#);
    world.sends(ana, r#"{"op":"MSG","data":"2"}"#);
    world.skips(&[op, ana, bo]);
    world.disk_is_full = true;
    world.sends(ana, &redact(1));
    world.sends(ana, &redact(2));
    assert_eq!(world.hears(ana), ["ERROR_MSG#1 INTERNAL"]);
    assert_eq!(world.operates(&redact(2)), Err(ErrorKind::Internal));
    assert!(world.hears(bo).is_empty());
    world.disk_is_full = false;
    world.recovers();
    assert_eq!(world.hears(ana), ["REDACTED lobby 1 by ana: oops", "REDACT#1"]);
    assert_eq!(world.hears(bo), ["REDACTED lobby 1 by ana: oops"]);
}

#[test]
fn a_muted_author_takes_back_and_one_who_left_does_not() {
    let (mut world, [op, ana, bo]) = three();
    world.sends(ana, r#"{"op":"MSG","data":"1"}"#);
    world.sends(ana, r#"{"op":"MSG","data":"2"}"#);
    world.operates(r#"{"op":"MUTE","data":{"user":"ana"}}"#).unwrap();
    world.skips(&[op, ana, bo]);
    world.sends(ana, &redact(1));
    assert_eq!(world.hears(ana), ["REDACTED lobby 1 by ana: oops", "REDACT#1"]);
    world.sends(ana, r#"{"op":"LEAVE","data":{"room":"lobby"}}"#);
    world.skips(&[ana]);
    world.sends(ana, &redact(2));
    assert_eq!(world.hears(ana), ["ERROR_MSG#1 NOT_A_MEMBER"]);
}
