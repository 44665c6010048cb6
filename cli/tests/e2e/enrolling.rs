//! Tests of the first login of a registered user: the join line of `tcp-chatd user add`, and the credentials that the
//! client stores.

use crate::client::{Client, Ended, Home};
use crate::daemon::Daemon;
use crate::tty::Tty;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

pub(crate) fn run(home: &Home, args: &[&str]) -> Ended {
    let mut command = home.command();
    command.args(args);
    Client::start(command).ends()
}

/// What the operator hands over, for the port that the daemon has.
pub(crate) fn line(daemon: &Daemon, arguments: &[&str]) -> String {
    let line = daemon.operator(arguments);
    line.trim().replace(":0#", &format!(":{}#", daemon.port))
}

#[test]
fn a_join_line_sets_the_users_own_password() {
    let daemon = Daemon::with("auth.mode = \"accounts\"");
    let home = Home::new();
    let file = home.0.path().join("password");
    std::fs::write(&file, "open sesame\n").unwrap();
    let file = file.to_str().unwrap();
    let join = line(&daemon, &["user", "add", "ana"]);

    let end = run(&home, &[&join, "send", "x"]);
    assert_eq!(end.code, Some(2), "no terminal, and no password: {end:?}");
    assert!(end.err.contains("--password-file"), "{end:?}");
    let end = run(&home, &[&join, "--name", "bo", "--password-file", file, "who"]);
    assert_eq!(end.code, Some(2), "the line is for ana: {end:?}");

    let end = run(&home, &[&join, "--password-file", file, "send", "first"]);
    assert_eq!(end.code, Some(0), "{end:?}");
    assert!(end.err.contains("your password is set"), "{end:?}");
    assert_eq!(end.err.matches("other users of this machine can read that line").count(), 1, "{end:?}");
    let end = run(&home, &["localhost", "--password-file", file, "history"]);
    assert!(!end.err.contains("can read that line"), "{end:?}");
    assert_eq!(end.code, Some(0), "host, pin and name are known: {end:?}");
    assert!(end.out.contains("ana: first"), "{end:?}");

    let end = run(&home, &[&join, "--password-file", file, "who"]);
    assert_eq!(end.code, Some(5), "a line works once: {end:?}");
    assert!(end.err.contains("join line"), "{end:?}");
    let end = run(&home, &["localhost", "who"]);
    assert_eq!(end.code, Some(5), "{end:?}");
    assert!(end.err.contains("--password-file"), "{end:?}");
}

#[test]
fn a_terminal_is_asked_for_a_new_password_twice_and_does_not_show_it() {
    let daemon = Daemon::with("auth.mode = \"accounts\"");
    let home = Home::new();
    let mut command = home.command();
    command.args([&line(&daemon, &["user", "add", "ana"]), "--line"]);
    let mut tty = Tty::start(&command, 100, 30);
    tty.shows("A new password for ana:");
    tty.types("sesame\r");
    tty.shows("The same again:");
    tty.types("sesamee\r");
    tty.shows("not the same");
    tty.until("it asks once more", |screen| screen.matches("A new password for ana:").count() == 2);
    tty.types("sesame\r");
    tty.until("it asks once more", |screen| screen.matches("The same again:").count() == 2);
    tty.types("sesame\r");
    tty.shows("your password is set");
    let screen = tty.until("she is in", |screen| screen.contains("as ana; in #lobby"));
    assert!(!screen.contains("sesame"), "{screen}");
    drop(tty);

    // From then on she is asked for it.
    let mut command = home.command();
    command.args(["localhost", "who"]);
    let mut tty = Tty::start(&command, 100, 30);
    tty.shows("The password of ana at");
    tty.types("sesame\r");
    tty.shows("ana here");
}

#[test]
fn a_join_line_and_a_certificate_for_a_key_that_stays_here() {
    let daemon = Daemon::with("tls.client_auth = \"required\"\nauth.mode = \"accounts\"");
    let home = Home::new();
    let server = daemon.server();
    let ca = daemon.ca();
    let end = run(&home, &["--ca", ca.to_str().unwrap(), &server, "--name", "ana", "who"]);
    assert_eq!(end.code, Some(5), "{end:?}");
    assert!(end.err.contains("--cert FILE --key FILE") && end.err.contains("join line"), "{end:?}");

    let join = line(&daemon, &["user", "add", "ana", "--cert"]);
    // From standard input, where no list of processes shows it.
    let mut command = home.command();
    command.args(["-", "who"]);
    let mut client = Client::start(command);
    client.types(&join);
    let end = client.ends();
    assert_eq!(end.code, Some(0), "{end:?}");
    assert_eq!(end.out, "ana here\n");
    assert!(!end.err.contains("can read that line"), "{end:?}");

    let files = identity(&home);
    assert_eq!(files.len(), 2, "{files:?}");
    for file in &files {
        let mode = std::fs::metadata(file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", file.display());
    }
    let end = run(&home, &["localhost", "send", "by itself"]);
    assert_eq!(end.code, Some(0), "{end:?}");
    let end = run(&home, &["localhost", "--name", "bo", "who"]);
    assert_eq!(end.code, Some(5), "{end:?}");
    assert!(end.err.contains("your certificate is for ana") && end.err.contains("--name NAME"), "{end:?}");
    assert!(!end.err.contains("expired"), "{end:?}");
    daemon.operator(&["cert", "revoke", "ana"]);
    let end = run(&home, &["localhost", "who"]);
    assert_eq!(end.code, Some(5), "{end:?}");
    assert!(end.err.contains("revoked"), "{end:?}");
}

fn identity(home: &Home) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![home.0.path().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                folders.push(entry);
            } else if folder.ends_with("identities") {
                found.push(entry);
            }
        }
    }
    found
}
