//! Tests of messages: to rooms and to users; their numbers, chains, order and content.

use crate::common::{Daemon, LOBBY, Peer, run};
use serde_json::{Value, json};

#[test]
fn the_room_receives_a_message_and_its_author_a_copy_with_the_id() {
    let daemon = Daemon::start();
    let mut ana = daemon.login("ana");
    let mut bo = daemon.login("bo");
    let own = ana.says_as(json!("mine"), json!({"room": "lobby", "msg": "hello"}));
    let theirs = bo.hears("hello");
    assert_eq!(theirs.id, None, "an id is the author's alone");
    assert_eq!((own.seq, own.prev, theirs.seq, theirs.prev), (1, 0, 1, 0));
    assert_eq!((theirs.user.as_str(), theirs.conversation.as_str()), ("ana", LOBBY));
    ana.has_nothing("MSG");
}

#[test]
fn a_bare_string_goes_to_the_first_configured_room() {
    let daemon = Daemon::with("rooms.default = [\"hall\", \"lobby\"]");
    let mut ana = daemon.login("ana");
    ana.sends(&json!({"op": "MSG", "data": "hi"}));
    let event = ana.hears("hi");
    assert_eq!((event.conversation.as_str(), event.id), ("hall", None));
    let mut bo = daemon.login_to("bo", &["lobby"]);
    bo.is_refused("MSG", json!("hi"), "NOT_A_MEMBER");
}

#[test]
fn only_two_users_receive_a_direct_message() {
    let daemon = Daemon::start();
    let (mut ana, mut bo, mut cy) = (daemon.login("ana"), daemon.login("bo"), daemon.login("cy"));
    ana.sends(&json!({"op": "MSG", "data": {"to": "bo", "msg": "psst"}, "id": 9}));
    for (peer, id) in [(&mut ana, Some(json!(9))), (&mut bo, None)] {
        let event = peer.next_where("MSG", |l| l["op"] == "MSG");
        assert_eq!(event.get("id"), id.as_ref());
        assert_eq!((&event["data"]["user"], &event["data"]["to"]), (&json!("ana"), &json!("bo")));
        assert_eq!(event["data"].get("room"), None);
    }
    let answer = bo.tells("ana", "what?");
    assert_eq!(answer.prev, 1, "both ways are one conversation");
    ana.hears("what?");
    cy.has_nothing("MSG");
    ana.is_refused("MSG", json!({"to": "nobody", "msg": "?"}), "NO_SUCH_USER");
}

#[test]
fn missing_and_extra_fields_are_data_errors() {
    let daemon = Daemon::with("limits.msg_bytes = 100");
    let mut ana = daemon.login("ana");
    for (data, field) in [
        (json!(null), "data"),
        (json!(7), "data"),
        (json!([]), "data"),
        (json!({}), "room"),
        (json!({"msg": "x"}), "room"),
        (json!({"room": "lobby"}), "msg"),
        (json!({"room": "lobby", "msg": 7}), "msg"),
        (json!({"room": 7, "msg": "x"}), "room"),
        (json!({"to": 7, "msg": "x"}), "to"),
        (json!({"room": "lobby", "to": "ana", "msg": "x"}), "to"),
        (json!({"room": "lobby", "msg": ""}), "msg"),
        (json!(""), "msg"),
        (json!({"room": "lobby", "msg": "a\u{0}b"}), "msg"),
        (json!({"room": "lobby", "msg": "x".repeat(101)}), "msg"),
        (json!({"room": "lobby", "msg": "é".repeat(51)}), "msg"),
    ] {
        let sentence = ana.is_refused("MSG", data.clone(), "DATA");
        assert!(sentence.contains(field), "{data}: {sentence:?} does not name `{field}`");
    }
    ana.says(&"x".repeat(100));
    ana.says(&"é".repeat(50));
}

#[test]
fn numbers_rise_and_each_conversation_is_chained() {
    let daemon = Daemon::start();
    let mut ana = daemon.login_to("ana", &["lobby", "ops"]);
    let mut bo = daemon.login_to("bo", &["lobby", "ops"]);
    let a = ana.says_in("lobby", "a");
    let b = bo.says_in("ops", "b");
    let c = ana.tells("bo", "c");
    let d = bo.says_in("lobby", "d");
    let e = ana.says_in("ops", "e");
    let f = bo.tells("ana", "f");
    let all = [&a, &b, &c, &d, &e, &f];
    assert!(all.windows(2).all(|p| p[0].seq < p[1].seq));
    assert_eq!([a.prev, b.prev, c.prev], [0, 0, 0]);
    assert_eq!([d.prev, e.prev, f.prev], [a.seq, b.seq, c.seq]);
}

#[test]
fn everyone_sees_one_order_whatever_the_room() {
    const EACH: usize = 200;
    let daemon = Daemon::with("limits.messages_per_second = 0");
    let rooms = ["lobby", "ops", "dev"];
    let mut watchers: Vec<Peer> = (0..2).map(|n| daemon.login_to(&format!("watcher{n}"), &rooms)).collect();
    let entered: Vec<_> = (0..4).map(|n| daemon.login_to(&format!("talker{n}"), &rooms)).collect();
    let talkers: Vec<_> = entered
        .into_iter()
        .enumerate()
        .map(|(n, mut peer)| {
            std::thread::spawn(move || {
                for i in 0..EACH {
                    let line =
                        json!({"op": "MSG", "data": {"room": rooms[(i + n) % 3], "msg": format!("{n} {i}")}});
                    peer.sends_bytes(format!("{line}\n").as_bytes());
                }
                (0..4 * EACH).map(|_| peer.next_message()).collect::<Vec<_>>()
            })
        })
        .collect();
    let mut views: Vec<Vec<_>> = talkers.into_iter().map(|t| t.join().unwrap()).collect();
    for watcher in &mut watchers {
        views.push((0..4 * EACH).map(|_| watcher.next_message()).collect());
    }
    for view in &views[1..] {
        assert_eq!(view, &views[0]);
    }
    // In each conversation the order of an author is kept. Between rooms it can differ if the client did not
    // wait for an answer: waiting messages are numbered room by room.
    for n in 0..4 {
        for (r, room) in rooms.iter().enumerate() {
            let author = format!("talker{n}");
            let said = views[0].iter().filter(|m| m.user == author && m.conversation == *room);
            let said: Vec<_> = said.map(|m| m.text.clone()).collect();
            let expected: Vec<_> =
                (0..EACH).filter(|i| (i + n) % 3 == r).map(|i| format!("{n} {i}")).collect();
            assert_eq!(said, expected);
        }
    }
}

#[test]
fn text_arrives_code_point_for_code_point() {
    let daemon = Daemon::start();
    let (mut ana, mut bo) = (daemon.login("ana"), daemon.login("bo"));
    let mut texts: Vec<String> = [
        "plain",
        " spaces at both ends ",
        "\n",
        "two\nlines\r\nand\ta tab",
        "\"quoted\" \\ back / slash",
        "🦀👩‍👩‍👧‍👦🏳️‍🌈",
        "e\u{301} is not é",
        "\u{feff}a byte order mark",
        "\u{202e}backwards\u{202c}",
        "\u{200b}\u{200d}\u{2060}",
        "\u{1b}[31mred\u{1b}[0m\u{7}\u{9b}5n",
        "\u{1}\u{8}\u{b}\u{1f}\u{7f}\u{85}\u{9f}",
        "\u{2028}\u{2029}",
        "\u{fffd}\u{fffe}\u{ffff}\u{10ffff}\u{e000}",
        "{\"op\":\"QUIT\"}",
        "\\u0041 \\n",
        "null",
        "z\u{335}\u{321}\u{34b}a\u{338}l\u{337}g\u{334}o\u{336}",
    ]
    .map(String::from)
    .into();
    // All code points of the most interesting blocks of the first planes, in pieces.
    let all: Vec<char> =
        (1..0x3000).chain(0xd7f0..0xe010).chain(0xfdd0..0x10100).filter_map(char::from_u32).collect();
    texts.extend(all.chunks(500).map(|c| c.iter().collect()));
    for text in &texts {
        ana.says(text);
        bo.hears(text);
        // The same with every character escaped, surrogate pairs included.
        let escaped: String = text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
        if escaped.len() < 60_000 {
            ana.sends_bytes(format!("{{\"op\":\"MSG\",\"data\":\"{escaped}\"}}\n").as_bytes());
            ana.hears(text);
            bo.hears(text);
        }
    }
}

#[test]
fn the_timestamp_has_the_documented_form() {
    let daemon = Daemon::start();
    let mut ana = daemon.login("ana");
    ana.sends(&json!({"op": "MSG", "data": "when"}));
    let event = ana.next_where("MSG", |l| l["op"] == "MSG");
    let ts = event["data"]["ts"].as_str().unwrap();
    let shape: String = ts.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    assert_eq!(shape, "0000-00-00T00:00:00.000Z", "{ts}");
}

/// A client whose counter starts again at 1 would lose a message: the second message is refused, not dropped.
/// After the restart another room is the first configured one: the message is stored in the earlier one.
#[test]
fn a_resend_without_a_target_is_recognised_after_the_default_room_changed() {
    let mut daemon = Daemon::with("rooms.default = [\"lobby\", \"ops\"]");
    let mut ana = daemon.login_to("ana", &["lobby", "ops"]);
    let asks = |ana: &mut Peer, line: &Value| {
        ana.sends(line);
        ana.next_where("the answer", |answer| answer["id"] == line["id"])
    };
    let said = |id: u64, text: &str| json!({"op": "MSG", "data": text, "id": id});
    let first = asks(&mut ana, &said(1, "before"));
    assert_eq!(first["data"]["room"], "lobby");
    let session = ana.session();
    let config = daemon.folder().join("config.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text.replace("[\"lobby\", \"ops\"]", "[\"ops\", \"lobby\"]")).unwrap();
    assert_eq!(run(daemon.folder(), &["reload"], "").code, Some(0));
    assert_eq!(asks(&mut ana, &said(1, "before")), first, "after a reload");
    drop(ana);
    daemon.restart();
    let mut ana = daemon.resume(&session);
    assert_eq!(asks(&mut ana, &said(1, "before")), first, "after a restart");
    assert_eq!(asks(&mut ana, &said(1, "another"))["data"]["kind"], "DATA");
    assert_eq!(asks(&mut ana, &said(2, "after"))["data"]["room"], "ops");
}

#[test]
fn an_id_names_one_message() {
    let mut daemon = Daemon::start();
    let mut ana = daemon.login_to("ana", &["lobby", "ops"]);
    let bo = daemon.login("bo");
    let said = |room: &str, text: &str, id: Value| json!({"op": "MSG", "data": {"room": room, "msg": text}, "id": id});
    let text = "the \u{e9}clair,\n\"kept\"";
    let asks = |ana: &mut Peer, line: &Value| {
        ana.sends(line);
        ana.next_where("the answer", |answer| answer["id"] == line["id"])
    };
    let first = asks(&mut ana, &said("lobby", text, json!(1)));
    let by_name = asks(&mut ana, &said("ops", text, json!("m-1")));
    let direct = json!({"op": "MSG", "data": {"to": "bo", "msg": text}, "id": 7});
    let to_bo = asks(&mut ana, &direct);
    let session = ana.session();
    for how in ["at once", "after a reconnect", "after kill -9"] {
        for (line, event) in [
            (said("lobby", text, json!(1)), &first),
            (json!({"op": "MSG", "data": text, "id": 1}), &first),
            (said("Lobby", text, json!(1)), &first),
            (said("ops", text, json!("m-1")), &by_name),
            (direct.clone(), &to_bo),
        ] {
            assert_eq!(asks(&mut ana, &line), *event, "{how}: {line}");
        }
        for line in [
            said("lobby", "the second message", json!(1)),
            said("ops", text, json!(1)),
            json!({"op": "MSG", "data": "the second message", "id": 1}),
            json!({"op": "MSG", "data": {"to": "bo", "msg": text}, "id": 1}),
            said("nowhere", text, json!(1)),
            json!({"op": "MSG", "data": {"to": "nobody", "msg": text}, "id": 1}),
            said("ops", "the \u{65}\u{301}clair,\n\"kept\"", json!("m-1")),
            json!({"op": "MSG", "data": {"to": "ana", "msg": text}, "id": 7}),
        ] {
            let refused = asks(&mut ana, &line);
            assert_eq!(refused["data"]["kind"], "DATA", "{how}: {line}: {refused}");
            let msg = refused["data"]["msg"].as_str().unwrap();
            assert!(msg.contains("this id was used for another message"), "{msg}");
        }
        drop(ana);
        if how == "after a reconnect" {
            daemon.signal("KILL");
            daemon.ended();
            daemon.start_again();
        }
        ana = daemon.resume(&session);
    }
    drop(bo);
    let kept = ana.asks("HISTORY", json!({"room": "lobby"}));
    assert_eq!(kept["messages"].as_array().unwrap().len(), 1);
    // Two messages with one id in one write: the first is stored, the second refused.
    ana.sends(&said("lobby", "one", json!(90)));
    ana.sends(&said("lobby", "two", json!(90)));
    ana.hears("one");
    ana.hears_error("DATA");
}
