//! A session across lost connections, restarts, limits and wrong answers.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

mod peer;

use peer::{Server, message, next, next_message, within};
use serde_json::json;
use std::time::Duration;
use tcp_chat_client::protocol::ErrorKind;
use tcp_chat_client::{Error, Event, Page, Saved, To};

#[tokio::test]
async fn sends_and_hears() {
    let server = Server::start().await;
    let (session, mut events, mut peer) = server.logged_in(server.client().room("lobby"), 10).await;
    let serving = async {
        let msg = peer.expect("MSG").await;
        assert_eq!(msg["data"], json!({"room": "lobby", "msg": "hello\n🦀"}));
        peer.keep(&msg, 11, 10).await;
        peer.say(12, 11, "hi").await;
    };
    let (sent, ()) =
        within(async { tokio::join!(session.send(To::Room("lobby".into()), "hello\n🦀"), serving) }).await;
    assert_eq!(sent.unwrap().seq, 11);
    assert!(matches!(next(&mut events).await, Event::Message(m) if m.own && m.id.is_some() && m.seq() == 11));
    assert!(
        matches!(next(&mut events).await, Event::Message(m) if !m.own && m.user() == "bo" && m.text() == "hi")
    );
}

#[tokio::test]
async fn what_was_not_acknowledged_is_sent_again_under_the_same_id_once_all_is_here() {
    let server = Server::start().await;
    let (session, mut events, mut peer) = server.logged_in(server.client(), 10).await;
    let queued = session.queue(To::Default, "one").await.unwrap();
    let first = peer.expect("MSG").await;
    peer.say(11, 10, "before the cut").await;
    assert_eq!(next_message(&mut events).await, (11, "before the cut".into()));
    peer.cut();

    let mut peer = server.resumed(11).await;
    peer.say(12, 11, "missed").await;
    peer.all_is_here().await;
    let again = peer.expect("MSG").await;
    assert_eq!(again, first, "not before all that was missed is here, and under the same id");
    peer.keep(&again, 13, 12).await;
    assert_eq!(within(queued.kept()).await.unwrap().seq, 13);
    assert_eq!(next_message(&mut events).await, (12, "missed".into()));
    assert!(matches!(next(&mut events).await, Event::Resumed { caught_up: 1 }));
    assert_eq!(next_message(&mut events).await, (13, "one".into()));
}

#[tokio::test]
async fn an_own_message_in_the_replay_is_its_acknowledgement() {
    let server = Server::start().await;
    let (session, mut events, mut peer) = server.logged_in(server.client(), 10).await;
    let queued = session.queue(To::Default, "one").await.unwrap();
    let first = peer.expect("MSG").await;
    peer.cut();
    let mut peer = server.resumed(10).await;
    peer.keep(&first, 11, 10).await;
    peer.all_is_here().await;
    assert_eq!(within(queued.kept()).await.unwrap().seq, 11);
    assert_eq!(next_message(&mut events).await, (11, "one".into()));
    assert!(matches!(next(&mut events).await, Event::Resumed { caught_up: 1 }));
    let asked = session.clone();
    #[expect(clippy::disallowed_methods, reason = "a test")]
    tokio::spawn(async move { asked.ping().await });
    peer.expect("PING").await; // and no MSG before it
}

#[tokio::test]
async fn doubles_are_dropped_and_a_broken_chain_is_told() {
    let server = Server::start().await;
    let (_session, mut events, mut peer) = server.logged_in(server.client(), 10).await;
    peer.say(11, 10, "a").await;
    peer.say(11, 10, "a").await;
    peer.say(14, 13, "c").await;
    peer.say(15, 14, "d").await;
    assert_eq!(next_message(&mut events).await, (11, "a".into()));
    assert!(matches!(next(&mut events).await, Event::ChainBroken { last: 11, prev: 13, seq: 14, .. }));
    assert_eq!(next_message(&mut events).await, (14, "c".into()));
    assert_eq!(next_message(&mut events).await, (15, "d".into()));
}

#[tokio::test]
async fn a_gap_is_told_and_breaks_no_chain() {
    let server = Server::start().await;
    let (_session, mut events, peer) = server.logged_in(server.client(), 10).await;
    peer.cut();
    let mut peer = server.resumed(10).await;
    peer.notice(json!({"kind": "GAP", "msg": "gone", "from": 11, "to": 20})).await;
    peer.say(21, 20, "what is left").await;
    peer.all_is_here().await;
    assert!(matches!(next(&mut events).await, Event::Gap { from: 11, to: 20 }));
    assert_eq!(next_message(&mut events).await, (21, "what is left".into()));
    assert!(matches!(next(&mut events).await, Event::Resumed { caught_up: 1 }));
}

#[tokio::test]
async fn a_rate_limit_is_waited_for_and_the_order_stays() {
    let server = Server::start().await;
    let (session, _events, mut peer) = server.logged_in(server.client(), 10).await;
    let one = session.queue(To::Default, "one").await.unwrap();
    let two = session.queue(To::Default, "two").await.unwrap();
    let msg = peer.expect("MSG").await;
    peer.refuse(&msg, "RATE_LIMITED", Some(30)).await;
    let again = peer.expect("MSG").await;
    assert_eq!(again, msg);
    peer.keep(&again, 11, 10).await;
    let msg = peer.expect("MSG").await;
    assert_eq!(msg["data"], "two");
    peer.keep(&msg, 12, 11).await;
    assert_eq!((within(one.kept()).await.unwrap().seq, within(two.kept()).await.unwrap().seq), (11, 12));
}

#[tokio::test]
async fn refusals_are_typed_and_end_nothing() {
    let server = Server::start().await;
    let (session, _events, mut peer) = server.logged_in(server.client(), 10).await;
    let serving = async {
        let join = peer.expect("JOIN").await;
        peer.refuse(&join, "NO_SUCH_ROOM", None).await;
        let msg = peer.expect("MSG").await;
        peer.refuse(&msg, "NO_SUCH_USER", None).await;
        let history = peer.expect("HISTORY").await;
        assert_eq!(history["data"], json!({"room": "lobby", "after": 3, "limit": 2}));
        peer.reply(&history, json!({"messages": [message(4, 0, "bo", "x")], "more": false})).await;
    };
    let asking = async {
        let e = session.join("ops").await.unwrap_err();
        assert!(matches!(e, Error::Refused { kind: ErrorKind::NoSuchRoom, .. }), "{e:?}");
        let e = session.send(To::User("cy".into()), "x").await.unwrap_err();
        assert!(matches!(e, Error::Refused { kind: ErrorKind::NoSuchUser, .. }), "{e:?}");
        let lobby = tcp_chat_client::Conversation::Room("lobby".into());
        let page = Page { after: Some(3), limit: Some(2), before: None };
        assert_eq!(session.history(&lobby, &page).await.unwrap().messages[0].seq, 4);
        let e = session.send(To::Default, "x".repeat(9000)).await.unwrap_err();
        assert!(matches!(&e, Error::Invalid(why) if why.contains("9000")), "{e:?}");
    };
    within(async { tokio::join!(serving, asking) }).await;
}

#[tokio::test]
async fn an_expired_session_begins_anew_and_says_so() {
    let server = Server::start().await;
    let (session, mut events, mut peer) = server.logged_in(server.client(), 10).await;
    let unknown = session.queue(To::Default, "on its way").await.unwrap();
    let waiting = session.queue(To::Default, "not yet").await.unwrap();
    peer.expect("MSG").await;
    peer.cut();
    let mut peer = server.accept().await;
    let login = peer.expect("LOGIN").await;
    peer.refuse(&login, "SESSION_EXPIRED", None).await;
    let login = peer.expect("LOGIN").await;
    assert_eq!(login["data"], json!({"name": "ana", "rooms": ["lobby"]}));
    peer.login(&login, 50).await;
    assert!(matches!(next(&mut events).await, Event::SessionLost { after: 10, head: 50 }));
    assert!(matches!(next(&mut events).await, Event::Connected(_)));
    assert!(matches!(within(unknown.kept()).await, Err(Error::Unconfirmed)));
    let msg = peer.expect("MSG").await;
    assert_eq!(msg["data"], "not yet", "what was never sent is safe to send");
    peer.keep(&msg, 51, 50).await;
    assert_eq!(within(waiting.kept()).await.unwrap().seq, 51);
}

#[tokio::test]
async fn a_name_that_was_taken_meanwhile_ends_it() {
    let server = Server::start().await;
    let (_session, mut events, peer) = server.logged_in(server.client(), 10).await;
    peer.cut();
    let mut peer = server.accept().await;
    let login = peer.expect("LOGIN").await;
    peer.refuse(&login, "SESSION_EXPIRED", None).await;
    let login = peer.expect("LOGIN").await;
    peer.refuse(&login, "NAME_TAKEN", None).await;
    let end = next(&mut events).await;
    assert!(matches!(end, Event::Ended(Error::LoginRefused { kind: ErrorKind::NameTaken, .. })), "{end:?}");
}

#[tokio::test]
async fn the_first_login_refused() {
    let server = Server::start().await;
    let serving = async {
        let mut peer = server.accept().await;
        let login = peer.expect("LOGIN").await;
        peer.refuse(&login, "AUTH_FAILED", None).await;
    };
    let (done, ()) = within(async { tokio::join!(server.client().connect(), serving) }).await;
    assert!(matches!(done, Err(Error::LoginRefused { kind: ErrorKind::AuthFailed, .. })));
}

#[tokio::test]
async fn comes_back_when_the_server_said() {
    let server = Server::start().await;
    let (_session, mut events, mut peer) = server.logged_in(server.client(), 10).await;
    peer.notice(json!({"kind": "SHUTDOWN", "msg": "back soon", "retry_after_ms": 123})).await;
    assert!(matches!(within(events.next()).await, Some(Event::Notice(_))));
    peer.cut();
    match within(events.next()).await {
        Some(Event::Reconnecting { wait, attempt: 1, .. }) => assert_eq!(wait, Duration::from_millis(123)),
        other => panic!("{other:?}"),
    }
    server.resumed(10).await.all_is_here().await;
    assert!(matches!(next(&mut events).await, Event::Resumed { .. }));
}

#[tokio::test]
async fn a_room_that_one_is_put_out_of_is_not_asked_for_again() {
    let server = Server::start().await;
    let (session, mut events, mut peer) = server.logged_in(server.client(), 10).await;
    let room = session.login().rooms[0].clone();
    peer.notice(json!({"kind": "REMOVED", "msg": "you may no longer be in it", "room": room})).await;
    assert!(matches!(within(events.next()).await, Some(Event::Notice(_))));
    assert!(!session.login().rooms.contains(&room));
}

#[tokio::test]
async fn a_later_process_takes_the_session_up() {
    let server = Server::start().await;
    let (session, mut events, mut peer) = server.logged_in(server.client(), 10).await;
    peer.say(11, 10, "seen").await;
    peer.say(12, 11, "not read yet").await;
    assert_eq!(next_message(&mut events).await, (11, "seen".into()));
    let saved: Saved = serde_json::from_str(&serde_json::to_string(&session.saved()).unwrap()).unwrap();
    assert_eq!(saved.after, 11, "what was not handed out was not seen");
    assert!(!format!("{saved:?}").contains("token\""), "the secret is not in logs");
    drop((session, events, peer));

    let serving = async {
        let mut peer = server.resumed(11).await;
        peer.say(12, 11, "not read yet").await;
        peer.all_is_here().await;
        peer.expect("MSG").await
    };
    let using = async {
        let (session, mut events) = server.client().resume(saved.clone()).connect().await.unwrap();
        assert_eq!(next_message(&mut events).await, (12, "not read yet".into()));
        assert!(matches!(next(&mut events).await, Event::Resumed { caught_up: 1 }));
        let _queued = session.queue(To::Default, "x").await.unwrap();
        (session, events, _queued)
    };
    let (msg, _kept) = within(async { tokio::join!(serving, using) }).await;
    assert!(msg["id"].as_u64().unwrap() > saved.last_id, "ids go on growing");
}

#[tokio::test]
async fn an_id_that_an_earlier_process_used_is_not_mistaken_for_success() {
    let server = Server::start().await;
    let (session, _events, mut peer) = server.logged_in(server.client(), 10).await;
    let queued = session.queue(To::Default, "new").await.unwrap();
    let msg = peer.expect("MSG").await;
    peer.refuse(&msg, "DATA", None).await;
    let again = peer.expect("MSG").await;
    assert_ne!(again["id"], msg["id"]);
    assert_eq!(again["data"], "new");
    peer.keep(&again, 11, 10).await;
    assert_eq!(within(queued.kept()).await.unwrap().seq, 11);

    let queued = session.queue(To::Default, "refused").await.unwrap();
    for _ in 0..2 {
        let msg = peer.expect("MSG").await;
        peer.refuse(&msg, "DATA", None).await;
    }
    let refused = within(queued.kept()).await;
    assert!(matches!(refused, Err(Error::Refused { kind: ErrorKind::Data, .. })), "once: {refused:?}");

    let chosen = session.queue_with_id(To::Default, "new", "mine").await.unwrap();
    let msg = peer.expect("MSG").await;
    assert_eq!(msg["id"], "mine");
    peer.refuse(&msg, "DATA", None).await;
    assert!(matches!(within(chosen.kept()).await, Err(Error::Refused { kind: ErrorKind::Data, .. })));
}

#[tokio::test]
async fn events_that_nobody_reads_hold_up_no_send_and_are_not_lost() {
    let server = Server::start().await;
    let (session, mut events, mut peer) = server.logged_in(server.client().event_queue(16), 10).await;
    let queued = session.queue(To::Default, "mine").await.unwrap();
    let msg = peer.expect("MSG").await;
    for seq in 11..=40 {
        peer.say(seq, seq - 1, "flood").await;
    }
    peer.keep(&msg, 41, 40).await;
    assert_eq!(within(queued.kept()).await.unwrap().seq, 41, "without one event having been read");
    let mut seen = Vec::new();
    let reading = async {
        while seen.len() < 31 {
            seen.push(next_message(&mut events).await.0);
        }
    };
    let serving = async {
        assert!(peer.request().await.is_none(), "the client comes back for what it passed over");
        let mut peer = server.accept().await;
        let login = peer.expect("LOGIN").await;
        peer.login(&login, 41).await;
        let after = login["data"]["after"].as_u64().unwrap();
        for seq in after + 1..=40 {
            peer.say(seq, seq - 1, "flood").await;
        }
        peer.keep(&msg, 41, 40).await;
        peer.all_is_here().await;
        peer
    };
    let ((), _peer) = within(async { tokio::join!(reading, serving) }).await;
    assert_eq!(seen, (11..=41).collect::<Vec<_>>());
}
