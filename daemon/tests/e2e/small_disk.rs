//! Tests of a small disk that the store fills by itself: it refuses turns that would not leave the reserve,
//! loses nothing, and recovers by itself or by a restart. The mount needs root; without it the tests print
//! this and pass.

use crate::common::{Daemon, Peer, run};
use crate::disk::Disk;
use serde_json::{Value, json};
use std::collections::HashMap;

const ADMIN: &str = "admin.socket = \"control.sock\"\n";

/// No limit on the sent bytes.
const FREE: &str = "limits.messages_per_second = 0\nlimits.bytes_per_second = 0\nlimits.errors = 1000000\n";

fn history(peer: &mut Peer) -> Vec<(u64, String)> {
    peer.reads_all(&json!({"room": "lobby"})).into_iter().map(|m| (m.seq, m.text)).collect()
}

/// The messages of a test.
#[derive(Default)]
struct Said {
    /// The numbers and texts of what was acknowledged.
    kept: Vec<(u64, String)>,
    /// The texts of what had no answer in time: it waits for the disk, and may be kept.
    unsure: Vec<String>,
}

/// Sends many messages before it reads the replies. Returns how many were not stored at once.
fn says_much(peer: &mut Peer, said: &mut Said) -> usize {
    let mut sent = Vec::new();
    let mut lines = String::new();
    let ping = Peer::new_id();
    for _ in 0..64 {
        let id = Peer::new_id();
        let text = format!("{id} {}", "many words that are found again ".repeat(60));
        lines += &format!("{}\n", json!({"op": "MSG", "data": {"room": "lobby", "msg": text}, "id": id}));
        sent.push((id, text));
    }
    lines += &format!("{}\n", json!({"op": "PING", "id": ping}));
    peer.sends_bytes(lines.as_bytes());
    let mut replies = HashMap::new();
    loop {
        let reply = peer.next_where("a reply", |line| line["id"].is_string());
        let id = reply["id"].as_str().unwrap().to_owned();
        if id == ping {
            break;
        }
        replies.insert(id, reply);
    }
    let before = said.kept.len();
    for (id, text) in sent {
        match replies.get(&id) {
            Some(reply) if reply["status"] == "OK" => {
                said.kept.push((reply["data"]["seq"].as_u64().unwrap(), text));
            }
            Some(reply) => assert_eq!(reply["data"]["kind"], "INTERNAL", "{reply}"),
            None => said.unsure.push(text),
        }
    }
    64 - (said.kept.len() - before)
}

/// Of the acknowledged messages, retention removed at most the oldest.
fn assert_all_is_there(peer: &mut Peer, said: &Said) {
    let mut there = history(peer);
    there.retain(|(_, text)| text.starts_with("e2e-") && !said.unsure.contains(text));
    let oldest = there.first().map_or(u64::MAX, |(seq, _)| *seq);
    let expected: Vec<_> = said.kept.iter().filter(|(seq, _)| *seq >= oldest).collect();
    assert!(there.iter().collect::<Vec<_>>() == expected, "{} of {} are there", there.len(), expected.len());
}

#[test]
fn a_small_disk_is_not_filled_for_good_by_its_own_store() {
    let Some(disk) = Disk::small() else { return };
    let store = disk.path().join("chat.db");
    let daemon = Daemon::with(&format!("{ADMIN}{FREE}history.path = {store:?}\n"));
    let mut ana = daemon.login("ana");
    let text = "many words that are found again ".repeat(60);
    // Four times the size of the disk.
    for n in 0..8_000 {
        ana.says(&format!("{n} {text}"));
    }
    let status = run(daemon.folder(), &["status", "--json"], "");
    let status: Value =
        serde_json::from_str(&status.out).unwrap_or_else(|e| panic!("{e}: {}{}", status.out, status.err));
    assert!(status["history_max_bytes"].as_u64().is_some_and(|most| most < 3 << 20), "{status}");
    assert!(daemon.log().emits("history_full").is_some());
}

#[test]
fn messages_faster_than_the_retention_checks_do_not_fill_a_disk() {
    let Some(disk) = Disk::of(24) else { return };
    let store = disk.path().join("chat.db");
    let mut daemon = Daemon::with(&format!(
        "{FREE}history.path = {store:?}\nhistory.max_bytes = 0\nhistory.retain_messages = 300"
    ));
    let (mut ana, mut said) = (daemon.login("ana"), Said::default());
    // Twice the size of the disk.
    for _ in 0..400 {
        assert_eq!(says_much(&mut ana, &mut said), 0, "after {}", said.kept.len());
    }
    assert_all_is_there(&mut daemon.login("bo"), &said);
    daemon.restart();
    assert_all_is_there(&mut daemon.login("cy"), &said);
}

#[test]
fn a_disk_that_is_full_of_messages_works_again_when_they_are_old_and_by_a_restart() {
    let Some(disk) = Disk::of(8) else { return };
    let store = disk.path().join("chat.db");
    let mut daemon = Daemon::with(&format!(
        "{FREE}history.path = {store:?}\nhistory.max_bytes = 0\nhistory.retain = \"10s\""
    ));
    let mut said = Said::default();
    let mut fill = |daemon: &Daemon, name: &str| {
        let mut peer = daemon.login(name);
        (0..1_000).find(|_| says_much(&mut peer, &mut said) > 0).expect("8 MiB have an end");
        assert_all_is_there(&mut peer, &said);
        peer
    };
    let mut ana = fill(&daemon, "ana");
    daemon.log().emits("store_failing").expect("a line of the log");
    daemon.log().emits("store_works").expect("once the messages are old");
    ana.says("works again");
    for how in ["TERM", "KILL"] {
        drop(fill(&daemon, how));
        daemon.signal(how);
        daemon.ended();
        daemon.start_again();
        let mut cy = daemon.login(&format!("after-{how}"));
        let is_kept =
            |cy: &mut Peer| cy.asks_for("MSG", json!({"room": "lobby", "msg": how}))["status"] == "OK";
        if !is_kept(&mut cy) {
            daemon.log().emits("store_works").expect("once the messages are old");
            assert!(is_kept(&mut cy), "{how}");
        }
    }
}

#[test]
fn the_search_index_leaves_the_room_of_a_small_disk_to_messages() {
    let Some(disk) = Disk::small() else { return };
    let store = disk.path().join("chat.db");
    let mut daemon = Daemon::with(&format!(
        "{ADMIN}{FREE}history.path = {store:?}\nhistory.max_bytes = 0\nhistory.retain_messages = 20"
    ));
    let mut ana = daemon.login("ana");
    // Many different words, so that the index takes its share: three times the size of the disk.
    for n in 0..2_000_u64 {
        let words = (0..900).map(|k| format!("{:x}", (n * 900 + k) * 2_654_435_761 % 99_999_989));
        ana.says(&words.collect::<Vec<_>>().join(" "));
    }
    daemon.restart();
    let mut bo = daemon.login("bo");
    bo.says("after the restart");
    assert!(history(&mut bo).len() > 20);
}

#[test]
fn a_disk_that_single_messages_filled_works_again_when_they_are_old() {
    let Some(disk) = Disk::of(6) else { return };
    let store = disk.path().join("chat.db");
    let daemon = Daemon::with(&format!(
        "{FREE}history.path = {store:?}\nhistory.max_bytes = 0\nhistory.retain = \"10s\""
    ));
    let mut ana = daemon.login("ana");
    let text = "x".repeat(7_000);
    let mut is_kept = || ana.tries_to_say(&text).1.is_some_and(|reply| reply["status"] == "OK");
    (0..2_000).find(|_| !is_kept()).expect("6 MiB have an end");
    daemon.log().emits("store_works").expect("once the messages are old");
    assert!(is_kept());
}

#[test]
fn a_disk_that_messages_with_ids_without_an_order_filled_works_again_when_they_are_old() {
    const BATCH: usize = 200;
    let Some(disk) = Disk::of(12) else { return };
    let store = disk.path().join("chat.db");
    let daemon = Daemon::with(&format!(
        "{FREE}limits.stored_bytes_per_network = 0\nlimits.network_bytes_per_second = 0\n\
         history.path = {store:?}\nhistory.max_bytes = 0\nhistory.retain = \"20s\""
    ));
    // Retention must not remove the first messages before the last ones fill the disk, on a slow machine either.
    let mut ana = daemon.login("ana");
    let mut ids = (1_u64..).map(|n| format!("{:016x}", n.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
    let mut are_kept = || {
        let text = "x".repeat(60);
        let line = |id: &String| {
            format!("{}\n", json!({"op": "MSG", "data": {"room": "lobby", "msg": text}, "id": id}))
        };
        let sent: Vec<_> = ids.by_ref().take(BATCH).collect();
        let mut lines: String = sent.iter().map(line).collect();
        let ping = Peer::new_id();
        lines += &format!("{}\n", json!({"op": "PING", "id": ping}));
        ana.sends_bytes(lines.as_bytes());
        let replies = std::iter::repeat_with(|| ana.next_where("a reply", |line| line["id"].is_string()));
        let before = replies.take_while(|reply| reply["id"] != *ping);
        let is_kept = |reply: &Value| reply["status"] == "OK" && sent.iter().any(|id| reply["id"] == **id);
        before.filter(is_kept).count() == BATCH
    };
    (0..1_000).find(|_| !are_kept()).expect("12 MiB have an end");
    daemon.log().emits("store_works").expect("once the messages are old");
    assert!(are_kept());
}
