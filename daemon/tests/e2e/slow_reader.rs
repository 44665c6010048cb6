//! Tests of readers that fall behind: at a bounded cost, without harm to others, and without loss.

use crate::common::http::{Scrape, address};
use crate::common::{Daemon, PATIENCE};
use serde_json::json;
use std::time::Instant;

const MIB: usize = 1024 * 1024;
/// 3072 texts of 8 KiB: 24 MiB of chat.
const COUNT: usize = 3072;

fn text(n: usize) -> String {
    let mut text = format!("{n} ");
    text.push_str(&"x".repeat(8 * 1024 - text.len()));
    text
}

#[test]
fn an_unread_backlog_of_24_mebibytes_takes_little_memory_and_arrives_exactly() {
    let daemon = Daemon::with("limits.messages_per_second = 0");
    let mut slow = daemon.login("slow");
    let mut quick = daemon.login("quick");
    let mut bo = daemon.login("bo");
    // Once through all steps, so that everything is allocated before the measurement.
    for n in 0..64 {
        bo.says(&text(n));
        quick.hears(&text(n));
        slow.hears(&text(n));
    }
    let before = daemon.resident();
    let mut most = before;
    let mut last = 0;
    for n in 0..COUNT {
        last = bo.says(&text(n)).seq;
        quick.hears(&text(n));
        if n % 64 == 0 {
            most = most.max(daemon.resident());
        }
    }
    most = most.max(daemon.resident());
    let grown = most - before;
    println!("24 MiB unread: the daemon grew by {:.1} MiB", grown as f64 / MIB as f64);
    assert!(grown < 24 * MIB, "{grown} bytes");

    for n in 0..COUNT {
        slow.hears(&text(n));
    }
    assert_eq!(slow.messages.last().unwrap().seq, last);
    bo.says("and live again");
    slow.hears("and live again");
    quick.hears("and live again");
    slow.has_nothing("MSG");
}

#[test]
fn a_slow_reader_gets_answers_to_its_requests() {
    let daemon = Daemon::with("limits.messages_per_second = 0\nlimits.outbox_bytes = \"64 KiB\"");
    let mut slow = daemon.login("slow");
    let mut bo = daemon.login("bo");
    slow.sees("bo", "joined");
    for n in 0..1024 {
        bo.says(&text(n));
    }
    // Its requests are answered at their place in the stream; then all of it, in order.
    assert_eq!(slow.asks("WHO", json!({"room": "lobby"}))["member_count"], 2);
    slow.says("I am slow");
    bo.hears("I am slow");
    for n in 0..1024 {
        slow.hears(&text(n));
    }
}

#[test]
fn a_client_that_reads_no_answers_gets_them_when_it_reads_again() {
    let daemon = Daemon::with(
        "limits.messages_per_second = 0\nlimits.outbox_bytes = \"64 KiB\"\nmetrics.address = \"127.0.0.1:0\"",
    );
    let metrics = address(&daemon, "metrics_listening");
    let rooms: Vec<String> = (0..500).map(|n| format!("a-room-with-a-long-name-{n}")).collect();
    let rooms: Vec<&str> = rooms.iter().map(String::as_str).collect();
    let mut ana = daemon.login_to("ana", &rooms);
    let mut deaf = daemon.login("deaf");
    let answer = deaf.asks("ROOMS", json!(null)).to_string().len();
    // Many times what the system buffers for a connection that is not read.
    const ASKED: usize = 600;
    deaf.sends_bytes(&b"{\"op\":\"ROOMS\"}\n".repeat(ASKED));
    for n in 0..200 {
        ana.says_in(rooms[0], &format!("turn {n}"));
    }
    let most = Scrape::of(metrics).get("outbox_bytes_max");
    assert!(most <= (64 * 1024 + 2 * answer) as f64, "{most} bytes wait, one answer has {answer}");
    for _ in 0..ASKED {
        deaf.next_where("ROOMS", |line| line["op"] == "ROOMS" && line["status"] == "OK");
    }
    deaf.says("and live again");
    // A client that vanishes without reading is away, and can resume.
    let mut bo = daemon.login("bo");
    deaf.sends_bytes(&b"{\"op\":\"ROOMS\"}\n".repeat(ASKED));
    for n in 0..50 {
        bo.says(&format!("turn {n}"));
    }
    let session = deaf.vanishes();
    bo.sees("deaf", "away");
    let mut back = daemon.resume(&session);
    for n in 0..50 {
        back.hears(&format!("turn {n}"));
    }
}

#[test]
fn a_client_that_takes_no_bytes_is_disconnected_and_can_resume() {
    let daemon = Daemon::with("limits.messages_per_second = 0\nlimits.stall = \"1s\"");
    let stalled = daemon.login("stalled");
    let mut bo = daemon.login("bo");
    let session = stalled.session();
    // Enough to fill every buffer between the two.
    let mut said = 0;
    let deadline = Instant::now() + 2 * PATIENCE;
    loop {
        bo.says(&text(said));
        said += 1;
        let who = bo.asks("WHO", json!({"room": "lobby"}));
        if who["members"].as_array().unwrap().iter().any(|m| m["state"] == "away") {
            break;
        }
        assert!(Instant::now() < deadline, "it is never cut");
    }
    bo.sees("stalled", "away");
    let mut back = daemon.resume(&session);
    for n in 0..said {
        back.hears(&text(n));
    }
    bo.says("live");
    back.hears("live");
}
