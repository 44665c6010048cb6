//! Tests of files that the configuration names and that vanish while the daemon runs: it is logged once, the
//! daemon continues with the loaded files, and no message is lost.

use crate::common::{Daemon, run};
use serde_json::{Value, json};

/// The end of a test's own configuration: every setting that names a file.
const NAMED: &str = r#"
tls.certificate = "own.pem"
tls.key = "own.key"
tls.client_auth = "optional"
tls.client_ca = "their.pem"
auth.mode = "password"
auth.password_file = "password.hash"
http.address = "127.0.0.1:0"
http.token_file = "http.token"
http.rooms = ["ops"]
"#;

const FILES: [(&str, &str); 6] = [
    ("own.pem", "tls.certificate"),
    ("own.key", "tls.key"),
    ("their.pem", "tls.client_ca"),
    ("password.hash", "auth.password_file"),
    ("http.token", "http.token_file"),
    ("config.toml", "config"),
];

fn warning(daemon: &Daemon) -> Value {
    let status = run(daemon.folder(), &["status", "--json"], "");
    let status: Value = serde_json::from_str(&status.out).unwrap_or_else(|e| panic!("{e}: {}", status.err));
    status["warning"].clone()
}

/// Waits until the log has an event for this file.
fn told(daemon: &Daemon, event: &str, (file, key): (&str, &str)) -> Value {
    let wanted = |line: &str| {
        let line: Value = serde_json::from_str(line).ok()?;
        let is_it = line["event"] == event && line["key"] == key && line["file"].as_str()?.ends_with(file);
        is_it.then_some(line)
    };
    daemon.log().wait(wanted).unwrap_or_else(|| panic!("no {event} of {file}:\n{}", daemon.log().text()))
}

#[test]
fn a_vanished_file_is_reported_once_and_its_loaded_content_stays_in_use() {
    let mut daemon = Daemon::start();
    let folder = daemon.folder().to_owned();
    let at = |file: &str| folder.join(file);
    for (from, to) in [("server.pem", "own.pem"), ("server.key", "own.key"), ("ca.pem", "their.pem")] {
        std::fs::copy(at("certs").join(from), at(to)).unwrap();
    }
    std::fs::write(at("password.hash"), run(&folder, &["password"], "open sesame\n").out).unwrap();
    std::fs::write(at("http.token"), "0123456789".repeat(4)).unwrap();
    let before = std::fs::read_to_string(at("config.toml")).unwrap();
    std::fs::write(at("config.toml"), format!("{before}{NAMED}")).unwrap();
    daemon.restart();
    let login = |name: &str| json!({"name": name, "password": "open sesame"});
    let mut ana = daemon.connect();
    ana.logs_in_with(login("ana"));
    ana.says("before");

    let away = |file: &str| folder.join(format!("{file}.away"));
    for (file, _) in &FILES[1..] {
        std::fs::rename(at(file), away(file)).unwrap();
    }
    // Only root can always read files without permission.
    let (file, _) = FILES[0];
    std::fs::rename(at(file), away(file)).unwrap();
    std::fs::create_dir(at(file)).unwrap();
    for named in FILES {
        let line = told(&daemon, "file_gone", named);
        assert_eq!(line["level"], "ERROR", "{line}");
        let why = if named == FILES[0] { "no longer a file" } else { "no longer exists" };
        assert!(line["reason"].as_str().unwrap().contains(why), "{line}");
    }
    let said = warning(&daemon);
    for (file, key) in FILES {
        assert!(said.as_str().unwrap().contains(&format!("{file} ({key}): ")), "{said}");
    }
    ana.says("meanwhile");
    let mut bo = daemon.connect();
    bo.logs_in_with(login("bo"));
    daemon.connect().is_refused("LOGIN", json!({"name": "cy", "password": "a guess"}), "AUTH_FAILED");

    std::fs::remove_dir(at(FILES[0].0)).unwrap();
    for named in FILES {
        std::fs::rename(away(named.0), at(named.0)).unwrap();
        told(&daemon, "file_back", named);
    }
    assert_eq!(warning(&daemon), Value::Null);
    let gone = daemon.log().text().lines().filter(|line| line.contains("\"file_gone\"")).count();
    assert_eq!(gone, FILES.len(), "once each:\n{}", daemon.log().text());
    daemon.restart();
    let mut cy = daemon.connect();
    cy.logs_in_with(login("cy"));
    let kept: Vec<_> = cy.reads_all(&json!({"room": "lobby"})).into_iter().map(|m| m.text).collect();
    assert_eq!(kept, ["before", "meanwhile"]);
}

#[test]
fn a_running_daemon_makes_no_other_ca_when_its_own_vanishes() {
    let daemon = Daemon::with("admin.socket = \"control.sock\"\n");
    let (certs, away) = (daemon.folder().join("certs"), daemon.folder().join("away"));
    std::fs::rename(&certs, &away).unwrap();
    told(&daemon, "file_gone", ("ca.pem", "tls.dir"));
    let reload = run(daemon.folder(), &["reload"], "");
    assert_eq!(reload.code, Some(78), "{}{}", reload.out, reload.err);
    assert!(reload.err.contains("the CA was removed while tcp-chatd was using it"), "{}", reload.err);
    assert!(warning(&daemon).as_str().unwrap().contains("the CA was removed"));
    assert!(!certs.exists(), "none was made");
    // Clients that trust the CA can still connect.
    std::fs::rename(&away, &certs).unwrap();
    daemon.login("ana");
    let reload = run(daemon.folder(), &["reload"], "");
    assert_eq!(reload.code, Some(0), "{}{}", reload.out, reload.err);
}
