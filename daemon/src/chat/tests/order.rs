//! Who may do what, as tables of role x op, and what follows from an act: who hears what, who is put
//! out, what is written down and what outlives a restart.

use super::super::order::Ban;
use super::world::World;
use super::*;

/// Everyone whom the tables ask about, with what they were granted on the server and in the room.
/// `sam` proves nothing, and so has nothing of what was granted to the name.
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

/// A room with somebody in it, `bo`, a member who has said something; and `who`, who is in it as well
/// if that is possible.
fn room_with(who: &str, private: bool) -> (World, ConnectionId, ConnectionId) {
    let mut world = World::new(|rules| rules.rate = Rate { per_second: 0, burst: 1 });
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

/// The kind of the refusal, or what stands for a good answer.
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
    #[rustfmt::skip]
    let table: [(&str, [&str; 9], [&str; 9]); 15] = [
        //                                                        public: sam nob rea mem mod own srv smo sow            private
        (r#"{"op":"JOIN","data":{"room":"ops"}}"#,                       [OK, OK, OK, OK, OK, OK, OK, OK, OK],  [NR, NR, OK, OK, OK, OK, NR, OK, OK]),
        (r#"{"op":"LEAVE","data":{"room":"ops"}}"#,                      [OK, OK, OK, OK, OK, OK, OK, OK, OK],  [NR, NR, OK, OK, OK, OK, NR, OK, OK]),
        (r#"{"op":"MSG","data":{"room":"ops","msg":"x"}}"#,              [OK, OK, NO, OK, OK, OK, NO, OK, OK],  [NR, NR, NO, OK, OK, OK, NR, OK, OK]),
        (r#"{"op":"MSG","data":{"to":"bo","msg":"x"}}"#,                 [OK, OK, OK, OK, OK, OK, OK, OK, OK],  [OK, OK, OK, OK, OK, OK, OK, OK, OK]),
        (r#"{"op":"WHO","data":{"room":"ops"}}"#,                        [OK, OK, OK, OK, OK, OK, OK, OK, OK],  [NR, NR, OK, OK, OK, OK, NR, OK, OK]),
        (r#"{"op":"HISTORY","data":{"room":"ops"}}"#,                    [OK, OK, OK, OK, OK, OK, OK, OK, OK],  [NR, NR, OK, OK, OK, OK, NR, OK, OK]),
        (r#"{"op":"SEARCH","data":{"query":"secret","room":"ops"}}"#,    [OK, OK, OK, OK, OK, OK, OK, OK, OK],  [NR, NR, OK, OK, OK, OK, NR, OK, OK]),
        (r#"{"op":"KICK","data":{"user":"bo","room":"ops"}}"#,           [NO, NO, NO, NO, OK, OK, NO, OK, OK],  [NR, NR, NO, NO, OK, OK, NR, OK, OK]),
        (r#"{"op":"MUTE","data":{"user":"bo","room":"ops"}}"#,           [NO, NO, NO, NO, OK, OK, NO, OK, OK],  [NR, NR, NO, NO, OK, OK, NR, OK, OK]),
        (r#"{"op":"BAN","data":{"user":"bo","room":"ops"}}"#,            [NO, NO, NO, NO, OK, OK, NO, OK, OK],  [NR, NR, NO, NO, OK, OK, NR, OK, OK]),
        (r#"{"op":"ROOM","data":{"room":"ops","private":true}}"#,        [NO, NO, NO, NO, NO, OK, NO, NO, OK],  [NR, NR, NO, NO, NO, OK, NR, NO, OK]),
        (r#"{"op":"GRANT","data":{"user":"x1","role":"member","room":"ops"}}"#,    [NO, NO, NO, NO, OK, OK, NO, OK, OK], [NR, NR, NO, NO, OK, OK, NR, OK, OK]),
        (r#"{"op":"GRANT","data":{"user":"x1","role":"moderator","room":"ops"}}"#, [NO, NO, NO, NO, NO, OK, NO, NO, OK], [NR, NR, NO, NO, NO, OK, NR, NO, OK]),
        // On the server as a whole.
        (r#"{"op":"BAN","data":{"user":"bo","for_s":60}}"#,              [NO, NO, NO, NO, NO, NO, NO, OK, OK],  [NO, NO, NO, NO, NO, NO, NO, OK, OK]),
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
fn a_private_room_is_hidden_from_those_who_were_granted_nothing_in_it() {
    for (who, ..) in WHO {
        let is_hidden = ["sam", "nob", "srv"].contains(&who);
        let (mut world, asker, bo) = room_with(who, true);
        world.sends(asker, r#"{"op":"ROOMS"}"#);
        let rooms = world.hears(asker).concat();
        assert_eq!(rooms.contains("ops"), !is_hidden, "{who}: {rooms}");
        assert_eq!(rooms.contains("ops(2,1,private)"), !is_hidden, "{who}: {rooms}");
        // A search everywhere does not look there either.
        let ops = world.chat.conversations.room(&"ops".parse().unwrap()).unwrap();
        world.sends(asker, r#"{"op":"SEARCH","data":{"query":"secret"}}"#);
        let looks_there = world.effects.iter().any(
            |e| matches!(e, Effect::Read(_, Read::Search(_, what)) if what.conversations.contains(&ops)),
        );
        assert_eq!(looks_there, !is_hidden, "{who}");
        world.skips(&[asker, bo]);
        // What happens there is heard by nobody outside.
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
fn a_hidden_room_is_told_as_one_that_is_not_there() {
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
    // Nor is it found by a name that looks like it, or by logging in to it.
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
fn whoever_opens_a_room_with_a_proven_name_owns_it() {
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
    // It is there although nobody is in it, and still hers after a restart.
    world.sends(ana, r#"{"op":"LEAVE","data":{"room":"hers"}}"#);
    world.restarts();
    let ana = world.resumes("ana", None);
    world.sends(ana, r#"{"op":"JOIN","data":{"room":"hers"}}"#);
    world.sends(ana, r#"{"op":"ROOM","data":{"room":"hers","private":false}}"#);
    assert_eq!(
        world.hears(ana),
        ["LOGIN ana lobby head 1", "JOIN hers head 1 [ana away] of 1", "ROOM"]
            .map(|s| s.replace("away", "here"))
    );
}

#[test]
fn who_was_put_out_while_away_hears_nothing_of_what_came_later() {
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
fn what_was_asked_before_one_was_put_out_shows_nothing_of_what_came_after() {
    // A page is read when the connection comes to it, which may be much later.
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
fn a_room_that_becomes_private_puts_out_those_who_were_granted_nothing() {
    let (mut world, sam, bo) = room_with("sam", false);
    world.operates(r#"{"op":"ROOM","data":{"room":"ops","private":true}}"#).unwrap();
    assert_eq!(world.hears(sam), ["NOTICE REMOVED ops"]);
    assert_eq!(world.hears(bo), ["PRESENCE ops sam left"]);
    world.sends(bo, r#"{"op":"MSG","data":{"room":"ops","msg":"among us"}}"#);
    assert!(world.hears(sam).is_empty(), "what is said from then on is not for him");
    // Of the configured rooms a login enters those that are open to it.
    world.operates(r#"{"op":"ROOM","data":{"room":"lobby","private":true}}"#).unwrap();
    let cy = world.login("cy");
    assert_eq!(world.hears(cy), ["LOGIN cy  head 2"]);
    world.sends(cy, r#"{"op":"MSG","data":"x"}"#);
    assert_eq!(world.hears(cy), ["ERROR_MSG NO_SUCH_ROOM"]);
}

#[test]
fn the_muted_are_told_until_when_and_then_speak_again() {
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
    // On the whole server: not even by direct message, and until it is taken back.
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
fn bans_cut_and_keep_out_until_they_are_over() {
    let mut world = World::new(|_| {});
    let [ana, bo] = ["ana", "bo"].map(|name| world.login(name));
    world.skips(&[ana, bo]);
    world.operates(r#"{"op":"BAN","data":{"user":"ana","for_s":60,"reason":"spam"}}"#).unwrap();
    let heard = world.lines(ana);
    assert!(String::from_utf8_lossy(&heard[0]).contains("has banned you and has ended your session: spam"));
    assert_eq!(String::from_utf8_lossy(&heard[1]), "(closed: kicked)");
    assert_eq!(world.hears(bo), ["PRESENCE lobby ana left"]);
    world.restarts();
    for name in ["ana", "ANA", "\u{430}na"] {
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
    assert!(world.chat.look(Look::Bans).is_empty());
}

#[test]
fn a_banned_range_cuts_who_comes_from_there_and_is_told_to_the_door() {
    let mut world = World::new(|_| {});
    let bo = world.login("bo");
    world.address = "2001:db8:0:1::7".parse().unwrap();
    let [ana, silent] = [world.login("ana"), world.connect()];
    world.turn();
    world.skips(&[ana, bo, silent]);
    let ban =
        |whom: &str| Ban { whom: whom.parse().unwrap(), room: None, for_s: Some(60), reason: "flood".into() };
    let done = world.acts(Act::Ban(ban("2001:db8:0:1::99"), Undo::No)).unwrap();
    assert_eq!(done.address.as_deref(), Some("2001:db8:0:1::/64"));
    assert_eq!(world.hears(ana), ["NOTICE KICKED", "(closed: kicked)"]);
    assert_eq!(world.hears(silent), ["(closed: kicked)"]);
    let barred = |world: &World| {
        world.effects.iter().find_map(|e| match e {
            Effect::Barred(barred) => Some(barred.len()),
            _ => None,
        })
    };
    assert_eq!(barred(&world), Some(1));
    assert_eq!(world.disk.found().rights.barred().len(), 1, "the door knows it after a restart, too");
    world.acts(Act::Ban(ban("2001:db8:0:1::/64"), Undo::Yes)).unwrap();
    assert_eq!(barred(&world), Some(0));
    // A certificate is banned at the login that comes with it.
    let sha256 = "ab".repeat(32);
    world.acts(Act::Ban(ban(&sha256), Undo::No)).unwrap();
    let (fingerprint, key): (Fingerprint, Name) = (sha256.parse().unwrap(), "ana".parse().unwrap());
    let now = world.now.wall;
    assert!(world.chat.book.ban_of(&key.key(), Some(&fingerprint), now).is_some());
    assert!(world.chat.book.ban_of(&key.key(), Some(&fingerprint), now + 60_000).is_none(), "over");
    assert!(world.chat.book.ban_of(&key.key(), None, now).is_none());
}

#[test]
fn the_audit_log_has_who_did_what_to_whom() {
    let (mut world, own, _) = room_with("own", false);
    let before = world.disk.audit.len();
    for line in [
        r#"{"op":"MUTE","data":{"user":"bo","room":"ops","for_s":60,"reason":"noise"}}"#,
        r#"{"op":"KICK","data":{"user":"BO","room":"ops"}}"#,
        r#"{"op":"ROOM","data":{"room":"ops","private":true}}"#,
        r#"{"op":"GRANT","data":{"user":"cy","role":"moderator","room":"ops"}}"#,
        // What was refused is not in it.
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
fn while_nothing_can_be_kept_only_a_kick_is_done_and_its_line_waits() {
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
fn one_room_does_not_fill_the_book() {
    let mut world = World::new(|rules| rules.rate = Rate { per_second: 0, burst: 1 });
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
    assert!(world.disk.found().rights.mutes.is_empty());
}
