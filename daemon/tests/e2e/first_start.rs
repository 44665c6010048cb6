//! Tests of the first start, which makes certificates that later starts keep, and of the answers of the port.

use crate::common::{Daemon, Peer, Trust, client_config, run};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;

fn mode(path: &std::path::Path) -> u32 {
    std::fs::metadata(path).unwrap_or_else(|e| panic!("{}: {e}", path.display())).permissions().mode() & 0o777
}

#[test]
fn only_the_daemon_can_read_its_keys_and_everyone_can_read_the_ca() {
    let daemon = Daemon::after("umask 000", "");
    let certs = daemon.folder().join("certs");
    for key in ["ca.key", "server.key"] {
        assert_eq!(mode(&certs.join(key)), 0o600, "{key}");
    }
    assert_eq!(mode(&certs.join("ca.pem")) & 0o444, 0o444);
    assert_eq!(mode(&certs.join("ca.pem")) & 0o022, 0);
    let mut found: Vec<_> =
        std::fs::read_dir(&certs).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    found.sort();
    assert_eq!(found, ["ca.key", "ca.pem", "server.key", "server.pem"]);
    // The store contains messages.
    assert_eq!(mode(&daemon.folder().join("data/chat.db")) & 0o007, 0);
}

#[test]
fn the_ca_is_made_once() {
    let mut daemon = Daemon::start();
    let files =
        ["ca.pem", "ca.key", "server.pem", "server.key"].map(|n| daemon.folder().join("certs").join(n));
    let before = files.clone().map(|f| std::fs::read(f).unwrap());
    daemon.restart();
    assert_eq!(files.map(|f| std::fs::read(f).unwrap()), before);
    daemon.login("ana").says("verified as before");
}

#[test]
fn a_leaf_that_is_gone_is_made_again_by_the_same_ca() {
    let mut daemon = Daemon::start();
    let ca = std::fs::read(daemon.ca()).unwrap();
    daemon.signal("TERM");
    daemon.ended();
    for file in ["server.pem", "server.key"] {
        std::fs::remove_file(daemon.folder().join("certs").join(file)).unwrap();
    }
    daemon.start_again();
    assert_eq!(std::fs::read(daemon.ca()).unwrap(), ca);
    daemon.login("ana").says("signed by the same");
}

/// Writes garbage into one of the files while the daemon is stopped.
fn with_garbage_in(file: &str) -> Daemon {
    let mut daemon = Daemon::start();
    daemon.signal("TERM");
    daemon.ended();
    std::fs::write(daemon.folder().join("certs").join(file), "garbage").unwrap();
    daemon
}

#[test]
fn broken_files_are_refused_and_left_alone() {
    for file in ["ca.pem", "ca.key", "server.pem", "server.key"] {
        let daemon = with_garbage_in(file);
        for command in ["run", "check"] {
            let end = run(daemon.folder(), &[command], "");
            assert_eq!(end.code, Some(78), "{file}: {}", end.err);
            assert!(format!("{}{}", end.out, end.err).contains(file), "{file}: {}", end.err);
        }
        let path = daemon.folder().join("certs").join(file);
        assert_eq!(std::fs::read_to_string(path).unwrap(), "garbage");
    }
}

#[test]
fn a_broken_pair_of_the_operators_is_refused() {
    let other = Daemon::start();
    let certs = other.folder().join("certs");
    let folder = tempfile::tempdir().unwrap();
    let cases = [
        (certs.join("server.pem"), certs.join("ca.key"), "certificate 2 in it"),
        (certs.join("nowhere.pem"), certs.join("server.key"), "nowhere.pem"),
        (certs.join("server.key"), certs.join("server.key"), "server.key"),
    ];
    for (certificate, key, named) in cases {
        let config = format!(
            "listen.address = \"127.0.0.1:0\"\ntls.certificate = {certificate:?}\ntls.key = {key:?}\n"
        );
        std::fs::write(folder.path().join("config.toml"), config).unwrap();
        for command in ["run", "check"] {
            let end = run(folder.path(), &[command], "");
            assert_eq!(end.code, Some(78), "{command} {named}: {}", end.err);
            assert!(format!("{}{}", end.out, end.err).contains(named), "{named}: {}{}", end.out, end.err);
        }
    }
}

#[test]
fn a_client_without_alpn_is_served_and_one_with_alpn_is_answered() {
    let daemon = Daemon::start();
    assert_eq!(daemon.connect().alpn().as_deref(), Some(&b"tcp-chat/1"[..]));
    let plain = client_config(&daemon.ca(), Trust::default());
    let mut peer = Peer::connect(daemon.address(), plain).unwrap();
    assert_eq!(peer.alpn(), None);
    peer.login("ana");
    peer.says("served all the same");
}

#[test]
fn old_tls_is_refused_unless_it_is_configured() {
    let old = Trust { only_1_2: true, alpn: true };
    let daemon = Daemon::start();
    let refused = Peer::connect(daemon.address(), client_config(&daemon.ca(), old));
    assert!(refused.is_err());
    let daemon = Daemon::with("tls.min_version = \"1.2\"");
    let mut peer = Peer::connect(daemon.address(), client_config(&daemon.ca(), old)).unwrap();
    peer.login("ana");
    peer.says("as configured");
    daemon.login("bo").says("1.3 as well");
}

#[test]
fn another_ca_is_not_trusted() {
    let (one, two) = (Daemon::start(), Daemon::start());
    let wrong = client_config(&two.ca(), Trust::default());
    let Err(error) = Peer::connect(one.address(), wrong) else { panic!("trusted a stranger") };
    assert!(
        error.to_string().contains("UnknownIssuer") || error.to_string().contains("certificate"),
        "{error}"
    );
}

#[test]
fn a_peer_that_does_not_speak_tls_gets_an_alert_and_a_close() {
    let mut daemon = Daemon::start();
    let records: [&[u8]; 5] = [
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"{\"op\":\"LOGIN\",\"data\":{\"name\":\"ana\"}}\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        &[0; 512],
        &[0x16, 0x03, 0x01, 0x00, 0x05, 2, 0, 0, 1, 5],
    ];
    for bytes in records {
        let mut socket = TcpStream::connect(daemon.address()).unwrap();
        socket.set_read_timeout(Some(crate::common::PATIENCE)).unwrap();
        socket.write_all(bytes).unwrap();
        let mut answer = Vec::new();
        let _ = socket.read_to_end(&mut answer);
        assert_eq!(answer.first(), Some(&0x15), "an alert and nothing else to {bytes:?}: {answer:?}");
        assert!(answer.len() < 16, "{answer:?}");
    }
    assert!(daemon.lives());
    daemon.login("ana").says("nobody noticed");
}

#[test]
fn the_start_prints_the_data_that_the_operator_needs() {
    let daemon = Daemon::start();
    let text = daemon.log().text();
    assert!(text.contains("ca.pem"), "{text}");
    let pin = run(daemon.folder(), &["cert", "show"], "");
    assert_eq!(pin.code, Some(0), "{}", pin.err);
    assert!(pin.out.contains("localhost"), "{}", pin.out);
}
