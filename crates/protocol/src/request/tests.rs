//! The request parser as tables, and as a property over arbitrary bytes.

use super::*;
use crate::Role;
use proptest::prelude::*;

const BOUNDS: Bounds = Bounds { msg_bytes: 64, rooms: 4 };

fn ok(line: &str) -> (Option<RequestId>, Request<'_>) {
    parse(line.as_bytes(), &BOUNDS).unwrap_or_else(|e| panic!("{line}: {e:?}"))
}

fn refused(line: &[u8]) -> Refusal {
    parse(line, &BOUNDS).expect_err(&String::from_utf8_lossy(line))
}

#[test]
fn the_two_requests_of_the_seed() {
    let (_, login) = ok(r#"{"op":"LOGIN","data":{"name":"ana","color":"red"}}"#);
    let Request::Login(login) = login else { panic!("{login:?}") };
    assert_eq!(login.name.unwrap().as_str(), "ana");
    assert_eq!(login.color, Some(Colour::Red));
    let (_, msg) = ok(r#"{"op":"MSG","data":"hello"}"#);
    assert_eq!(msg, Request::Msg { to: Target::Default, text: "hello".into() });
}

#[test]
fn every_op() {
    let room = |n: &str| Place(Some(Name::parse(n).unwrap()));
    for (line, want) in [
        (r#"{"op":"JOIN","data":{"room":"ops"}}"#, Request::Join(Name::parse("ops").unwrap())),
        (r#"{"op":"LEAVE","data":{"room":"ops"}}"#, Request::Leave(room("ops"))),
        (r#"{"op":"WHO"}"#, Request::Who(None)),
        (r#"{"op":"WHO","data":{}}"#, Request::Who(None)),
        (r#"{"op":"WHO","data":null}"#, Request::Who(None)),
        (r#"{"op":"WHO","data":{"room":"ops"}}"#, Request::Who(Some(room("ops")))),
        (r#"{"op":"WHO","data":{"room":"no name"}}"#, Request::Who(Some(Place(None)))),
        (r#"{"op":"ROOMS"}"#, Request::Rooms),
        (r#"{"op":"PING","data":[[1],"x"]}"#, Request::Ping),
        (r#" {"op":"QUIT","unknown":{"a":[1]}} "#, Request::Quit),
        (r#"{"op":"\u0050ING"}"#, Request::Ping),
        (
            r#"{"op":"MSG","data":{"room":"ops","msg":"x"}}"#,
            Request::Msg { to: Target::Room(room("ops")), text: "x".into() },
        ),
        (
            r#"{"op":"MSG","data":{"to":"bo","msg":"x\ny"}}"#,
            Request::Msg { to: Target::User(room("bo")), text: "x\ny".into() },
        ),
        (
            r#"{"op":"HISTORY","data":{"room":"ops","before":9}}"#,
            Request::History(History {
                of: Conversation::Room(room("ops")),
                before: Some(9),
                after: None,
                limit: 50,
            }),
        ),
        (
            r#"{"op":"SEARCH","data":{"query":"a b","user":"bo","limit":100}}"#,
            Request::Search(Box::new(Search {
                query: "a b".into(),
                room: None,
                user: Some(room("bo")),
                before: None,
                limit: 100,
            })),
        ),
    ] {
        assert_eq!(ok(line).1, want, "{line}");
    }
}

#[test]
fn ids_come_back_as_they_were_sent() {
    for id in ["0", "18446744073709551615", r#""""#, r#""q-1""#, r#""é\"""#] {
        let line = format!(r#"{{"op":"PING","id":{id}}}"#);
        let (got, _) = ok(&line);
        assert_eq!(serde_json::to_string(&got.unwrap()).unwrap(), id);
    }
    assert_eq!(ok(r#"{"op":"PING","id":null}"#).0, None);
    let long = format!(r#"{{"op":"PING","id":"{}"}}"#, "x".repeat(65));
    for line in [
        &long,
        r#"{"op":"PING","id":-1}"#,
        r#"{"op":"PING","id":1.5}"#,
        r#"{"op":"PING","id":[1]}"#,
        r#"{"op":"PING","id":18446744073709551616}"#,
    ] {
        let refusal = refused(line.as_bytes());
        assert_eq!((refusal.kind, refusal.id), (ErrorKind::Data, None), "{line}");
    }
}

#[test]
fn refusals_have_a_kind_the_id_and_name_the_field() {
    let long = format!(r#"{{"op":"MSG","id":7,"data":"{}"}}"#, "x".repeat(65));
    for (line, kind, word) in [
        (r#"{"op":"NOPE","id":7}"#, ErrorKind::UnknownOp, "NOPE"),
        (r#"{"id":7}"#, ErrorKind::Data, "`op`"),
        (r#"{"op":5,"id":7}"#, ErrorKind::Data, "`op`"),
        (r#"{"op":"LOGIN","id":7}"#, ErrorKind::Data, "`data`"),
        (r#"{"op":"LOGIN","id":7,"data":["ana"]}"#, ErrorKind::Data, "`data`"),
        (r#"{"op":"LOGIN","id":7,"data":{}}"#, ErrorKind::Data, "`name`"),
        (r#"{"op":"LOGIN","id":7,"data":{"name":7}}"#, ErrorKind::Data, "`name`"),
        (r#"{"op":"LOGIN","id":7,"data":{"name":"a b"}}"#, ErrorKind::NameInvalid, "`name`"),
        (r#"{"op":"LOGIN","id":7,"data":{"name":"a","color":"pink"}}"#, ErrorKind::Data, "`color`"),
        (r#"{"op":"LOGIN","id":7,"data":{"name":"a","rooms":"x"}}"#, ErrorKind::Data, "`rooms`"),
        (
            r#"{"op":"LOGIN","id":7,"data":{"name":"a","rooms":["a","b","c","a b"]}}"#,
            ErrorKind::NameInvalid,
            "`rooms`",
        ),
        // They are counted before one of them is looked at.
        (
            r#"{"op":"LOGIN","id":7,"data":{"name":"a","rooms":["a b","b","c","d","e"]}}"#,
            ErrorKind::Data,
            "`rooms`: 5",
        ),
        (r#"{"op":"LOGIN","id":7,"data":{"name":"a","after":-1}}"#, ErrorKind::Data, "`after`"),
        (r#"{"op":"LOGIN","id":7,"data":{"name":"a","name":"b"}}"#, ErrorKind::Data, "name"),
        (r#"{"op":"JOIN","id":7,"data":{"room":"a b"}}"#, ErrorKind::NameInvalid, "`room`"),
        (r#"{"op":"MSG","id":7}"#, ErrorKind::Data, "`data`"),
        (r#"{"op":"MSG","id":7,"data":5}"#, ErrorKind::Data, "`data`"),
        (r#"{"op":"MSG","id":7,"data":""}"#, ErrorKind::Data, "`msg`"),
        (r#"{"op":"MSG","id":7,"data":"a\u0000"}"#, ErrorKind::Data, "`msg`"),
        (r#"{"op":"MSG","id":7,"data":"\ud800"}"#, ErrorKind::Data, "`data`"),
        (r#"{"op":"MSG","id":7,"data":{"msg":"x"}}"#, ErrorKind::Data, "`room` or `to`"),
        (r#"{"op":"MSG","id":7,"data":{"room":"a","to":"b","msg":"x"}}"#, ErrorKind::Data, "exclude"),
        (r#"{"op":"HISTORY","id":7,"data":{"room":"a","limit":501}}"#, ErrorKind::Data, "`limit`"),
        (r#"{"op":"HISTORY","id":7,"data":{"limit":5}}"#, ErrorKind::Data, "`room` or `with`"),
        (r#"{"op":"SEARCH","id":7,"data":{"query":" "}}"#, ErrorKind::Data, "`query`"),
        (&long, ErrorKind::Data, "`msg`"),
    ] {
        let refusal = refused(line.as_bytes());
        assert_eq!(refusal.kind, kind, "{line}: {refusal:?}");
        assert_eq!(refusal.id, Some(RequestId::Number(7)), "{line}");
        assert!(refusal.msg.contains(word), "{line}: {}", refusal.msg);
    }
}

#[test]
fn what_is_no_object_is_no_request() {
    let deep = "[".repeat(60_000);
    let deep_object = r#"{"a":"#.repeat(9_000);
    for line in [
        &b"hello"[..],
        b"[]",
        br#"["LOGIN",{"name":"a"}]"#,
        b"{",
        b"5",
        b"\xff\xfe",
        b"{\"op\":\"PING\"} x",
        b"\xef\xbb\xbf{}",
        br#"{"op":"PING",}"#,
        deep.as_bytes(),
        deep_object.as_bytes(),
    ] {
        let refusal = refused(line);
        assert_eq!(refusal.kind, ErrorKind::Parse, "{:?}", String::from_utf8_lossy(line));
    }
}

#[test]
fn depth_costs_nothing_where_data_is_not_looked_at() {
    let line = format!(r#"{{"op":"PING","data":{}{}}}"#, "[".repeat(30_000), "]".repeat(30_000));
    assert_eq!(ok(&line).1, Request::Ping);
}

#[test]
fn secrets_are_not_printed() {
    let (_, request) = ok(r#"{"op":"LOGIN","data":{"name":"a","password":"hunter2","session":"tok3n"}}"#);
    let shown = format!("{request:?}");
    assert!(!shown.contains("hunter2") && !shown.contains("tok3n"), "{shown}");
}

proptest! {
    #[test]
    fn any_bytes_are_a_request_or_a_refusal(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Err(refusal) = parse(&bytes, &BOUNDS) {
            prop_assert!(!refusal.msg.is_empty() && refusal.msg.len() < 1000);
        }
    }

    #[test]
    fn a_text_arrives_code_point_for_code_point(text in any::<String>()) {
        let line = serde_json::json!({"op": "MSG", "data": &text}).to_string();
        let bounds = Bounds { msg_bytes: 8192, rooms: 4 };
        match parse(line.as_bytes(), &bounds) {
            Ok((_, Request::Msg { text: got, .. })) => prop_assert_eq!(got, text),
            Ok(other) => prop_assert!(false, "{:?}", other),
            Err(_) => prop_assert!(text.is_empty() || text.contains('\0')),
        }
    }
}

#[test]
fn keeping_order() {
    let against = |room: Option<&str>, for_s, reason: &str| Against {
        user: Name::parse("bo").unwrap(),
        room: room.map(|room| Place(Name::parse(room).ok())),
        for_s,
        reason: reason.into(),
    };
    let grant = |role, room: Option<&str>| Act::Grant {
        user: Name::parse("bo").unwrap(),
        role,
        room: room.map(|room| Place(Name::parse(room).ok())),
    };
    for (line, want) in [
        (r#"{"op":"KICK","data":{"user":"bo"}}"#, Act::Kick(against(None, None, ""))),
        (
            r#"{"op":"KICK","data":{"user":"bo","room":"ops","reason":"spam","for_s":"not read"}}"#,
            Act::Kick(against(Some("ops"), None, "spam")),
        ),
        (
            r#"{"op":"MUTE","data":{"user":"bo","room":"ops","for_s":60}}"#,
            Act::Mute(against(Some("ops"), Some(60), "")),
        ),
        (r#"{"op":"UNMUTE","data":{"user":"bo"}}"#, Act::Unmute(against(None, None, ""))),
        (r#"{"op":"BAN","data":{"user":"bo","room":null,"for_s":null}}"#, Act::Ban(against(None, None, ""))),
        (
            r#"{"op":"UNBAN","data":{"user":"bo","room":"no name"}}"#,
            Act::Unban(against(Some("no name"), None, "")),
        ),
        (
            r#"{"op":"ROOM","data":{"room":"ops","private":true}}"#,
            Act::Room { room: Place(Name::parse("ops").ok()), private: true },
        ),
        (r#"{"op":"GRANT","data":{"user":"bo","role":"owner"}}"#, grant(Some(Role::Owner), None)),
        (
            r#"{"op":"GRANT","data":{"user":"bo","role":"read-only","room":"ops"}}"#,
            grant(Some(Role::ReadOnly), Some("ops")),
        ),
        (r#"{"op":"GRANT","data":{"user":"bo","role":"none"}}"#, grant(None, None)),
    ] {
        assert_eq!(ok(line).1, Request::Act(Box::new(want)), "{line}");
    }
    let long = format!(r#"{{"op":"KICK","data":{{"user":"bo","reason":"{}"}}}}"#, "x".repeat(257));
    for (line, kind, word) in [
        (r#"{"op":"KICK"}"#, ErrorKind::Data, "data"),
        (r#"{"op":"KICK","data":{}}"#, ErrorKind::Data, "user"),
        (r#"{"op":"MUTE","data":{"user":"no name"}}"#, ErrorKind::NameInvalid, "user"),
        (r#"{"op":"MUTE","data":{"user":"bo","for_s":0}}"#, ErrorKind::Data, "for_s"),
        (r#"{"op":"BAN","data":{"user":"bo","for_s":1e9}}"#, ErrorKind::Data, "for_s"),
        (r#"{"op":"BAN","data":{"user":"bo","for_s":999999999999}}"#, ErrorKind::Data, "for_s"),
        (r#"{"op":"BAN","data":{"user":"bo","reason":"a\u0000"}}"#, ErrorKind::Data, "reason"),
        (&long, ErrorKind::Data, "reason"),
        (r#"{"op":"ROOM","data":{"room":"ops"}}"#, ErrorKind::Data, "private"),
        (r#"{"op":"ROOM","data":{"room":"ops","private":1}}"#, ErrorKind::Data, "private"),
        (r#"{"op":"GRANT","data":{"user":"bo"}}"#, ErrorKind::Data, "role"),
        (r#"{"op":"GRANT","data":{"user":"bo","role":"king"}}"#, ErrorKind::Data, "role"),
        (r#"{"op":"GRANT","data":{"user":"bo","role":"member","room":7}}"#, ErrorKind::Data, "room"),
    ] {
        let refusal = refused(line.as_bytes());
        assert_eq!(refusal.kind, kind, "{line}");
        assert!(refusal.msg.contains(word), "{line}: {}", refusal.msg);
    }
}
