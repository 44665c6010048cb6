//! `tcp-chatd user erase`, from outside: on the wire, on the command line, after a restart, and in the raw files.

use crate::accounts::{ACCOUNTS, done, logs_in, registered};
use crate::common::{Daemon, run};
use crate::redactions::{holders, wait_until_gone};
use serde_json::{Value, json};

/// The name in the place of the erased one.
fn erased(daemon: &Daemon, name: &str) -> String {
    let reply: Value = serde_json::from_str(&done(daemon, &["user", "erase", name, "--json"])).unwrap();
    reply["user"].as_str().unwrap().to_owned()
}

#[test]
fn an_erased_user_is_in_no_answer_and_in_no_file() {
    let daemon = Daemon::with(ACCOUNTS);
    registered(&daemon, "anazx");
    registered(&daemon, "bo");
    let (mut ana, mut bo) = (logs_in(&daemon, "anazx", "her own"), logs_in(&daemon, "bo", "her own"));
    ana.says("hunter2zx in the lobby");
    bo.hears("hunter2zx in the lobby");
    ana.tells("bo", "hunter3zx for bo");
    bo.hears("hunter3zx for bo");
    bo.tells("anazx", "thanks");
    bo.says("stays");
    let search = json!({"query": "hunter2zx"});
    assert_eq!(bo.asks("SEARCH", search.clone())["messages"][0]["seq"], 1);
    assert!(!holders(daemon.folder(), b"anazx").is_empty());

    let neutral = erased(&daemon, "ANAZX");
    assert!(neutral.starts_with("erased-"), "{neutral}");
    ana.is_noticed("KICKED");
    ana.is_closed();
    let told = bo.next_where("the event", |line| line["op"] == "REDACTED" && line["data"]["room"] == "lobby");
    assert_eq!(told["data"], json!({"room": "lobby", "seq": 1, "reason": "erased"}));
    let page = bo.asks("HISTORY", json!({"room": "lobby"}))["messages"].clone();
    assert_eq!(
        [&page[0]["user"], &page[0]["msg"], &page[0]["redacted"], &page[0]["reason"]],
        [&json!(neutral), &json!(""), &json!(true), &json!("erased")]
    );
    assert_eq!(page[1]["msg"], "stays");
    assert_eq!(bo.asks("SEARCH", search)["messages"], json!([]));
    assert_eq!(bo.asks("SEARCH", json!({"query": "stays"}))["messages"][0]["user"], "bo");
    let exported = done(&daemon, &["export"]);
    assert!(!exported.contains("anazx") && !exported.contains("hunter"), "{exported}");
    let thanks = exported.lines().find(|line| line.contains("thanks")).unwrap();
    assert_eq!(serde_json::from_str::<Value>(thanks).unwrap()["data"]["to"], json!(neutral), "{thanks}");
    let audit = done(&daemon, &["audit", "--json"]);
    let audit: Vec<Value> = audit.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let last = audit.last().unwrap();
    assert_eq!([&last["did"], &last["whom"]], [&json!("user erase"), &json!(neutral)]);
    assert_eq!([&audit[0]["did"], &audit[0]["whom"]], [&json!("user add"), &json!(neutral)]);
    for secret in ["anazx", "hunter2zx", "hunter3zx"] {
        wait_until_gone(&daemon.folder().join("data"), secret.as_bytes());
    }
    // The name is free, and the other one cannot be had.
    let refused = run(daemon.folder(), &["user", "add", &neutral], "");
    assert!(refused.code != Some(0) && refused.err.contains("erased users"), "{}", refused.err);
    registered(&daemon, "anazx");
    let mut next = logs_in(&daemon, "anazx", "her own");
    assert_eq!(next.asks("HISTORY", json!({"room": "lobby"}))["messages"][0]["user"], json!(neutral));
    assert_eq!(next.asks("HISTORY", json!({"with": "bo"}))["messages"], json!([]));
}

#[test]
fn an_erasure_goes_on_after_the_daemon_was_killed() {
    let mut daemon = Daemon::with("limits.messages_per_second = 0\nlimits.stored_bytes_per_network = 0");
    let mut ana = daemon.login("anazx");
    let text = format!("hunter2zx {}", "x".repeat(7_000));
    for _ in 0..300 {
        ana.sends(&json!({"op": "MSG", "data": text}));
    }
    let mut bo = daemon.login("bo");
    bo.says("stays");
    ana.next_where("the last message", |line| line["op"] == "MSG" && line["data"]["msg"] == "stays");
    // It takes dozens of turns: the kill comes in the middle, or the second call finds nothing left to do.
    let folder = daemon.folder().to_owned();
    let call = std::thread::spawn(move || run(&folder, &["user", "erase", "anazx"], ""));
    bo.next_where("the first event", |line| line["op"] == "REDACTED");
    daemon.kill();
    let interrupted = call.join().unwrap();
    daemon.start_again();
    done(&daemon, &["user", "erase", "anazx"]);
    let mut cy = daemon.login("cy");
    let page = cy.asks("HISTORY", json!({"room": "lobby", "limit": 100}))["messages"].clone();
    let users: Vec<_> = page.as_array().unwrap().iter().map(|m| m["user"].as_str().unwrap()).collect();
    assert!(users.iter().all(|user| *user == "bo" || user.starts_with("erased-")), "{users:?}");
    let exported = done(&daemon, &["export"]);
    // As many as the rate allowed: more than one step takes.
    let (stays, erased): (Vec<_>, Vec<_>) = exported.lines().partition(|line| line.contains("stays"));
    assert!(erased.iter().all(|line| line.contains("\"redacted\":true")), "{:?}", interrupted.code);
    assert!(stays.len() == 1 && erased.len() > 20, "{} {}", stays.len(), erased.len());
    for secret in ["anazx", "hunter2zx"] {
        wait_until_gone(&daemon.folder().join("data"), secret.as_bytes());
    }
}

#[test]
fn a_banned_user_is_erased_only_with_the_ban() {
    let daemon = Daemon::start();
    let mut bo = daemon.login("bo");
    bo.says("spam");
    done(&daemon, &["ban", "bo", "--reason", "spam"]);
    let refused = run(daemon.folder(), &["user", "erase", "bo"], "");
    assert_eq!(refused.code, Some(70));
    assert!(
        refused.err.contains("banned on the server") && refused.err.contains("--lift"),
        "{}",
        refused.err
    );
    let said = done(&daemon, &["user", "erase", "bo", "--lift"]);
    assert!(said.starts_with("erased; the name in its place is erased-"), "{said}");
    assert_eq!(done(&daemon, &["ban", "list"]), "");
}

#[test]
fn the_operator_sees_what_was_found_and_which_rooms_have_no_owner() {
    let daemon = Daemon::with(ACCOUNTS);
    registered(&daemon, "anazx");
    done(&daemon, &["grant", "anazx", "owner", "--room", "lobby"]);
    let mut ana = logs_in(&daemon, "anazx", "her own");
    ana.says("one");
    ana.says("two");
    // With a Cyrillic a.
    let refused = run(daemon.folder(), &["user", "erase", "an\u{430}zx"], "");
    assert!(refused.code == Some(70) && refused.err.contains("only looks the same"), "{}", refused.err);
    let said = done(&daemon, &["user", "erase", "anazx"]);
    assert!(said.contains("\nmessages: 2\nlobby has no owner now: "), "{said}");
    let said = done(&daemon, &["user", "erase", "cyzx"]);
    assert!(said.ends_with("\nmessages: 0: none was by cyzx"), "{said}");
}
