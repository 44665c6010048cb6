//! Tests of moderation in a running daemon, through its control socket and the real commands: which users are
//! removed or refused, what is hidden, and what a restart keeps.

use crate::common::{Daemon, Finished, run};
use serde_json::{Value, json};
use std::io::Read;
use std::net::TcpStream;

impl Daemon {
    /// `tcp-chatd ARGUMENTS`, which must succeed.
    fn does(&self, arguments: &[&str]) -> String {
        let Finished { code, out, err } = run(self.folder(), arguments, "");
        assert_eq!((code, err.as_str()), (Some(0), ""), "{arguments:?}: {out}");
        out
    }

    /// The same, refused. Returns the message.
    fn does_not(&self, arguments: &[&str]) -> String {
        let Finished { code, out, err } = run(self.folder(), arguments, "");
        assert_eq!((code, out.as_str()), (Some(70), ""), "{arguments:?}: {err}");
        err
    }

    /// The lines that a command prints as JSON.
    fn lists(&self, arguments: &[&str]) -> Vec<Value> {
        self.does(arguments).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

#[test]
fn a_kick_ends_the_session_or_the_membership_of_a_room() {
    let daemon = Daemon::start();
    let mut ana = daemon.login_to("ana", &["lobby", "ops"]);
    let mut bo = daemon.login_to("bo", &["lobby", "ops"]);
    daemon.does(&["kick", "bo", "--room", "ops", "--reason", "off topic"]);
    let notice = bo.is_noticed("REMOVED");
    assert_eq!(notice["room"], "ops");
    assert!(notice["msg"].as_str().unwrap().ends_with(": off topic"), "{notice}");
    assert_eq!(ana.sees("bo", "joined")["room"], "lobby");
    assert_eq!(ana.sees("bo", "joined")["room"], "ops");
    assert_eq!(ana.sees("bo", "left")["room"], "ops");
    bo.is_refused("MSG", json!({"room": "ops", "msg": "?"}), "NOT_A_MEMBER");
    let session = bo.session();
    daemon.does(&["kick", "BO"]);
    bo.is_noticed("KICKED");
    bo.is_closed();
    let mut again = daemon.connect();
    again.is_refused("LOGIN", json!({"session": session.token}), "SESSION_EXPIRED");
    assert!(daemon.does_not(&["kick", "bo"]).contains("nobody called bo"));
    daemon.login("bo");
}

#[test]
fn a_muted_user_can_read_and_writes_again_when_the_mute_ends() {
    let mut daemon = Daemon::start();
    let mut ana = daemon.login("ana");
    let done = daemon.does(&["mute", "ana", "--for", "1h", "--reason", "caps", "--json"]);
    let until = serde_json::from_str::<Value>(&done).unwrap()["until"].clone();
    let reply = ana.asks_for("MSG", json!({"room": "lobby", "msg": "AAA"}));
    assert_eq!((&reply["data"]["kind"], &reply["data"]["until"]), (&json!("FORBIDDEN"), &until), "{reply}");
    let session = ana.session();
    daemon.restart();
    let mut ana = daemon.resume(&session);
    ana.is_refused("MSG", json!("still?"), "FORBIDDEN");
    daemon.login("bo").says("one who may");
    ana.hears("one who may");
    assert_eq!(daemon.lists(&["mute", "list", "--json"])[0]["user"], "ana");
    daemon.does(&["unmute", "ana"]);
    ana.says("aaa");
    assert!(daemon.does_not(&["unmute", "ana"]).contains("ana is not muted"));
}

#[test]
fn a_ban_of_a_user_disconnects_and_holds_over_a_restart() {
    let mut daemon = Daemon::start();
    let mut mallory = daemon.login("mallory");
    daemon.does(&["ban", "mallory", "--for", "1d", "--reason", "spam"]);
    assert!(mallory.is_noticed("KICKED")["msg"].as_str().unwrap().ends_with(": spam"));
    mallory.is_closed();
    daemon.kill();
    daemon.start_again();
    let said = daemon.connect().is_refused("LOGIN", json!({"name": "MALLORY"}), "FORBIDDEN");
    assert!(said.contains("banned") && said.contains("spam"), "{said}");
    let bans = daemon.lists(&["ban", "list", "--json"]);
    assert_eq!((bans.len(), &bans[0]["user"], &bans[0]["reason"]), (1, &json!("mallory"), &json!("spam")));
    daemon.does(&["unban", "mallory"]);
    daemon.login("mallory");
}

#[test]
fn a_banned_address_gets_no_handshake() {
    let mut daemon = Daemon::with("log.level = \"debug\"");
    let mut ana = daemon.login("ana");
    daemon.does(&["ban", "127.0.0.0/8"]);
    ana.is_noticed("KICKED");
    ana.is_closed();
    daemon.restart();
    let mut socket = TcpStream::connect(daemon.address()).unwrap();
    let mut bytes = Vec::new();
    // Closed, cleanly or not, without a line.
    let _ = socket.read_to_end(&mut bytes);
    assert!(bytes.is_empty());
    let refused = daemon.log().event("connection refused").expect("it is logged");
    assert_eq!(refused["reason"], "banned");
    daemon.does(&["unban", "127.0.0.1/8"]);
    daemon.login("ana");
}

#[test]
fn a_private_room_is_closed_to_users_without_a_grant() {
    let mut daemon = Daemon::start();
    let mut ana = daemon.login_to("ana", &["lobby", "ops"]);
    ana.says_in("ops", "a secret");
    daemon.does(&["room", "set", "ops", "private"]);
    assert_eq!(ana.is_noticed("REMOVED")["room"], "ops");
    let session = ana.session();
    daemon.restart();
    let mut ana = daemon.connect();
    let reply = ana.resumes(&session, Some(0));
    assert_eq!(reply["rooms"], json!(["lobby"]));
    ana.has_nothing("MSG");
    for (op, data) in [
        ("JOIN", json!({"room": "ops"})),
        ("LEAVE", json!({"room": "ops"})),
        ("MSG", json!({"room": "ops", "msg": "?"})),
        ("WHO", json!({"room": "ops"})),
        ("HISTORY", json!({"room": "ops"})),
        ("SEARCH", json!({"room": "ops", "query": "secret"})),
        ("KICK", json!({"room": "ops", "user": "bo"})),
        ("GRANT", json!({"room": "ops", "user": "ana", "role": "owner"})),
        ("ROOM", json!({"room": "ops", "private": false})),
    ] {
        ana.is_refused(op, data, "NO_SUCH_ROOM");
    }
    ana.is_refused("KICK", json!({"user": "bo"}), "FORBIDDEN");
    assert_eq!(ana.asks("SEARCH", json!({"query": "secret"}))["messages"], json!([]));
    assert_eq!(ana.asks("ROOMS", Value::Null)["rooms"].as_array().unwrap().len(), 1);
    // A grant to an unproven name has no effect.
    daemon.does(&["grant", "ana", "owner", "--room", "ops"]);
    ana.is_refused("JOIN", json!({"room": "ops"}), "NO_SUCH_ROOM");
    assert_eq!(
        daemon.lists(&["grant", "list", "--json"]),
        [json!({"user": "ana", "role": "owner", "room": "ops"})]
    );
    daemon.does(&["room", "set", "ops", "public"]);
    ana.asks("JOIN", json!({"room": "ops"}));
    assert_eq!(ana.asks("SEARCH", json!({"query": "secret"}))["messages"].as_array().unwrap().len(), 1);
}

#[test]
fn actions_are_in_the_audit_log() {
    let mut daemon = Daemon::start();
    let _bo = daemon.login("bo");
    daemon.does(&["mute", "bo", "--reason", "noise"]);
    daemon.does(&["kick", "bo"]);
    daemon.does_not(&["kick", "bo"]);
    daemon.restart();
    daemon.does(&["ban", "10.0.0.1", "--for", "1m"]);
    let lines = daemon.lists(&["audit", "--json"]);
    let shown: Vec<_> = lines.iter().map(|l| json!([l["did"], l["whom"], l["reason"]])).collect();
    assert_eq!(
        json!(shown),
        json!([["mute", "bo", "noise"], ["kick", "bo", ""], ["ban", "address:10.0.0.1/32", ""]])
    );
    assert!(
        lines.iter().all(|l| l["uid"].is_u64() && l["at"].is_string() && l["user"].is_null()),
        "{lines:?}"
    );
    assert_eq!(daemon.lists(&["audit", "--limit", "1", "--json"]), lines[2..]);
    let table = daemon.does(&["audit"]);
    assert!(table.starts_with("AT ") && table.lines().count() == 4, "{table}");
}

#[test]
fn an_operator_lists_users_changes_the_log_level_and_drains() {
    let mut daemon = Daemon::start();
    let mut ana = daemon.login_to("ana", &["lobby", "ops"]);
    let bo = daemon.login("bo");
    ana.sees("bo", "joined");
    drop(bo);
    ana.sees("bo", "away");
    let users = daemon.lists(&["who", "--json"]);
    assert_eq!(
        users[0],
        json!({"user": "ana", "state": "here", "address": "127.0.0.1", "proven": false, "role": null, "rooms": ["lobby", "ops"]})
    );
    assert_eq!((&users[1]["state"], &users[1]["address"]), (&json!("away"), &Value::Null));
    assert!(daemon.does(&["who"]).starts_with("USER  STATE  ADDRESS"));
    let rooms = daemon.lists(&["rooms", "--json"]);
    assert_eq!(
        rooms[0],
        json!({"room": "lobby", "members": 2, "here": 1, "head": 0, "private": false, "owners": []})
    );
    daemon.does(&["log", "debug"]);
    daemon.login("cy");
    daemon.log().event("logged in").expect("it logs more now");
    assert!(daemon.does_not(&["log", "loud"]).contains("loud"));
    daemon.does(&["drain"]);
    ana.is_noticed("SHUTDOWN");
    ana.is_closed();
    assert_eq!(daemon.ended().code(), Some(0));
}

#[test]
fn the_control_socket_says_which_version_it_speaks() {
    use std::io::{BufRead, BufReader, Write};
    let daemon = Daemon::start();
    let socket = std::os::unix::net::UnixStream::connect(daemon.folder().join("data/control.sock")).unwrap();
    let mut lines = BufReader::new(&socket).lines();
    let mut asks = |line: &str| -> Value {
        (&socket).write_all(format!("{line}\n").as_bytes()).unwrap();
        serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap()
    };
    for (line, ok) in [
        (r#"{"command":"who"}"#, true),
        (r#"{"command":"who","version":1}"#, true),
        (r#"{"command":"who","version":2}"#, false),
        (r#"{"command":"mute","user":"a b"}"#, false),
        (r#"{"command":"ban","whom":"a b"}"#, false),
        (r#"{"command":"mute","user":"ana","for_s":0}"#, false),
        (r#"{"command":"kick","user":"ana","room":"nowhere"}"#, false),
    ] {
        let answer = asks(line);
        assert_eq!((&answer["ok"], &answer["version"]), (&json!(ok), &json!(1)), "{line}: {answer}");
        assert_eq!(answer["error"].is_string(), !ok, "{answer}");
    }
}

#[test]
fn refusals_to_operators_use_the_words_of_their_commands() {
    let daemon = Daemon::start();
    let _ana = daemon.login("ana");
    let no_room = "there is no room nowhere: `tcp-chatd rooms` lists those that are there";
    let long_text = "x".repeat(70_000);
    let commands: [(&[&str], &str); 14] = [
        (&["say", &long_text], "the request is longer than 65536 bytes"),
        (&["room", "set", "1obby", "private"], "the room 1obby looks like the room lobby: take another name"),
        (&["kick", "ana", "--room", "nowhere"], no_room),
        (&["mute", "ana", "--room", "nowhere"], no_room),
        (&["ban", "ana", "--room", "nowhere"], no_room),
        (&["unban", "ana", "--room", "nowhere"], no_room),
        (&["grant", "ana", "member", "--room", "nowhere"], no_room),
        (&["room", "set", "nowhere", "public"], no_room),
        (&["room", "remove", "nowhere"], no_room),
        (&["unmute", "ana"], "ana is not muted there"),
        (&["unban", "ana"], "ana is not banned there"),
        (
            &["ban", "192.0.2.7", "--room", "lobby"],
            "address:192.0.2.7/32 cannot be banned from a room: only users can; leave the room out",
        ),
        (&["user", "remove", "ana"], "no user ana is registered; `tcp-chatd user list` shows who is"),
        (
            &["cert", "revoke", "ana"],
            "no certificate of ana is known that is not revoked; give its file instead",
        ),
    ];
    for (command, sentence) in commands {
        assert_eq!(daemon.does_not(command), sentence, "{command:?}");
    }
    let long = "x".repeat(257);
    let refused: [(&[&str], &str); 4] = [
        (&["audit", "--limit", "x"], "invalid value 'x' for '--limit <N>': write a whole number"),
        (
            &["ban", "ana", "--for", "3661d"],
            "invalid value '3661d' for '--for <DURATION>': at most 3660d; without it, until it is taken back",
        ),
        (&["mute", "ana", "--for", "0s"], "invalid value '0s' for '--for <DURATION>': at least one second"),
        (&["kick", "ana", "--reason", &long], "the text has 257 bytes of UTF-8, and 256 are allowed"),
    ];
    for (command, sentence) in refused {
        let end = run(daemon.folder(), command, "");
        assert_eq!(end.code, Some(64), "{command:?}: {}", end.err);
        assert!(end.err.contains(sentence), "{command:?}: {}", end.err);
    }
}

#[test]
fn a_ban_of_all_addresses_is_refused() {
    let daemon = Daemon::start();
    for all in ["0.0.0.0/0", "10.0.0.0/0", "::/0", "2001:db8::/0", "::ffff:0.0.0.0/96"] {
        let shown = if all.contains("::") && !all.contains("ffff") { "::/0" } else { "0.0.0.0/0" };
        assert_eq!(
            daemon.does_not(&["ban", all]),
            format!(
                "{shown} is every address, so nobody could come in again: ban a smaller range. To let only registered \
                 users in, set auth.mode = \"accounts\"; to let only this host in, listen.address = \"127.0.0.1:3000\""
            )
        );
    }
    assert_eq!(daemon.lists(&["ban", "list", "--json"]), Vec::<Value>::new());
    daemon.login("ana");
    daemon.does(&["ban", "10.0.0.77/24"]);
    assert_eq!(daemon.lists(&["ban", "list", "--json"])[0]["address"], "10.0.0.0/24");
}
