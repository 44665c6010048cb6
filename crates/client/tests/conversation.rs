//! Redactions, topics and read marks.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

mod peer;

use peer::{Server, next, within};
use serde_json::json;
use tcp_chat_client::{Conversation, Event, Mark, To};

#[tokio::test]
async fn redactions_topics_and_marks_are_events() {
    let server = Server::start().await;
    let (session, mut events, mut peer) = server.logged_in(server.client(), 10).await;
    for (op, data) in [
        ("REDACTED", json!({"room": "lobby", "seq": 7, "by": "bo", "reason": "a password"})),
        ("REDACTED", json!({"to": "bo", "user": "ana", "seq": 8})),
        ("REDACTED", json!({"to": "ana", "user": "bo", "seq": 9})),
        ("ROOM", json!({"room": "lobby", "topic": "On call: bo", "user": "bo"})),
        ("MARK", json!({"with": "bo", "seq": 9})),
        ("MARK", json!({"seq": 9})),
        // An event of a later version.
        ("PINNED", json!({"seq": 9})),
        ("MARK", json!({"room": "lobby", "seq": 10})),
    ] {
        peer.write(json!({"op": op, "status": "OK", "data": data})).await;
    }
    let with_bo = Conversation::With("bo".into());
    for (of, seq) in [(Conversation::Room("lobby".into()), 7), (with_bo.clone(), 8), (with_bo.clone(), 9)] {
        let Event::Redacted(redaction) = next(&mut events).await else { panic!() };
        assert_eq!((&redaction.conversation, redaction.data.seq), (&of, seq));
    }
    assert!(matches!(next(&mut events).await, Event::Topic(room) if room.topic == "On call: bo"));
    assert!(
        matches!(next(&mut events).await, Event::Read(mark) if mark == Mark { of: with_bo.clone(), seq: 9 })
    );
    assert!(matches!(next(&mut events).await, Event::Read(mark) if mark.seq == 10));

    let serving = async {
        let mark = peer.expect("MARK").await;
        assert_eq!(mark["data"], json!({"with": "bo", "seq": 99}));
        peer.reply(&mark, json!({"with": "bo", "seq": 9})).await;
        let redact = peer.expect("REDACT").await;
        assert_eq!(redact["data"], json!({"room": "lobby", "seq": 7, "reason": "a password"}));
        peer.reply(&redact, json!({"room": "lobby", "seq": 7})).await;
    };
    let lobby = Conversation::Room("lobby".into());
    let asking = async { (session.mark(&with_bo, 99).await, session.redact(&lobby, 7, "a password").await) };
    let ((marked, redacted), ()) = within(async { tokio::join!(asking, serving) }).await;
    assert_eq!((marked.unwrap(), redacted.unwrap().seq), (9, Some(7)));
}

/// The text was redacted between the message and its acknowledgement: the message is kept, and not sent again.
#[tokio::test]
async fn a_redacted_copy_acknowledges_a_message() {
    let server = Server::start().await;
    let (session, mut events, mut peer) = server.logged_in(server.client(), 10).await;
    let queued = session.queue(To::Default, "hunter2").await.unwrap();
    let first = peer.expect("MSG").await;
    peer.cut();
    let mut peer = server.resumed(10).await;
    let mut data = peer::message(11, 10, "ana", "");
    data["redacted"] = true.into();
    peer.write(json!({"op": "MSG", "status": "OK", "id": first["id"], "data": data})).await;
    let sent = within(queued.kept()).await.unwrap();
    assert!(sent.seq == 11 && sent.message.redacted && sent.message.msg.is_empty());
    assert!(matches!(next(&mut events).await, Event::Message(m) if m.data.redacted));
    peer.all_is_here().await;
}
