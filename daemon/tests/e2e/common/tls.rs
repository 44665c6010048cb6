//! Owns the trust of the tests: the CA that the daemon made, and nothing else.

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use std::path::Path;
use std::sync::Arc;

/// The TLS of a client.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Trust {
    /// Whether it speaks only TLS 1.2.
    pub(crate) only_1_2: bool,
    /// Whether it offers `tcp-chat/1`.
    pub(crate) alpn: bool,
}

/// The roots in a PEM file.
fn trust(ca: &Path) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    for cert in CertificateDer::pem_file_iter(ca).unwrap() {
        roots.add(cert.unwrap()).unwrap();
    }
    assert!(!roots.is_empty(), "{} holds no certificate", ca.display());
    roots
}

/// A client that trusts `ca` alone and shows a certificate of its own.
pub(crate) fn identified(ca: &Path, certificate: &Path, key: &Path) -> Arc<ClientConfig> {
    let chain = CertificateDer::pem_file_iter(certificate).unwrap().map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_file(key).unwrap();
    let mut config =
        ClientConfig::builder_with_provider(rustls::crypto::aws_lc_rs::default_provider().into())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_root_certificates(trust(ca))
            .with_client_auth_cert(chain, key)
            .unwrap();
    config.resumption = rustls::client::Resumption::disabled();
    Arc::new(config)
}

/// A client that trusts `ca` alone.
pub(crate) fn client_config(ca: &Path, how: Trust) -> Arc<ClientConfig> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let versions: &[&rustls::SupportedProtocolVersion] =
        if how.only_1_2 { &[&rustls::version::TLS12] } else { &[&rustls::version::TLS13] };
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(trust(ca))
        .with_no_client_auth();
    if how.alpn {
        config.alpn_protocols.push(b"tcp-chat/1".to_vec());
    }
    // A test of verification must verify, not resume.
    config.resumption = rustls::client::Resumption::disabled();
    Arc::new(config)
}
