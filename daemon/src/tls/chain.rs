//! Owns the checks of an operator's certificate chain: the faults for which clients refuse it, and the doubtful
//! ones, each with its remedy. Called by `pair` and `mod` for a start and for `check`. Never reads a file, never
//! decides whether the daemon starts.

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

/// The critical extensions that clients know (webpki).
const KNOWN_EXTENSIONS: [&str; 6] =
    ["2.5.29.15", "2.5.29.17", "2.5.29.19", "2.5.29.30", "2.5.29.31", "2.5.29.37"];
/// The sizes of RSA keys that clients accept (webpki), in bits.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// The faults of a chain; each sentence begins with the certificate that it is about.
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// Clients that trust a CA refuse the server.
    pub(super) refused: Vec<String>,
    /// Some clients refuse it, or part of the chain has no effect.
    pub(super) doubts: Vec<String>,
}

/// The reason why every client refuses the first certificate.
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

/// The reasons why a certificate has no usable name, or why clients ignore one of its names.
pub(super) fn useless_names(first: &CertificateDer<'_>) -> Vec<String> {
    let Ok((_, first)) = X509Certificate::from_der(first) else { return Vec::new() };
    let alternative = first.subject_alternative_name().ok().flatten();
    let names = alternative.iter().flat_map(|names| &names.value.general_names);
    let useless = names.filter_map(|name| match name {
        GeneralName::DNSName(name) if name.parse::<IpAddr>().is_ok() => {
            Some(format!("it has the address {name} as a DNS name, which clients ignore: write `IP:{name}`"))
        }
        GeneralName::DNSName(name) if !is_host(name) => {
            Some(format!("its DNS name {name:?} is not a host name: write `DNS:chat.example`"))
        }
        GeneralName::IPAddress(bytes) if pair::address(bytes).is_none() => {
            Some("an address in it has neither 4 nor 16 bytes: write `IP:192.0.2.1`".into())
        }
        _ => None,
    });
    useless.collect()
}

/// Whether a client can ask for that name. A `*` in front stands for one label.
pub(super) fn is_host(name: &str) -> bool {
    matches!(ServerName::try_from(name.strip_prefix("*.").unwrap_or(name)), Ok(ServerName::DnsName(_)))
}

/// Checks a chain with which the daemon starts.
pub(super) fn inspect(chain: &[CertificateDer<'static>], facts: &Facts, now: SystemTime) -> Findings {
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
    if found.refused.is_empty() && (!rest.is_empty() || is_self_signed(&parsed[0])) {
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
    // Clients check neither the time nor the signature of a trusted root.
    if at > 0 && is_self_signed(certificate) {
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
    if let Some(why) = Facts::read(der).ok().and_then(|facts| facts.validity_fault(now)) {
        found.refused.push(format!("{which}: {why}: replace it by the one that your CA issues now"));
    }
    if !certificate.is_ca() {
        found.refused.push(format!(
            "{which} is not a CA's (basicConstraints), so certificates that it signed are refused: remove it, or \
             issue it again with `basicConstraints=critical,CA:TRUE`"
        ));
    }
}

/// Checks, by the names, that each certificate is signed by the next one.
fn order(chain: &[X509Certificate<'_>], found: &mut Findings) {
    for at in 1..chain.len() {
        let (signed, signer) = (&chain[at - 1], &chain[at]);
        if signed.issuer() == signer.subject() {
            continue;
        }
        let (one, other) = (which(at - 1, signed), which(at, signer));
        // A root has no signer in the chain, so a certificate behind it is misplaced.
        match chain.iter().position(|candidate| candidate.subject() == signed.issuer()) {
            Some(right) if signed.subject() != signed.issuer() => found.doubts.push(format!(
                "{one} is signed by {}, but {other} is between them: put each certificate after the one that it has signed",
                which(right, &chain[right])
            )),
            Some(_) if chain.iter().any(|below| below.issuer() == signer.subject()) => found.doubts.push(format!(
                "{other} is after {one}, which no other certificate has signed: put each certificate after the one that it has signed"
            )),
            _ => found.refused.push(format!(
                "{other} has not signed {one}, which is signed by {}: put the certificate of that signer in its place, or \
                 remove it",
                signed.issuer()
            )),
        }
        return;
    }
}

fn is_self_signed(certificate: &X509Certificate<'_>) -> bool {
    certificate.subject() == certificate.issuer()
}

/// The refusal of a client that trusts the last certificate, such as one with its pin.
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

/// A verifier that trusts one CA only.
pub(super) fn trusting(ca: &CertificateDer<'static>) -> Result<Arc<WebPkiServerVerifier>, String> {
    let unreadable = || damaged("the CA's certificate");
    let mut roots = RootCertStore::empty();
    roots.add(ca.clone()).map_err(|_| unreadable())?;
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::new(super::serve::provider()))
        .build()
        .map_err(|_| unreadable())
}

/// The reason of a client's refusal, in words.
pub(super) fn refusal(why: &rustls::Error) -> &'static str {
    use CertificateError as C;
    let rustls::Error::InvalidCertificate(why) = why else { return NOT_AS_ASKED };
    match why {
        C::UnknownIssuer | C::BadSignature => {
            "no certificate of the chain has signed it, although one may have the name of the signer: was the CA replaced?"
        }
        C::NotValidForName | C::NotValidForNameContext { .. } => "it is not for the requested name",
        C::Expired | C::ExpiredContext { .. } => "it has expired",
        C::NotValidYet | C::NotValidYetContext { .. } => "it is not valid yet",
        C::InvalidPurpose | C::InvalidPurposeContext { .. } => {
            "it is not for that purpose (extendedKeyUsage): have it signed with `extendedKeyUsage=serverAuth`"
        }
        _ => NOT_AS_ASKED,
    }
}

/// The text for rare reasons.
pub(super) const NOT_AS_ASKED: &str = "it does not conform to RFC 5280, or its CA must not sign such a certificate \
     (nameConstraints, pathlen): inspect it with `openssl x509 -noout -text -in`, and issue it again";

fn damaged(which: &str) -> String {
    format!("{which} is damaged: it is not an X.509 certificate; copy it again from its source")
}

pub(super) fn which(at: usize, certificate: &X509Certificate<'_>) -> String {
    format!("certificate {} in it ({})", at + 1, certificate.subject())
}
