//! Tests of the framing: any division into reads, both line endings, the exact limit, and lines after an
//! invalid one.

use crate::common::Daemon;
use serde_json::{Value, json};

/// A `PING` of exactly this many bytes.
fn ping_of(bytes: usize, id: u64) -> String {
    let (head, tail) = (format!(r#"{{"op":"PING","id":{id},"data":""#), "\"}");
    let line = format!("{head}{}{tail}", "x".repeat(bytes - head.len() - tail.len()));
    assert_eq!(line.len(), bytes);
    line
}

fn answers(peer: &mut crate::common::Peer, id: u64) {
    let line = peer.next_where("the answer", |line| line["id"] == id);
    assert_eq!((&line["op"], &line["status"]), (&json!("PING"), &json!("OK")), "{line}");
}

#[test]
fn bytes_may_come_one_at_a_time() {
    let daemon = Daemon::start();
    let mut ana = daemon.connect();
    for byte in b"{\"op\":\"LOGIN\",\"data\":{\"name\":\"ana\"},\"id\":1}\n{\"op\":\"MSG\",\"data\":\"h\xc3\xa9\"}\r\n" {
        ana.sends_bytes(&[*byte]);
    }
    assert_eq!(ana.next_where("LOGIN", |l| l["id"] == 1)["status"], "OK");
    ana.hears("hé");
}

#[test]
fn many_lines_may_come_at_once() {
    let daemon = Daemon::start();
    let mut ana = daemon.login("ana");
    let lines: String = (0..500).map(|n| format!("{{\"op\":\"MSG\",\"data\":\"{n}\"}}\n")).collect();
    ana.sends_bytes(lines.as_bytes());
    for n in 0..500 {
        ana.hears(&n.to_string());
    }
}

#[test]
fn a_character_may_be_split_over_two_reads() {
    let daemon = Daemon::start();
    let mut ana = daemon.login("ana");
    let line = "{\"op\":\"MSG\",\"data\":\"🦀 é 山\"}\n".as_bytes();
    for cut in 1..line.len() {
        ana.sends_bytes(&line[..cut]);
        ana.sends_bytes(&line[cut..]);
        ana.hears("🦀 é 山");
    }
}

#[test]
fn both_endings_and_empty_lines_are_taken() {
    let daemon = Daemon::start();
    let mut ana = daemon.login("ana");
    ana.sends_bytes(b"\n\r\n\n{\"op\":\"PING\",\"id\":1}\r\n\r\n\n{\"op\":\"PING\",\"id\":2}\n");
    answers(&mut ana, 1);
    answers(&mut ana, 2);
    ana.has_nothing("ERROR_MSG");
}

#[test]
fn the_line_limit_holds_to_the_byte() {
    let daemon = Daemon::start();
    let mut ana = daemon.login("ana");
    for (id, ending) in [(1, "\n"), (2, "\r\n")] {
        ana.sends_bytes(format!("{}{ending}", ping_of(65_536, id)).as_bytes());
        answers(&mut ana, id);
    }
    for ending in ["\n", "\r\n"] {
        ana.sends_bytes(format!("{}{ending}", ping_of(65_537, 3)).as_bytes());
        ana.hears_error("TOO_LARGE");
    }
    ana.has_nothing("ERROR_MSG");
}

#[test]
fn the_line_limit_is_configurable() {
    let daemon = Daemon::with("limits.line_bytes = 8000\nlimits.msg_bytes = 1000");
    let mut ana = daemon.connect();
    let reply = ana.login("ana");
    assert_eq!(reply["limits"], json!({"line_bytes": 8000, "msg_bytes": 1000}));
    ana.sends_bytes(format!("{}\n", ping_of(8_000, 1)).as_bytes());
    answers(&mut ana, 1);
    ana.sends_bytes(format!("{}\n{}\n", ping_of(8_001, 2), ping_of(100, 3)).as_bytes());
    ana.hears_error("TOO_LARGE");
    answers(&mut ana, 3);
}

#[test]
fn a_line_without_end_is_skipped_and_not_held() {
    let daemon = Daemon::start();
    let mut ana = daemon.login("ana");
    let before = daemon.resident();
    for _ in 0..64 {
        ana.sends_bytes(&vec![b'x'; 1024 * 1024]);
    }
    // It still reads, and stores none of the 64 MiB.
    let grown = daemon.resident().saturating_sub(before);
    assert!(grown < 16 * 1024 * 1024, "{grown} bytes more");
    ana.sends_bytes(b"\n{\"op\":\"PING\",\"id\":7}\n");
    ana.hears_error("TOO_LARGE");
    answers(&mut ana, 7);
    ana.has_nothing("ERROR_MSG");
}

#[test]
fn a_line_that_is_not_a_json_object_is_parse_and_the_next_line_is_served() {
    let daemon = Daemon::start();
    let mut ana = daemon.login("ana");
    let lines: [&[u8]; 16] = [
        b"hello",
        b"{\"op\":\"PING\"",
        b"{\"op\":\"PING\"}}",
        b"{\"op\":\"PING\"} x",
        b"[\"PING\"]",
        b"[\"PING\",null,null]",
        b"[]",
        b"null",
        b"\"PING\"",
        b"42",
        b"{'op':'PING'}",
        b"{\"op\":\"PING\",}",
        b"{\"op\":\"PI\xffNG\"}",
        b"\xc3\x28",
        b"{\"op\":\"MSG\",\"data\":\"\xed\xa0\x80\"}",
        b"\xef\xbb\xbf{\"op\":\"PING\"}",
    ];
    for (n, line) in lines.iter().enumerate() {
        ana.sends_bytes(line);
        ana.sends_bytes(format!("\n{{\"op\":\"PING\",\"id\":{n}}}\n").as_bytes());
        let error = ana.hears_error("PARSE");
        assert_eq!(error.get("id"), None, "{error}");
        answers(&mut ana, n as u64);
    }
}

#[test]
fn unknown_fields_are_ignored() {
    let daemon = Daemon::start();
    let mut ana = daemon.login("ana");
    ana.sends(
        &json!({"op": "MSG", "data": {"room": "lobby", "msg": "hi", "mood": [1]}, "id": 1, "v": {"a": null}}),
    );
    assert_eq!(ana.hears("hi").id, Some(json!(1)));
}

#[test]
fn an_id_comes_back_exactly_as_sent() {
    let daemon = Daemon::start();
    let mut ana = daemon.login("ana");
    let long = "x".repeat(64);
    for id in [json!(0), json!(u64::MAX), json!(""), json!("7"), json!("é\n\"🦀"), json!(long)] {
        ana.sends(&json!({"op": "PING", "id": id}));
        let reply = ana.next_where("PING", |l| l["op"] == "PING");
        assert_eq!(reply.get("id"), Some(&id));
        assert_eq!(reply.get("data").filter(|d| !d.is_null()), None, "PING has nothing to say: {reply}");
        ana.sends(&json!({"op": "DANCE", "id": id}));
        assert_eq!(ana.hears_error("UNKNOWN_OP").get("id"), Some(&id));
    }
    ana.sends(&json!({"op": "PING"}));
    assert_eq!(ana.next_where("PING", |l| l["op"] == "PING").get("id"), None);
    for id in [
        json!(-1),
        json!(1.5),
        json!(true),
        json!([]),
        json!({}),
        json!("x".repeat(65)),
        json!("é".repeat(33)),
    ] {
        ana.sends(&json!({"op": "PING", "id": id}));
        ana.hears_error("DATA");
    }
}

#[test]
fn an_op_is_a_string_however_it_is_written() {
    let daemon = Daemon::start();
    let mut ana = daemon.login("ana");
    ana.sends_bytes(b"{\"op\":\"\\u0050IN\\u0047\",\"id\":1}\n");
    answers(&mut ana, 1);
    ana.sends_bytes(b" \t{ \"id\" : 2 ,\t\"op\":\"PING\" } \r\n");
    answers(&mut ana, 2);
    for op in [Value::Null, json!(7), json!({}), json!([])] {
        ana.sends(&json!({"op": op, "id": 3}));
        ana.hears_error("DATA");
    }
    ana.sends_bytes(b"{}\n");
    ana.hears_error("DATA");
    for op in ["ping", "", "MSG ", "ERROR_MSG", "PRESENCE"] {
        ana.sends(&json!({"op": op, "id": 4}));
        ana.hears_error("UNKNOWN_OP");
    }
}
