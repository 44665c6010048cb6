//! `tail` and `wait`: each message once and in order, over restarts of both sides.

use crate::client::Home;
use crate::daemon::Daemon;
use crate::scripts::objects;

#[test]
fn tail_has_no_gap_over_a_restart_and_begins_where_it_is_told() {
    let mut daemon = Daemon::start();
    let home = Home::new();
    let mut bo = home.start(&daemon, &["--name", "bo"]);
    bo.types("m1");
    bo.types("m2");
    bo.shows("bo: m2");
    let tail = home.start(&daemon, &["--name", "t", "tail", "--after", "1", "--count", "4", "--json"]);
    tail.shows("m2");
    bo.types("m3");
    tail.shows("m3");
    daemon.kill();
    bo.types("m4");
    daemon.start_again();
    tail.shows("m4");
    bo.types("m5");
    let end = tail.ended();
    assert_eq!(end.code, Some(0), "{end:?}");
    let seen = objects(&end.out);
    let texts: Vec<_> = seen.iter().map(|m| m["msg"].as_str().unwrap()).collect();
    assert_eq!(texts, ["m2", "m3", "m4", "m5"]);
    for pair in seen.windows(2) {
        assert_eq!(pair[1]["prev"], pair[0]["seq"]);
    }
}

#[test]
fn a_resumed_tail_continues_after_its_last_printed_message() {
    let daemon = Daemon::with("sessions.ttl = \"1s\"");
    let home = Home::new();
    let mut bo = home.start(&daemon, &["--name", "bo"]);
    bo.says("connected");
    let args = ["--name", "t", "tail", "--resume", "--count", "1", "--json"];
    let first = home.start(&daemon, &args);
    bo.says("t has joined");
    bo.types("a");
    assert_eq!(objects(&first.ended().out)[0]["msg"], "a");
    bo.types("b");
    bo.types("c");
    bo.shows("bo: c");
    assert_eq!(objects(&home.run(&daemon, &args).out)[0]["msg"], "b");
    bo.says("t has left");
    let last = home.run(&daemon, &args);
    assert_eq!(objects(&last.out)[0]["msg"], "c", "also when the session is gone");
    let said = "the session had ended. Direct messages between 2 and 3 are not shown here, if there were any";
    assert!(last.err.contains(said), "{}", last.err);
}

#[test]
#[cfg(unix)]
fn a_resumed_tail_prints_nothing_twice_after_any_stop() {
    let daemon = Daemon::start();
    let home = Home::new();
    let mut bo = home.start(&daemon, &["--name", "bo"]);
    bo.says("connected");
    let args = ["--name", "t", "tail", "--resume", "--json"];
    let mut all = Vec::new();
    for (n, signal) in ["TERM", "INT", "HUP"].iter().enumerate() {
        let tail = home.start(&daemon, &args);
        // The first one begins with what comes next.
        if n == 0 {
            bo.says("t has joined");
        }
        for k in 0..20 {
            bo.types(&format!("{n}-{k}"));
        }
        tail.shows(&format!("\"{n}-19\""));
        tail.signal(signal);
        let end = tail.ended();
        assert_eq!(end.code, Some(0), "{end:?}");
        all.extend(objects(&end.out).into_iter().map(|m| m["msg"].as_str().unwrap().to_owned()));
    }
    let said: Vec<_> = (0..3).flat_map(|n| (0..20).map(move |k| format!("{n}-{k}"))).collect();
    assert_eq!(all, said);
}

#[test]
fn wait_finds_its_message() {
    let daemon = Daemon::start();
    let home = Home::new();
    let mut bo = home.start(&daemon, &["--name", "bo"]);
    bo.says("connected");
    let wait = home.start(&daemon, &["--name", "w", "wait", "--match", "done|failed", "--timeout", "1m"]);
    bo.says("w has joined");
    bo.types("working");
    bo.types("all done");
    let end = wait.ended();
    assert_eq!(end.code, Some(0), "{end:?}");
    assert!(end.out.ends_with("#lobby bo: all done\n") && end.out.lines().count() == 1, "{end:?}");
    let end =
        home.run(&daemon, &["--name", "w", "wait", "--match", "^work", "--after", "0", "--timeout", "1m"]);
    assert_eq!(end.code, Some(0), "{end:?}");
}
