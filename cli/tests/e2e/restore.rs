//! A backup is restored while clients stay: nothing of what is said from then on is lost to them.

use crate::client::Home;
use crate::daemon::Daemon;
use serde_json::{Value, json};

fn texts(out: &str, beginning: &str) -> Vec<String> {
    let lines = out.lines().filter_map(|line| Some(line.split_once(": ")?.1.to_owned()));
    lines.filter(|text| text.starts_with(beginning)).collect()
}

#[test]
fn clients_that_stay_through_a_restore_show_all_that_is_said_next() {
    let mut daemon = Daemon::with("admin.socket = \"control.sock\"");
    let home = Home::new();
    let tail = home.start(&daemon, &["--name", "bot", "tail", "-v"]);
    let mut lines = home.start(&daemon, &["--name", "reader", "--line"]);
    let mut ana = home.start(&daemon, &["--name", "ana", "--line"]);
    for client in [&lines, &ana] {
        client.says("connected to");
    }
    tail.says("logged in as bot");
    (0..5).for_each(|n| ana.types(&format!("before {n}")));
    tail.shows("before 4");
    daemon.backs_up();
    (0..10).for_each(|n| ana.types(&format!("between {n}")));
    for client in [&tail, &lines] {
        client.shows("between 9");
    }
    daemon.restores();
    // More than was lost, so that its numbers pass the old cursor; some of it before everyone is back.
    let wanted: Vec<_> = (0..14).map(|n| format!("after {n}")).collect();
    let mut bo = home.start(&daemon, &["--name", "bo", "--line"]);
    wanted.iter().for_each(|text| bo.types(text));
    for client in [&tail, &lines] {
        client.shows("after 13");
        client
            .says("the server's log was replaced, as by the restore of a backup: it goes on after message 5");
        assert_eq!(texts(&client.so_far(), "after"), wanted);
        assert_eq!(texts(&client.so_far(), "before").len(), 5, "nothing comes twice");
    }
    lines.types("mine");
    tail.shows("mine");
}

#[test]
fn a_tail_that_resumes_knows_of_which_log_its_place_was() {
    let mut daemon = Daemon::with("admin.socket = \"control.sock\"");
    let home = Home::new();
    let tail = |count: &str| {
        home.start(
            &daemon,
            &["--name", "t", "tail", "--resume", "--json", "--timeout", "1m", "--count", count],
        )
    };
    let says = |daemon: &Daemon, text: &str| {
        let end = home.run(daemon, &["--name", "ci", "send", text]);
        assert_eq!(end.code, Some(0), "{end:?}");
    };
    let bo = home.start(&daemon, &["--name", "bo", "-v"]);
    bo.says("connected");
    let reading = tail("2");
    bo.says("t has joined");
    says(&daemon, "one");
    reading.shows("one");
    daemon.backs_up();
    says(&daemon, "lost");
    let end = reading.ended();
    assert_eq!(end.code, Some(0), "{end:?}");
    drop(bo);
    daemon.restores();
    says(&daemon, "two");
    says(&daemon, "three");
    let end =
        home.run(&daemon, &["--name", "t", "tail", "--resume", "--json", "--timeout", "1m", "--count", "2"]);
    assert_eq!(end.code, Some(0), "{end:?}");
    let came: Vec<Value> = end.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(came[0], json!({"log_replaced": {"after": 2, "from": 1}}), "{end:?}");
    assert_eq!((&came[1]["seq"], &came[1]["msg"]), (&json!(2), &json!("two")));
    assert_eq!((&came[2]["seq"], &came[2]["msg"]), (&json!(3), &json!("three")));
}
