//! Tests of `check`, and of starts with an invalid configuration.

use crate::{Desk, Ended, LONGEST_WAIT};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Instant;

#[test]
fn check_is_fine_before_the_first_start_and_makes_nothing() {
    // Whatever uses the default port here, and however few files can be open.
    let desk = Desk::with("listen.address = \"127.0.0.1:0\"\nlimits.connections = 10\n");
    let ended = desk.run(&["check"]);
    let dir = desk.dir.path().display();
    assert_eq!(
        ended.out,
        format!(
            "{dir}/config.toml: fine\n{dir}/certs: none there yet; a start makes a CA and a certificate\n\
             {dir}/data/chat.db: does not exist yet; a start creates it\n"
        )
    );
    assert_eq!((ended.code, ended.err.as_str()), (0, ""));
    assert_eq!(fs::read_dir(desk.dir.path()).unwrap().count(), 1);
}

#[test]
fn check_warns_of_what_will_not_work_on_this_host_and_says_what_to_do() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let desk = Desk::with(&format!(
        "listen.address = \"{address}\"\nlimits.connections = 10\ntls.names = [\"chat.invalid\"]\n"
    ))
    .with_certificates();
    fs::set_permissions(desk.path("certs/server.key"), fs::Permissions::from_mode(0o644)).unwrap();
    let ended = desk.run(&["check"]);
    for part in [
        &format!("warning: listen.address: {address} is in use, and no daemon answers"),
        "server.pem: it is not valid for chat.invalid (tls.names) yet",
        "warning: tls.names: chat.invalid does not resolve on this host",
        "certs/server.key: every user of this host has access to it (mode 644): chmod o=",
    ] {
        assert!(ended.err.contains(part), "{part}\n{ended:?}");
    }
    assert_eq!(ended.code, 0, "it would start: {ended:?}");
    // With an address that this host does not have, no start is possible.
    let desk = Desk::with("listen.address = \"192.0.2.1:3000\"\nlimits.connections = 10\n");
    let ended = desk.run(&["check"]);
    assert!(ended.err.contains("192.0.2.1:3000 is not an address of this host"), "{ended:?}");
    assert_eq!(ended.code, 78, "{ended:?}");
}

/// Without a setting, the control socket is beside the store.
#[test]
fn check_beside_a_daemon_that_runs_does_not_wonder_who_has_its_port() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let desk = Desk::with("limits.connections = 10\n");
    fs::create_dir(desk.path("data")).unwrap();
    let socket = std::os::unix::net::UnixListener::bind(desk.path("data/control.sock")).unwrap();
    let checks = || Ended::of(desk.command(&["--set", "limits.connections=10", "check"]).env("PORT", &port));
    let with_a_file = checks();
    fs::remove_file(desk.path("config.toml")).unwrap();
    for ended in [with_a_file, checks()] {
        assert!(ended.code == 0 && !ended.err.contains("listen.address"), "{ended:?}");
    }
    // The port was in use, and by no known process once the daemon has ended.
    drop(socket);
    // Another test may be starting a program, which has a copy of the socket until its exec.
    let until = Instant::now() + LONGEST_WAIT;
    while std::os::unix::net::UnixStream::connect(desk.path("data/control.sock")).is_ok() {
        assert!(Instant::now() < until, "the socket is not closed");
        std::thread::yield_now();
    }
    let ended = checks();
    assert!(ended.err.contains(&format!(":{port} is in use, and no daemon answers")), "{ended:?}");
}

#[test]
fn check_says_everything_that_is_wrong_at_once_with_78() {
    let desk = Desk::with("[limits]\nburst = 0\n[log]\nlevl = \"info\"\n");
    let ended = Ended::of(desk.command(&["check"]).env("TCP_CHATD__SESSIONS__TTL", "x"));
    assert_eq!((ended.code, ended.out.as_str()), (78, ""));
    for part in [
        "config.toml:2:9: limits.burst: 0 is not a whole number from 1 to 10000000",
        "config.toml:4:1: log.levl: there is no such setting; did you mean log.level?",
        "environment variable TCP_CHATD__SESSIONS__TTL: sessions.ttl: \"x\" is not a duration",
    ] {
        assert!(ended.err.contains(part), "{part}\n{}", ended.err);
    }
    // For a caller, invalid certificates have the same exit code.
    let desk = Desk::with("").with_certificates();
    fs::remove_file(desk.path("certs/ca.key")).unwrap();
    let ended = desk.run(&["check"]);
    assert_eq!(ended.code, 78, "{ended:?}");
    assert!(ended.err.contains("certs/ca.key: it is missing, but ca.pem exists"), "{}", ended.err);
    assert!(ended.out.contains("config.toml: fine"), "what is fine is said, too: {}", ended.out);
}

#[test]
fn a_broken_configuration_refuses_to_run_with_78() {
    let desk = Desk::with("[limits]\nburst = 0\n");
    for args in [&[][..], &["run"], &["config"], &["cert", "show"], &["status"]] {
        let ended = desk.run(args);
        assert_eq!((ended.code, ended.out.as_str()), (78, ""), "{args:?}");
        assert!(ended.err.contains("limits.burst"), "{args:?}: {}", ended.err);
    }
    let ended = desk.run(&["--config", "other.toml", "check"]);
    assert_eq!(ended.code, 78);
    assert!(ended.err.starts_with("other.toml: there is no such file"), "{}", ended.err);
}

/// Behind a proxy the page has the daemon's own certificate, which the first start makes.
#[test]
fn check_before_the_first_start_knows_that_it_makes_the_pages_certificate() {
    let page = "limits.connections = 10\nweb.address = \"127.0.0.1:0\"\nweb.certificate = \"certs/server.pem\"\n\
                web.key = \"certs/server.key\"\n";
    let desk = Desk::with(page);
    let ended = desk.run(&["check"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(
        ended.out.contains("certs/server.pem: the page uses this certificate, which a start issues"),
        "{ended:?}"
    );
    // Any other file must be there, and so must names for browsers.
    let other = Desk::with(&page.replace("server.pem", "other.pem")).run(&["check"]);
    assert!(other.code == 78 && other.err.contains("certs/other.pem: "), "{other:?}");
    let nameless = Desk::with(&format!("{page}tls.names = [\"*.example\"]\n")).run(&["check"]);
    assert!(nameless.code == 78 && nameless.err.contains("web.names: "), "{nameless:?}");
}

#[test]
fn an_invitation_has_the_address_of_the_page_beside_it() {
    let page = "web.address = \"127.0.0.1:3443\"\nweb.certificate = \"certs/server.pem\"\n\
                web.key = \"certs/server.key\"\nweb.names = [\"chat.example\"]\n";
    for (settings, is_said) in [(page, true), ("", false)] {
        let ended = Desk::with(settings).with_certificates().run(&["invite"]);
        assert_eq!(ended.code, 0, "{ended:?}");
        assert_eq!(ended.out.lines().count(), 1, "{ended:?}");
        assert_eq!(ended.err.contains("https://chat.example:3443"), is_said, "{ended:?}");
    }
}
