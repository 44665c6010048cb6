//! Faults of certificates, chains and keys: the sentences of `check` and of a start, without any text of a
//! library.

use super::faulty::{Made, altered, der_of, pem_of, rsa_1024, version_1};
use super::*;
use rcgen::{CustomExtension, ExtendedKeyUsagePurpose, SanType};
use rustls::pki_types::pem::PemObject;

/// Texts of libraries that must not appear.
const LIBRARY_WORDS: [&str; 12] = [
    "OtherError",
    "Other(",
    "UnsupportedCertVersion",
    "CaUsedAsEndEntity",
    "InvalidCharacter",
    "SUN_LEN",
    "unexpected error",
    "Error(",
    "Err(",
    "Some(",
    "{ ",
    "invalid peer certificate",
];

/// The grade of a fault: the start refuses; the start warns and `check` ends with 78; both warn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Grade {
    Fatal,
    Refused,
    Doubtful,
}

/// Opens, as a start does, and checks; returns the sentence that both give.
fn found(chain: &str, key: &str) -> Option<(Grade, String)> {
    let place = Place::new();
    let (certificate, key_file) = (place.dir.path().join("own.pem"), place.dir.path().join("own.key"));
    fs::write(&certificate, chain).unwrap();
    fs::write(&key_file, key).unwrap();
    let settings = settings::Tls { certificate: Some(certificate), key: Some(key_file), ..place.settings() };
    let started = TlsState::open_as(&settings, HOST, place.now);
    let checked = check(&settings, place.now);
    let clean = |text: String| {
        for word in LIBRARY_WORDS {
            assert!(!text.contains(word), "a library's words ({word}): {text}");
        }
        assert!(text.contains("/own."), "no file is named: {text}");
        text.replace(&place.dir.path().display().to_string(), "")
    };
    let (state, checked) = match (started, checked) {
        (Err(start), Err(check)) => {
            assert_eq!(start, check);
            return Some((Grade::Fatal, clean(start.to_string())));
        }
        (Ok(state), Ok(checked)) => (state, checked),
        (start, check) => panic!("they differ: {start:?} {check:?}"),
    };
    let noted: Vec<String> = state.first_notes().iter().map(ToString::to_string).collect();
    let said: Vec<String> = checked.refused.iter().chain(&checked.doubts).cloned().collect();
    assert_eq!(noted, said, "the start warns of what check finds");
    let grade = if checked.refused.is_empty() { Grade::Doubtful } else { Grade::Refused };
    said.into_iter().next().map(|first| (grade, clean(first)))
}

fn is_found(chain: &str, key: &str, grade: Grade, parts: &[&str]) {
    let (is, said) = found(chain, key).unwrap_or_else(|| panic!("nothing was found; wanted {parts:?}"));
    assert_eq!(is, grade, "{said}");
    for part in parts {
        assert!(said.contains(part), "{part:?} is not in: {said}");
    }
}

#[test]
fn nothing_is_found_in_good_ones() {
    let root = Made::ca("root");
    let inter = Made::ca("inter").by(&root);
    let leaf = Made::leaf("localhost").by(&inter);
    for chain in [vec![&leaf], vec![&leaf, &inter], vec![&leaf, &inter, &root]] {
        assert_eq!(found(&pem_of(&chain), &leaf.key_pem()), None);
    }
    let alone = Made::leaf("localhost");
    assert_eq!(found(&alone.pem(), &alone.key_pem()), None, "signed by itself, and no CA");
    // An expired root does no harm: clients do not check the time of a trusted certificate.
    let old = Made::ca("old root").until(2001);
    let leaf = Made::leaf("localhost").by(&old);
    assert_eq!(found(&pem_of(&[&leaf, &old]), &leaf.key_pem()), None);
}

#[test]
fn a_first_certificate_that_no_client_takes() {
    let root = Made::ca("root");
    let with = |change: &dyn Fn(&mut rcgen::CertificateParams)| {
        let leaf = Made::leaf("localhost").with(change).by(&root);
        (leaf.pem(), leaf.key_pem())
    };
    let selfsigned = Made::ca("localhost").with(&|p| p.subject_alt_names = vec![dns("localhost")]);
    is_found(
        &selfsigned.pem(),
        &selfsigned.key_pem(),
        Grade::Refused,
        &["own.pem: its first certificate is a CA's", "-addext basicConstraints=critical,CA:FALSE"],
    );
    let (pem, key) = with(&|_| {});
    let old = version_1(&der_of(&pem));
    is_found(&old, &key, Grade::Fatal, &["own.pem: its first certificate is of X.509 version 1", "-extfile"]);
    let (pem, key) = with(&|p| p.subject_alt_names.clear());
    is_found(
        &pem,
        &key,
        Grade::Fatal,
        &["own.pem: its first certificate has no names", "subjectAltName=DNS:"],
    );
    let (pem, key) = with(&|p| p.subject_alt_names = vec![dns("192.0.2.1")]);
    is_found(&pem, &key, Grade::Fatal, &["the address 192.0.2.1 as a DNS name", "write `IP:192.0.2.1`"]);
    let (pem, key) = with(&|p| p.subject_alt_names.push(dns("192.0.2.1")));
    is_found(&pem, &key, Grade::Doubtful, &["the address 192.0.2.1 as a DNS name", "write `IP:192.0.2.1`"]);
    let (pem, key) = with(&|p| p.subject_alt_names.push(dns("https://chat.example")));
    is_found(&pem, &key, Grade::Doubtful, &["\"https://chat.example\" is not a host name"]);
    let (pem, key) = with(&|p| p.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth]);
    is_found(&pem, &key, Grade::Fatal, &["not for servers", "extendedKeyUsage=serverAuth"]);
    let (pem, key) = with(&|p| {
        let mut strange = CustomExtension::from_oid_content(&[1, 2, 3, 4], vec![5, 0]);
        strange.set_criticality(true);
        p.custom_extensions.push(strange);
    });
    is_found(&pem, &key, Grade::Fatal, &["a critical extension that clients do not know (OID 1.2.3.4)"]);
    let (pem, key) = with(&|p| p.not_after = rcgen::date_time_ymd(2001, 1, 1));
    is_found(&pem, &key, Grade::Fatal, &["own.pem: it expired on 2001-01-01"]);
    let (pem, key) = with(&|p| p.not_before = rcgen::date_time_ymd(2089, 1, 1));
    is_found(&pem, &key, Grade::Fatal, &["it is not valid before 2089-01-01", "clock"]);
    let alone = Made::leaf("localhost");
    is_found(
        &rsa_1024(&alone),
        &alone.key_pem(),
        Grade::Fatal,
        &["own.pem: the key of its first certificate has 1024 bits"],
    );
    let (pem, key) = with(&|_| {});
    // SHA-224 instead of SHA-256; a client that trusts a self-signed one verifies it, too.
    for (pem, key) in [(pem, key), (alone.pem(), alone.key_pem())] {
        let (sha_256, sha_224) =
            ([0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2], [0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 1]);
        let weak = altered(&der_of(&pem), &sha_256, &sha_224);
        is_found(&weak, &key, Grade::Refused, &["signed with a hash that clients no longer accept"]);
    }
    // Signed by itself, with another key.
    let (one, two) = (Made::leaf("localhost"), Made::leaf("localhost"));
    let forged = one.clone().by(&two);
    is_found(
        &forged.pem(),
        &forged.key_pem(),
        Grade::Refused,
        &["no certificate of the chain has signed it"],
    );
    let (pem, key) = with(&|_| {});
    let damaged = pem_text(&der_of(&pem)[..100]);
    is_found(&damaged, &key, Grade::Fatal, &["own.pem: its first certificate is damaged"]);
}

#[test]
fn a_chain_that_clients_refuse() {
    let root = Made::ca("root");
    let inter = Made::ca("inter").by(&root);
    let leaf = Made::leaf("localhost").by(&inter);
    let key = leaf.key_pem();

    let glued = format!("{}{}", leaf.pem().trim_end(), inter.pem());
    is_found(
        &glued,
        &key,
        Grade::Fatal,
        &["own.pem: line ", "END and BEGIN share a line", "newline", "awk 1"],
    );

    let past = inter.again().until(2001).by(&root);
    is_found(
        &pem_of(&[&leaf, &past]),
        &key,
        Grade::Refused,
        &["own.pem: certificate 2 in it (CN=inter): it expired on 2001-01-01", "your CA issues now"],
    );
    let no_ca = inter.again().with(&|p| p.is_ca = rcgen::IsCa::ExplicitNoCa).by(&root);
    is_found(
        &pem_of(&[&leaf, &no_ca]),
        &key,
        Grade::Refused,
        &["certificate 2 in it (CN=inter) is not a CA's", "basicConstraints=critical,CA:TRUE"],
    );
    is_found(
        &pem_of(&[&leaf, &root, &inter]),
        &key,
        Grade::Doubtful,
        &[
            "certificate 1 in it (CN=localhost) is signed by certificate 3 in it (CN=inter)",
            "put each certificate after",
        ],
    );
    let stranger = Made::ca("stranger");
    is_found(
        &pem_of(&[&leaf, &stranger]),
        &key,
        Grade::Refused,
        &["certificate 2 in it (CN=stranger) has not signed certificate 1 in it (CN=localhost)", "CN=inter"],
    );
    let namesake = Made::ca("inter").by(&root);
    is_found(
        &pem_of(&[&leaf, &namesake]),
        &key,
        Grade::Refused,
        &["refuses the first one: no certificate of the chain has signed it", "was the CA replaced?"],
    );
    let narrow =
        Made::ca("narrow").with(&|p| p.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Constrained(0)));
    let below = Made::ca("below").by(&narrow);
    let deep = Made::leaf("localhost").by(&below);
    let beside = Made::ca("above");
    let narrow = narrow.by(&beside);
    is_found(
        &pem_of(&[&deep, &below, &narrow, &beside]),
        &deep.key_pem(),
        Grade::Refused,
        &["its CA must not sign such a certificate (nameConstraints, pathlen)"],
    );
    is_found(
        &pem_of(&[&inter, &leaf]),
        &key,
        Grade::Fatal,
        &["the key is that of certificate 2 in it", "must come first"],
    );
    is_found(
        &pem_of(&[&leaf, &inter]),
        &root.key_pem(),
        Grade::Fatal,
        &["own.key: it is not the key of the cert"],
    );
}

#[test]
fn files_that_are_no_plain_pem() {
    let leaf = Made::leaf("localhost");
    let (pem, key) = (leaf.pem(), leaf.key_pem());
    let encrypted = key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    let old = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nAAAA\n\
               -----END RSA PRIVATE KEY-----\n";
    let bom = format!("\u{feff}{pem}");
    let no_key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    let hyphen = pem.replacen("\nMII", "\nM-I", 1);
    let padded = "-----BEGIN CERTIFICATE-----\nA===\n-----END CERTIFICATE-----\n";
    for (pem, key, parts) in [
        (bom.as_str(), key.as_str(), ["own.pem: it begins with a byte order mark", "sed -i"]),
        (&pem, &encrypted, ["own.key: the key in it is encrypted", "openssl pkey -in /own.key"]),
        (&pem, old, ["own.key: the key in it is encrypted", "openssl pkey -in /own.key"]),
        (&pem, no_key, ["own.key: its key is not usable for TLS here", "openssl ecparam"]),
        (&key, &key, ["own.pem: there is no certificate in it", "exchanged?"]),
        (&pem, &pem, ["own.key: there is no private key in it", "exchanged?"]),
        (&hyphen, &key, ["own.pem: line 2: `-` has no place", "copy"]),
        (padded, &key, ["own.pem: it is damaged", "copy"]),
        ("-----BEGIN CERTIFICATE-----\n!\n", &key, ["own.pem: line 2: `!`", "copy"]),
    ] {
        is_found(pem, key, Grade::Fatal, &parts);
    }
}

fn pem_text(der: &[u8]) -> String {
    super::faulty::pem(der)
}

fn dns(name: &str) -> SanType {
    SanType::DnsName(name.try_into().unwrap())
}

/// The CAs of clients, and the daemon's own files.
#[test]
fn other_files_are_told_in_words_too() {
    let place = Place::new();
    place.open().unwrap();
    let file = place.dir.path().join("users.pem");
    let mut settings = place.settings();
    settings.client_auth = settings::ClientAuth::Optional;
    settings.client_ca = Some(file.clone());
    let garbage = pem_text(b"no certificate");
    for text in ["", "\u{feff}x", garbage.as_str(), "-----BEGIN CERTIFICATE-----\nM-\n"] {
        fs::write(&file, text).unwrap();
        let said = check(&settings, place.now).unwrap_err().to_string();
        assert!(said.contains("users.pem: "), "{said}");
        LIBRARY_WORDS.iter().for_each(|word| assert!(!said.contains(word), "{said}"));
    }
    settings = place.settings();
    for name in ["ca.pem", "ca.key", "server.pem", "server.key"] {
        let good = place.read(name);
        let label = if name.ends_with("pem") { "CERTIFICATE" } else { "PRIVATE KEY" };
        let no_der = format!("-----BEGIN {label}-----\nAAAA\n-----END {label}-----\n");
        for text in ["", "-----BEGIN X\n", no_der.as_str()] {
            fs::write(place.path(name), text).unwrap();
            let said = match check(&settings, place.now) {
                Ok(checked) => checked.good,
                Err(why) => why.to_string(),
            };
            LIBRARY_WORDS.iter().for_each(|word| assert!(!said.contains(word), "{name}: {said}"));
        }
        fs::write(place.path(name), good).unwrap();
    }
    assert!(CertificateDer::from_pem_slice(&place.read("ca.pem")).is_ok());
}

#[test]
fn a_client_ca_that_is_no_cas_is_found() {
    let place = Place::new();
    let file = place.dir.path().join("users.pem");
    let mut settings = place.settings();
    settings.client_auth = settings::ClientAuth::Required;
    settings.client_ca = Some(file.clone());
    let (root, user) = (Made::ca("root"), Made::leaf("ana"));
    let found = |text: &str| {
        fs::write(&file, text).unwrap();
        let state = TlsState::open_as(&settings, HOST, place.now).unwrap();
        let checked = check(&settings, place.now).unwrap();
        let notes: Vec<_> =
            state.first_notes().into_iter().filter(|n| matches!(n, TlsNote::Doubtful { .. })).collect();
        let noted: Vec<String> = notes.iter().map(ToString::to_string).collect();
        assert_eq!(noted, checked.refused, "the start warns of what check finds");
        assert_eq!(state.summary().doubts, checked.refused, "and the status has it");
        checked.refused
    };
    // Long enough for the two-byte lengths that are written there.
    let version_1 = version_1(&der_of(&Made::ca(&"an old root ".repeat(5)).pem()));
    for good in [root.pem(), pem_of(&[&root, &Made::ca("other").by(&root)]), version_1] {
        assert_eq!(found(&good), Vec::<String>::new());
    }
    let users = pem_of(&[&root, &user.clone().by(&root), &user]);
    let said = found(&users);
    for (said, at) in std::iter::zip(&said, [2, 3]) {
        let begins = format!("{}: certificate {at} in it (CN=ana) is not a CA's", file.display());
        assert!(said.starts_with(&begins) && said.contains("it may sign for every user"), "{said}");
        assert!(said.ends_with("issued with `basicConstraints=critical,CA:TRUE`"), "{said}");
        LIBRARY_WORDS.iter().for_each(|word| assert!(!said.contains(word), "{said}"));
    }
    assert_eq!(said.len(), 2);
}
