//! Tests of mutes, bans and kicks: their effects, their ends, and their lines in the audit log.

use super::order::room_with;
use super::world::World;
use super::*;
use crate::rate::Limit;
use tcp_chat_protocol::{Action, Against, Fingerprint};

#[test]
fn a_muted_user_is_told_the_end_of_the_mute_and_writes_after_it() {
    let mut world = World::new(|_| {});
    let [ana, bo] = ["ana", "bo"].map(|name| world.login(name));
    world.sends(ana, r#"{"op":"JOIN","data":{"room":"ops"}}"#);
    world.skips(&[ana, bo]);
    let mute = r#"{"op":"MUTE","data":{"user":"Ana","room":"lobby","for_s":60,"reason":"caps"}}"#;
    let done = world.operates(mute).unwrap();
    assert_eq!(done.until.unwrap().to_string(), "2026-11-23T21:09:14.007Z");
    world.sends(ana, r#"{"op":"MSG","data":"x"}"#);
    let line = String::from_utf8(world.lines(ana).pop_front().unwrap()).unwrap();
    assert!(line.contains(r#""kind":"FORBIDDEN""#) && line.contains("caps"), "{line}");
    assert!(line.contains(r#""until":"2026-11-23T21:09:14.007Z""#), "{line}");
    world.sends(ana, r#"{"op":"MSG","data":{"room":"ops","msg":"x"}}"#);
    assert_eq!(world.hears(ana), ["MSG 1<0 ops ana: x"], "elsewhere she may");
    world.restarts();
    let ana = world.resumes("ana", None);
    world.sends(ana, r#"{"op":"MSG","data":"x"}"#);
    assert_eq!(
        world.hears(ana),
        ["LOGIN ana lobby,ops head 1", "ERROR_MSG FORBIDDEN until 2026-11-23T21:09:14.007Z"]
    );
    world.passes(60_000);
    world.sends(ana, r#"{"op":"MSG","data":"y"}"#);
    assert_eq!(world.hears(ana), ["MSG 2<0 lobby ana: y"]);
    // On the whole server: not even by direct message, and until it is removed.
    world.operates(r#"{"op":"MUTE","data":{"user":"ana"}}"#).unwrap();
    for data in [r#""x""#, r#"{"room":"ops","msg":"x"}"#, r#"{"to":"bo","msg":"x"}"#] {
        world.sends(ana, &format!(r#"{{"op":"MSG","data":{data}}}"#));
        assert_eq!(world.hears(ana), ["ERROR_MSG FORBIDDEN"]);
    }
    world.operates(r#"{"op":"UNMUTE","data":{"user":"ANA"}}"#).unwrap();
    assert_eq!(world.operates(r#"{"op":"UNMUTE","data":{"user":"ana"}}"#), Err(ErrorKind::NoSuchUser));
    world.sends(ana, r#"{"op":"MSG","data":"z"}"#);
    assert_eq!(world.hears(ana), ["MSG 3<2 lobby ana: z"]);
}

#[test]
fn a_ban_disconnects_and_refuses_a_user_until_it_ends() {
    let mut world = World::new(|_| {});
    let [ana, bo] = ["ana", "bo"].map(|name| world.login(name));
    world.skips(&[ana, bo]);
    world.operates(r#"{"op":"BAN","data":{"user":"ana","for_s":60,"reason":"spam"}}"#).unwrap();
    let heard = world.lines(ana);
    assert!(String::from_utf8_lossy(&heard[0]).contains("has banned you and has ended your session: spam"));
    assert_eq!(String::from_utf8_lossy(&heard[1]), "(closed: kicked)");
    assert_eq!(world.hears(bo), ["PRESENCE lobby ana left"]);
    world.restarts();
    for name in ["ana", "ANA", "ａｎａ"] {
        let again = world.login(name);
        assert_eq!(world.hears(again), ["ERROR_MSG FORBIDDEN until 2026-11-23T21:09:14.007Z"], "{name}");
    }
    world.passes(60_000);
    let ana = world.login("ana");
    assert_eq!(world.hears(ana), ["LOGIN ana lobby head 0"]);
    // From a room.
    world.operates(r#"{"op":"BAN","data":{"user":"ana","room":"lobby"}}"#).unwrap();
    assert_eq!(world.hears(ana), ["NOTICE REMOVED lobby"]);
    world.sends(ana, r#"{"op":"JOIN","data":{"room":"lobby"}}"#);
    assert_eq!(world.hears(ana), ["ERROR_MSG FORBIDDEN"]);
    world.operates(r#"{"op":"UNBAN","data":{"user":"ana","room":"lobby"}}"#).unwrap();
    world.sends(ana, r#"{"op":"JOIN","data":{"room":"lobby"}}"#);
    assert!(world.hears(ana)[0].starts_with("JOIN lobby"));
    assert!(world.sees(Listing::Bans).is_empty());
}

#[test]
fn a_banned_range_disconnects_its_clients_and_is_refused_on_accept() {
    let mut world = World::new(|_| {});
    let bo = world.login("bo");
    world.address = "2001:db8:0:1::7".parse().unwrap();
    let [ana, silent] = [world.login("ana"), world.connect()];
    world.turn();
    world.skips(&[ana, bo, silent]);
    let ban = |target: &str| Against {
        for_s: Some(60),
        reason: "flood".into(),
        ..Against::new(target.parse().unwrap())
    };
    let done = world.acts(Action::Ban(ban("2001:db8:0:1::99"))).unwrap();
    assert_eq!(done.address.as_deref(), Some("2001:db8:0:1::/64"));
    assert_eq!(world.hears(ana), ["NOTICE KICKED", "(closed: kicked)"]);
    assert_eq!(world.hears(silent), ["(closed: kicked)"]);
    let barred = |world: &World| {
        world.effects.iter().find_map(|e| match e {
            Effect::BannedRanges(barred) => Some(barred.len()),
            _ => None,
        })
    };
    assert_eq!(barred(&world), Some(1));
    assert_eq!(
        world.disk.found().permissions.banned_ranges().len(),
        1,
        "the door knows it after a restart, too"
    );
    world.acts(Action::Unban(ban("2001:db8:0:1::/64"))).unwrap();
    assert_eq!(barred(&world), Some(0));
    // A certificate is banned at its login.
    let sha256 = "ab".repeat(32);
    world.acts(Action::Ban(ban(&sha256))).unwrap();
    let (fingerprint, key): (Fingerprint, Name) = (sha256.parse().unwrap(), "ana".parse().unwrap());
    let now = world.now.wall;
    assert!(world.state.is_banned(&key, Some(&fingerprint), now));
    assert!(!world.state.is_banned(&key, Some(&fingerprint), now + 60_000), "over");
    assert!(!world.state.is_banned(&key, None, now));
}

#[test]
fn the_audit_log_has_actor_action_and_target() {
    let (mut world, own, _) = room_with("own", false);
    let before = world.disk.audit.len();
    for line in [
        r#"{"op":"MUTE","data":{"user":"bo","room":"ops","for_s":60,"reason":"noise"}}"#,
        r#"{"op":"KICK","data":{"user":"BO","room":"ops"}}"#,
        r#"{"op":"ROOM","data":{"room":"ops","private":true}}"#,
        r#"{"op":"GRANT","data":{"user":"cy","role":"moderator","room":"ops"}}"#,
        // A refused action is not in it.
        r#"{"op":"BAN","data":{"user":"bo"}}"#,
        r#"{"op":"UNMUTE","data":{"user":"cy","room":"ops"}}"#,
    ] {
        world.sends(own, line);
    }
    let shown: Vec<_> = world.disk.audit[before..]
        .iter()
        .map(|a| {
            let text = |t: &Option<Box<str>>| t.as_deref().unwrap_or("-").to_owned();
            let until = a.until.map_or(0, |until| until - a.at);
            format!(
                "{} {} {} {} {} {until} {}",
                a.by,
                a.did,
                text(&a.whom),
                text(&a.room),
                text(&a.what),
                a.reason
            )
        })
        .collect();
    assert_eq!(
        shown,
        [
            "own mute bo ops - 60000 noise",
            "own kick bo ops - 0 ",
            "own room - ops private 0 ",
            "own grant cy ops moderator 0 "
        ]
    );
    assert_eq!(world.disk.audit[0].by, By::Operator(0));
}

#[test]
fn while_the_store_fails_only_a_kick_is_done_and_its_audit_line_waits() {
    let mut world = World::new(|_| {});
    let [ana, bo] = ["ana", "bo"].map(|name| world.login(name));
    world.skips(&[ana, bo]);
    world.disk_is_full = true;
    world.operates(r#"{"op":"MUTE","data":{"user":"bo"}}"#).unwrap();
    assert_eq!(world.operates(r#"{"op":"BAN","data":{"user":"bo"}}"#), Err(ErrorKind::Internal));
    world.operates(r#"{"op":"KICK","data":{"user":"ana"}}"#).unwrap();
    world.disk_is_full = false;
    world.recovers();
    let did: Vec<_> = world.disk.audit.iter().map(|a| &*a.did).collect();
    assert_eq!(did, ["mute", "kick"]);
    world.restarts();
    let bo = world.resumes("bo", None);
    world.sends(bo, r#"{"op":"MSG","data":"x"}"#);
    assert_eq!(world.hears(bo)[1], "ERROR_MSG FORBIDDEN", "what was done in memory was kept in the end");
}

#[test]
fn one_room_does_not_use_up_the_limit_of_penalties() {
    let mut world = World::new(|rules| rules.rate = Limit { per_second: 0, burst: 1 });
    world.proven = vec!["ana"];
    let ana = world.login("ana");
    world.sends(ana, r#"{"op":"JOIN","data":{"room":"hers"}}"#);
    for n in 0..999 {
        let line = format!(r#"{{"op":"MUTE","data":{{"user":"u{n}","room":"hers","for_s":60}}}}"#);
        let command = world.command(&line);
        world.adds(ana, command);
    }
    world.turn();
    world.skips(&[ana]);
    let ban = r#"{"op":"BAN","data":{"user":"bo","room":"hers"}}"#;
    world.sends(ana, ban);
    assert_eq!(world.hears(ana), ["ERROR_MSG DATA"]);
    world.operates(ban).unwrap();
    world.passes(60_000);
    world.sends(ana, r#"{"op":"BAN","data":{"user":"cy","room":"hers"}}"#);
    assert_eq!(world.hears(ana), ["BAN"], "what is over makes room");
    assert!(world.disk.found().permissions.mutes.is_empty());
}

#[test]
fn penalties_from_before_a_restart_end_after_it_and_free_their_places() {
    let mut world = World::new(|rules| rules.rate = Limit { per_second: 0, burst: 1 });
    world.proven = vec!["ana"];
    let ana = world.login("ana");
    world.sends(ana, r#"{"op":"JOIN","data":{"room":"hers"}}"#);
    for n in 0..998 {
        let line = format!(r#"{{"op":"MUTE","data":{{"user":"u{n}","room":"hers","for_s":60}}}}"#);
        let command = world.command(&line);
        world.adds(ana, command);
    }
    world.sends(ana, r#"{"op":"BAN","data":{"user":"bo","room":"hers","for_s":60}}"#);
    world.restarts();
    let ana = world.resumes("ana", None);
    world.skips(&[ana]);
    let ban = r#"{"op":"BAN","data":{"user":"cy","room":"hers"}}"#;
    world.sends(ana, ban);
    assert_eq!(world.hears(ana), ["ERROR_MSG DATA"], "the room is full, as before the restart");
    world.passes(60_000);
    world.sends(ana, ban);
    assert_eq!(world.hears(ana), ["BAN"], "what is over makes room");
    let kept = world.disk.found().permissions;
    assert_eq!((kept.mutes.len(), kept.bans.len()), (0, 1), "and is gone from the store");
}

#[test]
fn a_handshake_under_way_when_its_address_is_banned_is_refused() {
    let mut world = World::new(|_| {});
    let ban = Against { for_s: Some(60), ..Against::new("192.0.2.0/24".parse().unwrap()) };
    world.acts(Action::Ban(ban)).unwrap();
    world.address = "192.0.2.7".parse().unwrap();
    let late = world.connect();
    world.turn();
    assert_eq!(world.hears(late), ["(closed: kicked)"]);
    world.sends(late, r#"{"op":"LOGIN","data":{"name":"ana"}}"#);
    assert!(world.hears(late).is_empty());
    world.passes(60_000);
    let later = world.login("ana");
    assert_eq!(world.hears(later), ["LOGIN ana lobby head 0"]);
}

#[test]
fn a_start_removes_what_has_ended_meanwhile_in_slices() {
    let mut world = World::new(|_| {});
    for n in 0..40 {
        let mute = format!(r#"{{"op":"MUTE","data":{{"user":"u{n}","for_s":60}}}}"#);
        world.operates(&mute).unwrap();
    }
    world.operates(r#"{"op":"BAN","data":{"user":"bo","for_s":600}}"#).unwrap();
    world.now.wall += 60_000;
    world.sweeps = false;
    world.restarts();
    for left in [41, 31, 21] {
        assert_eq!(world.state.ending_penalties(), left);
        world.works(10);
        assert_eq!(world.disk.found().permissions.mutes.len(), left - 11);
    }
    world.sweeps = true;
    world.restarts();
    assert_eq!(world.state.ending_penalties(), 1, "the ban is in force");
    assert_eq!((world.disk.found().permissions.mutes, world.is_at_rest()), (vec![], true));
}
