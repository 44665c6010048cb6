//! Tests of the first connection by an invitation, and of the servers that the client refuses.

use crate::client::{Client, Home};
use crate::daemon::Daemon;

fn run(home: &Home, args: &[&str]) -> crate::client::Ended {
    let mut command = home.command();
    command.args(args);
    Client::start(command).ends()
}

#[test]
fn the_line_of_an_invitation_once_and_then_the_host_is_enough() {
    let mut daemon = Daemon::start();
    let home = Home::new();
    let line = format!("tcps://localhost:{}/ops#{}", daemon.port, daemon.pin());
    let end = run(&home, &[&line, "--name", "ana", "send", "first"]);
    assert_eq!(end.code, Some(0), "{end:?}");
    assert!(end.err.contains("the pin of"), "{end:?}");

    let end = run(&home, &["localhost", "history"]);
    assert_eq!(end.code, Some(0), "{end:?}");
    assert!(end.out.contains("#ops ana: first"), "the room and the name are known too: {end:?}");
    assert_eq!(end.err, "");

    let other = line.replace(&daemon.pin(), &"cd".repeat(32));
    let end = run(&home, &[&other, "who"]);
    assert_eq!(end.code, Some(4), "{end:?}");
    for part in [&daemon.pin(), &"cd".repeat(32), "config.toml"] {
        assert!(end.err.contains(part), "{part}: {end:?}");
    }

    let old = daemon.pin();
    daemon.replace();
    let end = run(&home, &["localhost", "who"]);
    assert_eq!(end.code, Some(4), "{end:?}");
    for part in [&daemon.pin(), &old, "localhost"] {
        assert!(end.err.contains(part), "{part}: {end:?}");
    }
    assert_eq!(end.out, "");
}

#[test]
fn a_wrong_pin_is_4_and_is_not_stored() {
    let daemon = Daemon::start();
    let home = Home::new();
    let line = format!("tcps://localhost:{}/ops#{}", daemon.port, "ab".repeat(32));
    let end = run(&home, &[&line, "--name", "ana", "who"]);
    assert_eq!(end.code, Some(4), "{end:?}");
    assert!(!home.0.path().join("config").exists());
}

#[test]
fn the_ca_of_another_daemon_is_4() {
    let (one, two) = (Daemon::start(), Daemon::start());
    let home = Home::new();
    let ca = two.ca();
    let end = run(&home, &["--ca", ca.to_str().unwrap(), &one.server(), "--name", "ana", "send", "x"]);
    assert_eq!(end.code, Some(4), "{end:?}");
    for part in ["it is for:", "localhost", "signed by:", &one.pin(), &two.pin()] {
        assert!(end.err.contains(part), "{part}: {end:?}");
    }
}
