//! The stream against rustls's own client, over real sockets.

use super::{ARRIVED, TlsStream};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream as Client;

fn configs() -> (Arc<ServerConfig>, Arc<ClientConfig>) {
    configs_of(rustls::ALL_VERSIONS)
}

/// Configurations whose server speaks these versions.
fn configs_of(versions: &[&'static SupportedProtocolVersion]) -> (Arc<ServerConfig>, Arc<ClientConfig>) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let server = ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(versions)
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    (Arc::new(server), Arc::new(client))
}

/// The result of a future. A future that hangs fails the test.
async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), future).await.expect("nothing arrives any longer")
}

async fn sockets() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (dialled, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
    (dialled.unwrap(), accepted.unwrap().0)
}

async fn pair() -> (Client<TcpStream>, TlsStream) {
    let (server, client) = configs();
    let (dialled, accepted) = sockets().await;
    let name = ServerName::try_from("localhost").unwrap();
    let connector = TlsConnector::from(client);
    let (client, server) =
        tokio::join!(connector.connect(name, dialled), TlsStream::accept(server, accepted));
    (client.unwrap(), server.unwrap())
}

/// Bytes that show their position.
fn sample(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i / 251 + i % 251) as u8).collect()
}

#[tokio::test]
async fn much_goes_both_ways_at_once_and_arrives_as_it_was() {
    within(async {
        let (client, server) = pair().await;
        let sent = sample(3_000_000);
        let (mut from_client, mut to_client) = tokio::io::split(client);
        let (mut from_server, mut to_server) = tokio::io::split(server);
        let (mut up, mut down) = (vec![0; sent.len()], vec![0; sent.len()]);
        let put = async |to: &mut (dyn AsyncWrite + Unpin)| {
            to.write_all(&sent).await.unwrap();
            to.flush().await.unwrap();
        };
        tokio::join!(
            put(&mut to_client),
            put(&mut to_server),
            async { from_client.read_exact(&mut down).await.unwrap() },
            async { from_server.read_exact(&mut up).await.unwrap() },
        );
        assert!(up == sent && down == sent);
    })
    .await;
}

#[tokio::test]
async fn records_in_single_bytes_are_read_all_the_same_and_nothing_is_held_afterwards() {
    within(async {
        let (server, client) = configs();
        let (mut dialled, accepted) = sockets().await;
        dialled.set_nodelay(true).unwrap();
        #[expect(clippy::disallowed_methods, reason = "a test")]
        let serving = tokio::spawn(async move {
            let mut stream = TlsStream::accept(server, accepted).await.unwrap();
            let mut read = vec![0; 1000];
            stream.read_exact(&mut read).await.unwrap();
            // The tickets go out with the first reply.
            stream.write_all(b"x").await.unwrap();
            stream.flush().await.unwrap();
            (stream, read)
        });
        // A client whose bytes are passed to the socket one by one.
        let name = ServerName::try_from("localhost").unwrap();
        let mut tls = rustls::ClientConnection::new(client, name).unwrap();
        let mut written = false;
        loop {
            let mut out = Vec::new();
            while tls.wants_write() {
                tls.write_tls(&mut out).unwrap();
            }
            for byte in out {
                dialled.write_all(&[byte]).await.unwrap();
            }
            if written {
                break;
            }
            if tls.is_handshaking() {
                let mut got = [0; 4096];
                let n = dialled.read(&mut got).await.unwrap();
                let mut got = &got[..n];
                while !got.is_empty() {
                    tls.read_tls(&mut got).unwrap();
                    tls.process_new_packets().unwrap();
                }
            } else {
                io::Write::write_all(&mut tls.writer(), &sample(1000)).unwrap();
                written = true;
            }
        }
        let (stream, read) = serving.await.unwrap();
        assert_eq!(read, sample(1000));
        let held = [&stream.incomplete, &stream.unread.0, &stream.unsent.0].map(Vec::capacity);
        assert_eq!(held, [0; 3], "an idle connection holds no buffer");
    })
    .await;
}

#[tokio::test]
async fn tickets_go_out_with_the_first_bytes_and_a_goodbye_takes_them_along() {
    within(async {
        for says_something in [true, false] {
            let (mut client, mut server) = pair().await;
            let before = server.bytes_written();
            if says_something {
                server.write_all(b"hello").await.unwrap();
                server.flush().await.unwrap();
            } else {
                assert_eq!(server.bytes_written(), before, "nothing is sent for them alone");
                assert!(server.holds_tickets);
            }
            server.shutdown().await.unwrap();
            let mut all = Vec::new();
            client.read_to_end(&mut all).await.unwrap();
            assert_eq!(all, if says_something { &b"hello"[..] } else { b"" });
            assert_eq!(client.get_ref().1.tls13_tickets_received(), 2);
        }
    })
    .await;
}

#[tokio::test]
async fn the_last_flight_of_tls_1_2_is_sent_at_once() {
    within(async {
        let (server, client) = configs_of(&[&rustls::version::TLS12]);
        let (dialled, accepted) = sockets().await;
        let name = ServerName::try_from("localhost").unwrap();
        // The client is done only once it has that flight.
        let (client, server) = tokio::join!(
            TlsConnector::from(client).connect(name, dialled),
            TlsStream::accept(server, accepted)
        );
        assert!(client.is_ok() && !server.unwrap().is_tls_1_3());
    })
    .await;
}

#[tokio::test]
async fn a_change_of_keys_goes_through_in_the_middle() {
    within(async {
        let (mut client, mut server) = pair().await;
        for round in 0..3 {
            client.get_mut().1.refresh_traffic_keys().unwrap();
            client.write_all(&sample(100 + round)).await.unwrap();
            let mut up = vec![0; 100 + round];
            server.read_exact(&mut up).await.unwrap();
            // The client reads this only with the keys that it requested.
            server.write_all(&up).await.unwrap();
            server.flush().await.unwrap();
            let mut down = vec![0; 100 + round];
            client.read_exact(&mut down).await.unwrap();
            assert_eq!(down, sample(100 + round));
        }
    })
    .await;
}

#[tokio::test]
async fn a_goodbye_is_an_end_and_a_cut_is_none() {
    within(async {
        let (mut client, mut server) = pair().await;
        client.write_all(b"last words\n").await.unwrap();
        client.shutdown().await.unwrap();
        let mut all = Vec::new();
        server.read_to_end(&mut all).await.unwrap();
        assert_eq!(all, b"last words\n");
        server.write_all(b"an answer\n").await.unwrap();
        server.shutdown().await.unwrap();
        let mut all = Vec::new();
        client.read_to_end(&mut all).await.unwrap();
        assert_eq!(all, b"an answer\n", "a peer that has ended its side still reads");

        let (mut client, mut server) = pair().await;
        // The client has no unread bytes, so that its socket closes and is not reset.
        server.write_all(b"x").await.unwrap();
        client.read_exact(&mut [0]).await.unwrap();
        drop(client.into_inner().0);
        let cut = server.read_to_end(&mut Vec::new()).await.unwrap_err();
        assert_eq!(cut.kind(), io::ErrorKind::UnexpectedEof);
    })
    .await;
}

#[tokio::test]
async fn what_was_tampered_with_is_refused_with_an_alert() {
    within(async {
        let (client, mut server) = pair().await;
        let (mut socket, _) = client.into_inner();
        // An application record with a wrong authentication tag.
        socket.write_all(&[23, 3, 3, 0, 40]).await.unwrap();
        socket.write_all(&[7; 40]).await.unwrap();
        let refused = server.read(&mut [0; 100]).await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::InvalidData);
        drop(server);
        let mut told = Vec::new();
        socket.read_to_end(&mut told).await.unwrap();
        // The tickets in one record, and then one more: in TLS 1.3 an alert is encrypted like the rest.
        let mut records = 0;
        let mut rest = &told[..];
        while let [23, 3, 3, high, low, after @ ..] = rest {
            rest = &after[usize::from(u16::from_be_bytes([*high, *low]))..];
            records += 1;
        }
        assert!(rest.is_empty() && records == 2, "{told:?}");
    })
    .await;
}

#[tokio::test]
async fn what_arrives_before_the_login_is_wiped() {
    within(async {
        let (mut client, mut server) = pair().await;
        let mut read = async |server: &mut TlsStream, text: &[u8]| {
            client.write_all(text).await.unwrap();
            let mut got = vec![0; text.len()];
            server.read_exact(&mut got).await.unwrap();
            assert_eq!(got, text);
            ARRIVED.with_borrow(|arrived| arrived.windows(text.len()).any(|held| held == text))
        };
        assert!(!read(&mut server, b"sesame").await);
        server.stop_wiping();
        assert!(read(&mut server, b"not a secret").await, "nothing more is spent on it");
    })
    .await;
}
