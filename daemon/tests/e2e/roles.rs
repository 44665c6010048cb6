//! Tests of roles of registered users: a user with a proven name has the granted roles in each session and
//! after a restart, and no other user has them.

use crate::accounts::{ACCOUNTS, done, logs_in, registered};
use crate::common::{Daemon, Peer};
use serde_json::{Value, json};

fn is_hidden_from(peer: &mut Peer, room: &str) {
    for (op, data) in [
        ("JOIN", json!({"room": room})),
        ("WHO", json!({"room": room})),
        ("HISTORY", json!({"room": room})),
        ("MSG", json!({"room": room, "msg": "?"})),
    ] {
        peer.is_refused(op, data, "NO_SUCH_ROOM");
    }
    let rooms = peer.asks("ROOMS", Value::Null)["rooms"].clone();
    assert!(rooms.as_array().unwrap().iter().all(|r| r["room"] != room), "{rooms}");
}

#[test]
fn roles_hold_for_registered_users_and_over_a_restart() {
    let mut daemon = Daemon::with(ACCOUNTS);
    for name in ["ana", "bo", "cy"] {
        registered(&daemon, name);
    }
    done(&daemon, &["grant", "ana", "moderator"]);
    done(&daemon, &["room", "set", "board", "private"]);
    done(&daemon, &["grant", "bo", "member", "--room", "board"]);
    let mut ana = logs_in(&daemon, "ana", "her own");
    let mut cy = logs_in(&daemon, "cy", "her own");

    cy.is_refused("KICK", json!({"user": "ana"}), "FORBIDDEN");
    // Every user sees whom to ask.
    for place in [Value::Null, json!({"room": "lobby"})] {
        let who = cy.asks("WHO", place)["members"].clone();
        let roles: Vec<_> = who.as_array().unwrap().iter().map(|m| (&m["user"], m.get("role"))).collect();
        assert_eq!(roles, [(&json!("ana"), Some(&json!("moderator"))), (&json!("cy"), None)]);
    }
    assert_eq!(ana.asks("KICK", json!({"user": "CY", "reason": "cool down"})), json!({"user": "cy"}));
    assert!(cy.is_noticed("KICKED")["msg"].as_str().unwrap().ends_with(": cool down"));
    cy.is_closed();
    let mut cy = logs_in(&daemon, "cy", "her own");
    is_hidden_from(&mut cy, "board");

    let mut desk = logs_in(&daemon, "bo", "her own");
    let mut phone = logs_in(&daemon, "bo", "her own");
    desk.asks("JOIN", json!({"room": "board"}));
    assert_eq!(phone.asks("JOIN", json!({"room": "board"}))["member_count"], 1, "one user");
    desk.says_in("board", "the minutes");
    phone.hears("the minutes");

    let (ana, cy) = (ana.vanishes(), cy.vanishes());
    let (desk, phone) = (desk.vanishes(), phone.vanishes());
    daemon.restart();
    let mut ana = daemon.resume(&ana);
    let mut cy = daemon.resume(&cy);
    let (mut desk, mut phone) = (daemon.resume(&desk), daemon.resume(&phone));
    is_hidden_from(&mut cy, "board");
    desk.says_in("board", "more of them");
    phone.hears("more of them");
    ana.asks("MUTE", json!({"user": "cy", "for_s": 3600}));
    cy.is_refused("MSG", json!("?"), "FORBIDDEN");
    ana.asks("KICK", json!({"user": "cy"}));
    cy.is_noticed("KICKED");
    cy.is_closed();

    // A removed role is gone in each session.
    done(&daemon, &["grant", "bo", "none", "--room", "board"]);
    for session in [&mut desk, &mut phone] {
        assert_eq!(session.is_noticed("REMOVED")["room"], "board");
        is_hidden_from(session, "board");
    }
}

#[test]
fn the_next_user_of_a_name_inherits_no_permissions() {
    let daemon = Daemon::with(ACCOUNTS);
    registered(&daemon, "ana");
    registered(&daemon, "bo");
    done(&daemon, &["grant", "ana", "owner"]);
    let mut ana = logs_in(&daemon, "ana", "her own");
    ana.asks("JOIN", json!({"room": "hers"}));
    ana.asks("ROOM", json!({"room": "hers", "private": true}));
    done(&daemon, &["user", "remove", "ana"]);
    assert_eq!(done(&daemon, &["grant", "list", "--json"]), "");
    registered(&daemon, "ana");
    let mut another = logs_in(&daemon, "ana", "her own");
    another.is_refused("KICK", json!({"user": "bo"}), "FORBIDDEN");
    is_hidden_from(&mut another, "hers");
}

#[test]
fn removing_an_only_owner_lists_the_rooms_without_an_owner_and_a_new_one_can_be_granted() {
    let daemon = Daemon::with(ACCOUNTS);
    for name in ["ana", "bo"] {
        registered(&daemon, name);
    }
    let mut ana = logs_in(&daemon, "ana", "her own");
    let mut bo = logs_in(&daemon, "bo", "her own");
    for room in ["board", "shared"] {
        bo.asks("JOIN", json!({"room": room}));
        bo.asks("ROOM", json!({"room": room, "private": true}));
    }
    bo.asks("GRANT", json!({"room": "shared", "user": "ana", "role": "owner"}));
    // This room is removed with its last member.
    bo.asks("JOIN", json!({"room": "passing"}));

    let said = done(&daemon, &["user", "remove", "BO"]);
    assert_eq!(said, "board has no owner now: tcp-chatd grant NAME owner --room board");
    let lines = done(&daemon, &["rooms", "--json"]);
    let board: Value = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .find(|room: &Value| room["room"] == "board")
        .unwrap();
    assert_eq!((&board["private"], &board["owners"]), (&json!(true), &json!([])));

    is_hidden_from(&mut ana, "board");
    done(&daemon, &["grant", "ana", "owner", "--room", "board"]);
    ana.asks("JOIN", json!({"room": "board"}));
    ana.asks("ROOM", json!({"room": "board", "private": true}));
    assert_eq!(done(&daemon, &["user", "remove", "ana"]).lines().count(), 2, "shared, too");
}
