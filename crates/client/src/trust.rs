//! Owns the trust of the client: exactly the CA or the pin of the caller. Called by `dial`. Never trusts the
//! store of the system, and has no way to trust every server.
//!
//! Three rules that the types do not show:
//!
//! * A **pin** is the SHA-256 of a certificate in DER, usually the CA's. The server must send that certificate in
//!   its chain (`tcp-chatd` does). Then the leaf must verify against it as against a CA from a file: signature,
//!   validity and host name. If the pin is the leaf's own, there is no signature to check: its validity and its
//!   names are checked, and the handshake proves that the server has its key.
//! * **TLS resumption is off.** A resumed TLS session does not verify the certificate again, so a client that
//!   runs for months would accept one that expired or was replaced. A reconnect costs one full handshake; the chat
//!   session is resumed anyway.
//! * TLS 1.3 is used whenever the server supports it; 1.2 only with a server that is configured for it.

use crate::diagnose::{self, Case, Diagnosis};
use crate::explain::{CertificateRefusal, RefusalKind, common_name, is_version_1, pin_of, subject, valid_at};
use crate::{Error, Pin};
use std::path::Path;
use std::sync::Arc;
use tcp_chat_protocol::ALPN;
use tcp_chat_protocol::pem::{self, Wanted};
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::client::{Resumption, WebPkiServerVerifier, verify_server_name};
use tokio_rustls::rustls::crypto::{
    CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature,
};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio_rustls::rustls::server::ParsedCertificate;
use tokio_rustls::rustls::{
    self, CertificateError, ClientConfig, DigitallySignedStruct, OtherError, RootCertStore, SignatureScheme,
};
use zeroize::Zeroizing;

/// The trusted CA or pin; nothing else is trusted.
#[derive(Debug, Clone)]
pub enum Trust {
    /// Certificates that one of these CAs has signed.
    Ca(Vec<CertificateDer<'static>>),
    /// Certificates that the CA with this SHA-256 has signed, or the single certificate with it.
    Pin(Pin),
}

/// A client certificate and its key, for servers that request one.
#[derive(Debug)]
pub struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl Clone for Identity {
    fn clone(&self) -> Self {
        Self { chain: self.chain.clone(), key: self.key.clone_key() }
    }
}

impl Trust {
    /// Reads CA certificates from a PEM file.
    ///
    /// # Errors
    /// [`Error::Invalid`], with the name of the file, if it is unreadable or has no certificate.
    pub fn ca_file(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let pem = read(path)?;
        let shown = path.display().to_string();
        let certificates = certificates(&pem, &shown);
        Ok(Self::Ca(certificates.map_err(|e| Error::Invalid(format!("{shown}: {e}")))?))
    }

    /// Reads a pin: 64 hexadecimal digits, with or without colons.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the text is not a pin.
    pub fn pin(text: &str) -> Result<Self, Error> {
        text.parse()
            .map(Self::Pin)
            .map_err(|e: tcp_chat_protocol::invite::InviteError| Error::Invalid(e.to_string()))
    }

    /// The trusted CAs or pin, in words.
    #[must_use]
    pub fn in_words(&self) -> String {
        match self {
            Self::Ca(cas) => {
                let shown = cas.iter().take(3).map(|ca| format!("{} (pin {})", subject(ca), pin_of(ca)));
                shown.collect::<Vec<_>>().join("; ")
            }
            Self::Pin(_) => "only a certificate with the expected pin, and what it has signed".into(),
        }
    }
}

impl Identity {
    /// Reads a certificate chain and its key from PEM files.
    ///
    /// # Errors
    /// [`Error::Invalid`], with the name of the file.
    pub fn from_files(certificate: impl AsRef<Path>, key: impl AsRef<Path>) -> Result<Self, Error> {
        let (certificate, key) = (certificate.as_ref(), key.as_ref());
        let shown = certificate.display().to_string();
        let chain =
            certificates(&read(certificate)?, &shown).map_err(|e| Error::Invalid(format!("{shown}: {e}")))?;
        let (text, shown) = (Zeroizing::new(read(key)?), key.display().to_string());
        let key = match pem::fault(&text, Wanted::Key, &shown) {
            Some(why) => Err(why),
            None => PrivateKeyDer::from_pem_slice(&text).map_err(|_| pem::DAMAGED.to_owned()),
        };
        let key = key.map_err(|why| Error::Invalid(format!("{shown}: {why}")))?;
        Ok(Self { chain, key })
    }
}

impl Identity {
    /// The user of the certificate: its common name.
    #[must_use]
    pub fn user(&self) -> Option<String> {
        self.chain.first().and_then(common_name)
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    std::fs::read(path).map_err(|e| Error::Invalid(format!("{}: cannot be read: {e}", path.display())))
}

fn certificates(text: &[u8], file: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    if let Some(why) = pem::fault(text, Wanted::Certificates, file) {
        return Err(why);
    }
    CertificateDer::pem_slice_iter(text).collect::<Result<_, _>>().map_err(|_| pem::DAMAGED.to_owned())
}

/// The TLS configuration for one trust.
pub(crate) fn client_config(trust: &Trust, identity: Option<&Identity>) -> Result<ClientConfig, Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let by_ca = match trust {
        Trust::Ca(cas) => Some(web_pki(cas, &provider).map_err(|()| Error::Invalid(NO_CA.into()))?),
        Trust::Pin(_) => None,
    };
    let verifier = Verifier { trust: trust.clone(), by_ca, provider: Arc::clone(&provider) };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|_| Error::Invalid("TLS cannot be set up: this build has no version of it".into()))?
        .dangerous() // rustls's word for a verifier of one's own; ours only adds to webpki's.
        .with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some(Identity { chain, key }) => builder
            .with_client_auth_cert(chain.clone(), key.clone_key())
            .map_err(|e| Error::Invalid(unusable(&e, chain).into()))?,
    };
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.resumption = Resumption::disabled();
    Ok(config)
}

fn web_pki(
    cas: &[CertificateDer<'_>],
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<WebPkiServerVerifier>, ()> {
    let mut roots = RootCertStore::empty();
    for ca in cas {
        roots.add(ca.clone().into_owned()).map_err(drop)?;
    }
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider)).build().map_err(drop)
}

const NO_CA: &str =
    "the certificate of the CA that is to be trusted is damaged: copy it again from the server";

/// Why the user's own certificate cannot be used.
fn unusable(e: &rustls::Error, chain: &[CertificateDer<'_>]) -> &'static str {
    match e {
        rustls::Error::InconsistentKeys(_) => {
            "the key is not that of the client certificate: give the two that were made together"
        }
        rustls::Error::InvalidCertificate(_) if chain.first().is_some_and(is_version_1) => {
            "the client certificate is of X.509 version 1, which TLS does not take: have it signed again, with \
             `extendedKeyUsage=clientAuth`"
        }
        rustls::Error::InvalidCertificate(_) => {
            "the client certificate is damaged: copy it again from where it was made"
        }
        _ => {
            "the client's key is not usable for TLS here (allowed: RSA of 2048 to 8192 bits, ECDSA on P-256, P-384 or P-521, \
             Ed25519), or it is damaged"
        }
    }
}

/// webpki's verification against the trusted CA or pin, with an explanation of a refusal.
#[derive(Debug)]
struct Verifier {
    trust: Trust,
    by_ca: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
}

impl Verifier {
    fn check(
        &self,
        leaf: &CertificateDer<'_>,
        rest: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<(), Diagnosis> {
        let chain: Vec<_> = std::iter::once(leaf).chain(rest).collect();
        let diagnose = |e: &rustls::Error, trusted: &[CertificateDer<'_>], is_pinned| {
            Case { chain: &chain, trusted, is_pinned, name, now }.diagnose(e)
        };
        let pin = match (&self.by_ca, &self.trust) {
            (Some(verifier), Trust::Ca(cas)) => {
                let verified = verifier.verify_server_cert(leaf, rest, name, &[], now);
                return verified.map(drop).map_err(|e| diagnose(&e, cas, false));
            }
            (_, Trust::Pin(pin)) => *pin,
            (None, Trust::Ca(_)) => {
                return Err(Diagnosis::new(RefusalKind::UnknownIssuer, "nobody is trusted"));
            }
        };
        if let Some(at) = rest.iter().position(|der| pin_of(der) == pin) {
            let trusted = &rest[at..=at];
            let verifier = web_pki(trusted, &self.provider)
                .map_err(|()| Diagnosis { at: at + 1, ..diagnose::unreadable() })?;
            let verified = verifier.verify_server_cert(leaf, rest, name, &[], now);
            return verified.map(drop).map_err(|e| diagnose(&e, trusted, true));
        }
        if pin_of(leaf) != pin {
            let reason = "no certificate that the server sent has the expected pin";
            return Err(Diagnosis::new(RefusalKind::WrongPin, reason));
        }
        match valid_at(leaf, now) {
            Some(Ok(())) => {}
            Some(Err(kind)) => return Err(diagnose::invalid_now(kind)),
            None => return Err(diagnose::unreadable()),
        }
        ParsedCertificate::try_from(leaf)
            .and_then(|parsed| verify_server_name(&parsed, name))
            .map_err(|e| diagnose(&e, &[], true))
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.check(end_entity, intermediates, server_name, now).map_err(|diagnosis| {
            let chain: Vec<_> = std::iter::once(end_entity).chain(intermediates).collect();
            let expected = if let Trust::Pin(pin) = &self.trust { Some(*pin) } else { None };
            let host = server_name.to_str().into_owned();
            let refusal = CertificateRefusal::new(diagnosis, host, &chain, self.trust.in_words(), expected);
            rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(refusal))))
        })?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// The explanation that the verifier put into an error. `None`: the error is not of the verifier.
pub(crate) fn refusal_in(e: &rustls::Error) -> Option<CertificateRefusal> {
    let rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(inner))) = e else {
        return None;
    };
    inner.downcast_ref::<CertificateRefusal>().cloned()
}

#[cfg(test)]
mod tests;
