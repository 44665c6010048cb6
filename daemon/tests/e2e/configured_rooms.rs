//! Tests of rooms that the configuration names, when rooms with similar names exist: they are opened
//! nevertheless, and the operator is told.

use crate::common::http::{address, request};
use crate::common::{Daemon, run};
use crate::posts::TOKEN;
use serde_json::{Value, json};

#[test]
fn a_room_that_resembles_a_configured_one_causes_a_warning_and_blocks_no_user() {
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
    // The advice in the warning helps.
    assert_eq!(run(daemon.folder(), &["room", "remove", "supp0rt"], "").code, Some(0));
    let end = run(daemon.folder(), &["reload"], "");
    assert!(end.code == Some(0) && !end.err.contains("supp0rt"), "{}", end.err);
}

#[test]
fn a_user_cannot_own_a_room_for_webhooks_before_the_first_post() {
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

#[test]
fn a_reload_says_which_keys_it_applied_and_which_wait_for_a_restart() {
    let settings =
        "http.address = \"127.0.0.1:0\"\nhttp.token_file = \"http.token\"\nhttp.rooms = [\"ops\"]\n";
    let daemon = Daemon::after(&format!("echo {TOKEN} >http.token"), settings);
    let (at, bearer) = (address(&daemon, "http_listening"), format!("Bearer {TOKEN}"));
    let config = daemon.folder().join("config.toml");
    let before = std::fs::read_to_string(&config).unwrap();
    let reloads = |changes: &[(&str, &str)]| {
        let text = changes.iter().fold(before.clone(), |text, (old, new)| text.replace(old, new));
        std::fs::write(&config, text).unwrap();
        let end = run(daemon.folder(), &["reload"], "");
        assert_eq!(end.code, Some(0), "{}", end.err);
        end.out
    };
    let posts = |room: &str| {
        let path = format!("/rooms/{room}/messages");
        request(at, "POST", &path, &[("Authorization", &bearer)], r#"{"text": "done"}"#).status
    };
    assert_eq!((posts("ops"), posts("alarm")), (201, 404));
    let rooms = ("[\"ops\"]", "[\"alarm\"]");
    let token =
        ("http.token_file = \"http.token\"", "http.token_file = \"http.token\"\nhttp.name = \"machine\"");
    let waits = "changed in the file, but needs a restart: http.name";
    assert_eq!(reloads(&[rooms, token]), format!("reloaded; changed: http.rooms\n{waits}"));
    assert_eq!((posts("ops"), posts("alarm")), (404, 201), "what is said to be changed is in force");
    assert_eq!(reloads(&[rooms, token]), format!("reloaded; changed: nothing\n{waits}"), "it still waits");
    assert_eq!(reloads(&[rooms]), "reloaded; changed: nothing", "it is what the daemon started with");
}
