//! Tests of sessions in many rooms: their login and their end take a turn no longer than a slice. While later turns do
//! the rest, an ended session cannot act, receive or be seen.

use super::access::{certificate, name};
use super::world::World;
use crate::edge::{Command, Effect};
use tcp_chat_state::{ConnectionId, Listing, Parts as _, Row, UserCommand, steps};

/// The number of rooms: so many, or ten times as many.
pub(super) const ROOMS: usize = 40;
/// For costs that do not depend on the number.
const SLACK: u64 = 600;

/// `members` other users in each of so many rooms, and `cy` with a proven name, in them with so many sessions.
pub(super) fn rooms(rooms: usize, members: usize, sessions: usize) -> (World, Vec<ConnectionId>) {
    let mut world = World::new(|rules| {
        rules.rate.per_second = 0;
        rules.flow.per_second = 0;
        rules.rooms_per_session = 0;
        rules.rooms_per_network = 0;
        rules.sessions_per_user = 0;
    });
    for n in 0..members {
        let who = world.connect();
        world.sends(who, &enters(rooms, &format!("by{n}"), ""));
        world.skips(&[who]);
    }
    world.registers("cy");
    world.grants(UserCommand::Issued(certificate(1, "cy")));
    let mut connections = Vec::new();
    for n in 0..sessions {
        let who = world.connect();
        world.called = Some(format!("cy{n}"));
        world.sends(who, &enters(rooms, "cy", r#","password":"pw""#));
        connections.push(who);
    }
    world.skips(&connections);
    (world, connections)
}

/// A LOGIN that names so many rooms.
pub(super) fn enters(rooms: usize, name: &str, more: &str) -> String {
    let rooms: Vec<_> = (0..rooms).map(|n| format!("room{n}")).collect();
    format!(
        r#"{{"op":"LOGIN","data":{{"name":"{name}"{more},"rooms":{}}}}}"#,
        serde_json::to_string(&rooms).unwrap()
    )
}

/// Copies of presence events of the last turn.
fn copies(world: &World) -> u64 {
    let of = |effect: &Effect| if let Effect::Event { to, .. } = effect { to.len() as u64 } else { 0 };
    world.effects.iter().map(of).sum()
}

/// The cost of a turn with that event, in steps and in copies to deliver. And the same of the most expensive later
/// turn, in each of which the hub proposes 16 steps.
pub(super) fn cost(world: &mut World, act: impl FnOnce(&mut World)) -> [(u64, u64); 2] {
    world.sweeps = false;
    let before = steps::so_far();
    act(world);
    let first = (steps::so_far() - before, copies(world));
    steps::uncounted(|| is_restorable(world));
    let mut most = (0, 0);
    let mut slices = 0_u32;
    while world.has_work() {
        let before = steps::so_far();
        world.works(16);
        most = most.max((steps::so_far() - before, copies(world)));
        slices += 1;
        // A check of each of them would take minutes.
        if slices.is_power_of_two() {
            steps::uncounted(|| is_restorable(world));
        }
    }
    steps::uncounted(|| is_kept(world));
    [first, most]
}

/// A restart finds the same facts, except for those of the connections and of the process.
pub(super) fn is_restorable(world: &World) {
    let known = ["/here"];
    let of = |state: &tcp_chat_state::State| {
        let mut facts = state.facts();
        facts.retain(|path, _| !known.iter().any(|end| path.ends_with(end)));
        facts
    };
    assert_eq!(world.disk.found(), world.state.snapshot());
    let again = tcp_chat_state::State::restore(world.rules.clone(), world.disk.found(), world.now.wall);
    assert_eq!(of(&again), of(&world.state));
}

pub(super) fn is_kept(world: &World) {
    let (kept, found) = (world.disk.found(), world.state.snapshot());
    assert!(kept.sessions == found.sessions && kept.conversations == found.conversations);
    assert!(kept.users == found.users && kept == found);
    assert!(world.is_at_rest());
}

type Act = fn(&mut World, &[ConnectionId]);

/// Events that end sessions, of `cy` or of others.
const ENDS: &[(&str, Act)] = &[
    ("user remove", |w, _| w.grants(UserCommand::Remove(name("cy")))),
    ("user password", |w, _| {
        w.grants(UserCommand::Reset(name("cy"), super::asks::code("new", w.now.wall + 1)))
    }),
    ("cert revoke", |w, _| w.grants(UserCommand::RevokeAll(name("cy")))),
    ("kick", |w, _| drop(w.operates(r#"{"op":"KICK","data":{"user":"cy"}}"#).unwrap())),
    ("ban", |w, _| drop(w.operates(r#"{"op":"BAN","data":{"user":"cy"}}"#).unwrap())),
    ("QUIT", |w, cy| w.sends(cy[0], r#"{"op":"QUIT"}"#)),
    ("user add", |w, _| w.grants(UserCommand::Add(name("by0"), super::asks::code("by0", w.now.wall + 1)))),
];

#[test]
fn ending_sessions_with_many_rooms_has_a_bounded_cost_per_turn() {
    let mut much = Vec::new();
    for (what, act) in ENDS {
        let of = |n| {
            let (mut world, cy) = rooms(n, 3, 8);
            cost(&mut world, |world| act(world, &cy))
        };
        let ([(small, _), _], [(large, told), (slice, _)]) = (of(ROOMS), of(10 * ROOMS));
        if large > small + SLACK || told > 4_200 || slice > 2_000 {
            much.push(format!(
                "{what}: {small} steps, then {large}, {told} copies; {slice} steps in a slice"
            ));
        }
    }
    assert!(much.is_empty(), "{much:#?}");
}

#[test]
fn the_operators_list_does_not_count_a_member_whose_session_has_ended() {
    let (mut world, cy) = rooms(ROOMS, 1, 1);
    let counted = |world: &World| -> Vec<usize> {
        let members = |row| if let Row::Room(room) = row { Some(room.members) } else { None };
        world.sees(Listing::Rooms).into_iter().filter_map(members).collect()
    };
    assert!(counted(&world).iter().filter(|members| **members == 2).count() == ROOMS);
    world.sweeps = false;
    world.sends(cy[0], r#"{"op":"QUIT"}"#);
    assert!(world.has_work() && counted(&world).iter().all(|members| *members < 2));
}

#[test]
fn an_expired_session_with_many_rooms_has_a_bounded_cost_per_turn() {
    // The most expensive of these ends: the hub measures the time after each.
    let of = |n| {
        let (mut world, cy) = rooms(n, 3, 8);
        cy.iter().for_each(|who| world.adds(*who, Command::Lost));
        world.turn();
        world.now.mono += world.rules.ttl_ms;
        world.state.begin(world.now.wall);
        let overdue: Vec<_> = world.edge.overdue(world.now.mono).collect();
        assert_eq!(overdue.len(), 8);
        let mut most = 0;
        for session in overdue {
            let before = steps::so_far();
            world.state.expire(vec![session]);
            most = most.max(steps::so_far() - before);
        }
        world.turn();
        is_kept(&world);
        most
    };
    let (small, large) = (of(ROOMS), of(10 * ROOMS));
    assert!(large <= small + SLACK && large < 8_000, "{small} steps, then {large}");
}

#[test]
fn a_login_to_many_rooms_costs_one_step_per_room_and_is_announced_in_slices() {
    let comes: &[(&str, Act)] = &[
        ("LOGIN", |w, _| {
            let who = w.connect();
            let rooms = w.state.counts().rooms - 1;
            w.sends(who, &enters(rooms, "new", ""));
        }),
        ("LOGIN again", |w, _| {
            w.resumes("cy0", Some(1));
        }),
        ("lost", |w, cy| w.loses(cy[0])),
        ("GRANT", |w, _| {
            w.operates(r#"{"op":"GRANT","data":{"user":"cy","role":"owner"}}"#).unwrap();
        }),
    ];
    let mut much = Vec::new();
    for (what, act) in comes {
        let of = |n| {
            let (mut world, cy) = rooms(n, 30, 1);
            if what.ends_with("again") {
                world.loses(cy[0]);
            }
            world.sweeps = false;
            cost(&mut world, |world| act(world, &cy))
        };
        let ([(small, _), _], [(large, told), (slice, told_later)]) = (of(ROOMS), of(10 * ROOMS));
        // A turn sends 4,096 copies and the rest of the last event, whatever is left.
        if large > 11 * small + SLACK || told.max(told_later) > 4_130 || slice > 2_000 {
            much.push(format!(
                "{what}: {small} steps, then {large}, {told} copies; {slice} steps in a slice, {told_later} copies"
            ));
        }
    }
    assert!(much.is_empty(), "{much:#?}");
}

#[test]
fn an_evicted_session_cannot_act_receive_or_resume_while_it_leaves_its_rooms() {
    for (what, act) in &ENDS[..5] {
        let (mut world, cy) = rooms(ROOMS, 2, 3);
        let by = world.resumes("by0", None);
        world.slice.rooms = 0;
        world.sweeps = false;
        world.skips(&[by]);
        act(&mut world, &cy);
        assert!(world.has_work(), "{what}");
        let head = world.state.counts().head;
        for (n, who) in cy.iter().enumerate() {
            assert_eq!(world.hears(*who), ["NOTICE KICKED", "(closed: kicked)"], "{what}");
            for line in [
                r#"{"op":"MSG","data":{"room":"room3","msg":"x"}}"#,
                r#"{"op":"JOIN","data":{"room":"another"}}"#,
                r#"{"op":"HISTORY","data":{"room":"room3"}}"#,
                r#"{"op":"LOGIN","data":{"name":"somebody"}}"#,
            ] {
                world.sends(*who, line);
            }
            world.sends(by, r#"{"op":"MSG","data":{"room":"room3","msg":"secret"}}"#);
            assert!(world.hears(*who).is_empty(), "{what}");
            let again = world.resumes(&format!("cy{n}"), None);
            let refused = world.hears(again);
            assert!(refused[0].starts_with("ERROR_MSG"), "{what}: {refused:?}");
        }
        assert_eq!(world.state.counts().head, head + 3, "{what}: nothing but what the other one said");
        world.skips(&[by]);
        world.sends(by, r#"{"op":"WHO","data":{"room":"room3"}}"#);
        assert!(!world.hears(by)[0].contains("cy"), "{what}");
        // The daemon ends in between, or not.
        let mut restarted = rooms(0, 0, 0).0;
        restarted.disk = world.disk.clone();
        restarted.restarts();
        is_kept(&restarted);
        assert!(
            restarted.memberships().is_empty() && restarted.state.snapshot().sessions.len() == 2,
            "{what}"
        );
        world.sweeps = true;
        world.turn();
        is_kept(&world);
        let heard = world.hears(by);
        let left = heard.iter().filter(|line| line.ends_with("cy left")).count();
        assert_eq!((left, heard.len()), (ROOMS, ROOMS), "{what}: each room is told once");
    }
}

#[test]
fn a_restart_during_an_eviction_leaves_no_empty_room() {
    let (mut world, _) = rooms(ROOMS, 1, 0);
    let by = world.resumes("by0", None);
    world.slice.rooms = 0;
    world.sweeps = false;
    world.sends(by, r#"{"op":"QUIT"}"#);
    world.works(10);
    assert!(world.state.counts().rooms > ROOMS / 2);
    world.sweeps = true;
    world.restarts();
    is_kept(&world);
    assert_eq!(world.state.counts().rooms, 1, "the lobby");
}

#[test]
fn a_name_that_is_reused_at_once_has_left_all_rooms_first() {
    let (mut world, _) = rooms(3, 2, 0);
    let [by, ana] = [world.resumes("by0", None), world.connect()];
    world.sends(ana, &enters(5, "ana", ""));
    world.skips(&[by, ana]);
    world.slice.rooms = 0;
    world.sweeps = false;
    world.sends(ana, r#"{"op":"QUIT"}"#);
    assert!(world.hears(by).is_empty(), "it is still to be told");
    let again = world.connect();
    world.sends(again, &enters(5, "ana", ""));
    assert_eq!(world.hears(again), ["ERROR_MSG NAME_TAKEN"], "that is more than a slice");
    world.slice.rooms = 5;
    world.sends(again, &enters(5, "ana", ""));
    let told = |what| (0..3).map(move |n| format!("PRESENCE room{n} ana {what}"));
    assert_eq!(world.hears(by), told("left").chain(told("joined")).collect::<Vec<_>>());
    assert_eq!(world.hears(again), ["LOGIN ana room0,room1,room2,room3,room4 head 0"]);
    world.sweeps = true;
    world.turn();
    assert!(world.hears(by).is_empty());
    is_kept(&world);
    // The rooms that it was alone in are rooms again.
    world.sends(again, r#"{"op":"MSG","data":{"room":"room4","msg":"x"}}"#);
    assert_eq!(world.hears(again), ["MSG 1<0 room4 ana: x"]);
}

#[test]
fn a_users_other_session_is_seen_while_one_leaves() {
    let (mut world, cy) = rooms(3, 1, 1);
    let by = world.resumes("by0", None);
    world.skips(&[by]);
    world.slice.rooms = 0;
    world.sweeps = false;
    world.operates(r#"{"op":"GRANT","data":{"user":"cy","role":"moderator"}}"#).unwrap();
    world.sends(cy[0], r#"{"op":"QUIT"}"#);
    let again = world.connect();
    world.sends(again, &enters(2, "cy", r#","password":"pw""#));
    world.sends(by, r#"{"op":"WHO","data":{"room":"room0"}}"#);
    assert_eq!(world.hears(by), ["WHO room0 [by0 here, cy here moderator] of 2"]);
    world.sweeps = true;
    world.turn();
    assert_eq!(world.hears(by), ["PRESENCE room2 cy left"], "it never left the other two");
    is_kept(&world);
}

#[test]
fn delayed_presence_is_announced_in_order_and_only_if_still_true() {
    let (mut world, _) = rooms(4, 2, 0);
    let by = world.resumes("by0", None);
    world.skips(&[by]);
    world.sweeps = false;
    world.slice.copies = 1;
    let new = world.connect();
    world.sends(new, &enters(4, "new", ""));
    assert_eq!(world.hears(by), ["PRESENCE room0 new joined"], "one turn sends a bounded number of copies");
    let other = world.connect();
    world.sends(other, &enters(1, "other", ""));
    assert!(world.hears(by).is_empty(), "what comes later waits behind it");
    world.sends(new, r#"{"op":"LEAVE","data":{"room":"room2"}}"#);
    world.loses(new);
    let mut turns = Vec::new();
    while world.has_work() {
        world.works(16);
        turns.push(world.hears(by));
    }
    let told: Vec<_> = turns.concat();
    assert_eq!(
        told,
        [
            "PRESENCE room1 new joined",
            "PRESENCE room3 new joined",
            "PRESENCE room0 other joined",
            "PRESENCE room0 new away"
        ]
    );
    assert!(turns.iter().all(|turn| turn.len() <= 1), "{turns:?}");
    is_kept(&world);
}
