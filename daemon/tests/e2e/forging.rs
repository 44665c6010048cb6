//! Tests against forging: text of a peer appears in the log, in STATUS and in answers only as a value, never
//! as a line, a field or an escape sequence.

use crate::common::{Daemon, run};
use serde_json::{Value, json};

/// Text that would make a line of its own in a log, a terminal or STATUS if it were not escaped.
const FORGED: [&str; 7] = [
    "x\n{\"level\":\"ERROR\",\"message\":\"forged\",\"event\":\"login_refused\"}",
    "x\r\nforged",
    "x\u{1b}]0;forged\u{7}\u{1b}[2Jforged",
    "x\u{9b}31mforged",
    "x\u{2028}forged\u{202e}",
    "x\" event=\"forged\" y=\"",
    "x\u{0}forged\nSTATUS=forged\nREADY=1",
];

/// Puts each of these texts into every place where a peer can put text, before and after the login.
fn try_everything(daemon: &Daemon) {
    let mut ana = daemon.login("ana");
    let mut door = daemon.connect();
    for (n, text) in FORGED.into_iter().enumerate() {
        for line in [
            json!({"op": "LOGIN", "data": {"name": text, "color": text, "password": text}}),
            json!({"op": "LOGIN", "data": {"name": "bo", "rooms": [text], "session": text}}),
            json!({"op": "ENROL", "data": {"name": "bo", "code": text, "password": text}}),
            json!({"op": text, "id": n, "data": text}),
            json!({"op": "JOIN", "data": {"room": text}}),
            json!({"op": "KICK", "data": {"user": "nobody", "reason": text}}),
            json!({"op": "MSG", "data": {"to": text, "msg": text}}),
            json!({"op": "SEARCH", "data": {"query": text}}),
        ] {
            let _ = door.try_send_bytes(format!("{line}\n").as_bytes());
            // Failed codes would end this connection, too.
            if line["op"] != "ENROL" {
                ana.sends(&line);
            }
        }
        ana.asks("PING", Value::Null);
        // The connection was closed after failed logins: open another.
        door = daemon.connect();
    }
    ana.says("done");
}

#[test]
fn a_peer_cannot_forge_a_line_of_the_json_log() {
    let daemon = Daemon::with("log.level = \"debug\"\nlimits.errors = 0");
    try_everything(&daemon);
    let log = daemon.log().text();
    assert!(log.contains("connection ended") || log.contains("logged in"), "debug is on: {log}");
    for line in log.lines() {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        assert_ne!(line["message"], "forged");
        assert_ne!(line["event"], "forged");
        if line["event"] == "login_refused" {
            assert!(line["peer"] == "127.0.0.1", "what fail2ban reads is the daemon's own: {line}");
        }
    }
    let raw = log.chars().find(|c| c.is_control() && *c != '\n');
    assert_eq!(raw, None, "control characters are written out");
    let status = run(daemon.folder(), &["status"], "");
    assert_eq!((status.code, status.out.contains("forged")), (Some(0), false), "{}", status.out);
}

#[test]
fn a_peer_cannot_forge_an_operators_output() {
    let daemon = Daemon::with("limits.errors = 0");
    try_everything(&daemon);
    for command in
        [&["who"][..], &["rooms"], &["audit"], &["audit", "--json"], &["status"], &["user", "list"]]
    {
        let shown = run(daemon.folder(), command, "");
        assert_eq!(shown.code, Some(0), "{command:?}: {}", shown.err);
        let raw = shown.out.chars().find(|c| c.is_control() && *c != '\n');
        assert_eq!((raw, shown.out.contains("forged")), (None, false), "{command:?}: {}", shown.out);
    }
}
