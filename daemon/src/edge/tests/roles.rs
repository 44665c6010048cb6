//! Tests of roles, mutes and bans of registered users: the same for all sessions, by certificate, and after the name
//! is given up.

use super::order::room_with;
use super::world::World;
use super::*;
use tcp_chat_protocol::{Action, Against};

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

/// `cy`, registered, with two sessions in the lobby, and `bo`, who observes.
fn cy_twice() -> (World, [ConnectionId; 3]) {
    let mut world = World::new(|_| {});
    world.registers("cy");
    let all = [world.logs_in("desk", "cy"), world.logs_in("phone", "cy"), world.login("bo")];
    world.skips(&all);
    (world, all)
}

#[test]
fn all_sessions_of_a_user_leave_a_room_and_others_see_one_user_go() {
    for line in [
        r#"{"op":"KICK","data":{"user":"CY","room":"lobby"}}"#,
        r#"{"op":"BAN","data":{"user":"cy","room":"lobby"}}"#,
    ] {
        let (mut world, [desk, phone, bo]) = cy_twice();
        world.operates(line).unwrap();
        assert_eq!(world.hears(desk), ["NOTICE REMOVED lobby"], "{line}");
        assert_eq!(world.hears(phone), ["NOTICE REMOVED lobby"], "{line}");
        assert_eq!(world.hears(bo), ["PRESENCE lobby cy left"], "{line}");
        world.sends(bo, r#"{"op":"MSG","data":"among us"}"#);
        assert!(world.hears(desk).is_empty() && world.hears(phone).is_empty(), "{line}");
    }
}

#[test]
fn a_room_that_becomes_private_evicts_all_sessions_without_a_right() {
    let (mut world, [desk, phone, bo]) = cy_twice();
    world.operates(r#"{"op":"GRANT","data":{"user":"cy","role":"member","room":"lobby"}}"#).unwrap();
    world.operates(r#"{"op":"ROOM","data":{"room":"lobby","private":true}}"#).unwrap();
    assert_eq!(world.hears(bo), ["NOTICE REMOVED lobby"], "who proves nothing goes");
    assert_eq!(world.hears(desk), ["PRESENCE lobby bo left"]);
    assert_eq!(world.hears(phone), ["PRESENCE lobby bo left"]);
    world.restarts();
    let desk = world.resumes("desk", None);
    world.sends(desk, r#"{"op":"MSG","data":"still a member"}"#);
    assert!(world.hears(desk)[1].starts_with("MSG "), "a restart keeps who is proven");
    world.operates(r#"{"op":"GRANT","data":{"user":"cy","role":"none","room":"lobby"}}"#).unwrap();
    assert_eq!(world.hears(desk), ["NOTICE REMOVED lobby"]);
    let phone = world.resumes("phone", Some(0));
    assert_eq!(world.hears(phone), ["LOGIN cy  head 1"], "nothing of the room, not even what was said");
}

#[test]
fn the_grants_of_a_user_are_removed_with_the_user() {
    let (mut world, [desk, ..]) = cy_twice();
    world.operates(r#"{"op":"GRANT","data":{"user":"cy","role":"owner"}}"#).unwrap();
    world.sends(desk, r#"{"op":"JOIN","data":{"room":"hers"}}"#);
    assert_eq!(world.sees(Listing::Grants).len(), 2);
    world.grants(UserCommand::Remove(name("CY")));
    assert!(world.sees(Listing::Grants).is_empty());
    assert!(world.disk.found().permissions.grants.is_empty(), "nor after a restart");
    world.registers("cy");
    let another = world.logs_in("another", "cy");
    world.skips(&[another]);
    world.sends(another, r#"{"op":"KICK","data":{"user":"bo"}}"#);
    assert_eq!(world.hears(another), ["ERROR_MSG FORBIDDEN"]);
}

#[test]
fn a_banned_certificate_ends_its_sessions_and_is_refused_until_the_ban_ends() {
    let (mut world, [desk, phone, bo]) = cy_twice();
    let banned = world.certificate_of(&name("cy"));
    let shown = |world: &mut World| {
        world.shows = Some(banned.clone());
        world.login("cy")
    };
    let by_certificate = shown(&mut world);
    world.skips(&[desk, phone, by_certificate, bo]);
    let whom = format!("certificate:{}", banned.key).parse().unwrap();
    let ban = Against { for_s: Some(60), reason: "stolen".into(), ..Against::new(whom) };
    world.acts(Action::Ban(ban)).unwrap();
    for session in [desk, phone, by_certificate] {
        assert_eq!(world.hears(session).last().unwrap(), "(closed: kicked)");
    }
    assert_eq!(world.hears(bo), ["PRESENCE lobby cy left"]);
    world.restarts();
    let again = shown(&mut world);
    assert!(world.hears(again)[0].starts_with("ERROR_MSG FORBIDDEN until "));
    // The password is still valid; a token does not help the certificate.
    let with_password = world.logs_in("pass", "cy");
    assert_eq!(world.hears(with_password), ["LOGIN cy lobby head 0"]);
    world.loses(with_password);
    world.shows = Some(banned.clone());
    let resumed = world.resumes("pass", None);
    assert!(world.hears(resumed)[0].starts_with("ERROR_MSG FORBIDDEN until "));
    world.passes(60_000);
    let over = shown(&mut world);
    assert_eq!(world.hears(over), ["LOGIN cy lobby head 0"]);
}

#[test]
fn a_read_only_user_of_the_server_cannot_write_or_open_rooms() {
    let (mut world, [desk, _, bo]) = cy_twice();
    world.operates(r#"{"op":"GRANT","data":{"user":"cy","role":"read-only"}}"#).unwrap();
    world.skips(&[desk, bo]);
    for line in [
        r#"{"op":"MSG","data":{"to":"bo","msg":"x"}}"#,
        r#"{"op":"MSG","data":{"to":"cy","msg":"x"}}"#,
        r#"{"op":"MSG","data":"x"}"#,
    ] {
        world.sends(desk, line);
        assert_eq!(world.hears(desk), ["ERROR_MSG FORBIDDEN"], "{line}");
    }
    world.sends(desk, r#"{"op":"JOIN","data":{"room":"hers"}}"#);
    assert_eq!(world.hears(desk), ["ERROR_MSG NO_SUCH_ROOM"]);
    let another = world.connect();
    world.sends(another, r#"{"op":"LOGIN","data":{"name":"cy","password":"pw","rooms":["hers"]}}"#);
    assert_eq!(world.hears(another), ["ERROR_MSG NO_SUCH_ROOM"]);
    assert!(world.hears(bo).is_empty());
    // It can read the rooms, and use more where it has more grants.
    world.sends(bo, r#"{"op":"JOIN","data":{"room":"ops"}}"#);
    world.operates(r#"{"op":"GRANT","data":{"user":"cy","role":"member","room":"ops"}}"#).unwrap();
    world.sends(desk, r#"{"op":"JOIN","data":{"room":"ops"}}"#);
    world.skips(&[desk]);
    world.sends(desk, r#"{"op":"MSG","data":{"room":"ops","msg":"x"}}"#);
    assert_eq!(world.hears(desk), ["MSG 1<0 ops cy: x"]);
}

#[test]
fn a_read_only_user_of_the_server_is_read_only_in_its_own_rooms() {
    let (mut world, [desk, _, bo]) = cy_twice();
    world.sends(desk, r#"{"op":"JOIN","data":{"room":"hers"}}"#);
    world.sends(bo, r#"{"op":"JOIN","data":{"room":"hers"}}"#);
    // The grant of a friend does not lift it.
    world.registers("al");
    let al = world.logs_in("al's", "al");
    world.sends(al, r#"{"op":"JOIN","data":{"room":"his"}}"#);
    world.sends(al, r#"{"op":"GRANT","data":{"user":"cy","role":"moderator","room":"his"}}"#);
    assert_eq!(world.hears(al).last().unwrap(), "GRANT");
    world.sends(desk, r#"{"op":"JOIN","data":{"room":"his"}}"#);
    world.operates(r#"{"op":"GRANT","data":{"user":"cy","role":"read-only"}}"#).unwrap();
    for restarts in [false, true] {
        let desk = if restarts {
            world.restarts();
            world.resumes("desk", None)
        } else {
            desk
        };
        world.skips(&[desk, bo]);
        for line in [
            r#"{"op":"MSG","data":{"room":"hers","msg":"x"}}"#,
            r#"{"op":"MSG","data":{"room":"lobby","msg":"x"}}"#,
            r#"{"op":"MSG","data":{"to":"bo","msg":"x"}}"#,
            r#"{"op":"MSG","data":{"room":"his","msg":"x"}}"#,
            r#"{"op":"MUTE","data":{"user":"eve","room":"his"}}"#,
            r#"{"op":"ROOM","data":{"room":"hers","private":true}}"#,
            r#"{"op":"GRANT","data":{"user":"bo","role":"owner","room":"hers"}}"#,
            r#"{"op":"GRANT","data":{"user":"bo","role":"member","room":"hers"}}"#,
            r#"{"op":"GRANT","data":{"user":"cy","role":"none"}}"#,
            r#"{"op":"KICK","data":{"user":"bo","room":"hers"}}"#,
            r#"{"op":"MUTE","data":{"user":"bo","room":"hers"}}"#,
            r#"{"op":"BAN","data":{"user":"bo","room":"hers"}}"#,
        ] {
            world.sends(desk, line);
            assert_eq!(world.hears(desk), ["ERROR_MSG FORBIDDEN"], "{line}");
        }
        assert!(world.hears(bo).is_empty());
    }
    // The grants count again once the role on the server is removed.
    world.operates(r#"{"op":"GRANT","data":{"user":"cy","role":"none"}}"#).unwrap();
    let phone = world.resumes("phone", None);
    world.skips(&[phone]);
    world.sends(phone, r#"{"op":"ROOM","data":{"room":"hers","private":true}}"#);
    assert_eq!(world.hears(phone).last().unwrap(), "ROOM");
}

#[test]
fn a_restart_completes_the_evictions_of_a_room_that_became_private() {
    // `nob` may be in it only while it is public.
    let (mut world, _, _) = room_with("nob", false);
    world.sweeps = false;
    world.operates(r#"{"op":"ROOM","data":{"room":"ops","private":true}}"#).unwrap();
    world.sweeps = true;
    world.restarts();
    assert_eq!(
        world.memberships().into_keys().filter(|(_, room)| room == "ops").count(),
        1,
        "bo alone may be in it"
    );
    let (nob, bo) = (world.resumes("nob", None), world.resumes("bo", None));
    world.skips(&[nob, bo]);
    world.sends(bo, r#"{"op":"MSG","data":{"room":"ops","msg":"a secret"}}"#);
    assert!(world.hears(bo)[0].starts_with("MSG "));
    assert!(world.hears(nob).is_empty());
}

#[test]
fn an_empty_room_is_removed_with_its_last_grant() {
    for role in ["none", "owner"] {
        let mut world = World::new(|_| {});
        world.proven = vec!["op"];
        let op = world.login("op");
        world.sends(op, r#"{"op":"JOIN","data":{"room":"ops"}}"#);
        world.sends(op, r#"{"op":"GRANT","data":{"user":"bo","role":"member","room":"ops"}}"#);
        world.sends(op, r#"{"op":"LEAVE","data":{"room":"ops"}}"#);
        let rooms = |world: &World| world.state.counts().rooms;
        assert_eq!(rooms(&world), 2, "the grant is to outlive its members");
        let line = format!(r#"{{"op":"GRANT","data":{{"user":"bo","role":"{role}","room":"ops"}}}}"#);
        world.operates(&line).unwrap();
        assert_eq!(rooms(&world), 1, "{role}");
        world.restarts();
        assert_eq!(rooms(&world), 1, "{role}");
    }
}

#[test]
fn a_restart_changes_no_right_of_a_user_whose_author_was_promoted_since() {
    let mut world = World::new(|_| {});
    world.registers("x");
    world.registers("ro");
    let x = world.logs_in("x", "x");
    world.sends(x, r#"{"op":"JOIN","data":{"room":"den"}}"#);
    world.operates(r#"{"op":"GRANT","data":{"user":"ro","role":"read-only"}}"#).unwrap();
    world.sends(x, r#"{"op":"GRANT","data":{"user":"ro","role":"member","room":"den"}}"#);
    world.operates(r#"{"op":"GRANT","data":{"user":"x","role":"moderator"}}"#).unwrap();
    let says = |world: &mut World| {
        let ro = world.logs_in("ro", "ro");
        world.sends(ro, r#"{"op":"JOIN","data":{"room":"den"}}"#);
        world.skips(&[ro]);
        world.sends(ro, r#"{"op":"MSG","data":{"room":"den","msg":"x"}}"#);
        let heard = world.hears(ro);
        world.sends(ro, r#"{"op":"QUIT"}"#);
        heard
    };
    let before = says(&mut world);
    world.restarts();
    assert_eq!(before, says(&mut world));
}
