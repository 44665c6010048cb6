//! Rooms that the configuration names, beside rooms that look like them: they are opened all the same, and the operator
//! is told.

use crate::common::http::{address, request};
use crate::common::{Daemon, run};
use crate::posts::TOKEN;
use serde_json::{Value, json};

#[test]
fn a_room_that_looks_like_a_configured_one_keeps_nobody_out_and_is_warned_of() {
    let mut daemon = Daemon::start();
    let mut mallory = daemon.login("mallory");
    mallory.asks("JOIN", json!({"room": "supp0rt"}));
    mallory.says_in("supp0rt", ".");
    let config = daemon.folder().join("config.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, format!("{text}\nrooms.default = [\"lobby\", \"support\"]\n")).unwrap();
    let warning = "the room supp0rt looks like the configured room support";
    for command in ["reload", "check"] {
        let end = run(daemon.folder(), &[command], "");
        assert_eq!(end.code, Some(0), "{command}: {}", end.err);
        assert!(end.err.contains(warning), "{command}: {}", end.err);
    }
    let enters = |daemon: &Daemon, name: &str| {
        let reply = daemon.connect().asks("LOGIN", json!({ "name": name }));
        assert_eq!(reply["rooms"], json!(["lobby", "support"]));
    };
    enters(&daemon, "new");
    daemon.restart();
    assert_eq!(daemon.log().emits("room_twin").expect("at the start, too")["twin"], "supp0rt");
    enters(&daemon, "newer");
    // What the warning says helps.
    assert_eq!(run(daemon.folder(), &["room", "remove", "supp0rt"], "").code, Some(0));
    let end = run(daemon.folder(), &["reload"], "");
    assert!(end.code == Some(0) && !end.err.contains("supp0rt"), "{}", end.err);
}

#[test]
fn nobody_takes_a_room_before_machines_post_to_it() {
    let settings =
        "http.address = \"127.0.0.1:0\"\nhttp.token_file = \"http.token\"\nhttp.rooms = [\"ops\"]\n";
    let daemon = Daemon::after(&format!("echo {TOKEN} >http.token"), settings);
    let mut ana = daemon.login("ana");
    let why = ana.is_refused("JOIN", json!({"room": "0ps"}), "NAME_TAKEN");
    assert!(why.contains("ops"), "{why}");
    ana.asks("JOIN", json!({"room": "ops"}));
    let (at, bearer) = (address(&daemon, "http_listening"), format!("Bearer {TOKEN}"));
    let text = r#"{"text": "the disk is full"}"#;
    let answer = request(at, "POST", "/rooms/ops/messages", &[("Authorization", &bearer)], text);
    assert_eq!(answer.status, 201, "{answer:?}");
    ana.hears("the disk is full");
    let rooms = run(daemon.folder(), &["rooms", "--json"], "").out;
    let rooms: Vec<Value> = rooms.lines().map(|room| serde_json::from_str(room).unwrap()).collect();
    assert_eq!(rooms.len(), 2, "{rooms:?}");
    assert!(rooms.iter().all(|room| room["owners"] == json!([])), "not even alerts owns it: {rooms:?}");
}
