//! Tests that a real daemon writes each event that docs/OPERATIONS.md lists, by causing it. `events.rs` tests
//! that the lines have the documented form.

mod files;

use crate::accounts::code;
use crate::common::http::{address, request};
use crate::common::{Daemon, Log, run};
use crate::disk::{Disk, speaks_until_refused};
use crate::events::{documented, held};
use crate::posts::TOKEN;
use crate::refused::refused_as;
use crate::web::page;
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;

/// Events that no test can cause, and why.
const NOT_HERE: [(&str, &str); 32] = [
    ("hub_stuck", "the hub does not answer: there is no way to make it hang"),
    ("accept_failed", "the system reports a connection that is gone before it is accepted only at times"),
    ("metrics_failed", "figures that cannot be written would be a bug"),
    ("wal_not_copied", "a full disk makes it so at times only"),
    ("erasure_waits", "needs room for the command and not for its steps: src/store/tests/erasures.rs"),
    ("tidy_failed", "needs a store that can be written for messages and not for removals"),
    ("certificate_kept", "is seen at the second look at the files, after a minute: src/tls/tests/renewal.rs"),
    ("fenced", "needs a cluster: src/hub/shared/tests/events.rs"),
    ("handed_over", "needs a cluster: src/hub/shared/tests/events.rs"),
    ("order_ended", "needs a cluster: src/hub/shared/tests/events.rs"),
    ("turn_not_taken", "needs a cluster whose entries are too short for a turn"),
    ("certificate_ended", "a certificate that has ended is refused at the start: src/tls/tests/renewal.rs"),
    ("order_unavailable", "needs a cluster: src/hub/shared/tests/events.rs"),
    ("order_works", "needs a cluster: src/hub/shared/tests/events.rs"),
    ("kept_less_elsewhere", "needs a cluster: src/hub/shared/tests/retention.rs"),
    ("nats_connected", NATS),
    ("nats_lost", NATS),
    ("nats_failed", NATS),
    ("nats_refused", NATS),
    ("nats_left", NATS),
    ("log_shorter", "needs a stream that has lost its end: src/order/log/tests/raise.rs"),
    ("behaviour_raised", "needs two versions: checks/cluster_upgrade.py"),
    ("stream_silent", NATS),
    ("forged_record", NATS),
    ("clock_behind", "needs a cluster whose clocks differ: src/order/log/tests/generations.rs"),
    ("node", LIFE),
    ("joining", LIFE),
    ("joined", LIFE),
    ("store_set_aside", LIFE),
    ("copy_begun", LIFE),
    ("copy_failed", LIFE),
    ("policy_differs", LIFE),
];

const NATS: &str = "needs NATS servers: tests/cluster";
const LIFE: &str = "needs NATS servers: checks/cluster_life.py";

/// Events that need a small disk, and so root.
const WITH_A_DISK: [&str; 4] = ["store_failing", "store_works", "refused_more", "redacted_words_stay"];

const DEBUG: &str = "log.level = \"debug\"\n";

impl Daemon {
    /// Waits for an event.
    fn tells(&self, event: &str) -> Value {
        self.log().emits(event).unwrap_or_else(|| panic!("no {event}:\n{}", self.log().text()))
    }

    fn done(&self, arguments: &[&str]) -> String {
        let end = run(self.folder(), arguments, "");
        assert_eq!(end.code, Some(0), "{arguments:?}: {}", end.err);
        end.out
    }

    /// Ends it cleanly.
    fn ends(&mut self) {
        self.signal("TERM");
        assert_eq!(self.ended().code(), Some(0), "{}", self.log().text());
    }
}

/// A first start in a hostile environment, an end that must be cut short, and a start that fails.
fn life() -> BTreeSet<String> {
    let prelude = "ulimit -n 256; export NOTIFY_SOCKET=/nowhere/at/all TCP_CHATD__LISTEN__ADDRESS=0.0.0.0:0";
    let mut daemon = Daemon::after(prelude, &format!("{DEBUG}shutdown.grace = \"50ms\""));
    for event in ["starting", "ca_made", "certificate_issued", "certificate", "listening", "open_to_all"] {
        daemon.tells(event);
    }
    for event in ["few_open_files", "ready", "notify_failed"] {
        daemon.tells(event);
    }
    // A client that does not close after SHUTDOWN.
    let stays = daemon.login("ana");
    daemon.ends();
    for event in ["stopping", "cut", "stopped"] {
        daemon.tells(event);
    }
    drop(stays);
    let mut seen = held(daemon.log());
    for key in ["ca.key", "server.key"] {
        let file = daemon.folder().join("certs").join(key);
        std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o644)).unwrap();
    }
    daemon.start_again();
    daemon.tells("key_open");
    seen.extend(held(daemon.log()));

    let folder = tempfile::tempdir().unwrap();
    let taken = format!("listen.address = \"{}\"\nlog.format = \"json\"", daemon.address());
    std::fs::write(folder.path().join("config.toml"), taken).unwrap();
    let end = run(folder.path(), &["run"], "");
    assert_eq!(end.code, Some(75), "{}", end.err);
    let log = Log::follow(std::io::Cursor::new(end.err));
    assert_eq!(log.emits("ended").expect("its last word")["code"], 75);
    seen.extend(held(&log));
    seen
}

/// Users come, make errors and go; an operator moderates.
fn people() -> BTreeSet<String> {
    let settings = format!(
        "{DEBUG}auth.mode = \"accounts\"\ntls.client_auth = \"optional\"\nadmin.socket = \"control.sock\""
    );
    let daemon = Daemon::with(&settings);
    let line = daemon.done(&["user", "add", "ana"]);
    daemon.tells("join_line");
    let mut ana = daemon.connect();
    ana.asks("ENROL", json!({"name": "ana", "code": code(&line), "password": "sesame"}));
    ana.is_refused("LOGIN", json!({"name": "ana", "password": "guess"}), "AUTH_FAILED");
    assert_eq!(daemon.tells("login_refused")["peer"], "127.0.0.1");
    ana.logs_in_with(json!({"name": "ana", "password": "sesame"}));
    daemon.tells("password_accepted");
    daemon.tells("logged_in");
    ana.asks("QUIT", Value::Null);
    ana.is_closed();
    assert_eq!(daemon.tells("closing")["reason"], "quit");
    drop(ana);
    daemon.tells("connection_ended");
    speaks_no_tls(&daemon);
    daemon.tells("handshake_failed");
    drop(TcpStream::connect(daemon.address()).unwrap());
    daemon.tells("connection_empty");

    daemon.done(&["ban", "127.0.0.0/8"]);
    assert_eq!(daemon.tells("acted")["whom"], "127.0.0.0/8");
    let _ = TcpStream::connect(daemon.address()).unwrap().read(&mut [0]);
    assert_eq!(daemon.tells("connection_refused")["reason"], "banned");
    daemon.done(&["unban", "127.0.0.0/8"]);

    daemon.done(&["cert", "issue", "zoe"]);
    daemon.done(&["cert", "revoke", "zoe.pem"]);
    daemon.tells("certificate_revoked");
    // The join line cannot be fulfilled without the CA's key.
    let line = daemon.done(&["user", "add", "bo", "--cert"]);
    std::fs::remove_file(daemon.folder().join("certs/ca.key")).unwrap();
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let csr = CertificateParams::default().serialize_request(&key).unwrap().pem().unwrap();
    let asked = json!({"name": "bo", "code": code(&line), "csr": csr});
    daemon.connect().is_refused("ENROL", asked, "INTERNAL");
    daemon.tells("enrol_failed");
    let refused = daemon.log().wait(|line| {
        let line: Value = serde_json::from_str(line).ok()?;
        (line["event"] == "refused" && line["kind"] == "INTERNAL").then_some(line)
    });
    assert_eq!(refused.expect("the refusal")["level"], "WARN");

    daemon.done(&["user", "remove", "ana"]);
    daemon.tells("user_removed");
    daemon.done(&["user", "erase", "ana"]);
    daemon.tells("user_erased");
    daemon.done(&["backup", daemon.folder().join("copy.db").to_str().unwrap()]);
    daemon.tells("backup");
    daemon.done(&["log", "debug"]);
    daemon.tells("log_level");
    let text = std::fs::read_to_string(daemon.folder().join("config.toml")).unwrap();
    std::fs::write(daemon.folder().join("config.toml"), format!("{text}\nrooms.create = 7\n")).unwrap();
    assert_eq!(run(daemon.folder(), &["reload"], "").code, Some(78));
    daemon.tells("reload_refused");
    daemon.done(&["drain"]);
    daemon.tells("drain");
    assert!(daemon.log().ends());
    held(daemon.log())
}

fn speaks_no_tls(daemon: &Daemon) {
    let mut socket = TcpStream::connect(daemon.address()).unwrap();
    socket.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    let _ = socket.read_to_end(&mut Vec::new());
}

/// Machines that may not post.
fn machines() -> BTreeSet<String> {
    let settings = format!(
        "{DEBUG}http.address = \"127.0.0.1:0\"\nhttp.token_file = \"http.token\"\nhttp.rooms = [\"lobby\"]\n\
         metrics.address = \"127.0.0.1:0\"\nadmin.socket = \"control.sock\""
    );
    let mut daemon = Daemon::after(&format!("echo {TOKEN} >http.token"), &settings);
    daemon.tells("metrics_listening");
    let at = address(&daemon, "http_listening");
    assert_eq!(request(at, "POST", "/rooms/lobby/messages", &[], "{}").status, 401);
    assert_eq!(daemon.tells("post_refused")["reason"], "token");
    daemon.done(&["ban", "alerts"]);
    daemon.login("ana").asks("JOIN", json!({"room": "0ps"}));
    let text = std::fs::read_to_string(daemon.folder().join("config.toml")).unwrap();
    std::fs::write(daemon.folder().join("config.toml"), text.replace("[\"lobby\"]", "[\"lobby\", \"ops\"]"))
        .unwrap();
    daemon.done(&["reload"]);
    assert_eq!(daemon.tells("room_twin")["twin"], "0ps");
    let mut seen = held(daemon.log());
    daemon.restart();
    daemon.tells("http_no_session");
    seen.extend(held(daemon.log()));
    seen
}

/// No descriptors are left.
fn descriptors() -> BTreeSet<String> {
    let settings = format!(
        "{DEBUG}metrics.address = \"127.0.0.1:0\"\nadmin.socket = \"control.sock\"\nlimits.handshake = \"1h\""
    );
    let daemon = Daemon::after("ulimit -n 64", &settings);
    let seen = address(&daemon, "metrics_listening");
    let crowd: Vec<_> = (0..90).map(|_| TcpStream::connect(daemon.address()).unwrap()).collect();
    daemon.tells("accept_failing");
    // The store closes a file now and then, so some descriptors take the free numbers.
    let scrapes: Vec<_> = (0..20).map(|_| TcpStream::connect(seen).unwrap()).collect();
    daemon.tells("http_accept_failed");
    let socket = daemon.folder().join("control.sock");
    let asks: Vec<_> = (0..20).map(|_| UnixStream::connect(&socket).unwrap()).collect();
    daemon.tells("control_failed");
    drop((crowd, scrapes, asks));
    daemon.tells("accept_works");
    held(daemon.log())
}

/// A full disk under load.
fn full_disk() -> Option<BTreeSet<String>> {
    let disk = Disk::small()?;
    let store = disk.path().join("chat.db");
    let daemon = Daemon::with(&format!("history.path = {store:?}\nlimits.messages_per_second = 0"));
    let mut ana = daemon.login("ana");
    let seq = ana.says("hunter2").seq;
    let found = ana.asks_for("SEARCH", json!({"room": "lobby", "query": "hunter2"}));
    assert_eq!(found["data"]["messages"][0]["seq"], seq, "{found}");
    // Room for a redaction, and not for the index once more.
    disk.leave(1_024);
    let redacted = ana.asks_for("REDACT", json!({"room": "lobby", "seq": seq}));
    assert_eq!(redacted["status"], "OK", "{redacted}");
    daemon.tells("redacted_words_stay");
    disk.has_room_again();
    disk.fill();
    let reply = speaks_until_refused(&mut ana, "filling");
    daemon.tells("store_failing");
    let refused = refused_as(daemon.log(), &reply["id"]);
    assert_eq!((&refused["user"], &refused["op"]), (&json!("ana"), &json!("MSG")), "{refused}");
    assert_eq!((&refused["kind"], &refused["level"]), (&json!("INTERNAL"), &json!("WARN")), "{refused}");
    for _ in 0..200 {
        ana.is_refused("MSG", json!("still?"), "INTERNAL");
    }
    let left_out = daemon.tells("refused_more")["count"].as_u64().unwrap();
    let told = daemon.log().text().lines().filter(|line| line.contains("\"event\":\"refused\"")).count();
    assert!(left_out > 0 && told < 200, "{told} told, {left_out} not");
    disk.has_room_again();
    daemon.tells("store_works");
    Some(held(daemon.log()))
}

#[test]
fn every_event_is_written_as_documented() {
    let scenes: [fn() -> BTreeSet<String>; 9] = [
        life,
        people,
        machines,
        files::certificates,
        files::store,
        files::history,
        files::files,
        descriptors,
        page,
    ];
    let scenes: Vec<_> = scenes.into_iter().map(std::thread::spawn).collect();
    let mut seen: BTreeSet<String> = scenes.into_iter().flat_map(|scene| scene.join().unwrap()).collect();
    match full_disk() {
        Some(more) => seen.extend(more),
        None => seen.extend(WITH_A_DISK.map(str::to_owned)),
    }
    seen.extend(NOT_HERE.map(|(event, _)| event.to_owned()));
    assert_eq!(seen, documented(), "on the left what was written, on the right what is documented");
}
