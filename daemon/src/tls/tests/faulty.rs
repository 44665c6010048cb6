//! Certificates for the tests: valid ones, and the usual kinds of invalid ones.

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PKCS_RSA_SHA256, PublicKeyData, SignatureAlgorithm,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::rc::Rc;

/// A certificate with its key; self-signed until [`Made::by`].
#[derive(Clone)]
pub(super) struct Made {
    params: CertificateParams,
    key: Rc<KeyPair>,
    pem: String,
}

impl Made {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.not_before = rcgen::date_time_ymd(2000, 1, 1);
        params.not_after = rcgen::date_time_ymd(2090, 1, 1);
        Self { params, key: Rc::new(KeyPair::generate().unwrap()), pem: String::new() }
    }

    pub(super) fn ca(name: &str) -> Self {
        Self::new(name).with(&|params| {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        })
    }

    pub(super) fn leaf(name: &str) -> Self {
        let dns = rcgen::SanType::DnsName(name.try_into().unwrap());
        Self::new(name).with(&|params| params.subject_alt_names = vec![dns.clone()])
    }

    pub(super) fn with(mut self, change: &dyn Fn(&mut CertificateParams)) -> Self {
        change(&mut self.params);
        self.pem = self.params.self_signed(&*self.key).unwrap().pem();
        self
    }

    pub(super) fn until(self, year: i32) -> Self {
        self.with(&|params| params.not_after = rcgen::date_time_ymd(year, 1, 1))
    }

    /// The same subject and key, to be signed again.
    pub(super) fn again(&self) -> Self {
        self.clone()
    }

    pub(super) fn by(mut self, signer: &Self) -> Self {
        let issuer = Issuer::from_params(&signer.params, &*signer.key);
        self.pem = self.params.signed_by(&*self.key, &issuer).unwrap().pem();
        self
    }

    pub(super) fn pem(&self) -> String {
        self.pem.replace("\r\n", "\n")
    }

    pub(super) fn key_pem(&self) -> String {
        self.key.serialize_pem()
    }
}

/// A chain in one file.
pub(super) fn pem_of(chain: &[&Made]) -> String {
    chain.iter().map(|made| made.pem()).collect()
}

pub(super) fn der_of(pem: &str) -> Vec<u8> {
    CertificateDer::from_pem_slice(pem.as_bytes()).unwrap().to_vec()
}

pub(super) fn pem(der: &[u8]) -> String {
    use base64::Engine;
    let body = base64::engine::general_purpose::STANDARD.encode(der);
    format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n")
}

/// The certificate with some bytes replaced by others of the same length.
pub(super) fn altered(der: &[u8], from: &[u8], to: &[u8]) -> String {
    let mut out = der.to_vec();
    assert_eq!(from.len(), to.len());
    for at in 0..=out.len() - from.len() {
        if out[at..].starts_with(from) {
            out[at..at + to.len()].copy_from_slice(to);
        }
    }
    assert_ne!(out, der);
    pem(&out)
}

/// The certificate without version and extensions, as `openssl x509 -req` makes it. Its signature is wrong, but
/// no check gets that far.
pub(super) fn version_1(der: &[u8]) -> String {
    let (_, certificate, _) = element(der);
    let (_, mut left, signature) = element(certificate);
    let mut fields = Vec::new();
    while !left.is_empty() {
        let (tag, _, rest) = element(left);
        if tag != 0xa0 && tag != 0xa3 {
            fields.extend_from_slice(&left[..left.len() - rest.len()]);
        }
        left = rest;
    }
    pem(&sequence(&[&sequence(&fields), signature].concat()))
}

/// The tag, the content and the rest behind it.
fn element(der: &[u8]) -> (u8, &[u8], &[u8]) {
    let (length, header) = match der[1] {
        0x82 => (usize::from(der[2]) << 8 | usize::from(der[3]), 4),
        0x81 => (usize::from(der[2]), 3),
        short => (usize::from(short), 2),
    };
    (der[0], &der[header..header + length], &der[header + length..])
}

fn sequence(content: &[u8]) -> Vec<u8> {
    der_value(0x30, content)
}

fn der_value(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap().to_be_bytes();
    let header = match length {
        [0, short @ ..0x80] => vec![tag, short],
        [0, byte] => vec![tag, 0x81, byte],
        [high, low] => vec![tag, 0x82, high, low],
    };
    [header, content.to_vec()].concat()
}

/// A public RSA key shorter than any library here makes: an odd number, whose factors nobody knows.
struct Rsa(Vec<u8>);

impl Rsa {
    fn of_bytes(bytes: usize) -> Self {
        let modulus = [&[0][..], &vec![0xff; bytes]].concat();
        Self(sequence(&[der_value(2, &modulus), der_value(2, &[1, 0, 1])].concat()))
    }
}

impl PublicKeyData for Rsa {
    fn der_bytes(&self) -> &[u8] {
        &self.0
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_RSA_SHA256
    }
}

/// A certificate for RSA of 1024 bits, in PEM.
pub(super) fn rsa_1024(signer: &Made) -> String {
    let issuer = Issuer::from_params(&signer.params, &*signer.key);
    signer.params.signed_by(&Rsa::of_bytes(1024 / 8), &issuer).unwrap().pem()
}
