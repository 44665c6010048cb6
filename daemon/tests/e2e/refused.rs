//! Tests of refused requests: each is one line of the log, found by the `id` in the client's answer. A
//! client's fault is not logged at the usual level.

use crate::common::{Daemon, Log};
use crate::events::held;
use serde_json::{Value, json};

/// The log line of a client's error.
pub(crate) fn refused_as(log: &Log, id: &Value) -> Value {
    let found = log.wait(|line| {
        let line: Value = serde_json::from_str(line).ok()?;
        (line["event"] == "refused" && line["id"] == *id).then_some(line)
    });
    found.unwrap_or_else(|| panic!("no refusal of {id}:\n{}", log.text()))
}

#[test]
fn the_id_of_a_clients_error_finds_its_line() {
    let daemon = Daemon::with("log.level = \"debug\"");
    let mut ana = daemon.login("ana");
    for id in [json!("build-7"), json!(17), json!(u64::MAX), json!("two\nlines \u{202e}and\u{1b}[2J more")] {
        ana.sends(&json!({"op": "MSG", "id": id, "data": {"room": "nowhere", "msg": "a secret"}}));
        let error = ana.next_where("the error", |line| line.get("id") == Some(&id));
        assert_eq!(error["data"]["kind"], "NO_SUCH_ROOM");
    }
    for id in [json!("build-7"), json!(17), json!(u64::MAX)] {
        let line = refused_as(daemon.log(), &id);
        assert_eq!((&line["user"], &line["op"]), (&json!("ana"), &json!("MSG")), "{line}");
        assert_eq!((&line["peer"], &line["kind"]), (&json!("127.0.0.1"), &json!("NO_SUCH_ROOM")), "{line}");
        assert_eq!(line["level"], "DEBUG");
        assert_eq!(line["conn"], daemon.log().emits("logged_in").unwrap()["conn"]);
    }
    // Also for lines that were not understood, and before a login.
    let mut door = daemon.connect();
    door.sends(&json!({"op": "DANCE", "id": "waltz"}));
    door.hears_error("UNKNOWN_OP");
    let line = refused_as(daemon.log(), &json!("waltz"));
    assert_eq!((line.get("user"), line.get("op")), (None, None), "{line}");
    door.sends_bytes(b"no JSON\n");
    door.hears_error("PARSE");
    door.asks("PING", Value::Null);
    let text = daemon.log().text();
    assert!(text.contains("\"kind\":\"PARSE\""), "{text}");
    assert!(!text.contains("a secret") && !text.contains('\u{1b}') && !text.contains('\u{202e}'), "{text}");
}

#[test]
fn at_the_usual_level_refusals_write_nothing() {
    let mut daemon = Daemon::start();
    let mut ana = daemon.login("ana");
    for _ in 0..100 {
        ana.is_refused("MSG", json!({"room": "nowhere", "msg": "?"}), "NO_SUCH_ROOM");
        ana.sends_bytes(b"nonsense\n");
        ana.hears_error("PARSE");
    }
    drop(ana);
    daemon.signal("TERM");
    assert_eq!(daemon.ended().code(), Some(0));
    assert!(daemon.log().ends());
    let text = daemon.log().text();
    let told: Vec<&str> = text.lines().filter(|line| !line.contains("\"level\":\"INFO\"")).collect();
    assert!(told.is_empty() && !held(daemon.log()).contains("refused"), "{text}");
}
