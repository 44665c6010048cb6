//! Tests of one key in certificates for several names, and of a renewed one: a revocation lasts as long as any
//! certificate of the key could be shown.

use super::access::{certificate, name};
use super::asks::code;
use super::world::World;
use super::*;
use tcp_chat_protocol::{Action, Against, Banned, Fingerprint};
use tcp_chat_state::{Certificate, Digest};

const DAY: u64 = 24 * 3600 * 1000;

/// Shows a certificate, and logs in under its name. Returns the first word of the answer.
fn shows(world: &mut World, shown: Certificate) -> String {
    let who = world.connect();
    let line = format!(r#"{{"op":"LOGIN","data":{{"name":"{}"}}}}"#, shown.name);
    world.shows = Some(shown);
    world.sends(who, &line);
    let answer = world.hears(who)[0].clone();
    world.loses(who);
    answer
}

const REFUSED: &str = "ERROR_MSG AUTH_FAILED";

#[test]
fn a_key_of_two_names_is_revoked_with_either_name() {
    for wish in [UserCommand::Remove(name("Smith")), UserCommand::RevokeAll(name("Smith"))] {
        let mut world = World::new(|_| {});
        world.issued = world.now.wall;
        world.passes(60_000);
        assert_eq!(shows(&mut world, certificate(1, "doe")), "LOGIN doe lobby head 0");
        assert_eq!(shows(&mut world, certificate(1, "smith")), "LOGIN smith lobby head 0");
        let keys = |world: &World| {
            let users = world.state.registered_users().list().into_iter();
            users.map(|u| (u.user.to_string(), u.certificates.len())).collect::<Vec<_>>()
        };
        assert_eq!(keys(&world), [("doe".to_owned(), 1), ("smith".to_owned(), 1)]);
        world.grants(wish);
        // However it is issued, the key is revoked for the name.
        world.passes(60_000);
        world.issued = world.now.wall;
        for _ in 0..2 {
            assert_eq!(shows(&mut world, certificate(1, "SMITH")), REFUSED);
            assert_eq!(shows(&mut world, certificate(1, "doe")), "LOGIN doe lobby head 0", "another's");
            world.restarts();
        }
        // The key is revoked for all: its owner has lost it.
        world.grants(UserCommand::RevokeKey(Digest([1; 32])));
        for who in ["doe", "smith", "never-seen"] {
            assert_eq!(shows(&mut world, certificate(1, who)), REFUSED, "{who}");
        }
        world.restarts();
        assert_eq!(shows(&mut world, certificate(1, "never-seen")), REFUSED, "after a restart");
    }
}

#[test]
fn a_key_that_only_resumed_a_session_is_revoked_with_its_user() {
    let mut world = World::new(|_| {});
    world.registers("cy");
    let cy = world.logs_in("cy", "cy");
    world.loses(cy);
    world.shows = Some(certificate(6, "cy"));
    let cy = world.resumes("cy", None);
    assert_eq!(world.hears(cy), ["LOGIN cy lobby head 0"]);
    world.operator(|state| assert_eq!(state.run_user_command(0, UserCommand::RevokeAll(name("cy"))), Ok(1)));
    assert_eq!(shows(&mut world, certificate(6, "cy")), REFUSED);
}

#[test]
fn a_revoked_key_is_remembered_as_long_as_the_latest_certificate_of_it_is_good() {
    let mut world = World::new(|_| {});
    let ends =
        |world: &World, days| Certificate { until: world.now.wall + days * DAY, ..certificate(1, "rob") };
    world.issued = world.now.wall;
    world.passes(60_000);
    let [short, long, longer] = [1, 400, 800].map(|days| ends(&world, days));
    assert_eq!(shows(&mut world, short.clone()), "LOGIN rob lobby head 0");
    assert_eq!(shows(&mut world, long.clone()), "LOGIN rob lobby head 0");
    assert_eq!(shows(&mut world, short), "LOGIN rob lobby head 0", "an earlier end changes nothing");
    world.grants(UserCommand::RevokeAll(name("rob")));
    world.now.wall += 399 * DAY;
    world.restarts();
    assert_eq!(shows(&mut world, long.clone()), REFUSED);
    // A certificate with a later end is new; it is known from now on.
    assert_eq!(shows(&mut world, longer.clone()), REFUSED);
    world.now.wall += 400 * DAY;
    world.restarts();
    assert_eq!(shows(&mut world, longer), REFUSED);
    world.now.wall += 100 * DAY;
    world.restarts();
    assert_eq!(world.disk.found().certificates, [], "all of them have expired long ago");
}

#[test]
fn a_ban_of_a_key_ends_the_sessions_of_all_its_names() {
    let mut world = World::new(|_| {});
    let who = ["doe", "smith"].map(|name| {
        let who = world.connect();
        world.shows = Some(certificate(1, name));
        world.sends(who, &format!(r#"{{"op":"LOGIN","data":{{"name":"{name}"}}}}"#));
        who
    });
    world.skips(&who);
    let whom = Banned::Certificate(Fingerprint([1; 32]));
    world.acts(Action::Ban(Against::new(whom))).unwrap();
    for who in who {
        assert!(world.hears(who).contains(&"(closed: kicked)".to_owned()));
    }
}

#[test]
fn registering_a_name_does_not_affect_a_name_that_resembles_it() {
    let mut world = World::new(|_| {});
    let [born, bo] = [world.login("born"), world.login("bo")];
    world.skips(&[born, bo]);
    let bom = world.connect();
    world.shows = Some(certificate(1, "bom"));
    world.sends(bom, r#"{"op":"LOGIN","data":{"name":"bom"}}"#);
    let told = String::from_utf8(world.lines(bom).pop_front().unwrap()).unwrap();
    assert!(told.contains("NAME_TAKEN") && told.contains("looks like born"), "{told}");
    world.operator(|state| {
        let added = state.run_user_command(0, UserCommand::Add(name("bom"), code("x", u64::MAX)));
        assert_eq!(added, Err(UserCommandError::LooksLikeSession(name("bom"), name("born"))));
    });
    assert_eq!(world.hears(born), Vec::<String>::new(), "born stays");
    assert_eq!(world.hears(bo), Vec::<String>::new());
    assert!(world.state.users().is_empty());
    world.sends(born, r#"{"op":"QUIT"}"#);
    world.shows = Some(certificate(1, "bom"));
    world.sends(bom, r#"{"op":"LOGIN","data":{"name":"bom"}}"#);
    assert_eq!(world.hears(bom), ["LOGIN bom lobby head 0"], "the name is free now");
}

#[test]
fn a_certificate_proves_its_name_until_it_is_revoked() {
    let mut world = World::new(|_| {});
    let as_cy = r#"{"op":"LOGIN","data":{"name":"cy"}}"#;
    let shows = |world: &mut World, shown: Certificate, line: &str| {
        let who = world.connect();
        world.shows = Some(shown);
        world.sends(who, line);
        who
    };
    let other = shows(&mut world, certificate(1, "bo"), as_cy);
    assert_eq!(world.hears(other), ["ERROR_MSG AUTH_FAILED"], "it is for bo");
    let yesterday = world.now.wall - 1;
    let over = shows(&mut world, Certificate { until: yesterday, ..certificate(1, "cy") }, as_cy);
    assert_eq!(world.hears(over), ["ERROR_MSG AUTH_FAILED"], "its time is over");
    let cy = shows(&mut world, certificate(1, "Cy"), as_cy);
    assert_eq!(world.hears(cy), ["LOGIN Cy lobby head 0"]);
    let nobody = world.connect();
    world.sends(nobody, as_cy);
    assert_eq!(world.hears(nobody), ["ERROR_MSG AUTH_FAILED"], "the name has an owner from then on");
    let second = shows(&mut world, certificate(2, "cy"), as_cy);
    world.skips(&[cy, second]);

    world.grants(UserCommand::RevokeKey(Digest([1; 32])));
    assert_eq!(world.hears(cy), ["NOTICE KICKED", "(closed: kicked)"]);
    let again = shows(&mut world, certificate(1, "cy"), as_cy);
    assert_eq!(world.hears(again), ["ERROR_MSG AUTH_FAILED"]);
    world.restarts();
    let again = shows(&mut world, certificate(1, "cy"), as_cy);
    assert_eq!(world.hears(again), ["ERROR_MSG AUTH_FAILED"], "a restart keeps it");
    let second = shows(&mut world, certificate(2, "cy"), as_cy);
    assert_eq!(world.hears(second), ["LOGIN Cy lobby head 0"], "the other one is good");
}

#[test]
fn a_token_is_refused_with_a_foreign_or_revoked_certificate() {
    let mut world = World::new(|_| {});
    world.registers("cy");
    world.registers("di");
    let cy = world.logs_in("cy", "cy");
    world.loses(cy);
    world.shows = Some(certificate(4, "di"));
    let thief = world.resumes("cy", None);
    assert_eq!(world.hears(thief), ["ERROR_MSG AUTH_FAILED"]);
    world.grants(UserCommand::Revoke(certificate(5, "bo")));
    world.shows = Some(Certificate { name: name("cy"), ..certificate(5, "cy") });
    let thief = world.resumes("cy", None);
    assert_eq!(world.hears(thief), ["ERROR_MSG AUTH_FAILED"]);
    world.shows = Some(certificate(6, "CY"));
    let cy = world.resumes("cy", None);
    assert_eq!(world.hears(cy), ["LOGIN cy lobby head 0"]);
}
