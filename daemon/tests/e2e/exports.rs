//! `tcp-chatd export`: the messages as the wire had them, of a daemon that runs and of one that does not.

use crate::common::{Daemon, run};
use serde_json::{Value, json};

/// What an export with these arguments prints.
fn export(daemon: &Daemon, arguments: &[&str]) -> Vec<Value> {
    let done = run(daemon.folder(), &[&["export"], arguments].concat(), "");
    assert_eq!(
        (done.code, done.err.as_str()),
        (Some(0), ""),
        "{arguments:?}: no progress where nobody sees it"
    );
    done.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn texts(lines: &[Value]) -> Vec<&str> {
    lines.iter().map(|line| line["data"]["msg"].as_str().unwrap()).collect()
}

#[test]
fn an_export_equals_the_lines_on_the_wire() {
    let daemon = Daemon::start();
    let (mut ana, mut bo) = (daemon.login_to("ana", &["lobby", "ops"]), daemon.login_to("Bo", &["lobby"]));
    let mut heard = Vec::new();
    ana.says("one\n\u{1b}[31m");
    heard.push(bo.next_where("ana's", |line| line["op"] == "MSG"));
    bo.tells("ana", "psst");
    heard.push(ana.next_where("bo's", |line| line["op"] == "MSG"));
    bo.says("two");
    heard.push(ana.next_where("bo's", |line| line["op"] == "MSG"));
    let middle = heard[2]["data"]["ts"].as_str().unwrap().to_owned();
    ana.says_in("ops", "three");
    ana.tells("Bo", "four");
    heard.push(bo.next_where("ana's", |line| line["op"] == "MSG"));

    let lines = export(&daemon, &[]);
    assert_eq!(texts(&lines), ["one\n\u{1b}[31m", "psst", "two", "three", "four"]);
    assert_eq!([&lines[..3], &lines[4..]].concat(), heard);
    assert_eq!(texts(&export(&daemon, &["--room", "OPS"])), ["three"]);
    assert_eq!(texts(&export(&daemon, &["--user", "bo"])), ["psst", "two", "four"], "with those to bo");
    assert_eq!(texts(&export(&daemon, &["--user", "bo", "--room", "lobby"])), ["two"]);
    let since = export(&daemon, &["--since", &middle]);
    assert!(texts(&since).ends_with(&["two", "three", "four"]), "{since:?}");
    assert!(since.iter().all(|line| line["data"]["ts"].as_str().unwrap() >= middle.as_str()));
    assert_eq!(export(&daemon, &["--since", "7d"]).len(), 5);
    assert_eq!(export(&daemon, &["--since", "2099-01-01T00:00:00Z"]), [] as [Value; 0]);
    for (wrong, part) in [
        (["--room", "nowhere"], "there is no room nowhere"),
        (["--since", "soon"], "7d"),
        (["--user", "a b"], "--user"),
    ] {
        let refused = run(daemon.folder(), &["export", wrong[0], wrong[1]], "");
        assert_eq!((refused.code, refused.out.as_str()), (Some(64), ""), "{wrong:?}");
        assert!(refused.err.contains(part), "{}", refused.err);
    }
    // The daemon noticed nothing of it.
    ana.says("on");
    assert_eq!(run(daemon.folder(), &["status"], "").code, Some(0));
}

#[test]
fn the_store_of_a_daemon_that_was_killed_or_ended_is_exported_and_left_as_it_is() {
    let mut daemon = Daemon::start();
    let mut ana = daemon.login("ana");
    (0..20).for_each(|n| drop(ana.says(&format!("message {n}"))));
    let whole = export(&daemon, &[]);
    assert_eq!(whole.len(), 20);
    daemon.kill();
    assert_eq!(export(&daemon, &[]), whole, "the write-ahead log is read, too");
    daemon.start_again();
    daemon.signal("TERM");
    assert!(daemon.ended().success());
    let files = || {
        let files = std::fs::read_dir(daemon.folder().join("data")).unwrap();
        let mut files: Vec<_> = files.map(|file| file.unwrap().file_name()).collect();
        files.sort();
        files
    };
    let before = files();
    assert_eq!(export(&daemon, &[]), whole);
    assert_eq!(files(), before);
}

#[test]
fn a_failing_export_is_reported_with_its_exit_code() {
    let daemon = Daemon::with("history.path = \":memory:\"\nadmin.socket = \"control.sock\"");
    let refused = run(daemon.folder(), &["export"], "");
    assert_eq!((refused.code, refused.out.as_str()), (Some(78), ""));
    assert!(refused.err.contains("no message is kept in a file"), "{}", refused.err);
    let dir = tempfile::tempdir().unwrap();
    let refused = run(dir.path(), &["export"], "");
    assert_eq!(refused.code, Some(74), "{}", refused.err);
    assert!(refused.err.contains("data/chat.db"), "{}", refused.err);
    // The whole of it goes to a reader that takes one line.
    let daemon = Daemon::start();
    let mut ana = daemon.login("ana");
    let data = json!("x".repeat(8000));
    (0..200).for_each(|n| drop(ana.says_as(json!(n.to_string()), data.clone())));
    let program = env!("CARGO_BIN_EXE_tcp-chatd");
    let line = format!("cd {} && {program} export | head -n 1", daemon.folder().display());
    let out = crate::common::in_shell(&line);
    assert!(out.status.success() && out.stderr.is_empty(), "{out:?}");
    assert_eq!(out.stdout.iter().filter(|byte| **byte == b'\n').count(), 1);
}
