//! The request parser as tables, and as a property over arbitrary bytes.

use super::*;
use crate::{Banned, Role};
use proptest::collection::vec;
use proptest::option;
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
    let name = |n: &str| Name::parse(n).unwrap();
    let room = |n: &str| Place(Some(name(n)));
    let action = |action| Request::Action(Box::new(action));
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
            r#"{"op":"SEARCH","data":{"query":"a b","user":"bo","after":7,"limit":100}}"#,
            Request::Search(Box::new(Search {
                query: "a b".into(),
                room: None,
                user: Some(room("bo")),
                before: None,
                after: Some(7),
                limit: 100,
            })),
        ),
        (
            r#"{"op":"MUTE","data":{"user":"bo","room":"ops","for_s":60,"reason":"spam"}}"#,
            action(Action::Mute(Against {
                target: name("bo"),
                room: Some(room("ops")),
                for_s: Some(60),
                reason: "spam".into(),
            })),
        ),
        (
            r#"{"op":"UNBAN","data":{"user":"bo"}}"#,
            action(Action::Unban(Against::new(Banned::User(name("bo"))))),
        ),
        (
            r#"{"op":"GRANT","data":{"user":"bo","role":"none"}}"#,
            action(Action::Grant { user: name("bo"), role: None, room: None }),
        ),
        (
            r#"{"op":"ROOM","data":{"room":"ops","topic":"On call: bo"}}"#,
            action(Action::Topic { room: room("ops"), topic: "On call: bo".into() }),
        ),
        (
            r#"{"op":"ROOM","data":{"room":"ops","private":null,"topic":""}}"#,
            action(Action::Topic { room: room("ops"), topic: String::new() }),
        ),
        (
            r#"{"op":"REDACT","data":{"room":"ops","seq":7,"reason":"a password"}}"#,
            action(Action::Redact(Redact {
                of: Conversation::Room(room("ops")),
                seq: 7,
                reason: "a password".into(),
            })),
        ),
        (
            r#"{"op":"REDACT","data":{"with":"bo","seq":7}}"#,
            action(Action::Redact(Redact {
                of: Conversation::With(room("bo")),
                seq: 7,
                reason: String::new(),
            })),
        ),
        (
            r#"{"op":"MARK","data":{"room":"ops","seq":7}}"#,
            Request::Mark(Mark { of: Conversation::Room(room("ops")), seq: 7 }),
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
    for line in [
        r#"{"op":"LOGIN","data":{"name":"a","password":"hunter2","session":"tok3n"}}"#,
        r#"{"op":"ENROL","data":{"name":"a","code":"tok3n","password":"hunter2"}}"#,
    ] {
        let shown = format!("{:?}", ok(line).1);
        assert!(!shown.contains("hunter2") && !shown.contains("tok3n"), "{shown}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_a_request_or_a_refusal(bytes in vec(any::<u8>(), 0..200)) {
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

    /// A [`Place`] that cannot be a name is written as the empty text: its spelling was lost when it was read.
    #[test]
    fn a_request_that_is_written_is_read_again(id in option::of(ids()), request in requests()) {
        let mut line = Vec::new();
        write(id.as_ref(), &request, &mut line);
        prop_assert_eq!(line.iter().position(|b| *b == b'\n'), Some(line.len() - 1));
        let bounds = Bounds { msg_bytes: 8192, rooms: 0 };
        prop_assert_eq!(parse(&line, &bounds), Ok((id, request)));
    }
}

fn ids() -> impl Strategy<Value = RequestId> {
    prop_oneof![
        any::<u64>().prop_map(RequestId::Number),
        "[^\\x00]{0,16}".prop_map(|text| RequestId::Text(text.into())),
    ]
}

fn names() -> impl Strategy<Value = Name> {
    let spellings =
        prop_oneof!["[a-zA-Z0-9]([a-z0-9_.-]{0,30}[a-z0-9])?", Just("山田".to_owned()), Just("é".to_owned())];
    spellings.prop_map(|text| Name::parse(&text).unwrap())
}

fn places() -> impl Strategy<Value = Place> {
    option::of(names()).prop_map(Place)
}

fn texts() -> impl Strategy<Value = String> {
    "(?s).{1,60}".prop_map(|text| text.replace('\0', " "))
}

fn conversations() -> impl Strategy<Value = Conversation> {
    prop_oneof![places().prop_map(Conversation::Room), places().prop_map(Conversation::With)]
}

fn actions() -> impl Strategy<Value = Action> {
    let for_s = || option::of(1..=MOST_SECONDS);
    let reason = || prop_oneof![Just(String::new()), texts()];
    let against = |for_s: BoxedStrategy<Option<u64>>| {
        let parts = (names(), option::of(places()), for_s, reason());
        parts.prop_map(|(target, room, for_s, reason)| Against { target, room, for_s, reason })
    };
    let ban = |Against { target, room, for_s, reason }| Against {
        target: Banned::User(target),
        room,
        for_s,
        reason,
    };
    let role = option::of(proptest::sample::select(Role::ALL.to_vec()));
    let grants = (names(), role, option::of(places()));
    prop_oneof![
        against(Just(None).boxed()).prop_map(Action::Kick),
        against(for_s().boxed()).prop_map(Action::Mute),
        against(Just(None).boxed()).prop_map(Action::Unmute),
        against(for_s().boxed()).prop_map(move |of| Action::Ban(ban(of))),
        against(Just(None).boxed()).prop_map(move |of| Action::Unban(ban(of))),
        (places(), any::<bool>()).prop_map(|(room, private)| Action::Room { room, private }),
        grants.prop_map(|(user, role, room)| Action::Grant { user, role, room }),
        (places(), "(?s).{0,400}").prop_map(|(room, topic)| {
            let topic = topic.replace('\0', " ");
            Action::Topic { room, topic }
        }),
        (conversations(), any::<Seq>(), reason()).prop_map(|(of, seq, reason)| Action::Redact(Redact {
            of,
            seq,
            reason
        })),
    ]
}

fn logins() -> impl Strategy<Value = Login> {
    let color = prop_oneof![
        Just(Colour::None),
        Just(Colour::Fuchsia),
        any::<[u8; 3]>().prop_map(|[r, g, b]| Colour::Rgb(r, g, b))
    ];
    let secret = || option::of(any::<String>().prop_map(Zeroizing::new));
    let parts = (
        option::of(names()),
        option::of(color),
        option::of(vec(names(), 0..4)),
        secret(),
        secret(),
        option::of(any::<Seq>()),
        option::of(any::<String>()),
    );
    // Without a session a login has a name.
    parts.prop_filter("no name", |(name, .., session, _, _)| name.is_some() || session.is_some()).prop_map(
        |(name, color, rooms, password, session, after, log)| Login {
            name,
            color,
            rooms,
            password,
            session,
            after,
            log,
        },
    )
}

fn requests() -> impl Strategy<Value = Request<'static>> {
    let seq = || option::of(any::<Seq>());
    let enrols = (names(), any::<String>(), option::of(texts()), any::<String>());
    let to =
        prop_oneof![Just(Target::Default), places().prop_map(Target::Room), places().prop_map(Target::User)];
    let histories = (conversations(), seq(), seq(), 1..=500_usize);
    let query = texts().prop_filter("blank", |query| !query.trim().is_empty());
    let searches = (query, option::of(places()), option::of(places()), seq(), seq(), 1..=100_usize);
    prop_oneof![
        logins().prop_map(|login| Request::Login(Box::new(login))),
        enrols.prop_map(|(name, code, password, csr)| {
            let wants = password.map_or(Wants::Certificate(csr), |p| Wants::Password(Zeroizing::new(p)));
            Request::Enrol(Box::new(Enrol { name, code: Zeroizing::new(code), wants }))
        }),
        names().prop_map(Request::Join),
        places().prop_map(Request::Leave),
        (to, texts()).prop_map(|(to, text)| Request::Msg { to, text: text.into() }),
        option::of(places()).prop_map(Request::Who),
        histories.prop_map(|(of, before, after, limit)| {
            Request::History(History { of, before, after, limit })
        }),
        searches.prop_map(|(query, room, user, before, after, limit)| {
            Request::Search(Box::new(Search { query, room, user, before, after, limit }))
        }),
        actions().prop_map(|action| Request::Action(Box::new(action))),
        (conversations(), any::<Seq>()).prop_map(|(of, seq)| Request::Mark(Mark { of, seq })),
        prop_oneof![Just(Request::Rooms), Just(Request::Ping), Just(Request::Quit)],
    ]
}
