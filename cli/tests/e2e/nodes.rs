//! Tests of a chat with several servers: the client goes to the one that answers, and says where it is.

use crate::client::{Client, Home};
use crate::daemon::Daemon;
use crate::relay::Relay;
use serde_json::json;
use std::net::TcpListener;

/// A port at which nothing listens yet.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A client that gets this SERVER.
fn starts(home: &Home, daemon: &Daemon, server: &str, args: &[&str]) -> Client {
    let mut command = home.command();
    command.arg("--ca").arg(daemon.ca()).arg(server).args(args);
    Client::start(command)
}

#[test]
fn a_chat_goes_on_at_another_server_and_says_at_which() {
    let mut daemon = Daemon::start();
    let (home, other) = (Home::new(), free_port());
    let first = daemon.server();
    let servers = format!("{first},localhost:{other}");
    let mut ana = starts(&home, &daemon, &servers, &["--name", "ana"]);
    ana.says(&format!("connected to {first} as ana"));
    ana.types("one");
    ana.shows("one");
    daemon.moves_to(other);
    ana.says(&format!("connected to localhost:{other} as ana; caught up"));
    ana.types("two");
    ana.shows("two");
    assert_eq!(ana.ends().code, Some(0));
    let end = home.run(&daemon, &["--name", "bo", "history"]);
    assert!(end.out.contains("one") && end.out.contains("two"), "{end:?}");

    // The saved session of the second run is under the first server's name, which is gone.
    let mut ana = starts(&home, &daemon, &servers, &["--name", "ana"]);
    ana.says(&format!("connected to localhost:{other} as ana"));
    ana.types("three");
    ana.shows("three");
    assert_eq!(ana.ends().code, Some(0));
}

#[test]
fn each_command_uses_the_server_that_answers() {
    let daemon = Daemon::start();
    let home = Home::new();
    let dead = format!("localhost:{}", free_port());
    let servers = format!("{dead},{}", daemon.server());
    for args in [&["send", "hello"][..], &["history"], &["who"], &["rooms"]] {
        let end = starts(&home, &daemon, &servers, &[&["--name", "ana"], args].concat()).ends();
        assert_eq!((end.code, end.err.as_str()), (Some(0), ""), "{args:?} {end:?}");
    }
    let end = starts(&home, &daemon, &servers, &["-v", "history"]).ends();
    assert!(end.out.contains("hello"), "{end:?}");
    assert!(end.err.contains(&format!("{}: certificate verified", daemon.server())), "{end:?}");
    let both = format!("{dead},localhost:{}", free_port());
    for (server, code) in [(both.as_str(), 3), ("a,,b", 2), ("a,b:0", 2)] {
        let end = starts(&home, &daemon, server, &["send", "x"]).ends();
        assert_eq!(end.code, Some(code), "{end:?}");
    }
    // It examines the first one.
    let end = starts(&home, &daemon, &servers, &["doctor"]).ends();
    assert_eq!(end.code, Some(3), "{end:?}");
    assert!(end.out.contains(&format!("`tcp-chat-cli doctor {}`", daemon.server())), "{end:?}");
}

#[test]
fn a_profile_has_further_servers() {
    let daemon = Daemon::start();
    let home = Home::new();
    let dead = format!("localhost:{}", free_port());
    let folder = home.0.path().join("config/tcp-chat");
    std::fs::create_dir_all(&folder).unwrap();
    let write = |servers: &str| {
        let (ca, key) = (daemon.ca(), &dead);
        let text = format!("[profiles.\"{key}\"]\nca = {ca:?}\nservers = {servers}\n");
        std::fs::write(folder.join("config.toml"), text).unwrap();
    };
    let sends = || {
        let mut command = home.command();
        command.args([&dead, "--name", "ana", "send", "x"]);
        Client::start(command).ends()
    };
    write(&format!("[{:?}]", daemon.server()));
    assert_eq!(sends().code, Some(0));
    write("'no address'");
    let end = sends();
    assert!(end.code == Some(2) && end.err.contains("servers \"no address\""), "{end:?}");
}

#[test]
fn a_server_that_cannot_be_verified_is_told_if_no_other_is_there() {
    let (daemon, stranger) = (Daemon::start(), Daemon::start());
    let home = Home::new();
    let servers = |port: u16| format!("localhost:{port},{}", stranger.server());
    let end = starts(&home, &daemon, &servers(free_port()), &["send", "x"]).ends();
    assert_eq!(end.code, Some(4), "{end:?}");
    let end =
        starts(&home, &daemon, &format!("{},{}", stranger.server(), daemon.server()), &["send", "x"]).ends();
    assert_eq!(end.code, Some(0), "{end:?}");
    let end = home.run(&stranger, &["history"]);
    assert!(!end.out.contains('x'), "{end:?}");
}

#[test]
fn daemons_that_share_only_their_ca_have_the_same_pin() {
    let mut first = Daemon::start();
    let second = Daemon::with_ca_of(&first);
    let home = Home::new();
    let mut command = home.command();
    let servers = format!("tcps://{},{}#{}", first.server(), second.server(), first.pin());
    command.args([&servers, "--name", "ana"]);
    let mut ana = Client::start(command);
    ana.says(&format!("connected to {} as ana", first.server()));
    first.kill();
    // The second one does not know the session: its certificate is good, and its store is another one.
    ana.says("the session had ended: this is a new one");
    ana.says(&format!("connected to {} as ana", second.server()));
    ana.types("hello");
    ana.shows("hello");
    assert_eq!(ana.ends().code, Some(0));
    // The profile that was stored knows both.
    let mut command = home.command();
    command.args([&first.server(), "--name", "ana", "history"]);
    let end = Client::start(command).ends();
    assert!(end.code == Some(0) && end.out.contains("hello"), "{end:?}");
}

#[test]
fn the_relay_of_the_page_goes_to_the_server_that_answers() {
    let mut daemon = Daemon::start();
    let (home, other) = (Home::new(), free_port());
    let servers = format!("{},localhost:{other}", daemon.server());
    let relay = Relay::of(starts(&home, &daemon, &servers, &["web", "--no-open"]));
    let bearer = relay.bearer();
    let mut tab = relay.open(&bearer);
    let login = tab.logs_in(json!({ "name": "ana" }));
    let seen = tab.says("before");
    let first = daemon.server();
    daemon.moves_to(other);
    assert!(tab.is_closed());
    let mut tab = relay.open(&bearer);
    let resumed = tab.logs_in(json!({ "name": "ana", "session": login["session"], "after": seen }));
    assert_eq!(resumed["session"], login["session"]);
    tab.says("after");
    assert_eq!(relay.described(&bearer)["server"], first, "the chat is still known under its first server");
}
