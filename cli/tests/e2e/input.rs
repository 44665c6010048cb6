//! Tests of standard input: the client reports every part that it does not send, and exits with a code.

use crate::client::{Ended, Home};
use crate::daemon::Daemon;
use serde_json::Value;
use std::io::Write;

fn fed(home: &Home, daemon: &Daemon, args: &[&str], input: &[u8]) -> Ended {
    let mut client = home.start(daemon, args);
    client.feeds(input);
    client.ends()
}

fn kept(home: &Home, daemon: &Daemon) -> Vec<String> {
    let end = home.run(daemon, &["--name", "reader", "history", "--json", "--limit", "100"]);
    assert_eq!(end.code, Some(0), "{end:?}");
    let text = |line: &str| serde_json::from_str::<Value>(line).unwrap()["msg"].as_str().unwrap().to_owned();
    end.out.lines().map(text).collect()
}

#[test]
fn a_message_from_standard_input_arrives_whole_or_is_refused_with_its_size() {
    let limits = "[limits]\nmsg_bytes = \"4 MiB\"\nline_bytes = \"16 MiB\"";
    let daemon = Daemon::with(limits);
    let home = Home::new();
    let long = "x".repeat(2_000_000) + "END";
    for args in [&["--name", "ci", "send"][..], &["--name", "cd", "send", "--id", "build-7"]] {
        let end = fed(&home, &daemon, args, long.as_bytes());
        assert_eq!(end.code, Some(0), "{:?}", end.err);
        assert!(kept(&home, &daemon).last() == Some(&long), "{args:?}");
        let end = fed(&home, &daemon, args, "y".repeat(4 * 1024 * 1024 + 3).as_bytes());
        assert_eq!(end.code, Some(if args.len() == 3 { 2 } else { 1 }), "{end:?}");
        let size = if args.len() == 3 { "4194307 bytes" } else { "another text" };
        assert!(end.err.contains(size), "{end:?}");
        let end = fed(&home, &daemon, args, &vec![b'z'; 9_000_000]);
        assert_eq!(end.code, Some(2), "{end:?}");
        assert!(end.err.contains("9000000 bytes"), "{end:?}");
    }
    assert_eq!(kept(&home, &daemon).len(), 2);
}

#[test]
fn lines_of_a_pipe_are_text_whatever_they_begin_with() {
    let daemon = Daemon::start();
    let home = Home::new();
    let lines =
        ["build started", "/usr/bin/make: *** [all] Error 2", "/quit the job", "//x", "/help", "last"];
    let end = fed(&home, &daemon, &["--name", "ci"], (lines.join("\n") + "\n").as_bytes());
    assert_eq!(end.code, Some(0), "{end:?}");
    assert_eq!(kept(&home, &daemon), lines);
}

#[test]
fn with_commands_unsent_lines_are_reported() {
    let daemon = Daemon::start();
    let home = Home::new();
    let args = ["--name", "ci", "--commands"];
    let end = fed(&home, &daemon, &args, b"one\n/usr/bin/make: Error\ntwo\n");
    assert_eq!(end.code, Some(2), "{end:?}");
    assert_eq!(end.err.matches("there is no /usr/bin/make:").count(), 1, "{end:?}");
    let end = fed(&home, &daemon, &args, b"three\n/quit\nfour\nfive\n");
    assert_eq!(end.code, Some(6), "{end:?}");
    assert!(end.err.contains("behind /quit were not sent: 2"), "{end:?}");
    let end = fed(&home, &daemon, &args, b"six\n/quit\n");
    assert_eq!(end.code, Some(0), "{end:?}");
    let end = fed(&home, &daemon, &args, b"/join a/b\n");
    assert_eq!(end.code, Some(6), "what follows goes to another room than was meant: {end:?}");
    // Not in the room before either: it was not meant for it.
    for refused in ["/join a/b", "/room ops", "/leave ops", "/join", "/room"] {
        let input = format!("{refused}\n\nthe password is x\n/join lobby\nlast\n");
        let end = fed(&home, &daemon, &args, input.as_bytes());
        assert!(matches!(end.code, Some(2 | 6)), "{refused}: {end:?}");
        assert!(end.err.contains("line 3 and what follows it was not sent"), "{refused}: {end:?}");
        let end = fed(&home, &daemon, &args, format!("{refused}\n/quit\n").as_bytes());
        assert!(!end.err.contains("what follows"), "{refused}: {end:?}");
    }
    assert_eq!(kept(&home, &daemon), ["one", "two", "three", "six"]);
}

#[test]
fn lines_that_are_too_long_are_named_and_the_others_are_sent() {
    let daemon = Daemon::start();
    let home = Home::new();
    for bytes in [9000, 3_000_000, 9_000_000] {
        let input = format!("before\n{}\nafter\n", "x".repeat(bytes));
        let end = fed(&home, &daemon, &["--name", "ci"], input.as_bytes());
        assert_eq!(end.code, Some(6), "{end:?}");
        assert!(end.err.contains(&format!("{bytes} bytes")), "{end:?}");
    }
    assert_eq!(kept(&home, &daemon), ["before", "after"].repeat(3));
}

#[test]
fn bytes_that_are_not_utf8_are_refused_everywhere() {
    let daemon = Daemon::start();
    let home = Home::new();
    for args in [&["--name", "ci", "send"][..], &["--name", "ci", "send", "--id", "1"]] {
        let end = fed(&home, &daemon, args, b"caf\xe9\n");
        assert_eq!(end.code, Some(2), "{end:?}");
        assert!(end.err.contains("not UTF-8"), "{end:?}");
    }
    assert_eq!(kept(&home, &daemon), Vec::<String>::new());
    for args in [&["--name", "ci", "send", "--split"][..], &["--name", "ci"]] {
        let end = fed(&home, &daemon, args, b"one\ncaf\xe9\ntwo\n");
        assert_eq!(end.code, Some(2), "{end:?}");
        assert!(end.err.contains("line 2 of the input was not sent"), "{end:?}");
    }
    assert_eq!(kept(&home, &daemon), ["one\ntwo", "one", "two"]);
}

#[test]
fn one_byte_order_mark_at_the_start_is_no_part_of_the_text() {
    let daemon = Daemon::start();
    let home = Home::new();
    let input = "\u{feff}a\u{feff}\n".as_bytes();
    for args in [&["send"][..], &["send", "--id", "1"], &["send", "--split"], &[]] {
        let end = fed(&home, &daemon, &[&["--name", "ci"], args].concat(), input);
        // `send --id` keeps its name.
        assert_eq!(end.code, Some(0), "{args:?} {end:?}");
        if args.contains(&"--id") {
            daemon.operator(&["kick", "ci"]);
        }
    }
    let end = home.run(&daemon, &["--name", "ci", "send", "\u{feff}a\u{feff}"]);
    assert_eq!(end.code, Some(0), "{end:?}");
    assert_eq!(kept(&home, &daemon), vec!["a\u{feff}"; 5]);
}

#[test]
fn split_says_where_a_line_does_not_arrive_as_it_is() {
    let daemon = Daemon::start();
    let home = Home::new();
    let args = ["--name", "ci", "send", "--split"];
    let end = fed(&home, &daemon, &args, format!("short\n{}\na\0b\n", "x".repeat(20_000)).as_bytes());
    assert_eq!(end.code, Some(0), "{end:?}");
    assert!(end.err.contains("line 2 is longer than 8192 bytes"), "{end:?}");
    assert!(end.err.contains("line 3 has a NUL"), "{end:?}");
    assert_eq!(end.err.lines().count(), 2, "{end:?}");
    let all = kept(&home, &daemon).concat();
    assert_eq!(all.matches('x').count(), 20_000);
}

#[test]
fn split_reports_its_cuts_also_in_long_messages_and_joins_nothing_to_a_bad_line() {
    let daemon = Daemon::with("limits.msg_bytes = \"600 KiB\"\nlimits.line_bytes = \"8 MiB\"\n");
    let home = Home::new();
    let args = ["--name", "ci", "send", "--split"];
    let long = |bytes: usize| "x".repeat(bytes);
    let end = fed(&home, &daemon, &args, format!("{}\n{}\n", long(700_000), long(500_000)).as_bytes());
    assert_eq!(end.code, Some(0), "{end:?}");
    assert!(end.err.contains("line 1 is longer than 614400 bytes"), "{end:?}");
    assert_eq!(end.err.lines().count(), 1, "line 2 fits: {end:?}");
    // The bad byte stands in the first of three pieces.
    let mut input = b"prev\nb\xe9d".to_vec();
    input.extend(long(700_000).replace('x', "d").bytes());
    input.extend(b"\nlast\n");
    let end = fed(&home, &daemon, &args, &input);
    assert_eq!(end.code, Some(2), "{end:?}");
    assert!(end.err.contains("line 2 of the input was not sent"), "{end:?}");
    let all = kept(&home, &daemon);
    assert_eq!(all.last().map(String::as_str), Some("prev\nlast"));
    assert_eq!(all.concat().matches('x').count(), 1_200_000);
}

#[test]
fn an_input_that_cannot_be_read_is_a_failure() {
    let daemon = Daemon::start();
    let home = Home::new();
    for args in [&["send"][..], &["send", "--split"], &["--line"]] {
        let mut command = home.command();
        command.arg("--ca").arg(daemon.ca()).args([&daemon.server(), "--name", "ci"]).args(args);
        command.stdin(std::fs::File::open(home.0.path()).unwrap());
        let end = crate::client::Client::start(command).ended();
        assert_eq!(end.code, Some(1), "{args:?} {end:?}");
        assert!(end.err.contains("standard input cannot be read"), "{end:?}");
    }
}

/// The client, with its standard output closed by a reader that has had enough.
fn unread(home: &Home, daemon: &Daemon, args: &[&str]) -> (std::process::Child, std::process::ChildStdin) {
    let mut command = home.command();
    command.arg("--ca").arg(daemon.ca()).arg(daemon.server()).args(args);
    let mut child = command.spawn().unwrap();
    drop(child.stdout.take());
    let input = child.stdin.take().unwrap();
    (child, input)
}

fn err_of(child: std::process::Child) -> (Option<i32>, String) {
    let out = child.wait_with_output().unwrap();
    (out.status.code(), String::from_utf8(out.stderr).unwrap())
}

#[test]
fn messages_are_sent_also_if_the_output_is_not_read() {
    let daemon = Daemon::start();
    let home = Home::new();
    for (n, args) in
        [&["send", "-v"][..], &["send", "--json"], &["send", "--split", "--json"]].iter().enumerate()
    {
        let args = [&["--name", "ci"], *args].concat();
        let (child, mut input) = unread(&home, &daemon, &args);
        input.write_all(format!("message {n}").as_bytes()).unwrap();
        drop(input);
        let (code, err) = err_of(child);
        assert_eq!(code, Some(0), "{args:?} {err}");
        assert_eq!(kept(&home, &daemon).last(), Some(&format!("message {n}")));
    }
    let args = ["--name", "ci", "send", "--json", "--id", "a"];
    let (child, mut input) = unread(&home, &daemon, &args);
    input.write_all(b"under an id").unwrap();
    drop(input);
    assert_eq!(err_of(child).0, Some(0));
    assert_eq!(kept(&home, &daemon).last().unwrap(), "under an id");
}

#[test]
fn lines_that_are_not_sent_because_the_output_is_closed_are_a_failure() {
    let daemon = Daemon::start();
    let home = Home::new();
    let (child, mut input) = unread(&home, &daemon, &["--name", "ci"]);
    let lines: String = (0..50_000).map(|n| format!("line {n}\n")).collect();
    // It may have ended before it has taken all of them.
    let _ = input.write_all(lines.as_bytes());
    drop(input);
    let (code, err) = err_of(child);
    assert_eq!(code, Some(1), "{err}");
    assert!(err.contains("standard output was closed"), "{err}");
}

#[cfg(unix)]
#[test]
fn a_signal_in_the_middle_of_the_input_is_a_failure_and_at_rest_it_is_not() {
    let daemon = Daemon::start();
    let home = Home::new();
    for signal in ["TERM", "INT", "HUP"] {
        let mut client = home.start(&daemon, &["--name", &format!("ci-{signal}")]);
        client.types("one");
        client.shows("one");
        client.signal(signal);
        let end = client.ended();
        assert_eq!(end.code, Some(0), "{signal}: all of it was sent: {end:?}");
        let mut client = home.start(&daemon, &["--name", &format!("ci2-{signal}")]);
        let lines: String = (0..4_000).map(|n| format!("line {n}\n")).collect();
        client.feeds(lines.as_bytes());
        client.shows("line 9\n");
        client.signal(signal);
        let end = client.ended();
        assert_eq!(end.code, Some(1), "{signal}: {:?}", end.err);
        assert!(end.err.contains("stopped by a signal: line "), "{signal}: {:?}", end.err);
        assert!(!end.out.contains("line 3999"), "{signal}");
    }
}
