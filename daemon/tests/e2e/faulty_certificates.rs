//! Tests of unsuitable certificates, keys and settings: `check` and the start report them in clear words. A
//! client whose certificate names no user is told why, and so is the log.

use crate::common::{Daemon, Peer, identified, run};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    IsCa, KeyPair,
};
use serde_json::json;
use std::path::{Path, PathBuf};

/// Words of a library that must reach no user.
const LIBRARY_WORDS: [&str; 11] = [
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
];

fn in_own_words(said: &str) {
    for word in LIBRARY_WORDS {
        assert!(!said.contains(word), "a library's words ({word}): {said}");
    }
}

#[test]
fn a_pair_that_clients_refuse_ends_check_with_78_and_the_start_warns() {
    let mut daemon = Daemon::with("limits.connections = 10");
    let mut params = CertificateParams::new(vec!["localhost".into()]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    std::fs::write(daemon.folder().join("own.pem"), params.self_signed(&key).unwrap().pem()).unwrap();
    std::fs::write(daemon.folder().join("own.key"), key.serialize_pem()).unwrap();
    let file = daemon.folder().join("config.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(file, format!("{text}\ntls.certificate = \"own.pem\"\ntls.key = \"own.key\"\n")).unwrap();
    let end = run(daemon.folder(), &["check"], "");
    assert_eq!(end.code, Some(78), "{}{}", end.out, end.err);
    assert!(end.err.contains("own.pem: its first certificate is a CA's"), "{}", end.err);
    assert!(end.err.contains("basicConstraints=critical,CA:FALSE"), "{}", end.err);
    in_own_words(&end.err);
    // Clients with its pin are served nevertheless: no start fails for it.
    daemon.signal("TERM");
    daemon.ended();
    daemon.start_again();
    let line = daemon.log().emits("certificate_doubtful").unwrap();
    assert!(line["reason"].as_str().unwrap().contains("its first certificate is a CA's"), "{line}");
    // Not only in the log, where it scrolls away.
    let status = run(daemon.folder(), &["status", "--json"], "").out;
    let status: serde_json::Value = serde_json::from_str(&status).unwrap();
    for field in ["certificate_doubtful", "warning"] {
        assert!(
            status[field].as_str().unwrap().contains("own.pem: its first certificate is a CA's"),
            "{status}"
        );
    }
    assert!(status["summary"].as_str().unwrap().contains("is a CA's"), "{status}");
    let shown = run(daemon.folder(), &["status"], "").out;
    assert!(shown.lines().any(|line| line.starts_with("certificate doubtful  ")), "{shown}");
}

#[test]
fn a_client_ca_that_is_not_a_ca_ends_check_with_78_and_the_start_warns() {
    let mut daemon = Daemon::with("limits.connections = 10");
    let folder = daemon.folder();
    let (certificate, _) = Users::new(folder).issue(folder, &["ana"], ExtendedKeyUsagePurpose::ClientAuth);
    std::fs::rename(certificate, folder.join("users.pem")).unwrap();
    let (file, doubts) = (folder.join("config.toml"), |daemon: &Daemon| {
        let status = run(daemon.folder(), &["status", "--json"], "").out;
        serde_json::from_str::<serde_json::Value>(&status).unwrap()["certificate_doubtful"].clone()
    });
    assert_eq!(doubts(&daemon), json!(null), "all is well");
    let text = std::fs::read_to_string(&file).unwrap();
    let settings = "tls.client_auth = \"optional\"\ntls.client_ca = \"users.pem\"\n";
    std::fs::write(&file, format!("{text}\n{settings}")).unwrap();
    let sentence = "users.pem: certificate 1 in it (CN=ana) is not a CA's";
    let end = run(daemon.folder(), &["check"], "");
    assert_eq!(end.code, Some(78), "{}{}", end.out, end.err);
    assert!(end.err.contains(sentence), "{}", end.err);
    in_own_words(&end.err);
    assert_eq!(run(daemon.folder(), &["reload"], "").code, Some(0));
    assert!(doubts(&daemon).as_str().unwrap().contains(sentence), "after a reload");
    daemon.restart();
    assert!(doubts(&daemon).as_str().unwrap().contains(sentence), "after a start");
    assert!(
        daemon.log().emits("certificate_doubtful").unwrap()["file"].as_str().unwrap().ends_with("users.pem")
    );
}

#[test]
fn every_fault_of_the_settings_is_reported_in_words() {
    let long = "x".repeat(120);
    let dotted = format!("listen.address = \"127.0.0.1:0\"\nadmin.socket = \"/tmp/{long}\"");
    for (config, sentence) in [
        (dotted.as_str(), "the path of a socket has at most 107 bytes, and this one has 125"),
        ("tls.certificate = \"bad.pem\"\ntls.key = \"bad.key\"", "bad.pem: line 2: `-` has no place"),
        ("tls.certificate = \"none.pem\"\ntls.key = \"bad.key\"", "none.pem: it cannot be read"),
        ("tls.client_auth = \"optional\"\ntls.client_ca = \"bad.pem\"", "bad.pem: line 2: `-` has no place"),
        ("tls.names = [\"a b\"]", "tls.names"),
        ("listen.address = \"localhost\"", "listen.address"),
        ("listen.address = \"127.0.0.1:x\"", "listen.address"),
        ("history.retain = \"a while\"", "history.retain"),
        ("history.max_bytes = \"much\"", "history.max_bytes"),
        ("limits.line_bytes = []", "line_bytes"),
        ("log.level = \"=\"", "log.level"),
        ("listen = 7", "listen"),
        ("tls.names = { a = 1 }", "names"),
        ("auth.mode = \"password\"\nauth.password_file = \"bad.pem\"", "bad.pem"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("config.toml"), config).unwrap();
        let bad = "-----BEGIN CERTIFICATE-----\nA-B\n-----END CERTIFICATE-----\n";
        std::fs::write(folder.path().join("bad.pem"), bad).unwrap();
        std::fs::write(folder.path().join("bad.key"), bad).unwrap();
        for command in ["check", "run"] {
            let end = run(folder.path(), &[command], "");
            let said = format!("{}{}", end.out, end.err);
            assert!(end.code.is_some_and(|code| code != 0), "{config}: {said}");
            assert!(said.contains(sentence), "{config}: no {sentence:?} in: {said}");
            // The log's own lines are objects.
            in_own_words(&said.replace("{\"", ""));
        }
    }
}

/// A company's CA for its users.
struct Users(CertifiedIssuer<'static, KeyPair>);

impl Users {
    fn new(folder: &Path) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "users");
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        std::fs::write(folder.join("users.pem"), issuer.pem()).unwrap();
        Self(issuer)
    }

    fn issue(&self, folder: &Path, names: &[&str], usage: ExtendedKeyUsagePurpose) -> (PathBuf, PathBuf) {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        for (i, name) in names.iter().enumerate() {
            // rcgen writes one of each kind: the second one is given by its OID.
            let kind = if i == 0 { DnType::CommonName } else { DnType::CustomDnType(vec![2, 5, 4, 3]) };
            params.distinguished_name.push(kind, *name);
        }
        params.extended_key_usages = vec![usage];
        let key = KeyPair::generate().unwrap();
        let files = (folder.join("one.pem"), folder.join("one.key"));
        std::fs::write(&files.0, params.signed_by(&key, &self.0).unwrap().pem()).unwrap();
        std::fs::write(&files.1, key.serialize_pem()).unwrap();
        files
    }
}

#[test]
fn a_client_certificate_for_no_user_is_refused_with_the_reason_and_logged() {
    let mut daemon = Daemon::with("limits.connections = 10");
    let users = Users::new(daemon.folder());
    let file = daemon.folder().join("config.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let settings = format!("{text}\ntls.client_auth = \"optional\"\ntls.client_ca = \"users.pem\"\n");
    std::fs::write(file, settings).unwrap();
    daemon.signal("TERM");
    daemon.ended();
    for (names, reason) in [
        (&[][..], "it has no common name (CN)"),
        (&["ana", "bo"], "it has 2 common names (CN)"),
        (&["ana@corp.example"], "its common name (CN) \"ana@corp.example\" is not a valid user name"),
        (&["a\nlogin refused peer=192.0.2.1"], "its common name (CN) \"a\\nlogin refused peer="),
    ] {
        daemon.start_again();
        let (certificate, key) = users.issue(daemon.folder(), names, ExtendedKeyUsagePurpose::ClientAuth);
        let client = identified(&daemon.ca(), &certificate, &key);
        let mut peer = Peer::connect(daemon.address(), client).unwrap();
        let said = peer.is_refused("LOGIN", json!({"name": "ana"}), "AUTH_FAILED");
        assert!(said.contains("your certificate is for no user: ") && said.contains(reason), "{said}");
        let line = daemon.log().emits("login_refused").unwrap();
        assert_eq!((&line["reason"], &line["peer"]), (&json!("certificate"), &json!("127.0.0.1")));
        assert!(line["why"].as_str().unwrap().contains("common name"), "{line}");
        daemon.signal("TERM");
        daemon.ended();
        assert!(daemon.log().ends());
        assert_eq!(daemon.log().text().matches("\"login_refused\"").count(), 1, "{}", daemon.log().text());
    }
    // A server certificate does not pass the handshake.
    daemon.start_again();
    let (certificate, key) = users.issue(daemon.folder(), &["ana"], ExtendedKeyUsagePurpose::ServerAuth);
    let client = identified(&daemon.ca(), &certificate, &key);
    let refused = match Peer::connect(daemon.address(), client) {
        Ok(mut peer) => peer.try_line().expect_err("an alert"),
        Err(e) => e,
    };
    assert!(refused.to_string().contains("UnsupportedCertificate"), "{refused}");
}
