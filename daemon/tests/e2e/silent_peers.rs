//! Tests of local peers that connect and send nothing, or half of a request: others are served at once,
//! before the time limits of the silent ones.

use crate::common::http::{address, get, request};
use crate::common::{Daemon, PATIENCE};
use serde_json::{Value, json};
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;

/// Whether the socket is still open, with nothing to read.
fn is_open(socket: &mut impl Read) -> bool {
    socket.read(&mut [0; 64]).is_err_and(|why| why.kind() == ErrorKind::WouldBlock)
}

/// Connections with this kind of silence to an endpoint of 32 places.
fn silent(to: std::net::SocketAddr, count: usize, says: &[u8]) -> Vec<TcpStream> {
    let connect = |_| {
        let mut socket = TcpStream::connect(to).unwrap();
        socket.write_all(says).unwrap();
        socket.set_nonblocking(true).unwrap();
        socket
    };
    (0..count).map(connect).collect()
}

#[test]
fn silent_http_connections_give_way() {
    let token = crate::posts::TOKEN;
    let settings = "metrics.address = \"127.0.0.1:0\"\nhttp.address = \"127.0.0.1:0\"\n\
                    http.token_file = \"http.token\"\nhttp.rooms = [\"ops\"]";
    let daemon = Daemon::after(&format!("printf '%s\\n' {token} >http.token"), settings);
    let metrics = address(&daemon, "metrics_listening");
    let posts = address(&daemon, "http_listening");
    // Nothing; half of a head; complete requests whose answers are never read.
    for says in
        ["", "GET /metrics HTTP/1.1\r\nHost:", &"GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(8)]
    {
        let mut held = silent(metrics, 40, says.as_bytes());
        assert_eq!(get(metrics, "/healthz").status, 200);
        // The others did not end by their own time limit: this one came earlier and is still there.
        if says.len() < 100 {
            assert!(is_open(&mut held[38]), "{says:?}");
        }
        drop(held);

        let held = silent(posts, 40, says.as_bytes());
        let bearer = format!("Bearer {token}");
        let body = json!({"text": "heard"}).to_string();
        let answer = request(posts, "POST", "/rooms/ops/messages", &[("Authorization", &bearer)], &body);
        assert_eq!(answer.status, 201, "{answer:?}");
        drop(held);
    }
}

#[test]
fn silent_control_connections_give_way() {
    let daemon = Daemon::with("admin.socket = \"control.sock\"");
    let path = daemon.folder().join("control.sock");
    for says in ["", "{\"command\":"] {
        let connect = |_| {
            let mut socket = UnixStream::connect(&path).unwrap();
            socket.write_all(says.as_bytes()).unwrap();
            socket.set_nonblocking(true).unwrap();
            socket
        };
        let mut held: Vec<_> = (0..24).map(connect).collect();
        let mut asks = UnixStream::connect(&path).unwrap();
        asks.set_read_timeout(Some(PATIENCE)).unwrap();
        asks.write_all(b"{\"command\":\"status\",\"version\":1}\n").unwrap();
        let mut answer = String::new();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(&asks), &mut answer).unwrap();
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert!(answer.to_string().contains("serving"), "{answer}");
        assert!(is_open(&mut held[22]) && !is_open(&mut held[0]), "the one that waited longest gave way");
    }
}
