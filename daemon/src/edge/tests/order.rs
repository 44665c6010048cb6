//! Tests of permissions, as tables of role and op. Private rooms: the users from whom they are hidden, the members who
//! are evicted, and the later messages that these do not receive.

use super::world::World;
use super::*;
use crate::rate::Limit;
use tcp_chat_protocol::request::{Action, Place};

/// The users of the tables, with their grants on the server and in the room. `sam` has not proven the name, and so has
/// none of its grants.
const WHO: [(&str, &str, &str); 9] = [
    ("sam", "owner", "owner"),
    ("nob", "", ""),
    ("rea", "", "read-only"),
    ("mem", "", "member"),
    ("mod", "", "moderator"),
    ("own", "", "owner"),
    ("srv", "read-only", ""),
    ("smo", "moderator", ""),
    ("sow", "owner", ""),
];

/// A room with `bo`, a member who has written in it; and with `who`, if that is possible.
pub(super) fn room_with(who: &str, private: bool) -> (World, ConnectionId, ConnectionId) {
    let mut world = World::new(|rules| rules.rate = Limit { per_second: 0, burst: 1 });
    world.proven = vec!["bo", "nob", "rea", "mem", "mod", "own", "srv", "smo", "sow"];
    world.operates(r#"{"op":"ROOM","data":{"room":"ops","private":true}}"#).unwrap();
    world.operates(r#"{"op":"GRANT","data":{"user":"bo","role":"member","room":"ops"}}"#).unwrap();
    for (name, server, room) in WHO {
        for (role, place) in [(server, ""), (room, r#","room":"ops""#)] {
            if !role.is_empty() {
                let line = format!(r#"{{"op":"GRANT","data":{{"user":"{name}","role":"{role}"{place}}}}}"#);
                world.operates(&line).unwrap();
            }
        }
    }
    world.operates(&format!(r#"{{"op":"ROOM","data":{{"room":"ops","private":{private}}}}}"#)).unwrap();
    let bo = world.login("bo");
    world.sends(bo, r#"{"op":"JOIN","data":{"room":"ops"}}"#);
    world.sends(bo, r#"{"op":"MSG","data":{"room":"ops","msg":"a secret"}}"#);
    let asker = world.login(who);
    world.sends(asker, r#"{"op":"JOIN","data":{"room":"ops"}}"#);
    world.skips(&[bo, asker]);
    (world, asker, bo)
}

/// The kind of the refusal, or a word for a good answer.
fn answer(heard: &[String]) -> String {
    match heard.iter().find_map(|line| line.strip_prefix("ERROR_MSG ")) {
        Some(kind) => kind.to_owned(),
        None => "ok".to_owned(),
    }
}

#[test]
fn every_op_by_every_role_in_public_and_private_rooms() {
    const NO: &str = "FORBIDDEN";
    const NR: &str = "NO_SUCH_ROOM";
    const OK: &str = "ok";
    // There is nothing to remove.
    const NU: &str = "NO_SUCH_USER";
    #[rustfmt::skip]
    let table: [(&str, [&str; 9], [&str; 9]); 22] = [
        //                                                        public: sam nob rea mem mod own srv smo sow            private
        (r#"{"op":"JOIN","data":{"room":"ops"}}"#,                       [OK, OK, OK, OK, OK, OK, OK, OK, OK],  [NR, NR, OK, OK, OK, OK, NR, OK, OK]),
        (r#"{"op":"LEAVE","data":{"room":"ops"}}"#,                      [OK, OK, OK, OK, OK, OK, OK, OK, OK],  [NR, NR, OK, OK, OK, OK, NR, OK, OK]),
        (r#"{"op":"MSG","data":{"room":"ops","msg":"x"}}"#,              [OK, OK, NO, OK, OK, OK, NO, OK, OK],  [NR, NR, NO, OK, OK, OK, NR, OK, OK]),
        (r#"{"op":"MSG","data":{"to":"bo","msg":"x"}}"#,                 [OK, OK, OK, OK, OK, OK, NO, OK, OK],  [OK, OK, OK, OK, OK, OK, NO, OK, OK]),
        (r#"{"op":"WHO","data":{"room":"ops"}}"#,                        [OK, OK, OK, OK, OK, OK, OK, OK, OK],  [NR, NR, OK, OK, OK, OK, NR, OK, OK]),
        (r#"{"op":"HISTORY","data":{"room":"ops"}}"#,                    [OK, OK, OK, OK, OK, OK, OK, OK, OK],  [NR, NR, OK, OK, OK, OK, NR, OK, OK]),
        (r#"{"op":"SEARCH","data":{"query":"secret","room":"ops"}}"#,    [OK, OK, OK, OK, OK, OK, OK, OK, OK],  [NR, NR, OK, OK, OK, OK, NR, OK, OK]),
        (r#"{"op":"KICK","data":{"user":"bo","room":"ops"}}"#,           [NO, NO, NO, NO, OK, OK, NO, OK, OK],  [NR, NR, NO, NO, OK, OK, NR, OK, OK]),
        (r#"{"op":"MUTE","data":{"user":"bo","room":"ops"}}"#,           [NO, NO, NO, NO, OK, OK, NO, OK, OK],  [NR, NR, NO, NO, OK, OK, NR, OK, OK]),
        (r#"{"op":"BAN","data":{"user":"bo","room":"ops"}}"#,            [NO, NO, NO, NO, OK, OK, NO, OK, OK],  [NR, NR, NO, NO, OK, OK, NR, OK, OK]),
        (r#"{"op":"UNMUTE","data":{"user":"bo","room":"ops"}}"#,         [NO, NO, NO, NO, NU, NU, NO, NU, NU],  [NR, NR, NO, NO, NU, NU, NR, NU, NU]),
        (r#"{"op":"UNBAN","data":{"user":"bo","room":"ops"}}"#,          [NO, NO, NO, NO, NU, NU, NO, NU, NU],  [NR, NR, NO, NO, NU, NU, NR, NU, NU]),
        (r#"{"op":"GRANT","data":{"user":"bo","role":"none","room":"ops"}}"#, [NO, NO, NO, NO, OK, OK, NO, OK, OK], [NR, NR, NO, NO, OK, OK, NR, OK, OK]),
        (r#"{"op":"ROOM","data":{"room":"ops","private":true}}"#,        [NO, NO, NO, NO, NO, OK, NO, NO, OK],  [NR, NR, NO, NO, NO, OK, NR, NO, OK]),
        (r#"{"op":"GRANT","data":{"user":"x1","role":"member","room":"ops"}}"#,    [NO, NO, NO, NO, OK, OK, NO, OK, OK], [NR, NR, NO, NO, OK, OK, NR, OK, OK]),
        (r#"{"op":"GRANT","data":{"user":"x1","role":"moderator","room":"ops"}}"#, [NO, NO, NO, NO, NO, OK, NO, NO, OK], [NR, NR, NO, NO, NO, OK, NR, NO, OK]),
        // On the server as a whole.
        (r#"{"op":"BAN","data":{"user":"bo","for_s":60}}"#,              [NO, NO, NO, NO, NO, NO, NO, OK, OK],  [NO, NO, NO, NO, NO, NO, NO, OK, OK]),
        (r#"{"op":"KICK","data":{"user":"bo"}}"#,                        [NO, NO, NO, NO, NO, NO, NO, OK, OK],  [NO, NO, NO, NO, NO, NO, NO, OK, OK]),
        (r#"{"op":"MUTE","data":{"user":"bo"}}"#,                        [NO, NO, NO, NO, NO, NO, NO, OK, OK],  [NO, NO, NO, NO, NO, NO, NO, OK, OK]),
        (r#"{"op":"UNMUTE","data":{"user":"bo"}}"#,                      [NO, NO, NO, NO, NO, NO, NO, NU, NU],  [NO, NO, NO, NO, NO, NO, NO, NU, NU]),
        (r#"{"op":"UNBAN","data":{"user":"bo"}}"#,                       [NO, NO, NO, NO, NO, NO, NO, NU, NU],  [NO, NO, NO, NO, NO, NO, NO, NU, NU]),
        (r#"{"op":"GRANT","data":{"user":"bo","role":"moderator"}}"#,    [NO, NO, NO, NO, NO, NO, NO, NO, OK],  [NO, NO, NO, NO, NO, NO, NO, NO, OK]),
    ];
    for (line, public, private) in table {
        for (is_private, expected) in [(false, public), (true, private)] {
            for ((who, ..), expected) in WHO.into_iter().zip(expected) {
                let (mut world, asker, bo) = room_with(who, is_private);
                world.sends(asker, line);
                let heard = world.hears(asker);
                let shown = format!("{line} by {who}, private: {is_private}: {heard:?}");
                assert_eq!(answer(&heard), expected, "{shown}");
                if expected != OK {
                    assert!(world.hears(bo).is_empty(), "nobody hears of what was refused: {shown}");
                }
            }
        }
    }
}

#[test]
fn a_private_room_is_hidden_from_users_without_a_grant() {
    for (who, ..) in WHO {
        let is_hidden = ["sam", "nob", "srv"].contains(&who);
        let (mut world, asker, bo) = room_with(who, true);
        world.sends(asker, r#"{"op":"ROOMS"}"#);
        let rooms = world.hears(asker).concat();
        assert_eq!(rooms.contains("ops"), !is_hidden, "{who}: {rooms}");
        assert_eq!(rooms.contains("ops(2,1,private)"), !is_hidden, "{who}: {rooms}");
        // A search everywhere does not search this room either.
        let ops = world.state.room_id(&"ops".parse().unwrap()).unwrap();
        world.sends(asker, r#"{"op":"SEARCH","data":{"query":"secret"}}"#);
        let looks_there = world.effects.iter().any(
            |e| matches!(e, Effect::Read(_, Read::Search(_, what)) if what.conversations.contains(&ops)),
        );
        assert_eq!(looks_there, !is_hidden, "{who}");
        world.skips(&[asker, bo]);
        // No user outside receives an event of the room.
        let name = if who == "own" { "mod" } else { "own" };
        let own = world.login(name);
        world.sends(own, r#"{"op":"JOIN","data":{"room":"ops"}}"#);
        world.sends(bo, r#"{"op":"MSG","data":{"room":"ops","msg":"another"}}"#);
        let heard = world.hears(asker).join("; ");
        let tells =
            heard.contains(&format!("PRESENCE ops {name} joined")) && heard.contains("ops bo: another");
        assert!(if is_hidden { !heard.contains("ops") } else { tells }, "{who}: {heard}");
    }
}

#[test]
fn a_hidden_room_is_answered_like_an_unknown_room() {
    let (mut world, nob, _) = room_with("nob", true);
    for op in ["LEAVE", "WHO", "HISTORY", "MSG", "SEARCH", "KICK", "ROOM", "GRANT"] {
        let told = |world: &mut World, room: &str| {
            let rest = r#""msg":"x","query":"x","user":"bo","role":"member","private":true"#;
            world.sends(nob, &format!(r#"{{"op":"{op}","data":{{"room":"{room}",{rest}}}}}"#));
            let line = world.lines(nob).pop_front().unwrap();
            String::from_utf8(line).unwrap().replace(room, "...")
        };
        let hidden = told(&mut world, "ops");
        assert!(hidden.contains("NO_SUCH_ROOM"), "{hidden}");
        assert_eq!(hidden, told(&mut world, "qqq"), "{op}: to the letter");
    }
    // Nor by JOIN if no room can be opened.
    for full in [false, true] {
        let (mut world, nob, _) = room_with("nob", true);
        if full {
            world.rules.rooms = 2
        } else {
            world.rules.create = false
        }
        let rules = world.rules.clone();
        world.operator(|state| state.set_rules(rules));
        let mut told = |room: &str| {
            world.sends(nob, &format!(r#"{{"op":"JOIN","data":{{"room":"{room}"}}}}"#));
            String::from_utf8(world.lines(nob).pop_front().unwrap()).unwrap().replace(room, "...")
        };
        let hidden = told("ops");
        assert!(hidden.contains("NO_SUCH_ROOM"), "{hidden}");
        assert_eq!(hidden, told("qqq"), "to the letter");
        let [hidden, none] = ["ops", "qqq"].map(|room| {
            let who = world.connect();
            world.sends(who, &format!(r#"{{"op":"LOGIN","data":{{"name":"xy","rooms":["{room}"]}}}}"#));
            String::from_utf8(world.lines(who).pop_front().unwrap()).unwrap().replace(room, "...")
        });
        assert_eq!(hidden, none, "to the letter, by LOGIN too");
    }
    // Nor is it found by a look-alike name, or by a login to it.
    for name in ["0ps", "OPS", "\u{43e}ps"] {
        world.sends(nob, &format!(r#"{{"op":"JOIN","data":{{"room":"{name}"}}}}"#));
        let line = String::from_utf8(world.lines(nob).pop_front().unwrap()).unwrap();
        assert!(line.contains("NO_SUCH_ROOM") && !line.contains("looks like"), "{line}");
        let other = world.connect();
        world.sends(other, &format!(r#"{{"op":"LOGIN","data":{{"name":"xy","rooms":["{name}"]}}}}"#));
        assert_eq!(world.hears(other), ["ERROR_MSG NO_SUCH_ROOM"]);
    }
}

#[test]
fn a_user_with_a_proven_name_owns_the_room_that_it_opens() {
    let mut world = World::new(|_| {});
    world.proven = vec!["ana", "bo"];
    let [ana, bo, cy] = ["ana", "bo", "cy"].map(|name| world.login(name));
    world.sends(ana, r#"{"op":"JOIN","data":{"room":"hers"}}"#);
    world.sends(cy, r#"{"op":"JOIN","data":{"room":"open"}}"#);
    world.sends(bo, r#"{"op":"JOIN","data":{"room":"hers"}}"#);
    world.skips(&[ana, bo, cy]);
    for (who, line, heard) in [
        (ana, r#"{"op":"ROOM","data":{"room":"lobby","private":true}}"#, vec!["ERROR_MSG FORBIDDEN"]),
        (cy, r#"{"op":"ROOM","data":{"room":"open","private":true}}"#, vec!["ERROR_MSG FORBIDDEN"]),
        (bo, r#"{"op":"ROOM","data":{"room":"hers","private":true}}"#, vec!["ERROR_MSG FORBIDDEN"]),
        (ana, r#"{"op":"GRANT","data":{"user":"bo","role":"member","room":"hers"}}"#, vec!["GRANT"]),
        (ana, r#"{"op":"ROOM","data":{"room":"hers","private":true}}"#, vec!["ROOM"]),
        (bo, r#"{"op":"MSG","data":{"room":"hers","msg":"hi"}}"#, vec!["MSG 1<0 hers bo: hi"]),
        (
            ana,
            r#"{"op":"GRANT","data":{"user":"bo","role":"none","room":"hers"}}"#,
            vec!["MSG 1<0 hers bo: hi", "PRESENCE hers bo left", "GRANT"],
        ),
    ] {
        world.sends(who, line);
        assert_eq!(world.hears(who), heard, "{line}");
    }
    assert_eq!(world.hears(bo), ["NOTICE REMOVED hers"]);
    world.sends(bo, r#"{"op":"JOIN","data":{"room":"hers"}}"#);
    assert_eq!(world.hears(bo), ["ERROR_MSG NO_SUCH_ROOM"]);
    // It exists although it is empty, and is still hers after a restart.
    world.sends(ana, r#"{"op":"LEAVE","data":{"room":"hers"}}"#);
    world.restarts();
    let ana = world.resumes("ana", None);
    world.sends(ana, r#"{"op":"JOIN","data":{"room":"hers"}}"#);
    world.sends(ana, r#"{"op":"ROOM","data":{"room":"hers","private":false}}"#);
    assert_eq!(
        world.hears(ana),
        ["LOGIN ana lobby head 1", "JOIN hers head 1 [ana here owner] of 1", "ROOM"]
    );
}

#[test]
fn a_session_that_is_evicted_while_away_gets_no_later_message() {
    let (mut world, mem, bo) = room_with("mem", true);
    world.loses(mem);
    world.sends(bo, r#"{"op":"MSG","data":{"room":"ops","msg":"before"}}"#);
    world.operates(r#"{"op":"GRANT","data":{"user":"mem","role":"none","room":"ops"}}"#).unwrap();
    world.sends(bo, r#"{"op":"MSG","data":{"room":"ops","msg":"after"}}"#);
    world.restarts();
    let mem = world.resumes("mem", Some(0));
    assert_eq!(world.hears(mem), ["LOGIN mem lobby head 3"]);
    world.sends(mem, r#"{"op":"HISTORY","data":{"room":"ops"}}"#);
    assert_eq!(world.hears(mem), ["ERROR_MSG NO_SUCH_ROOM"]);
}

#[test]
fn a_history_request_before_an_eviction_shows_no_later_message() {
    // The connection reads a page at its place in the outbox, which may be much later.
    let (mut world, mem, _) = room_with("mem", true);
    world.sends(mem, r#"{"op":"HISTORY","data":{"room":"ops"}}"#);
    let page = |e: &Effect| match e {
        Effect::Read(_, Read::Page(_, of)) => of.before,
        Effect::Read(_, Read::Search(_, what)) => what.before,
        _ => None,
    };
    assert_eq!(world.effects.iter().find_map(page), Some(2), "only what was there");
    world.sends(mem, r#"{"op":"SEARCH","data":{"query":"secret","before":9}}"#);
    assert_eq!(world.effects.iter().find_map(page), Some(2));
    world.sends(mem, r#"{"op":"SEARCH","data":{"query":"secret","before":1}}"#);
    assert_eq!(world.effects.iter().find_map(page), Some(1));
}

#[test]
fn a_room_that_becomes_private_evicts_members_without_a_grant() {
    let (mut world, sam, bo) = room_with("sam", false);
    world.operates(r#"{"op":"ROOM","data":{"room":"ops","private":true}}"#).unwrap();
    assert_eq!(world.hears(sam), ["NOTICE REMOVED ops"]);
    assert_eq!(world.hears(bo), ["PRESENCE ops sam left"]);
    world.sends(bo, r#"{"op":"MSG","data":{"room":"ops","msg":"among us"}}"#);
    assert!(world.hears(sam).is_empty(), "what is said from then on is not for him");
    // A login joins the configured rooms that are open to it.
    world.operates(r#"{"op":"ROOM","data":{"room":"lobby","private":true}}"#).unwrap();
    let cy = world.login("cy");
    assert_eq!(world.hears(cy), ["LOGIN cy  head 2"]);
    world.sends(cy, r#"{"op":"MSG","data":"x"}"#);
    assert_eq!(world.hears(cy), ["ERROR_MSG NO_SUCH_ROOM"]);
}

#[test]
fn a_removed_room_is_gone_with_its_messages() {
    let (mut world, mem, bo) = room_with("mem", true);
    let nob = world.login("nob");
    world.skips(&[nob, bo, mem]);
    let room = Place(Some("OPS".parse().unwrap()));
    let done = world.acts(Action::RemoveRoom(room.clone())).unwrap();
    assert_eq!(done.room.as_deref(), Some("ops"));
    for member in [mem, bo] {
        assert!(world.hears(member).contains(&"NOTICE REMOVED ops".to_owned()));
    }
    assert!(world.disk.chunks.is_empty(), "what was said is gone");
    assert_eq!(
        world.disk.audit.last().map(|line| (&*line.did, line.room.as_deref())),
        Some(("room remove", Some("ops")))
    );
    assert_eq!(world.acts(Action::RemoveRoom(room)), Err(ErrorKind::NoSuchRoom));
    let lobby = Action::RemoveRoom(Place(Some("LOBBY".parse().unwrap())));
    assert_eq!(world.acts(lobby), Err(ErrorKind::Forbidden), "it is configured");
    let found = world.disk.found();
    assert!(
        found.permissions.private.is_empty()
            && found.permissions.grants.iter().all(|(scope, ..)| scope.is_none())
    );
    assert_eq!(found.conversations, world.state.snapshot().conversations);
    // Its name is free, and the new room has nothing of the old one.
    world.sends(nob, r#"{"op":"JOIN","data":{"room":"ops"}}"#);
    assert_eq!(world.hears(nob), ["JOIN ops head 0 [nob here owner] of 1"]);
    world.loses(mem);
    let mem = world.resumes("mem", Some(0));
    assert!(!world.hears(mem).iter().any(|line| line.contains("a secret")));
}

#[test]
fn a_room_that_is_being_removed_takes_no_message() {
    let (mut world, mem, bo) = room_with("mem", false);
    world.sweeps = false;
    world.acts(Action::RemoveRoom(Place(Some("ops".parse().unwrap())))).unwrap();
    world.skips(&[mem, bo]);
    world.sends(mem, r#"{"op":"MSG","data":{"room":"ops","msg":"x"}}"#);
    assert_eq!(world.hears(mem), ["ERROR_MSG NO_SUCH_ROOM"]);
    world.sweeps = true;
    world.operator(|_| {});
    world.skips(&[mem]);
    // Another room of that name is a different room.
    world.sends(mem, r#"{"op":"JOIN","data":{"room":"ops"}}"#);
    assert_eq!(world.hears(mem), ["JOIN ops head 0 [mem here owner] of 1"]);
    world.sends(mem, r#"{"op":"MSG","data":{"room":"ops","msg":"x"}}"#);
    assert!(world.hears(mem)[0].starts_with("MSG "));
    assert_eq!(world.disk.found().conversations, world.state.snapshot().conversations);
}
