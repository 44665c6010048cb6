//! Tests of a real full disk: the store on a small tmpfs. Nothing is acknowledged that is not stored, all
//! users are told, and the daemon recovers once there is space. The mount needs root; without it the test
//! prints this and passes.

use crate::common::http::{Scrape, address, get, request};
use crate::common::{Daemon, Peer, in_shell, run};
use crate::posts::TOKEN;
use serde_json::{Value, json};
use std::io::Write;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A small disk that is unmounted at the end of the test.
pub(crate) struct Disk {
    at: TempDir,
}

impl Disk {
    pub(crate) fn small() -> Option<Self> {
        Self::of(4)
    }

    pub(crate) fn of(mib: u32) -> Option<Self> {
        let at = tempfile::tempdir().unwrap();
        let mounted =
            in_shell(&format!("mount -t tmpfs -o size={mib}m,mode=0700 none {}", at.path().display()));
        if !mounted.status.success() {
            eprintln!(
                "skipped: no tmpfs can be mounted here ({})",
                String::from_utf8_lossy(&mounted.stderr).trim()
            );
            return None;
        }
        Some(Self { at })
    }

    pub(crate) fn path(&self) -> &Path {
        self.at.path()
    }

    fn filler(&self) -> PathBuf {
        self.path().join("filler")
    }

    pub(crate) fn fill(&self) {
        let mut file = std::fs::File::create(self.filler()).unwrap();
        while file.write_all(&[0; 512]).is_ok() {}
    }

    /// Leaves this much room, in KiB.
    pub(crate) fn leave(&self, kib: u32) {
        let (at, filler) = (self.path().display(), self.filler());
        let filler = filler.display();
        let free = format!("$(df --output=avail -k {at} | tail -n 1)");
        let filled = in_shell(&format!("head -c $((({free} - {kib}) * 1024)) /dev/zero > {filler}"));
        assert!(filled.status.success(), "{filled:?}");
    }

    pub(crate) fn has_room_again(&self) {
        std::fs::remove_file(self.filler()).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        in_shell(&format!("umount -l {}", self.path().display()));
    }
}

/// Sends until a message waits for the disk. Returns its id and text. `kept` gets the numbers and texts of those
/// before it.
fn speaks_until_one_waits(peer: &mut Peer, round: &str, kept: &mut Vec<(u64, String)>) -> (Value, String) {
    for n in 0..20_000 {
        let text = format!("{round} {n} {}", "x".repeat(2_000));
        match peer.tries_to_say(&text) {
            (_, Some(reply)) => kept.push((reply["data"]["seq"].as_u64().expect("a number"), text)),
            (id, None) => return (id, text),
        }
    }
    panic!("20,000 messages of 2,000 bytes fit into 4 MiB");
}

/// Speaks until a message waits for the disk, and the next one is refused: that refusal.
pub(crate) fn speaks_until_refused(peer: &mut Peer, round: &str) -> Value {
    speaks_until_one_waits(peer, round, &mut Vec::new());
    let reply = peer.asks_for("MSG", json!({"room": "lobby", "msg": "one more"}));
    assert_eq!(reply["data"]["kind"], "INTERNAL", "{reply}");
    reply
}

fn history(peer: &mut Peer) -> Vec<(u64, String)> {
    peer.reads_all(&json!({"room": "lobby"})).into_iter().map(|m| (m.seq, m.text)).collect()
}

#[test]
fn a_full_disk_refuses_messages_loses_none_and_recovers_by_itself() {
    let said_again = |peer: &mut Peer, (id, text): &(Value, String)| {
        peer.sends(&json!({"op": "MSG", "data": {"room": "lobby", "msg": text}, "id": id}));
        peer.is_answered(id)["data"]["seq"].as_u64().expect("a number")
    };
    let Some(disk) = Disk::small() else { return };
    let store = disk.path().join("chat.db");
    let settings =
        format!("history.path = {store:?}\nlimits.messages_per_second = 0\nadmin.socket = \"control.sock\"");
    let mut daemon = Daemon::with(&settings);
    let (mut ana, mut bo) = (daemon.login("ana"), daemon.login("bo"));
    let mut kept = Vec::new();
    kept.push((ana.says("before").seq, "before".to_owned()));

    disk.fill();
    let waits = speaks_until_one_waits(&mut ana, "first", &mut kept);
    let why = ana.is_refused("MSG", json!({"room": "lobby", "msg": "meanwhile"}), "INTERNAL");
    assert!(why.contains("not kept"), "{why}");
    ana.is_refused("JOIN", json!({"room": "new"}), "INTERNAL");
    assert!(daemon.log().event("store failed: messages are refused until it can be written again").is_some());
    let status = run(daemon.folder(), &["status", "--json"], "");
    let status: Value =
        serde_json::from_str(&status.out).unwrap_or_else(|e| panic!("{e}: {}{}", status.out, status.err));
    assert_eq!(status["state"], "store failing", "{status}");
    // Users can still come and go.
    let mut cy = daemon.login("cy");
    bo.sees("cy", "joined");
    assert_eq!(Some(cy.session().cursor), kept.last().map(|(seq, _)| *seq), "no number that is not kept");
    bo.asks("PING", Value::Null);
    assert!(bo.messages.iter().all(|m| m.text != waits.1), "nobody hears what is not kept");

    disk.has_room_again();
    kept.push((ana.is_answered(&waits.0)["data"]["seq"].as_u64().expect("a number"), waits.1.clone()));
    assert!(daemon.log().event("store works again: messages are kept").is_some());
    kept.push((ana.says("after").seq, "after".to_owned()));
    for (seq, text) in &kept {
        assert_eq!(bo.hears(text).seq, *seq);
    }
    assert_eq!(history(&mut bo), kept, "acknowledged is kept, refused is not there");
    cy.hears("after");
    assert!(cy.messages.iter().all(|m| m.text != waits.1), "it was said before cy came");
    assert_eq!(Some(said_again(&mut ana, &waits)), kept.iter().rev().nth(1).map(|(seq, _)| *seq));

    for how in ["TERM", "KILL"] {
        disk.fill();
        let waits = speaks_until_one_waits(&mut ana, how, &mut kept);
        daemon.signal(how);
        let status = daemon.ended();
        // The space that the search index frees may be enough for the last turn.
        let is_clean = how == "TERM" && matches!(status.code(), Some(0 | 74));
        assert!(is_clean || status.code().is_none(), "{status}\n{}", daemon.log().text());
        disk.has_room_again();
        daemon.start_again();
        let mut reader = daemon.login("dora");
        let is_there = |found: &[(u64, String)]| found.iter().filter(|(_, text)| *text == waits.1).count();
        let found = history(&mut reader);
        assert!(
            is_there(&found) == 0 || status.code() == Some(0),
            "{how}: only what could be written is there"
        );
        assert_eq!(found[..kept.len()], kept, "{how}: acknowledged is kept");
        // A resend under the same id settles it.
        ana = daemon.resume(&ana.vanishes());
        kept.push((said_again(&mut ana, &waits), waits.1.clone()));
        assert_eq!(history(&mut reader), kept, "{how}");
        reader.asks("QUIT", Value::Null);
    }
}

#[test]
fn while_the_disk_is_full_health_is_not_ready_and_webhooks_are_told_to_retry() {
    let Some(disk) = Disk::small() else { return };
    let store = disk.path().join("chat.db");
    let settings = format!(
        "history.path = {store:?}\nlimits.messages_per_second = 0\nadmin.socket = \"control.sock\"\n\
         metrics.address = \"127.0.0.1:0\"\nhttp.address = \"127.0.0.1:0\"\nhttp.token_file = \"http.token\"\n\
         http.rooms = [\"lobby\"]"
    );
    let daemon = Daemon::after(&format!("echo {TOKEN} >http.token"), &settings);
    let (seen, machines) = (address(&daemon, "metrics_listening"), address(&daemon, "http_listening"));
    let post = || {
        let token = format!("Bearer {TOKEN}");
        let headers = [("Authorization", token.as_str()), ("Idempotency-Key", "backup")];
        request(machines, "POST", "/rooms/lobby/messages", &headers, r#"{"text": "backup done"}"#)
    };
    let mut ana = daemon.login("ana");
    disk.fill();
    speaks_until_refused(&mut ana, "filling");
    let ready = get(seen, "/readyz");
    assert_eq!(ready.status, 503, "{ready:?}");
    assert!(ready.body.starts_with("the store cannot be written: "), "{ready:?}");
    assert_eq!(get(seen, "/healthz").status, 200, "a restart would not help");
    let refused = post();
    let kind = refused.json()["error"]["kind"].clone();
    // The space that the search index frees may be enough for what waited: then the post itself may wait for the disk.
    let is_refused = kind == "INTERNAL";
    assert!(refused.status == 503 && (is_refused || kind == "TIMEOUT"), "{refused:?}");
    if is_refused {
        Scrape::of(seen).says(&[
            ("ready", 0.0),
            ("store_failing", 1.0),
            ("store_errors_total", 1.0),
            ("refusals_total{kind=\"INTERNAL\"}", 2.0),
            ("http_posts_total{outcome=\"refused\"}", 1.0),
        ]);
    }
    disk.has_room_again();
    assert!(daemon.log().event("store works again: messages are kept").is_some());
    assert_eq!(get(seen, "/readyz").status, 200);
    // One that was refused is stored now. One that waited was stored, and is answered as a resend.
    assert_eq!(post().status, if is_refused { 201 } else { 200 });
    assert_eq!(post().status, 200);
}
