//! Tests of searches: words, phrases, prefixes; newest first; only messages that the user may read; never an
//! error text of the database.

use crate::common::{Daemon, Peer, in_shell};
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
fn after_is_exclusive_and_more_is_true_only_within_it() {
    let daemon = Daemon::start();
    let mut ana = daemon.login_to("ana", &["lobby", "ops"]);
    let seqs: Vec<u64> = (0..10).map(|n| ana.says(&format!("needle {n}")).seq).collect();
    let mut search = |data: Value| {
        let page = ana.asks("SEARCH", data);
        let found = page["messages"].as_array().unwrap().iter().map(|m| m["seq"].as_u64().unwrap());
        assert_eq!(page["head"], seqs[9], "{page}");
        assert_eq!(page["indexed"], page["head"], "so few are always searched: {page}");
        (found.collect::<Vec<_>>(), page["more"] == true)
    };
    let newest_first = |range: std::ops::Range<usize>| seqs[range].iter().rev().copied().collect::<Vec<_>>();
    let after = json!({"query": "needle", "after": seqs[3]});
    assert_eq!(search(after), (newest_first(4..10), false));
    let between =
        json!({"query": "needle", "after": seqs[3], "before": seqs[7], "room": "lobby", "user": "ana"});
    assert_eq!(search(between.clone()), (newest_first(4..7), false));
    for (limit, more) in [(2, true), (3, false)] {
        let mut data = between.clone();
        data["limit"] = limit.into();
        assert_eq!(
            search(data),
            (newest_first(7 - usize::try_from(limit).unwrap()..7), more),
            "limit {limit}"
        );
    }
    assert_eq!(search(json!({"query": "needle", "after": seqs[9]})), (vec![], false));
    assert_eq!(search(json!({"query": "needle", "after": u64::MAX})), (vec![], false));
    assert_eq!(search(json!({"query": "needle", "after": null})).0.len(), 10);
    // Without a conversation there is nothing to search, and all of it was searched.
    ana.asks("LEAVE", json!({"room": "lobby"}));
    ana.asks("LEAVE", json!({"room": "ops"}));
    let page = ana.asks("SEARCH", json!({"query": "needle"}));
    assert_eq!(page, json!({"messages": [], "more": false, "indexed": seqs[9], "head": seqs[9]}));
}

/// The index is a folder, so it never has a message.
#[test]
fn a_search_without_an_index_reads_the_newest_messages_and_then_says_how_far_it_reached() {
    let free = "limits.messages_per_second = 0\nlimits.bytes_per_second = 0\n";
    let mut daemon = Daemon::with(free);
    daemon.login("ana").says("kept before");
    daemon.signal("TERM");
    daemon.ended();
    let index = daemon.folder().join("data/chat.db-search");
    in_shell(&format!("rm -f {0}*; mkdir -p {0}/full", index.display()));
    daemon.start_again();
    let mut bo = daemon.login("bo");
    bo.says("needle one");
    let page = bo.asks("SEARCH", json!({"query": "needle"}));
    assert_eq!(
        (&page["messages"][0]["msg"], &page["messages"][0]["highlights"]),
        (&json!("needle one"), &json!([[0, 6]]))
    );
    assert_eq!((&page["indexed"], &page["head"]), (&json!(2), &json!(2)));
    for n in 0..1_000 {
        bo.says(&format!("needle {n}"));
    }
    let page = bo.asks("SEARCH", json!({"query": "needle"}));
    assert_eq!(page, json!({"messages": [], "more": false, "indexed": 0, "head": 1_002}));
    assert_eq!(bo.asks("HISTORY", json!({"room": "lobby", "limit": 1}))["messages"][0]["msg"], "needle 999");
}

#[test]
fn words_of_scripts_without_spaces_are_found_and_their_characters_stay_whole() {
    let daemon = Daemon::start();
    let mut ana = daemon.login("ana");
    for text in ["서버가 죽었어요", "วันนี้กินข้าวที่บ้าน", "明日は東京へ行きます", "हिन्दी में", "👨‍👩‍👧 family"]
    {
        ana.says(text);
    }
    for (query, text, highlights) in [
        ("서버", "서버가 죽었어요", json!([[0, 2]])),
        ("ที่บ้าน", "วันนี้กินข้าวที่บ้าน", json!([[13, 7]])),
        ("ท", "วันนี้กินข้าวที่บ้าน", json!([[13, 3]])),
        ("東京", "明日は東京へ行きます", json!([[3, 2]])),
        ("हिन्दी", "हिन्दी में", json!([[0, 6]])),
        ("👩", "👨‍👩‍👧 family", json!([[0, 5]])),
    ] {
        let page = ana.asks("SEARCH", json!({ "query": query }));
        assert_eq!(
            (&page["messages"][0]["msg"], &page["messages"][0]["highlights"]),
            (&json!(text), &highlights),
            "{query}"
        );
    }
    assert_eq!(
        finds(&mut ana, json!({"query": "กัน"})),
        Vec::<String>::new(),
        "another word: กิน has another vowel"
    );
}

#[test]
fn a_search_finds_only_the_conversations_of_its_user() {
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
fn an_invalid_expression_is_searched_as_words() {
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
fn a_value_out_of_bounds_is_refused_by_its_name() {
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
        (json!({"query": "x", "after": -1}), "after"),
        (json!({"query": "x", "after": "7"}), "after"),
    ] {
        let sentence = ana.is_refused("SEARCH", data, "DATA");
        assert!(sentence.contains(field), "{sentence:?} does not name `{field}`");
    }
}
