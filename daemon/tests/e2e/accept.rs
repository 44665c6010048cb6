//! Accepting: running out of descriptors neither ends the daemon nor shuts the door for ever.

use crate::common::Daemon;
use std::net::TcpStream;

#[test]
fn it_outlives_having_no_descriptors_left() {
    let mut daemon = Daemon::after("ulimit -n 48", "");
    let mut ana = daemon.login("ana");
    // More than it can take; the kernel holds the rest in its queue.
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
fn who_comes_and_goes_at_once_leaves_nothing_behind() {
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
