//! Tests of the rooms that the configuration names. They belong to the operator: no user can open one first, by its
//! name or by a look-alike.

use super::world::World;
use super::*;
use tcp_chat_protocol::Action;

fn names(all: &[&str]) -> Vec<Name> {
    all.iter().map(|name| name.parse().unwrap()).collect()
}

fn join(room: &str) -> String {
    format!(r#"{{"op":"JOIN","data":{{"room":"{room}"}}}}"#)
}

fn reloads(world: &mut World, adjust: impl FnOnce(&mut Rules)) {
    adjust(&mut world.rules);
    let rules = world.rules.clone();
    world.operator(|state| state.set_rules(rules));
}

#[test]
fn a_configured_room_opens_although_another_room_resembles_it() {
    let mut world = World::new(|_| {});
    let squatter = world.login("squatter");
    world.in_one_turn(squatter, &[&join("supp0rt"), r#"{"op":"MSG","data":{"room":"supp0rt","msg":"."}}"#]);
    reloads(&mut world, |rules| rules.default_rooms = names(&["lobby", "support"]));
    for name in ["new", "newer"] {
        let who = world.login(name);
        assert_eq!(world.hears(who), [format!("LOGIN {name} lobby,support head 1")]);
        let [twin] = &world.state.room_twins()[..] else { panic!("one twin") };
        assert_eq!((twin.room.as_str(), twin.twin.as_str()), ("support", "supp0rt"));
        world.restarts();
    }
    assert_eq!(world.disk.found(), world.state.snapshot());
    let removes = r#"{"op":"LEAVE","data":{"room":"supp0rt"}}"#;
    world.sends(squatter, removes);
    let squatter = world.resumes("squatter", None);
    world.sends(squatter, removes);
    world.forgets_all();
    assert_eq!(world.state.room_twins(), []);
}

#[test]
fn a_room_for_webhooks_has_no_owner() {
    let mut world = World::new(|rules| rules.posted_rooms = names(&["ops", "alarm"]));
    assert_eq!(world.state.counts().rooms, 3, "they are there from the start");
    world.registers("mallory");
    let mallory = world.logs_in("mallory", "mallory");
    world.skips(&[mallory]);
    for (line, answer) in [
        (join("0ps"), "ERROR_MSG NAME_TAKEN"),
        (join("ops"), "JOIN ops head 0 [mallory here] of 1"),
        (r#"{"op":"ROOM","data":{"room":"ops","private":true}}"#.to_owned(), "ERROR_MSG FORBIDDEN"),
        (r#"{"op":"BAN","data":{"user":"alerts","room":"ops"}}"#.to_owned(), "ERROR_MSG FORBIDDEN"),
        (r#"{"op":"LEAVE","data":{"room":"ops"}}"#.to_owned(), "LEAVE ops"),
    ] {
        world.sends(mallory, &line);
        assert_eq!(world.hears(mallory), [answer], "{line}");
    }
    world.forgets_all();
    assert_eq!(world.state.counts().rooms, 3, "it stays without members and messages");
    assert_eq!(world.acts(Action::RemoveRoom(place("ops"))), Err(ErrorKind::Forbidden));
    // A room that is no longer configured is like any other.
    reloads(&mut world, |rules| rules.posted_rooms = names(&["alarm"]));
    assert_eq!(world.state.counts().rooms, 2);
}

#[test]
fn a_login_without_rooms_skips_the_rooms_that_it_cannot_enter() {
    let mut world = World::new(|rules| rules.default_rooms = names(&["lobby", "board"]));
    world.operates(r#"{"op":"ROOM","data":{"room":"board","private":true}}"#).unwrap();
    let ana = world.login("ana");
    assert_eq!(world.hears(ana), ["LOGIN ana lobby head 0"]);
}

fn place(room: &str) -> tcp_chat_protocol::request::Place {
    tcp_chat_protocol::request::Place(Some(room.parse().unwrap()))
}

#[test]
fn a_name_that_resembles_the_endpoints_does_not_keep_it_out() {
    let mut world = World::new(|_| {});
    let twin = world.login("a1erts");
    world.skips(&[twin]);
    let endpoint = world.connect();
    world.is_endpoint = true;
    world.sends(endpoint, r#"{"op":"LOGIN","data":{"name":"alerts"}}"#);
    assert_eq!(world.hears(endpoint), ["LOGIN alerts lobby head 0"]);
    assert_eq!(world.hears(twin), ["PRESENCE lobby alerts joined"], "it stays, too");
}

#[test]
fn two_configured_rooms_that_look_alike_are_reported() {
    let advice = |twin: &RoomTwin| twin.to_string().split_once(": ").unwrap().1.to_owned();
    let rename = "both are in rooms.default or http.rooms; rename one there and reload";
    let (configured, there) = (names(&["ops", "0ps", "support"]), names(&["ops", "0ps", "supp0rt"]));
    let found = RoomTwin::find(&configured, &there);
    let remove = "`tcp-chatd room remove supp0rt` removes it";
    assert_eq!(found.iter().map(advice).collect::<Vec<_>>(), [rename, rename, remove]);
    let world = World::new(|rules| rules.posted_rooms = names(&["1obby"]));
    assert_eq!(world.state.room_twins().iter().map(advice).collect::<Vec<_>>(), [rename, rename]);
}

#[test]
fn a_resend_without_a_target_is_recognised_after_the_default_room_changed() {
    let mut world = World::new(|rules| rules.default_rooms = names(&["lobby", "ops"]));
    let mut ana = world.login("ana");
    let [bare, to_lobby, to_ops] = ["", "lobby", "ops"].map(|room| {
        move |id: u64, text: &str| match room {
            "" => format!(r#"{{"op":"MSG","data":"{text}","id":{id}}}"#),
            room => format!(r#"{{"op":"MSG","data":{{"room":"{room}","msg":"{text}"}},"id":{id}}}"#),
        }
    });
    world.sends(ana, &bare(1, "to the old one"));
    world.sends(ana, &to_ops(2, "in ops"));
    let change = |world: &mut World, restarts: bool, rooms: &[&str]| {
        world.rules.default_rooms = names(rooms);
        match restarts {
            true => world.restarts(),
            false => {
                let rules = world.rules.clone();
                world.operator(|state| state.set_rules(rules));
            }
        }
    };
    for restarts in [false, true] {
        change(&mut world, restarts, &["ops", "lobby"]);
        if restarts {
            ana = world.resumes("ana", None);
        }
        world.skips(&[ana]);
        for (line, answer) in [
            (bare(1, "to the old one"), "MSG#1 1<0 lobby ana: to the old one"),
            (to_lobby(1, "to the old one"), "MSG#1 1<0 lobby ana: to the old one"),
            (to_ops(1, "to the old one"), "ERROR_MSG#1 DATA"),
            (bare(1, "another"), "ERROR_MSG#1 DATA"),
        ] {
            world.sends(ana, &line);
            assert_eq!(world.hears(ana), [answer], "{line}, restarts: {restarts}");
        }
        if !restarts {
            world.sends(ana, &bare(3, "to the new one"));
            assert_eq!(world.hears(ana), ["MSG#3 3<2 ops ana: to the new one"]);
        }
        // And back: each message is compared with the default room of its time.
        change(&mut world, restarts, &["lobby", "ops"]);
        if restarts {
            ana = world.resumes("ana", None);
        }
        world.skips(&[ana]);
        for (line, answer) in [
            (bare(3, "to the new one"), "MSG#3 3<2 ops ana: to the new one"),
            (bare(1, "to the old one"), "MSG#1 1<0 lobby ana: to the old one"),
            (bare(2, "in ops"), "ERROR_MSG#2 DATA"),
        ] {
            world.sends(ana, &line);
            assert_eq!(world.hears(ana), [answer], "{line}, and back, restarts: {restarts}");
        }
    }
    assert_eq!(world.disk.found(), world.state.snapshot());
    for n in 0..40 {
        change(&mut world, n % 3 == 0, [["ops", "lobby"], ["lobby", "ops"]][n % 2].as_slice());
        let again = world.login(&format!("u{n}"));
        world.sends(again, &bare(9, "x"));
    }
    assert_eq!(world.state.snapshot().default_rooms.len(), 16, "as many as are remembered");
    assert_eq!(world.disk.found(), world.state.snapshot());
}

#[test]
fn rooms_for_webhooks_are_not_opened_without_an_http_endpoint() {
    let mut settings = crate::settings::Settings::default();
    settings.http.rooms = names(&["1obby"]);
    for (address, rooms) in [(None, 1), (Some("127.0.0.1:0".parse().unwrap()), 2)] {
        settings.http.address = address;
        let rules = Rules::from(&settings);
        let world = World::new(|of| of.posted_rooms = rules.posted_rooms.clone());
        assert_eq!(world.state.counts().rooms, rooms, "{address:?}");
        assert_eq!(world.state.room_twins().is_empty(), address.is_none());
    }
}
