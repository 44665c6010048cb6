//! Tests of settings, commands and exit codes: an invalid configuration is refused with a message that tells
//! the operator what to do.

use crate::common::{Daemon, Finished, run};
use std::path::Path;

fn with_config(text: &str, arguments: &[&str]) -> Finished {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("config.toml"), text).unwrap();
    run(folder.path(), arguments, "")
}

#[test]
fn broken_settings_are_refused_with_file_and_key() {
    for (config, key) in [
        ("listen.adress = \"127.0.0.1:0\"", "adress"),
        ("colour = 1", "colour"),
        ("[listen]\naddress = \"nowhere\"", "listen.address"),
        ("[listen]\naddress = 7", "address"),
        ("[listen]\naddress = []", "listen.address"),
        ("[sessions]\nttl = \"soon\"", "ttl"),
        ("[history]\ndurability = \"maybe\"", "durability"),
        ("[rooms]\ndefault = [\"no spaces\"]", "rooms.default"),
        ("[limits]\nline_bytes = \"many\"", "line_bytes"),
        ("[limits]\nmessages_per_second = 1.9", "messages_per_second"),
        ("[limits]\nmessages_per_second = \"7\"", "messages_per_second"),
        ("[limits]\nerrors = -1", "errors"),
        ("[tls]\nmin_version = \"1.1\"", "min_version"),
        ("[tls]\ncertificate = \"missing.pem\"\nkey = \"./missing.key\"", "missing.pem"),
        ("[tls]\ncertificate = \"only-this.pem\"", "tls.key"),
        ("[auth]\nmode = \"password\"", "password_file"),
        ("[log]\nformat = \"xml\"", "format"),
    ] {
        for arguments in [&[][..], &["run"], &["check"]] {
            let end = with_config(config, arguments);
            let said = format!("{}{}", end.out, end.err);
            assert_eq!(end.code, Some(78), "{config}\n{arguments:?} said: {said}");
            assert!(said.contains("config.toml"), "{config}: no file in: {said}");
            assert!(said.contains(key), "{config}: no `{key}` in: {said}");
            assert!(!said.contains("panicked"), "{said}");
        }
    }
}

#[test]
fn a_file_that_is_not_toml_is_reported_with_its_line() {
    let end = with_config("[listen]\naddress = \"127.0.0.1:0\nx", &[]);
    assert_eq!(end.code, Some(78));
    assert!(end.err.contains("config.toml") && end.err.contains('2'), "{}", end.err);
    let end = with_config("", &["--config", "elsewhere.toml"]);
    assert_eq!(end.code, Some(78));
    assert!(end.err.contains("elsewhere.toml"), "{}", end.err);
}

#[test]
fn all_problems_are_reported_at_once() {
    let config =
        "[listen]\naddress = \"nowhere\"\n[rooms]\ndefault = [\"no spaces\"]\n[tls]\nmin_version = \"1.1\"\n";
    let end = with_config(config, &["check"]);
    let said = format!("{}{}", end.out, end.err);
    assert_eq!(end.code, Some(78), "{said}");
    for key in ["listen.address", "rooms.default", "tls.min_version"] {
        assert!(said.contains(key), "no `{key}` in: {said}");
    }
}

#[test]
fn the_environment_overrides_the_file_and_port_overrides_both() {
    let daemon =
        Daemon::with_environment("rooms.default = [\"file\"]", &[("TCP_CHATD__ROOMS__DEFAULT", "ops,dev")]);
    let mut ana = daemon.connect();
    assert_eq!(ana.login("ana")["rooms"], serde_json::json!(["ops", "dev"]));

    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let daemon = Daemon::with_environment("", &[("PORT", &free.to_string())]);
    assert_eq!(daemon.address().port(), free);
    assert!(daemon.address().ip().is_loopback());
}

#[test]
fn a_bad_variable_is_reported_by_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let end = in_environment(folder.path(), "TCP_CHATD__LIMITS__ERRORS", "many");
    assert_eq!(end.0, Some(78), "{}", end.1);
    assert!(end.1.contains("TCP_CHATD__LIMITS__ERRORS") || end.1.contains("limits.errors"), "{}", end.1);
    let end = in_environment(folder.path(), "TCP_CHATD__LIMITS__ERORS", "1");
    assert_eq!(end.0, Some(78), "{}", end.1);
    assert!(end.1.to_lowercase().contains("erors"), "{}", end.1);
}

fn in_environment(folder: &Path, key: &str, value: &str) -> (Option<i32>, String) {
    let end = std::process::Command::new(env!("CARGO_BIN_EXE_tcp-chatd"))
        .arg("check")
        .current_dir(folder)
        .env(key, value)
        .output()
        .unwrap();
    (
        end.status.code(),
        format!("{}{}", String::from_utf8_lossy(&end.stdout), String::from_utf8_lossy(&end.stderr)),
    )
}

#[test]
fn commands_exit_with_0_and_usage_errors_with_64() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [&["--help"][..], &["--version"], &["config"], &["check"]] {
        let end = run(folder.path(), arguments, "");
        assert_eq!(end.code, Some(0), "{arguments:?}: {}{}", end.out, end.err);
        assert!(!end.out.is_empty() || arguments == ["check"], "{arguments:?} says nothing");
    }
    let version = run(folder.path(), &["--version"], "");
    assert!(version.out.contains(env!("CARGO_PKG_VERSION")), "{}", version.out);
    for arguments in [&["--no-such-flag"][..], &["dance"]] {
        let end = run(folder.path(), arguments, "");
        assert_eq!(end.code, Some(64), "{arguments:?}: {}", end.err);
    }
}

#[test]
fn config_prints_toml_with_the_origin_of_each_value() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("config.toml"), "[sessions]\nttl = \"5m\"\n").unwrap();
    let end = run(folder.path(), &["config"], "");
    assert_eq!(end.code, Some(0), "{}", end.err);
    let table: toml::Table = end.out.parse().unwrap_or_else(|e| panic!("{e}\n{}", end.out));
    for section in
        ["listen", "tls", "auth", "rooms", "sessions", "history", "limits", "log", "admin", "shutdown"]
    {
        assert!(table.contains_key(section), "no [{section}] in\n{}", end.out);
    }
    let line = end.out.lines().find(|l| l.contains("ttl")).unwrap();
    assert!(line.contains("5m") && line.contains("file"), "{line}");
    assert!(end.out.contains("default"), "{}", end.out);
}

#[test]
fn two_daemons_cannot_share_a_store() {
    let daemon = Daemon::start();
    let store = daemon.folder().join("data/chat.db");
    let folder = tempfile::tempdir().unwrap();
    let config = format!("listen.address = \"127.0.0.1:0\"\nhistory.path = {:?}\n", store.to_str().unwrap());
    std::fs::write(folder.path().join("config.toml"), config).unwrap();
    let end = run(folder.path(), &["run"], "");
    assert_eq!(end.code, Some(74), "{}", end.err);
    assert!(end.err.contains("chat.db"), "{}", end.err);
    daemon.login("ana").says("the first one goes on");
}

#[test]
fn a_store_that_cannot_be_opened_is_reported() {
    let (name, bytes) = ("garbage.db", b"this is no database, whatever its name says. ".repeat(200));
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(name), &bytes).unwrap();
    let config = format!("listen.address = \"127.0.0.1:0\"\nhistory.path = \"{name}\"\n");
    std::fs::write(folder.path().join("config.toml"), config).unwrap();
    let end = run(folder.path(), &["run"], "");
    assert_eq!(end.code, Some(74), "{}", end.err);
    assert!(end.err.contains(name), "{}", end.err);
    assert_eq!(std::fs::read(folder.path().join(name)).unwrap(), bytes, "it is left as it was");
}

#[test]
fn an_address_in_use_is_reported() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let end = with_config(&format!("listen.address = \"{address}\""), &["run"]);
    assert!(end.code.is_some_and(|code| code != 0), "{}", end.err);
    assert!(end.err.contains(&address), "{}", end.err);
}

#[test]
fn the_daemon_runs_without_a_configuration_file_and_says_so() {
    let daemon = Daemon::start();
    let text = daemon.log().text();
    let first = text.lines().next().unwrap();
    assert!(first.contains("config.toml"), "the first line names the configuration: {first}");
}

#[test]
fn a_store_in_memory_keeps_nothing() {
    let mut daemon = Daemon::with("history.path = \":memory:\"");
    let mut ana = daemon.login("ana");
    let mut bo = daemon.login("bo");
    ana.says("for now");
    bo.hears("for now");
    drop((ana, bo));
    daemon.restart();
    let mut cy = daemon.connect();
    assert_eq!(cy.login("cy")["head"], 0);
    assert!(!daemon.folder().join("data").exists());
}

#[test]
fn a_clock_behind_the_newest_message_is_warned_of() {
    let mut daemon = Daemon::with("limits.connections = 10");
    daemon.login("ana").says("an hour from now");
    daemon.signal("TERM");
    assert_eq!(daemon.ended().code(), Some(0));
    let end = run(daemon.folder(), &["check"], "");
    assert_eq!((end.code, end.err.as_str()), (Some(0), ""));
    let store = rusqlite::Connection::open(daemon.folder().join("data/chat.db")).unwrap();
    store.execute("UPDATE chunks SET ts = ts + 3600000", []).unwrap();
    drop(store);
    let end = run(daemon.folder(), &["check"], "");
    assert_eq!(end.code, Some(0), "it would start: {}", end.err);
    assert!(
        end.err.contains("warning: clock: it shows ") && end.err.contains("`timedatectl`"),
        "{}",
        end.err
    );
}
