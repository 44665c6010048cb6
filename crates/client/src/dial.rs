//! Owns the path to the server: name lookup, TCP connection, TLS handshake. Called by `task` and by the first
//! connect. Never logs in, never retries.

use crate::diagnose::Diagnosis;
use crate::explain::{CertificateRefusal, RefusalKind};
use crate::probe::{FailedAddress, Stage};
use crate::{Error, trust};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tcp_chat_protocol::{ServerAddress, host};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{self, AlertDescription, CertificateError, ClientConfig};

/// The time before the next address is tried in parallel (RFC 8305).
const STAGGER: Duration = Duration::from_millis(250);

/// The server, and the TLS configuration for it.
#[derive(Debug, Clone)]
pub(crate) struct ServerTarget {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) tls: Arc<ClientConfig>,
    /// The time for lookup, connection and handshake together.
    pub(crate) timeout: Duration,
}

impl ServerTarget {
    pub(crate) fn shown(&self) -> String {
        ServerAddress { host: self.host.clone(), port: self.port }.to_string()
    }

    pub(crate) fn unreachable(&self, why: impl Into<String>) -> Error {
        Error::NoConnection { server: self.shown(), why: why.into() }
    }
}

/// How far an attempt came, for whoever explains it.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    /// The step that was begun last.
    pub(crate) stage: Stage,
    /// What the lookup found, in the order of the attempts.
    pub(crate) addresses: Vec<SocketAddr>,
    /// The addresses that could not be reached, and why.
    pub(crate) failures: Vec<FailedAddress>,
    /// The address that answered.
    pub(crate) peer: Option<SocketAddr>,
}

/// Connects and verifies.
pub(crate) async fn dial(target: &ServerTarget) -> Result<TlsStream<TcpStream>, Error> {
    dial_traced(target, &mut Trace::default()).await
}

/// The same. `trace` tells how far it came, also when the time is over.
pub(crate) async fn dial_traced(
    target: &ServerTarget,
    trace: &mut Trace,
) -> Result<TlsStream<TcpStream>, Error> {
    match tokio::time::timeout(target.timeout, connect(target, trace)).await {
        Ok(done) => done,
        Err(_) => Err(target.unreachable(format!("no answer within {} s", target.timeout.as_secs_f32()))),
    }
}

async fn connect(target: &ServerTarget, trace: &mut Trace) -> Result<TlsStream<TcpStream>, Error> {
    // First, so that a name that no certificate can have is not looked up.
    let no_host = |why: &dyn std::fmt::Display| {
        Error::Invalid(format!("{:?} is not a host name or an address: {why}", target.host))
    };
    let host = host::ascii(&target.host).map_err(|e| no_host(&e))?;
    let certified = host.split_once('%').map_or(host.as_str(), |(address, _)| address);
    let shape = "a name has labels of letters, digits and hyphens, with dots between them";
    let name = ServerName::try_from(certified.to_owned()).map_err(|_| no_host(&shape))?;
    let addresses = match loopback(&host, target.port) {
        Some(addresses) => addresses.into(),
        None => {
            let found = tokio::net::lookup_host((host.as_str(), target.port)).await;
            let found = found.map_err(|e| {
                // Removes the prefix of the standard library, which repeats the sentence.
                let why = e.to_string().replace("failed to lookup address information: ", "");
                target.unreachable(format!("the name cannot be looked up: {why}"))
            });
            interleave(found?.collect())
        }
    };
    (trace.stage, trace.addresses) = (Stage::Connect, addresses.clone());
    let tcp = connect_first(addresses, &mut trace.failures).await;
    let tcp = tcp.map_err(|e| target.unreachable(in_words(&e)))?;
    (trace.stage, trace.peer) = (Stage::Tls, tcp.peer_addr().ok());
    // Otherwise each short line waits for the acknowledgement of the previous one.
    tcp.set_nodelay(true).map_err(|e| target.unreachable(e.to_string()))?;
    let connector = TlsConnector::from(Arc::clone(&target.tls));
    connector.connect(name, tcp).await.map_err(|e| classify(target, &e))
}

/// `localhost` is this host, whatever a resolver says, and without a resolver (RFC 6761). By default the daemon
/// listens on the first of the two addresses.
fn loopback(host: &str, port: u16) -> Option<[SocketAddr; 2]> {
    let is_local = host == "localhost" || host.ends_with(".localhost");
    is_local.then(|| [(Ipv4Addr::LOCALHOST, port).into(), (Ipv6Addr::LOCALHOST, port).into()])
}

/// Alternates IPv6 and IPv4, otherwise in the order of the resolver.
fn interleave(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let first_is_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (same, other): (Vec<_>, Vec<_>) = addresses.into_iter().partition(|a| a.is_ipv6() == first_is_v6);
    let (mut same, mut other) = (same.into_iter(), other.into_iter());
    let mut out = Vec::new();
    loop {
        let pair = (same.next(), other.next());
        if pair == (None, None) {
            return out;
        }
        out.extend(pair.0.into_iter().chain(pair.1));
    }
}

/// The first address that answers; the others that failed until then go into `failures`. The next attempt starts when
/// the previous one fails or is slow.
async fn connect_first(
    addresses: Vec<SocketAddr>,
    failures: &mut Vec<FailedAddress>,
) -> io::Result<TcpStream> {
    let mut rest = addresses.into_iter();
    let mut attempts = JoinSet::new();
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    loop {
        let more = match rest.next() {
            Some(address) => {
                attempts.spawn(async move { TcpStream::connect(address).await.map_err(|e| (address, e)) });
                true
            }
            None => false,
        };
        tokio::select! {
            done = attempts.join_next() => match done {
                Some(Ok(Ok(tcp))) => return Ok(tcp),
                Some(Ok(Err((address, e)))) => {
                    failures.push(FailedAddress { address, kind: e.kind(), why: in_words(&e) });
                    last = e;
                }
                Some(Err(e)) => last = io::Error::other(e),
                None => return Err(last),
            },
            () = tokio::time::sleep(STAGGER), if more => {}
        }
    }
}

fn in_words(e: &io::Error) -> String {
    match e.kind() {
        io::ErrorKind::ConnectionRefused => "nothing listens there (connection refused)".into(),
        _ => e.to_string(),
    }
}

/// Maps a TLS error to the side at fault. Also used after the handshake, when a server may report that the
/// client's certificate is missing.
pub(crate) fn classify(target: &ServerTarget, e: &io::Error) -> Error {
    let inner = e.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match inner {
        Some(tls @ rustls::Error::InvalidCertificate(why)) => {
            let refusal = trust::refusal_in(tls).unwrap_or_else(|| {
                // The certificate is trusted, but its key has not signed the handshake.
                let reason = match why {
                    CertificateError::BadSignature => "the server has not the key of its certificate",
                    _ => "it cannot be read: it is damaged, or its key is of a kind that is not known here",
                };
                let diagnosis = Diagnosis::new(RefusalKind::Other, reason);
                CertificateRefusal::new(diagnosis, target.host.clone(), &[], String::new(), None)
            });
            Error::CertificateRefused(Box::new(refusal))
        }
        Some(rustls::Error::AlertReceived(alert)) => match client_certificate_fault(*alert, shows_certificate(target)) {
            Some(why) => refused(why),
            None => target.unreachable(format!(
                "the server ended the TLS handshake (alert {}, RFC 8446, 6.2): is it a tcp-chatd of the same age?",
                u8::from(*alert)
            )),
        },
        Some(rustls::Error::InvalidMessage(_)) => target.unreachable("the server does not speak TLS"),
        Some(rustls::Error::PeerIncompatible(_)) => {
            target.unreachable("the server and this client have no TLS version or cipher in common")
        }
        Some(rustls::Error::NoApplicationProtocol) => {
            target.unreachable("the server does not speak tcp-chat (ALPN)")
        }
        Some(_) => target.unreachable("the TLS connection was damaged on the way, or the server's TLS is faulty"),
        None if e.kind() == io::ErrorKind::UnexpectedEof => {
            target.unreachable("the connection was closed by the other side")
        }
        None => target.unreachable(e.to_string()),
    }
}

fn shows_certificate(target: &ServerTarget) -> bool {
    target.tls.client_auth_cert_resolver.has_certs()
}

/// The server's fault with the client's certificate, if the alert is about it (RFC 8446, 6.2).
fn client_certificate_fault(alert: AlertDescription, shows_certificate: bool) -> Option<String> {
    use AlertDescription as A;
    let why = match alert {
        A::CertificateRequired => return Some("the server asks for a client certificate".into()),
        A::UnknownCA => "the CA that has signed it is not the server's CA for users (tls.client_ca)",
        A::CertificateExpired => "it has expired, or its time has not come yet by the server's clock",
        A::CertificateRevoked => "it was revoked",
        A::UnsupportedCertificate => {
            "it is not for clients: have it signed with `extendedKeyUsage=clientAuth`, and without other critical \
             extensions"
        }
        A::BadCertificate | A::AccessDenied => "it is damaged, or its CA must not sign such a certificate",
        A::CertificateUnknown => {
            "it is a CA's own (basicConstraints CA:TRUE), of X.509 version 1, or its CA must not sign such a certificate"
        }
        // If no certificate was shown, the alert is about something else.
        A::DecryptError if shows_certificate => {
            "its signature does not hold: the CA that has signed it has the name of the server's CA for users, but \
             another key, or it is signed with a hash that is no longer safe (SHA-1 or older)"
        }
        _ => return None,
    };
    Some(format!("the server does not accept the client certificate: {why}"))
}

/// An identity that the server does not accept, as at a login.
fn refused(msg: String) -> Error {
    Error::LoginRefused { kind: tcp_chat_protocol::ErrorKind::AuthFailed, msg }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_take_turns() {
        let of = |s: &str| s.parse::<SocketAddr>().unwrap();
        let given = ["[::1]:1", "[::2]:1", "[::3]:1", "1.1.1.1:1", "2.2.2.2:1"].map(of);
        let want = ["[::1]:1", "1.1.1.1:1", "[::2]:1", "2.2.2.2:1", "[::3]:1"].map(of);
        assert_eq!(interleave(given.into()), want);
        assert_eq!(interleave(Vec::new()), Vec::new());
    }

    #[test]
    fn what_a_server_says_of_a_clients_certificate_is_no_passing_fault() {
        use AlertDescription as A;
        let of = |alert| client_certificate_fault(alert, true);
        for alert in [
            A::CertificateRequired,
            A::UnknownCA,
            A::CertificateExpired,
            A::CertificateRevoked,
            A::UnsupportedCertificate,
            A::BadCertificate,
            A::AccessDenied,
            A::CertificateUnknown,
            A::DecryptError,
        ] {
            let why = of(alert).unwrap();
            assert!(!why.contains(&format!("{alert:?}")), "the library's word for it: {why}");
            assert!(!refused(why).is_transient());
        }
        assert!(of(A::UnsupportedCertificate).unwrap().contains("extendedKeyUsage=clientAuth"));
        assert_eq!(client_certificate_fault(A::DecryptError, false), None, "no certificate was shown");
        assert_eq!(of(A::HandshakeFailure), None);
        assert_eq!(of(A::InternalError), None);
    }

    #[test]
    fn localhost_needs_no_resolver() {
        let both = Some(["127.0.0.1:81", "[::1]:81"].map(|s| s.parse().unwrap()));
        assert_eq!(loopback("localhost", 81), both);
        assert_eq!(loopback("chat.localhost", 81), both);
        assert_eq!(loopback("localhost.example", 81), None);
        assert_eq!(loopback("notlocalhost", 81), None);
    }

    #[tokio::test]
    async fn a_host_that_is_none_is_refused_before_anything_is_looked_up() {
        let tls =
            Arc::new(crate::trust::client_config(&crate::Trust::Pin(crate::Pin([7; 32])), None).unwrap());
        for host in ["a b", "1.2.3", "💬.example", "a:b"] {
            let target =
                ServerTarget { host: host.into(), port: 1, tls: Arc::clone(&tls), timeout: Duration::MAX };
            let error = dial(&target).await.unwrap_err();
            assert!(matches!(&error, Error::Invalid(why) if why.contains("not a host name")), "{error}");
        }
    }

    #[tokio::test]
    async fn an_address_that_refuses_does_not_hide_one_that_answers() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let good = listener.local_addr().unwrap();
        let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let mut failures = Vec::new();
        let tcp = connect_first(vec![closed, good], &mut failures).await.unwrap();
        assert_eq!(tcp.peer_addr().unwrap(), good);
        assert!(failures.len() == 1 && failures[0].address == closed, "{failures:?}");
        assert!(connect_first(vec![closed], &mut failures).await.is_err());
        assert!(connect_first(Vec::new(), &mut failures).await.is_err());
    }
}
