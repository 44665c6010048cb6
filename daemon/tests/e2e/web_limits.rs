//! A WebSocket has the same limits as a TLS connection: connections, login deadline, rates, bytes beside text, stalled
//! readers.

use crate::common::Daemon;
use crate::common::web::{Link, Page};
use serde_json::json;
use std::io::{Read, Write};
use std::time::Duration;
use tungstenite::Message;

/// Asserts that the page answers with 503.
fn is_full(page: &Page) {
    let (status, head, _) = page.asks(&format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", page.host()));
    assert_eq!(status, 503, "{head}");
}

#[test]
fn both_transports_count_against_connections_per_address() {
    let (daemon, page) = Daemon::with_page("limits.connections_per_address = 2");
    let (mut ana, mut bo) = (page.login("ana"), daemon.login("bo"));
    is_full(&page);
    daemon.connect().hears_error("SERVER_FULL");
    ana.says("who was in stays in");
    bo.hears("who was in stays in");
}

#[test]
fn a_missed_login_deadline_is_reported_over_a_websocket() {
    let (daemon, page) = Daemon::with_page("limits.login = \"1s\"\nlog.level = \"debug\"");
    let mut ana = page.connect();
    ana.hears_error("TIMEOUT");
    ana.is_closed();
    // A browser that sends no request is disconnected, too.
    let mut idle = page.tls().unwrap();
    assert_eq!(idle.read(&mut [0; 16]).unwrap_or(0), 0);
    daemon.login("bo");
}

#[test]
fn bytes_that_are_not_text_count_against_the_rate_limit() {
    let settings = "limits.bytes_per_second = \"64 KiB\"\nlimits.burst_bytes = \"128 KiB\"\nlimits.errors = 3\n\
                    limits.line_bytes = \"32 KiB\"";
    let (daemon, page) = Daemon::with_page(settings);
    let mut bo = daemon.login("bo");
    let mut socket = page.dials(page.handshake()).unwrap();
    socket.send(Message::text(json!({"op": "LOGIN", "data": {"name": "ana"}}).to_string())).unwrap();
    bo.sees("ana", "joined");
    // At this rate they take half an hour. The daemon leaves them in the socket buffers, and serves others.
    let pings = [&b"\x89\xfd\0\0\0\0"[..], &[b'x'; 125]].concat().repeat(8 * 1024);
    let sock = &socket.get_ref().sock;
    sock.set_write_timeout(Some(Duration::from_secs(1))).unwrap();
    let is_held_up = (0..128).any(|_| socket.get_mut().write_all(&pings).is_err());
    assert!(is_held_up, "128 MiB were taken");
    bo.says("nobody else is held up");
}

#[test]
fn a_browser_that_does_not_read_is_disconnected_as_stalled() {
    let settings = "limits.stall = \"300ms\"\nlimits.messages_per_second = 0\nlog.level = \"debug\"";
    let (daemon, page) = Daemon::with_page(settings);
    let mut slow = page.login("slow");
    let mut bo = daemon.login("bo");
    slow.sees("bo", "joined");
    let text = "x".repeat(8 * 1024);
    for _ in 0..2048 {
        bo.says(&text);
    }
    let stalled = daemon.log().wait(|line| line.contains("\"stalled\"").then(|| line.to_owned())).unwrap();
    assert!(stalled.contains(r#""via":"web""#), "{stalled}");
    bo.sees("slow", "away");
}

#[test]
fn an_idle_websocket_takes_little_more_memory_than_a_tls_connection() {
    const COUNT: usize = 400;
    let settings =
        "limits.connections_per_address = 0\nlimits.handshakes_per_second = 0\nrooms.presence_limit = 0";
    let (daemon, page) = Daemon::with_page(settings);
    // Warm up, so that memory which all connections share is allocated before the measurement.
    let warm: Vec<_> =
        (0..50).flat_map(|n| [daemon.login(&format!("l{n}")), page.login(&format!("p{n}"))]).collect();
    let start = daemon.resident();
    let lines: Vec<_> = (0..COUNT).map(|n| daemon.login(&format!("line{n}"))).collect();
    let with_lines = daemon.resident();
    let pages: Vec<_> = (0..COUNT).map(|n| page.login(&format!("page{n}"))).collect();
    let with_pages = daemon.resident();
    let (line, web) = ((with_lines - start) / COUNT, (with_pages - with_lines) / COUNT);
    println!("an idle connection: {line} bytes as a line, {web} bytes as a page");
    // About 6,600 bytes with the C library's allocator. Resident memory grows in pages, so a little more is allowed.
    assert!(line < 7_000, "{line}");
    assert!(web < line + 1024, "{web} against {line}");
    drop((warm, lines, pages));
}

#[test]
fn a_line_in_fragments_of_one_byte_is_one_line() {
    let (daemon, page) = Daemon::with_page("");
    let mut bo = daemon.login("bo");
    let mut socket = page.dials(page.handshake()).unwrap();
    let line = json!({"op": "LOGIN", "data": {"name": "ana"}}).to_string();
    for (at, byte) in line.bytes().enumerate() {
        let first = u8::from(at == 0) | if at + 1 == line.len() { 0x80 } else { 0 };
        for byte in [first, 0x81, 1, 2, 3, 4, byte ^ 1] {
            socket.get_mut().write_all(&[byte]).unwrap();
        }
    }
    bo.sees("ana", "joined");
    drop(Link::Web(Box::new(socket), Vec::new()));
}
