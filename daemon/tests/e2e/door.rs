//! Tests of connections before the login: what is not TLS, is too old, is incomplete or comes in floods is
//! closed cheaply, and connected users do not notice.

use crate::common::{Daemon, PATIENCE};
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;

/// A connection before its handshake.
fn knocks(daemon: &Daemon) -> TcpStream {
    let socket = TcpStream::connect(daemon.address()).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

/// All bytes until it is closed, in whatever way.
fn is_closed(mut socket: &TcpStream) -> Vec<u8> {
    let mut came = Vec::new();
    let end = socket.read_to_end(&mut came);
    let was_reset = end.as_ref().is_err_and(|e| e.kind() == ErrorKind::ConnectionReset);
    assert!(end.is_ok() || was_reset, "{end:?}");
    came
}

/// A TLS alert with this description, or the connection was reset before it came.
fn is_alert(came: &[u8], description: &[u8]) {
    let is_fatal = came.len() == 7 && came[0] == 0x15 && came[5] == 2;
    assert!(came.is_empty() || (is_fatal && description.contains(&came[6])), "{came:02x?}");
}

fn open_files(daemon: &Daemon) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", daemon.pid())).unwrap().count()
}

/// A ClientHello whose highest version ends in this byte.
fn client_hello(version: u8) -> Vec<u8> {
    let mut hello = vec![0x16, 3, 1, 0, 45, 1, 0, 0, 41, 3, version];
    hello.extend([7; 32]);
    hello.extend([0, 0, 2, 0xc0, 0x13, 1, 0]);
    hello
}

#[test]
fn a_peer_that_does_not_speak_tls_gets_an_alert_and_a_close() {
    let mut daemon = Daemon::with("limits.handshake = \"1h\"");
    let mut ana = daemon.login("ana");
    let before = daemon.resident();
    for what in [
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".as_slice(),
        b"{\"op\":\"LOGIN\",\"data\":{\"name\":\"eve\"}}\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        &[0; 200_000],
        &[0xff; 200_000],
        // A handshake record with a length above the maximum.
        &[0x16, 3, 1, 0xff, 0xff, 1, 2, 3, 4, 5],
        // The beginning of SSL 2.
        &[0x80, 0x2e, 1, 0, 2, 0, 0x15, 0, 0, 0, 0x10, 1, 0, 0x80],
    ] {
        let mut socket = knocks(&daemon);
        // It may be closed before all of it is sent.
        let _ = socket.write_all(what);
        // Decode error, record overflow, unexpected message, protocol version.
        is_alert(&is_closed(&socket), &[10, 22, 50, 70, 80]);
    }
    let grown = daemon.resident().saturating_sub(before);
    assert!(grown < 8 << 20, "{grown} bytes more");
    assert!(daemon.lives());
    ana.says("nobody noticed");
}

#[test]
fn a_tls_version_older_than_allowed_is_refused() {
    for (settings, versions) in [("", 0..=3), ("tls.min_version = \"1.2\"", 0..=2)] {
        let daemon = Daemon::with(settings);
        for version in versions {
            let mut socket = knocks(&daemon);
            socket.write_all(&client_hello(version)).unwrap();
            let came = is_closed(&socket);
            assert!(!came.is_empty(), "it is told");
            // Protocol version, or no such parameters: SSL 3 has no extensions to say more.
            is_alert(&came, &[70, 40]);
        }
    }
}

#[test]
fn half_a_handshake_is_closed_in_time() {
    let daemon = Daemon::with("limits.handshake = \"300ms\"");
    let mut ana = daemon.login("ana");
    let halves: Vec<_> = [1, 5, 20, 49]
        .map(|cut| {
            let mut socket = knocks(&daemon);
            socket.write_all(&client_hello(3)[..cut]).unwrap();
            socket
        })
        .into();
    for half in &halves {
        is_closed(half);
    }
    ana.says("still here");
}

#[test]
fn the_handshakes_under_way_are_limited() {
    let daemon = Daemon::with("limits.handshakes = 2\nlimits.handshake = \"1h\"");
    let mut ana = daemon.login("ana");
    let (first, _second) = (knocks(&daemon), knocks(&daemon));
    assert!(is_closed(&knocks(&daemon)).is_empty(), "without a word");
    ana.says("who is in stays in");
    // One client gives up, and there is a place for another once the daemon has noticed.
    drop(first);
    let mut bo = loop {
        if let Ok(peer) = crate::common::Peer::connect(daemon.address(), daemon.client()) {
            break peer;
        }
    };
    bo.login("bo");
    ana.sees("bo", "joined");
}

#[test]
fn the_handshakes_per_second_of_an_address_are_limited() {
    let daemon = Daemon::with("limits.handshakes_per_second = 1");
    let mut ana = daemon.login("ana");
    let crowd: Vec<_> = (0..40).map(|_| knocks(&daemon)).collect();
    assert!(is_closed(crowd.last().unwrap()).is_empty(), "without a word");
    ana.says("who is in stays in");
    // After a reload without the limit, all clients get in.
    let config = daemon.folder().join("config.toml");
    let text = std::fs::read_to_string(&config).unwrap().replace("per_second = 1", "per_second = 0");
    std::fs::write(&config, text).unwrap();
    daemon.signal("HUP");
    daemon.log().event("configuration reloaded").unwrap();
    daemon.login("bo");
    ana.sees("bo", "joined");
}

#[test]
fn a_flood_of_half_open_handshakes_does_not_disturb_logged_in_users() {
    let daemon = Daemon::with(
        "limits.handshakes = 64\nlimits.handshakes_per_second = 0\nlimits.handshake = \"300ms\"",
    );
    let (mut ana, mut bo) = (daemon.login("ana"), daemon.login("bo"));
    let (files, memory) = (open_files(&daemon), daemon.resident());
    for round in 0..10 {
        let flood: Vec<_> = (0..200)
            .map(|_| {
                let mut socket = knocks(&daemon);
                let _ = socket.write_all(&client_hello(3)[..30]);
                socket
            })
            .collect();
        ana.says(&format!("in the middle of {round}"));
        bo.hears(&format!("in the middle of {round}"));
        assert!(open_files(&daemon) <= files + 64 + 8, "never more than may be under way");
        flood.iter().for_each(|socket| drop(is_closed(socket)));
    }
    let grown = daemon.resident().saturating_sub(memory);
    assert!(grown < 8 << 20, "{grown} bytes more");
    daemon.login("cy").says("and the door is open");
}
