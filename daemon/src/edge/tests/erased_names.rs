//! Names around an erasure: which ones are refused, who gets the name next, and how many events members get.

use super::access::name;
use super::asks::code;
use super::world::World;
use tcp_chat_protocol::{ErrorKind, Name};
use tcp_chat_state::{ConnectionId, User, UserChange, UserCommand, UserCommandError, UserId, Writes};

fn erase(name: &str) -> UserCommand {
    UserCommand::Erase(name.parse().unwrap(), false)
}

/// `ana` is registered and here, `bo` is here.
fn two() -> (World, [ConnectionId; 2]) {
    let mut world = World::new(|_| {});
    world.registers("ana");
    let all = [world.logs_in("ana", "ana"), world.login("bo")];
    world.skips(&all);
    (world, all)
}

/// Each event goes to all members, and a redaction passes all outboxes.
#[test]
fn members_are_told_of_a_few_messages_and_no_outbox_is_searched() {
    let (mut world, [ana, bo]) = two();
    for _ in 0..3 {
        for n in 0..30 {
            let said = world.command(&format!(r#"{{"op":"MSG","data":"secret {n}"}}"#));
            world.adds(ana, said);
        }
        world.turn();
    }
    world.skips(&[ana, bo]);
    world.grants(erase("ana"));
    let heard = world.hears(bo);
    let told = heard.iter().filter(|line| line.starts_with("REDACTED")).count();
    assert_eq!((told, world.outbox_searches), (20, 0), "{heard:?}");
}

#[test]
fn a_typo_or_a_look_alike_is_not_erased() {
    let (mut world, _) = two();
    // A Cyrillic a.
    for (typo, meant) in [("an\u{430}", "ana"), ("b\u{43e}", "bo")] {
        let refused = UserCommandError::OnlyLooksLike(name(typo), name(meant));
        assert_eq!(world.commands(erase(typo)), Err(refused));
    }
    assert!(world.disk.found().erasures.is_empty() && world.disk.found().removed.is_empty());
}

#[test]
fn a_name_is_not_registered_while_it_is_erased() {
    let (mut world, [ana, _]) = two();
    world.sends(ana, r#"{"op":"MSG","data":"psst"}"#);
    world.sweeps = false;
    world.commands(erase("ana")).unwrap();
    assert!(world.state.erasing_left() > Some(0));
    let again = UserCommand::Add(name("Ana"), code("x", u64::MAX));
    assert_eq!(world.commands(again.clone()), Err(UserCommandError::BeingErased(name("Ana"))));
    world.sweeps = true;
    world.turn();
    assert_eq!(world.state.erasing_left(), None);
    world.commands(again).unwrap();
}

#[test]
fn all_erasures_count_until_their_end() {
    let (mut world, [_, bo]) = two();
    world.sends(bo, r#"{"op":"MSG","data":"psst"}"#);
    world.sweeps = false;
    world.commands(erase("ana")).unwrap();
    let one = world.state.erasing_left().unwrap();
    world.commands(erase("cy")).unwrap();
    assert!(one > 1 && world.state.erasing_left() > Some(one));
}

#[test]
fn a_name_of_an_erased_user_gets_no_role_and_no_penalty() {
    let (mut world, _) = two();
    for asked in [
        r#"{"op":"GRANT","data":{"user":"erased-7","role":"owner","room":"lobby"}}"#,
        r#"{"op":"BAN","data":{"user":"erased-7"}}"#,
        r#"{"op":"MUTE","data":{"user":"erased-7","room":"lobby"}}"#,
    ] {
        assert_eq!(world.operates(asked), Err(ErrorKind::NoSuchUser), "{asked}");
    }
}

#[test]
fn a_neutral_name_that_a_user_of_an_older_store_has_is_left_out() {
    let (mut world, _) = two();
    let users = (1..=3_u8).map(|more| {
        let name = Name::erased(903 + u64::from(more));
        UserChange::Put(User {
            id: UserId(900 + i64::from(more)),
            name,
            password: None,
            code: None,
            added: 1,
        })
    });
    world.disk.write(Writes { users: users.collect(), ..Writes::default() });
    world.is_killed();
    // The numbering goes on after the highest one, 903.
    assert_eq!(world.commands(erase("dora")), Ok(907));
    // And that user can be erased itself.
    let old = Name::erased(904);
    assert!(world.commands(erase(old.as_str())).is_ok());
    assert!(world.state.users().by_name(&old).is_none());
}
