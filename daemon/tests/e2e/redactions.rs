//! REDACT, topics and read marks, from outside: on the wire, on the command line, and in the raw files of the store.

use crate::accounts::{ACCOUNTS, done, logs_in, registered};
use crate::common::{Daemon, PATIENCE, Peer};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// The files below a folder that have these bytes.
pub(crate) fn holders(folder: &Path, bytes: &[u8]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().filter_map(Result::ok) {
        let path = entry.path();
        if path.is_dir() {
            found.extend(holders(&path, bytes));
        } else if std::fs::read(&path).is_ok_and(|file| file.windows(bytes.len()).any(|part| part == bytes)) {
            found.push(path);
        }
    }
    found
}

/// The store's files, without the backup.
pub(crate) fn wait_until_gone(folder: &Path, bytes: &[u8]) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut files = holders(folder, bytes);
        files.retain(|file| !file.ends_with("before.db"));
        if files.is_empty() {
            return;
        }
        assert!(Instant::now() < deadline, "the text is still in {files:?}");
        std::thread::yield_now();
    }
}

fn event(peer: &mut Peer, op: &str) -> Value {
    peer.next_where(op, |line| line["op"] == op && line.get("id").is_none())["data"].clone()
}

#[test]
fn a_leaked_password_is_in_no_answer_and_in_no_file() {
    let mut daemon = Daemon::start();
    let (mut ana, mut bo) = (daemon.login("ana"), daemon.login("bo"));
    ana.says("before");
    ana.says("it is hunter2zx");
    bo.hears("before");
    bo.hears("it is hunter2zx");
    let search = json!({"query": "hunter2zx"});
    assert_eq!(bo.asks("SEARCH", search.clone())["messages"][0]["seq"], 2);
    done(&daemon, &["backup", "before.db"]);
    assert!(!holders(daemon.folder(), b"hunter2zx").is_empty());

    bo.is_refused("REDACT", json!({"room": "lobby", "seq": 2}), "FORBIDDEN");
    let reply = ana.asks("REDACT", json!({"room": "lobby", "seq": 2, "reason": "a password"}));
    assert_eq!(reply, json!({"room": "lobby", "seq": 2}));
    let told = json!({"room": "lobby", "seq": 2, "by": "ana", "reason": "a password"});
    assert_eq!([event(&mut ana, "REDACTED"), event(&mut bo, "REDACTED")], [told.clone(), told]);
    assert_eq!(bo.asks("SEARCH", search.clone())["messages"], json!([]), "from the next search on");
    let page = bo.asks("HISTORY", json!({"room": "lobby"}))["messages"].clone();
    let message = &page[1];
    assert_eq!([&message["seq"], &message["prev"], &message["user"]], [&json!(2), &json!(1), &json!("ana")]);
    assert_eq!(
        [&message["msg"], &message["redacted"], &message["by"]],
        [&json!(""), &json!(true), &json!("ana")]
    );
    wait_until_gone(daemon.folder(), b"hunter2zx");
    assert!(holders(daemon.folder(), b"hunter2zx")[0].ends_with("before.db"), "a backup keeps it");
    let exported = done(&daemon, &["export"]);
    assert!(exported.contains(r#""redacted":true"#) && !exported.contains("hunter2zx"));

    let bo = bo.vanishes();
    daemon.kill();
    daemon.start_again();
    wait_until_gone(daemon.folder(), b"hunter2zx");
    let mut bo = daemon.resume(&crate::common::Session { cursor: 0, ..bo });
    let again = bo.next_where("the message", |line| line["op"] == "MSG" && line["data"]["seq"] == 2);
    assert_eq!(again["data"], *message);
    assert_eq!(bo.asks("SEARCH", search)["messages"], json!([]));
}

#[test]
fn an_operator_redacts_and_sets_topics() {
    let daemon = Daemon::with("limits.redact = \"0\"");
    let mut ana = daemon.login("ana");
    ana.says("one");
    ana.is_refused("REDACT", json!({"room": "lobby", "seq": 1}), "FORBIDDEN");
    let said = done(&daemon, &["redact", "lobby", "1", "--reason", "not nice", "--json"]);
    assert_eq!(serde_json::from_str::<Value>(&said).unwrap(), json!({"room": "lobby", "seq": 1}));
    assert_eq!(event(&mut ana, "REDACTED"), json!({"room": "lobby", "seq": 1, "reason": "not nice"}));
    done(&daemon, &["room", "topic", "lobby", "On", "call:", "bo"]);
    assert_eq!(event(&mut ana, "ROOM"), json!({"room": "lobby", "topic": "On call: bo"}));
    assert_eq!(ana.asks("WHO", json!({"room": "lobby"}))["topic"], "On call: bo");
    done(&daemon, &["room", "topic", "lobby"]);
    assert_eq!(event(&mut ana, "ROOM"), json!({"room": "lobby", "topic": ""}));
    let audit = done(&daemon, &["audit", "--json"]);
    let did: Vec<Value> = audit.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!([&did[0]["did"], &did[0]["what"]], [&json!("redact"), &json!("message 1")]);
    assert_eq!([&did[1]["did"], &did[2]["what"]], [&json!("topic"), &json!("removed")]);
    let mut bo = daemon.login("bo");
    ana.asks("MSG", json!({"to": "bo", "msg": "it is hunter2zx"}));
    bo.hears("it is hunter2zx");
    let wrong = crate::common::run(daemon.folder(), &["redact", "lobby", "2"], "");
    assert!(wrong.err.contains("there is no message 2"), "{}", wrong.err);
    done(&daemon, &["redact", "2", "--reason", "a password"]);
    let told = json!({"to": "bo", "user": "ana", "seq": 2, "reason": "a password"});
    assert_eq!([event(&mut ana, "REDACTED"), event(&mut bo, "REDACTED")], [told.clone(), told]);
    let page = bo.asks("HISTORY", json!({"with": "ana"}))["messages"].clone();
    assert_eq!([&page[0]["msg"], &page[0]["redacted"]], [&json!(""), &json!(true)]);
    wait_until_gone(daemon.folder(), b"hunter2zx");
    let missing = crate::common::run(daemon.folder(), &["redact", "lobby", "7"], "");
    assert!(missing.code != Some(0) && missing.err.contains("there is no message 7"), "{}", missing.err);
}

#[test]
fn what_is_read_on_the_phone_is_read_at_the_desk() {
    let mut daemon = Daemon::with(ACCOUNTS);
    registered(&daemon, "ana");
    let (mut desk, mut phone) = (logs_in(&daemon, "ana", "her own"), logs_in(&daemon, "ana", "her own"));
    desk.says("one");
    phone.hears("one");
    assert_eq!(phone.asks("MARK", json!({"room": "lobby", "seq": 9})), json!({"room": "lobby", "seq": 1}));
    assert_eq!(event(&mut desk, "MARK"), json!({"room": "lobby", "seq": 1}));
    drop((desk.vanishes(), phone.vanishes()));
    daemon.restart();
    let login = daemon.connect().logs_in_with(json!({"name": "ana", "password": "her own"}));
    assert_eq!(login["marks"], json!([{"room": "lobby", "seq": 1}]));
}
