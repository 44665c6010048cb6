//! Owns the way to the server: look the name up, connect to one of its addresses, shake hands.
//! Called by `life` and by the first connect. Never logs in, never tries twice.

use crate::diagnose::Diagnosis;
use crate::explain::{CertificateRefusal, RefusalKind};
use crate::{Error, trust};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tcp_chat_protocol::host;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{self, AlertDescription, CertificateError, ClientConfig};

/// How long one address is given before the next one is tried beside it (RFC 8305).
const STAGGER: Duration = Duration::from_millis(250);

/// Where to go, and with which TLS settings.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) tls: Arc<ClientConfig>,
    /// For lookup, connecting and handshake together.
    pub(crate) timeout: Duration,
}

impl Target {
    pub(crate) fn shown(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    pub(crate) fn unreachable(&self, why: impl Into<String>) -> Error {
        Error::NoConnection { server: self.shown(), why: why.into() }
    }
}

/// Connects and verifies.
pub(crate) async fn dial(target: &Target) -> Result<TlsStream<TcpStream>, Error> {
    match tokio::time::timeout(target.timeout, connect(target)).await {
        Ok(done) => done,
        Err(_) => Err(target.unreachable(format!("no answer within {} s", target.timeout.as_secs_f32()))),
    }
}

async fn connect(target: &Target) -> Result<TlsStream<TcpStream>, Error> {
    // Before anything else: a name that no certificate can have is not asked for either.
    let no_host = |why: &dyn std::fmt::Display| {
        Error::Invalid(format!("{:?} is no host name and no address: {why}", target.host))
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
                // The standard library says the same before the system's words.
                let why = e.to_string().replace("failed to lookup address information: ", "");
                target.unreachable(format!("the name cannot be looked up: {why}"))
            });
            in_turn(found?.collect())
        }
    };
    let tcp = first_of(addresses).await.map_err(|e| target.unreachable(in_words(&e)))?;
    // Without it every short line waits for the acknowledgement of the one before.
    tcp.set_nodelay(true).map_err(|e| target.unreachable(e.to_string()))?;
    let connector = TlsConnector::from(Arc::clone(&target.tls));
    connector.connect(name, tcp).await.map_err(|e| sorted(target, &e))
}

/// `localhost` is this machine, whatever a resolver says, and also where there is none (RFC 6761).
/// The daemon listens on the first of the two unless it is told otherwise.
fn loopback(host: &str, port: u16) -> Option<[SocketAddr; 2]> {
    let is_local = host == "localhost" || host.ends_with(".localhost");
    is_local.then(|| [(Ipv4Addr::LOCALHOST, port).into(), (Ipv6Addr::LOCALHOST, port).into()])
}

/// IPv6 and IPv4 in turn, in the resolver's order otherwise.
fn in_turn(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
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

/// The first address that answers; each next one starts when the one before failed or is slow.
async fn first_of(addresses: Vec<SocketAddr>) -> io::Result<TcpStream> {
    let mut rest = addresses.into_iter();
    let mut attempts = JoinSet::new();
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    loop {
        let more = match rest.next() {
            Some(address) => {
                attempts.spawn(TcpStream::connect(address));
                true
            }
            None => false,
        };
        tokio::select! {
            done = attempts.join_next() => match done {
                Some(Ok(Ok(tcp))) => return Ok(tcp),
                Some(Ok(Err(e))) => last = e,
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

/// Sorts what TLS reports by whose fault it is. Also for what comes after the handshake, where a
/// server that misses the client's certificate says so.
pub(crate) fn sorted(target: &Target, e: &io::Error) -> Error {
    let inner = e.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match inner {
        Some(tls @ rustls::Error::InvalidCertificate(why)) => {
            let refusal = trust::refusal_in(tls).unwrap_or_else(|| {
                // The certificate is trusted, but the handshake is not signed with its key.
                let reason = match why {
                    CertificateError::BadSignature => "the server has not the key of its certificate",
                    _ => "it cannot be read: it is damaged, or its key is of a kind that is not known here",
                };
                let diagnosis = Diagnosis::new(RefusalKind::Other, reason);
                CertificateRefusal::new(diagnosis, target.host.clone(), &[], String::new(), None)
            });
            Error::CertificateRefused(Box::new(refusal))
        }
        Some(rustls::Error::AlertReceived(alert)) => match about_the_client(*alert, shows_one(target)) {
            Some(why) => refused(why),
            None => target.unreachable(format!(
                "the server ended the TLS handshake (alert {}, RFC 8446, 6.2): is it a tcp-chatd of the same age?",
                u8::from(*alert)
            )),
        },
        Some(rustls::Error::InvalidMessage(_)) => target.unreachable("what answers there does not speak TLS"),
        Some(rustls::Error::PeerIncompatible(_)) => {
            target.unreachable("what answers there speaks no version of TLS, or no cipher, that this client does")
        }
        Some(rustls::Error::NoApplicationProtocol) => {
            target.unreachable("what answers there does not speak tcp-chat (ALPN)")
        }
        Some(_) => target.unreachable("the TLS connection was damaged on the way, or the server's TLS is faulty"),
        None if e.kind() == io::ErrorKind::UnexpectedEof => {
            target.unreachable("the connection was closed by the other side")
        }
        None => target.unreachable(e.to_string()),
    }
}

fn shows_one(target: &Target) -> bool {
    target.tls.client_auth_cert_resolver.has_certs()
}

/// What a server says of the client's certificate, if the alert is about it (RFC 8446, 6.2).
fn about_the_client(alert: AlertDescription, shows_one: bool) -> Option<String> {
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
        A::BadCertificate | A::AccessDenied => "it is damaged, or its CA may not sign such a one",
        A::CertificateUnknown => {
            "it is a CA's own (basicConstraints CA:TRUE), of X.509 version 1, or its CA may not sign such a one"
        }
        // It may be about something else where no certificate was shown.
        A::DecryptError if shows_one => {
            "its signature does not hold: the CA that has signed it has the name of the server's CA for users, but \
             another key, or it is signed with a hash that is no longer safe (SHA-1 or older)"
        }
        _ => return None,
    };
    Some(format!("the server does not accept the client certificate: {why}"))
}

/// Who somebody is was not enough: as at a login.
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
        assert_eq!(in_turn(given.into()), want);
        assert_eq!(in_turn(Vec::new()), Vec::new());
    }

    #[test]
    fn what_a_server_says_of_a_clients_certificate_is_no_passing_fault() {
        use AlertDescription as A;
        let of = |alert| about_the_client(alert, true);
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
            assert!(!refused(why).is_passing());
        }
        assert!(of(A::UnsupportedCertificate).unwrap().contains("extendedKeyUsage=clientAuth"));
        assert_eq!(about_the_client(A::DecryptError, false), None, "no certificate was shown");
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
            let target = Target { host: host.into(), port: 1, tls: Arc::clone(&tls), timeout: Duration::MAX };
            let error = dial(&target).await.unwrap_err();
            assert!(matches!(&error, Error::Invalid(why) if why.contains("no host name")), "{error}");
        }
    }

    #[tokio::test]
    async fn an_address_that_refuses_does_not_hide_one_that_answers() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let good = listener.local_addr().unwrap();
        let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let tcp = first_of(vec![closed, good]).await.unwrap();
        assert_eq!(tcp.peer_addr().unwrap(), good);
        assert!(first_of(vec![closed]).await.is_err());
        assert!(first_of(Vec::new()).await.is_err());
    }
}
