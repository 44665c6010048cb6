//! Owns the diagnosis of a refused certificate chain: the certificate at fault and the reason in words. Called by
//! `trust` with the error of webpki, whose texts it replaces. Never decides: webpki has refused before.

use crate::RefusalKind;
use crate::explain::{is_named, parse, valid_at};
use std::net::IpAddr;
use tcp_chat_protocol::pem::OLD_SIGNATURES;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{self, CertificateError};
use x509_parser::prelude::{GeneralName, X509Certificate, X509Version};

/// The reason of a refusal.
#[derive(Debug)]
pub(crate) struct Diagnosis {
    pub(crate) kind: RefusalKind,
    pub(crate) reason: String,
    /// The position of the certificate at fault; 0 is the server's own.
    pub(crate) at: usize,
}

impl Diagnosis {
    pub(crate) fn new(kind: RefusalKind, reason: impl Into<String>) -> Self {
        Self { kind, reason: reason.into(), at: 0 }
    }

    fn at(self, at: usize) -> Self {
        Self { at, ..self }
    }
}

const EXPIRED: &str = "it has expired (the server must renew it, or the clock of this host is wrong)";
const NOT_YET: &str = "it is not valid yet (is the clock of this host right?)";
const DAMAGED: &str = "it cannot be read: it is damaged";
const OTHERWISE: &str = "it does not conform to RFC 5280, or its CA must not sign such a certificate";

/// The input of the verification.
pub(crate) struct Case<'a> {
    /// The certificates that the server sent, its own first.
    pub(crate) chain: &'a [&'a CertificateDer<'a>],
    /// The trusted CAs.
    pub(crate) trusted: &'a [CertificateDer<'a>],
    pub(crate) is_pinned: bool,
    pub(crate) name: &'a ServerName<'a>,
    pub(crate) now: UnixTime,
}

impl Case<'_> {
    /// The diagnosis for the error of the verification.
    pub(crate) fn diagnose(&self, e: &rustls::Error) -> Diagnosis {
        use CertificateError as C;
        use RefusalKind as K;
        let rustls::Error::InvalidCertificate(why) = e else { return Diagnosis::new(K::Other, OTHERWISE) };
        match why {
            C::Expired | C::ExpiredContext { .. } => {
                Diagnosis::new(K::Expired, EXPIRED).at(self.position_out_of_validity(K::Expired))
            }
            C::NotValidYet | C::NotValidYetContext { .. } => {
                Diagnosis::new(K::NotYetValid, NOT_YET).at(self.position_out_of_validity(K::NotYetValid))
            }
            C::NotValidForName | C::NotValidForNameContext { .. } => {
                Diagnosis::new(K::WrongName, self.wrong_name())
            }
            C::UnknownIssuer | C::BadSignature => self.unknown_issuer(),
            _ => self.otherwise(why),
        }
    }

    /// The position of the certificate that is expired or not valid yet.
    fn position_out_of_validity(&self, kind: RefusalKind) -> usize {
        let is_it = |der: &&CertificateDer<'_>| valid_at(der, self.now) == Some(Err(kind));
        self.chain.iter().position(is_it).unwrap_or_default()
    }

    fn wrong_name(&self) -> String {
        let Some(leaf) = self.parsed(0) else { return DAMAGED.into() };
        let host = self.name.to_str();
        if leaf.subject_alternative_name().ok().flatten().is_none() {
            return "it has no names (subjectAltName), and its common name does not count".into();
        }
        let is_it = |name: &GeneralName<'_>| matches!(name, GeneralName::DNSName(name) if **name == *host);
        let alternative = leaf.subject_alternative_name().ok().flatten();
        if host.parse::<IpAddr>().is_ok()
            && alternative.is_some_and(|names| names.value.general_names.iter().any(is_it))
        {
            return format!("it has {host} as a DNS name, but an address must be written as `IP:{host}`");
        }
        "it is not for the requested name".into()
    }

    fn unknown_issuer(&self) -> Diagnosis {
        let kind = RefusalKind::UnknownIssuer;
        if self.is_pinned {
            let reason = "the server sent the certificate with the expected pin, but that one has not signed this: \
                          the server mixes two chains, or somebody else answers there";
            return Diagnosis::new(kind, reason);
        }
        let at = self.end_of_path();
        let Some(last) = self.parsed(at) else { return Diagnosis::new(RefusalKind::Other, DAMAGED).at(at) };
        let is_namesake = |ca: &CertificateDer<'_>| {
            parse(ca).is_some_and(|ca| ca.subject() == last.issuer() || ca.subject() == last.subject())
        };
        let reason = if self.trusted.iter().any(is_namesake) {
            "a CA of the signer's name is trusted, but it has another key: the server has a new CA, or \
             somebody else answers there"
        } else if at == 0 && is_named(&last, &last) {
            "it is signed by itself, and it is not what is trusted"
        } else {
            "no CA that is trusted has signed it"
        };
        Diagnosis::new(kind, reason).at(at)
    }

    /// Follows the chain from the server's certificate to the last signer that the server sent, by names. Stops
    /// before a root: a root names itself as its signer, which explains nothing.
    fn end_of_path(&self) -> usize {
        let mut at = 0;
        for _ in self.chain {
            let Some(signed) = self.parsed(at) else { break };
            if is_named(&signed, &signed) {
                break;
            }
            let signer = |i: &usize| {
                self.parsed(*i)
                    .is_some_and(|signer| is_named(&signed, &signer) && !is_named(&signer, &signer))
            };
            let Some(next) = (0..self.chain.len()).find(signer) else { break };
            at = next;
        }
        at
    }

    fn otherwise(&self, why: &CertificateError) -> Diagnosis {
        use CertificateError as C;
        let other = |reason: &str| Diagnosis::new(RefusalKind::Other, reason);
        let Some(leaf) = self.parsed(0) else { return other(DAMAGED) };
        if leaf.version() != X509Version::V3 {
            return other("it is of X.509 version 1, which has no names: the server needs another one");
        }
        match why {
            C::InvalidPurpose | C::InvalidPurposeContext { .. } => {
                return other("it is not for servers (extendedKeyUsage has no serverAuth)");
            }
            C::UnhandledCriticalExtension => {
                return other(
                    "it has a critical extension that is not known here: the server needs one without",
                );
            }
            _ => {}
        }
        if leaf.is_ca() {
            return other(
                "it is a CA's (basicConstraints CA:TRUE), and a server needs one of its own: with \
                 `basicConstraints=critical,CA:FALSE`",
            );
        }
        let signs_without = |(at, der): (usize, &&CertificateDer<'_>)| {
            parse(der).is_some_and(|c| at > 0 && !c.is_ca() && is_named(&leaf, &c)).then_some(at)
        };
        if let Some(at) = self.chain.iter().enumerate().find_map(signs_without) {
            return other("it is not a CA's (basicConstraints), so its signatures do not count").at(at);
        }
        let is_old = |(at, der): (usize, &&CertificateDer<'_>)| {
            let oid = parse(der)?.signature_algorithm.algorithm.to_id_string();
            OLD_SIGNATURES.contains(&oid.as_str()).then_some(at)
        };
        if let Some(at) = self.chain.iter().enumerate().find_map(is_old) {
            return other("it is signed with a hash that is no longer safe (SHA-1 or older)").at(at);
        }
        other(OTHERWISE)
    }

    fn parsed(&self, at: usize) -> Option<X509Certificate<'_>> {
        self.chain.get(at).and_then(|der| parse(der))
    }
}

/// The server's own certificate has the pin, but is expired or not valid yet.
pub(crate) fn invalid_now(kind: RefusalKind) -> Diagnosis {
    let reason = if kind == RefusalKind::NotYetValid { NOT_YET } else { EXPIRED };
    Diagnosis::new(kind, reason)
}

pub(crate) fn unreadable() -> Diagnosis {
    Diagnosis::new(RefusalKind::Other, DAMAGED)
}
