//! Tests of names: which are allowed, and that nobody can impersonate another user.

use crate::common::{Daemon, run};
use serde_json::json;

#[test]
fn good_names_are_shown_as_typed() {
    let daemon = Daemon::start();
    for name in [
        "ana",
        "X",
        "7",
        "Jean-Luc",
        "a.b_c-d",
        "Ærøskøbing",
        "Владимир",
        "山田太郎",
        "नमस्ते",
        "مريم",
        "e\u{301}va",
        "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    ] {
        let mut peer = daemon.connect();
        assert_eq!(peer.login(name)["name"], name);
        assert_eq!(peer.says("hi").user, name);
    }
}

#[test]
fn bad_names_are_refused_for_users_and_rooms() {
    let daemon = Daemon::start();
    let mut ana = daemon.login("ana");
    let mut door = daemon.connect();
    for name in [
        "",
        " ",
        "a b",
        "a\tb",
        "a\nb",
        "a\u{0}",
        "a\u{7f}",
        "a\u{9b}b",
        "a\u{200b}b",
        "a\u{200d}b",
        "a\u{2060}b",
        "a\u{feff}b",
        "a\u{202e}b",
        "a\u{2066}b",
        "a\u{200f}",
        "a\u{ad}b",
        "\u{3164}",
        "a\u{fe0f}",
        "🦀",
        "a/b",
        "a@b",
        "#a",
        "a:b",
        "<a>",
        "a\"b",
        "a\\b",
        "-",
        "...",
        "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    ] {
        door.is_refused("LOGIN", json!({ "name": name }), "NAME_INVALID");
        ana.is_refused("JOIN", json!({ "room": name }), "NAME_INVALID");
    }
    door.login("bo");
}

#[test]
fn the_length_is_counted_in_characters() {
    let daemon = Daemon::start();
    let mut peer = daemon.connect();
    peer.is_refused("LOGIN", json!({"name": "山".repeat(33)}), "NAME_INVALID");
    peer.login(&"山".repeat(32));
}

#[test]
fn case_and_look_alike_characters_make_no_new_name() {
    let daemon = Daemon::start();
    let _taken: Vec<_> = ["Ana", "Straße", "paypal", "éva", "bob"].map(|n| daemon.login(n)).into();
    for name in [
        "ana",
        "ANA",
        "ＡＮＡ",
        "\u{410}na", // Cyrillic А
        "STRASSE",
        "p\u{430}yp\u{430}l", // Cyrillic а
        "E\u{301}VA",
        "b0b",
    ] {
        let mut peer = daemon.connect();
        peer.is_refused("LOGIN", json!({ "name": name }), "NAME_TAKEN");
        // The connection stays open for another attempt.
        peer.login("somebody");
        peer.asks("QUIT", json!(null));
        peer.is_closed();
    }
}

#[test]
fn a_room_is_the_same_room_however_it_is_typed() {
    let daemon = Daemon::start();
    let mut ana = daemon.login_to("ana", &["Ops"]);
    let mut bo = daemon.login("bo");
    bo.asks("JOIN", json!({"room": "ｏｐｓ"}));
    ana.sees("bo", "joined");
    bo.says_in("OPS", "same place");
    assert_eq!(ana.hears("same place").conversation, "Ops");
}

#[test]
fn a_user_is_found_however_the_name_is_typed() {
    let daemon = Daemon::start();
    let mut ana = daemon.login("Ana");
    let mut bo = daemon.login("bo");
    bo.tells("ANA", "psst");
    assert_eq!(ana.hears("psst").user, "bo");
}

#[test]
fn a_name_is_free_at_once_after_quit() {
    let daemon = Daemon::start();
    for _ in 0..20 {
        let mut ana = daemon.login("ana");
        ana.asks("QUIT", json!(null));
        ana.is_closed();
    }
}

#[test]
fn two_simultaneous_logins_do_not_both_get_the_name() {
    let daemon = Daemon::start();
    for round in 0..10 {
        let mut peers: Vec<_> = (0..6).map(|_| daemon.connect()).collect();
        for peer in &mut peers {
            peer.sends(&json!({"op": "LOGIN", "data": {"name": format!("same{round}")}, "id": 1}));
        }
        let mut in_by = 0;
        for peer in &mut peers {
            let reply = peer.next_where("LOGIN", |l| l["id"] == 1);
            if reply["status"] == "OK" {
                in_by += 1;
            } else {
                assert_eq!(reply["data"]["kind"], "NAME_TAKEN", "{reply}");
            }
        }
        assert_eq!(in_by, 1);
    }
}

/// A name that only looks like another one addresses nobody: it is refused, and the error names the other
/// one.
#[test]
fn a_look_alike_name_addresses_no_user() {
    let daemon = Daemon::start();
    let mut born = daemon.login_to("born", &["lobby", "modern"]);
    let mut ana = daemon.login_to("ana", &["lobby"]);
    ana.tells("BORN", "the same name");
    born.hears("the same name");
    for (op, data) in [
        ("MSG", json!({"to": "bom", "msg": "psst"})),
        ("HISTORY", json!({"with": "bom"})),
        ("SEARCH", json!({"query": "same", "user": "bom"})),
    ] {
        let why = ana.is_refused(op, data, "NO_SUCH_USER");
        assert_eq!(why, "nobody called bom is here: born only looks the same");
    }
    let why = ana.is_refused("JOIN", json!({"room": "modem"}), "NAME_TAKEN");
    // As in a login. The start of the error differs from that of a taken name.
    assert!(why.starts_with("the room modem "), "{why}");
    let login = json!({"name": "eve", "rooms": ["modem"]});
    assert_eq!(daemon.connect().is_refused("LOGIN", login, "NAME_TAKEN"), why);
    assert!(why.contains("modern"), "{why}");
    for (op, data) in [
        ("MSG", json!({"room": "modem", "msg": "psst"})),
        ("HISTORY", json!({"room": "modem"})),
        ("WHO", json!({"room": "modem"})),
        ("LEAVE", json!({"room": "modem"})),
        ("SEARCH", json!({"query": "psst", "room": "modem"})),
    ] {
        let why = ana.is_refused(op, data, "NO_SUCH_ROOM");
        assert_eq!(why, "there is no room modem: the room modern only looks the same", "{op}");
    }
    // Actions of operators do not affect another user either.
    done(&daemon, &["user", "add", "ivo"], 0, "");
    for (command, why) in [
        (vec!["kick", "bom"], "born only looks the same"),
        (vec!["mute", "bom", "--for", "1h"], "born only looks the same"),
        (vec!["ban", "bom"], "born only looks the same"),
        (vec!["grant", "bom", "moderator"], "born only looks the same"),
        (vec!["grant", "bom", "none"], "born only looks the same"),
        (vec!["unmute", "bom"], "bom is not muted there: born only looks the same"),
        (vec!["unban", "bom"], "bom is not banned there: born only looks the same"),
        (vec!["cert", "revoke", "iv0"], "no certificate of iv0 is known: ivo only looks the same"),
        (vec!["user", "add", "bom"], "bom looks like born, who is logged in"),
        (vec!["kick", "born", "--room", "modem"], "the room modern only looks the same"),
        (vec!["user", "remove", "iv0"], "ivo only looks the same"),
        (vec!["user", "password", "iv0"], "ivo only looks the same"),
        (vec!["user", "add", "iv0"], "looks like ivo"),
    ] {
        done(&daemon, &command, 70, why);
    }
    // A private room is not found by a look-alike name.
    done(&daemon, &["room", "set", "modern", "private"], 0, "");
    let why = ana.is_refused("HISTORY", json!({"room": "modem"}), "NO_SUCH_ROOM");
    assert!(!why.contains("modern"), "{why}");
    // Once no similar name is in use, the name is free.
    born.asks("QUIT", json!(null));
    daemon.login("bom");
}

fn done(daemon: &Daemon, arguments: &[&str], code: i32, says: &str) {
    let end = run(daemon.folder(), arguments, "");
    assert_eq!(end.code, Some(code), "{arguments:?}: {}", end.err);
    assert!(end.err.contains(says), "{arguments:?}: {}", end.err);
}

/// Before names were exact, similar names were one name. A store can also come from another Unicode version.
#[test]
fn look_alike_names_of_an_old_store_are_found_exactly_and_equal_names_by_age() {
    let mut daemon = Daemon::start();
    daemon.signal("TERM");
    assert_eq!(daemon.ended().code(), Some(0));
    let path = daemon.folder().join("data/chat.db");
    for ending in ["", "-wal", "-shm", "-search"] {
        let _ = std::fs::remove_file(format!("{}{ending}", path.display()));
    }
    let old = rusqlite::Connection::open(&path).unwrap();
    old.execute_batch(include_str!("../../src/store/schema/1.sql")).unwrap();
    old.execute_batch(include_str!("../../src/store/schema/2.sql")).unwrap();
    old.execute_batch(
        "PRAGMA application_id = 0x74634874; PRAGMA user_version = 2;
         INSERT INTO conversations (id, room, head) VALUES
             (1, 'modern', 0), (2, 'modem', 0), (3, 'stra\u{df}e', 0), (4, 'STRASSE', 0),
             (5, 'admin\u{2d7f}', 0);
         INSERT INTO users (id, name, added) VALUES (5, 'born', 1), (6, 'bom', 2), (7, 'gro\u{df}', 3), (8, 'GROSS', 4),
             (10, '1.\u{5d0}', 5);
         INSERT INTO sessions VALUES (9, zeroblob(32), 9, 'ana', 'red');
         INSERT INTO members VALUES (9, 1, 0), (9, 2, 0), (9, 3, 0), (9, 4, 0), (9, 5, 0);
         UPDATE totals SET last_conversation = 5, last_session = 10",
    )
    .unwrap();
    drop(old);
    daemon.start_again();
    let mut cy = daemon.login("cy");
    for (asked, room) in [
        ("modern", "modern"),
        ("MODEM", "modem"),
        // The exact name, or else the oldest similar one.
        ("STRASSE", "STRASSE"),
        ("stra\u{df}e", "stra\u{df}e"),
        ("Strasse", "stra\u{df}e"),
        // No new room could have this name.
        ("Admin\u{2d7f}", "admin\u{2d7f}"),
    ] {
        assert_eq!(cy.asks("JOIN", json!({"room": asked}))["room"], room, "{asked}");
    }
    cy.is_refused("JOIN", json!({"room": "m0dern"}), "NAME_TAKEN");
    let users = || run(daemon.folder(), &["user", "list"], "").out;
    assert!(
        ["born", "bom", "gro\u{df}", "GROSS", "1.\u{5d0}"].iter().all(|name| users().contains(name)),
        "{}",
        users()
    );
    done(&daemon, &["user", "remove", "bom"], 0, "");
    assert!(users().contains("born") && !users().contains("bom"), "{}", users());
    // Of equal names the oldest user has the name, and then the next one.
    done(&daemon, &["user", "remove", "gross"], 0, "");
    assert!(!users().contains("gro\u{df}") && users().contains("GROSS"), "{}", users());
    done(&daemon, &["user", "remove", "gross"], 0, "");
    assert!(!users().contains("GROSS"), "{}", users());
}
