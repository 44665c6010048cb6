//! A session of a chat that several servers serve: it goes on at another one, with nothing lost and nothing doubled.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

mod peer;

use peer::{AtFirst, Ca, Server, lost, next, next_message, within};
use serde_json::json;
use std::time::Duration;
use tcp_chat_client::protocol::ErrorKind;
use tcp_chat_client::{Error, Event, Saved, Session, To, Trust, pin_of};

/// A port at which nothing listens.
async fn nothing() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("localhost:{}", listener.local_addr().unwrap().port())
}

#[tokio::test]
async fn a_lost_node_costs_no_wait_and_no_message() {
    let one = Server::start().await;
    let two = one.twin().await;
    let (a, b) = (one.address(), two.address());
    let (session, mut events, mut peer) = one.logged_in_naming(one.client(), &[a.clone(), b.clone()]).await;
    assert_eq!(session.servers(), [a.clone(), b.clone()]);
    let queued =
        [session.queue(To::Default, "one").await.unwrap(), session.queue(To::Default, "two").await.unwrap()];
    let first = peer.expect("MSG").await;
    peer.cut();
    let (wait, attempt, _) = lost(&mut events).await;
    assert_eq!((wait, attempt), (Duration::ZERO, 1));

    let mut peer = two.accept().await;
    let login = peer.expect("LOGIN").await;
    assert_eq!((&login["data"]["session"], &login["data"]["after"]), (&json!("token"), &json!(10)));
    peer.login_naming(&login, 11, &[b.clone(), a.clone()]).await;
    peer.say(11, 10, "missed").await;
    peer.all_is_here().await;
    let again = peer.expect("MSG").await;
    assert_eq!(again, first, "the same message under the same id");
    peer.keep(&again, 12, 11).await;
    let msg = peer.expect("MSG").await;
    peer.keep(&msg, 13, 12).await;
    let mut seqs = Vec::new();
    for queued in queued {
        seqs.push(within(queued.kept()).await.unwrap().seq);
    }
    assert_eq!(seqs, [12, 13]);
    assert!(matches!(next(&mut events).await, Event::Moved { server } if server == b));
    assert_eq!(next_message(&mut events).await.0, 11);
    assert!(matches!(next(&mut events).await, Event::Resumed { caught_up: 1 }));
    assert_eq!(session.saved().servers, [b, a]);
}

#[tokio::test]
async fn a_login_that_cannot_be_ordered_goes_to_the_next_node_and_then_waits() {
    let AtFirst { one, two, session: _session, mut events, peer } = AtFirst::new().await;
    peer.cut();
    assert_eq!(lost(&mut events).await.0, Duration::ZERO);
    let mut peer = two.accept().await;
    let login = peer.expect("LOGIN").await;
    peer.refuse(&login, "UNAVAILABLE", Some(1_500)).await;
    let (_, _, why) = lost(&mut events).await;
    assert!(matches!(why, Error::LoginRefused { kind: ErrorKind::Unavailable, .. }), "{why}");
    // The first one, whose wait is shorter; it cannot either.
    let mut peer = one.accept().await;
    let login = peer.expect("LOGIN").await;
    peer.refuse(&login, "UNAVAILABLE", Some(3_000)).await;
    assert!(lost(&mut events).await.0 <= Duration::from_millis(1_500));
    let mut peer = two.resumed(10).await;
    peer.all_is_here().await;
    assert!(matches!(next(&mut events).await, Event::Moved { .. }));
    assert!(matches!(next(&mut events).await, Event::Resumed { .. }));
}

#[tokio::test]
async fn the_first_login_takes_the_first_server_that_can() {
    let one = Server::start().await;
    let two = one.twin().await;
    let dead = nothing().await;
    let builder = one.client().server(dead.parse().unwrap()).server(two.address().parse().unwrap());
    let serving = async {
        let mut peer = one.accept().await;
        let login = peer.expect("LOGIN").await;
        peer.refuse(&login, "UNAVAILABLE", Some(60_000)).await;
        let mut peer = two.accept().await;
        let login = peer.expect("LOGIN").await;
        peer.login(&login, 10).await;
        peer
    };
    let (connected, _peer) = within(async { tokio::join!(builder.connect(), serving) }).await;
    assert_eq!(connected.unwrap().0.servers()[0], two.address());
}

#[tokio::test]
async fn a_lone_node_that_cannot_order_is_asked_again_within_the_time() {
    let one = Server::start().await;
    let serving = async {
        let mut peer = one.accept().await;
        let login = peer.expect("LOGIN").await;
        peer.refuse(&login, "UNAVAILABLE", Some(30)).await;
        let mut peer = one.accept().await;
        let login = peer.expect("LOGIN").await;
        peer.login(&login, 10).await;
        peer
    };
    let (connected, _peer) = within(async { tokio::join!(one.client().connect(), serving) }).await;
    connected.unwrap();
    let short = one.client().request_timeout(Duration::from_secs(1));
    let serving = async {
        let mut peer = one.accept().await;
        let login = peer.expect("LOGIN").await;
        peer.refuse(&login, "UNAVAILABLE", Some(2_000)).await;
    };
    let (connected, ()) = within(async { tokio::join!(short.connect(), serving) }).await;
    let refused = connected.err().unwrap();
    assert!(matches!(refused, Error::LoginRefused { kind: ErrorKind::Unavailable, .. }), "{refused}");
}

#[tokio::test]
async fn a_node_that_is_not_of_the_ca_hears_nothing() {
    let one = Server::start().await;
    // It has the right name, and its certificate is of another CA.
    let other = Server::with(Ca::new(), Ca::new().leaf(&["localhost"], (2020, 2090))).await;
    let named = [one.address(), other.address()];
    let by_ca = one.client();
    let by_pin = one.client_trusting(Trust::Pin(one.ca.pin()));
    for builder in [by_ca, by_pin] {
        let (session, mut events, peer) = one.logged_in_naming(builder, &named).await;
        peer.cut();
        let (wait, ..) = lost(&mut events).await;
        assert_eq!(wait, Duration::ZERO);
        let back = async {
            let why = lost(&mut events).await.2;
            assert!(matches!(why, Error::CertificateRefused(_)), "{why}");
            // The handshake fails, so no line of this session reaches the other server.
            one.resumed(10).await.all_is_here().await;
            assert!(matches!(next(&mut events).await, Event::Resumed { .. }));
        };
        within(async {
            tokio::select! {
                () = back => {}
                never = other.turned_away() => match never {},
            }
        })
        .await;
        drop(session);
    }
}

#[tokio::test]
async fn the_pin_of_one_nodes_own_certificate_fits_that_node_alone() {
    let ca = Ca::new();
    let leaf = ca.leaf(&["localhost"], (2020, 2090));
    let pin = pin_of(&leaf.chain[0]);
    let one = Server::with(ca, leaf).await;
    let two = one.twin().await;
    let builder = Session::builder("localhost", two.port(), Trust::Pin(pin)).name("ana");
    let builder = builder.server(one.address().parse().unwrap());
    let serving = async {
        let mut peer = one.accept().await;
        let login = peer.expect("LOGIN").await;
        peer.login(&login, 10).await;
        peer
    };
    let entering = async { tokio::join!(builder.connect(), serving) };
    let connected = within(async {
        tokio::select! {
            (connected, _) = entering => connected,
            never = two.turned_away() => match never {},
        }
    })
    .await;
    assert_eq!(connected.unwrap().0.servers()[0], one.address());
}

#[tokio::test]
async fn a_shutdown_names_the_others_and_says_when() {
    let one = Server::start().await;
    let two = one.twin().await;
    let (_session, mut events, mut peer) = one.logged_in_naming(one.client(), &[one.address()]).await;
    let servers = [one.address(), two.address()];
    peer.notice(json!({"kind": "SHUTDOWN", "msg": "", "retry_after_ms": 123, "servers": servers})).await;
    assert!(matches!(within(events.next()).await, Some(Event::Notice(_))));
    peer.cut();
    assert_eq!(lost(&mut events).await.0, Duration::from_millis(123));
    two.resumed(10).await.all_is_here().await;
    assert!(matches!(next(&mut events).await, Event::Moved { server } if server == two.address()));
}

#[tokio::test]
async fn a_later_process_knows_the_servers_of_the_earlier_one() {
    let AtFirst { one, two, session, events, peer } = AtFirst::new().await;
    let saved: Saved = serde_json::from_str(&serde_json::to_string(&session.saved()).unwrap()).unwrap();
    let builder = one.client().resume(saved);
    drop((session, events, peer, one));
    let (connected, _peer) = within(async { tokio::join!(builder.connect(), two.resumed(10)) }).await;
    assert_eq!(connected.unwrap().0.servers()[0], two.address());
    let old = r#"{"name": "ana", "token": "t", "after": 1, "last_id": 1, "rooms": []}"#;
    assert!(serde_json::from_str::<Saved>(old).unwrap().servers.is_empty(), "a file of an older version");
}
