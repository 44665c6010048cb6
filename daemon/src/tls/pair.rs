//! Owns reading certificates and keys: what they say, whether they belong together, whether a
//! client would accept them. Never writes, never decides what to do about it.

use super::{Fault, TlsError, files};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tcp_chat_protocol::invite::Pin;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

/// What a certificate says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Names and addresses that it is good for.
    pub names: BTreeSet<String>,
    /// Whose it is.
    pub subject: String,
    /// Who signed it.
    pub issuer: String,
    /// From when it is good.
    pub not_before: SystemTime,
    /// Until when.
    pub not_after: SystemTime,
    /// The SHA-256 of it.
    pub pin: Pin,
    /// May it sign others?
    pub is_ca: bool,
    /// May a server show it?
    pub for_servers: bool,
}

/// A chain with the key of its first certificate.
#[derive(Debug, Clone)]
pub(super) struct Pair {
    pub(super) certified: Arc<CertifiedKey>,
    /// Of the first certificate.
    pub(super) facts: Facts,
    /// Of the last one: what a client can pin.
    pub(super) last: Facts,
}

impl Facts {
    /// Reads a certificate.
    pub(super) fn read(certificate: &CertificateDer<'_>) -> Result<Self, String> {
        let (_, parsed) = X509Certificate::from_der(certificate)
            .map_err(|e| format!("a certificate in it cannot be read: {e}"))?;
        let mut names = BTreeSet::new();
        let alternative = parsed.subject_alternative_name().ok().flatten();
        for name in alternative.iter().flat_map(|names| &names.value.general_names) {
            match name {
                GeneralName::DNSName(name) => drop(names.insert(name.to_ascii_lowercase())),
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

    /// Why no client would take it now, by the clock.
    pub(super) fn out_of_time(&self, now: SystemTime) -> Option<String> {
        if now >= self.not_after {
            Some(format!("it expired on {}", day(self.not_after)))
        } else if now < self.not_before {
            let day = day(self.not_before);
            Some(format!("it is not good before {day}; is this machine's clock right?"))
        } else {
            None
        }
    }
}

impl Pair {
    /// Reads a chain and its key, and makes sure that they belong together.
    pub(super) fn read(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        let chain = read_chain(certificate)?;
        let key_der = read_key(key)?;
        let provider = super::serve::provider();
        let certified = CertifiedKey::from_der(chain, key_der, &provider).map_err(|e| match e {
            rustls::Error::InconsistentKeys(_) => {
                let file = certificate.display();
                content(key, format!("it is not the key of the certificate in {file}"))
            }
            other => content(key, format!("it cannot be used as a key: {other}")),
        })?;
        Self::of(certified).map_err(|reason| content(certificate, reason))
    }

    fn of(certified: CertifiedKey) -> Result<Self, String> {
        let first = certified.cert.first().ok_or("it has no certificate")?;
        let last = certified.cert.last().ok_or("it has no certificate")?;
        let (facts, last) = (Facts::read(first)?, Facts::read(last)?);
        Ok(Self { certified: Arc::new(certified), facts, last })
    }

    /// The same with the CA at its end: clients that only have its pin look for it there.
    pub(super) fn with_ca(&self, ca: &CertificateDer<'static>) -> Result<Self, String> {
        let first = self.certified.cert.first().ok_or("it has no certificate")?;
        let chain = vec![first.clone(), ca.clone()];
        Self::of(CertifiedKey::new(chain, Arc::clone(&self.certified.key)))
    }

    /// What an operator's own pair lacks, if it lacks something.
    pub(super) fn fault(&self, now: SystemTime) -> Option<String> {
        let Facts { names, for_servers, .. } = &self.facts;
        if names.is_empty() {
            return Some("its first certificate has no names (subjectAltName), so clients refuse it".into());
        }
        if !for_servers {
            return Some("its first certificate is not for servers (extendedKeyUsage)".into());
        }
        self.facts.out_of_time(now)
    }

    /// Would a client that trusts only `ca` take it for `localhost`?
    pub(super) fn verify(&self, ca: &CertificateDer<'static>, now: SystemTime) -> Result<(), String> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(ca.clone()).map_err(|e| e.to_string())?;
        let verifier =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::new(super::serve::provider()))
                .build()
                .map_err(|e| e.to_string())?;
        let first = self.certified.cert.first().ok_or("it has no certificate")?;
        let name = ServerName::try_from("localhost").map_err(|e| e.to_string())?;
        let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        verifier
            .verify_server_cert(first, &[], &name, &[], UnixTime::since_unix_epoch(now))
            .map(drop)
            .map_err(|e| e.to_string())
    }
}

/// All certificates of a PEM file; at least one.
pub(super) fn read_chain(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let text = files::read(file)?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    match chain {
        Ok(chain) if chain.is_empty() => Err(content(file, "there is no certificate in it (PEM)".into())),
        Ok(chain) => Ok(chain),
        Err(e) => Err(content(file, format!("it is no PEM: {e}"))),
    }
}

pub(super) fn read_key(file: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let text = zeroize::Zeroizing::new(files::read(file)?);
    PrivateKeyDer::from_pem_slice(&text).map_err(|e| match e {
        pem::Error::NoItemsFound if text.windows(9).any(|w| w == b"ENCRYPTED") => content(
            file,
            "the key in it is encrypted; the daemon has nobody to ask for the password: decrypt it".into(),
        ),
        pem::Error::NoItemsFound => content(file, "there is no private key in it (PEM)".into()),
        other => content(file, format!("it is no PEM: {other}")),
    })
}

/// The SHA-256 of a certificate.
pub(super) fn pin(certificate: &CertificateDer<'_>) -> Pin {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, certificate);
    let mut pin = [0; 32];
    pin.copy_from_slice(digest.as_ref());
    Pin(pin)
}

/// A day as people write it.
pub(super) fn day(time: SystemTime) -> String {
    let text = humantime::format_rfc3339_seconds(time).to_string();
    text.split('T').next().unwrap_or_default().to_owned()
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from),
        16 => <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from),
        _ => None,
    }
}

pub(super) fn content(file: &Path, reason: String) -> TlsError {
    TlsError { file: file.to_owned(), reason, fault: Fault::Content }
}
