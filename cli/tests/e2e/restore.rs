//! Tests of a restored backup while clients stay, or before they come back: they lose no later message.

use crate::client::Home;
use crate::daemon::Daemon;
use serde_json::{Value, json};
use tcp_chat_client::protocol::Seq;
use tcp_chat_client::{Conversation, Event, Events, Page, Session, To, Trust};

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

type Log = Vec<(Seq, String)>;

/// What a reader has heard, and up to where it was told that the log is the same as before.
#[derive(Default)]
struct Heard {
    log: Log,
    replaced: Vec<(Seq, Seq)>,
}

impl Heard {
    /// Reads on up to this message.
    async fn up_to(&mut self, last: &str, events: &mut Events) {
        while self.log.last().is_none_or(|(_, text)| text != last) {
            match events.next().await.unwrap() {
                Event::Message(message) => {
                    assert!(self.log.last().is_none_or(|(seq, _)| *seq < message.seq()), "{message:?}");
                    self.log.push((message.seq(), message.text().into()));
                }
                Event::LogReplaced { after, from, .. } => {
                    self.replaced.push((after, from));
                    self.log.retain(|(seq, _)| *seq <= from);
                }
                Event::ChainBroken { .. } | Event::Gap { .. } | Event::Ended(_) => {
                    panic!("something is lost")
                }
                _ => {}
            }
        }
    }
}

async fn says(session: &Session, what: &str, numbers: std::ops::Range<u32>) {
    for n in numbers {
        session.send(To::Default, format!("{what} {n}")).await.unwrap();
    }
}

async fn is_what_the_server_has(session: &Session, heard: &Log) {
    let page = Page { after: Some(0), limit: Some(100), ..Page::default() };
    let stored = session.history(&Conversation::Room("lobby".into()), &page).await.unwrap();
    let stored: Log = stored.messages.into_iter().map(|m| (m.seq, m.msg.into_owned())).collect();
    assert_eq!(*heard, stored);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_through_two_restores_gets_each_message_of_the_last_log_once() {
    let mut daemon = Daemon::with("admin.socket = \"control.sock\"\nlimits.messages_per_second = 0");
    let builder = |name: &str| {
        Session::builder("localhost", daemon.port, Trust::ca_file(daemon.ca()).unwrap()).name(name)
    };
    let (ana, mut events) = builder("ana").connect().await.unwrap();
    let (late, mut late_events) = builder("late").connect().await.unwrap();
    let (bo, _unread) = builder("bo").connect().await.unwrap();
    let later = builder("late");
    let (mut heard, mut late_heard) = (Heard::default(), Heard::default());
    says(&bo, "before", 0..5).await;
    daemon.backs_up();
    says(&bo, "lost", 0..10).await;
    heard.up_to("lost 9", &mut events).await;
    late_heard.up_to("lost 9", &mut late_events).await;
    // One stays; one is away until both restores are over.
    let saved = late.saved();
    drop((late, late_events));

    daemon.restores();
    says(&bo, "first", 0..7).await;
    daemon.backs_up();
    says(&bo, "first", 7..14).await;
    heard.up_to("first 13", &mut events).await;
    assert_eq!((heard.replaced.as_slice(), heard.log.len()), (&[(15, 5)][..], 19));
    is_what_the_server_has(&ana, &heard.log).await;

    daemon.restores();
    says(&bo, "second", 0..14).await;
    heard.up_to("second 13", &mut events).await;
    assert_eq!((heard.replaced.as_slice(), heard.log.len()), (&[(15, 5), (19, 12)][..], 26));
    is_what_the_server_has(&ana, &heard.log).await;

    let (late, mut late_events) = later.resume(saved).connect().await.unwrap();
    late_heard.up_to("second 13", &mut late_events).await;
    assert_eq!(late_heard.replaced, [(15, 5)]);
    is_what_the_server_has(&late, &late_heard.log).await;
}

#[test]
fn an_id_is_one_message_of_the_current_log() {
    for session_goes_on in [true, false] {
        let mut daemon = Daemon::with("admin.socket = \"control.sock\"\nsessions.ttl = \"1s\"");
        let home = Home::new();
        let file = home.0.path().join(format!("state/tcp-chat/send-localhost_3a{}-ci.json", daemon.port));
        let send = |daemon: &Daemon, id: &str| {
            if !session_goes_on && let Ok(notes) = std::fs::read(&file) {
                let mut notes: Value = serde_json::from_slice(&notes).unwrap();
                notes["session"] = Value::Null;
                std::fs::write(&file, notes.to_string()).unwrap();
            }
            let end = home.run(daemon, &["--name", "ci", "send", "--id", id, id, "--json"]);
            assert_eq!(end.code, Some(0), "{id}: {end:?}");
            let message: Value = serde_json::from_str(&end.out).unwrap();
            assert_eq!(message["msg"], id);
            message["seq"].as_u64().unwrap()
        };
        let says = |daemon: &Daemon, text: &str| {
            let end = home.run(daemon, &["--name", "bo", "send", text]);
            assert_eq!(end.code, Some(0), "{end:?}");
        };
        assert_eq!(send(&daemon, "a"), 1);
        daemon.backs_up();
        assert_eq!(send(&daemon, "b"), 2);
        daemon.restores();
        ["x", "y"].iter().for_each(|text| says(&daemon, text));
        assert_eq!(send(&daemon, "b"), 4, "it is gone, and its number is another's");
        assert_eq!(["a", "b"].map(|id| send(&daemon, id)), [1, 4]);
        daemon.backs_up();
        assert_eq!(send(&daemon, "c"), 5);
        daemon.restores();
        ["y", "z"].iter().for_each(|text| says(&daemon, text));
        assert_eq!(send(&daemon, "c"), 7);
        assert_eq!(["a", "b", "c"].map(|id| send(&daemon, id)), [1, 4, 7]);
        let end = home.run(&daemon, &["--name", "r", "history"]);
        assert_eq!(texts(&end.out, ""), ["a", "x", "y", "b", "y", "z", "c"]);
    }
}

#[test]
fn a_resumed_tail_knows_the_log_of_its_position() {
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

    // A second restore, of a backup that begins with the first one.
    daemon.backs_up();
    says(&daemon, "lost again");
    let tail = ["--name", "t", "tail", "--resume", "--json", "--timeout", "1m", "--count"];
    let end = home.run(&daemon, &[&tail[..], &["1"]].concat());
    assert!(end.code == Some(0) && end.out.contains("lost again"), "{end:?}");
    daemon.restores();
    says(&daemon, "four");
    let end = home.run(&daemon, &[&tail[..], &["1"]].concat());
    assert_eq!(end.code, Some(0), "{end:?}");
    let came: Vec<Value> = end.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(came[0], json!({"log_replaced": {"after": 4, "from": 3}}), "{end:?}");
    assert_eq!((&came[1]["seq"], &came[1]["msg"]), (&json!(4), &json!("four")));
}
