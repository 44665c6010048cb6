//! Tests of the cost of proofs: how often the daemon hashes, and what it logs about failures. They count
//! hashes, which take the time, instead of measuring it.

use crate::accounts::{ACCOUNTS, code, done, logs_in, registered};
use crate::common::http::{Scrape, address};
use crate::common::{Daemon, run};
use serde_json::json;
use std::net::SocketAddr;

const METRICS: &str = "metrics.address = \"127.0.0.1:0\"";

fn daemon(settings: &str) -> (Daemon, SocketAddr) {
    let daemon = Daemon::with(&format!("{METRICS}\n{settings}"));
    let at = address(&daemon, "metrics_listening");
    (daemon, at)
}

/// The number of hashes for one more login, which is refused.
fn hashes(daemon: &Daemon, at: SocketAddr, login: serde_json::Value) -> f64 {
    let before = Scrape::of(at).get("password_hashes_total");
    daemon.connect().is_refused("LOGIN", login, "AUTH_FAILED");
    Scrape::of(at).get("password_hashes_total") - before
}

#[test]
fn an_unknown_name_costs_what_a_wrong_password_costs() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    std::fs::write(&file, run(folder.path(), &["password"], "open sesame\n").out).unwrap();
    let shared = format!("auth.mode = \"password\"\nauth.password_file = {:?}", file.to_str().unwrap());
    for (mode, strangers_are_asked) in [(ACCOUNTS, true), (&shared, true), ("", false)] {
        let (daemon, at) = daemon(mode);
        registered(&daemon, "ana");
        // Registered, without a password yet.
        done(&daemon, &["user", "add", "bo"]);
        for name in ["ana", "bo", "zoe"].iter().take(if strangers_are_asked { 3 } else { 2 }) {
            let wrong = hashes(&daemon, at, json!({"name": name, "password": "x"}));
            assert_eq!(wrong, 1.0, "{name} in {mode:?}");
            let none = hashes(&daemon, at, json!({ "name": name }));
            assert_eq!(none, 0.0, "{name} without a password in {mode:?}");
        }
    }
}

#[test]
fn no_password_is_hashed_for_a_logged_in_connection() {
    let (daemon, at) = daemon(ACCOUNTS);
    registered(&daemon, "ana");
    let mut ana = logs_in(&daemon, "ana", "her own");
    let code = code(&done(&daemon, &["user", "add", "bo"]));
    let before = Scrape::of(at);
    let right = json!({"name": "ana", "password": "her own"});
    for _ in 0..3 {
        ana.is_refused("LOGIN", right.clone(), "ALREADY_LOGGED_IN");
    }
    let enrol = json!({"name": "bo", "code": code, "password": "his own"});
    ana.is_refused("ENROL", enrol, "ALREADY_LOGGED_IN");
    let wrong = json!({"name": "bo", "code": "A".repeat(43), "password": "his own"});
    ana.is_refused("ENROL", wrong, "ALREADY_LOGGED_IN");
    let unchanged = ["password_hashes_total", "authentication_failures_total{reason=\"code\"}"];
    Scrape::of(at).says(&unchanged.map(|name| (name, before.get(name))));
}

#[test]
fn many_refusals_in_one_read_are_one_log_line_and_all_are_counted() {
    let (mut daemon, at) = daemon(ACCOUNTS);
    registered(&daemon, "ana");
    let login = json!({"op": "LOGIN", "data": {"name": "ana", "password": "x"}});
    let enrol = json!({"op": "ENROL", "data": {"name": "ana", "code": "A".repeat(43), "password": "x"}});
    // In one record, and so in one read.
    for (line, count) in [(login, 60), (enrol, 40)] {
        let mut peer = daemon.connect();
        peer.sends_bytes(format!("{line}\n").repeat(count).as_bytes());
        peer.hears_error("AUTH_FAILED");
    }
    let counted = |scrape: &Scrape| {
        let reasons = ["password", "code", "too_many_failures"];
        reasons.map(|r| scrape.get(&format!("authentication_failures_total{{reason=\"{r}\"}}"))).iter().sum()
    };
    let scrape = Scrape::of(at);
    let all: f64 = counted(&scrape);
    // A login above the checks of one read is refused without a reason of its own.
    assert!(all >= 60.0 + 3.0, "{all}");
    daemon.signal("TERM");
    daemon.ended();
    assert!(daemon.log().ends());
    assert_eq!(daemon.log().text().matches("login_refused\"").count(), 2, "{}", daemon.log().text());
}
