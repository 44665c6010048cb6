//! The erasure of a user, as others see it: what ends at once, what members are told, and that it continues.

use super::access::name;
use super::world::World;
use tcp_chat_protocol::ErrorKind;
use tcp_chat_state::{Code, CodePurpose, ConnectionId, Digest, State, UserCommand, UserCommandError};

fn erase(name: &str) -> UserCommand {
    UserCommand::Erase(name.parse().unwrap(), false)
}

/// `ana` is registered and moderates the lobby, with a session; `bo` is not.
fn two() -> (World, [ConnectionId; 2]) {
    let mut world = World::new(|_| {});
    world.registers("ana");
    world.operates(r#"{"op":"GRANT","data":{"user":"ana","role":"moderator","room":"lobby"}}"#).unwrap();
    let all = [world.logs_in("ana", "ana"), world.login("bo")];
    world.skips(&all);
    (world, all)
}

fn lines(world: &World) -> Vec<String> {
    let all = world.disk.chunks.iter().flat_map(|chunk| chunk.lines.split_inclusive(|b| *b == b'\n'));
    all.map(|line| String::from_utf8(line.to_vec()).unwrap()).collect()
}

#[test]
fn an_erased_user_is_gone_from_all_that_is_stored() {
    let (mut world, [ana, bo]) = two();
    world.sends(bo, r#"{"op":"MSG","data":{"to":"ana","msg":"yes"}}"#);
    world.sends(ana, r#"{"op":"MSG","data":{"to":"bo","msg":"psst"}}"#);
    world.sends(ana, r#"{"op":"MSG","data":"in the lobby"}"#);
    world.sends(ana, r#"{"op":"MUTE","data":{"user":"cy","room":"lobby","reason":"as ana says"}}"#);
    world.skips(&[ana, bo]);
    world.grants(erase("Ana"));
    assert_eq!(world.disk.found().erasures, []);
    let heard = world.hears(bo);
    assert!(heard.contains(&"REDACTED lobby 3 by an operator: erased".to_owned()), "{heard:?}");
    assert!(heard.contains(&"REDACTED ana @bo 2 by an operator: erased".to_owned()), "{heard:?}");
    assert!(!heard.iter().any(|line| line.starts_with("REDACTED bo")), "{heard:?}");
    assert!(world.hears(ana).contains(&"NOTICE KICKED".to_owned()));
    let stored = lines(&world);
    assert!(stored[0].contains("yes") && stored[0].contains("\"to\":\"erased-"), "{stored:?}");
    let found = world.disk.found();
    let all = format!("{stored:?} {found:?} {:?}", world.disk.audit);
    assert!(!all.to_lowercase().contains("ana"), "{all}");
    assert!(found.users.is_empty() && found.permissions.grants.is_empty() && found.marks.is_empty());
    assert!(found.permissions.mutes[0].2.by.starts_with("erased-"), "a mute stays, and who made it goes");
    let line = world.disk.audit.last().unwrap();
    assert_eq!((&*line.did, line.whom.as_deref()), ("user erase", Some(&*found.permissions.mutes[0].2.by)));
    // The name is free again, and has nothing of before.
    let other = world.login("ana");
    world.skips(&[other, bo]);
    world.sends(other, r#"{"op":"HISTORY","data":{"with":"bo"}}"#);
    assert!(!world.hears(other).concat().contains("psst"));
}

#[test]
fn nobody_takes_the_name_of_an_erased_user() {
    let (mut world, [_, bo]) = two();
    world.skips(&[bo]);
    for taken in ["erased-7", "Erased-120", "erased-l"] {
        let cy = world.connect();
        world.sends(cy, &format!(r#"{{"op":"LOGIN","data":{{"name":"{taken}"}}}}"#));
        assert_eq!(world.hears(cy), ["ERROR_MSG NAME_INVALID"], "{taken}");
        world.sends(bo, &format!(r#"{{"op":"JOIN","data":{{"room":"{taken}"}}}}"#));
        assert_eq!(world.hears(bo), ["ERROR_MSG NAME_INVALID"], "{taken}");
    }
    assert_eq!(world.commands(erase("erased-7")), Err(UserCommandError::Erased(name("erased-7"))));
}

#[test]
fn a_banned_user_is_not_erased_unless_the_ban_is_lifted() {
    let (mut world, _) = two();
    world.operates(r#"{"op":"BAN","data":{"user":"bo"}}"#).unwrap();
    world.operates(r#"{"op":"MUTE","data":{"user":"bo","room":"lobby"}}"#).unwrap();
    let list = "banned on the server, muted in lobby".to_owned();
    assert_eq!(world.commands(erase("bo")), Err(UserCommandError::Penalised(name("bo"), list)));
    assert_eq!(world.disk.found().permissions.bans.len(), 1);
    world.grants(UserCommand::Erase(name("bo"), true));
    let found = world.disk.found();
    assert!(found.permissions.bans.is_empty() && found.permissions.mutes.is_empty());
    assert_eq!(world.operates(r#"{"op":"UNBAN","data":{"user":"bo"}}"#), Err(ErrorKind::NoSuchUser));
}

#[test]
fn an_erasure_goes_on_after_a_restart_and_a_second_call_joins_it() {
    let (mut world, [ana, bo]) = two();
    for n in 0..9 {
        world.sends(ana, &format!(r#"{{"op":"MSG","data":"secret {n}"}}"#));
    }
    world.skips(&[ana, bo]);
    world.sweeps = false;
    let first = world.commands(erase("ana")).unwrap();
    world.turn();
    assert!(!world.disk.found().erasures.is_empty());
    assert!(lines(&world)[0].contains("secret"), "the newest come first");
    assert_eq!(world.commands(erase("ana")), Ok(first), "the same erasure");
    world.is_killed();
    world.sweeps = true;
    world.turn();
    assert_eq!(world.disk.found().erasures, []);
    assert!(lines(&world).iter().all(|line| line.contains("\"redacted\":true") && !line.contains("ana")));
    let begun = world.disk.audit.iter().filter(|line| &*line.did == "user erase").count();
    assert_eq!(begun, 1);
}

#[test]
fn what_an_erased_user_has_granted_and_banned_gets_the_new_name_in_slices() {
    let (mut world, [ana, bo]) = two();
    for room in [r#","room":"lobby""#, ""] {
        for n in 0..20 {
            world.operates(&format!(r#"{{"op":"MUTE","data":{{"user":"other{n}"{room}}}}}"#)).unwrap();
            world.passes(10_000);
            for op in ["MUTE", "BAN"] {
                world.sends(ana, &format!(r#"{{"op":"{op}","data":{{"user":"u{n}"{room}}}}}"#));
            }
        }
        world.operates(r#"{"op":"GRANT","data":{"user":"ana","role":"moderator"}}"#).unwrap();
    }
    world.skips(&[ana, bo]);
    let by_ana = |world: &World| {
        let found = world.disk.found().permissions;
        let mutes = found.mutes.iter().map(|(.., penalty)| penalty);
        let all = mutes.chain(found.bans.iter().map(|(.., penalty)| penalty));
        all.filter(|penalty| &*penalty.by == "ana").count()
    };
    let before = by_ana(&world);
    assert_eq!(before, 80);
    world.sweeps = false;
    world.commands(erase("ana")).unwrap();
    assert_eq!(by_ana(&world), before, "not in the turn of the command");
    let mut left = before;
    while left > 0 {
        world.is_killed();
        world.works(6);
        let now = by_ana(&world);
        assert!(now < left && left - now <= 6, "{left}, then {now}");
        left = now;
        let found = world.disk.found();
        assert_eq!(found.work, world.state.snapshot().work);
        let again = State::restore(world.rules.clone(), found, world.now.wall);
        assert_eq!(again.facts(), world.state.facts());
    }
    world.sweeps = true;
    world.turn();
    assert_eq!(world.disk.found().erasures, []);
    let all = format!("{:?}", world.disk.found());
    assert!(!all.contains("ana"), "{all}");
}

#[test]
fn an_erased_name_is_free_when_nothing_has_it_as_its_author() {
    let (mut world, [ana, bo]) = two();
    for n in 0..3 {
        world.sends(ana, &format!(r#"{{"op":"MUTE","data":{{"user":"u{n}","room":"lobby"}}}}"#));
    }
    world.skips(&[ana, bo]);
    world.sweeps = false;
    world.commands(erase("ana")).unwrap();
    // Its own grants go first.
    world.works(2);
    let code = || {
        UserCommand::Add(
            name("ana"),
            Code { hash: Digest([7; 32]), until: u64::MAX, gives: CodePurpose::Password },
        )
    };
    assert_eq!(world.commands(code()), Err(UserCommandError::BeingErased(name("ana"))));
    world.sweeps = true;
    world.turn();
    assert!(world.commands(code()).is_ok());
}

/// A certificate of the erased name that was issued before does not become the next user of the name.
#[test]
fn an_old_certificate_of_an_erased_name_does_not_count() {
    let (mut world, [ana, bo]) = two();
    world.skips(&[ana, bo]);
    let certificate = world.certificate_of(&name("ana"));
    world.grants(UserCommand::Issued(certificate));
    world.grants(erase("ana"));
    let found = world.disk.found();
    assert!(found.certificates.is_empty());
    assert_eq!(found.removed.len(), 1);
    assert_eq!(found.removed[0].name, name("ana").checksum());
    world.proven = vec!["ana"];
    world.issued = world.now.wall;
    let old = world.connect();
    world.sends(old, r#"{"op":"LOGIN","data":{"name":"ana"}}"#);
    assert_eq!(world.hears(old), ["ERROR_MSG AUTH_FAILED"]);
    world.issued = world.now.wall + 2_000;
    world.restarts();
    let new = world.connect();
    world.sends(new, r#"{"op":"LOGIN","data":{"name":"ana"}}"#);
    assert!(world.hears(new)[0].starts_with("LOGIN"));
}
