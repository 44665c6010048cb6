//! The session after the server's log was replaced, and with a server that breaks the protocol.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

mod peer;

use peer::{Peer, Server, lost, message, next, next_message, within};
use serde_json::{Value, json};
use std::time::Duration;
use tcp_chat_client::{Error, Event, Saved, To};

/// The next connection resumes after `after` of the log `of`; the reply names the current log.
async fn resumes(server: &Server, after: u64, of: &str, head: u64, log: Option<(&str, u64)>) -> Peer {
    let mut peer = server.accept().await;
    let login = peer.expect("LOGIN").await;
    assert_eq!((&login["data"]["after"], &login["data"]["log"]), (&json!(after), &json!(of)), "{login}");
    peer.login_to(&login, head, log).await;
    peer
}

#[tokio::test]
async fn a_restore_is_said_and_hides_nothing_of_what_is_said_next() {
    let server = Server::start().await;
    let (session, mut events, mut peer) = server.logged_in_to(server.client(), 10, Some(("a", 0))).await;
    for seq in 11..=20 {
        peer.say(seq, seq - 1, "before").await;
        assert_eq!(next_message(&mut events).await.0, seq);
    }
    let queued = session.queue(To::Default, "not acknowledged").await.unwrap();
    let msg = peer.expect("MSG").await;
    peer.cut();

    // A restored backup ended with message 12, and one message followed.
    let mut peer = resumes(&server, 20, "a", 13, Some(("b", 12))).await;
    peer.say(13, 12, "after").await;
    peer.all_is_here().await;
    let again = peer.expect("MSG").await;
    assert_eq!(again, msg, "the session is the same, so one id is one message");
    peer.keep(&again, 14, 13).await;
    assert_eq!(within(queued.kept()).await.unwrap().seq, 14);
    let place = |saved: Saved| (saved.after, saved.log.unwrap());
    assert_eq!(place(session.saved()), (20, "a".into()), "as long as nobody has heard of it");
    match next(&mut events).await {
        Event::LogReplaced { after: 20, from: 12, log } => assert_eq!(log.as_deref(), Some("b")),
        other => panic!("{other:?}"),
    }
    assert_eq!(place(session.saved()), (12, "b".into()));
    assert_eq!(next_message(&mut events).await, (13, "after".into()));
    assert!(matches!(next(&mut events).await, Event::Resumed { caught_up: 1 }));
    assert_eq!(next_message(&mut events).await.0, 14);
    peer.cut();

    let mut peer = resumes(&server, 14, "b", 14, Some(("b", 12))).await;
    peer.all_is_here().await;
    assert!(matches!(next(&mut events).await, Event::Resumed { caught_up: 0 }), "it is said once");
    let saved = session.saved();
    drop((session, events, peer));

    // The same for a later process.
    let serving = async {
        let mut peer = resumes(&server, 14, "b", 13, Some(("c", 11))).await;
        peer.say(12, 11, "again").await;
        peer.all_is_here().await;
        peer
    };
    let (client, _peer) =
        within(async { tokio::join!(server.client().resume(saved).connect(), serving) }).await;
    let (session, mut events) = client.unwrap();
    assert_eq!(place(session.saved()), (14, "b".into()));
    assert!(matches!(next(&mut events).await, Event::LogReplaced { after: 14, from: 11, .. }));
    assert_eq!(next_message(&mut events).await, (12, "again".into()));
    assert_eq!(place(session.saved()), (12, "c".into()));
}

#[tokio::test]
async fn a_session_that_begins_is_told_what_holds_of_the_numbers_that_were_seen_before() {
    let server = Server::start().await;
    for (seen, log, head, answer, from) in [
        (20, Some("a"), 30, Some(("b", 12)), Some(12)),
        (10, Some("a"), 30, Some(("b", 12)), Some(10)),
        (20, Some("a"), 15, Some(("a", 0)), Some(15)),
        (20, None, 15, Some(("b", 12)), Some(15)),
        (20, Some("b"), 30, Some(("b", 12)), None),
        (20, None, 30, Some(("b", 12)), None),
    ] {
        let serving = async {
            let mut peer = server.accept().await;
            let login = peer.expect("LOGIN").await;
            assert_eq!(login["data"]["log"].as_str(), log, "{login}");
            assert_eq!((&login["data"]["session"], &login["data"]["after"]), (&Value::Null, &Value::Null));
            peer.login_to(&login, head, answer).await;
            peer
        };
        let client = server.client().seen(seen, log.map(Into::into));
        let (client, _peer) = within(async { tokio::join!(client.connect(), serving) }).await;
        let (session, mut events) = client.unwrap();
        if from.is_some() {
            match next(&mut events).await {
                Event::LogReplaced { after, from: told, .. } => assert_eq!((after, Some(told)), (seen, from)),
                other => panic!("{other:?}"),
            }
        }
        assert!(matches!(next(&mut events).await, Event::Connected(_)));
        assert_eq!(
            (session.saved().after, session.saved().log.as_deref()),
            (head, answer.map(|(log, _)| log))
        );
    }
}

#[tokio::test]
async fn a_head_below_the_cursor_is_said_also_by_a_server_without_names_for_its_log() {
    let server = Server::start().await;
    let (_session, mut events, peer) = server.logged_in(server.client(), 10).await;
    peer.cut();
    let mut peer = server.accept().await;
    let login = peer.expect("LOGIN").await;
    assert_eq!((&login["data"]["after"], &login["data"]["log"]), (&json!(10), &Value::Null));
    peer.login(&login, 4).await;
    peer.all_is_here().await;
    peer.say(5, 4, "what is said next").await;
    assert!(matches!(next(&mut events).await, Event::LogReplaced { after: 10, from: 4, log: None }));
    assert!(matches!(next(&mut events).await, Event::Resumed { caught_up: 0 }));
    assert_eq!(next_message(&mut events).await.0, 5);
}

#[tokio::test]
async fn a_restore_that_ended_the_session_says_from_where_the_history_is_new() {
    let server = Server::start().await;
    let (_session, mut events, peer) = server.logged_in_to(server.client(), 20, Some(("a", 0))).await;
    peer.cut();
    let mut peer = server.accept().await;
    let login = peer.expect("LOGIN").await;
    peer.refuse(&login, "SESSION_EXPIRED", None).await;
    let login = peer.expect("LOGIN").await;
    peer.login_to(&login, 30, Some(("b", 12))).await;
    assert!(matches!(next(&mut events).await, Event::LogReplaced { after: 20, from: 12, .. }));
    assert!(matches!(next(&mut events).await, Event::SessionLost { after: 12, head: 30 }));
    assert!(matches!(next(&mut events).await, Event::Connected(_)));
    peer.say(31, 30, "live").await;
    assert_eq!(next_message(&mut events).await.0, 31);
}

#[tokio::test]
async fn nonsense_costs_the_connection_is_said_and_silences_nothing() {
    let event =
        |seq: u64, prev: u64| json!({"op": "MSG", "status": "OK", "data": message(seq, prev, "bo", "x")});
    for (line, what) in [
        (event(u64::MAX, 11), "it sent the number 18446744073709551615 where the newest one was 11"),
        (event(1 << 50, 11), "it sent the number"),
        (event(9, 8), "it sent message 9 after message 11"),
        (event(12, 12), "it sent message 12 and said that message 12 was before it"),
        (
            json!({"op": "NOTICE", "status": "OK", "data": {"kind": "GAP", "msg": "", "from": 1, "to": u64::MAX}}),
            "it sent the number",
        ),
        (json!({"op": "MSG", "status": "OK", "data": {}}), "a line: a field is missing"),
    ] {
        let server = Server::start().await;
        let (_session, mut events, mut peer) = server.logged_in(server.client(), 10).await;
        peer.write(json!({"op": "FROM_THE_FUTURE", "status": "OK", "data": {"x": 1}})).await;
        peer.say(11, 10, "before").await;
        assert_eq!(next_message(&mut events).await.0, 11);
        peer.write(line).await;
        peer.say(12, 11, "behind it").await;
        let (_, attempt, why) = lost(&mut events).await;
        assert!(matches!(&why, Error::Protocol(said) if said.contains(what)), "{what}: {why}");
        assert_eq!(attempt, 1);
        let mut peer = server.resumed(11).await;
        peer.say(12, 11, "behind it").await;
        peer.all_is_here().await;
        assert_eq!(next_message(&mut events).await, (12, "behind it".into()));
        assert!(matches!(next(&mut events).await, Event::Resumed { caught_up: 1 }));
    }
}

#[tokio::test]
async fn a_head_that_no_server_reaches_is_no_login() {
    let server = Server::start().await;
    let serving = async {
        let mut peer = server.accept().await;
        let login = peer.expect("LOGIN").await;
        peer.login(&login, u64::MAX).await;
        peer
    };
    let (done, _peer) = within(async { tokio::join!(server.client().connect(), serving) }).await;
    assert!(matches!(done, Err(Error::Protocol(why)) if why.contains("18446744073709551615")));
}

#[tokio::test]
async fn a_copy_of_something_else_is_not_kept_and_not_sent_again() {
    for (change, what) in [
        (("msg", json!("another")), "another text"),
        (("room", json!("elsewhere")), "another room"),
        (("user", json!("bo")), "another author"),
        (("seq", json!(u64::MAX)), "it sent the number"),
    ] {
        let server = Server::start().await;
        let (session, mut events, mut peer) = server.logged_in(server.client(), 10).await;
        let queued = session.queue(To::Room("lobby".into()), "one").await.unwrap();
        let msg = peer.expect("MSG").await;
        let mut copy = message(11, 10, "ana", "one");
        copy[change.0] = change.1;
        peer.write(json!({"op": "MSG", "status": "OK", "id": msg["id"], "data": copy})).await;
        let failed = within(queued.kept()).await;
        assert!(matches!(&failed, Err(Error::Protocol(why)) if why.contains(what)), "{what}: {failed:?}");
        let (.., why) = lost(&mut events).await;
        assert!(matches!(&why, Error::Protocol(said) if said.contains(what)), "{why}");
        let mut peer = server.resumed(10).await;
        peer.all_is_here().await;
        let asked = session.clone();
        #[expect(clippy::disallowed_methods, reason = "a test")]
        tokio::spawn(async move { asked.ping().await });
        peer.expect("PING").await; // and no MSG before it
    }
}

#[tokio::test]
async fn an_answer_to_another_request_is_none() {
    let server = Server::start().await;
    let (session, mut events, mut peer) = server.logged_in(server.client(), 10).await;
    let serving = async {
        let who = peer.expect("WHO").await;
        peer.write(json!({"op": "ROOMS", "status": "OK", "id": who["id"], "data": {"rooms": []}})).await;
    };
    let (done, ()) = within(async { tokio::join!(session.who(None), serving) }).await;
    assert!(
        matches!(&done, Err(Error::Protocol(why)) if why.contains("WHO") && why.contains("ROOMS")),
        "{done:?}"
    );
    assert!(matches!(lost(&mut events).await, (_, 1, Error::Protocol(_))));
}

#[tokio::test]
async fn a_server_that_loses_each_connection_after_the_login_is_asked_less_and_less() {
    let server = Server::start().await;
    let (_session, mut events, peer) = server.logged_in(server.client(), 10).await;
    peer.cut();
    for least in [0, 250, 500] {
        let (wait, attempt, _) = lost(&mut events).await;
        assert!(wait >= Duration::from_millis(least), "{wait:?}, {least}");
        assert_eq!(attempt, 1, "each of them is a loss of its own");
        let mut peer = server.resumed(10).await;
        peer.all_is_here().await;
        assert!(matches!(next(&mut events).await, Event::Resumed { caught_up: 0 }));
        peer.cut();
    }
}

#[tokio::test]
async fn a_server_that_asks_for_no_wait_gets_one_all_the_same() {
    let server = Server::start().await;
    let (session, mut events, mut peer) = server.logged_in(server.client(), 10).await;
    peer.notice(json!({"kind": "SHUTDOWN", "msg": "", "retry_after_ms": 0})).await;
    assert!(matches!(within(events.next()).await, Some(Event::Notice(_))));
    peer.cut();
    assert_eq!(lost(&mut events).await.0, Duration::ZERO);
    let mut peer = server.resumed(10).await;
    peer.all_is_here().await;
    peer.notice(json!({"kind": "SHUTDOWN", "msg": "", "retry_after_ms": 0})).await;
    peer.cut();
    assert!(matches!(next(&mut events).await, Event::Resumed { .. }));
    assert!(matches!(within(events.next()).await, Some(Event::Notice(_))));
    assert!(lost(&mut events).await.0 >= Duration::from_millis(250));
    drop(session);
}
