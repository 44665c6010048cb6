//! Tests that the documents match the program: the transcript of `docs/PROTOCOL.md` is replayed, and the
//! examples of `README.md` are run.
//!
//! A transcript is a fenced block marked `transcript`, on a fresh daemon with default settings. `ana> LINE`
//! is sent by ana, whose connection opens with her first line; `ana< LINE` is the next line that she
//! receives. `ana x` drops her connection without a close; `ana .` means that the daemon closes it. A line
//! that begins with `#` is for the reader. Times, tokens, log ids and versions differ between runs: a token
//! or a log id stands for the one that was received in its place before, and `$any` for any text.

use crate::common::web::Page;
use crate::common::{Daemon, Peer, in_shell};
use crate::outside::{has, repository};
use serde_json::Value;
use std::collections::HashMap;

/// The fenced blocks with this mark.
fn blocks(file: &str, mark: &str) -> Vec<String> {
    let text = std::fs::read_to_string(repository().join(file)).unwrap();
    let mut found = Vec::new();
    let mut inside: Option<String> = None;
    for line in text.lines() {
        match &mut inside {
            Some(block) if line.starts_with("```") => {
                found.push(std::mem::take(block));
                inside = None;
            }
            Some(block) => {
                block.push_str(line);
                block.push('\n');
            }
            None if line.strip_prefix("```") == Some(mark) => inside = Some(String::new()),
            None => {}
        }
    }
    assert!(!found.is_empty(), "{file} has no block marked {mark}");
    found
}

/// Makes the parts equal that can differ between runs, and learns tokens.
fn align(shown: &mut Value, came: &Value, tokens: &mut HashMap<String, String>) {
    match (shown, came) {
        (Value::Object(shown), Value::Object(came)) => {
            for (key, shown) in shown {
                let Some(came) = came.get(key) else { continue };
                match (key.as_str(), came) {
                    ("session" | "log", Value::String(token)) => {
                        let old = shown.as_str().unwrap().to_owned();
                        let known = tokens.entry(old).or_insert_with(|| token.clone());
                        assert_eq!(known, token, "another token than before");
                        *shown = came.clone();
                    }
                    ("ts" | "version", Value::String(_)) => *shown = came.clone(),
                    (_, Value::String(_)) if shown == "$any" => *shown = came.clone(),
                    _ => align(shown, came, tokens),
                }
            }
        }
        (Value::Array(shown), Value::Array(came)) => {
            for (shown, came) in shown.iter_mut().zip(came) {
                align(shown, came, tokens);
            }
        }
        _ => {}
    }
}

#[test]
fn the_transcript_of_the_protocol_matches_the_daemon() {
    replay(|| (Daemon::start(), None));
}

#[test]
fn the_transcript_matches_the_daemon_over_a_websocket() {
    replay(|| {
        let (daemon, page) = Daemon::with_page("");
        (daemon, Some(page))
    });
}

fn replay(start: impl Fn() -> (Daemon, Option<Page>)) {
    for block in blocks("docs/PROTOCOL.md", "transcript") {
        let (daemon, page) = start();
        let mut peers: HashMap<String, Peer> = HashMap::new();
        let mut tokens: HashMap<String, String> = HashMap::new();
        for line in block.lines().filter(|l| !l.is_empty() && !l.starts_with('#')) {
            let (who, rest) = line.split_at(line.find(['>', '<', ' ']).unwrap_or_else(|| panic!("{line}")));
            let peer = || page.as_ref().map_or_else(|| daemon.connect(), Page::connect);
            match rest.chars().next() {
                Some('>') => {
                    let mut text = rest[1..].trim_start().to_owned();
                    for (shown, real) in &tokens {
                        text = text.replace(shown, real);
                    }
                    peers.entry(who.into()).or_insert_with(peer).sends_bytes(format!("{text}\n").as_bytes());
                }
                Some('<') => {
                    let mut shown: Value =
                        serde_json::from_str(rest[1..].trim()).unwrap_or_else(|e| panic!("{e}: {line}"));
                    let came = peers
                        .get_mut(who)
                        .unwrap()
                        .try_next()
                        .unwrap()
                        .unwrap_or_else(|| panic!("closed at {line}"));
                    align(&mut shown, &came, &mut tokens);
                    assert_eq!(came, shown, "the document says\n{line}\nand the daemon\n{who}< {came}\n");
                }
                _ if rest.trim() == "x" => drop(peers.remove(who)),
                _ if rest.trim() == "." => {
                    assert!(peers.remove(who).unwrap().try_next().unwrap().is_none(), "{line}")
                }
                _ => panic!("what is {line:?}?"),
            }
        }
        for (who, peer) in &mut peers {
            peer.sends(&serde_json::json!({"op": "PING", "id": "the end"}));
            let last = peer.try_next().unwrap().unwrap();
            assert_eq!(last["id"], "the end", "{who} was told more than the document shows: {last}");
        }
    }
}

#[test]
fn the_readmes_examples_work() {
    if !has("python3") || !has("openssl") {
        return;
    }
    for (mark, program) in [("python", "python3"), ("sh openssl", "sh")] {
        for block in blocks("README.md", mark) {
            let daemon = Daemon::start();
            let mut bo = daemon.login("bo");
            assert!(block.contains("3000"), "the example does not say where: {block}");
            let script = block.replace("3000", &daemon.address().port().to_string());
            let file = daemon.folder().join("example");
            std::fs::write(&file, script).unwrap();
            let end = in_shell(&format!("cd {} && {program} example", daemon.folder().display()));
            let said =
                format!("{}{}", String::from_utf8_lossy(&end.stdout), String::from_utf8_lossy(&end.stderr));
            assert!(end.status.success(), "{said}");
            assert!(
                said.contains("\"op\":\"MSG\"") || said.contains("hello"),
                "it shows nothing of what it does: {said}"
            );
            bo.hears("hello");
        }
    }
}

#[test]
fn every_error_kind_and_op_is_explained() {
    let text = std::fs::read_to_string(repository().join("docs/PROTOCOL.md")).unwrap();
    for word in [
        "PARSE",
        "DATA",
        "UNKNOWN_OP",
        "TOO_LARGE",
        "NOT_LOGGED_IN",
        "ALREADY_LOGGED_IN",
        "NAME_INVALID",
        "NAME_TAKEN",
        "SESSION_EXPIRED",
        "AUTH_FAILED",
        "NOT_A_MEMBER",
        "NO_SUCH_USER",
        "NO_SUCH_ROOM",
        "FORBIDDEN",
        "RATE_LIMITED",
        "SERVER_FULL",
        "TIMEOUT",
        "UNAVAILABLE",
        "INTERNAL",
        "LOGIN",
        "JOIN",
        "LEAVE",
        "MSG",
        "WHO",
        "ROOMS",
        "HISTORY",
        "SEARCH",
        "KICK",
        "MUTE",
        "UNMUTE",
        "BAN",
        "UNBAN",
        "ROOM",
        "GRANT",
        "REDACT",
        "REDACTED",
        "MARK",
        "PING",
        "QUIT",
        "PRESENCE",
        "NOTICE",
        "SHUTDOWN",
        "TAKEN_OVER",
        "GAP",
        "KICKED",
        "REMOVED",
        "OPERATOR",
    ] {
        assert!(text.contains(&format!("`{word}`")), "docs/PROTOCOL.md does not explain {word}");
    }
}

#[test]
fn every_dependency_has_its_line() {
    let read = |file: &str| std::fs::read_to_string(repository().join(file)).unwrap();
    let manifest: toml::Table = read("Cargo.toml").parse().unwrap();
    let reasons = read("CONTRIBUTING.md");
    let reasons: Vec<&str> =
        reasons.lines().filter_map(|l| l.strip_prefix("| ")?.split(" | ").next()).collect();
    let named: Vec<&str> = reasons.iter().flat_map(|crates| crates.split(", ")).collect();
    for name in manifest["workspace"]["dependencies"].as_table().unwrap().keys() {
        let own = name.starts_with("tcp-chat");
        assert!(own || named.contains(&name.as_str()), "CONTRIBUTING.md does not say what {name} is for");
    }
}

/// `dist` inherits the settings that make `release` quick to build: it must reset each of them.
#[test]
fn the_distributed_build_is_optimised_throughout() {
    let manifest = std::fs::read_to_string(repository().join("Cargo.toml")).unwrap();
    let manifest: toml::Table = manifest.parse().unwrap();
    let (release, dist) = (&manifest["profile"]["release"], &manifest["profile"]["dist"]);
    assert_eq!(dist["opt-level"].as_integer(), Some(3));
    for (name, package) in release["package"].as_table().unwrap() {
        let own = dist["package"].get(name).unwrap_or(package);
        assert_eq!(own["opt-level"].as_integer(), Some(3), "{name} in the profile dist");
    }
}

#[test]
fn every_test_that_a_document_names_exists() {
    let read = |file: &str| std::fs::read_to_string(repository().join(file));
    let mut named = 0;
    for document in ["docs/SECURITY-MODEL.md", "docs/OPERATIONS.md", "docs/WEB.md"] {
        let text = read(document).unwrap();
        for quoted in
            text.lines().filter(|l| l.starts_with('|')).flat_map(|l| l.split('`').skip(1).step_by(2))
        {
            let (file, test) = quoted.split_once("::").unwrap_or((quoted, ""));
            let is_code = [".rs", ".py", ".sh", ".mjs"].iter().any(|ending| file.ends_with(ending));
            if !is_code || !file.contains('/') {
                continue;
            }
            let source = read(file).unwrap_or_else(|e| panic!("{document} names {file}: {e}"));
            let is_there = ["fn", "def"].iter().any(|word| source.contains(&format!("{word} {test}(")));
            assert!(test.is_empty() || is_there, "{document} names {quoted}, which is not there");
            named += 1;
        }
    }
    assert!(named > 50, "{named} found");
}

#[test]
fn every_limit_is_in_the_table_of_limits() {
    let text = std::fs::read_to_string(repository().join("docs/OPERATIONS.md")).unwrap();
    let table = text.split("## Limits").nth(1).unwrap().split("\n## ").next().unwrap();
    let config = std::fs::read_to_string(repository().join("config.toml")).unwrap();
    let section = config.split("[limits]").nth(1).unwrap().split("\n[").next().unwrap();
    let is_key = |l: &&str| l.starts_with(|c: char| c.is_ascii_lowercase());
    for line in section.lines().filter_map(|l| l.strip_prefix('#')).filter(is_key) {
        let key = line.split(" = ").next().unwrap();
        assert!(table.contains(&format!("`{key}`")), "{key} is not in the table");
    }
}

#[test]
fn every_alert_has_its_entry_in_the_runbook() {
    let read = |file: &str| std::fs::read_to_string(repository().join(file)).unwrap();
    let text = read("docs/OPERATIONS.md");
    let runbook = text.split("\n## What to do when\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let entries: HashMap<&str, &str> =
        runbook.split("\n### ").skip(1).filter_map(|e| e.split_once('\n')).collect();
    let rules = read("packaging/prometheus/tcp-chatd.rules.yml");
    let mut alerts = 0;
    for rule in rules.split("- alert: ").skip(1) {
        let alert = rule.lines().next().unwrap();
        let named = rule.split("runbook: \"OPERATIONS.md, What to do when: ").nth(1);
        let named =
            named.and_then(|n| n.split('"').next()).unwrap_or_else(|| panic!("{alert} names no entry"));
        let entry = entries.get(named).unwrap_or_else(|| panic!("{alert} names {named}, which is not there"));
        assert!(
            entry.lines().next().unwrap().contains(&format!("`{alert}`")),
            "{named} does not name {alert}"
        );
        alerts += 1;
    }
    assert!(alerts > 10, "{alerts}");
    assert_eq!(runbook.matches("`TcpChatd").count(), alerts, "an entry names an alert that is not there");
    for (title, entry) in entries {
        assert!(entry.contains("* See: ") && entry.contains("\n* Do: "), "{title}");
    }
}

#[test]
fn links_within_the_operators_document_have_a_target() {
    let text = std::fs::read_to_string(repository().join("docs/OPERATIONS.md")).unwrap();
    let anchor = |title: &str| {
        let kept = title.to_lowercase().replace(' ', "-");
        kept.chars().filter(|c| c.is_alphanumeric() || *c == '-').collect::<String>()
    };
    let headings = text.lines().filter(|line| line.starts_with("##"));
    let anchors: Vec<String> = headings.map(|line| anchor(line.trim_start_matches('#').trim())).collect();
    let links: Vec<&str> = text.split("](#").skip(1).filter_map(|rest| rest.split(')').next()).collect();
    assert!(links.len() > 30, "{}", links.len());
    for link in links {
        assert!(anchors.iter().any(|anchor| anchor == link), "#{link} leads nowhere");
    }
}
