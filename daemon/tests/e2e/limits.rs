//! Tests of limits: what is refused and for how long, and when the connection is closed.

use crate::common::{Daemon, Peer};
use serde_json::json;
use std::io::Read;
use std::net::TcpStream;

/// The daemon reports that it is full, and closes.
fn is_turned_away(daemon: &Daemon) {
    let mut peer = daemon.connect();
    peer.hears_error("SERVER_FULL");
    peer.is_closed();
}

#[test]
fn a_client_over_the_message_rate_is_told_how_long_to_wait() {
    let daemon = Daemon::with("limits.messages_per_second = 1\nlimits.burst = 5");
    let mut bo = daemon.login("bo");
    let mut ana = daemon.login("ana");
    for n in 0..20 {
        ana.sends(&json!({"op": "MSG", "data": format!("{n}"), "id": n}));
    }
    let mut accepted = Vec::new();
    let mut refused = 0;
    for n in 0..20 {
        let line = ana.next_where("an answer", |l| l["id"] == n);
        if line["op"] == "MSG" {
            accepted.push(n.to_string());
        } else {
            assert_eq!(line["data"]["kind"], "RATE_LIMITED", "{line}");
            let wait = line["data"]["retry_after_ms"].as_u64().unwrap();
            assert!((1..=20_000).contains(&wait), "{line}");
            refused += 1;
        }
    }
    assert!(!accepted.is_empty() && refused > 0, "{accepted:?}");
    for text in &accepted {
        bo.hears(text);
    }
    bo.has_nothing("MSG");
    // It was only slowed down: a refused id can be sent again until it is accepted.
    loop {
        ana.sends(&json!({"op": "MSG", "data": "patience", "id": "p"}));
        let line = ana.next_where("an answer", |l| l["id"] == "p");
        if line["op"] == "MSG" {
            break;
        }
        let wait = line["data"]["retry_after_ms"].as_u64().unwrap();
        std::thread::park_timeout(std::time::Duration::from_millis(wait));
    }
    bo.hears("patience");
}

#[test]
fn a_rate_of_zero_means_no_limit() {
    let daemon = Daemon::with("limits.messages_per_second = 0\nlimits.burst = 1");
    let mut ana = daemon.login("ana");
    for n in 0..3000 {
        ana.sends(&json!({"op": "MSG", "data": n.to_string()}));
    }
    for n in 0..3000 {
        ana.hears(&n.to_string());
    }
}

#[test]
fn the_number_of_connections_is_limited() {
    let daemon = Daemon::with("limits.connections = 2");
    let (mut ana, mut bo) = (daemon.login("ana"), daemon.login("bo"));
    is_turned_away(&daemon);
    ana.says("who was in stays in");
    bo.hears("who was in stays in");
}

#[test]
fn the_connections_of_one_address_are_limited() {
    let daemon = Daemon::with("limits.connections_per_address = 2");
    let mut ana = daemon.login("ana");
    let bo = daemon.login("bo");
    ana.sees("bo", "joined");
    is_turned_away(&daemon);
    drop(bo);
    ana.sees("bo", "away");
    // Now there is space again. The place is free once the daemon has noticed the end.
    loop {
        let mut cy = daemon.connect();
        let login = json!({"op": "LOGIN", "data": {"name": "cy"}, "id": 1});
        let _ = cy.try_send_bytes(format!("{login}\n").as_bytes());
        match cy.try_next() {
            Ok(Some(line)) if line["op"] == "LOGIN" => break,
            Ok(Some(line)) => assert_eq!(line["data"]["kind"], "SERVER_FULL", "{line}"),
            Ok(None) | Err(_) => {}
        }
    }
    ana.sees("cy", "joined");
}

#[test]
fn the_number_of_sessions_is_limited() {
    let daemon = Daemon::with("limits.sessions = 1");
    let mut ana = daemon.login("ana");
    let mut bo = daemon.connect();
    bo.is_refused("LOGIN", json!({"name": "bo"}), "SERVER_FULL");
    bo.is_closed();
    ana.asks("QUIT", json!(null));
    ana.is_closed();
    daemon.login("bo").says("room for me");
}

#[test]
fn a_client_that_does_not_log_in_is_disconnected() {
    let daemon = Daemon::with("limits.login = \"300ms\"");
    let mut silent = daemon.connect();
    silent.hears_error("TIMEOUT");
    silent.is_closed();
    let mut busy = daemon.connect();
    let chatter = |peer: &mut Peer| peer.try_send_bytes(b"{\"op\":\"PING\"}\n");
    let _ = chatter(&mut busy);
    busy.hears_error("TIMEOUT");
    busy.is_closed();
    // A client that has logged in may be silent for any time.
    let mut ana = daemon.login("ana");
    let mut late = daemon.connect();
    late.hears_error("TIMEOUT");
    ana.says("still here");
}

#[test]
fn a_client_that_does_not_complete_the_handshake_is_disconnected() {
    let daemon = Daemon::with("limits.handshake = \"300ms\"");
    let mut socket = TcpStream::connect(daemon.address()).unwrap();
    socket.set_read_timeout(Some(crate::common::PATIENCE)).unwrap();
    let mut rest = Vec::new();
    // By an alert or only by a close: the connection ends.
    let end = socket.read_to_end(&mut rest);
    assert!(
        end.as_ref().is_ok() || end.as_ref().is_err_and(|e| e.kind() == std::io::ErrorKind::ConnectionReset),
        "{end:?}"
    );
    daemon.login("ana").says("others are served");
}

#[test]
fn too_many_errors_in_a_row_close_the_connection() {
    let daemon = Daemon::with("limits.errors = 5");
    let mut ana = daemon.login("ana");
    for _ in 0..3 {
        for _ in 0..5 {
            ana.sends_bytes(b"nonsense\n");
            ana.hears_error("PARSE");
        }
        // One valid line, and the count starts again.
        ana.asks("PING", json!(null));
    }
    for _ in 0..6 {
        ana.sends_bytes(b"nonsense\n");
        ana.hears_error("PARSE");
    }
    ana.is_closed();
    // The session stays nevertheless.
    let session = ana.session();
    daemon.resume(&session).says("sorry");
}

#[test]
fn a_client_over_the_byte_rate_is_told_how_long_to_wait() {
    let daemon = Daemon::with("limits.bytes_per_second = \"1 KiB\"\nlimits.burst_bytes = \"1 KiB\"");
    let mut ana = daemon.login("ana");
    let mut bo = daemon.login("bo");
    ana.says(&"x".repeat(6_000));
    ana.sends(&json!({"op": "MSG", "data": "patience", "id": "p"}));
    let refused = ana.next_where("an answer", |l| l["id"] == "p");
    assert_eq!(refused["data"]["kind"], "RATE_LIMITED", "{refused}");
    let wait = refused["data"]["retry_after_ms"].as_u64().unwrap();
    assert!((1..=6_000).contains(&wait), "{refused}");
    // Other clients are not affected.
    bo.hears(&"x".repeat(6_000));
    bo.says("as fast as ever");
    std::thread::park_timeout(std::time::Duration::from_millis(wait));
    loop {
        ana.sends(&json!({"op": "MSG", "data": "patience", "id": "p"}));
        if ana.next_where("an answer", |l| l["id"] == "p")["op"] == "MSG" {
            break;
        }
    }
    bo.hears("patience");
}

#[test]
fn direct_messages_to_strangers_are_limited() {
    let daemon = Daemon::with("limits.strangers_per_minute = 1");
    let [mut spam, mut bo, mut cy] = ["spam", "bo", "cy"].map(|name| daemon.login(name));
    spam.tells("bo", "buy");
    spam.tells("bo", "buy now");
    spam.sends(&json!({"op": "MSG", "data": {"to": "cy", "msg": "buy"}, "id": "c"}));
    let refused = spam.next_where("an answer", |l| l["id"] == "c");
    assert_eq!(refused["data"]["kind"], "RATE_LIMITED", "{refused}");
    assert!(refused["data"]["retry_after_ms"].as_u64().unwrap() > 1_000, "{refused}");
    cy.has_nothing("MSG");
    bo.hears("buy");
    bo.hears("buy now");
    bo.tells("spam", "how much?");
    spam.tells("cy", "who answers is no stranger");
    cy.hears("who answers is no stranger");
}

#[test]
fn a_flooding_client_is_read_slowly_and_gets_every_answer() {
    let daemon = Daemon::with("limits.messages_per_second = 1\nlimits.burst = 10\nlimits.errors = 0");
    let mut bo = daemon.login("bo");
    let mut flood = daemon.login("flood");
    bo.sees("flood", "joined");
    for n in 0..400 {
        flood.sends(&json!({"op": "MSG", "data": "x", "id": n}));
        flood.sends_bytes(b"nonsense\n");
        flood.sends(&json!({"op": "PING", "id": format!("ping {n}")}));
    }
    bo.says("nobody else is slowed");
    for n in 0..400 {
        let answer = flood.next_where("an answer", |l| l["id"] == n);
        assert!(answer["op"] == "MSG" || answer["data"]["kind"] == "RATE_LIMITED", "{answer}");
        flood.hears_error("PARSE");
        flood.next_where("a pong", |l| l["id"] == format!("ping {n}"));
    }
}
