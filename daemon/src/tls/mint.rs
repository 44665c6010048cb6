//! Owns the minting of certificates: the CA, the daemon's own leaf, client certificates. Called by `own` and
//! `clients`. Pure except for randomness: `now` is an argument, and no file is written. Never replaces a CA: it
//! is called only if there is none.
//!
//! It overrides all defaults of rcgen (valid from 1975 to 4096, "rcgen self signed cert").

use super::{Fault, TlsError};
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    IsCa, Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PublicKeyData, SanType, SerialNumber,
};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::Path;
use std::time::{Duration, SystemTime};
use zeroize::Zeroizing;

const DAY: Duration = Duration::from_secs(86_400);
/// The validity of a CA. After it, every client must be given a new CA by hand.
pub(super) const CA_VALIDITY: Duration = Duration::from_secs(3_650 * 86_400);
/// The validity of a leaf. The daemon renews it by itself.
pub(super) const LEAF_VALIDITY: Duration = Duration::from_secs(90 * 86_400);
/// The validity of a client certificate.
pub(super) const CLIENT_VALIDITY: Duration = Duration::from_secs(365 * 86_400);
/// Validity starts this long before the issue, because clocks of clients may be behind.
pub(super) const BACKDATED: Duration = Duration::from_millis(BACKDATED_MS);
/// `BACKDATED` in milliseconds.
pub const BACKDATED_MS: u64 = 3_600_000;

/// A certificate with its key, both as PEM.
#[derive(Debug)]
pub struct Minted {
    /// The certificate.
    pub certificate: String,
    /// Its key.
    pub key: Zeroizing<String>,
}

/// The certificate and key of a CA, for signing.
pub(super) struct Signer {
    issuer: Issuer<'static, KeyPair>,
    /// No signed certificate is valid for longer than the CA.
    not_after: SystemTime,
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signer").field("key", &"…").field("not_after", &self.not_after).finish()
    }
}

/// A new key for a CA.
pub(super) fn ca_key() -> Result<KeyPair, rcgen::Error> {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)
}

/// The certificate of a new CA, for `key`, as PEM.
pub(super) fn ca(key: &KeyPair, host: &str, now: SystemTime) -> Result<String, rcgen::Error> {
    let mut params = params(&format!("tcp-chat CA of {host}"), now, now + CA_VALIDITY)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(params.self_signed(key)?.pem())
}

impl Signer {
    /// A signer of the CA's certificate and key, which must belong together.
    pub(super) fn new(pem: &str, key: KeyPair, not_after: SystemTime) -> Result<Self, rcgen::Error> {
        Ok(Self { issuer: Issuer::from_ca_cert_pem(pem, key)?, not_after })
    }

    /// A leaf for the daemon.
    pub(super) fn leaf(&self, names: &BTreeSet<String>, now: SystemTime) -> Result<Minted, rcgen::Error> {
        // Clients check only the names below; the common name is for people.
        let shown = names.iter().find(|name| name.parse::<IpAddr>().is_err() && *name != "localhost");
        let shown = shown.map_or("localhost", String::as_str);
        let mut params = params(shown, now, (now + LEAF_VALIDITY).min(self.not_after))?;
        for name in names {
            params.subject_alt_names.push(match name.parse::<IpAddr>() {
                Ok(address) => SanType::IpAddress(address),
                Err(_) => SanType::DnsName(name.as_str().try_into()?),
            });
        }
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.sign(params)
    }

    /// A client certificate: its common name is the user.
    pub(super) fn client(&self, name: &str, now: SystemTime) -> Result<Minted, rcgen::Error> {
        let mut params = params(name, now, (now + CLIENT_VALIDITY).min(self.not_after))?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(params)
    }

    /// A client certificate for a key that only the client has.
    pub(super) fn client_for(
        &self,
        key: &impl PublicKeyData,
        name: &str,
        now: SystemTime,
    ) -> Result<Certificate, rcgen::Error> {
        let mut params = params(name, now, (now + CLIENT_VALIDITY).min(self.not_after))?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        set_leaf_properties(&mut params);
        params.signed_by(key, &self.issuer)
    }

    fn sign(&self, mut params: CertificateParams) -> Result<Minted, rcgen::Error> {
        set_leaf_properties(&mut params);
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let certificate = params.signed_by(&key, &self.issuer)?.pem();
        Ok(Minted { certificate, key: Zeroizing::new(key.serialize_pem()) })
    }
}

/// The properties of all certificates except the CA.
fn set_leaf_properties(params: &mut CertificateParams) {
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.use_authority_key_identifier_extension = true;
}

/// The properties of all certificates.
fn params(name: &str, now: SystemTime, not_after: SystemTime) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    // X.520 allows 64 characters of a common name.
    let name: String = name.chars().take(64).collect();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = whole_seconds(now - BACKDATED).into();
    params.not_after = whole_seconds(not_after).into();
    let mut serial = [0; 16];
    getrandom::fill(&mut serial).map_err(|_| rcgen::Error::RemoteKeyError)?;
    // Positive, and always of the same length.
    serial[0] = (serial[0] & 0x7f) | 0x40;
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    Ok(params)
}

/// Certificates have no fractions of a second.
fn whole_seconds(time: SystemTime) -> SystemTime {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(DAY);
    SystemTime::UNIX_EPOCH + Duration::from_secs(since.as_secs())
}

/// An rcgen error as an error about the file to be made.
pub(super) fn failed(file: &Path, error: &rcgen::Error) -> TlsError {
    use rcgen::Error as E;
    let why = match error {
        E::InvalidAsn1String(_) => "a name for it has letters that no certificate can have (tls.names)",
        E::RemoteKeyError | E::RingUnspecified => {
            "the system gave no random numbers, or the key could not sign"
        }
        E::UnsupportedSignatureAlgorithm | E::KeyGenerationUnavailable => {
            "the CA's key is of a kind that cannot sign here"
        }
        _ => "the CA's certificate or key is not one that tcp-chatd made: restore ca.pem and ca.key",
    };
    TlsError { file: file.to_owned(), reason: format!("it cannot be made: {why}"), fault: Fault::Content }
}
