//! Tests of the quotas of a user or a network: a new session has no new quota.

use super::*;
use crate::rate::Limit;

const QUIT: &str = r#"{"op":"QUIT"}"#;

fn mute(user: &str, room: &str) -> String {
    format!(r#"{{"op":"MUTE","data":{{"user":"{user}","room":"{room}"}}}}"#)
}

#[test]
fn a_new_session_has_no_new_burst_of_acts() {
    let mut world = World::new(|_| {});
    world.proven = vec!["ana", "bo"];
    let [ana, bo] = ["ana", "bo"].map(|name| world.login(name));
    world.sends(ana, r#"{"op":"JOIN","data":{"room":"hers"}}"#);
    world.sends(ana, r#"{"op":"MSG","data":{"room":"hers","msg":"so that it stays"}}"#);
    world.sends(bo, r#"{"op":"JOIN","data":{"room":"his"}}"#);
    let mutes = mute("cy", "hers");
    world.in_one_turn(ana, &vec![mutes.as_str(); 300]);
    world.skips(&[ana, bo]);
    world.sends(ana, &mutes);
    assert_eq!(world.hears(ana), ["ERROR_MSG RATE_LIMITED 2040 ms"]);
    world.sends(ana, QUIT);
    let ana = world.login("ana");
    world.skips(&[ana, bo]);
    world.sends(ana, &mutes);
    assert_eq!(world.hears(ana), ["ERROR_MSG RATE_LIMITED 2040 ms"], "another session, the same user");
    world.sends(bo, &mute("cy", "his"));
    assert_eq!(world.hears(bo), ["MUTE"], "another user");
    world.passes(2_040);
    world.sends(ana, &mutes);
    assert_eq!(world.hears(ana), ["MUTE"], "the wait was true");
    assert_eq!(world.disk.audit.len(), 302);
    world.skips(&[ana, bo]);

    // For names without an owner, the actions of a network count together, whatever their results.
    world.address = "192.0.2.1".parse().unwrap();
    let cy = world.login("cy");
    world.in_one_turn(cy, &vec![mutes.as_str(); 300]);
    world.sends(cy, QUIT);
    let dee = world.login("dee");
    world.skips(&[dee]);
    world.sends(dee, &mutes);
    assert_eq!(world.hears(dee), ["ERROR_MSG RATE_LIMITED 2040 ms"]);
}

#[test]
fn one_user_cannot_use_up_all_grants_and_penalties() {
    let mut world = World::new(|rules| rules.rate = Limit { per_second: 0, burst: 1 });
    world.proven = vec!["ana", "bo", "mo"];
    let [ana, bo] = ["ana", "bo"].map(|name| world.login(name));
    for (who, room) in [(ana, "one"), (ana, "two"), (ana, "three"), (bo, "his")] {
        world.sends(who, &format!(r#"{{"op":"JOIN","data":{{"room":"{room}"}}}}"#));
    }
    world.skips(&[ana, bo]);
    for (room, what) in [("one", "MUTE"), ("two", "BAN"), ("three", "GRANT")] {
        let role = if what == "GRANT" { r#","role":"read-only""# } else { "" };
        let act = |n| format!(r#"{{"op":"{what}","data":{{"user":"u{n}","room":"{room}"{role}}}}}"#);
        let acts: Vec<_> = (0..700).map(act).collect();
        world.in_one_turn(ana, &acts.iter().map(String::as_str).collect::<Vec<_>>());
    }
    let heard = world.hears(ana);
    assert_eq!((heard.len(), heard.iter().filter(|line| *line == "ERROR_MSG DATA").count()), (2_100, 100));
    assert_eq!(world.state.permissions_by_users(), 2_000, "what came with the rooms does not count");
    world.sends(bo, &mute("cy", "his"));
    assert_eq!(world.hears(bo), ["MUTE"], "others have their own share");
    let found = world.state.snapshot();
    world.restarts();
    assert_eq!(world.state.snapshot().permissions, found.permissions);
    let [ana, mo] = ["ana", "mo"].map(|name| world.login(name));
    world.skips(&[ana, mo]);
    world.sends(ana, &mute("cy", "two"));
    assert_eq!(world.hears(ana), ["ERROR_MSG DATA"], "a restart changes nothing");
    world.operates(r#"{"op":"GRANT","data":{"user":"mo","role":"moderator"}}"#).unwrap();
    let mutes: Vec<_> = (1_000..1_400).map(|n| mute(&format!("u{n}"), "two")).collect();
    world.skips(&[mo]);
    world.in_one_turn(mo, &mutes.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(world.hears(mo), ["MUTE"; 400], "who moderates the server is not bound, nor counted");
    assert_eq!(world.state.permissions_by_users(), 2_001);
    world.sends(ana, r#"{"op":"UNMUTE","data":{"user":"u1","room":"one"}}"#);
    world.sends(ana, &mute("dee", "one"));
    assert_eq!(world.hears(ana), ["UNMUTE", "MUTE"], "what is taken back makes room");
}

#[test]
fn a_message_counts_for_the_quota_even_if_its_sender_quits_at_once() {
    let mut world = World::new(|rules| rules.network_stored = Limit { per_second: 1, burst: 1_000 });
    world.address = "192.0.2.1".parse().unwrap();
    let mut kept = 0;
    for n in 0..20 {
        let who = world.connect();
        world.adds(who, Command::Read(500));
        let login = format!(r#"{{"op":"LOGIN","data":{{"name":"by{n}"}}}}"#);
        world.in_one_turn(who, &[login.as_str(), r#"{"op":"MSG","data":"x"}"#, QUIT]);
        let heard = world.hears(who);
        kept += heard.iter().filter(|line| line.starts_with("MSG ")).count();
        assert!(
            n < 7 || heard.iter().any(|line| line.starts_with("ERROR_MSG RATE_LIMITED ")),
            "{n}: {heard:?}"
        );
    }
    assert_eq!(kept, 7, "153 bytes each, the last on credit");
}

#[test]
fn a_mute_that_is_changed_or_removed_leaves_nothing_behind() {
    let mut world = World::new(|rules| rules.rate = Limit { per_second: 0, burst: 1 });
    world.proven = vec!["ana"];
    let ana = world.login("ana");
    world.sends(ana, r#"{"op":"JOIN","data":{"room":"hers"}}"#);
    let act = |op: &str, user: &str, for_s: u64| {
        format!(r#"{{"op":"{op}","data":{{"user":"{user}","room":"hers","for_s":{for_s}}}}}"#)
    };
    for n in 0..50 {
        for user in ["bo", "BO", "Bo"] {
            world.sends(ana, &act("MUTE", user, 1_000 + n));
            world.sends(ana, &act("BAN", user, 1_000 + n));
        }
    }
    assert_eq!(world.state.ending_penalties(), 2);
    world.sends(ana, r#"{"op":"UNMUTE","data":{"user":"bO","room":"hers"}}"#);
    assert_eq!(world.state.ending_penalties(), 1);
    world.sends(ana, r#"{"op":"QUIT"}"#);
    assert_eq!(world.state.ending_penalties(), 0, "the room is gone");
}

#[test]
fn a_registered_user_has_quotas_of_rooms_and_bytes_too_through_restarts() {
    let mut world = World::new(|rules| {
        rules.rooms_per_network = 2;
        rules.network_stored = Limit { per_second: 1, burst: 1_000 };
    });
    world.proven = vec!["ana", "bo"];
    let joins = |world: &mut World, who, room: &str| {
        world.skips(&[who]);
        world.sends(who, &format!(r#"{{"op":"JOIN","data":{{"room":"{room}"}}}}"#));
        let is_in = world.hears(who).remove(0).starts_with("JOIN");
        world.sends(who, &format!(r#"{{"op":"MSG","data":{{"room":"{room}","msg":"."}}}}"#));
        is_in
    };
    let ana = world.login("ana");
    assert!(joins(&mut world, ana, "a") && joins(&mut world, ana, "b") && !joins(&mut world, ana, "c"));
    world.restarts();
    let [ana, bo] = ["ana", "bo"].map(|name| world.login(name));
    assert!(!joins(&mut world, ana, "c"), "neither another session nor a restart changes anything");
    assert!(joins(&mut world, bo, "c") && joins(&mut world, ana, "c"), "others have their own");
    let says = |world: &mut World, name| {
        let who = world.login(name);
        world.skips(&[who]);
        world.in_one_turn(who, &[r#"{"op":"MSG","data":"x"}"#; 20]);
        let said = world.hears(who).iter().filter(|line| line.starts_with("MSG ")).count();
        world.sends(who, QUIT);
        said
    };
    let said: Vec<_> = ["ana", "ana", "bo"].into_iter().map(|name| says(&mut world, name)).collect();
    assert!(said[0] > 0 && said[1] == 0 && said[2] > 0, "{said:?}");
}

#[test]
fn the_charge_of_a_message_grows_with_its_names_and_id() {
    let mut world = World::new(|rules| rules.network_stored = Limit { per_second: 1, burst: 5_000 });
    let mut kept = |name: &str, id: &str| {
        let who = world.login(name);
        world.skips(&[who]);
        let line = |n| format!(r#"{{"op":"MSG","id":"{n}{id}","data":"x"}}"#);
        let lines: Vec<_> = (100..200).map(line).collect();
        world.in_one_turn(who, &lines.iter().map(String::as_str).collect::<Vec<_>>());
        let kept = world.hears(who).iter().filter(|line| line.starts_with("MSG")).count();
        world.passes(5_000_000);
        kept
    };
    let (short, long) = (kept("bo", ""), kept(&"n".repeat(32), &"i".repeat(60)));
    assert!(long * 3 < short * 2, "{short} and {long}");
}

#[test]
fn only_a_stored_message_counts_as_stored() {
    let mut world = World::new(|rules| {
        rules.network_stored.burst = 400;
        rules.network_stored.per_second = 1;
    });
    world.address = "10.1.1.1".parse().unwrap();
    let ana = world.login("ana");
    world.skips(&[ana]);
    // Each resend is answered with the event of the first message.
    for _ in 0..6 {
        world.sends(ana, r#"{"op":"MSG","id":1,"data":"hello"}"#);
    }
    assert_eq!(world.hears(ana), ["MSG#1 1<0 lobby ana: hello"; 6]);
    // A refused message takes nothing from the quota of the network.
    let eve = world.login("eve");
    world.passes(400_000);
    world.skips(&[eve, ana]);
    for line in [
        r#"{"op":"MSG","data":{"room":"nowhere","msg":"hello"}}"#,
        r#"{"op":"MSG","data":{"to":"nobody","msg":"hello"}}"#,
    ] {
        for _ in 0..4 {
            world.sends(eve, line);
        }
    }
    world.skips(&[eve]);
    world.sends(ana, r#"{"op":"MSG","id":2,"data":"hello"}"#);
    assert_eq!(world.hears(ana), ["MSG#2 2<1 lobby ana: hello"]);
}

#[test]
fn empty_rooms_count_for_the_quota_of_their_network() {
    let mut world = World::new(|rules| rules.rooms_per_network = 2);
    world.proven = vec!["pro"];
    world.address = "192.0.2.1".parse().unwrap();
    let joins = |world: &mut World, who, room: &str| {
        world.skips(&[who]);
        world.sends(who, &format!(r#"{{"op":"JOIN","data":{{"room":"{room}"}}}}"#));
        world.hears(who).remove(0).starts_with("JOIN")
    };
    let ana = world.login("ana");
    for room in ["a", "b"] {
        assert!(joins(&mut world, ana, room));
        world.sends(ana, &format!(r#"{{"op":"MSG","data":{{"room":"{room}","msg":"."}}}}"#));
        world.sends(ana, &format!(r#"{{"op":"LEAVE","data":{{"room":"{room}"}}}}"#));
    }
    assert!(!joins(&mut world, ana, "c"), "both are there");
    world.sends(ana, r#"{"op":"QUIT"}"#);
    world.restarts();
    let bo = world.login("bo");
    assert!(!joins(&mut world, bo, "c"), "a restart and another session change nothing");
    assert!(joins(&mut world, bo, "a"), "what is there may be entered");
    let login = world.connect();
    world.sends(login, r#"{"op":"LOGIN","data":{"name":"cy","rooms":["lobby","c"]}}"#);
    assert_eq!(world.hears(login), ["ERROR_MSG NO_SUCH_ROOM"]);
    let pro = world.login("pro");
    assert!(joins(&mut world, pro, "c"), "a registered user has a quota of its own");
    world.address = "192.0.2.2".parse().unwrap();
    let dee = world.login("dee");
    assert!(joins(&mut world, dee, "d"), "another network has its own");
    // Several networks may be behind loopback.
    world.address = "127.0.0.1".parse().unwrap();
    let eve = world.login("eve");
    assert!((0..8).all(|n| joins(&mut world, eve, &format!("here{n}"))));
    assert!(!joins(&mut world, eve, "here8"));
    // The quota of a removed room is returned.
    world.sends(bo, r#"{"op":"LEAVE","data":{"room":"a"}}"#);
    world.forgets_all();
    assert!(joins(&mut world, bo, "c2"));
    assert_eq!(world.disk.found().opened, world.state.snapshot().opened);
}

#[test]
fn a_message_to_one_stranger_too_many_takes_no_storage_quota() {
    let mut world = World::new(|rules| {
        rules.network_stored = Limit { per_second: 1, burst: 700 };
        rules.strangers_per_minute = 1;
    });
    world.address = "192.0.2.1".parse().unwrap();
    let [ana, bo, di] = ["ana", "bo", "di"].map(|name| world.login(name));
    world.skips(&[ana, bo, di]);
    world.sends(ana, r#"{"op":"MSG","data":{"to":"bo","msg":"x"}}"#);
    world.skips(&[ana, bo]);
    for _ in 0..10 {
        world.sends(ana, r#"{"op":"MSG","data":{"to":"di","msg":"x"}}"#);
        assert_eq!(world.hears(ana), ["ERROR_MSG RATE_LIMITED 60000 ms"]);
    }
    world.sends(ana, r#"{"op":"MSG","data":{"to":"bo","msg":"y"}}"#);
    assert!(world.hears(ana)[0].starts_with("MSG"));
}

#[test]
fn a_message_without_storage_quota_takes_no_stranger() {
    let mut world = World::new(|rules| {
        rules.network_stored = Limit { per_second: 1_000, burst: 1 };
        rules.strangers_per_minute = 1;
    });
    world.address = "192.0.2.1".parse().unwrap();
    let [ana, bo] = ["ana", "bo"].map(|name| world.login(name));
    world.sends(ana, r#"{"op":"MSG","data":{"room":"lobby","msg":"in advance"}}"#);
    world.skips(&[ana, bo]);
    let msg = r#"{"op":"MSG","data":{"to":"bo","msg":"x"}}"#;
    world.sends(ana, msg);
    assert!(world.hears(ana)[0].starts_with("ERROR_MSG RATE_LIMITED"));
    world.now.mono += 1_000;
    world.sends(ana, msg);
    assert!(world.hears(ana)[0].starts_with("MSG"));
}
