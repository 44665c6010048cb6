//! Tests of searches: words, phrases, prefixes; newest first; only messages that the user may read; never an
//! error text of the database.

use crate::common::{Daemon, Peer};
use serde_json::{Value, json};

fn finds(peer: &mut Peer, data: Value) -> Vec<String> {
    let page = peer.asks("SEARCH", data);
    assert!(page["more"].is_boolean(), "{page}");
    page["messages"].as_array().unwrap().iter().map(|m| m["msg"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn words_phrases_and_beginnings() {
    let daemon = Daemon::start();
    let mut ana = daemon.login("ana");
    for text in
        ["The quick brown fox", "a brown quick dog", "foxes everywhere", "nothing at all", "Ünïcode Straße"]
    {
        ana.says(text);
    }
    for (query, found) in [
        ("fox", vec!["The quick brown fox"]),
        ("FOX", vec!["The quick brown fox"]),
        ("quick brown", vec!["a brown quick dog", "The quick brown fox"]),
        ("\"quick brown\"", vec!["The quick brown fox"]),
        ("fox*", vec!["foxes everywhere", "The quick brown fox"]),
        ("absent", vec![]),
        ("straße", vec!["Ünïcode Straße"]),
    ] {
        assert_eq!(finds(&mut ana, json!({ "query": query })), found, "{query}");
    }
}

#[test]
fn filters_and_pages() {
    let daemon = Daemon::start();
    let mut ana = daemon.login_to("ana", &["lobby", "ops"]);
    let mut bo = daemon.login_to("bo", &["lobby", "ops"]);
    for n in 0..30 {
        ana.says(&format!("needle {n}"));
    }
    bo.says_in("ops", "needle from bo");
    assert_eq!(finds(&mut ana, json!({"query": "needle", "user": "BO"})), ["needle from bo"]);
    assert_eq!(finds(&mut ana, json!({"query": "needle", "room": "ops"})), ["needle from bo"]);
    let page = ana.asks("SEARCH", json!({"query": "needle"}));
    assert_eq!((page["messages"].as_array().unwrap().len(), &page["more"]), (20, &json!(true)));
    assert_eq!(page["messages"][0]["room"], "ops", "each tells its room");

    let (mut all, mut before) = (Vec::new(), None);
    loop {
        let mut data = json!({"query": "needle", "room": "lobby", "limit": 7});
        if let Some(before) = before {
            data["before"] = before;
        }
        let page = ana.asks("SEARCH", data);
        let found = page["messages"].as_array().unwrap();
        all.extend(found.iter().map(|m| m["msg"].as_str().unwrap().to_owned()));
        before = found.last().map(|m| m["seq"].clone());
        if page["more"] == false {
            break;
        }
    }
    assert_eq!(all, (0..30).rev().map(|n| format!("needle {n}")).collect::<Vec<_>>(), "newest first");
}

#[test]
fn only_what_is_ones_own_is_found() {
    let daemon = Daemon::start();
    let (mut ana, mut bo, mut cy) =
        (daemon.login_to("ana", &["den"]), daemon.login_to("bo", &["den"]), daemon.login("cy"));
    ana.says_in("den", "secret in a room");
    ana.tells("bo", "secret between two");
    for peer in [&mut ana, &mut bo] {
        assert_eq!(finds(peer, json!({"query": "secret"})), ["secret between two", "secret in a room"]);
    }
    assert_eq!(finds(&mut cy, json!({"query": "secret"})), Vec::<String>::new());
    cy.is_refused("SEARCH", json!({"query": "secret", "room": "den"}), "NOT_A_MEMBER");
}

#[test]
fn what_is_no_expression_is_searched_as_words() {
    let daemon = Daemon::start();
    let mut ana = daemon.login("ana");
    ana.says("an unbalanced quote, AND then nothing: select drop table");
    for query in [
        "\"unbalanced",
        "unbalanced\"",
        "*",
        "**",
        "AND",
        "AND OR NOT",
        "unbalanced AND",
        "(",
        ")",
        "(unbalanced",
        "room:x",
        "foo:unbalanced",
        "NEAR(",
        "NEAR(unbalanced quote",
        "^unbalanced",
        "{text}:x",
        "+",
        "-x",
        "'",
        "''",
        "';DROP TABLE messages;--",
        "\\",
        "%",
        "_",
        "unbalanced*quote",
        "\"\"",
        "\u{1b}",
        "🦀",
        "\"\u{0}\"",
        "a\u{0}b",
        ".",
        ";",
        "unbalanced NOT",
        "\"a\" + \"b",
        "x NEAR/0 y",
        "1=1",
        "--",
        "/* */",
    ] {
        let reply = ana.asks_for("SEARCH", json!({ "query": query }));
        assert!(reply["status"] == "OK" || reply["data"]["kind"] == "DATA", "{query:?}: {reply}");
        let text = reply.to_string().to_lowercase();
        assert!(!text.contains("fts5") && !text.contains("syntax error"), "{query:?}: {reply}");
    }
    assert_eq!(finds(&mut ana, json!({"query": "\"unbalanced"})).len(), 1);
    assert_eq!(finds(&mut ana, json!({"query": "nothing: select"})).len(), 1);
}

#[test]
fn bounds_are_told_by_name() {
    let daemon = Daemon::start();
    let mut ana = daemon.login("ana");
    for (data, field) in [
        (Value::Null, "data"),
        (json!({}), "query"),
        (json!({"query": ""}), "query"),
        (json!({"query": 7}), "query"),
        (json!({"query": "x".repeat(60_000)}), "query"),
        (json!({"query": "x", "limit": 0}), "limit"),
        (json!({"query": "x", "limit": 101}), "limit"),
    ] {
        let sentence = ana.is_refused("SEARCH", data, "DATA");
        assert!(sentence.contains(field), "{sentence:?} does not name `{field}`");
    }
}
