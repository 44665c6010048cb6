//! Tests of accepting: running out of descriptors neither ends the daemon nor stops it from accepting for
//! good.

use crate::common::{Daemon, run};
use std::net::TcpStream;

#[test]
fn the_daemon_survives_running_out_of_descriptors() {
    let mut daemon = Daemon::after("ulimit -n 48", "");
    let mut ana = daemon.login("ana");
    // More than the daemon can take; the kernel queues the rest.
    let crowd: Vec<_> = (0..90).map(|_| TcpStream::connect(daemon.address()).unwrap()).collect();
    ana.says("in the middle of it");
    daemon
        .log()
        .wait(|line| (line.contains("ERROR") || line.contains("WARN")).then_some(()))
        .unwrap_or_else(|| panic!("an operator must know:\n{}", daemon.log().text()));
    let lines = daemon.log().text().lines().count();
    assert!(lines < 500, "{lines} lines about it are too many");
    assert!(daemon.lives());
    drop(crowd);
    let mut bo = daemon.login("bo");
    ana.sees("bo", "joined");
    bo.says("and the door is open again");
    ana.hears("and the door is open again");
}

#[test]
fn a_connection_that_closes_at_once_leaves_nothing_behind() {
    let mut daemon = Daemon::start();
    let mut ana = daemon.login("ana");
    for _ in 0..300 {
        drop(TcpStream::connect(daemon.address()).unwrap());
    }
    for _ in 0..30 {
        drop(daemon.connect());
    }
    assert!(daemon.lives());
    assert_eq!(ana.asks("WHO", serde_json::Value::Null)["member_count"], 1);
}

/// A reload reported a higher limit as applied although the daemon could not open as many files.
#[test]
fn a_reload_with_more_connections_raises_the_limit_of_open_files() {
    let daemon = Daemon::after("ulimit -Sn 100", "limits.connections = 10");
    let open_files = || {
        let limits = std::fs::read_to_string(format!("/proc/{}/limits", daemon.pid())).unwrap();
        let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
        line.split_whitespace().nth(3).unwrap().parse::<u64>().unwrap()
    };
    assert_eq!(open_files(), 100);
    let config = daemon.folder().join("config.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text.replace("connections = 10", "connections = 200")).unwrap();
    assert_eq!(run(daemon.folder(), &["reload"], "").out, "reloaded; changed: limits.connections");
    assert_eq!(open_files(), 264, "200 connections, and 64 files beside them");
}
