//! Owns the certificates of clients: the CAs that may sign them, the facts in one, and the signing of a client's
//! request. Called by the handshake configuration and by `net`. Never decides whether a valid certificate is
//! still accepted: the state knows the revoked ones.

use super::files::CA_CERTIFICATE;
use super::pair::{self, content};
use super::{TlsError, chain, mint, own, require_own_ca, serve};
use crate::settings::{self, ClientAuth};
use rcgen::{CertificateSigningRequestParams, PKCS_ECDSA_P256_SHA256};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, RootCertStore, SignatureScheme};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;
use tcp_chat_protocol::{Name, Timestamp};
use x509_parser::prelude::{FromDer, X509Certificate, X509Version};

const NO_CA: &str = "a certificate in it is damaged, so it cannot be used as a CA: copy it again";

/// The facts in a client's certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientFacts {
    /// SHA-256 of its public key, as SubjectPublicKeyInfo.
    pub key: [u8; 32],
    /// Its common name.
    pub name: Name,
    /// The start of its validity, in milliseconds since 1970.
    pub from: u64,
    /// The end of its validity, in milliseconds since 1970.
    pub until: u64,
}

impl ClientFacts {
    /// Reads a certificate.
    ///
    /// # Errors
    /// The reason why it names no user, as a sentence.
    pub fn read(certificate: &CertificateDer<'_>) -> Result<Self, String> {
        let (_, parsed) = X509Certificate::from_der(certificate).map_err(|_| "it is damaged".to_owned())?;
        let names: Vec<_> = parsed.subject().iter_common_name().collect();
        let name = match names[..] {
            [name] => name.as_str().map_err(|_| "its common name (CN) is not a text".to_owned())?,
            [] => return Err("it has no common name (CN), which has to be the user's name".into()),
            _ => return Err(format!("it has {} common names (CN); one is the user's name", names.len())),
        };
        let name = Name::parse(name).map(Name::prepared).map_err(|why| {
            // The text comes from the peer: it is cut to the length of a name, and control characters are
            // escaped.
            let shown: String = name.chars().take(64).collect();
            format!("its common name (CN) {shown:?} is not a valid user name: {why}")
        })?;
        let validity = parsed.validity();
        let until = u64::try_from(validity.not_after.timestamp()).unwrap_or(0).saturating_mul(1000);
        // A start before 1970 counts as 1970.
        let from = u64::try_from(validity.not_before.timestamp()).unwrap_or(0).saturating_mul(1000);
        Ok(Self { key: crate::auth::sha256(parsed.public_key().raw).0, name, from, until })
    }

    /// Reads the first certificate of a PEM text.
    #[must_use]
    pub fn of_pem(text: &[u8]) -> Option<Self> {
        CertificateDer::from_pem_slice(text).ok().and_then(|certificate| Self::read(&certificate).ok())
    }

    /// Reads the first certificate of a PEM file.
    ///
    /// # Errors
    /// The file has no certificate, or the certificate names no user.
    pub fn of_file(file: &std::path::Path) -> Result<Self, TlsError> {
        let chain = pair::read_chain(file)?;
        let first = chain.first().ok_or_else(|| content(file, "there is no certificate in it".into()))?;
        Self::read(first).map_err(|why| content(file, why))
    }
}

/// Why a client's request was not signed.
#[derive(Debug)]
pub enum SignError {
    /// The fault is in the request.
    Request(String),
    /// The fault is in the CA.
    Ca(TlsError),
}

/// Signs a client's request with the daemon's own CA. The certificate is for `name`, whatever name the request
/// has. The private key stays with the client.
pub(super) fn sign(
    settings: &settings::Tls,
    request: &str,
    name: &Name,
    now: SystemTime,
) -> Result<(ClientFacts, String), SignError> {
    check_can_sign(settings).map_err(SignError::Ca)?;
    let request = CertificateSigningRequestParams::from_pem(request)
        .map_err(|_| SignError::Request("this is not a certificate request in PEM (PKCS #10)".into()))?;
    if request.public_key.algorithm() != &PKCS_ECDSA_P256_SHA256 {
        return Err(SignError::Request("the key is not an ECDSA key on P-256".into()));
    }
    let ca = own::Ca::read(&settings.dir, now).map_err(SignError::Ca)?;
    let file = settings.dir.join(CA_CERTIFICATE);
    let made = ca.sign(&request.public_key, name.as_str(), now);
    let made = made.map_err(|why| SignError::Ca(mint::failed(&file, &why)))?;
    let shown = ClientFacts::read(made.der());
    let shown = shown.map_err(|_| SignError::Request("its key is invalid".into()))?;
    Ok((shown, made.pem()))
}

/// Checks whether a certificate of the daemon's own CA would be accepted. The error has the reason and the
/// remedy.
pub(super) fn check_can_sign(settings: &settings::Tls) -> Result<(), TlsError> {
    require_own_ca(settings, "client certificates come from the daemon's own CA, and it has none")?;
    if let Some(file) = &settings.client_ca {
        let reason = "this CA signs the users' certificates (tls.client_ca): request one from it";
        return Err(content(file, reason.into()));
    }
    if settings.client_auth == ClientAuth::Off {
        let file = settings.dir.join(CA_CERTIFICATE);
        let reason = "tls.client_auth is \"off\", so a certificate would have no effect; write \
                      client_auth = \"optional\" or \"required\", and reload";
        return Err(content(&file, reason.into()));
    }
    Ok(())
}

/// The file with the CAs of client certificates.
fn ca_file(settings: &settings::Tls) -> PathBuf {
    settings.client_ca.clone().unwrap_or_else(|| settings.dir.join(CA_CERTIFICATE))
}

/// The verifier of client certificates; `None`: TLS asks for none.
pub(super) fn verifier(
    settings: &settings::Tls,
    fetching_until: &Arc<AtomicU64>,
) -> Result<Option<Arc<dyn ClientCertVerifier>>, TlsError> {
    if settings.client_auth == ClientAuth::Off {
        return Ok(None);
    }
    let file = ca_file(settings);
    let mut roots = RootCertStore::empty();
    for ca in pair::read_chain(&file)? {
        roots.add(ca).map_err(|_| content(&file, NO_CA.into()))?;
    }
    let provider = Arc::new(serve::provider());
    let by_ca = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        .map_err(|_| content(&file, NO_CA.into()))?;
    let is_required = settings.client_auth == ClientAuth::Required;
    Ok(Some(Arc::new(Verifier { by_ca, is_required, fetching_until: Arc::clone(fetching_until) })))
}

/// The faults of certificates in the file that are not a CA's: their owners could sign for every user. An
/// unreadable file is reported elsewhere.
pub(super) fn non_ca_faults(file: &Path) -> Vec<String> {
    let chain = pair::read_chain(file).unwrap_or_default();
    let wrong = |(at, der): (usize, &CertificateDer<'_>)| {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        // Version 1 has no CA flag, so a self-signed one counts as a root.
        let is_old_root =
            certificate.version() == X509Version::V1 && certificate.subject() == certificate.issuer();
        (!certificate.is_ca() && !is_old_root).then(|| {
            format!(
                "{} is not a CA's (basicConstraints), and in tls.client_ca it may sign for every user: replace it by the \
                 certificate of the CA that signs the users' certificates, issued with \
                 `basicConstraints=critical,CA:TRUE`",
                chain::which(at, &certificate)
            )
        })
    };
    chain.iter().enumerate().filter_map(wrong).collect()
}

/// webpki's verifier. If certificates are required, a peer without one passes the handshake only while an unused
/// code for a certificate exists.
#[derive(Debug)]
struct Verifier {
    by_ca: Arc<dyn ClientCertVerifier>,
    is_required: bool,
    /// The expiry of the last such code, in milliseconds since 1970.
    fetching_until: Arc<AtomicU64>,
}

impl ClientCertVerifier for Verifier {
    fn client_auth_mandatory(&self) -> bool {
        self.is_required && self.fetching_until.load(Ordering::Relaxed) < Timestamp::now().0
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.by_ca.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        self.by_ca.verify_client_cert(end_entity, intermediates, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.by_ca.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.by_ca.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.by_ca.supported_verify_schemes()
    }
}
