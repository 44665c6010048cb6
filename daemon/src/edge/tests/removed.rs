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
    world.grants(UserCommand::Remove(name("cy")));
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
    world.grants(UserCommand::Issued(certificate(3, "cy")));
    assert!(shows(&mut world, 3, before).contains(r#""status":"OK""#));
}

#[test]
fn names_of_removed_users_are_forgotten_after_years() {
    let mut world = World::new(|_| {});
    world.registers("cy");
    world.grants(UserCommand::Remove(name("cy")));
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
        world.grants(UserCommand::Remove(name("cy")));
        world.disk_is_full = true;
        while world.has_work() {
            world.works(16);
        }
        world.disk_is_full = false;
        if restarts {
            // Before anything could be written again.
            world.is_killed();
        }
        world.recovers();
        world.sweeps = true;
        world.turn();
        assert!(
            world.chat.snapshot().rights.grants.is_empty() && world.chat.snapshot() == world.disk.found()
        );
        world.restarts();
        world.registers("cy");
        let new = world.logs_in("cy", "cy");
        world.skips(&[ana, new]);
        world.sends(new, r#"{"op":"BAN","data":{"user":"ana"}}"#);
        assert_eq!(world.hears(new), ["ERROR_MSG FORBIDDEN"]);
    }
}

/// A removed user, whom a removal takes grants, a certificate and direct messages.
#[test]
fn a_removal_that_waits_for_the_disk_stands_and_is_lost_whole_if_the_process_ends_before() {
    for is_killed in [true, false] {
        let mut world = World::new(|_| {});
        world.registers("cy");
        world.registers("bo");
        world.grants(UserCommand::Issued(certificate(1, "cy")));
        world.operates(r#"{"op":"GRANT","data":{"user":"cy","role":"moderator"}}"#).unwrap();
        let [cy, bo] = ["cy", "bo"].map(|n| world.logs_in(n, n));
        world.sends(cy, r#"{"op":"MSG","data":{"to":"bo","msg":"kept"}}"#);
        world.sends(cy, r#"{"op":"QUIT"}"#);
        world.sends(bo, r#"{"op":"QUIT"}"#);
        let before = world.disk.found();
        world.disk_is_full = true;
        world.grants(UserCommand::Remove(name("cy")));
        assert!(world.chat.users().by_name(&name("cy")).is_none(), "the disk undoes nothing");
        assert!(world.disk.found() == before);
        world.disk_is_full = false;
        if is_killed {
            world.is_killed();
            assert!(world.disk.found() == before && world.chat.snapshot() == before);
        } else {
            world.recovers();
        }
        let found = world.chat.snapshot();
        assert_eq!(found.rights.grants.len(), usize::from(is_killed));
        assert_eq!(found.users.len(), 1 + usize::from(is_killed));
        let now = world.now.wall;
        let expected = if is_killed { r#""status":"OK""# } else { "AUTH_FAILED" };
        assert!(shows(&mut world, 1, now).contains(expected), "{expected}");
    }
}

#[test]
fn nothing_is_granted_to_a_name_whose_user_is_still_being_removed() {
    let mut world = World::new(|_| {});
    world.registers("cy");
    world.operates(r#"{"op":"GRANT","data":{"user":"cy","role":"member","room":"lobby"}}"#).unwrap();
    world.sweeps = false;
    world.grants(UserCommand::Remove(name("cy")));
    let grant = r#"{"op":"GRANT","data":{"user":"cy","role":"moderator"}}"#;
    assert_eq!(world.operates(grant).unwrap_err(), ErrorKind::NoSuchUser);
    world.sweeps = true;
    world.turn();
    world.operates(grant).unwrap();
    assert_eq!(world.chat.snapshot().rights.grants.len(), 1);
}
