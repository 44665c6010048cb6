//! Tests of changes to the store's files and to their disk while the daemon runs: every acknowledged message
//! is there afterwards, and STATUS and the log report the fault.

use crate::common::http::{Scrape, address};
use crate::common::{Daemon, Peer, run};
use serde_json::{Value, json};

const ADMIN: &str = "admin.socket = \"control.sock\"\n";

fn status(daemon: &Daemon) -> Value {
    let status = run(daemon.folder(), &["status", "--json"], "");
    serde_json::from_str(&status.out).unwrap_or_else(|e| panic!("{e}: {}{}", status.out, status.err))
}

fn texts(peer: &mut Peer) -> Vec<String> {
    peer.reads_all(&json!({"room": "lobby"})).into_iter().map(|m| m.text).collect()
}

#[test]
fn a_removed_or_replaced_store_is_reported_and_no_message_is_lost() {
    for how in ["removed", "replaced by another one"] {
        let mut daemon = Daemon::with(ADMIN);
        let (store, saved) = (daemon.folder().join("data/chat.db"), daemon.folder().join("saved.db"));
        let mut ana = daemon.login("ana");
        ana.says("before");
        if how == "removed" {
            for ending in ["", "-wal", "-shm"] {
                std::fs::remove_file(format!("{}{ending}", store.display())).unwrap();
            }
        } else {
            let other = daemon.folder().join("other.db");
            let copied = run(daemon.folder(), &["backup", other.to_str().unwrap()], "");
            assert_eq!(copied.code, Some(0), "{}", copied.err);
            std::fs::rename(other, &store).unwrap();
        }
        // It waits for a store that does not come back, unless the check of each second came first.
        if let (_, Some(reply)) = ana.tries_to_say("meanwhile") {
            assert_eq!(reply["data"]["kind"], "INTERNAL", "{reply}");
        }
        let why = ana.is_refused("MSG", json!("more"), "INTERNAL");
        assert!(why.contains("not kept"), "{why}");
        let said = daemon.log().emits("store_failing").expect("a line of the log");
        let why = said["error"].as_str().unwrap();
        assert!(why.contains(how) && why.contains("chat.db"), "{said}");
        let status = status(&daemon);
        assert_eq!(status["state"], "store failing", "{status}");
        assert!(status["summary"].as_str().unwrap().contains(how), "{status}");
        // Users come, go and read.
        let mut bo = daemon.login("bo");
        assert_eq!(texts(&mut bo), ["before"]);
        let copied = run(daemon.folder(), &["backup", saved.to_str().unwrap()], "");
        assert_eq!(copied.code, Some(0), "{}", copied.err);

        daemon.signal("TERM");
        let ended = daemon.ended();
        assert_eq!(ended.code(), Some(74), "{ended}");
        let last = daemon.log().emits("ended").expect("its last word");
        assert!(last["reason"].as_str().unwrap().contains(how), "{last}");
        for ending in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(format!("{}{ending}", store.display()));
        }
        std::fs::rename(saved, store).unwrap();
        daemon.start_again();
        let mut cy = daemon.login("cy");
        cy.says("after");
        assert_eq!(texts(&mut cy), ["before", "after"]);
    }
}

#[test]
fn a_store_that_vanishes_while_idle_is_reported_too() {
    let daemon = Daemon::with(ADMIN);
    let data = daemon.folder().join("data");
    std::fs::rename(&data, daemon.folder().join("elsewhere")).unwrap();
    let said = daemon.log().emits("store_failing").expect("a line of the log");
    assert!(said["error"].as_str().unwrap().contains("was removed"), "{said}");
    std::fs::rename(daemon.folder().join("elsewhere"), data).unwrap();
    assert!(daemon.log().emits("store_works").is_some());
    daemon.login("ana").says("kept");
}

#[test]
fn a_missing_store_beside_its_write_ahead_log_is_reported_by_check_and_by_a_start() {
    let mut daemon = Daemon::with(ADMIN);
    daemon.login("ana").says("kept");
    daemon.kill();
    let store = daemon.folder().join("data/chat.db");
    let away = daemon.folder().join("away.db");
    std::fs::rename(&store, &away).unwrap();
    let checked = run(daemon.folder(), &["check"], "");
    assert_eq!(checked.code, Some(78), "{}{}", checked.out, checked.err);
    assert!(checked.err.contains("data/chat.db-wal may hold messages of it"), "{}", checked.err);
    let started = run(daemon.folder(), &["run"], "");
    assert_eq!(started.code, Some(74), "{}", started.err);
    assert!(started.err.contains("data/chat.db-wal may hold messages of it"), "{}", started.err);
    std::fs::rename(away, store).unwrap();
    daemon.start_again();
    assert_eq!(texts(&mut daemon.login("bo")), ["kept"]);
}

#[test]
fn while_another_program_holds_the_lock_users_log_in_and_read_and_later_write() {
    let mut daemon = Daemon::with(ADMIN);
    let (mut ana, mut bo) = (daemon.login("ana"), daemon.login("bo"));
    ana.says("before");
    let other = rusqlite::Connection::open(daemon.folder().join("data/chat.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let (meanwhile, reply) = ana.tries_to_say("meanwhile");
    assert!(reply.is_none(), "it waits: {reply:?}");
    ana.is_refused("MSG", json!("refused"), "INTERNAL");
    let said = daemon.log().emits("store_failing").expect("a line of the log");
    assert!(said["error"].as_str().unwrap().contains("another program holds"), "{said}");
    for _ in 0..20 {
        bo.asks("PING", Value::Null);
    }
    assert_eq!(texts(&mut daemon.login("cy")), ["before"]);
    assert!(status(&daemon)["store_failing"].as_str().unwrap().contains("holds a lock"));
    other.execute_batch("ROLLBACK").unwrap();
    assert!(daemon.log().emits("store_works").is_some());
    assert_eq!(ana.is_answered(&meanwhile)["status"], "OK");
    ana.says("after");
    assert_eq!(texts(&mut bo), ["before", "meanwhile", "after"]);

    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert!(ana.tries_to_say("too late").1.is_none());
    drop((ana, bo));
    daemon.signal("TERM");
    let ended = daemon.ended();
    assert_eq!(ended.code(), Some(74), "the lock was held to the end: {ended}");
}

/// The clock is ahead when the daemon starts, by as much as the messages seem older than they are.
#[test]
fn a_start_with_a_clock_that_is_ahead_removes_no_message() {
    let mut daemon = Daemon::with("history.retain = \"1d\"");
    daemon.login("ana").says("of today");
    daemon.signal("TERM");
    daemon.ended();
    let store = rusqlite::Connection::open(daemon.folder().join("data/chat.db")).unwrap();
    store.execute_batch("UPDATE chunks SET ts = ts - 100 * 86400000").unwrap();
    drop(store);
    daemon.start_again();
    daemon.log().emits("clock_doubtful").expect("a line of the log");
    let mut bo = daemon.login("bo");
    // The first retention comes with the start, before any client is served.
    bo.says("later");
    assert_eq!(texts(&mut bo), ["of today", "later"]);
}

#[test]
fn beyond_the_limit_the_oldest_messages_are_removed_and_readers_are_told() {
    let settings = format!(
        "{ADMIN}history.max_bytes = \"1 MiB\"\nlimits.messages_per_second = 0\nmetrics.address = \"127.0.0.1:0\""
    );
    let daemon = Daemon::with(&settings);
    let at = address(&daemon, "metrics_listening");
    let mut ana = daemon.login("ana");
    let text = "x".repeat(4_000);
    for _ in 0..500 {
        ana.says(&text);
    }
    let full = daemon.log().emits("history_full").expect("a line of the log");
    assert_eq!(full["max_bytes"], 1 << 20, "{full}");
    // The files are checked every few seconds.
    while Scrape::of(at).get("messages_removed_total{reason=\"bytes\"}") == 0.0 {
        std::thread::yield_now();
    }
    let scrape = Scrape::of(at);
    assert_eq!(scrape.get("history_max_bytes"), f64::from(1 << 20));
    assert_eq!(scrape.get("messages_removed_total{reason=\"age\"}"), 0.0);
    let status = status(&daemon);
    assert_eq!((&status["state"], &status["history_max_bytes"]), (&json!("serving"), &json!(1 << 20)));
    assert!(status["warning"].as_str().unwrap().contains("history.max_bytes"), "{status}");
    ana.says("and more");
    let left = texts(&mut ana);
    assert!(
        left.len() < 400 && left.last().is_some_and(|last| last == "and more"),
        "{} are left",
        left.len()
    );
}

#[test]
fn a_backup_that_is_moved_over_the_store_is_loaded_by_a_restart() {
    for how in ["TERM", "KILL"] {
        let mut daemon = Daemon::with(ADMIN);
        let (store, backup) = (daemon.folder().join("data/chat.db"), daemon.folder().join("backup.db"));
        let mut ana = daemon.login("ana");
        ana.says("before");
        let copied = run(daemon.folder(), &["backup", backup.to_str().unwrap()], "");
        assert_eq!(copied.code, Some(0), "{}", copied.err);
        for _ in 0..100 {
            ana.says("after the backup");
        }
        if how == "KILL" {
            daemon.kill();
            std::fs::rename(&backup, &store).unwrap();
            let checked = run(daemon.folder(), &["check"], "");
            assert_eq!(checked.code, Some(0), "{}", checked.err);
            let said = "data/chat.db-wal: this write-ahead log belongs to an earlier store";
            assert!(checked.err.contains(said), "{}", checked.err);
        } else {
            std::fs::rename(&backup, &store).unwrap();
            daemon.signal(how);
            assert_eq!(daemon.ended().code(), Some(74));
            assert!(daemon.log().emits("wal_set_aside").is_some());
        }
        daemon.start_again();
        if how == "KILL" {
            assert!(daemon.log().emits("wal_set_aside").is_some());
        }
        let mut bo = daemon.login("bo");
        bo.says("after the restart");
        assert_eq!(texts(&mut bo), ["before", "after the restart"]);
        assert!(daemon.folder().join("data/chat.db-wal.of-the-store-before").exists());
        let checked = run(daemon.folder(), &["check"], "");
        assert!(!checked.err.contains("chat.db-wal"), "{}", checked.err);
    }
}

#[test]
fn a_check_leaves_nothing_beside_a_restored_store() {
    let mut daemon = Daemon::with(ADMIN);
    daemon.login("ana").says("kept");
    let (data, backup) = (daemon.folder().join("data"), daemon.folder().join("backup.db"));
    let copied = run(daemon.folder(), &["backup", backup.to_str().unwrap()], "");
    assert_eq!(copied.code, Some(0), "{}", copied.err);
    daemon.signal("TERM");
    daemon.ended();
    std::fs::remove_dir_all(&data).unwrap();
    std::fs::create_dir(&data).unwrap();
    std::fs::rename(backup, data.join("chat.db")).unwrap();
    let checked = run(daemon.folder(), &["check"], "");
    assert_eq!(checked.code, Some(0), "{}{}", checked.out, checked.err);
    assert!(checked.out.contains("chat.db: fine"), "{}", checked.out);
    let left: Vec<_> = std::fs::read_dir(&data).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["chat.db"]);
    daemon.start_again();
    assert_eq!(texts(&mut daemon.login("bo")), ["kept"]);
}
