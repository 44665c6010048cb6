//! A server that refuses the client's certificate: the login fails with the reason, and is not retried.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

mod peer;

use peer::{Ca, within};
use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tcp_chat_client::{Error, Identity, Session, Trust};
use tcp_chat_protocol::ErrorKind;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

/// The error of a client with this certificate.
async fn shown(users: &Ca, signer: &Ca, change: impl Fn(&mut CertificateParams)) -> Error {
    let mut params = CertificateParams::default();
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    change(&mut params);
    let key = KeyPair::generate().unwrap();
    let certificate = signer.signs(&params, &key);
    let folder = tempfile_folder();
    std::fs::write(folder.join("ana.pem"), certificate).unwrap();
    std::fs::write(folder.join("ana.key"), key.serialize_pem()).unwrap();
    let identity = Identity::from_files(folder.join("ana.pem"), folder.join("ana.key")).unwrap();
    std::fs::remove_dir_all(folder).unwrap();

    let server = Ca::new();
    let leaf = server.leaf(&["localhost"], (2020, 2090));
    let mut roots = RootCertStore::empty();
    roots.add(users.der()).unwrap();
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier.build().unwrap())
        .with_single_cert(leaf.chain, PrivateKeyDer::try_from(leaf.key).unwrap())
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let serving = async {
        loop {
            let (tcp, _) = listener.accept().await.unwrap();
            if let Err((_, mut tcp)) = acceptor.accept(tcp).into_fallible().await {
                // Waits for the client to leave: its data would otherwise cut off the alert.
                let _ = tcp.read_to_end(&mut Vec::new()).await;
            }
        }
    };
    let client =
        Session::builder("localhost", port, Trust::Ca(vec![server.der()])).name("ana").identity(identity);
    within(async {
        tokio::select! {
            done = client.connect() => done.err().unwrap(),
            () = serving => unreachable!(),
        }
    })
    .await
}

fn tempfile_folder() -> std::path::PathBuf {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let folder = std::env::temp_dir().join(format!("tcp-chat-{}-{number}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

#[tokio::test]
async fn each_reason_is_told_and_none_is_a_passing_fault() {
    let (users, strangers, namesake) = (Ca::new(), Ca::named("strangers"), Ca::new());
    let day = Duration::from_secs(86_400);
    let server_only =
        |p: &mut CertificateParams| p.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let expired = |p: &mut CertificateParams| p.not_after = (SystemTime::now() - day).into();
    let early = |p: &mut CertificateParams| p.not_before = (SystemTime::now() + day).into();
    let a_ca = |p: &mut CertificateParams| p.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let told = [
        (
            shown(&users, &users, server_only).await,
            "it is not for clients: have it signed with `extendedKeyUsage=",
        ),
        (shown(&users, &users, expired).await, "it has expired"),
        (shown(&users, &users, early).await, "its time has not come yet by the server's clock"),
        (shown(&users, &users, a_ca).await, "it is a CA's own"),
        (shown(&users, &strangers, |_| {}).await, "is not the server's CA for users"),
        (
            shown(&users, &namesake, |_| {}).await,
            "has the name of the server's CA for users, but another key",
        ),
    ];
    for (error, sentence) in told {
        let Error::LoginRefused { kind: ErrorKind::AuthFailed, msg } = &error else { panic!("{error:?}") };
        assert!(msg.contains("does not accept the client certificate: "), "{msg}");
        assert!(msg.contains(sentence), "{sentence:?} is not in: {msg}");
        assert!(!error.is_transient(), "{msg}");
    }
}
