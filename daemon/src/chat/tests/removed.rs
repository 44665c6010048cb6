//! Certificates of removed users that nobody here had seen: issued before the removal they are refused, whoever has
//! the name by now.

use super::access::{certificate, name};
use super::world::World;
use super::*;

/// Shows a certificate that was issued at that moment, and logs in as `cy`. What the answer is.
fn shows(world: &mut World, key: u8, issued: u64) -> String {
    let who = world.connect();
    world.shows = Some(certificate(key, "CY"));
    world.issued = issued;
    world.sends(who, r#"{"op":"LOGIN","data":{"name":"cy"}}"#);
    let line = String::from_utf8(world.lines(who).pop_front().unwrap()).unwrap();
    world.loses(who);
    line
}

fn is_refused(line: &str) -> bool {
    line.contains("AUTH_FAILED") && line.contains("was removed from this server")
}

#[test]
fn a_certificate_from_before_the_removal_of_its_user_is_refused_for_good() {
    let mut world = World::new(|_| {});
    world.registers("cy");
    let before = world.now.wall;
    world.passes(60_000);
    world.grants(UserWish::Remove(name("cy")));
    assert!(is_refused(&shows(&mut world, 1, before)));
    assert!(world.chat.users().is_empty(), "nobody is registered by it");
    world.restarts();
    assert!(is_refused(&shows(&mut world, 1, before)), "a restart keeps it");
    // Somebody else has the name by now.
    world.registers("cy");
    assert!(is_refused(&shows(&mut world, 1, before)));
    let now = world.now.wall;
    assert!(is_refused(&shows(&mut world, 1, now)), "of the same second");
    world.passes(1_000);
    let now = world.now.wall;
    assert!(shows(&mut world, 2, now).contains(r#""status":"OK""#), "a newer one is good");
    // One that the operator issues here is known from then on, whatever stands in it.
    world.grants(UserWish::Issued(certificate(3, "cy")));
    assert!(shows(&mut world, 3, before).contains(r#""status":"OK""#));
}

#[test]
fn a_removal_that_was_not_kept_refuses_nothing() {
    let mut world = World::new(|_| {});
    world.registers("cy");
    let before = world.now.wall;
    world.passes(60_000);
    world.disk_is_full = true;
    world.operator(|chat| assert!(chat.grant(0, UserWish::Remove(name("cy"))).is_ok()));
    world.disk_is_full = false;
    world.recovers();
    assert!(shows(&mut world, 1, before).contains(r#""status":"OK""#));
    assert!(world.disk.found().removed.is_empty());
}

#[test]
fn names_of_removed_users_are_forgotten_after_years() {
    let mut world = World::new(|_| {});
    world.registers("cy");
    world.grants(UserWish::Remove(name("cy")));
    world.restarts();
    assert_eq!(world.disk.found().removed.len(), 1);
    world.now.wall += 11 * 366 * 24 * 3600 * 1000;
    world.restarts();
    assert!(world.disk.found().removed.is_empty());
}

#[test]
fn no_later_user_of_the_name_has_grants_that_were_taken_in_a_turn_that_was_not_kept() {
    for restarts in [false, true] {
        let mut world = World::new(|_| {});
        let ana = world.login("ana");
        world.registers("cy");
        world.operates(r#"{"op":"GRANT","data":{"user":"cy","role":"owner"}}"#).unwrap();
        world.operates(r#"{"op":"GRANT","data":{"user":"cy","role":"owner","room":"lobby"}}"#).unwrap();
        world.sweeps = false;
        world.grants(UserWish::Remove(name("cy")));
        world.disk_is_full = true;
        while world.has_work() {
            world.works(16);
        }
        world.disk_is_full = false;
        if restarts {
            // Before anything could be written again.
            let found = world.disk.found();
            world.chat = Chat::restore(world.rules.clone(), found.clone(), world.now);
            world.disk.replace(found);
        }
        world.recovers();
        world.sweeps = true;
        world.turn();
        assert!(world.chat.found().rights.grants.is_empty() && world.chat.found() == world.disk.found());
        world.restarts();
        world.registers("cy");
        let new = world.logs_in("cy", "cy");
        world.skips(&[ana, new]);
        world.sends(new, r#"{"op":"BAN","data":{"user":"ana"}}"#);
        assert_eq!(world.hears(new), ["ERROR_MSG FORBIDDEN"]);
    }
}

#[test]
fn a_removal_that_was_not_kept_revokes_nothing() {
    let mut world = World::new(|_| {});
    world.registers("cy");
    world.grants(UserWish::Issued(certificate(1, "cy")));
    world.grants(UserWish::Revoke(certificate(2, "cy")));
    let before = world.chat.found();
    world.disk_is_full = true;
    world.grants(UserWish::Remove(name("cy")));
    world.disk_is_full = false;
    world.recovers();
    assert!(world.chat.found() == before && world.disk.found() == before);
    let now = world.now.wall;
    assert!(shows(&mut world, 1, now).contains(r#""status":"OK""#));
    assert!(shows(&mut world, 2, now).contains("AUTH_FAILED"), "that was revoked before");
}

#[test]
fn a_removal_that_was_not_kept_takes_none_of_the_users_direct_messages() {
    let mut world = World::new(|_| {});
    world.registers("cy");
    world.registers("bo");
    let [cy, bo] = ["cy", "bo"].map(|n| world.logs_in(n, n));
    world.sends(cy, r#"{"op":"MSG","data":{"to":"bo","msg":"kept"}}"#);
    world.sends(cy, r#"{"op":"QUIT"}"#);
    world.sends(bo, r#"{"op":"QUIT"}"#);
    let directs = |world: &World| {
        let all = world.disk.found().conversations;
        all.iter().filter(|c| matches!(c.kind, ConversationKind::Direct(..))).count()
    };
    assert_eq!(directs(&world), 1);
    let before = world.chat.found();
    world.disk_is_full = true;
    world.grants(UserWish::Remove(name("cy")));
    world.disk_is_full = false;
    world.recovers();
    assert!(world.chat.users().by_name(&name("cy")).is_some(), "it was not removed");
    assert_eq!(directs(&world), 1);
    assert!(world.chat.found() == before);
    // And a removal that is kept takes them.
    world.grants(UserWish::Remove(name("cy")));
    world.grants(UserWish::Remove(name("bo")));
    assert_eq!(directs(&world), 0);
}

#[test]
fn nothing_is_granted_to_a_name_whose_user_is_still_being_removed() {
    let mut world = World::new(|_| {});
    world.registers("cy");
    world.operates(r#"{"op":"GRANT","data":{"user":"cy","role":"member","room":"lobby"}}"#).unwrap();
    world.sweeps = false;
    world.grants(UserWish::Remove(name("cy")));
    let grant = r#"{"op":"GRANT","data":{"user":"cy","role":"moderator"}}"#;
    assert_eq!(world.operates(grant).unwrap_err(), ErrorKind::NoSuchUser);
    world.sweeps = true;
    world.turn();
    world.operates(grant).unwrap();
    assert_eq!(world.chat.found().rights.grants.len(), 1);
}

#[test]
fn a_removal_that_was_not_kept_takes_no_direct_messages_with_a_user_who_leaves_in_the_same_turn() {
    let mut world = World::new(|_| {});
    ["cy", "dee"].iter().for_each(|user| world.registers(user));
    let [cy, dee] = ["cy", "dee"].map(|user| world.logs_in(user, user));
    world.sends(cy, r#"{"op":"MSG","data":{"to":"dee","msg":"x"}}"#);
    let before = world.disk.found().conversations;
    world.disk_is_full = true;
    world.edge_does(|edge, chat| {
        chat.grant(0, UserWish::Remove(name("cy"))).unwrap();
        edge.apply(chat, dee, Command::Ask(None, Ask::Quit), Past::Absent);
    });
    world.disk_is_full = false;
    world.recovers();
    assert_eq!(world.disk.found().conversations, before);
}
