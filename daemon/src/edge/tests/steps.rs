//! Tests of the cost of each request and each command, in steps: at ten times the size of everything it may be at most
//! ten times as high, and slow work takes at most a slice of a turn.

use super::world::World;
use crate::edge::{Effect, Read};
use crate::rate::Limit;
use tcp_chat_protocol::{Action, Against, Name};
use tcp_chat_state::Parts as _;
use tcp_chat_state::{
    Access, Certificate, ConnectionId, Digest, Listing, Revocation, UserCommand, UserCommandError, steps,
};

/// The number of everything: so many, or ten times as many.
const SIZE: usize = 30;
/// For costs that do not depend on the size.
const SLACK: u64 = 600;
/// Ten times as much, and deeper trees. A square would be a hundred times as much.
const MOST: u64 = 20;

fn name(text: &str) -> Name {
    text.parse::<Name>().expect("a name").prepared()
}

fn certificate(n: usize, owner: &str) -> Certificate {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&n.to_be_bytes());
    Certificate { key: Digest(key), name: name(owner), until: u64::MAX, revoked: Revocation::None }
}

/// Passers-by, rooms, direct messages, registered users, certificates, grants, mutes and bans: `n` of each.
fn crowded(n: usize) -> (World, ConnectionId) {
    let mut world = World::new(|rules| {
        rules.rate = Limit { per_second: 0, burst: 1 };
        rules.flow.per_second = 0;
        rules.strangers_per_minute = 0;
        rules.rooms_per_session = 0;
        rules.presence_limit = 10;
    });
    world.registers("ana");
    let ana = world.logs_in("ana", "ana");
    for i in 0..n {
        let by = world.login(&format!("by{i}"));
        world.sends(by, r#"{"op":"MSG","data":{"to":"ana","msg":"x"}}"#);
        world.sends(ana, &format!(r#"{{"op":"JOIN","data":{{"room":"room{i}"}}}}"#));
        world.sends(ana, &format!(r#"{{"op":"MSG","data":{{"room":"room{i}","msg":"x"}}}}"#));
        world.registers(&format!("user{i}"));
        world.grants(UserCommand::Issued(certificate(i, &format!("user{i}"))));
        for act in [
            format!(r#"{{"op":"GRANT","data":{{"user":"mo","role":"moderator","room":"room{i}"}}}}"#),
            format!(r#"{{"op":"MUTE","data":{{"user":"muted{i}","for_s":{}}}}}"#, 1000 + i),
            format!(r#"{{"op":"BAN","data":{{"user":"banned{i}","for_s":{}}}}}"#, 1000 + i),
        ] {
            world.operates(&act).expect("done");
        }
        world.skips(&[by, ana]);
    }
    world.registers("mo");
    world.skips(&[ana]);
    (world, ana)
}

type Act = fn(&mut World, ConnectionId);

/// The cost of one event on a server with `n` of everything.
fn cost(n: usize, act: Act) -> u64 {
    let (mut world, ana) = crowded(n);
    let before = steps::so_far();
    act(&mut world, ana);
    steps::so_far() - before
}

const EACH: &[(&str, Act)] = &[
    ("LOGIN", |w, _| {
        w.login("new");
    }),
    ("LOGIN again", |w, ana| {
        w.loses(ana);
        w.resumes("ana", Some(1));
    }),
    ("QUIT", |w, ana| w.sends(ana, r#"{"op":"QUIT"}"#)),
    ("lost", |w, ana| w.loses(ana)),
    ("JOIN", |w, ana| w.sends(ana, r#"{"op":"JOIN","data":{"room":"fresh"}}"#)),
    ("LEAVE", |w, ana| w.sends(ana, r#"{"op":"LEAVE","data":{"room":"lobby"}}"#)),
    ("MSG", |w, ana| w.sends(ana, r#"{"op":"MSG","data":"x"}"#)),
    ("MSG to a user", |w, ana| w.sends(ana, r#"{"op":"MSG","data":{"to":"by1","msg":"x"}}"#)),
    ("WHO", |w, ana| w.sends(ana, r#"{"op":"WHO"}"#)),
    ("WHO room", |w, ana| w.sends(ana, r#"{"op":"WHO","data":{"room":"lobby"}}"#)),
    ("ROOMS", |w, ana| w.sends(ana, r#"{"op":"ROOMS"}"#)),
    ("HISTORY", |w, ana| w.sends(ana, r#"{"op":"HISTORY","data":{"with":"by1"}}"#)),
    ("SEARCH", |w, ana| w.sends(ana, r#"{"op":"SEARCH","data":{"query":"x"}}"#)),
    ("KICK", |w, _| drop(w.operates(r#"{"op":"KICK","data":{"user":"ana"}}"#))),
    ("MUTE", |w, _| drop(w.operates(r#"{"op":"MUTE","data":{"user":"by1"}}"#))),
    ("BAN", |w, _| drop(w.operates(r#"{"op":"BAN","data":{"user":"ana"}}"#))),
    ("BAN address", |w, _| {
        let range = "address:127.0.0.0/8".parse().expect("a range");
        drop(w.acts(Action::Ban(Against::new(range))));
    }),
    ("ROOM private", |w, _| drop(w.operates(r#"{"op":"ROOM","data":{"room":"lobby","private":true}}"#))),
    ("GRANT", |w, _| drop(w.operates(r#"{"op":"GRANT","data":{"user":"ana","role":"owner"}}"#))),
    ("user list", |w, _| drop(w.state.registered_users().list())),
    ("user add", |w, _| w.registers("another")),
    ("user remove", |w, _| w.grants(UserCommand::Remove(name("mo")))),
    ("user remove, with a session", |w, _| w.grants(UserCommand::Remove(name("ana")))),
    ("user erase", |w, _| w.grants(UserCommand::Erase(name("mo"), true))),
    ("user erase, with a session", |w, _| w.grants(UserCommand::Erase(name("ana"), true))),
    ("cert revoke", |w, _| w.grants(UserCommand::RevokeAll(name("user1")))),
    ("who", |w, _| drop(w.sees(Listing::Users))),
    ("rooms", |w, _| drop(w.sees(Listing::Rooms))),
    ("grants", |w, _| drop(w.sees(Listing::Grants))),
    ("mutes", |w, _| drop(w.sees(Listing::Mutes))),
    ("bans", |w, _| drop(w.sees(Listing::Bans))),
    ("mutes and bans end", |w, _| {
        w.passes(10_000_000);
        drop(w.operates(r#"{"op":"MUTE","data":{"user":"by1"}}"#));
    }),
    ("reload", |w, _| {
        let mut rules = w.rules.clone();
        rules.access = Access::Accounts;
        w.operator(|state| state.set_rules(rules));
    }),
    ("restart", |w, _| w.restarts()),
    ("all is forgotten", |w, _| w.forgets_all()),
];

#[test]
fn every_op_and_command_is_linear_in_its_size() {
    let mut much = Vec::new();
    for (what, act) in EACH {
        let (small, large) = (cost(SIZE, *act), cost(10 * SIZE, *act));
        if large > MOST * small + SLACK {
            much.push(format!("{what}: {small} steps, then {large}"));
        }
    }
    assert!(much.is_empty(), "{much:#?}");
}

/// The cost that no name of a request may cause in the hub: it was computed when the line was parsed.
#[test]
fn an_unknown_name_costs_the_hub_no_more_than_a_known_one() {
    let mut much = Vec::new();
    for dear in ["\u{fdfa}\u{fdfa}\u{fdfa}".to_owned(), "\u{390}".repeat(14), "nope".to_owned()] {
        for request in [
            r#"{"op":"MSG","data":{"room":"NAME","msg":"x"}}"#,
            r#"{"op":"MSG","data":{"to":"NAME","msg":"x"}}"#,
            r#"{"op":"JOIN","data":{"room":"NAME"}}"#,
            r#"{"op":"LEAVE","data":{"room":"NAME"}}"#,
            r#"{"op":"WHO","data":{"room":"NAME"}}"#,
            r#"{"op":"HISTORY","data":{"room":"NAME"}}"#,
            r#"{"op":"HISTORY","data":{"with":"NAME"}}"#,
            r#"{"op":"SEARCH","data":{"query":"x","room":"NAME"}}"#,
            r#"{"op":"SEARCH","data":{"query":"x","user":"NAME"}}"#,
            r#"{"op":"KICK","data":{"user":"NAME"}}"#,
            r#"{"op":"MUTE","data":{"user":"NAME","room":"room1"}}"#,
            r#"{"op":"BAN","data":{"user":"ana","room":"NAME"}}"#,
            r#"{"op":"ROOM","data":{"room":"NAME","private":true}}"#,
            r#"{"op":"GRANT","data":{"user":"NAME","role":"moderator","room":"room1"}}"#,
            r#"{"op":"LOGIN","data":{"name":"NAME","rooms":["NAME"]}}"#,
        ] {
            let (mut world, ana) = crowded(1);
            let who = if request.contains("LOGIN") { world.connect() } else { ana };
            let before = steps::so_far();
            world.sends(who, &request.replace("NAME", &dear));
            let cost = steps::so_far() - before;
            if cost >= steps::NOT_PREPARED {
                much.push(format!("{cost} steps: {request} with {dear}"));
            }
        }
    }
    assert!(much.is_empty(), "{much:#?}");
}

/// The store has the facts of the state.
fn is_kept(world: &World, what: &str) {
    let (mut kept, mut found) = (world.disk.found(), world.state.snapshot());
    // The model of the store keeps the order of the writes.
    for permissions in [&mut kept.permissions, &mut found.permissions] {
        permissions.grants.sort_unstable_by_key(|(scope, user, ..)| (*scope, user.clone()));
        permissions.mutes.sort_unstable_by_key(|(scope, user, _)| (*scope, user.clone()));
        permissions.bans.sort_unstable_by_key(|(scope, banned, _)| (*scope, banned.clone()));
    }
    assert!(kept.conversations == found.conversations, "{what}: conversations");
    assert!(kept.sessions == found.sessions, "{what}: sessions");
    assert!(kept.permissions == found.permissions, "{what}: permissions");
    assert!(kept.users == found.users, "{what}: users");
    assert!(kept == found, "{what}");
}

#[test]
fn slow_work_is_done_a_slice_at_a_time() {
    for (what, act, left) in [
        ("QUIT", (|w, ana| w.sends(ana, r#"{"op":"QUIT"}"#)) as Act, 200),
        ("user remove", |w, _| w.grants(UserCommand::Remove(name("mo"))), 200),
        ("user erase", |w, _| w.grants(UserCommand::Erase(name("mo"), true)), 200),
        (
            "ROOM private",
            |w, _| drop(w.operates(r#"{"op":"ROOM","data":{"room":"lobby","private":true}}"#)),
            200,
        ),
        (
            "restart with fewer configured rooms",
            |w, _| {
                let before = w.rules.clone();
                w.rules.posted_rooms = (0..200).map(|i| name(&format!("posted{i}"))).collect();
                w.restarts();
                w.rules = before;
                w.restarts();
            },
            200,
        ),
    ] {
        let (mut world, ana) = crowded(200);
        world.sweeps = false;
        act(&mut world, ana);
        let mut slices = 0;
        while world.has_work() {
            let before = steps::so_far();
            world.works(16);
            let cost = steps::so_far() - before;
            assert!(cost < 6_000, "{what}: {cost} steps in one slice");
            slices += 1;
        }
        assert!(slices >= left / 16, "{what}: {slices} slices");
        is_kept(&world, what);
    }
}

#[test]
fn the_grants_of_a_removed_user_hold_for_nobody_before_they_are_removed() {
    let (mut world, _) = crowded(40);
    world.sweeps = false;
    world.grants(UserCommand::Remove(name("mo")));
    assert!(world.state.is_removing());
    // The daemon ends in between: the user exists, and cannot log in.
    let found = world.disk.found();
    assert!(found.users.iter().any(|user| user.name == name("mo") && user.password.is_none()));
    world.restarts();
    assert!(world.state.is_removing(), "it goes on after a crash");
    assert!(
        world.state.snapshot().users.iter().any(|user| user.name == name("mo")),
        "also where the store is written anew"
    );
    // No user gets the name before they are removed: all at once they would hold the turn.
    let code = |world: &World| tcp_chat_state::Code {
        hash: Digest([7; 32]),
        until: world.now.wall + 1,
        gives: tcp_chat_state::CodePurpose::Password,
    };
    let add = UserCommand::Add(name("MO"), code(&world));
    let before = steps::so_far();
    world.operator(|state| {
        assert_eq!(state.run_user_command(0, add), Err(UserCommandError::BeingRemoved(name("MO"))))
    });
    world.shows = Some(certificate(99, "mo"));
    // Issued after the removal.
    world.issued = world.now.wall + 2_000;
    let mo = world.login("mo");
    assert_eq!(world.hears(mo), ["ERROR_MSG RATE_LIMITED 1000 ms"]);
    let cost = steps::so_far() - before;
    assert!(cost < 600, "{cost} steps");
    world.sweeps = true;
    world.operator(|_| {});
    is_kept(&world, "user remove");
    assert!(world.disk.found().permissions.grants.iter().all(|(_, user, ..)| *user != name("mo")));
    world.registers("mo");
    assert!(world.state.users().by_name(&name("mo")).is_some());
}

#[test]
fn a_search_lists_rooms_and_not_each_direct_conversation() {
    let (mut world, ana) = crowded(SIZE);
    world.sends(ana, r#"{"op":"SEARCH","data":{"query":"x"}}"#);
    let asked = world.effects.iter().find_map(|effect| match effect {
        Effect::Read(_, Read::Search(_, what)) => Some(what),
        _ => None,
    });
    let asked = asked.expect("a search");
    assert_eq!(
        (asked.conversations.len(), asked.directs_of.is_some()),
        (SIZE + 1, true),
        "the lobby, and hers"
    );
    let by = world.login("alone");
    world.sends(by, r#"{"op":"LEAVE","data":{"room":"lobby"}}"#);
    world.skips(&[by]);
    world.sends(by, r#"{"op":"SEARCH","data":{"query":"x"}}"#);
    assert_eq!(world.hears(by).len(), 1, "there is nothing to be asked of the store");
    assert!(!world.effects.iter().any(|effect| matches!(effect, Effect::Read(..))));
}
