//! Users who lose the right to be in rooms because a role was taken from them: they are taken out in slices, and hear
//! and find nothing meanwhile.

use super::slices::{ROOMS, cost, enters, is_kept, rooms};
use super::world::World;
use crate::chat::ConnectionId;

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
fn a_role_that_is_taken_takes_out_of_many_rooms_in_slices() {
    let of = |n| {
        let (mut world, _) = private(n);
        cost(&mut world, |world| drop(world.operates(DEMOTES).unwrap()))
    };
    let ([(small, _), _], [(large, _), (slice, _)]) = (of(ROOMS), of(10 * ROOMS));
    // Each of the rooms is looked at, and no more.
    assert!(
        large <= 11 * small && large < 40_000 && slice < 8_000,
        "{small} steps, then {large}; {slice} in a slice"
    );
}

#[test]
fn who_may_no_longer_be_in_a_room_hears_and_finds_nothing_of_it_while_it_is_taken_out() {
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
    // Not by its connection, nor by another one that takes the session over, nor by one that was away.
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
    // With the right to be there again they are members again by a JOIN, which says so.
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
