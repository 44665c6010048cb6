//! Tests of rooms: join, leave, members, listings, and refusals.

use crate::common::Daemon;
use serde_json::{Value, json};

#[test]
fn a_join_lists_the_members_and_is_announced_to_them() {
    let daemon = Daemon::start();
    let mut ana = daemon.login_to("ana", &["ops"]);
    let said = ana.says_in("ops", "first");
    let mut bo = daemon.connect();
    bo.logs_in_with(json!({"name": "bo", "color": "blue"}));
    let reply = bo.asks("JOIN", json!({"room": "ops"}));
    assert_eq!(reply["room"], "ops");
    assert_eq!(reply["head"], said.seq);
    assert_eq!(reply["member_count"], 2);
    let mut members: Vec<Value> = reply["members"].as_array().unwrap().clone();
    members.sort_by_key(|m| m["user"].to_string());
    assert_eq!(
        json!(members),
        json!([{"user": "ana", "color": "", "state": "here"}, {"user": "bo", "color": "blue", "state": "here"}])
    );
    let seen = ana.sees("bo", "joined");
    assert_eq!((&seen["room"], &seen["color"]), (&json!("ops"), &json!("blue")));
}

#[test]
fn a_leave_is_announced_and_ends_delivery() {
    let daemon = Daemon::start();
    let mut ana = daemon.login_to("ana", &["ops"]);
    let mut bo = daemon.login_to("bo", &["ops", "lobby"]);
    ana.sees("bo", "joined");
    assert_eq!(bo.asks("LEAVE", json!({"room": "ops"})), json!({"room": "ops"}));
    assert_eq!(ana.sees("bo", "left")["room"], "ops");
    ana.says_in("ops", "only for me");
    bo.has_nothing("MSG");
    bo.is_refused("MSG", json!({"room": "ops", "msg": "?"}), "NOT_A_MEMBER");
    bo.is_refused("LEAVE", json!({"room": "ops"}), "NOT_A_MEMBER");
    bo.forgets("ops");
    bo.asks("JOIN", json!({"room": "ops"}));
    ana.says_in("ops", "welcome back");
    bo.hears("welcome back");
}

#[test]
fn an_unknown_room_and_a_room_without_membership_are_different_errors() {
    let daemon = Daemon::start();
    let _ana = daemon.login_to("ana", &["ops"]);
    let mut bo = daemon.login("bo");
    bo.is_refused("MSG", json!({"room": "ops", "msg": "?"}), "NOT_A_MEMBER");
    bo.is_refused("MSG", json!({"room": "nowhere", "msg": "?"}), "NO_SUCH_ROOM");
    bo.is_refused("LEAVE", json!({"room": "nowhere"}), "NO_SUCH_ROOM");
    bo.is_refused("WHO", json!({"room": "nowhere"}), "NO_SUCH_ROOM");
    bo.is_refused("HISTORY", json!({"room": "nowhere"}), "NO_SUCH_ROOM");
    bo.is_refused("HISTORY", json!({"room": "ops"}), "NOT_A_MEMBER");
    bo.is_refused("SEARCH", json!({"query": "x", "room": "ops"}), "NOT_A_MEMBER");
    for op in ["JOIN", "LEAVE"] {
        bo.is_refused(op, Value::Null, "DATA");
        bo.is_refused(op, json!("ops"), "DATA");
        bo.is_refused(op, json!({"room": 7}), "DATA");
    }
}

#[test]
fn without_rooms_create_only_configured_rooms_open() {
    let daemon = Daemon::with("rooms.create = false\nrooms.default = [\"lobby\", \"ops\"]");
    let mut ana = daemon.login_to("ana", &["lobby"]);
    ana.is_refused("JOIN", json!({"room": "mine"}), "NO_SUCH_ROOM");
    ana.asks("JOIN", json!({"room": "ops"}));
    ana.says_in("ops", "here");
    let mut bo = daemon.connect();
    bo.is_refused("LOGIN", json!({"name": "bo", "rooms": ["mine"]}), "NO_SUCH_ROOM");
    bo.login("bo");
}

#[test]
fn joining_twice_is_one_membership() {
    let daemon = Daemon::start();
    let mut ana = daemon.login_to("ana", &["ops"]);
    let mut bo = daemon.login_to("bo", &["ops"]);
    ana.sees("bo", "joined");
    bo.asks("JOIN", json!({"room": "ops"}));
    assert_eq!(bo.asks("WHO", json!({"room": "ops"}))["member_count"], 2);
    ana.says_in("ops", "once");
    bo.hears("once");
    bo.has_nothing("MSG");
    ana.has_nothing("PRESENCE");
}

#[test]
fn who_lists_one_room_or_all_users() {
    let daemon = Daemon::start();
    let mut ana = daemon.login_to("ana", &["ops"]);
    let _bo = daemon.login("bo");
    let ops = ana.asks("WHO", json!({"room": "ops"}));
    assert_eq!(ops["room"], "ops");
    assert_eq!(ops["members"], json!([{"user": "ana", "color": "", "state": "here"}]));
    for data in [Value::Null, json!({})] {
        let all = ana.asks("WHO", data);
        assert_eq!(all["member_count"], 2);
        let mut names: Vec<_> =
            all["members"].as_array().unwrap().iter().map(|m| m["user"].clone()).collect();
        names.sort_by_key(Value::to_string);
        assert_eq!(json!(names), json!(["ana", "bo"]));
    }
}

#[test]
fn rooms_lists_them_with_members_and_head() {
    let daemon = Daemon::start();
    let mut ana = daemon.login_to("ana", &["lobby", "ops"]);
    let _bo = daemon.login("bo");
    let head = ana.says_in("ops", "x").seq;
    let reply = ana.asks("ROOMS", Value::Null);
    let mut rooms = reply["rooms"].as_array().unwrap().clone();
    rooms.sort_by_key(|r| r["room"].to_string());
    assert_eq!(
        json!(rooms),
        json!([{"room": "lobby", "members": 2, "head": 0}, {"room": "ops", "members": 1, "head": head}])
    );
}

#[test]
fn who_lists_part_of_a_large_room_and_counts_all_of_it() {
    let daemon = Daemon::start();
    let _peers: Vec<_> = (0..119).map(|n| daemon.login(&format!("peer{n}"))).collect();
    let mut ana = daemon.login_to("ana", &[]);
    let joined = ana.asks("JOIN", json!({"room": "lobby"}));
    assert_eq!(joined["member_count"], 120);
    assert_eq!(joined["members"].as_array().unwrap().len(), 100);
    let who = ana.asks("WHO", json!({"room": "lobby"}));
    assert_eq!(who["members"].as_array().unwrap().len(), 120);
}

#[test]
fn rooms_are_limited_per_session_and_in_total() {
    let daemon = Daemon::with("limits.rooms_per_session = 2\nlimits.rooms = 3");
    let mut ana = daemon.login("ana");
    ana.asks("JOIN", json!({"room": "one"}));
    let refused = ana.asks_for("JOIN", json!({"room": "two"}));
    assert_eq!(refused["op"], "ERROR_MSG", "{refused}");
    drop(ana);
    let mut bo = daemon.login("bo");
    bo.asks("JOIN", json!({"room": "three"}));
    let mut cy = daemon.login("cy");
    let refused = cy.asks_for("JOIN", json!({"room": "four"}));
    assert_eq!(refused["op"], "ERROR_MSG", "{refused}");
}
