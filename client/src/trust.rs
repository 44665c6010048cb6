//! Owns whom the client trusts: exactly what the caller names, by a CA's certificate or by its
//! pin. Called by `dial`. Never trusts the system's store, and has no way to trust everyone.
//!
//! Three rules that are not plain from the types:
//!
//! * A **pin** is the SHA-256 of a certificate in DER, as a rule the CA's. The server must send
//!   that certificate in its chain (`tcp-chatd` does). Then the leaf must verify against it just
//!   as against a CA from a file: signature, validity and host name. Where the pin is the leaf's
//!   own, there is no signature to check: its validity and its names are, and the handshake proves
//!   that the server holds its key.
//! * **TLS resumption is off.** A resumed TLS session does not verify the certificate again, so a
//!   client that stays for months would go on with one that expired or was replaced. A reconnect
//!   costs one full handshake; the chat session resumes all the same.
//! * TLS 1.3 is spoken wherever the server can; 1.2 only with a server that was configured for it.

use crate::explain::{CertificateRefusal, RefusalKind, common_name, pin_of, subject, valid_at};
use crate::{Error, Pin};
use std::path::Path;
use std::sync::Arc;
use tcp_chat_protocol::ALPN;
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

/// Whom to trust: what is given here, and nothing else.
#[derive(Debug, Clone)]
pub enum Trust {
    /// Certificates that one of these CAs has signed.
    Ca(Vec<CertificateDer<'static>>),
    /// Certificates that the CA with this SHA-256 has signed, or the one certificate with it.
    Pin(Pin),
}

/// A client certificate and its key, for servers that ask for one.
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
    /// Reads CA certificates from PEM text.
    ///
    /// # Errors
    /// [`Error::Invalid`] where there is no certificate in it.
    pub fn ca_pem(pem: &[u8]) -> Result<Self, Error> {
        Ok(Self::Ca(certificates(pem).map_err(Error::Invalid)?))
    }

    /// Reads CA certificates from a PEM file.
    ///
    /// # Errors
    /// [`Error::Invalid`], with the file's name, where it cannot be read or has no certificate.
    pub fn ca_file(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let pem = read(path)?;
        let certificates = certificates(&pem);
        Ok(Self::Ca(certificates.map_err(|e| Error::Invalid(format!("{}: {e}", path.display())))?))
    }

    /// Reads a pin: 64 hexadecimal digits, with or without colons.
    ///
    /// # Errors
    /// [`Error::Invalid`] where it is none.
    pub fn pin(text: &str) -> Result<Self, Error> {
        text.parse()
            .map(Self::Pin)
            .map_err(|e: tcp_chat_protocol::invite::InviteError| Error::Invalid(e.to_string()))
    }

    fn in_words(&self) -> String {
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
    /// [`Error::Invalid`], with the file's name.
    pub fn from_files(certificate: impl AsRef<Path>, key: impl AsRef<Path>) -> Result<Self, Error> {
        let (certificate, key) = (certificate.as_ref(), key.as_ref());
        let chain = certificates(&read(certificate)?)
            .map_err(|e| Error::Invalid(format!("{}: {e}", certificate.display())))?;
        let key = PrivateKeyDer::from_pem_slice(&read(key)?)
            .map_err(|e| Error::Invalid(format!("{}: no private key in PEM form: {e}", key.display())))?;
        Ok(Self { chain, key })
    }
}

impl Identity {
    /// The user that the certificate is for: its common name.
    #[must_use]
    pub fn user(&self) -> Option<String> {
        self.chain.first().and_then(common_name)
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    std::fs::read(path).map_err(|e| Error::Invalid(format!("{}: cannot be read: {e}", path.display())))
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) => Err("no certificate in PEM form (-----BEGIN CERTIFICATE-----) in it".into()),
        Err(e) => Err(format!("a certificate in it cannot be read: {e}")),
    }
}

/// The TLS settings for one trust.
pub(crate) fn client_config(trust: &Trust, identity: Option<&Identity>) -> Result<ClientConfig, Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let by_ca = match trust {
        Trust::Ca(cas) => Some(web_pki(cas, &provider).map_err(Error::Invalid)?),
        Trust::Pin(_) => None,
    };
    let verifier = Verifier { trust: trust.clone(), by_ca, provider: Arc::clone(&provider) };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| Error::Invalid(e.to_string()))?
        .dangerous() // rustls's word for a verifier of one's own; ours only adds to webpki's.
        .with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some(Identity { chain, key }) => builder
            .with_client_auth_cert(chain.clone(), key.clone_key())
            .map_err(|e| Error::Invalid(format!("the client certificate and its key: {e}")))?,
    };
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.resumption = Resumption::disabled();
    Ok(config)
}

fn web_pki(
    cas: &[CertificateDer<'_>],
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<WebPkiServerVerifier>, String> {
    let mut roots = RootCertStore::empty();
    for ca in cas {
        roots
            .add(ca.clone().into_owned())
            .map_err(|e| format!("the CA's certificate cannot be used: {e}"))?;
    }
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
        .build()
        .map_err(|e| format!("the CA's certificate cannot be used: {e}"))
}

/// webpki's verification against what is trusted, with an explanation where it refuses.
#[derive(Debug)]
struct Verifier {
    trust: Trust,
    by_ca: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
}

type Refused = (RefusalKind, String);

impl Verifier {
    fn check(
        &self,
        leaf: &CertificateDer<'_>,
        rest: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<(), Refused> {
        let against = |verifier: &WebPkiServerVerifier| {
            verifier.verify_server_cert(leaf, rest, name, &[], now).map(|_| ()).map_err(|e| sorted(&e))
        };
        let pin = match (&self.by_ca, &self.trust) {
            (Some(verifier), _) => return against(verifier),
            (None, Trust::Pin(pin)) => *pin,
            (None, Trust::Ca(_)) => return Err((RefusalKind::UnknownIssuer, "nobody is trusted".into())),
        };
        if let Some(pinned) = rest.iter().find(|der| pin_of(der) == pin) {
            let verifier = web_pki(std::slice::from_ref(pinned), &self.provider)
                .map_err(|why| (RefusalKind::Other, why))?;
            return against(&verifier);
        }
        if pin_of(leaf) != pin {
            return Err((
                RefusalKind::WrongPin,
                "no certificate that the server sent has the expected pin".into(),
            ));
        }
        match valid_at(leaf, now) {
            Some(Ok(())) => {}
            Some(Err(RefusalKind::NotYetValid)) => return Err((RefusalKind::NotYetValid, NOT_YET.into())),
            Some(Err(kind)) => return Err((kind, EXPIRED.into())),
            None => return Err((RefusalKind::Other, "it cannot be read".into())),
        }
        let parsed = ParsedCertificate::try_from(leaf).map_err(|e| sorted(&e))?;
        verify_server_name(&parsed, name).map_err(|e| sorted(&e))
    }
}

const EXPIRED: &str = "its time is over (the server has to renew it, or this machine's clock is wrong)";
const NOT_YET: &str = "its time has not come yet (is this machine's clock right?)";

fn sorted(e: &rustls::Error) -> Refused {
    use CertificateError as C;
    let rustls::Error::InvalidCertificate(why) = e else { return (RefusalKind::Other, e.to_string()) };
    match why {
        C::UnknownIssuer | C::BadSignature => {
            (RefusalKind::UnknownIssuer, "no CA that is trusted has signed it".into())
        }
        C::NotValidForName | C::NotValidForNameContext { .. } => {
            (RefusalKind::WrongName, "it is not for the name that was asked for".into())
        }
        C::Expired | C::ExpiredContext { .. } => (RefusalKind::Expired, EXPIRED.into()),
        C::NotValidYet | C::NotValidYetContext { .. } => (RefusalKind::NotYetValid, NOT_YET.into()),
        other => (RefusalKind::Other, other.to_string()),
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
        self.check(end_entity, intermediates, server_name, now).map_err(|(kind, reason)| {
            let chain: Vec<_> = std::iter::once(end_entity).chain(intermediates).collect();
            let expected = if let Trust::Pin(pin) = &self.trust { Some(*pin) } else { None };
            let host = server_name.to_str().into_owned();
            let refusal =
                CertificateRefusal::new(kind, reason, host, &chain, self.trust.in_words(), expected);
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

/// The explanation that the verifier put into an error, if it was one of its own.
pub(crate) fn refusal_in(e: &rustls::Error) -> Option<CertificateRefusal> {
    let rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(inner))) = e else {
        return None;
    };
    inner.downcast_ref::<CertificateRefusal>().cloned()
}
