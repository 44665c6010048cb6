//! Tests of client certificates: who is asked for one, what it proves, and how it is issued and revoked.

use crate::accounts::code;
use crate::common::{Daemon, Peer, identified, in_shell, run};
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

const OPTIONAL: &str = "tls.client_auth = \"optional\"";
const REQUIRED: &str = "tls.client_auth = \"required\"";

fn done(daemon: &Daemon, arguments: &[&str]) -> String {
    let end = run(daemon.folder(), arguments, "");
    assert_eq!(end.code, Some(0), "{arguments:?}: {}", end.err);
    end.out
}

/// A certificate and its key, issued by the operator.
fn issued(daemon: &Daemon, name: &str) -> (PathBuf, PathBuf) {
    let folder = daemon.folder().join(format!("of {name}"));
    std::fs::create_dir_all(&folder).unwrap();
    done(daemon, &["cert", "issue", name, "--out", folder.to_str().unwrap()]);
    (folder.join(format!("{name}.pem")), folder.join(format!("{name}.key")))
}

fn shows(daemon: &Daemon, (certificate, key): &(PathBuf, PathBuf)) -> Peer {
    Peer::connect(daemon.address(), identified(&daemon.ca(), certificate, key)).unwrap()
}

/// Requests a certificate for a new key.
fn fetches(daemon: &Daemon, name: &str, code: &str, into: &Path) -> (PathBuf, PathBuf) {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    // The name in the certificate request is ignored.
    let request =
        CertificateParams::new(vec!["somebody.else".into()]).unwrap().serialize_request(&key).unwrap();
    let data = json!({"name": name, "code": code, "csr": request.pem().unwrap()});
    let reply = daemon.connect().asks("ENROL", data);
    let files = (into.join(format!("{name}.pem")), into.join(format!("{name}.key")));
    std::fs::write(&files.0, reply["certificate"].as_str().unwrap()).unwrap();
    std::fs::write(&files.1, key.serialize_pem()).unwrap();
    files
}

#[test]
fn an_optional_certificate_proves_the_name_of_its_user() {
    let daemon = Daemon::with(OPTIONAL);
    let of_ana = issued(&daemon, "ana");
    let mut ana = shows(&daemon, &of_ana);
    let not_hers = ana.is_refused("LOGIN", json!({"name": "bo"}), "AUTH_FAILED");
    assert!(not_hers.contains("ana"), "{not_hers}");
    assert_eq!(ana.login("Ana")["name"], "ana", "as in the certificate");
    let mut bo = daemon.login("bo");
    bo.says("without one");
    ana.hears("without one");
    // From then on the name belongs to its user.
    daemon.connect().is_refused("LOGIN", json!({"name": "ANA"}), "AUTH_FAILED");
    // A second session belongs to the same user.
    let mut phone = shows(&daemon, &of_ana);
    phone.login("ana");
    let said = ana.says("to my phone");
    phone.catches_up_to(said.seq);
    assert_eq!(bo.asks("WHO", Value::Null)["member_count"], 2);
}

#[test]
fn required_certificates_end_other_handshakes() {
    let daemon = Daemon::with(REQUIRED);
    let mut ana = shows(&daemon, &issued(&daemon, "ana"));
    ana.login("ana");
    let refused = match Peer::connect(daemon.address(), daemon.client()) {
        // In TLS 1.3 the client is done before the server refuses.
        Ok(mut peer) => peer.try_line().expect_err("an alert"),
        Err(e) => e,
    };
    assert!(refused.to_string().contains("CertificateRequired"), "{refused}");
    // Nor a certificate from another CA.
    let other = Daemon::with(REQUIRED);
    let stranger = issued(&other, "ana");
    let refused = match Peer::connect(daemon.address(), identified(&daemon.ca(), &stranger.0, &stranger.1)) {
        Ok(mut peer) => peer.try_line().expect_err("an alert"),
        Err(e) => e,
    };
    assert!(refused.to_string().contains("received fatal alert"), "{refused}");
    ana.says("alone");
}

#[test]
fn a_join_line_fetches_a_certificate_even_where_one_is_required() {
    let daemon = Daemon::with(&format!("{REQUIRED}\nauth.mode = \"accounts\""));
    let line = done(&daemon, &["user", "add", "ana", "--cert"]);
    assert!(line.contains("tcps://ana:cert:"), "{line}");
    let code = code(&line);
    // The connection accepts only this request.
    let mut early = daemon.connect();
    early.is_refused("LOGIN", json!({"name": "ana"}), "AUTH_FAILED");
    early.is_refused("ENROL", json!({"name": "ana", "code": code, "password": "x"}), "DATA");
    early.is_refused("ENROL", json!({"name": "ana", "code": code, "csr": "x"}), "DATA");
    let weak = KeyPair::generate_for(&PKCS_ED25519).unwrap();
    let weak = CertificateParams::default().serialize_request(&weak).unwrap().pem().unwrap();
    let sentence = early.is_refused("ENROL", json!({"name": "ana", "code": code, "csr": weak}), "DATA");
    assert!(sentence.contains("P-256"), "{sentence}");

    let of_ana = fetches(&daemon, "ana", &code, daemon.folder());
    let mut ana = shows(&daemon, &of_ana);
    ana.login("ana");
    ana.says("in, with a key that the server never saw");
    let list: Value = serde_json::from_str(&done(&daemon, &["user", "list", "--json"])).unwrap();
    assert_eq!(list["users"][0]["certificates"].as_array().unwrap().len(), 1, "{list}");
    // Once the code is used up, connections without a certificate are refused again.
    let shut =
        Peer::connect(daemon.address(), daemon.client()).and_then(|mut peer| peer.try_line().map(drop));
    assert!(shut.unwrap_err().to_string().contains("CertificateRequired"));
    // Only for known users: a certificate alone is not enough.
    let mut zoe = shows(&daemon, &issued(&daemon, "zoe"));
    zoe.is_refused("LOGIN", json!({"name": "zoe"}), "AUTH_FAILED");
}

#[test]
fn a_revoked_certificate_is_refused_at_once_and_for_good() {
    let mut daemon = Daemon::with(OPTIONAL);
    let (of_ana, of_bo, unseen) = (issued(&daemon, "ana"), issued(&daemon, "bo"), issued(&daemon, "cy"));
    let mut ana = shows(&daemon, &of_ana);
    ana.login("ana");
    let token = ana.session();
    let mut bo = shows(&daemon, &of_bo);
    bo.login("bo");

    let out = done(&daemon, &["cert", "revoke", of_ana.0.to_str().unwrap()]);
    assert_eq!(out.trim_end(), "revoked: 1");
    ana.is_noticed("KICKED");
    ana.is_closed();
    shows(&daemon, &of_ana).is_refused("LOGIN", json!({"name": "ana"}), "AUTH_FAILED");
    shows(&daemon, &of_ana).is_refused(
        "LOGIN",
        json!({"name": "ana", "session": token.token}),
        "SESSION_EXPIRED",
    );

    done(&daemon, &["cert", "revoke", "bo"]);
    bo.is_noticed("KICKED");
    // A certificate that was issued by another tool and never shown is known, too.
    done(&daemon, &["cert", "revoke", "cy"]);
    let end = run(daemon.folder(), &["cert", "revoke", "nobody"], "");
    assert_eq!(end.code, Some(70), "{}", end.err);
    daemon.restart();
    for (files, name) in [(&of_ana, "ana"), (&of_bo, "bo"), (&unseen, "cy")] {
        shows(&daemon, files).is_refused("LOGIN", json!({"name": name}), "AUTH_FAILED");
    }
    let mut again = shows(&daemon, &issued_anew(&daemon, "ana"));
    again.login("ana");
    again.says("with a new one");
}

#[test]
fn a_reload_asks_for_certificates_and_takes_other_cas() {
    let daemon = Daemon::start();
    let of_ana = issued(&daemon, "ana");
    let mut bo = daemon.login("bo");
    let file = daemon.folder().join("config.toml");
    let before = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{before}\n{REQUIRED}\n")).unwrap();
    done(&daemon, &["reload"]);
    bo.says("those who are in stay in");
    let stranger =
        Peer::connect(daemon.address(), daemon.client()).and_then(|mut peer| peer.try_line().map(drop));
    assert!(stranger.unwrap_err().to_string().contains("CertificateRequired"));
    shows(&daemon, &of_ana).login("ana");

    // With another CA of the operator, certificates of the daemon's CA are no longer accepted.
    let other = Daemon::with(REQUIRED);
    let theirs = issued(&other, "cy");
    let ca = format!("tls.client_ca = {:?}", other.ca());
    std::fs::write(&file, format!("{before}\n{REQUIRED}\n{ca}\n")).unwrap();
    done(&daemon, &["reload"]);
    shows(&daemon, &theirs).login("cy");
    let old = Peer::connect(daemon.address(), identified(&daemon.ca(), &of_ana.0, &of_ana.1));
    assert!(old.and_then(|mut peer| peer.try_line().map(drop)).is_err());
    let end = run(daemon.folder(), &["user", "add", "di", "--cert"], "");
    assert!(end.code == Some(70) && end.err.contains("tls.client_ca"), "{}", end.err);
    // An invalid file is refused, and the previous configuration stays in use.
    std::fs::write(&file, format!("{before}\n{REQUIRED}\ntls.client_ca = \"none.pem\"\n")).unwrap();
    assert_eq!(run(daemon.folder(), &["reload"], "").code, Some(78));
    assert_eq!(run(daemon.folder(), &["check"], "").code, Some(78));
    shows(&daemon, &theirs).login("cy");
}

fn issued_anew(daemon: &Daemon, name: &str) -> (PathBuf, PathBuf) {
    std::fs::remove_dir_all(daemon.folder().join(format!("of {name}"))).unwrap();
    issued(daemon, name)
}

/// The daemon had never seen this certificate, so it could not revoke it with the others.
#[test]
fn a_certificate_issued_while_the_daemon_was_down_is_revoked_with_its_user() {
    let mut daemon = Daemon::with(OPTIONAL);
    let of_ana = issued(&daemon, "ana");
    shows(&daemon, &of_ana).login("ana");
    let stops = |daemon: &mut Daemon| {
        daemon.signal("TERM");
        assert_eq!(daemon.ended().code(), Some(0));
    };
    stops(&mut daemon);
    let unseen = ["pem", "key"].map(|end| daemon.folder().join(format!("unseen.{end}")));
    let files = issued_anew(&daemon, "ana");
    std::fs::copy(files.0, &unseen[0]).unwrap();
    std::fs::copy(files.1, &unseen[1]).unwrap();
    let unseen = unseen.into();
    daemon.start_again();
    done(&daemon, &["user", "remove", "ana"]);
    let removed = seconds();
    let why = shows(&daemon, &unseen).is_refused("LOGIN", json!({"name": "ana"}), "AUTH_FAILED");
    assert!(why.contains("before ana was removed"), "{why}");
    daemon.restart();
    shows(&daemon, &unseen).is_refused("LOGIN", json!({"name": "ana"}), "AUTH_FAILED");
    assert!(!done(&daemon, &["user", "list"]).contains("ana"), "nobody is registered by it");

    // A later one registers the user again. Certificates have whole seconds.
    stops(&mut daemon);
    while seconds() <= removed {
        std::thread::park_timeout(std::time::Duration::from_millis(20));
    }
    let newer = issued_anew(&daemon, "ana");
    daemon.start_again();
    shows(&daemon, &newer).login("ana");
    shows(&daemon, &unseen).is_refused("LOGIN", json!({"name": "ana"}), "AUTH_FAILED");
    assert!(done(&daemon, &["user", "list"]).contains("ana"));
}

fn seconds() -> u64 {
    std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs()
}

/// Regression test: the company's certificate for `bom` was accepted as `born`: his name, roles and direct
/// messages.
#[test]
fn a_certificate_does_not_prove_a_name_that_looks_the_same() {
    for mode in ["open", "accounts"] {
        let daemon = Daemon::with(&format!("{REQUIRED}\nauth.mode = \"{mode}\""));
        done(&daemon, &["user", "add", "born"]);
        done(&daemon, &["grant", "born", "owner"]);
        let mut born = shows(&daemon, &issued(&daemon, "born"));
        born.login("born");
        let mut bom = shows(&daemon, &issued(&daemon, "bom"));
        let kind = if mode == "open" { "NAME_TAKEN" } else { "AUTH_FAILED" };
        let why = bom.is_refused("LOGIN", json!({"name": "bom"}), kind);
        assert_eq!(why.contains("looks like born"), mode == "open", "{why}");
        bom.is_refused("LOGIN", json!({"name": "born"}), "AUTH_FAILED");
        let token = born.session().token;
        bom.is_refused("LOGIN", json!({"session": token}), "AUTH_FAILED");
    }
}

#[test]
fn openssl_shows_its_certificate() {
    if in_shell("command -v openssl").stdout.is_empty() {
        eprintln!("openssl is not installed: nothing was tested");
        return;
    }
    let daemon = Daemon::with(REQUIRED);
    let (certificate, key) = issued(&daemon, "ana");
    let talk = |options: &str| {
        let out = in_shell(&format!(
            r#"printf '{{"op":"LOGIN","data":{{"name":"ana"}}}}\n{{"op":"QUIT"}}\n' |
               timeout 20 openssl s_client -quiet -ign_eof -verify_return_error -CAfile {:?} -connect {} {options} 2>&1"#,
            daemon.ca(),
            daemon.address(),
        ));
        String::from_utf8_lossy(&out.stdout).into_owned()
    };
    let with = talk(&format!("-cert {certificate:?} -key {key:?}"));
    assert!(with.contains(r#""op":"LOGIN","status":"OK""#), "{with}");
    let without = talk("");
    assert!(!without.contains(r#""op":"LOGIN""#), "{without}");
    assert!(without.contains("certificate required"), "{without}");
}
