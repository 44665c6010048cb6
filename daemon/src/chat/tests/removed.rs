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
