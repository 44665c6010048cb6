//! Tests of unknown certificates of removed users: those from before the removal are refused, also when the name has a
//! new owner.

use super::access::{certificate, name};
use super::world::World;
use super::*;

/// Shows a certificate that was issued at that moment, and logs in as `cy`. Returns the answer.
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
    assert!(world.state.users().is_empty(), "nobody is registered by it");
    world.restarts();
    assert!(is_refused(&shows(&mut world, 1, before)), "a restart keeps it");
    // Another user has the name now.
    world.registers("cy");
    assert!(is_refused(&shows(&mut world, 1, before)));
    let now = world.now.wall;
    assert!(is_refused(&shows(&mut world, 1, now)), "of the same second");
    world.passes(1_000);
    let now = world.now.wall;
    assert!(shows(&mut world, 2, now).contains(r#""status":"OK""#), "a newer one is good");
    // A certificate that the operator issues here is known from then on, whatever its content.
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
fn a_later_user_of_the_name_has_no_grants_that_a_held_turn_removed() {
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
            world.state.snapshot().permissions.grants.is_empty()
                && world.state.snapshot() == world.disk.found()
        );
        world.restarts();
        world.registers("cy");
        let new = world.logs_in("cy", "cy");
        world.skips(&[ana, new]);
        world.sends(new, r#"{"op":"BAN","data":{"user":"ana"}}"#);
        assert_eq!(world.hears(new), ["ERROR_MSG FORBIDDEN"]);
    }
}

/// A removed user whose grants, certificate and direct messages the removal deletes.
#[test]
fn a_held_removal_holds_and_is_lost_as_a_whole_if_the_process_ends_first() {
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
        assert!(world.state.users().by_name(&name("cy")).is_none(), "the disk undoes nothing");
        assert!(world.disk.found() == before);
        world.disk_is_full = false;
        if is_killed {
            world.is_killed();
            assert!(world.disk.found() == before && world.state.snapshot() == before);
        } else {
            world.recovers();
        }
        let found = world.state.snapshot();
        assert_eq!(found.permissions.grants.len(), usize::from(is_killed));
        assert_eq!(found.users.len(), 1 + usize::from(is_killed));
        let now = world.now.wall;
        let expected = if is_killed { r#""status":"OK""# } else { "AUTH_FAILED" };
        assert!(shows(&mut world, 1, now).contains(expected), "{expected}");
    }
}

#[test]
fn a_grant_to_a_name_whose_user_is_being_removed_is_refused() {
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
    assert_eq!(world.state.snapshot().permissions.grants.len(), 1);
}
