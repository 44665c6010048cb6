//! Owns what is wrong with an operator's chain of certificates: what makes clients refuse it, and
//! what is only doubtful, each with its remedy. `pair` and `mod` ask it, for a start and for
//! `check`. Never reads a file, never decides whether the daemon starts.

use super::pair::{self, Facts};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, RootCertStore};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;
use tcp_chat_protocol::pem::OLD_SIGNATURES;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate, X509Version};
use x509_parser::public_key::PublicKey;

/// What a client has to know of where it is marked critical (webpki).
const KNOWN_EXTENSIONS: [&str; 6] =
    ["2.5.29.15", "2.5.29.17", "2.5.29.19", "2.5.29.30", "2.5.29.31", "2.5.29.37"];
/// RSA keys of other sizes verify nothing (webpki).
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// What was found; each sentence begins with the certificate that it is about.
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// Clients that trust a CA refuse the server for it.
    pub(super) refused: Vec<String>,
    /// Some do, or something is not as it was meant.
    pub(super) doubts: Vec<String>,
}

/// Why no client at all takes the first certificate, whatever it trusts and whenever it asks.
pub(super) fn unusable(first: &CertificateDer<'_>) -> Option<String> {
    let Ok((_, first)) = X509Certificate::from_der(first) else {
        return Some(damaged("its first certificate"));
    };
    if first.version() != X509Version::V3 {
        return Some(
            "its first certificate is of X.509 version 1, which has no names, and clients refuse it; `openssl x509 \
             -req` makes such a one without -extfile: sign it again with -extfile and a file in which stands \
             `subjectAltName=DNS:chat.example`"
                .into(),
        );
    }
    if let Ok(PublicKey::RSA(key)) = first.public_key().parsed()
        && !RSA_BITS.contains(&key.key_size())
    {
        return Some(format!(
            "the key of its first certificate has {} bits, and TLS needs {} to {} of RSA: make a new key, \
             `openssl ecparam -name prime256v1 -genkey -noout -out NEW.key`, and a certificate for it",
            key.key_size(),
            RSA_BITS.start(),
            RSA_BITS.end()
        ));
    }
    let strange = first.extensions().iter().find(|extension| {
        extension.critical && !KNOWN_EXTENSIONS.contains(&extension.oid.to_id_string().as_str())
    });
    strange.map(|extension| {
        format!(
            "its first certificate has a critical extension that clients do not know (OID {}), so they refuse it: \
             make it again without",
            extension.oid.to_id_string()
        )
    })
}

/// Why a certificate without a usable name has none, or why a name in it is of no use.
pub(super) fn useless_names(first: &CertificateDer<'_>) -> Vec<String> {
    let Ok((_, first)) = X509Certificate::from_der(first) else { return Vec::new() };
    let alternative = first.subject_alternative_name().ok().flatten();
    let names = alternative.iter().flat_map(|names| &names.value.general_names);
    let useless = names.filter_map(|name| match name {
        GeneralName::DNSName(name) if name.parse::<IpAddr>().is_ok() => Some(format!(
            "it has the address {name} as a DNS name, which clients do not look at: write `IP:{name}`"
        )),
        GeneralName::DNSName(name) if !is_host(name) => {
            Some(format!("its DNS name {name:?} is no host name: write `DNS:chat.example`"))
        }
        GeneralName::IPAddress(bytes) if pair::address(bytes).is_none() => {
            Some("an address in it has neither 4 nor 16 bytes: write `IP:192.0.2.1`".into())
        }
        _ => None,
    });
    useless.collect()
}

/// Can a client ask for that name? A `*` in front stands for one part.
pub(super) fn is_host(name: &str) -> bool {
    matches!(ServerName::try_from(name.strip_prefix("*.").unwrap_or(name)), Ok(ServerName::DnsName(_)))
}

/// Looks at a chain that a start accepts.
pub(super) fn look(chain: &[CertificateDer<'static>], facts: &Facts, now: SystemTime) -> Findings {
    let mut found = Findings::default();
    let Some((first, rest)) = chain.split_first() else { return found };
    if facts.is_ca {
        found.refused.push(
            "its first certificate is a CA's (basicConstraints CA:TRUE), and a client that trusts it, or its CA, \
             refuses it as a server's; make it again with `-addext basicConstraints=critical,CA:FALSE`"
                .into(),
        );
    }
    found.doubts.extend(useless_names(first).into_iter().map(|why| format!("its first certificate: {why}")));
    let parsed: Vec<_> = chain.iter().filter_map(|der| X509Certificate::from_der(der).ok()).collect();
    if parsed.len() < chain.len() {
        let at = chain.iter().position(|der| X509Certificate::from_der(der).is_err()).unwrap_or_default();
        found.refused.push(damaged(&format!("certificate {} in it", at + 1)));
        return found;
    }
    let parsed: Vec<_> = parsed.into_iter().map(|(_, certificate)| certificate).collect();
    for (at, certificate) in parsed.iter().enumerate() {
        each(at, certificate, &chain[at], now, &mut found);
    }
    order(&parsed, &mut found);
    if found.refused.is_empty() && (!rest.is_empty() || is_by_itself(&parsed[0])) {
        found.refused.extend(verify(chain, facts, now));
    }
    found
}

fn each(
    at: usize,
    certificate: &X509Certificate<'_>,
    der: &CertificateDer<'_>,
    now: SystemTime,
    found: &mut Findings,
) {
    let which = which(at, certificate);
    // Of a root that a client trusts it asks neither time nor signature.
    if at > 0 && is_by_itself(certificate) {
        return;
    }
    if OLD_SIGNATURES.contains(&certificate.signature_algorithm.algorithm.to_id_string().as_str()) {
        found.refused.push(format!(
            "{which} is signed with a hash that clients no longer accept (SHA-1 or older): have it signed again \
             with SHA-256"
        ));
    }
    if at == 0 {
        return;
    }
    if let Some(why) = Facts::read(der).ok().and_then(|facts| facts.out_of_time(now)) {
        found.refused.push(format!("{which}: {why}: put the one in its place that your CA gives out now"));
    }
    if !certificate.is_ca() {
        found.refused.push(format!(
            "{which} is no CA's (basicConstraints), so what it has signed is refused: take it out, or have it made \
             again with `basicConstraints=critical,CA:TRUE`"
        ));
    }
}

/// Each certificate has to be signed by the one behind it: by their names here.
fn order(chain: &[X509Certificate<'_>], found: &mut Findings) {
    for at in 1..chain.len() {
        let (signed, signer) = (&chain[at - 1], &chain[at]);
        if signed.issuer() == signer.subject() {
            continue;
        }
        let (one, other) = (which(at - 1, signed), which(at, signer));
        // A root cannot go on; what stands behind it is out of place.
        match chain.iter().position(|candidate| candidate.subject() == signed.issuer()) {
            Some(right) if signed.subject() != signed.issuer() => found.doubts.push(format!(
                "{one} is signed by {}, and {other} stands between them: put each behind the one that it has signed",
                which(right, &chain[right])
            )),
            Some(_) if chain.iter().any(|below| below.issuer() == signer.subject()) => found.doubts.push(format!(
                "{other} stands behind {one}, which nobody else has signed: put each behind the one that it has signed"
            )),
            _ => found.refused.push(format!(
                "{other} has not signed {one}, which is signed by {}: put that one's certificate in its place, or take \
                 it out",
                signed.issuer()
            )),
        }
        return;
    }
}

fn is_by_itself(certificate: &X509Certificate<'_>) -> bool {
    certificate.subject() == certificate.issuer()
}

/// What a client finds that trusts the last certificate, as one with its pin does.
fn verify(chain: &[CertificateDer<'static>], facts: &Facts, now: SystemTime) -> Option<String> {
    let (last, below) = chain.split_last()?;
    let (first, rest) = below.split_first().unwrap_or((last, &[]));
    let name = facts.names.iter().find_map(|name| ServerName::try_from(name.replacen('*', "a", 1)).ok())?;
    let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let verified =
        trusting(last).ok()?.verify_server_cert(first, rest, &name, &[], UnixTime::since_unix_epoch(now));
    let why = verified.err()?;
    Some(format!("a client that trusts its last certificate refuses the first one: {}", refusal(&why)))
}

/// A client's verification that trusts one CA only.
pub(super) fn trusting(ca: &CertificateDer<'static>) -> Result<Arc<WebPkiServerVerifier>, String> {
    let unreadable = || damaged("the CA's certificate");
    let mut roots = RootCertStore::empty();
    roots.add(ca.clone()).map_err(|_| unreadable())?;
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::new(super::serve::provider()))
        .build()
        .map_err(|_| unreadable())
}

/// Why a client refuses, in words.
pub(super) fn refusal(why: &rustls::Error) -> &'static str {
    use CertificateError as C;
    let rustls::Error::InvalidCertificate(why) = why else { return NOT_AS_ASKED };
    match why {
        C::UnknownIssuer | C::BadSignature => {
            "no certificate there has signed it, though one may have the signer's name: was the CA made anew?"
        }
        C::NotValidForName | C::NotValidForNameContext { .. } => "it is not for the name that is asked for",
        C::Expired | C::ExpiredContext { .. } => "it has expired",
        C::NotValidYet | C::NotValidYetContext { .. } => "it is not good yet",
        C::InvalidPurpose | C::InvalidPurposeContext { .. } => {
            "it is not for that purpose (extendedKeyUsage): have it signed with `extendedKeyUsage=serverAuth`"
        }
        _ => NOT_AS_ASKED,
    }
}

/// For what is too seldom to have a sentence of its own.
pub(super) const NOT_AS_ASKED: &str = "it is not built as RFC 5280 asks, or its CA may not sign such a one \
     (nameConstraints, pathlen): look at it with `openssl x509 -noout -text -in`, and have it made again";

fn damaged(which: &str) -> String {
    format!("{which} is damaged: it is no X.509 certificate; copy it again from where it was made")
}

pub(super) fn which(at: usize, certificate: &X509Certificate<'_>) -> String {
    format!("certificate {} in it ({})", at + 1, certificate.subject())
}
