//! A node that can order nothing: its client asks the other nodes, goes to one that can, and otherwise stays. The own search
//! for another node never ends the session.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

mod peer;

use peer::{AtFirst, Peer, Server, lost, next, next_message, within};
use serde_json::json;
use std::time::Duration;
use tcp_chat_client::{Event, Events, To};

#[tokio::test]
async fn a_node_that_cannot_order_keeps_its_clients_and_their_order() {
    let AtFirst { one: _one, two: _two, session, events: _events, mut peer } = AtFirst::new().await;
    let first = session.queue(To::Default, "one").await.unwrap();
    let second = session.queue(To::Default, "two").await.unwrap();
    let msg = peer.expect("MSG").await;
    for _ in 0..3 {
        peer.refuse(&msg, "UNAVAILABLE", Some(20)).await;
        assert_eq!(peer.expect("MSG").await, msg, "on the same connection, and nothing overtakes it");
    }
    peer.keep(&msg, 11, 10).await;
    let msg = peer.expect("MSG").await;
    peer.keep(&msg, 12, 11).await;
    assert_eq!((within(first.kept()).await.unwrap().seq, within(second.kept()).await.unwrap().seq), (11, 12));

    let joining = async {
        let join = peer.expect("JOIN").await;
        peer.refuse(&join, "UNAVAILABLE", Some(20)).await;
        let join = peer.expect("JOIN").await;
        peer.reply(&join, json!({"room": "ops", "head": 0, "members": [], "member_count": 0})).await;
    };
    let (joined, ()) = within(async { tokio::join!(session.join("ops"), joining) }).await;
    assert_eq!(joined.unwrap().room, "ops");
}

#[tokio::test]
async fn a_node_that_is_cut_off_is_left_once_another_one_has_taken_the_session() {
    let AtFirst { one: _one, two, session, mut events, mut peer } = AtFirst::new().await;
    let queued = session.queue(To::Default, "one").await.unwrap();
    let msg = peer.expect("MSG").await;
    peer.refuse(&msg, "UNAVAILABLE", Some(20)).await;
    peer.expect("MSG").await;
    peer.refuse(&msg, "UNAVAILABLE", Some(60_000)).await;
    // The other node is asked while the connection stands, and what still comes over it is not lost.
    let mut other = two.accept().await;
    let login = other.expect("LOGIN").await;
    assert_eq!((&login["data"]["session"], &login["data"]["after"]), (&json!("token"), &json!(10)));
    peer.say(11, 10, "meanwhile").await;
    assert_eq!(next_message(&mut events).await.0, 11);
    other.login(&login, 11).await;
    other.say(11, 10, "meanwhile").await;
    other.say(12, 11, "there").await;
    other.all_is_here().await;
    assert_eq!(other.expect("MSG").await, msg, "under the same id, and without the wait of the first node");
    other.keep(&msg, 13, 12).await;
    assert_eq!(within(queued.kept()).await.unwrap().seq, 13);
    assert!(matches!(next(&mut events).await, Event::Moved { server } if server == two.address()));
    assert_eq!(next_message(&mut events).await.0, 12, "each once");
    assert!(matches!(next(&mut events).await, Event::Resumed { .. }));
    assert!(peer.request().await.is_none(), "the first connection is closed");
}

#[tokio::test]
async fn while_no_node_can_order_the_connection_stays() {
    stays_after("UNAVAILABLE", Some(2_000)).await;
}

#[tokio::test]
async fn the_search_for_another_node_begins_no_new_session() {
    stays_after("SESSION_EXPIRED", None).await;
}

/// The other node refuses the LOGIN of the search with this kind: the client logs in nowhere else, and its message is kept here.
async fn stays_after(kind: &str, retry_after_ms: Option<u64>) {
    let AtFirst { one: _one, two, session, events: _events, mut peer } = AtFirst::new().await;
    let queued = session.queue(To::Default, "one").await.unwrap();
    let msg = peer.expect("MSG").await;
    for _ in 0..2 {
        peer.refuse(&msg, "UNAVAILABLE", Some(1)).await;
        assert_eq!(peer.expect("MSG").await, msg);
    }
    let mut other = two.accept().await;
    let login = other.expect("LOGIN").await;
    other.refuse(&login, kind, retry_after_ms).await;
    assert!(other.request().await.is_none(), "no second login there");
    peer.keep(&msg, 11, 10).await;
    assert_eq!(within(queued.kept()).await.unwrap().seq, 11);
}

#[tokio::test]
async fn a_node_that_says_it_is_cut_off_is_left_at_once() {
    let one = Server::start().await;
    let two = one.twin().await;
    let (session, mut events, mut peer) = one.logged_in_naming(one.client(), &[one.address()]).await;
    let servers = [one.address(), two.address()];
    let told = json!({"kind": "UNAVAILABLE", "msg": "cut off", "retry_after_ms": 2000, "servers": servers});
    peer.notice(told).await;
    // It is idle: no request was refused.
    let mut other = two.resumed(10).await;
    other.all_is_here().await;
    assert!(matches!(next(&mut events).await, Event::Notice(_)));
    assert!(matches!(next(&mut events).await, Event::Moved { server } if server == two.address()));
    assert!(matches!(next(&mut events).await, Event::Resumed { .. }));
    assert!(peer.request().await.is_none(), "the first connection is closed");
    assert_eq!(session.servers()[0], two.address());
}

#[tokio::test]
async fn while_all_nodes_are_cut_off_the_client_stays_where_it_is() {
    let AtFirst { one, two, session, mut events, mut peer } = AtFirst::new().await;
    let servers = [one.address(), two.address()];
    let told = json!({"kind": "UNAVAILABLE", "msg": "", "retry_after_ms": 2000, "servers": servers});
    peer.notice(told).await;
    assert!(matches!(next(&mut events).await, Event::Notice(_)));
    let mut other = two.accept().await;
    let login = other.expect("LOGIN").await;
    other.refuse(&login, "UNAVAILABLE", Some(2_000)).await;
    assert!(other.request().await.is_none(), "no second login there");
    // The connection serves, and after the end of it no other node is asked.
    peer.notice(json!({"kind": "AVAILABLE", "msg": ""})).await;
    assert!(matches!(next(&mut events).await, Event::Notice(_)));
    let queued = session.queue(To::Default, "one").await.unwrap();
    let msg = peer.expect("MSG").await;
    peer.keep(&msg, 11, 10).await;
    assert_eq!(within(queued.kept()).await.unwrap().seq, 11);
}

#[tokio::test]
async fn a_login_of_a_search_that_is_ordered_late_does_not_end_the_session() {
    let AtFirst { one, two, session: _session, mut events, mut peer } = AtFirst::new().await;
    let servers = [one.address(), two.address()];
    peer.notice(json!({"kind": "UNAVAILABLE", "msg": "", "servers": servers})).await;
    assert!(matches!(next(&mut events).await, Event::Notice(_)));
    let mut other = two.accept().await;
    other.expect("LOGIN").await;
    other.cut();
    // The nodes order again, and that LOGIN is the first.
    peer.notice(json!({"kind": "TAKEN_OVER", "msg": ""})).await;
    peer.cut();
    lost(&mut events).await;
    resumed_at(&one, &two, &mut events).await;
}

#[tokio::test]
async fn the_takeover_by_the_own_search_ends_no_session() {
    let AtFirst { one: _one, two, session, mut events, mut peer } = AtFirst::new().await;
    let queued = session.queue(To::Default, "one").await.unwrap();
    let msg = peer.expect("MSG").await;
    peer.refuse(&msg, "UNAVAILABLE", Some(1)).await;
    peer.expect("MSG").await;
    peer.refuse(&msg, "UNAVAILABLE", Some(60_000)).await;
    let mut other = two.accept().await;
    other.expect("LOGIN").await;
    // The resume is ordered, and the first node hears of it before the answer comes.
    peer.notice(json!({"kind": "TAKEN_OVER", "msg": ""})).await;
    let mut other = two.resumed(10).await;
    other.all_is_here().await;
    let again = other.expect("MSG").await;
    other.keep(&again, 11, 10).await;
    assert_eq!(within(queued.kept()).await.unwrap().seq, 11);
    assert!(matches!(next(&mut events).await, Event::Moved { .. }));
}

#[tokio::test]
async fn a_login_that_was_given_up_and_is_ordered_late_does_not_end_the_session() {
    let AtFirst { one, two, session: _session, mut events, peer } = AtFirst::new().await;
    peer.cut();
    assert_eq!(lost(&mut events).await.0, Duration::ZERO);
    // The second node gets the LOGIN, and its connection is lost before it answers.
    let mut given_up = two.accept().await;
    given_up.expect("LOGIN").await;
    given_up.cut();
    lost(&mut events).await;
    // The waits are random, so either node may come next.
    let mut peer = resumed_at(&one, &two, &mut events).await;
    // That LOGIN is ordered now.
    peer.notice(json!({"kind": "TAKEN_OVER", "msg": ""})).await;
    peer.cut();
    lost(&mut events).await;
    let mut peer = resumed_at(&one, &two, &mut events).await;
    // From now on another client has it.
    peer.notice(json!({"kind": "TAKEN_OVER", "msg": ""})).await;
    assert!(matches!(next(&mut events).await, Event::Ended(_)));
}

/// The session goes on at one of the two.
async fn resumed_at(one: &Server, two: &Server, events: &mut Events) -> Peer {
    let mut peer = tokio::select! {
        peer = one.resumed(10) => peer,
        peer = two.resumed(10) => peer,
    };
    peer.all_is_here().await;
    while !matches!(next(events).await, Event::Resumed { .. }) {}
    peer
}
