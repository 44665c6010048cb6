//! Tests of clients that share no code with the project: a Python client that checks the contract, and
//! `openssl s_client`. If a program is not installed, the test prints this and passes.

use crate::common::{Daemon, in_shell};
use std::path::PathBuf;
use std::process::Command;

pub(crate) fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Whether the program is installed. If not, `TCP_CHAT_TEST_ALL` makes that a failure.
pub(crate) fn has(program: &str) -> bool {
    let there = in_shell(&format!("command -v {program}")).status.success();
    assert!(there || std::env::var_os("TCP_CHAT_TEST_ALL").is_none(), "{program} is not installed");
    if !there {
        println!("skipped: {program} is not installed");
    }
    there
}

#[test]
fn a_python_client_passes_the_contract() {
    if !has("python3") {
        return;
    }
    // The contract's script needs short limits; all other settings have their defaults.
    let daemon = Daemon::with("sessions.ttl = \"2s\"");
    let output = Command::new("python3")
        .arg(repository().join("checks/contract.py"))
        .args(["--port", &daemon.address().port().to_string(), "--ca"])
        .arg(daemon.ca())
        .output()
        .unwrap();
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}");
    assert!(said.contains(", 0 failed"), "{said}");
}

#[test]
fn openssl_verifies_and_chats() {
    if !has("openssl") {
        return;
    }
    let daemon = Daemon::start();
    let mut bo = daemon.login("bo");
    let output = in_shell(&format!(
        r#"printf '%s\n' '{{"op":"LOGIN","data":{{"name":"ana","color":"red"}}}}' '{{"op":"MSG","data":"hello"}}' '{{"op":"QUIT"}}' |
           openssl s_client -quiet -verify_return_error -verify_hostname localhost -CAfile {} -connect {}"#,
        daemon.ca().display(),
        daemon.address()
    ));
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    bo.sees("ana", "joined");
    assert_eq!(bo.hears("hello").user, "ana");
    bo.sees("ana", "left");
    let ops: Vec<_> = out
        .lines()
        .map(|l| {
            serde_json::from_str::<serde_json::Value>(l).unwrap_or_else(|e| panic!("{e}: {l}"))["op"].clone()
        })
        .collect();
    assert_eq!(ops, ["LOGIN", "MSG", "QUIT"], "{out}\n{err}");
    assert!(output.status.success(), "{err}");
}

#[test]
fn openssl_refuses_without_the_ca() {
    if !has("openssl") {
        return;
    }
    let daemon = Daemon::start();
    let output = in_shell(&format!(
        "openssl s_client -quiet -verify_return_error -connect {} </dev/null",
        daemon.address()
    ));
    assert!(!output.status.success(), "it trusted a stranger");
}

#[test]
fn openssl_sees_the_documented_tls_parameters() {
    if !has("openssl") {
        return;
    }
    let daemon = Daemon::start();
    let (ca, leaf) = (daemon.ca(), daemon.folder().join("certs/server.pem"));
    let verify = in_shell(&format!("openssl verify -CAfile {} {}", ca.display(), leaf.display()));
    assert!(verify.status.success(), "{}", String::from_utf8_lossy(&verify.stderr));
    let text = |file: &std::path::Path| {
        let output = in_shell(&format!("openssl x509 -noout -text -in {}", file.display()));
        String::from_utf8(output.stdout).unwrap()
    };
    let (ca, leaf) = (text(&ca), text(&leaf));
    assert!(leaf.contains("prime256v1") && ca.contains("prime256v1"), "{leaf}");
    for name in ["DNS:localhost", "IP Address:127.0.0.1", "IP Address:0:0:0:0:0:0:0:1"] {
        assert!(leaf.contains(name), "no {name} in {leaf}");
    }
    assert!(leaf.contains("TLS Web Server Authentication"), "{leaf}");
    assert!(!leaf.contains("CA:TRUE"), "{leaf}");
    assert!(ca.contains("CA:TRUE"), "{ca}");
    assert!(
        ca.contains("Certificate Sign") && !ca.contains("Digital Signature"),
        "the CA may only sign: {ca}"
    );
    let leaf_file = daemon.folder().join("certs/server.pem");
    let ends = |days: u32| {
        let seconds = days * 24 * 3600;
        in_shell(&format!("openssl x509 -noout -checkend {seconds} -in {}", leaf_file.display()))
            .status
            .success()
    };
    assert!(ends(85) && !ends(91), "the leaf lives for 90 days");
    let session = in_shell(&format!(
        "openssl s_client -connect {} -CAfile {} -verify_return_error -alpn tcp-chat/1 </dev/null",
        daemon.address(),
        daemon.ca().display()
    ));
    let out = String::from_utf8_lossy(&session.stdout);
    assert!(out.contains("TLSv1.3") && out.contains("ALPN protocol: tcp-chat/1"), "{out}");
    assert!(out.contains("Verify return code: 0 (ok)"), "{out}");
}
