//! Owns the TLS configuration: provider, versions, key exchange, ALPN, tickets, and the certificate that can be
//! swapped while the daemon runs. Called by `state`. Never reads a file.
//!
//! A client that offers no ALPN is served. One that offers only other protocols is refused with
//! `no_application_protocol` (RFC 7301): an HTTPS client that reached this port must not get an answer.

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{
    ClientHello, NoClientAuth, NoServerSessionStorage, ProducesTickets, ResolvesServerCert,
};
use rustls::sign::CertifiedKey;
use std::sync::Arc;

/// aws-lc-rs, with the post-quantum hybrid key exchange first.
pub(super) fn provider() -> CryptoProvider {
    let kx_groups = vec![
        aws_lc_rs::kx_group::X25519MLKEM768,
        aws_lc_rs::kx_group::X25519,
        aws_lc_rs::kx_group::SECP256R1,
        aws_lc_rs::kx_group::SECP384R1,
    ];
    CryptoProvider { kx_groups, ..aws_lc_rs::default_provider() }
}

/// The certificate in use. Open connections keep the one of their handshake.
#[derive(Debug)]
pub(super) struct CertificateInUse(ArcSwap<CertifiedKey>);

impl CertificateInUse {
    pub(super) fn new(certified: Arc<CertifiedKey>) -> Self {
        Self(ArcSwap::new(certified))
    }

    pub(super) fn swap(&self, certified: Arc<CertifiedKey>) {
        self.0.store(certified);
    }
}

impl ResolvesServerCert for CertificateInUse {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

/// Tickets for resumed handshakes; the keys exist only in memory and change every six hours.
fn ticketer() -> Result<Arc<dyn ProducesTickets>, rustls::Error> {
    aws_lc_rs::Ticketer::new()
}

/// The configuration for handshakes.
pub(super) fn config(
    in_use: Arc<CertificateInUse>,
    clients: Option<Arc<dyn ClientCertVerifier>>,
    allow_1_2: bool,
    alpn: &[u8],
) -> Result<Arc<ServerConfig>, rustls::Error> {
    let versions: &[_] = if allow_1_2 {
        &[&rustls::version::TLS13, &rustls::version::TLS12]
    } else {
        &[&rustls::version::TLS13]
    };
    let mut config = ServerConfig::builder_with_provider(Arc::new(provider()))
        .with_protocol_versions(versions)?
        .with_client_cert_verifier(clients.unwrap_or_else(|| Arc::new(NoClientAuth)))
        .with_cert_resolver(in_use);
    // Uses the strongest cipher that the client offers, not the first.
    config.ignore_client_order = true;
    config.alpn_protocols = vec![alpn.to_vec()];
    // Each configuration has its own ticket keys: a ticket confirms that the client's certificate was valid, and
    // must not outlive the CA that confirmed it.
    config.ticketer = ticketer()?;
    // A client that resumes gets a new ticket each time. One that wants more asks for them (RFC 9149).
    (config.send_tls13_tickets, config.max_tls13_tickets) = (1, 2);
    // Only tickets resume sessions: the server keeps nothing per client.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    // Early data can be replayed, and would make a message appear twice.
    config.max_early_data_size = 0;
    Ok(Arc::new(config))
}
