//! Refusals as a person reads them: for each kind of bad chain, the certificate that is shown, and that no part
//! contradicts another.

use super::*;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, SanType,
};
use std::time::Duration;
use tcp_chat_protocol::Timestamp;

/// Noon of 2026-01-01.
const NOW: Duration = Duration::from_secs(1_767_268_800);

struct Made {
    params: CertificateParams,
    key: KeyPair,
    der: CertificateDer<'static>,
    pem: String,
}

impl Made {
    fn new(name: &str, change: impl Fn(&mut CertificateParams), signer: Option<&Self>) -> Self {
        Self::with(KeyPair::generate().unwrap(), name, change, signer)
    }

    fn with(
        key: KeyPair,
        name: &str,
        change: impl Fn(&mut CertificateParams),
        signer: Option<&Self>,
    ) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2090, 1, 1);
        change(&mut params);
        let made = match signer {
            None => params.self_signed(&key),
            Some(signer) => params.signed_by(&key, &Issuer::from_params(&signer.params, &signer.key)),
        };
        let made = made.unwrap();
        Self { params, key, der: made.der().clone(), pem: made.pem() }
    }
}

fn ca(params: &mut CertificateParams) {
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
}

fn named(params: &mut CertificateParams) {
    params.subject_alt_names = vec![SanType::DnsName("localhost".try_into().unwrap())];
}

/// The refusal of a chain, after a check that it does not contradict itself.
fn said(chain: &[&Made], trust: Trust, host: &str) -> CertificateRefusal {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let by_ca = match &trust {
        Trust::Ca(cas) => Some(web_pki(cas, &provider).unwrap()),
        Trust::Pin(_) => None,
    };
    let verifier = Verifier { trust, by_ca, provider };
    let chain: Vec<_> = chain.iter().map(|made| made.der.clone()).collect();
    let name = ServerName::try_from(host.to_owned()).unwrap();
    let now = UnixTime::since_unix_epoch(NOW);
    let refused = verifier.verify_server_cert(&chain[0], &chain[1..], &name, &[], now).unwrap_err();
    let refusal = refusal_in(&refused).unwrap();
    let text = refusal.to_string();
    for word in
        ["OtherError", "Other(", "UsedAs", "Unsupported", "InvalidCertificate", "Error(", "{ ", "unexpected"]
    {
        assert!(!text.contains(word), "a library's words ({word}): {text}");
    }
    let now = Timestamp(u64::try_from(NOW.as_millis()).unwrap()).to_string();
    let (from, to) = &refusal.validity;
    match refusal.kind {
        RefusalKind::Expired => assert!(*to < now, "{text}"),
        RefusalKind::NotYetValid => assert!(*from > now, "{text}"),
        RefusalKind::WrongName => assert!(!refusal.names.contains(&host.to_owned()), "{text}"),
        _ => assert!(*from < now && now < *to, "what is shown is not what is at fault: {text}"),
    }
    if let Some(expected) = refusal.expected {
        let is_seen = refusal.seen.contains(&expected);
        assert_eq!(is_seen, refusal.kind != RefusalKind::WrongPin, "{text}");
        assert_eq!(is_seen, text.contains("(the expected one)"), "{text}");
    }
    refusal
}

#[test]
fn the_certificate_at_fault_is_shown() {
    let root = Made::new("root", ca, None);
    let trust = || Trust::Ca(vec![root.der.clone()]);
    let inter = Made::new("inter", ca, Some(&root));
    let leaf = Made::new("leaf", named, Some(&inter));

    // An expired intermediate, and one that is not valid yet.
    for (years, kind) in [((2001, 2002), RefusalKind::Expired), ((2080, 2081), RefusalKind::NotYetValid)] {
        let dated = |params: &mut CertificateParams| {
            ca(params);
            params.not_before = rcgen::date_time_ymd(years.0, 1, 1);
            params.not_after = rcgen::date_time_ymd(years.1, 1, 1);
        };
        let key = KeyPair::from_pem(&inter.key.serialize_pem()).unwrap();
        let dated = Made::with(key, "inter", dated, Some(&root));
        let refusal = said(&[&leaf, &dated], trust(), "localhost");
        assert_eq!((refusal.kind, refusal.at, refusal.subject.as_str()), (kind, 1, "CN=inter"));
        let reason = if kind == RefusalKind::Expired { "it has expired" } else { "it is not valid yet" };
        let begins = format!("certificate 2 of the 2 of localhost was refused: {reason}");
        assert!(refusal.to_string().starts_with(&begins), "{refusal}");
        assert_eq!(refusal.issuer, "CN=root");
    }
    // The signer of the last certificate is not trusted.
    let stranger = Made::new("stranger", ca, None);
    let refusal = said(&[&leaf, &inter], Trust::Ca(vec![stranger.der.clone()]), "localhost");
    assert_eq!(
        (refusal.kind, refusal.at, refusal.issuer.as_str()),
        (RefusalKind::UnknownIssuer, 1, "CN=root")
    );
    assert!(refusal.reason.contains("no CA that is trusted has signed it"), "{refusal}");
    // The intermediate is missing.
    let refusal = said(&[&leaf], trust(), "localhost");
    assert_eq!((refusal.at, refusal.issuer.as_str()), (0, "CN=inter"));
    // A CA of the same name with another key: the trusted one and the signer look the same.
    let namesake = Made::new("root", ca, None);
    for chain in [&[&leaf, &inter][..], &[&leaf, &inter, &root]] {
        let refusal = said(chain, Trust::Ca(vec![namesake.der.clone()]), "localhost");
        assert!(refusal.reason.contains("is trusted, but it has another key"), "{refusal}");
    }
    // A signer that is not a CA.
    let no_ca = Made::new("no ca", |_| {}, Some(&root));
    let leaf = Made::new("leaf", named, Some(&no_ca));
    let refusal = said(&[&leaf, &no_ca], trust(), "localhost");
    assert_eq!((refusal.kind, refusal.at), (RefusalKind::Other, 1));
    assert!(refusal.reason.contains("it is not a CA's"), "{refusal}");
}

#[test]
fn a_servers_own_certificate_that_is_not_fit_for_one() {
    let both = |params: &mut CertificateParams| {
        ca(params);
        named(params);
    };
    let alone = Made::new("localhost", both, None);
    let refusal = said(&[&alone], Trust::Ca(vec![alone.der.clone()]), "localhost");
    assert!(refusal.reason.contains("it is a CA's (basicConstraints CA:TRUE)"), "{refusal}");
    assert!(refusal.reason.contains("basicConstraints=critical,CA:FALSE"), "{refusal}");

    let root = Made::new("root", ca, None);
    let trust = || Trust::Ca(vec![root.der.clone()]);
    let for_clients = |params: &mut CertificateParams| {
        named(params);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    };
    let refusal = said(&[&Made::new("leaf", for_clients, Some(&root))], trust(), "localhost");
    assert!(refusal.reason.contains("it is not for servers (extendedKeyUsage"), "{refusal}");
    let refusal = said(&[&Made::new("localhost", |_| {}, Some(&root))], trust(), "localhost");
    assert_eq!(refusal.kind, RefusalKind::WrongName);
    assert!(refusal.reason.contains("it has no names (subjectAltName)"), "{refusal}");
    let as_text = |params: &mut CertificateParams| {
        params.subject_alt_names = vec![SanType::DnsName("192.0.2.1".try_into().unwrap())];
    };
    let refusal = said(&[&Made::new("leaf", as_text, Some(&root))], trust(), "192.0.2.1");
    assert!(refusal.reason.contains("must be written as `IP:192.0.2.1`"), "{refusal}");
    assert_eq!(refusal.names, ["DNS:192.0.2.1"]);
}

#[test]
fn a_pin_that_was_seen_and_does_not_help() {
    let (root, stranger) = (Made::new("root", ca, None), Made::new("stranger", ca, None));
    let leaf = Made::new("leaf", named, Some(&stranger));
    let pin = Trust::Pin(pin_of(&root.der));
    let refusal = said(&[&leaf, &root], pin.clone(), "localhost");
    assert_eq!((refusal.kind, refusal.at), (RefusalKind::UnknownIssuer, 0));
    assert!(
        refusal
            .reason
            .contains("sent the certificate with the expected pin, but that one has not signed this")
    );
    // Behind more certificates than are shown otherwise.
    let many: Vec<&Made> = std::iter::once(&leaf).chain([&stranger; 9]).chain([&root]).collect();
    said(&many, pin, "localhost");
    said(&[&leaf, &stranger], Trust::Pin(Pin([7; 32])), "localhost");
    let old = |params: &mut CertificateParams| {
        named(params);
        params.not_after = rcgen::date_time_ymd(2021, 1, 1);
    };
    let old = Made::new("leaf", old, None);
    assert_eq!(said(&[&old], Trust::Pin(pin_of(&old.der)), "localhost").kind, RefusalKind::Expired);
}

#[test]
fn files_that_cannot_be_used_are_told_in_words() {
    let leaf = Made::new("ana", |_| {}, None);
    let pem = |label: &str, body: &str| format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n");
    let certificate = leaf.pem.replace("\r\n", "\n");
    let (key, other) = (leaf.key.serialize_pem(), KeyPair::generate().unwrap().serialize_pem());
    let folder = std::env::temp_dir().join(format!("tcp-chat-client-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let (one, two) = (folder.join("ana.pem"), folder.join("ana.key"));
    let old = pem("RSA PRIVATE KEY", "Proc-Type: 4,ENCRYPTED\n\nAAAA");
    let cases = [
        (certificate.clone(), old, "ana.key: the key in it is encrypted"),
        (certificate.clone(), pem("PRIVATE KEY", "A-A="), "ana.key: line 2: `-` has no place"),
        (certificate.clone(), pem("PRIVATE KEY", "AAAA"), "the client's key is not usable for TLS here"),
        (certificate.clone(), other, "the key is not that of the client certificate"),
        (certificate.clone(), certificate.clone(), "ana.key: there is no private key in it"),
        (pem("CERTIFICATE", "AAAA"), key.clone(), "the client certificate is damaged"),
        (format!("{}{certificate}", certificate.trim()), key.clone(), "END and BEGIN share a line"),
        (format!("\u{feff}{certificate}"), key, "ana.pem: it begins with a byte order mark"),
    ];
    for (certificate, key, sentence) in cases {
        std::fs::write(&one, certificate).unwrap();
        std::fs::write(&two, key).unwrap();
        let done = Identity::from_files(&one, &two)
            .and_then(|identity| client_config(&Trust::Ca(vec![leaf.der.clone()]), Some(&identity)));
        let why = done.err().unwrap().to_string();
        assert!(why.contains(sentence), "{sentence:?} is not in: {why}");
        for word in ["Invalid", "Error", "unexpected", "{ ", "Other("] {
            assert!(!why.contains(word), "a library's words ({word}): {why}");
        }
    }
    std::fs::remove_dir_all(&folder).unwrap();
    let garbage = Trust::Ca(vec![CertificateDer::from(vec![1, 2, 3])]);
    let why = client_config(&garbage, None).unwrap_err().to_string();
    assert!(why.contains("that is to be trusted is damaged"), "{why}");
}
