//! The end of a session: by itself or by the server, confirmed or not.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

mod peer;

use peer::{Server, next, next_message, within};
use serde_json::json;
use tcp_chat_client::{Closed, Error, Event, To};

#[tokio::test]
async fn taken_over_and_kicked_end_the_session() {
    for (kind, closed) in [("TAKEN_OVER", Closed::TakenOver), ("KICKED", Closed::Kicked("because".into()))] {
        let server = Server::start().await;
        let (session, mut events, mut peer) = server.logged_in(server.client(), 10).await;
        let queued = session.queue(To::Default, "one").await.unwrap();
        peer.expect("MSG").await;
        peer.notice(json!({"kind": kind, "msg": "because"})).await;
        assert!(matches!(next(&mut events).await, Event::Ended(Error::Closed(c)) if c == closed));
        assert!(within(events.next()).await.is_none());
        assert!(matches!(within(queued.kept()).await, Err(Error::Closed(c)) if c == closed));
        assert!(matches!(within(session.ping()).await, Err(Error::Closed(c)) if c == closed));
    }
}

#[tokio::test]
async fn quit_waits_for_what_is_on_its_way() {
    let server = Server::start().await;
    let (session, mut events, mut peer) = server.logged_in(server.client(), 10).await;
    let queued = session.queue(To::Default, "last words").await.unwrap();
    let serving = async {
        let msg = peer.expect("MSG").await;
        peer.keep(&msg, 11, 10).await;
        let quit = peer.expect("QUIT").await;
        peer.write(json!({"op": "QUIT", "status": "OK", "id": quit["id"]})).await;
        assert!(peer.request().await.is_none());
    };
    let ((), confirmed) = within(async { tokio::join!(serving, session.quit()) }).await;
    assert!(confirmed);
    assert_eq!(within(queued.kept()).await.unwrap().seq, 11);
    assert_eq!(next_message(&mut events).await.0, 11);
    assert!(matches!(next(&mut events).await, Event::Ended(Error::Closed(Closed::Quit))));
}

#[tokio::test]
async fn a_goodbye_that_nobody_heard_is_not_taken_for_one() {
    let server = Server::start().await;
    let (session, mut events, mut peer) = server.logged_in(server.client(), 10).await;
    let serving = async {
        peer.expect("QUIT").await;
        peer.cut();
    };
    let ((), confirmed) = within(async { tokio::join!(serving, session.quit()) }).await;
    assert!(!confirmed, "the daemon may hold the session");
    assert!(matches!(next(&mut events).await, Event::Ended(Error::Closed(Closed::Quit))));
}
