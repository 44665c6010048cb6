//! Owns the scenes in which the daemon logs events about its files: certificates, the store, the history and its backups,
//! and files that the configuration names. Called by the one test of `events_for_real`. Never compares the events: the
//! test does.

use super::DEBUG;
use crate::common::{Daemon, in_shell};
use crate::events::held;
use crate::refused::refused_as;
use rcgen::{CertificateParams, KeyPair, SanType};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use std::time::SystemTime;

/// With a mistyped target.
const MISTYPED: &str = "log.level = \"debug,tcp_chatd::nett=info\"\n";

/// A pair of certificates of the operator that expires in `days`.
fn own_pair(folder: &Path, days: u64) {
    let mut params = CertificateParams::new(vec!["localhost".into()]).unwrap();
    // No client checks an address there.
    params.subject_alt_names.push(SanType::DnsName("192.0.2.1".try_into().unwrap()));
    params.not_before = (SystemTime::now() - std::time::Duration::from_secs(86_400)).into();
    params.not_after = (SystemTime::now() + std::time::Duration::from_secs(86_400 * days)).into();
    let key = KeyPair::generate().unwrap();
    let made = params.self_signed(&key).unwrap();
    std::fs::write(folder.join("own.pem"), made.pem()).unwrap();
    std::fs::write(folder.join("own.key"), key.serialize_pem()).unwrap();
}

pub(super) fn certificates() -> BTreeSet<String> {
    let daemon = Daemon::with(&format!("{MISTYPED}admin.socket = \"control.sock\""));
    daemon.tells("log_target_unknown");
    own_pair(daemon.folder(), 5);
    let text = std::fs::read_to_string(daemon.folder().join("config.toml")).unwrap();
    let text = format!("{text}\ntls.certificate = \"own.pem\"\ntls.key = \"own.key\"\n");
    std::fs::write(daemon.folder().join("config.toml"), &text).unwrap();
    daemon.done(&["reload"]);
    daemon.tells("reloaded");
    daemon.tells("certificate_replaced");
    let mut seen = held(daemon.log());
    // The daemon checks expiries at its start, then once a minute.
    let mut daemon = daemon;
    daemon.signal("TERM");
    daemon.ended();
    daemon.start_again();
    assert_eq!(daemon.tells("certificate_ends")["days"], 5);
    daemon.tells("certificate_doubtful");
    seen.extend(held(daemon.log()));
    seen
}

/// A store of an older version, and changes to its files.
pub(super) fn store() -> BTreeSet<String> {
    let mut daemon = Daemon::with(DEBUG);
    daemon.login("ana").says("kept");
    daemon.ends();
    let mut seen = held(daemon.log());
    let store = daemon.folder().join("data/chat.db");
    let index = daemon.folder().join("data/chat.db-search");
    assert!(index.exists());
    // Version 1 had no users and no permissions.
    let old = rusqlite::Connection::open(&store).unwrap();
    let younger = "DROP TABLE users; DROP TABLE certificates; DROP TABLE grants; DROP TABLE private_rooms;
                   DROP TABLE mutes; DROP TABLE bans; DROP TABLE audit;
                   ALTER TABLE totals DROP COLUMN max_bytes; ALTER TABLE totals DROP COLUMN bytes;
                   ALTER TABLE totals DROP COLUMN log; ALTER TABLE totals DROP COLUMN log_from;
                   ALTER TABLE members DROP COLUMN joined; ALTER TABLE totals DROP COLUMN oldest;
                   ALTER TABLE members DROP COLUMN lost; DROP TABLE leaving; DROP TABLE work;
                   DROP TABLE left_ids; ALTER TABLE sessions DROP COLUMN node;
                   ALTER TABLE sessions DROP COLUMN connection; DROP TABLE redacted; DROP TABLE marks;
                   ALTER TABLE chunks DROP COLUMN authors; ALTER TABLE totals DROP COLUMN redactions;
                   ALTER TABLE conversations DROP COLUMN topic; DROP TABLE erasures; DROP TABLE erasing;
                   DROP TABLE cluster; DROP TABLE policy; DROP TABLE names;
                   UPDATE chunks SET ts = ts - 864000000;
                   PRAGMA user_version = 1";
    old.execute_batch(younger).unwrap();
    drop(old);
    std::fs::remove_file(&index).unwrap();
    daemon.start_again();
    assert_eq!(daemon.tells("store_migrated")["from"], 1);
    daemon.tells("clock_doubtful");
    daemon.tells("index_made_anew");
    daemon.login("bo").says("kept, too");
    daemon.ends();
    seen.extend(held(daemon.log()));

    // A path that is not a file cannot be created again.
    in_shell(&format!("rm -f {0}*; mkdir -p {0}/full", index.display()));
    daemon.start_again();
    daemon.tells("index_failing");
    let mut cy = daemon.login("cy");
    // All of the store but its first page, while it is open.
    let length = std::fs::metadata(&store).unwrap().len();
    let mut file = std::fs::OpenOptions::new().write(true).open(&store).unwrap();
    std::io::Seek::seek(&mut file, std::io::SeekFrom::Start(4096)).unwrap();
    file.write_all(&vec![0xa5; usize::try_from(length - 4096).unwrap()]).unwrap();
    let history = json!({"room": "lobby", "limit": 10, "after": 0});
    let reply = cy.asks_for("HISTORY", history);
    assert_eq!(reply["data"]["kind"], "INTERNAL", "{reply}");
    assert_eq!(daemon.tells("store_unreadable")["op"], "HISTORY");
    let refused = refused_as(daemon.log(), &reply["id"]);
    assert_eq!((&refused["level"], &refused["op"]), (&json!("WARN"), &json!("HISTORY")));
    daemon.kill();
    seen.extend(held(daemon.log()));
    seen
}

/// A history above its limit, a partial backup of an earlier daemon, and a backup that is copied over the
/// store.
pub(super) fn history() -> BTreeSet<String> {
    let settings =
        "history.max_bytes = \"1 MiB\"\nlimits.messages_per_second = 0\nadmin.socket = \"control.sock\"";
    let mut daemon = Daemon::with(settings);
    let mut ana = daemon.login("ana");
    std::fs::write(daemon.folder().join(".tcp-chatd-backup-dead"), "half").unwrap();
    // While there are few messages: a copy of the same size is not noticed at once.
    let backup = daemon.folder().join("backup.db");
    daemon.done(&["backup", backup.to_str().unwrap()]);
    daemon.tells("backup_removed");
    for _ in 0..500 {
        ana.says(&"x".repeat(4_000));
    }
    assert_eq!(daemon.tells("history_full")["max_bytes"], 1 << 20);
    // Wait until the removal ends, and all of it is in the store's file: writes after the copy would be
    // mixed into it.
    let bytes = || {
        serde_json::from_str::<Value>(&daemon.done(&["status", "--json"])).unwrap()["history_bytes"].clone()
    };
    while bytes().as_u64().unwrap() > 1 << 20 {
        std::thread::yield_now();
    }
    let other = rusqlite::Connection::open(daemon.folder().join("data/chat.db")).unwrap();
    let is_busy =
        || other.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, bool>(0)).unwrap();
    while is_busy() {
        std::thread::yield_now();
    }
    drop(other);
    std::fs::copy(&backup, daemon.folder().join("data/chat.db")).unwrap();
    daemon.tells("store_failing");
    daemon.signal("TERM");
    assert_eq!(daemon.ended().code(), Some(74), "{}", daemon.log().text());
    daemon.tells("wal_set_aside");
    held(daemon.log())
}

/// A file that the configuration names is removed, and put back.
pub(super) fn files() -> BTreeSet<String> {
    let daemon = Daemon::start();
    let (file, away) = (daemon.folder().join("config.toml"), daemon.folder().join("away.toml"));
    std::fs::rename(&file, &away).unwrap();
    assert_eq!(daemon.tells("file_gone")["key"], "config");
    std::fs::rename(&away, &file).unwrap();
    daemon.tells("file_back");
    held(daemon.log())
}
