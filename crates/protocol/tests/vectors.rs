//! Checks the implementation against `vectors/`, which other languages read, too.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use serde_json::{Value, json};
use tcp_chat_protocol::reply::{self, FoundMessage, Incoming};
use tcp_chat_protocol::request::{Bounds, parse, write};

/// The files that `vectors/README.md` names.
const BOUNDS: Bounds = Bounds { msg_bytes: 64, rooms: 4 };

fn vectors(json: &str) -> Vec<Value> {
    let vectors: Vec<Value> = serde_json::from_str(json).unwrap();
    assert!(!vectors.is_empty());
    vectors
}

fn line(vector: &Value) -> &[u8] {
    vector["line"].as_str().unwrap().as_bytes()
}

#[test]
fn requests_mean_the_same_when_they_are_written_again() {
    for vector in vectors(include_str!("../vectors/requests.json")) {
        let (id, request) = parse(line(&vector), &BOUNDS).unwrap_or_else(|why| panic!("{vector}: {why:?}"));
        let mut written = Vec::new();
        write(id.as_ref(), &request, &mut written);
        assert_eq!(serde_json::from_slice::<Value>(&written).unwrap(), vector["request"], "{vector}");
        let again = vector["request"].to_string();
        assert_eq!(parse(again.as_bytes(), &BOUNDS), Ok((id, request)), "{vector}");
    }
}

#[test]
fn refusals_have_a_kind_the_id_and_name_the_field() {
    for vector in vectors(include_str!("../vectors/refusals.json")) {
        let refusal = parse(line(&vector), &BOUNDS).expect_err(&vector.to_string());
        assert_eq!(json!(refusal.kind), vector["kind"], "{vector}: {refusal:?}");
        assert_eq!(json!(refusal.id), vector["id"], "{vector}: {refusal:?}");
        assert!(refusal.msg.contains(vector["says"].as_str().unwrap()), "{vector}: {}", refusal.msg);
    }
}

#[test]
fn lines_of_the_daemon_are_what_they_say() {
    let server = vectors(include_str!("../vectors/server.json"));
    let conversations = vectors(include_str!("../vectors/conversations.json"));
    for vector in server.into_iter().chain(conversations) {
        let incoming = reply::read(line(&vector)).unwrap_or_else(|why| panic!("{vector}: {why}"));
        let (is, op, id, data) = match incoming {
            Incoming::Msg(id, message) => ("message", "MSG".to_owned(), id, json!(message)),
            Incoming::Presence(presence) => ("presence", "PRESENCE".to_owned(), None, json!(presence)),
            Incoming::Notice(notice) => ("notice", "NOTICE".to_owned(), None, json!(notice)),
            Incoming::Redacted(redacted) => ("redacted", "REDACTED".to_owned(), None, json!(redacted)),
            Incoming::Room(room) => ("room", "ROOM".to_owned(), None, json!(room)),
            Incoming::Mark(mark) => ("mark", "MARK".to_owned(), None, json!(mark)),
            Incoming::Error(id, error) => ("error", "ERROR_MSG".to_owned(), id, json!(error)),
            Incoming::Reply { op, id, data } => ("reply", op, id, serde_json::from_str(data.get()).unwrap()),
        };
        let expected: Value = serde_json::from_slice(line(&vector)).unwrap();
        assert_eq!(
            json!([is, op, id, data]),
            json!([vector["is"], expected["op"], expected["id"], expected["data"]])
        );
    }
}

#[test]
fn a_found_text_is_cut_at_its_highlights() {
    for vector in vectors(include_str!("../vectors/highlights.json")) {
        let message = json!({
            "room": "lobby", "seq": 1, "prev": 0, "ts": "2026-11-29T10:00:00.000Z", "user": "ana", "color": "",
            "msg": vector["text"], "highlights": vector["highlights"],
        });
        let found: FoundMessage = serde_json::from_value(message).unwrap();
        let parts: Vec<_> = found
            .parts()
            .into_iter()
            .map(|(part, marked)| json!([found.message.msg[part], marked]))
            .collect();
        assert_eq!(json!(parts), vector["parts"], "{vector}");
    }
}
