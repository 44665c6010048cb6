//! Certificates for the tests: good ones, and the kinds of bad ones that people make.

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::rc::Rc;

/// A certificate with its key; signed by itself until [`Made::by`].
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

    /// The same subject and key, to be signed anew.
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

/// The same with some bytes in the place of others, of the same length.
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

/// The same without version and extensions, as `openssl x509 -req` makes it. The signature is no
/// longer right; nobody comes so far as to look at it.
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

/// The tag, the content and what is behind it.
fn element(der: &[u8]) -> (u8, &[u8], &[u8]) {
    let (length, header) = match der[1] {
        0x82 => (usize::from(der[2]) << 8 | usize::from(der[3]), 4),
        0x81 => (usize::from(der[2]), 3),
        short => (usize::from(short), 2),
    };
    (der[0], &der[header..header + length], &der[header + length..])
}

fn sequence(content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap().to_be_bytes();
    [&[0x30, 0x82][..], &length, content].concat()
}

/// RSA of 1024 bits, which no library here makes any more.
pub(super) const RSA_1024_KEY: &str = "-----BEGIN PRIVATE KEY-----\n\
MIICdwIBADANBgkqhkiG9w0BAQEFAASCAmEwggJdAgEAAoGBAMfzut2uPrmx+pIm\n\
Pp2kVv7Y44JV4SUAGNxTYFWPkB4eIhonUtyE+hZ9e4SUX/Qq8yRTK0P2plRrFEOf\n\
pSmNRUeYuFPEQcU04NePyNAFaxNrIPbBGg9NH/dE+RaJSZ+791XF+D7SavY1TiMW\n\
3k1I4L8U8tPkkE0Yh7gOMuOwXyT5AgMBAAECgYEAr4tStobguOUBiMgc1wfN/MXr\n\
z6SYGoTgTqbAf72fmGF6LR3zCHmSmqYmB/q/1zzR5EVESdHEq36q9se1GCrX83qd\n\
2Is7ddHiNymm9d/n77DH9wO9PADJEk2PezTFlS6B2B1lEzQW+j33id9wvRPgASuF\n\
YoYnJu7y0WnZ2N1woIECQQDw0qngjhqd76Wq0DKNKbWM7Upx5K8Zu7UZgSTmsq6C\n\
pG0ic89pgrNxoLXhwOWCo9MZ4pI5MbQCUTJLhtYEhMvRAkEA1I2sYFO2WP1j5785\n\
vlU0GDs2DEx0nBH7PrZ3ddpM9Hh9QzBbvRior1qd4g6OQztq8IC4t5xruJ0qn0o9\n\
s0kYqQJAe7pQSy3XYQOKIzt6bWpbe39Cu0dZ6ye0gNkII3r0C+z8oTHNA5GCLkP6\n\
jnUzta4DvI3awIXXzUT4STOKa6HqsQJBAJ+XTCD7WcORZczgaIO/R6EV/CvZ0AhK\n\
/AEHUcS8RuGcAjlLeuYNOMKI4FiWIzzZxR6VF5xNJxhzcUgunwsZTBkCQG/XjBX6\n\
UluPZEbLpRJS5buXt8/dKn4w8Haer8dEgfixkh4ztsuJfRnMk7VdBsG5LKbCbvax\n\
AS/N67mXddeIbhw=\n\
-----END PRIVATE KEY-----\n\
";
pub(super) const RSA_1024: &str = "-----BEGIN CERTIFICATE-----\n\
MIICGTCCAYKgAwIBAgIUCrsGNW1c+GEHc6gLsmzjkHNRwqYwDQYJKoZIhvcNAQEL\n\
BQAwFDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyOTA5MjM1OFoYDzIxMjYx\n\
MTA1MDkyMzU4WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwgZ8wDQYJKoZIhvcNAQEB\n\
BQADgY0AMIGJAoGBAMfzut2uPrmx+pImPp2kVv7Y44JV4SUAGNxTYFWPkB4eIhon\n\
UtyE+hZ9e4SUX/Qq8yRTK0P2plRrFEOfpSmNRUeYuFPEQcU04NePyNAFaxNrIPbB\n\
Gg9NH/dE+RaJSZ+791XF+D7SavY1TiMW3k1I4L8U8tPkkE0Yh7gOMuOwXyT5AgMB\n\
AAGjZjBkMB0GA1UdDgQWBBQM+DDwkDX/P/TlokaMQ8YiGc0sRDAfBgNVHSMEGDAW\n\
gBQM+DDwkDX/P/TlokaMQ8YiGc0sRDAUBgNVHREEDTALgglsb2NhbGhvc3QwDAYD\n\
VR0TAQH/BAIwADANBgkqhkiG9w0BAQsFAAOBgQC3XweURBD3DZeToRRkhapBTka1\n\
OWWbHBWgHhB++z5Y5O2omJ8jx/6RmNBlVEj8Ba/1IvJ3JQM6TU80Lpv82XadHL0J\n\
ac2bqCqWfAHL1zNBun4JrxPJUV1bRhu61nbX8+LH+2SUXCcZT5dfibE5o4M2qYSb\n\
dZ5UKdPYXgg8RLTgPQ==\n\
-----END CERTIFICATE-----\n\
";
