//! Owns HTTP for the tests: one request, one connection, the whole answer.

use super::{Daemon, PATIENCE};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Instant;

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|why| panic!("{why}: {self:?}"))
    }
}

/// The daemon's HTTP address: `metrics_listening` or `http_listening`.
pub(crate) fn address(daemon: &Daemon, event: &str) -> SocketAddr {
    let found = daemon.log().wait(|line| {
        let line: Value = serde_json::from_str(line).ok()?;
        let fields = line.get("fields").unwrap_or(&line);
        (fields["event"] == event).then(|| fields["address"].as_str().unwrap().parse().unwrap())
    });
    found.unwrap_or_else(|| panic!("no {event}"))
}

/// Sends bytes, and reads the answer to them.
pub(crate) fn sends(to: SocketAddr, request: &[u8]) -> Answer {
    let mut socket = TcpStream::connect(to).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    // It may be answered before all of it is read.
    let _ = socket.write_all(request);
    let mut answer = Vec::new();
    let _ = socket.read_to_end(&mut answer);
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {answer:?}"));
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let header = |line: &str| {
        line.split_once(": ").map(|(name, value)| (name.to_lowercase(), value.to_owned())).unwrap()
    };
    Answer { status, headers: lines.map(header).collect(), body: body.to_owned() }
}

pub(crate) fn request(
    to: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Answer {
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("Content-Length: {}\r\n\r\n{body}", body.len()));
    sends(to, head.as_bytes())
}

pub(crate) fn get(to: SocketAddr, path: &str) -> Answer {
    request(to, "GET", path, &[], "")
}

/// A scrape: every sample by its name and labels.
pub(crate) struct Scrape(pub(crate) BTreeMap<String, f64>);

impl Scrape {
    pub(crate) fn of(to: SocketAddr) -> Self {
        let answer = get(to, "/metrics");
        assert_eq!(answer.status, 200, "{answer:?}");
        let sample = |line: &str| {
            let (name, value) = line.rsplit_once(' ').unwrap();
            (name.to_owned(), value.parse().unwrap())
        };
        Self(answer.body.lines().filter(|line| !line.starts_with('#')).map(sample).collect())
    }

    /// Scrapes until one sample has the expected value: an event is counted a moment after it happened.
    pub(crate) fn until(to: SocketAddr, name: &str, value: f64) -> Self {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let scrape = Self::of(to);
            if scrape.get(name) == value {
                return scrape;
            }
            assert!(Instant::now() < deadline, "{name} is {}, not {value}", scrape.get(name));
            std::thread::yield_now();
        }
    }

    /// A sample, without the prefix.
    pub(crate) fn get(&self, name: &str) -> f64 {
        let name = format!("tcp_chatd_{name}");
        *self.0.get(&name).unwrap_or_else(|| panic!("no {name} in {:?}", self.0.keys()))
    }

    /// The expected samples.
    pub(crate) fn says(&self, expected: &[(&str, f64)]) {
        let found: Vec<_> = expected.iter().map(|(name, _)| (*name, self.get(name))).collect();
        assert_eq!(found, expected);
    }
}
