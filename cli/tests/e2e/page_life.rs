//! The life of `tcp-chat-cli web`: a crash and restart under an open tab, the end, and errors at the start.

use crate::client::{Client, Home};
use crate::daemon::Daemon;
use crate::relay::Relay;
use serde_json::json;

#[test]
fn a_tab_survives_a_crash_of_the_relay() {
    let (home, daemon) = (Home::new(), Daemon::start());
    let relay = Relay::start(&home, &daemon, &[]);
    let bearer = relay.bearer();
    let mut tab = relay.open(&bearer);
    let login = tab.logs_in(json!({ "name": "ana" }));
    let seen = tab.says("before");
    let (port, used) = (relay.port, relay.ticket.clone());
    relay.client.kill();
    assert!(tab.is_closed());

    let folder = home.0.path().join("state/tcp-chat");
    let files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    let stored = files.iter().find(|file| file.extension().is_some_and(|e| e == "json")).unwrap();
    let text = std::fs::read_to_string(stored).unwrap();
    assert!(!text.contains(&bearer) && !text.contains(&used), "{text}");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(stored).unwrap().permissions().mode() & 0o777, 0o600);
    }

    let again = Relay::start(&home, &daemon, &[]);
    assert_eq!(again.port, port, "the address is the same");
    assert_eq!(again.page("POST /ticket", &[], &used).status, 403, "the old ticket is invalid");
    let mut tab = again.open(&bearer);
    let resumed = tab.logs_in(json!({ "name": "ana", "session": login["session"], "after": seen }));
    assert_eq!(resumed["session"], login["session"]);
    tab.says("after");
    // A second process has a port and tabs of its own.
    let beside = Relay::start(&home, &daemon, &[]);
    assert_ne!(beside.port, port);
    assert_eq!(
        beside.page("GET /host.json", &[("Authorization", &format!("Bearer {bearer}"))], "").status,
        401
    );
}

#[test]
fn the_relay_ends_a_while_after_the_last_tab() {
    let (home, daemon) = (Home::new(), Daemon::start());
    let relay = Relay::start(&home, &daemon, &["--idle", "1s"]);
    let bearer = relay.bearer();
    let (mut one, other) = (relay.open(&bearer), relay.open(&bearer));
    one.logs_in(json!({ "name": "ana" }));
    drop(other);
    one.says("still here");
    drop(one);
    relay.client.says("no tab has used the page");
    let ended = relay.client.ended();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    // Also if no tab is ever opened.
    let relay = Relay::start(&home, &daemon, &["--idle", "100ms"]);
    assert_eq!(relay.client.ended().code, Some(0));
}

/// A tab at its form has no session. It holds a WebSocket that carries nothing.
#[test]
fn an_open_tab_without_a_session_keeps_it_running() {
    let (home, mut daemon) = (Home::new(), Daemon::start());
    let relay = Relay::start(&home, &daemon, &["--idle", "1s"]);
    let bearer = relay.bearer();
    // It needs no server either.
    daemon.kill();
    let protocols = format!("tcp-chat.1, bearer.{bearer}, presence");
    let (tab, answer) = relay.handshake(&protocols, &relay.origin());
    assert_eq!(answer.status, 101, "{answer:?}");
    // Meanwhile another process without a tab ends after a longer time.
    let other = Relay::start(&Home::new(), &daemon, &["--idle", "2s"]);
    assert_eq!(other.client.ended().code, Some(0));
    assert_eq!(relay.described(&bearer)["server"], daemon.server(), "it has not ended");
    drop(tab);
    relay.client.says("no tab has used the page");
    assert_eq!(relay.client.ended().code, Some(0));
}

#[test]
fn the_relay_ends_by_a_signal_and_by_its_timeout() {
    let (home, daemon) = (Home::new(), Daemon::start());
    for signal in ["HUP", "INT", "TERM"] {
        let relay = Relay::start(&home, &daemon, &["--keep"]);
        let mut tab = relay.open(&relay.bearer());
        tab.logs_in(json!({ "name": "ana" }));
        relay.client.signal(signal);
        assert_eq!(relay.client.ended().code, Some(0), "{signal}");
        assert!(tab.is_closed());
    }
    let relay = Relay::start(&home, &daemon, &["--timeout", "300ms"]);
    assert_eq!(relay.client.ended().code, Some(7));
}

#[test]
fn an_error_at_the_start_ends_it() {
    let (home, daemon) = (Home::new(), Daemon::start());
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let ended = home.run(&daemon, &["web", "--no-open", "--port", &port]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.err.contains(&port) && ended.err.contains("--port"), "{}", ended.err);
    let mut command = home.command();
    command.args(["web", "chat.example", "--no-open"]);
    let ended = Client::start(command).ended();
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.err.contains("whom to trust for chat.example:3000"), "{}", ended.err);
    let ended = home.run(&daemon, &["web", "other.example", "--no-open"]);
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.err.contains("give it once"), "{}", ended.err);
}

/// After a click on an icon or a link there is no terminal for errors.
#[test]
fn an_error_after_a_click_is_explained_on_the_page() {
    let home = Home::new();
    let mut command = home.command();
    command.args(["web", "chat.example"]);
    let relay = Relay::of(Client::start(command));
    let bearer = relay.bearer();
    let problem = relay.described(&bearer)["problem"][0].as_str().unwrap().to_owned();
    assert!(problem.contains("whom to trust for chat.example:3000"), "{problem}");
    assert!(relay.open(&bearer).is_closed());
    // Any page can contain such a link, so it sends no password and replaces no certificate.
    let daemon = Daemon::start();
    let mut command = home.command();
    command.args(["web", &format!("tcps://ben:code@{}#{}", daemon.server(), daemon.pin())]);
    command.env("TCP_CHAT_PASSWORD", "a password for another server");
    let relay = Relay::of(Client::start(command));
    let problem = relay.described(&relay.bearer())["problem"][0].as_str().unwrap().to_owned();
    assert!(problem.contains("this link has a code"), "{problem}");
}
