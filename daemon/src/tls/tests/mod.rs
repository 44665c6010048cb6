//! Minting, recovery from every crash, renewal, an operator's own pair, and handshakes in memory. `now` is an
//! argument everywhere: no test waits. Here: the helpers of the tests.

mod faults;
mod faulty;
mod handshakes;
mod minting;
mod operators;
mod renewal;

use super::*;
use rustls::client::WebPkiServerVerifier;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, NamedGroup, ProtocolVersion, RootCertStore, ServerConnection};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::Duration;
use x509_parser::prelude::{FromDer, ParsedExtension, X509Certificate};

const DAY: Duration = Duration::from_secs(86_400);
const HOST: &str = "box.lan";

/// A folder for certificates, and a clock that stands still.
struct Place {
    dir: tempfile::TempDir,
    now: SystemTime,
}

impl Place {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), now: SystemTime::now() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join("certs").join(name)
    }

    fn settings(&self) -> settings::Tls {
        settings::Tls { dir: self.dir.path().join("certs"), ..settings::Tls::default() }
    }

    fn open(&self) -> Result<TlsState, TlsError> {
        TlsState::open_as(&self.settings(), HOST, self.now)
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    fn all(&self) -> Vec<Vec<u8>> {
        ["ca.pem", "ca.key", "server.pem", "server.key"].map(|name| self.read(name)).to_vec()
    }

    /// An operator's pair: from another CA, in this place's folder.
    fn own_pair(&self, other: &Place, settings: &mut settings::Tls) {
        other.open().unwrap();
        let (certificate, key) = (self.dir.path().join("own.pem"), self.dir.path().join("own.key"));
        replace(&certificate, &other.read("server.pem"));
        replace(&key, &other.read("server.key"));
        (settings.certificate, settings.key) = (Some(certificate), Some(key));
    }
}

/// Replaces a file as certbot does: another inode.
fn replace(path: &Path, content: &[u8]) {
    let next = path.with_extension("next");
    fs::write(&next, content).unwrap();
    fs::rename(&next, path).unwrap();
}

fn with_certificate<T>(pem: &[u8], inspect: impl Fn(&X509Certificate<'_>) -> T) -> T {
    use rustls::pki_types::pem::PemObject;
    let der = CertificateDer::from_pem_slice(pem).unwrap();
    let (rest, parsed) = X509Certificate::from_der(&der).unwrap();
    assert!(rest.is_empty());
    inspect(&parsed)
}

/// The facts that a client saw in a handshake.
#[derive(Debug)]
struct Seen {
    version: ProtocolVersion,
    group: NamedGroup,
    alpn: Option<Vec<u8>>,
    leaf: Pin,
    chain: usize,
    resumed: bool,
    tickets: u32,
}

/// The place's clock, for the client.
#[derive(Debug)]
struct StillClock(SystemTime);

impl rustls::time_provider::TimeProvider for StillClock {
    fn current_time(&self) -> Option<rustls::pki_types::UnixTime> {
        let since = self.0.duration_since(SystemTime::UNIX_EPOCH).ok()?;
        Some(rustls::pki_types::UnixTime::since_unix_epoch(since))
    }
}

fn client_config(place: &Place, change: impl Fn(&mut ClientConfig)) -> ClientConfig {
    use rustls::pki_types::pem::PemObject;
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(&place.read("ca.pem")).unwrap()).unwrap();
    let provider = Arc::new(serve::provider());
    let verifier =
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build().unwrap();
    let mut config = ClientConfig::builder_with_details(provider, Arc::new(StillClock(place.now)))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .unwrap()
        .with_webpki_verifier(verifier)
        .with_no_client_auth();
    change(&mut config);
    config
}

fn handshake(
    state: &TlsState,
    place: &Place,
    change: impl Fn(&mut ClientConfig),
) -> Result<Seen, rustls::Error> {
    handshake_with(state, &Arc::new(client_config(place, change)))
}

/// A handshake in memory and one message of the server, so that tickets arrive.
fn handshake_with(state: &TlsState, config: &Arc<ClientConfig>) -> Result<Seen, rustls::Error> {
    let name = ServerName::try_from("localhost").unwrap();
    let mut client = ClientConnection::new(Arc::clone(config), name)?;
    let mut server = ServerConnection::new(state.server_config())?;
    for _ in 0..10 {
        let mut bytes = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut bytes).unwrap();
        }
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            server.read_tls(&mut rest).unwrap();
        }
        let refused = server.process_new_packets().err();
        let mut bytes = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut bytes).unwrap();
        }
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            client.read_tls(&mut rest).unwrap();
        }
        client.process_new_packets()?;
        if let Some(refused) = refused {
            return Err(refused);
        }
    }
    assert!(!client.is_handshaking() && !server.is_handshaking());
    let chain = client.peer_certificates().unwrap();
    Ok(Seen {
        version: client.protocol_version().unwrap(),
        group: client.negotiated_key_exchange_group().unwrap().name(),
        alpn: client.alpn_protocol().map(<[u8]>::to_vec),
        leaf: pair::pin(&chain[0]),
        chain: chain.len(),
        resumed: client.handshake_kind() == Some(rustls::HandshakeKind::Resumed),
        tickets: client.tls13_tickets_received(),
    })
}
