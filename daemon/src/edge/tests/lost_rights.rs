//! Tests of users who lose the right to be in rooms because a role was removed: they are evicted in slices, and
//! receive and find nothing meanwhile.

use super::slices::{ROOMS, cost, enters, is_kept, rooms};
use super::world::World;
use tcp_chat_protocol::request::{Action, Place};
use tcp_chat_state::Parts as _;
use tcp_chat_state::{ConnectionId, Past, SessionChange};

/// `cy` in so many rooms that have become private, by a role on the server.
fn private(n: usize) -> (World, Vec<ConnectionId>) {
    let (mut world, cy) = rooms(n, 1, 3);
    world.operates(r#"{"op":"GRANT","data":{"user":"cy","role":"moderator"}}"#).unwrap();
    for n in 0..n {
        world.operates(&format!(r#"{{"op":"ROOM","data":{{"room":"room{n}","private":true}}}}"#)).unwrap();
    }
    world.operates(r#"{"op":"GRANT","data":{"user":"by0","role":"owner"}}"#).unwrap();
    world.skips(&cy);
    (world, cy)
}

const DEMOTES: &str = r#"{"op":"GRANT","data":{"user":"cy","role":"none"}}"#;

#[test]
fn losing_a_role_evicts_from_many_rooms_in_slices() {
    let of = |n| {
        let (mut world, _) = private(n);
        cost(&mut world, |world| drop(world.operates(DEMOTES).unwrap()))
    };
    let ([(small, _), _], [(large, _), (slice, _)]) = (of(ROOMS), of(10 * ROOMS));
    // The sweep visits each room once, and the store is told of each.
    assert!(
        large <= 11 * small && large < 52_000 && slice < 8_000,
        "{small} steps, then {large}; {slice} in a slice"
    );
}

#[test]
fn a_member_who_is_being_evicted_gets_and_finds_no_message_of_the_room() {
    let (mut world, cy) = private(3);
    let owner = world.connect();
    world.registers("own");
    world.operates(r#"{"op":"GRANT","data":{"user":"own","role":"owner"}}"#).unwrap();
    world.sends(owner, &enters(3, "own", r#","password":"pw""#));
    world.slice.rooms = 0;
    world.sweeps = false;
    world.loses(cy[2]);
    world.skips(&cy);
    world.operates(DEMOTES).unwrap();
    let secret = r#"{"op":"MSG","data":{"room":"room0","msg":"secret"}}"#;
    world.sends(owner, secret);
    // Neither its connection, nor one that takes the session over, nor one that was away.
    let taken = world.resumes("cy1", Some(0));
    let back = world.resumes("cy2", Some(0));
    world.sends(owner, secret);
    for who in [cy[0], taken, back] {
        world.sends(who, r#"{"op":"SEARCH","data":{"query":"secret"}}"#);
        world.sends(who, secret);
        let heard = world.hears(who);
        let refused = ["ERROR_MSG NO_SUCH_ROOM", "ERROR_MSG NOT_A_MEMBER"];
        assert!(refused.contains(&heard.last().unwrap().as_str()), "{heard:?}");
        assert!(!heard.iter().any(|line| line.contains("secret")), "{heard:?}");
    }
    // With the right again they become members by a JOIN, which is announced.
    world.operates(r#"{"op":"ROOM","data":{"room":"room0","private":false}}"#).unwrap();
    world.skips(&[cy[0], taken]);
    world.sends(cy[0], r#"{"op":"JOIN","data":{"room":"room0"}}"#);
    world.sweeps = true;
    world.turn();
    world.skips(&[cy[0]]);
    world.sends(owner, r#"{"op":"MSG","data":{"room":"room0","msg":"to all"}}"#);
    assert_eq!(world.hears(cy[0]), ["MSG 3<2 room0 own: to all"]);
    let told = world.hears(taken);
    assert!(told.contains(&"NOTICE REMOVED room0".to_owned()), "{told:?}");
    assert!(!told.iter().any(|line| line.contains("to all")), "{told:?}");
    is_kept(&world);
}

const PROMOTES: &str = r#"{"op":"GRANT","data":{"user":"cy","role":"moderator"}}"#;

/// The same, with an owner in the rooms. No sweep runs until the test asks for it.
fn owned(n: usize) -> (World, Vec<ConnectionId>, ConnectionId) {
    let (mut world, cy) = private(n);
    let owner = world.connect();
    world.registers("own");
    world.operates(r#"{"op":"GRANT","data":{"user":"own","role":"owner"}}"#).unwrap();
    world.sends(owner, &enters(n, "own", r#","password":"pw""#));
    world.skips(&cy);
    world.skips(&[owner]);
    world.slice.rooms = 0;
    world.sweeps = false;
    (world, cy, owner)
}

fn is_swept(world: &World) {
    assert!(world.disk.found().sessions == world.state.snapshot().sessions && world.is_at_rest());
}

/// Actions that remove the right to be in `room0`, and give it back.
const WAYS: [[&str; 2]; 2] = [
    [DEMOTES, PROMOTES],
    [
        r#"{"op":"ROOM","data":{"room":"room0","private":true}}"#,
        r#"{"op":"ROOM","data":{"room":"room0","private":false}}"#,
    ],
];

#[test]
fn a_member_who_lost_a_right_is_evicted_even_if_it_was_granted_again_and_the_session_resumed() {
    for (n, [off, on]) in WAYS.into_iter().enumerate() {
        let (mut world, cy, owner) = owned(2);
        if n == 1 {
            world.operates(on).unwrap();
            world.operates(DEMOTES).unwrap();
            world.sweeps = true;
            world.turn();
            world.sweeps = false;
            world.skips(&cy);
        }
        world.operates(off).unwrap();
        world.sends(owner, r#"{"op":"MSG","data":{"room":"room0","msg":"missed"}}"#);
        world.operates(on).unwrap();
        world.sends(owner, r#"{"op":"MSG","data":{"to":"cy","msg":"direct"}}"#);
        world.loses(cy[0]);
        // By a lost connection, by a takeover, and not at all; from the newest and from the first number on.
        let back = [world.resumes("cy0", Some(2)), world.resumes("cy1", Some(0)), cy[2]];
        world.sends(owner, r#"{"op":"MSG","data":{"room":"room0","msg":"deaf"}}"#);
        world.sweeps = true;
        world.turn();
        world.sends(owner, r#"{"op":"MSG","data":{"room":"room0","msg":"later"}}"#);
        for who in back {
            let heard = world.hears(who);
            let removed = heard.iter().filter(|line| *line == "NOTICE REMOVED room0").count();
            assert_eq!(removed, 1, "{n}: {heard:?}");
            let said = ["missed", "deaf", "later"];
            assert!(!heard.iter().any(|line| said.iter().any(|s| line.ends_with(s))), "{n}: {heard:?}");
        }
        is_swept(&world);
    }
}

#[test]
fn a_member_who_is_being_evicted_cannot_write_or_read() {
    let (mut world, cy, owner) = owned(2);
    world.operates(DEMOTES).unwrap();
    world.operates(PROMOTES).unwrap();
    let head = world.state.counts().head;
    for line in [
        r#"{"op":"HISTORY","data":{"room":"room1"}}"#,
        r#"{"op":"SEARCH","data":{"query":"x","room":"room1"}}"#,
        r#"{"op":"LEAVE","data":{"room":"room1"}}"#,
    ] {
        world.sends(cy[0], line);
        assert_eq!(world.hears(cy[0]), ["ERROR_MSG NOT_A_MEMBER"], "{line}");
    }
    world.sends(cy[0], r#"{"op":"MSG","id":5,"data":{"room":"room0","msg":"mine"}}"#);
    assert_eq!(world.hears(cy[0]), ["ERROR_MSG#5 NOT_A_MEMBER"]);
    assert!(world.hears(owner).is_empty());
    assert_eq!(world.state.counts().head, head);
    world.sends(cy[0], r#"{"op":"JOIN","data":{"room":"room0"}}"#);
    world.sends(cy[0], r#"{"op":"MSG","id":5,"data":{"room":"room0","msg":"mine"}}"#);
    let heard = world.hears(cy[0]);
    assert_eq!((&*heard[0], &*heard[2]), ("NOTICE REMOVED room0", "MSG#5 1<0 room0 cy: mine"));
    world.sweeps = true;
    world.turn();
    assert_eq!(world.hears(cy[0]), ["NOTICE REMOVED room1"]);
    is_swept(&world);
}

#[test]
fn a_user_who_has_already_left_is_not_evicted_again() {
    let (mut world, cy, owner) = owned(3);
    world.operates(DEMOTES).unwrap();
    world.sends(owner, r#"{"op":"KICK","data":{"user":"cy","room":"room1"}}"#);
    let gone = r#"{"op":"MSG","data":{"room":"room0","msg":"x"}}"#;
    world.sends(cy[0], gone);
    world.sweeps = true;
    world.turn();
    for who in cy {
        let heard = world.hears(who);
        for room in 0..3 {
            let notice = format!("NOTICE REMOVED room{room}");
            assert_eq!(heard.iter().filter(|line| **line == notice).count(), 1, "{heard:?}");
        }
    }
    is_swept(&world);
}

#[test]
fn a_room_that_switches_between_private_and_public_notes_each_lost_membership_once() {
    let (mut world, _) = rooms(1, 300, 0);
    for (private, wanted) in [(true, 300), (false, 0), (true, 0)] {
        world.state.begin(world.now.wall);
        let room = Place(Some("room0".parse().unwrap()));
        world.state.operate(0, &Action::Room { room, private }, Past::Absent).unwrap();
        let writes = world.state.end();
        let lost = writes.sessions.iter().filter(|c| matches!(c, SessionChange::Lose { .. })).count();
        assert_eq!(lost, wanted, "private: {private}");
        world.disk.write(writes);
    }
}
