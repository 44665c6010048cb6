//! Owns the reading of certificates and keys: their facts, whether they belong together, and whether a client
//! would accept them. Called by the other modules of `tls`. Never writes, never decides what to do about a fault.

use super::{Fault, TlsError, chain, files};
use rustls::InconsistentKeys;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tcp_chat_protocol::invite::Pin;
use tcp_chat_protocol::pem::{self, Wanted};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

/// For a key that the TLS library refuses.
const NO_KEY: &str = "its key is not usable for TLS here (allowed: RSA of 2048 to 8192 bits, ECDSA on P-256, P-384 or P-521, \
     Ed25519), or it is damaged: make another key, `openssl ecparam -name prime256v1 -genkey -noout -out NEW.key`, and \
     a certificate for it";

/// The facts in a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The names and addresses for which it is valid.
    pub names: BTreeSet<String>,
    /// Its subject.
    pub subject: String,
    /// Its issuer.
    pub issuer: String,
    /// The start of its validity.
    pub not_before: SystemTime,
    /// The end of its validity.
    pub not_after: SystemTime,
    /// The SHA-256 of it.
    pub pin: Pin,
    /// Whether it may sign others.
    pub is_ca: bool,
    /// Whether a server may use it.
    pub for_servers: bool,
}

/// A chain with the key of its first certificate.
#[derive(Debug, Clone)]
pub(super) struct Pair {
    pub(super) certified: Arc<CertifiedKey>,
    /// Of the first certificate.
    pub(super) facts: Facts,
    /// Of the last certificate: the one for a client's pin.
    pub(super) last: Facts,
}

impl Facts {
    /// Reads a certificate.
    pub(super) fn read(certificate: &CertificateDer<'_>) -> Result<Self, String> {
        let (_, parsed) = X509Certificate::from_der(certificate)
            .map_err(|_| "a certificate in it is damaged: copy it again from where it was made".to_owned())?;
        let mut names = BTreeSet::new();
        let alternative = parsed.subject_alternative_name().ok().flatten();
        for name in alternative.iter().flat_map(|names| &names.value.general_names) {
            match name {
                GeneralName::DNSName(name) if chain::is_host(name) => {
                    names.insert(name.to_ascii_lowercase());
                }
                GeneralName::IPAddress(bytes) => drop(address(bytes).map(|a| names.insert(a.to_string()))),
                _ => {}
            }
        }
        let time = |seconds: i64| {
            SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap_or_default())
        };
        let usage = parsed.extended_key_usage().ok().flatten();
        Ok(Self {
            names,
            subject: parsed.subject().to_string(),
            issuer: parsed.issuer().to_string(),
            not_before: time(parsed.validity().not_before.timestamp()),
            not_after: time(parsed.validity().not_after.timestamp()),
            pin: pin(certificate),
            is_ca: parsed.is_ca(),
            for_servers: usage.is_none_or(|usage| usage.value.server_auth || usage.value.any),
        })
    }

    /// The reason why no client accepts it at this time.
    pub(super) fn validity_fault(&self, now: SystemTime) -> Option<String> {
        if now >= self.not_after {
            Some(format!("it expired on {}", day(self.not_after)))
        } else if now < self.not_before {
            let day = day(self.not_before);
            Some(format!("it is not valid before {day}; is the clock of this host right?"))
        } else {
            None
        }
    }
}

impl Pair {
    /// Reads a chain and its key, and checks that they belong together.
    pub(super) fn read(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        let chain = read_chain(certificate)?;
        let key_der = read_key(key)?;
        if let Some(why) = chain.first().and_then(chain::unusable) {
            return Err(content(certificate, why));
        }
        let Ok(loaded) = super::serve::provider().key_provider.load_private_key(key_der) else {
            return Err(content(key, NO_KEY.into()));
        };
        let certified = CertifiedKey::new(chain, loaded);
        match certified.keys_match() {
            Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => {}
            Err(rustls::Error::InconsistentKeys(_)) => {
                return Err(match position_of_key(&certified) {
                    Some(at) => content(
                        certificate,
                        format!(
                            "the key is that of certificate {at} in it: the server's own certificate must come first"
                        ),
                    ),
                    None => {
                        let file = certificate.display();
                        content(key, format!("it is not the key of the certificate in {file}"))
                    }
                });
            }
            Err(_) => {
                return Err(content(certificate, format!("its first certificate: {}", chain::NOT_AS_ASKED)));
            }
        }
        Self::of(certified).map_err(|reason| content(certificate, reason))
    }

    fn of(certified: CertifiedKey) -> Result<Self, String> {
        let first = certified.cert.first().ok_or("it has no certificate")?;
        let last = certified.cert.last().ok_or("it has no certificate")?;
        let (facts, last) = (Facts::read(first)?, Facts::read(last)?);
        Ok(Self { certified: Arc::new(certified), facts, last })
    }

    /// The same leaf followed by the CA: clients that have only the pin search it there.
    pub(super) fn with_ca(&self, ca: &CertificateDer<'static>) -> Result<Self, String> {
        let first = self.certified.cert.first().ok_or("it has no certificate")?;
        let chain = vec![first.clone(), ca.clone()];
        Self::of(CertifiedKey::new(chain, Arc::clone(&self.certified.key)))
    }

    /// The fault of an operator's own pair with which the daemon does not start.
    pub(super) fn fault(&self, now: SystemTime) -> Option<String> {
        let Facts { names, for_servers, .. } = &self.facts;
        if names.is_empty() {
            let why =
                self.certified.cert.first().and_then(|first| chain::useless_names(first).into_iter().next());
            let why = why.unwrap_or_else(|| {
                "have it signed with `subjectAltName=DNS:chat.example`, or `IP:192.0.2.1` for an address"
                    .into()
            });
            let lacks =
                "its first certificate has no names (subjectAltName) that clients can use, so they refuse it";
            return Some(format!("{lacks}: {why}"));
        }
        if !for_servers {
            return Some(
                "its first certificate is not for servers (extendedKeyUsage), so clients refuse it: have it signed \
                 with `extendedKeyUsage=serverAuth`"
                    .into(),
            );
        }
        self.facts.validity_fault(now)
    }

    /// The faults with which the daemon starts, although clients may refuse it.
    pub(super) fn findings(&self, now: SystemTime) -> chain::Findings {
        chain::inspect(&self.certified.cert, &self.facts, now)
    }

    /// Checks that a client that trusts only `ca` accepts it for `localhost`.
    pub(super) fn verify(&self, ca: &CertificateDer<'static>, now: SystemTime) -> Result<(), String> {
        let verifier = chain::trusting(ca)?;
        let first = self.certified.cert.first().ok_or("it has no certificate")?;
        let name = ServerName::try_from("localhost").map_err(|_| chain::NOT_AS_ASKED)?;
        let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        verifier
            .verify_server_cert(first, &[], &name, &[], UnixTime::since_unix_epoch(now))
            .map(drop)
            .map_err(|e| chain::refusal(&e).to_owned())
    }
}

/// All certificates of a PEM file; at least one.
pub(super) fn read_chain(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let text = files::read(file)?;
    if let Some(why) = pem::fault(&text, Wanted::Certificates, &file.display().to_string()) {
        return Err(content(file, why));
    }
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    chain.ok().filter(|chain| !chain.is_empty()).ok_or_else(|| content(file, pem::DAMAGED.into()))
}

/// The first private key of a PEM file.
pub(super) fn read_key(file: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let text = zeroize::Zeroizing::new(files::read(file)?);
    if let Some(why) = pem::fault(&text, Wanted::Key, &file.display().to_string()) {
        return Err(content(file, why));
    }
    PrivateKeyDer::from_pem_slice(&text).map_err(|_| content(file, pem::DAMAGED.into()))
}

/// The position in the chain of the certificate that belongs to the key, from 1.
fn position_of_key(certified: &CertifiedKey) -> Option<usize> {
    let key = certified.key.public_key()?;
    let is_its = |der: &CertificateDer<'_>| {
        X509Certificate::from_der(der).is_ok_and(|(_, parsed)| parsed.public_key().raw == key.as_ref())
    };
    certified.cert.iter().position(is_its).map(|at| at + 1)
}

/// The SHA-256 of a certificate.
pub(super) fn pin(certificate: &CertificateDer<'_>) -> Pin {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, certificate);
    let mut pin = [0; 32];
    pin.copy_from_slice(digest.as_ref());
    Pin(pin)
}

/// A date in ISO 8601.
pub(super) fn day(time: SystemTime) -> String {
    let text = humantime::format_rfc3339_seconds(time).to_string();
    text.split('T').next().unwrap_or_default().to_owned()
}

pub(super) fn address(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from),
        16 => <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from),
        _ => None,
    }
}

pub(super) fn content(file: &Path, reason: String) -> TlsError {
    TlsError { file: file.to_owned(), reason, fault: Fault::Content }
}
