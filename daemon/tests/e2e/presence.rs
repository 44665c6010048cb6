//! Tests of presence and the time-to-live: away, back and left, as others see them.

use crate::common::Daemon;
use serde_json::{Value, json};

#[test]
fn a_user_without_a_connection_is_away_and_comes_back() {
    let daemon = Daemon::start();
    let mut bo = daemon.login("bo");
    let ana = daemon.login("ana");
    bo.sees("ana", "joined");
    let session = ana.vanishes();
    assert_eq!(bo.sees("ana", "away")["room"], "lobby");
    let who = bo.asks("WHO", json!({"room": "lobby"}));
    let ana_there = who["members"].as_array().unwrap().iter().find(|m| m["user"] == "ana").unwrap();
    assert_eq!(ana_there["state"], "away");
    let mut ana = daemon.resume(&session);
    bo.sees("ana", "back");
    bo.says("welcome back");
    ana.hears("welcome back");
    let who = bo.asks("WHO", Value::Null);
    assert!(who["members"].as_array().unwrap().iter().all(|m| m["state"] == "here"), "{who}");
}

#[test]
fn a_session_that_stays_away_ends_and_frees_the_name() {
    let daemon = Daemon::with("sessions.ttl = \"400ms\"");
    let mut bo = daemon.login_to("bo", &["lobby", "ops"]);
    let ana = daemon.login_to("ana", &["lobby", "ops", "den"]);
    for _ in 0..2 {
        bo.sees("ana", "joined");
    }
    let session = ana.vanishes();
    let mut places: Vec<Value> = (0..2).map(|_| bo.sees("ana", "away")["room"].clone()).collect();
    places.sort_by_key(Value::to_string);
    assert_eq!(places, ["lobby", "ops"]);
    let mut places: Vec<Value> = (0..2).map(|_| bo.sees("ana", "left")["room"].clone()).collect();
    places.sort_by_key(Value::to_string);
    assert_eq!(places, ["lobby", "ops"]);
    assert_eq!(bo.asks("WHO", Value::Null)["member_count"], 1);
    bo.is_refused("MSG", json!({"to": "ana", "msg": "?"}), "NO_SUCH_USER");

    let mut late = daemon.connect();
    let data = json!({"name": "ana", "session": session.token, "after": session.cursor});
    late.is_refused("LOGIN", data, "SESSION_EXPIRED");
    late.login("ana");
    bo.sees("ana", "joined");
}

#[test]
fn a_name_is_held_while_its_owner_is_away() {
    let daemon = Daemon::start();
    let mut bo = daemon.login("bo");
    let ana = daemon.login("ana");
    bo.sees("ana", "joined");
    let session = ana.vanishes();
    bo.sees("ana", "away");
    let mut eve = daemon.connect();
    eve.is_refused("LOGIN", json!({"name": "ANA"}), "NAME_TAKEN");
    // A user who was away receives the direct messages after the resume.
    bo.tells("ana", "for later");
    let mut ana = daemon.resume(&session);
    ana.hears("for later");
}

#[test]
fn quit_leaves_all_rooms_at_once() {
    let daemon = Daemon::start();
    let mut bo = daemon.login("bo");
    let mut ana = daemon.login("ana");
    bo.sees("ana", "joined");
    let session = ana.session();
    ana.sends(&json!({"op": "QUIT", "id": 5}));
    assert_eq!(ana.next_where("QUIT", |l| l["op"] == "QUIT")["id"], 5);
    ana.is_closed();
    bo.sees("ana", "left");
    let mut late = daemon.connect();
    late.is_refused("LOGIN", json!({"name": "ana", "session": session.token}), "SESSION_EXPIRED");
}

#[test]
fn a_session_that_is_resumed_in_time_does_not_expire() {
    let daemon = Daemon::with("sessions.ttl = \"1s\"");
    let mut bo = daemon.login("bo");
    let ana = daemon.login("ana");
    bo.sees("ana", "joined");
    let session = ana.vanishes();
    bo.sees("ana", "away");
    let mut ana = daemon.resume(&session);
    bo.sees("ana", "back");
    // Meanwhile the whole time-to-live of another user passes.
    let cy = daemon.login("cy");
    bo.sees("cy", "joined");
    cy.vanishes();
    bo.sees("cy", "away");
    bo.sees("cy", "left");
    ana.says("still here");
    bo.hears("still here");
}

#[test]
fn a_large_room_is_not_told_of_presence() {
    let daemon = Daemon::with("rooms.presence_limit = 2");
    let mut ana = daemon.login("ana");
    let mut bo = daemon.login("bo");
    ana.sees("bo", "joined");
    let mut cy = daemon.login("cy");
    cy.says("I am the third");
    for peer in [&mut ana, &mut bo] {
        peer.hears("I am the third");
        peer.has_nothing("PRESENCE");
        assert_eq!(peer.asks("WHO", json!({"room": "lobby"}))["member_count"], 3);
    }
}

#[test]
fn a_user_is_not_told_of_its_own_presence() {
    let daemon = Daemon::start();
    let mut ana = daemon.login("ana");
    ana.asks("JOIN", json!({"room": "ops"}));
    ana.asks("LEAVE", json!({"room": "ops"}));
    ana.says("alone");
    ana.has_nothing("PRESENCE");
}
