//! The trust of the client: only the right CA or pin; and the text of its refusals.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

mod peer;

use peer::{Ca, Leaf, Server};
use rcgen::{CertificateParams, KeyPair};
use tcp_chat_client::{Error, Pin, RefusalKind, Session, Trust, pin_of};

const GOOD: (i32, i32) = (2020, 2090);

/// The client's refusal, and its text.
async fn refused(server: &Server, trust: Trust, kind: RefusalKind) -> String {
    match server.refused(server.client_trusting(trust)).await {
        Error::CertificateRefused(refusal) => {
            assert_eq!(refusal.kind, kind, "{refusal}");
            refusal.to_string()
        }
        other => panic!("the certificate was to be refused: {other}"),
    }
}

async fn accepted(server: &Server, trust: Trust) {
    server.logged_in(server.client_trusting(trust), 0).await;
}

#[tokio::test]
async fn the_right_ca_and_the_right_pin() {
    let server = Server::start().await;
    accepted(&server, Trust::Ca(vec![server.ca.der()])).await;
    accepted(&server, Trust::Pin(server.ca.pin())).await;
}

#[tokio::test]
async fn another_ca() {
    let server = Server::start().await;
    let other = Ca::new();
    let said = refused(&server, Trust::Ca(vec![other.der()]), RefusalKind::UnknownIssuer).await;
    for part in ["localhost", "the test's CA", &server.ca.pin().to_string(), &other.pin().to_string()] {
        assert!(said.contains(part), "{part} is missing in: {said}");
    }
}

#[tokio::test]
async fn another_pin() {
    let server = Server::start().await;
    let said = refused(&server, Trust::Pin(Pin([7; 32])), RefusalKind::WrongPin).await;
    assert!(said.contains(&server.ca.pin().to_string()), "the pin that was seen: {said}");
    assert!(said.contains(&Pin([7; 32]).to_string()), "the pin that was expected: {said}");
}

#[tokio::test]
async fn another_name() {
    let ca = Ca::new();
    let leaf = ca.leaf(&["chat.example", "10.1.2.3"], GOOD);
    let server = Server::with(ca, leaf).await;
    for trust in [Trust::Ca(vec![server.ca.der()]), Trust::Pin(server.ca.pin())] {
        let said = refused(&server, trust, RefusalKind::WrongName).await;
        assert!(said.contains("chat.example, 10.1.2.3"), "{said}");
    }
}

#[tokio::test]
async fn before_and_after_its_time() {
    for (years, kind) in [((2001, 2002), RefusalKind::Expired), ((2088, 2090), RefusalKind::NotYetValid)] {
        let ca = Ca::new();
        let leaf = ca.leaf(&["localhost"], years);
        let server = Server::with(ca, leaf).await;
        for trust in [Trust::Ca(vec![server.ca.der()]), Trust::Pin(server.ca.pin())] {
            let said = refused(&server, trust, kind).await;
            assert!(said.contains(&format!("{}-01-01", years.0)), "{said}");
        }
    }
}

#[tokio::test]
async fn the_pinned_ca_in_the_chain_of_a_stranger() {
    let (pinned, stranger) = (Ca::new(), Ca::new());
    let Leaf { chain, key } = stranger.leaf(&["localhost"], GOOD);
    let forged = Leaf { chain: vec![chain[0].clone(), pinned.der()], key };
    let pin = pinned.pin();
    let server = Server::with(pinned, forged).await;
    refused(&server, Trust::Pin(pin), RefusalKind::UnknownIssuer).await;
}

#[tokio::test]
async fn a_pinned_leaf_needs_its_name_and_its_time_too() {
    for (name, years, refusal) in [
        ("localhost", GOOD, None),
        ("chat.example", GOOD, Some(RefusalKind::WrongName)),
        ("localhost", (2001, 2002), Some(RefusalKind::Expired)),
    ] {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(years.0, 1, 1);
        params.not_after = rcgen::date_time_ymd(years.1, 1, 1);
        let key = KeyPair::generate().unwrap();
        let chain = vec![params.self_signed(&key).unwrap().der().clone()];
        let pin = pin_of(&chain[0]);
        let server = Server::with(Ca::new(), Leaf { chain, key: key.serialize_der() }).await;
        match refusal {
            None => accepted(&server, Trust::Pin(pin)).await,
            Some(kind) => drop(refused(&server, Trust::Pin(pin), kind).await),
        }
    }
}

#[tokio::test]
async fn every_connection_verifies_anew() {
    let server = Server::start().await;
    let (_session, mut events, peer) = server.logged_in(server.client(), 0).await;
    peer.cut();
    let mut peer = server.resumed(0).await;
    assert!(!peer.tls_was_resumed());
    peer.all_is_here().await;
    assert!(matches!(peer::next(&mut events).await, tcp_chat_client::Event::Resumed { caught_up: 0 }));
}

#[tokio::test]
async fn nobody_there_and_no_tls_there() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let client = || Session::builder("127.0.0.1", port, Trust::Pin(Pin([0; 32]))).name("ana");
    let plain = async {
        use tokio::io::AsyncWriteExt;
        let (mut tcp, _) = listener.accept().await.unwrap();
        tcp.write_all(b"SSH-2.0-OpenSSH_9.2\r\n").await.unwrap();
        tcp
    };
    let (done, _tcp) = tokio::join!(client().connect(), plain);
    let e = done.err().unwrap();
    assert!(matches!(&e, Error::NoConnection { .. }), "{e:?}");
    drop(listener);
    let e = client().connect().await.err().unwrap();
    assert!(matches!(&e, Error::NoConnection { why, .. } if why.contains("nothing listens")), "{e:?}");
}
