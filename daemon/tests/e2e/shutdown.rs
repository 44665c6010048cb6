//! Tests of the shutdown: in order, announced to all clients, and with the right exit code.

use crate::common::{Daemon, run};
use serde_json::json;

#[test]
fn sigterm_notifies_everyone_flushes_and_exits_with_0() {
    for signal in ["TERM", "INT"] {
        let mut daemon = Daemon::start();
        let mut peers: Vec<_> = (0..5).map(|n| daemon.login(&format!("peer{n}"))).collect();
        peers[0].says("before the end");
        let mut door = daemon.connect();
        daemon.signal(signal);
        for peer in &mut peers {
            let notice = peer.is_noticed("SHUTDOWN");
            assert!(notice["retry_after_ms"].is_u64(), "{notice}");
        }
        for peer in &mut peers[1..] {
            peer.hears("before the end");
        }
        for peer in &mut peers {
            peer.is_closed();
        }
        while let Ok(Some(_)) = door.try_next() {}
        let status = daemon.ended();
        assert_eq!(status.code(), Some(0), "{signal}: {}", daemon.log().text());
        assert!(std::net::TcpStream::connect(daemon.address()).is_err(), "nobody listens any more");
    }
}

#[test]
fn a_message_during_shutdown_is_kept_or_not_acknowledged() {
    let mut daemon = Daemon::with("limits.messages_per_second = 0");
    let mut ana = daemon.login("ana");
    let mut reader = daemon.login("reader");
    for n in 0..500 {
        ana.sends(&json!({"op": "MSG", "data": n.to_string(), "id": n}));
    }
    daemon.signal("TERM");
    let mut acknowledged = Vec::new();
    while let Ok(Some(line)) = ana.try_next() {
        if line["op"] == "MSG" {
            acknowledged.push(line["data"]["msg"].as_str().unwrap().to_owned());
        }
    }
    while let Ok(Some(_)) = reader.try_next() {}
    assert_eq!(daemon.ended().code(), Some(0));
    daemon.start_again();
    let kept: Vec<_> = {
        let mut bo = daemon.login("bo");
        bo.reads_all(&json!({"room": "lobby"})).into_iter().map(|m| m.text).collect()
    };
    assert!(kept.len() >= acknowledged.len() && kept[..acknowledged.len()] == acknowledged[..]);
    assert_eq!(kept, (0..kept.len()).map(|n| n.to_string()).collect::<Vec<_>>());
}

#[test]
fn a_second_signal_ends_the_grace_time() {
    let mut daemon =
        Daemon::with("shutdown.grace = \"1h\"\nlimits.stall = \"1h\"\nlimits.messages_per_second = 0");
    // A client that reads nothing: the grace period would pass.
    let stuck = daemon.login("stuck");
    let mut bo = daemon.login("bo");
    for n in 0..2000 {
        bo.says(&format!("{n} {}", "x".repeat(8000)));
    }
    daemon.signal("TERM");
    bo.is_noticed("SHUTDOWN");
    daemon.signal("TERM");
    let status = daemon.ended();
    assert_eq!(status.code(), Some(0), "{status}: {}", daemon.log().text());
    drop(stuck);
    daemon.start_again();
    let mut cy = daemon.login("cy");
    assert_eq!(cy.reads_all(&json!({"room": "lobby"})).len(), 2000);
}

#[test]
fn the_grace_time_ends_connections_that_stay_open() {
    let mut daemon =
        Daemon::with("shutdown.grace = \"500ms\"\nlimits.stall = \"1h\"\nlimits.messages_per_second = 0");
    let stuck = daemon.login("stuck");
    let mut bo = daemon.login("bo");
    for n in 0..2000 {
        bo.says(&format!("{n} {}", "x".repeat(8000)));
    }
    daemon.signal("TERM");
    assert_eq!(daemon.ended().code(), Some(0), "{}", daemon.log().text());
    drop(stuck);
}

/// Regression test: without clients the end took less time than the answer, and the operator was told that it
/// had failed.
#[test]
fn the_command_drain_reports_its_end() {
    let mut daemon = Daemon::start();
    for _ in 0..10 {
        let drained = run(daemon.folder(), &["drain"], "");
        assert_eq!(drained.code, Some(0), "{}{}", drained.err, daemon.log().text());
        assert_eq!(daemon.ended().code(), Some(0));
        daemon.start_again();
    }
}
