//! Owns the explanation of a refused certificate: its facts, and the expected ones. Called by `trust` after a
//! refusal. Never decides.
//!
//! Text from a certificate is untrusted: control and format characters are replaced here.

use crate::diagnose::Diagnosis;
use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};
use tcp_chat_protocol::{Timestamp, invite::Pin};
use tokio_rustls::rustls::pki_types::{CertificateDer, UnixTime};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate, X509Version};

/// Why a certificate was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalKind {
    /// No trusted CA has signed it.
    UnknownIssuer,
    /// It is for other names.
    WrongName,
    /// It has expired.
    Expired,
    /// It is not valid yet, or the clock of this host is wrong.
    NotYetValid,
    /// No certificate in the chain has the pin.
    WrongPin,
    /// Another reason; the sentence names it.
    Other,
}

/// A refused certificate, explained.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateRefusal {
    /// For programs.
    pub kind: RefusalKind,
    /// The host that the client asked for.
    pub host: String,
    /// One sentence.
    pub reason: String,
    /// The position of the certificate at fault; 0 is the server's own. The fields below describe it.
    pub at: usize,
    /// Its subject.
    pub subject: String,
    /// The names and addresses for which it is valid.
    pub names: Vec<String>,
    /// Its issuer.
    pub issuer: String,
    /// Valid from and until, RFC 3339; empty if it is unreadable.
    pub validity: (String, String),
    /// The SHA-256 of each certificate that the server sent, the leaf's first.
    pub seen: Vec<Pin>,
    /// The trusted CAs or pin, in words.
    pub trusted: String,
    /// The expected pin, if trust is by a pin.
    pub expected: Option<Pin>,
}

impl CertificateRefusal {
    /// Reads the facts of the chain.
    pub(crate) fn new(
        diagnosis: Diagnosis,
        host: String,
        chain: &[&CertificateDer<'_>],
        trusted: String,
        expected: Option<Pin>,
    ) -> Self {
        let Diagnosis { kind, reason, at } = diagnosis;
        let mut refusal = Self {
            kind,
            host: plain(&host),
            reason: plain(&reason),
            at,
            subject: String::new(),
            names: Vec::new(),
            issuer: String::new(),
            validity: (String::new(), String::new()),
            seen: chain.iter().map(|der| pin_of(der)).collect(),
            trusted: plain(&trusted),
            expected,
        };
        if let Some(faulty) = chain.get(at).and_then(|der| parse(der)) {
            refusal.subject = plain(&faulty.subject().to_string());
            refusal.names = names(&faulty);
            refusal.issuer = plain(&faulty.issuer().to_string());
            let (from, to) = validity(&faulty);
            refusal.validity = (from.to_string(), to.to_string());
        }
        refusal
    }
}

/// The SHA-256 of a certificate.
#[must_use]
pub fn pin_of(der: &CertificateDer<'_>) -> Pin {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, der);
    let mut pin = [0; 32];
    pin.copy_from_slice(digest.as_ref());
    Pin(pin)
}

/// The subject of a certificate, for a person.
pub(crate) fn subject(der: &CertificateDer<'_>) -> String {
    parse(der).map_or_else(|| "an unreadable certificate".into(), |c| plain(&c.subject().to_string()))
}

/// A certificate that was accepted, for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFacts {
    /// Its subject.
    pub subject: String,
    /// The names and addresses for which it is valid.
    pub names: Vec<String>,
    /// Its issuer.
    pub issuer: String,
    /// From when to when it is valid.
    pub validity: (Timestamp, Timestamp),
}

impl CertificateFacts {
    /// `None`: it is unreadable.
    pub(crate) fn of(der: &CertificateDer<'_>) -> Option<Self> {
        let certificate = parse(der)?;
        Some(Self {
            subject: plain(&certificate.subject().to_string()),
            names: names(&certificate),
            issuer: plain(&certificate.issuer().to_string()),
            validity: validity(&certificate),
        })
    }
}

/// The first common name of a certificate.
pub(crate) fn common_name(der: &CertificateDer<'_>) -> Option<String> {
    let certificate = parse(der)?;
    let name = certificate.subject().iter_common_name().next()?.as_str().ok()?.to_owned();
    Some(name)
}

/// Checks `now` against the certificate's validity. `None`: it is unreadable.
pub(crate) fn valid_at(der: &CertificateDer<'_>, now: UnixTime) -> Option<Result<(), RefusalKind>> {
    let (from, to) = validity(&parse(der)?);
    let now = Timestamp(now.as_secs().saturating_mul(1000));
    Some(if now < from {
        Err(RefusalKind::NotYetValid)
    } else if now > to {
        Err(RefusalKind::Expired)
    } else {
        Ok(())
    })
}

/// Whether `signer` has the name of the issuer of `signed`.
pub(crate) fn is_named(signed: &X509Certificate<'_>, signer: &X509Certificate<'_>) -> bool {
    signed.issuer() == signer.subject()
}

pub(crate) fn is_version_1(der: &CertificateDer<'_>) -> bool {
    parse(der).is_some_and(|certificate| certificate.version() != X509Version::V3)
}

pub(crate) fn parse<'a>(der: &'a CertificateDer<'_>) -> Option<X509Certificate<'a>> {
    X509Certificate::from_der(der).ok().map(|(_, certificate)| certificate)
}

fn validity(certificate: &X509Certificate<'_>) -> (Timestamp, Timestamp) {
    let of = |t: x509_parser::time::ASN1Time| {
        Timestamp(u64::try_from(t.timestamp()).unwrap_or(0).saturating_mul(1000))
    };
    (of(certificate.validity().not_before), of(certificate.validity().not_after))
}

fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(san)) = certificate.subject_alternative_name() else { return Vec::new() };
    let shown = san.value.general_names.iter().filter_map(|name| match name {
        // A client ignores an address as a DNS name, so it is marked.
        GeneralName::DNSName(name) if name.parse::<std::net::IpAddr>().is_ok() => Some(format!("DNS:{name}")),
        GeneralName::DNSName(name) => Some(plain(name)),
        GeneralName::IPAddress(bytes) => match *bytes {
            [a, b, c, d] => Some(std::net::Ipv4Addr::new(*a, *b, *c, *d).to_string()),
            _ => <[u8; 16]>::try_from(*bytes).ok().map(|b| std::net::Ipv6Addr::from(b).to_string()),
        },
        _ => None,
    });
    shown.take(50).collect()
}

/// At most 200 characters, without control and invisible ones.
fn plain(text: &str) -> String {
    let shown = |c: char| {
        let hides = c.is_control()
            || matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}');
        if hides { '\u{fffd}' } else { c }
    };
    text.chars().take(200).map(shown).collect()
}

impl fmt::Display for CertificateRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.at == 0 {
            writeln!(f, "the certificate of {} was refused: {}", self.host, self.reason)?;
            let names = if self.names.is_empty() { "none".into() } else { self.names.join(", ") };
            writeln!(f, "  it is for:    {names}")?;
        } else {
            let (host, number, of) = (&self.host, self.at + 1, self.seen.len());
            writeln!(f, "certificate {number} of the {of} of {host} was refused: {}", self.reason)?;
            writeln!(
                f,
                "  it is:        {}",
                if self.subject.is_empty() { "unknown" } else { &self.subject }
            )?;
        }
        writeln!(f, "  signed by:    {}", if self.issuer.is_empty() { "unknown" } else { &self.issuer })?;
        if !self.validity.0.is_empty() {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
            let now = Timestamp(u64::try_from(now).unwrap_or(0));
            writeln!(f, "  valid:        {} to {} (now {now})", self.validity.0, self.validity.1)?;
        }
        for (i, pin) in self.seen.iter().enumerate().filter(|(i, pin)| *i < 8 || Some(**pin) == self.expected)
        {
            let own = if i == 0 { " (the server's own)" } else { "" };
            let refused = if i == self.at && i > 0 { " (this one)" } else { "" };
            let expected = if Some(*pin) == self.expected { " (the expected one)" } else { "" };
            writeln!(f, "  pin seen:     {pin}{own}{refused}{expected}")?;
        }
        if let Some(pin) = self.expected {
            writeln!(f, "  pin expected: {pin}")?;
        }
        write!(f, "  trusted:      {}", self.trusted)
    }
}

impl std::error::Error for CertificateRefusal {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_certificate_says_cannot_move_the_cursor() {
        assert_eq!(plain("CN=a\u{1b}[2J\nb\u{202e}"), "CN=a\u{fffd}[2J\u{fffd}b\u{fffd}");
        assert_eq!(plain(&"x".repeat(500)).len(), 200);
    }
}
