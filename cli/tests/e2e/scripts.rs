//! The verbs for scripts, with their exit codes; `tail` and `wait` have a file of their own.

use crate::client::{Client, Home};
use crate::daemon::Daemon;
use serde_json::Value;

pub(crate) fn objects(out: &str) -> Vec<Value> {
    out.lines().map(|l| serde_json::from_str(l).unwrap()).collect()
}

#[test]
fn send_is_quiet_and_done_when_it_is_kept() {
    let daemon = Daemon::start();
    let home = Home::new();
    let end = home.run(&daemon, &["--name", "ci", "send", "--room", "ops", "deployed"]);
    assert_eq!((end.code, end.out.as_str(), end.err.as_str()), (Some(0), "", ""));
    let mut piped = home.start(&daemon, &["--name", "ci", "send", "--room", "ops", "--json"]);
    piped.types("two");
    piped.types("lines");
    let end = piped.ends();
    assert_eq!(end.code, Some(0), "{end:?}");
    assert_eq!(objects(&end.out)[0]["msg"], "two\nlines");
    let end = home.run(&daemon, &["--name", "r", "history", "--room", "ops", "--json"]);
    let texts: Vec<_> = objects(&end.out).iter().map(|m| m["msg"].clone()).collect();
    assert_eq!(texts, ["deployed", "two\nlines"]);
}

#[test]
fn refusals_and_timeouts_have_their_codes() {
    let daemon = Daemon::with("rooms.create = false");
    let home = Home::new();
    let end = home.run(&daemon, &["--name", "ci", "send", "--to", "nobody", "x"]);
    assert_eq!(end.code, Some(6), "{end:?}");
    assert!(end.err.contains("NO_SUCH_USER"), "{end:?}");
    let long = "x".repeat(9000);
    let end = home.run(&daemon, &["--name", "ci", "send", &long]);
    assert_eq!(end.code, Some(2), "{end:?}");
    assert!(end.err.contains("--split"), "{end:?}");
    let end = home.run(&daemon, &["--name", "ci", "wait", "--match", "x", "--timeout", "300ms"]);
    assert_eq!(end.code, Some(7), "{end:?}");
    let end = home.run(&daemon, &["--name", "ci", "tail", "--count", "1", "--timeout", "300ms"]);
    assert!(end.code == Some(7) && end.err.contains("not so many messages came in time"), "{end:?}");
    let end = home.run(&daemon, &["--name", "ci", "tail", "--timeout", "300ms"]);
    assert!(end.code == Some(7) && end.err.contains("the time of --timeout has passed"), "{end:?}");
    let end = home.run(&daemon, &["--name", "ci", "rooms"]);
    assert!(end.out.contains("lobby 1 member, no messages"), "{end:?}");
}

#[test]
fn send_outlives_a_restart_of_the_daemon() {
    let mut daemon = Daemon::start();
    let home = Home::new();
    daemon.kill();
    let sending = home.start(&daemon, &["--name", "ci", "send", "patience", "--timeout", "1m", "-v"]);
    sending.says("trying again");
    daemon.start_again();
    let end = sending.ended();
    assert_eq!(end.code, Some(0), "{end:?}");
    let end = home.run(&daemon, &["--name", "r", "history", "--json"]);
    assert_eq!(objects(&end.out).len(), 1);
}

#[test]
fn the_same_id_is_one_message() {
    let daemon = Daemon::with("sessions.ttl = \"1s\"");
    let home = Home::new();
    let send = |text| home.run(&daemon, &["--name", "ci", "send", "--id", "build-7", text, "--json"]);
    let (first, again) = (send("built"), send("built"));
    assert_eq!((first.code, again.code), (Some(0), Some(0)), "{first:?} {again:?}");
    assert_eq!(first.out, again.out);
    let other = send("another text");
    assert_eq!(other.code, Some(1), "{other:?}");
    assert!(other.err.contains("build-7"), "{other:?}");

    // Its confirmation was lost with the notes' last line: the history knows it, also when the
    // session is gone.
    let file = home.0.path().join(format!("state/tcp-chat/send-localhost_3a{}-ci.json", daemon.port));
    let mut notes: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    notes["sent"][0]["kept"] = Value::Null;
    std::fs::write(&file, notes.to_string()).unwrap();
    let bo = home.start(&daemon, &["--name", "bo", "-v"]);
    bo.says("connected");
    let within_the_session = send("built");
    assert_eq!(within_the_session.out, first.out, "{within_the_session:?}");
    std::fs::write(&file, notes.to_string()).unwrap();
    bo.says("ci has left #lobby");
    let after_it = send("built");
    assert_eq!(after_it.out, first.out, "{after_it:?}");
    let end = home.run(&daemon, &["--name", "r", "history", "--json"]);
    assert_eq!(objects(&end.out).len(), 1, "{}", end.out);
}

#[test]
fn an_id_is_one_message_to_one_place() {
    let daemon = Daemon::start();
    let home = Home::new();
    let bo = home.start(&daemon, &["--name", "bo"]);
    bo.says("connected");
    let send = |to: &[&str]| {
        home.run(&daemon, &[&["--name", "ci", "send", "--id", "7", "full", "--json"], to].concat())
    };
    let first = send(&["--room", "a"]);
    assert_eq!(first.code, Some(0), "{first:?}");
    assert_eq!(send(&["--room", "A"]).out, first.out, "the same room");
    for other in [&["--room", "b"][..], &["--to", "bo"], &[]] {
        let refused = send(other);
        assert_eq!(refused.code, Some(1), "{other:?} {refused:?}");
        assert!(refused.err.contains("another room or user"), "{refused:?}");
    }
    let by_default = |to: &[&str]| {
        home.run(&daemon, &[&["--name", "ci", "send", "--id", "8", "x", "--json"], to].concat())
    };
    let first = by_default(&[]);
    assert_eq!((by_default(&[]).out, by_default(&["--room", "lobby"]).out), (first.out.clone(), first.out));
    assert_eq!(by_default(&["--room", "a"]).code, Some(1));
}

#[test]
fn a_message_under_another_id_is_not_taken_for_the_same() {
    let daemon = Daemon::with("sessions.ttl = \"1s\"");
    let home = Home::new();
    let bo = home.start(&daemon, &["--name", "bo", "-v"]);
    bo.says("connected");
    let send = |id| home.run(&daemon, &["--name", "ci", "send", "--id", id, "disk full", "--json"]);
    let seq = |end: crate::client::Ended| objects(&end.out)[0]["seq"].as_u64().unwrap();
    let other = seq(send("b"));
    // An earlier run under another id, which got no answer and whose message did not arrive.
    let file = home.0.path().join(format!("state/tcp-chat/send-localhost_3a{}-ci.json", daemon.port));
    let mut notes: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    let mut note = notes["sent"][0].clone();
    (note["id"], note["kept"]) = ("a".into(), Value::Null);
    notes["sent"].as_array_mut().unwrap().insert(0, note);
    std::fs::write(&file, notes.to_string()).unwrap();
    bo.says("ci has left #lobby");
    assert!(seq(send("a")) > other, "it is sent");
}

#[test]
fn a_text_whose_line_is_too_long_is_refused_before_it_is_sent() {
    let daemon = Daemon::with("[limits]\nmsg_bytes = \"60 KiB\"");
    let home = Home::new();
    let quotes = "\"".repeat(40_000);
    let end = home.run(&daemon, &["--name", "ci", "send", &quotes]);
    assert_eq!(end.code, Some(2), "{}", end.err);
    assert!(end.err.contains("a line of 800") && end.err.contains("65536"), "{}", end.err);
    let mut client = home.start(&daemon, &["--name", "ci"]);
    client.feeds(format!("{quotes}\nnext\n").as_bytes());
    let end = client.ends();
    assert_eq!(end.code, Some(6), "{}", end.err);
    assert!(end.out.contains("next"), "{}", end.out);
}

#[test]
fn a_refused_request_shows_its_id_in_the_servers_log() {
    let daemon = Daemon::start();
    let home = Home::new();
    let args = ["--name", "ci", "send", "--to", "nobody", "--id", "build-7", "built", "--json"];
    let end = home.run(&daemon, &args);
    assert_eq!((end.code, end.out.as_str()), (Some(6), ""), "{end:?}");
    assert!(end.err.contains("NO_SUCH_USER") && end.err.contains("build-7"), "{end:?}");
}

#[test]
fn long_input_is_split_at_line_ends() {
    let daemon = Daemon::start();
    let home = Home::new();
    let mut sending = home.start(&daemon, &["--name", "ci", "send", "--room", "ops", "--split", "--json"]);
    let lines: Vec<String> = (0..400).map(|n| format!("{n} {}", "x".repeat(50))).collect();
    for line in &lines {
        sending.types(line);
    }
    let end = sending.ends();
    assert_eq!(end.code, Some(0), "{end:?}");
    let sent = objects(&end.out);
    assert!(sent.iter().all(|m| m["msg"].as_str().unwrap().len() <= 8192));
    assert!(sent.len() < 100, "lines go together: {}", sent.len());
    let all: Vec<_> = sent.iter().flat_map(|m| m["msg"].as_str().unwrap().lines()).collect();
    assert_eq!(all, lines);
}

#[test]
fn history_search_who_and_rooms() {
    let daemon = Daemon::start();
    let home = Home::new();
    let mut bo = home.start(&daemon, &["--name", "bo"]);
    for n in 1..=7 {
        bo.types(&format!("apple {n}"));
    }
    bo.shows("apple 7");
    let texts = |args: &[&str]| -> Vec<String> {
        let mut all = vec!["--name", "r", "--json"];
        all.extend(args);
        let end = home.run(&daemon, &all);
        assert_eq!(end.code, Some(0), "{end:?}");
        objects(&end.out).iter().map(|m| m["msg"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(texts(&["history", "--limit", "2"]), ["apple 6", "apple 7"]);
    assert_eq!(texts(&["history", "--before", "3"]), ["apple 1", "apple 2"]);
    assert_eq!(texts(&["history", "--after", "2", "--limit", "2"]), ["apple 3", "apple 4"]);
    // The index is made beside the writing of messages, and follows it.
    let found = (0..1000)
        .map(|_| texts(&["search", "apple", "--limit", "2"]))
        .find(|found| found.first().is_some_and(|newest| newest == "apple 7"));
    assert_eq!(found.unwrap(), ["apple 7", "apple 6"]);
    assert_eq!(texts(&["search", "apple", "--after", "3", "--before", "6"]), ["apple 5", "apple 4"]);
    let end = home.run(&daemon, &["--name", "r", "--json", "search", "apple", "--limit", "1"]);
    assert_eq!(objects(&end.out)[0]["highlights"], serde_json::json!([[0, 5]]), "{end:?}");
    assert!(!end.out.contains("not_indexed"), "{end:?}");
    let end = home.run(&daemon, &["--name", "r", "who", "--room", "lobby", "--json"]);
    assert!(objects(&end.out).iter().any(|m| m["user"] == "bo" && m["state"] == "here"), "{end:?}");
    let end = home.run(&daemon, &["--name", "r", "rooms", "--json"]);
    assert!(objects(&end.out).iter().any(|m| m["room"] == "lobby" && m["head"] == 7), "{end:?}");
    let end = home.run(&daemon, &["--name", "r", "rooms"]);
    assert!(end.out.contains("lobby 2 members, newest message 7"), "{end:?}");
}

#[test]
fn all_of_a_history_comes_page_by_page() {
    let daemon = Daemon::start();
    let home = Home::new();
    let cy = home.start(&daemon, &["--name", "cy", "-v"]);
    cy.says("connected");
    let mut writer = home.start(&daemon, &["--name", "bo", "send", "--to", "cy", "--split", "--json"]);
    writer.feeds(b"for cy alone");
    assert_eq!(writer.ends().code, Some(0));
    // More than two of the largest pages.
    let mut writer = home.start(&daemon, &["--name", "bo", "--room", "ops"]);
    (1..=1_100).for_each(|n| writer.types(&format!("line {n}")));
    writer.shows("line 1100");
    let run = |args: &[&str]| {
        let end = home.run(&daemon, &[&["--name", "r", "--room", "ops", "history", "--all"], args].concat());
        assert_eq!((end.code, end.err.as_str()), (Some(0), ""), "no progress where nobody sees it");
        end.out
    };
    let all = objects(&run(&["--json"]));
    let texts: Vec<_> = all.iter().map(|m| m["msg"].as_str().unwrap().to_owned()).collect();
    assert_eq!(texts, (1..=1_100).map(|n| format!("line {n}")).collect::<Vec<_>>());
    assert_eq!(run(&[]).lines().filter(|line| line.contains("bo: line ")).count(), 1_100);
    let (tenth, last) = (all[9]["seq"].to_string(), all[1_099]["seq"].to_string());
    let some = objects(&run(&["--json", "--after", &tenth, "--before", &last]));
    assert_eq!((some.len(), &some[0], &some[1_088]), (1_089, &all[10], &all[1_098]));
    assert_eq!(run(&["--json", "--after", &last]), "");
    let refused = home.run(&daemon, &["--name", "r", "history", "--all", "--limit", "5"]);
    assert_eq!((refused.code, refused.out.as_str()), (Some(2), ""), "{refused:?}");
    let end = home.run(&daemon, &["--name", "r", "history", "--all", "--with", "cy"]);
    assert_eq!(
        (end.code, end.out.as_str()),
        (Some(0), ""),
        "direct messages of others are not there: {end:?}"
    );
}

#[test]
fn a_login_name_that_is_taken_is_no_obstacle_for_a_script() {
    let daemon = Daemon::start();
    let home = Home::new();
    let mut command = home.command();
    command.env("USER", "ana").env("LOGNAME", "ana").arg("--ca").arg(daemon.ca()).arg(daemon.server());
    let ana = Client::start(command);
    ana.says("connected to");
    let mut command = home.command();
    command.env("USER", "ana").env("LOGNAME", "ana").arg("--ca").arg(daemon.ca()).arg(daemon.server());
    command.args(["send", "x"]);
    let end = Client::start(command).ends();
    assert_eq!(end.code, Some(0), "{end:?}");
}

#[test]
#[cfg(unix)]
fn a_closed_pipe_ends_it_quietly() {
    let daemon = Daemon::start();
    let home = Home::new();
    let mut bo = home.start(&daemon, &["--name", "bo"]);
    bo.types("one");
    bo.types("two");
    bo.shows("bo: two");
    let mut shell = std::process::Command::new("sh");
    let line = "\"$0\" --ca \"$1\" \"$2\" --name t tail --after 0 | head -n 1";
    shell.env("HOME", home.0.path()).arg("-c").arg(line);
    shell.arg(assert_cmd::cargo::cargo_bin("tcp-chat-cli")).arg(daemon.ca()).arg(daemon.server());
    let output = shell.output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert!(String::from_utf8_lossy(&output.stdout).contains("bo: one"));
}

#[test]
fn a_refused_send_with_an_id_leaves_no_session_behind() {
    let daemon = Daemon::start();
    let home = Home::new();
    let end = home.run(&daemon, &["--name", "ci", "send", "--id", "a", &"x".repeat(9000)]);
    assert_eq!(end.code, Some(2), "{end:?}");
    // Without a time it waits for the name for 10 s, and a session is held for two minutes.
    let end = home.run(&daemon, &["--name", "ci", "send", "plain"]);
    assert_eq!(end.code, Some(0), "the name is free: {end:?}");
    let end = home.run(&daemon, &["--name", "ci", "send", "--id", "a", "short enough"]);
    assert_eq!(end.code, Some(0), "so is the id: {end:?}");
}
