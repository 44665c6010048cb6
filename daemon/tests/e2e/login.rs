//! Tests of the login: the reply, the order of requests, colours, passwords.

use crate::common::{Daemon, in_shell, run};
use serde_json::{Value, json};

#[test]
fn the_two_first_requests_of_the_protocol_work_unchanged() {
    let daemon = Daemon::start();
    let mut ana = daemon.connect();
    ana.sends_bytes(b"{\"op\":\"LOGIN\",\"data\":{\"name\":\"ana\",\"color\":\"red\"}}\n{\"op\":\"MSG\",\"data\":\"hello\"}\n");
    let reply = ana.next_where("LOGIN", |l| l["op"] == "LOGIN");
    assert_eq!((&reply["status"], reply.get("id")), (&json!("OK"), None));
    let event = ana.next_where("MSG", |l| l["op"] == "MSG");
    assert_eq!(event["data"]["user"], "ana");
    assert_eq!(event["data"]["color"], "red");
    assert_eq!(event["data"]["room"], "lobby");
}

#[test]
fn the_reply_to_login_has_all_fields() {
    let daemon = Daemon::with("sessions.ttl = \"90s\"");
    let mut ana = daemon.connect();
    let reply = ana.logs_in_with(json!({"name": "Ana", "color": "#00Ff7f"}));
    assert_eq!(reply["name"], "Ana");
    assert!(reply["color"].as_str().unwrap().eq_ignore_ascii_case("#00ff7f"), "{reply}");
    assert_eq!(reply["ttl_s"], 90);
    assert_eq!(reply["rooms"], json!(["lobby"]));
    assert_eq!(reply["head"], 0);
    assert_eq!(reply["server"]["protocol"], 1);
    assert!(reply["server"]["name"].is_string() && reply["server"]["version"].is_string());
    assert_eq!(reply["limits"], json!({"line_bytes": 65536, "msg_bytes": 8192}));
    let said = ana.says("one");
    let mut bo = daemon.connect();
    assert_eq!(bo.login("bo")["head"], said.seq);
}

#[test]
fn requests_before_login_are_refused() {
    let daemon = Daemon::start();
    let mut ana = daemon.connect();
    for (op, data) in [
        ("MSG", json!("hello")),
        ("MSG", json!({"to": "bo", "msg": "hello"})),
        ("JOIN", json!({"room": "ops"})),
        ("LEAVE", json!({"room": "lobby"})),
        ("WHO", Value::Null),
        ("ROOMS", Value::Null),
        ("HISTORY", json!({"room": "lobby"})),
        ("SEARCH", json!({"query": "x"})),
    ] {
        ana.is_refused(op, data, "NOT_LOGGED_IN");
    }
    // An invalid request is still answered with its own error, and the connection stays open.
    ana.is_refused("DANCE", Value::Null, "UNKNOWN_OP");
    ana.sends_bytes(b"{\n");
    ana.hears_error("PARSE");
    ana.login("ana");
    ana.says("in");
}

#[test]
fn a_second_login_changes_nothing() {
    let daemon = Daemon::start();
    let mut ana = daemon.login("ana");
    ana.is_refused("LOGIN", json!({"name": "bo"}), "ALREADY_LOGGED_IN");
    let token = ana.session().token;
    ana.is_refused("LOGIN", json!({"name": "ana", "session": token}), "ALREADY_LOGGED_IN");
    let who = ana.asks("WHO", Value::Null);
    assert_eq!(who["members"], json!([{"user": "ana", "color": "", "state": "here"}]));
    ana.says("still ana");
}

#[test]
fn a_wrong_field_is_refused_by_its_name() {
    let daemon = Daemon::start();
    let mut ana = daemon.connect();
    for (data, field) in [
        (Value::Null, "data"),
        (json!("ana"), "data"),
        (json!([]), "data"),
        (json!({}), "name"),
        (json!({"name": 7}), "name"),
        (json!({"name": "ana", "color": 7}), "color"),
        (json!({"name": "ana", "color": "octarine"}), "color"),
        (json!({"name": "ana", "color": "#12345"}), "color"),
        (json!({"name": "ana", "rooms": "lobby"}), "rooms"),
        (json!({"name": "ana", "rooms": [1]}), "rooms"),
        (json!({"name": "ana", "after": -1, "session": "x"}), "after"),
    ] {
        let sentence = ana.is_refused("LOGIN", data, "DATA");
        assert!(sentence.contains(field), "{sentence:?} does not name `{field}`");
    }
    ana.login("ana");
}

#[test]
fn colours_are_the_contracts() {
    let daemon = Daemon::start();
    for (n, colour) in ["red", "green", "yellow", "blue", "fuchsia", "cyan", "#a1b2c3", ""].iter().enumerate()
    {
        let mut peer = daemon.connect();
        let reply = peer.logs_in_with(json!({"name": format!("peer{n}"), "color": colour}));
        assert_eq!(reply["color"], *colour);
        peer.sends(&json!({"op": "MSG", "data": "look"}));
        let event = peer.next_where("MSG", |l| l["op"] == "MSG");
        assert_eq!(event["data"]["color"], *colour);
    }
}

#[test]
fn a_login_may_choose_its_rooms() {
    let daemon = Daemon::with("rooms.default = [\"hall\", \"ops\"]");
    let mut ana = daemon.connect();
    assert_eq!(ana.login("ana")["rooms"], json!(["hall", "ops"]));
    let mut bo = daemon.connect();
    assert_eq!(
        bo.logs_in_with(json!({"name": "bo", "rooms": ["ops", "dev"]}))["rooms"],
        json!(["ops", "dev"])
    );
    ana.sees("bo", "joined");
    bo.says_in("ops", "hi");
    ana.hears("hi");
    let mut cy = daemon.connect();
    cy.is_refused("LOGIN", json!({"name": "cy", "rooms": ["no spaces"]}), "NAME_INVALID");
    assert_eq!(cy.logs_in_with(json!({"name": "cy", "rooms": []}))["rooms"], json!([]));
}

#[test]
fn tokens_are_long_differ_and_are_not_stored() {
    let daemon = Daemon::with("log.level = \"trace\"");
    let mut ana = daemon.login("ana");
    let bo = daemon.login("bo");
    ana.says("a message, so that something is written");
    let (one, two) = (ana.session().token, bo.session().token);
    assert_ne!(one, two);
    for token in [&one, &two] {
        // 256 bits take 43 letters in base64, the densest usual encoding.
        assert!(token.len() >= 43, "{} letters", token.len());
        assert!(!daemon.log().text().contains(token.as_str()), "a token is in the log");
        for file in std::fs::read_dir(daemon.folder().join("data")).unwrap() {
            let path = file.unwrap().path();
            let Ok(bytes) = std::fs::read(&path) else { continue };
            let found = bytes.windows(token.len()).any(|w| w == token.as_bytes());
            assert!(!found, "a token is in {}", path.display());
        }
    }
}

#[test]
fn text_and_tokens_never_reach_the_log() {
    let daemon = Daemon::with("log.level = \"trace\"");
    let mut ana = daemon.login("ana");
    ana.says("sesame-in-the-text");
    ana.sends_bytes(b"{\"op\":\"MSG\",\"data\":{\"room\":\"lobby\",\"msg\":\"sesame-in-bad-data\",\"msg\":1}}\nsesame-in-garbage\n");
    ana.hears_error("DATA");
    ana.hears_error("PARSE");
    ana.is_refused("LOGIN", json!({"name": "bo", "password": "sesame-as-password"}), "ALREADY_LOGGED_IN");
    assert!(!daemon.log().text().contains("sesame"), "{}", daemon.log().text());
}

#[test]
fn a_password_is_read_like_the_client_does_and_an_empty_text_is_refused() {
    let daemon = Daemon::with("auth.mode = \"accounts\"");
    let folder = tempfile::tempdir().unwrap();
    let hash = run(folder.path(), &["password"], "\u{feff}open sesame\r\n");
    assert_eq!(hash.code, Some(0), "{}", hash.err);
    let file = folder.path().join("password");
    std::fs::write(&file, format!("\u{feff}{}", hash.out)).unwrap();
    let shared =
        Daemon::with(&format!("auth.mode = \"password\"\nauth.password_file = {:?}", file.to_str().unwrap()));
    shared.connect().logs_in_with(json!({"name": "ana", "password": "open sesame"}));
    let line = format!("printf 'caf\\351 caf\\351\\n' | {} password", env!("CARGO_BIN_EXE_tcp-chatd"));
    let refused = in_shell(&line);
    assert_eq!(refused.status.code(), Some(64), "{refused:?}");
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(said.contains("byte 4 of standard input is not UTF-8"), "{said}");
    let said = run(daemon.folder(), &["say", ""], "");
    assert_eq!(said.code, Some(64), "{}", said.err);
    assert!(said.err.contains("the text is empty"), "{}", said.err);
}

#[test]
fn one_password_for_all() {
    let folder = tempfile::tempdir().unwrap();
    let hash = run(folder.path(), &["password"], "open sesame\n");
    assert_eq!(hash.code, Some(0), "{}", hash.err);
    assert!(hash.out.starts_with("$argon2id$"), "{}", hash.out);
    let file = folder.path().join("password");
    std::fs::write(&file, hash.out).unwrap();
    let daemon =
        Daemon::with(&format!("auth.mode = \"password\"\nauth.password_file = {:?}", file.to_str().unwrap()));

    let mut ana = daemon.connect();
    ana.is_refused("LOGIN", json!({"name": "ana"}), "AUTH_FAILED");
    ana.is_refused("LOGIN", json!({"name": "ana", "password": "open barley"}), "AUTH_FAILED");
    ana.logs_in_with(json!({"name": "ana", "password": "open sesame"}));
    ana.says("in");
    // A failed login is logged with the address, but without the guess.
    let line = daemon.log().wait(|l| l.contains("127.0.0.1").then(|| l.to_owned())).unwrap();
    assert!(!daemon.log().text().contains("barley"), "{line}");

    // After more guesses the connection is closed.
    let mut guesser = daemon.connect();
    for _ in 0..100 {
        let guess = json!({"op": "LOGIN", "data": {"name": "eve", "password": "x"}});
        if guesser.try_send_bytes(format!("{guess}\n").as_bytes()).is_err() {
            return;
        }
        match guesser.try_next() {
            Ok(Some(line)) => assert_eq!(line["data"]["kind"], "AUTH_FAILED", "{line}"),
            Ok(None) | Err(_) => return,
        }
    }
    panic!("a hundred guesses on one connection");
}
