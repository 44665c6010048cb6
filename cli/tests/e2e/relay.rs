//! Owns the tools of the page's tests: a running `tcp-chat-cli web`, requests to it, and a tab. The HTTP and WebSocket
//! of this file share no code with the program. Called by the three `page` files. Never asserts the subject of a test.

use crate::client::{Client, Home};
use crate::daemon::Daemon;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// The bound of each wait. Only a test that hangs reaches it.
pub(crate) const LONG: Duration = Duration::from_secs(60);

/// A running relay.
pub(crate) struct Relay {
    pub(crate) client: Client,
    pub(crate) port: u16,
    pub(crate) ticket: String,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

impl Relay {
    pub(crate) fn start(home: &Home, daemon: &Daemon, args: &[&str]) -> Self {
        let mut all = vec!["web", "--no-open"];
        all.extend(args);
        Self::of(home.start(daemon, &all))
    }

    pub(crate) fn of(client: Client) -> Self {
        client.shows("#ticket=");
        let address = client.so_far().trim().to_owned();
        let (place, ticket) = address.split_once("/#ticket=").unwrap();
        let port = place.strip_prefix("http://127.0.0.1:").unwrap().parse().unwrap();
        Self { client, port, ticket: ticket.to_owned() }
    }

    pub(crate) fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub(crate) fn origin(&self) -> String {
        format!("http://{}", self.host())
    }

    /// Sends a request with exactly these headers.
    pub(crate) fn ask(&self, line: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut stream = TcpStream::connect(self.host()).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        let mut request = format!("{line} HTTP/1.1\r\nConnection: close\r\n");
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request.push_str(&format!("Content-Length: {}\r\n\r\n{body}", body.len()));
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        read(&answer)
    }

    /// Sends a request as the page does.
    pub(crate) fn page(&self, line: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let (host, origin) = (self.host(), self.origin());
        let mut all = vec![("Host", host.as_str())];
        if line.starts_with("POST") {
            all.push(("Origin", &origin));
        }
        all.extend(headers);
        self.ask(line, &all, body)
    }

    /// Trades the ticket for a bearer.
    pub(crate) fn bearer(&self) -> String {
        let answer = self.page("POST /ticket", &[], &self.ticket);
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body
    }

    pub(crate) fn described(&self, bearer: &str) -> Value {
        let answer = self.page("GET /host.json", &[("Authorization", &format!("Bearer {bearer}"))], "");
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }

    pub(crate) fn choose(&self, bearer: &str, server: &str) -> Value {
        let bearer = format!("Bearer {bearer}");
        let headers = [("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
        let answer = self.page("POST /server", &headers, &json!({ "server": server }).to_string());
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }

    /// The handshake of a browser, with these subprotocols and this `Origin`.
    pub(crate) fn handshake(&self, protocols: &str, origin: &str) -> (TcpStream, Answer) {
        let mut stream = TcpStream::connect(self.host()).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        let request = format!(
            "GET /ws HTTP/1.1\r\nHost: {}\r\nOrigin: {origin}\r\nConnection: keep-alive, Upgrade\r\n\
             Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             Sec-WebSocket-Protocol: {protocols}\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n",
            self.host()
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        (stream, read(&String::from_utf8(head).unwrap()))
    }

    pub(crate) fn open(&self, bearer: &str) -> Tab {
        let (stream, answer) = self.handshake(&format!("tcp-chat.1, bearer.{bearer}"), &self.origin());
        assert_eq!(answer.status, 101, "{answer:?}");
        assert!(answer.head.contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo="), "{answer:?}");
        assert!(answer.head.contains("sec-websocket-protocol: tcp-chat.1\r\n"), "{answer:?}");
        assert!(!answer.head.contains("extensions"), "{answer:?}");
        Tab { stream, lines: Vec::new() }
    }
}

pub(crate) fn read(answer: &str) -> Answer {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head: format!("{}\r\n", head.to_ascii_lowercase()), body: body.to_owned() }
}

/// A WebSocket of the page.
pub(crate) struct Tab {
    pub(crate) stream: TcpStream,
    pub(crate) lines: Vec<Value>,
}

impl Tab {
    pub(crate) fn sends(&mut self, line: &Value) {
        let text = line.to_string().into_bytes();
        let mask = [1, 2, 3, 4];
        let mut frame = vec![0x81, 0x80 | 126];
        frame.extend(u16::try_from(text.len().max(126)).unwrap().to_be_bytes());
        if text.len() < 126 {
            frame.truncate(1);
            frame.push(0x80 | u8::try_from(text.len()).unwrap());
        }
        frame.extend(mask);
        frame.extend(text.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        self.stream.write_all(&frame).unwrap();
    }

    /// The lines of the next message. `None`: the socket is closed. A long line has several frames.
    pub(crate) fn next(&mut self) -> Option<Vec<Value>> {
        let mut text = Vec::new();
        loop {
            let mut head = [0; 2];
            self.stream.read_exact(&mut head).ok()?;
            let mut length = u64::from(head[1]);
            let more = match length {
                126 => 2,
                127 => 8,
                _ => 0,
            };
            if more > 0 {
                let mut bytes = vec![0; more];
                self.stream.read_exact(&mut bytes).ok()?;
                length = bytes.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
            }
            let mut payload = vec![0; usize::try_from(length).unwrap()];
            self.stream.read_exact(&mut payload).ok()?;
            text.append(&mut payload);
            match head[0] {
                0x01 | 0x00 => {}
                0x81 | 0x80 => break,
                0x88 => return None,
                other => panic!("a frame that begins with {other:#x}"),
            }
        }
        let text = String::from_utf8(text).unwrap();
        assert!(text.ends_with('\n'), "whole lines: {text:?}");
        Some(text.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
    }

    /// Reads until a line matches, and takes it out.
    pub(crate) fn waits_for(&mut self, is: impl Fn(&Value) -> bool) -> Value {
        loop {
            if let Some(at) = self.lines.iter().position(&is) {
                return self.lines.remove(at);
            }
            let more = self.next().unwrap_or_else(|| panic!("closed, after {:?}", self.lines));
            self.lines.extend(more);
        }
    }

    pub(crate) fn logs_in(&mut self, data: Value) -> Value {
        self.sends(&json!({ "op": "LOGIN", "id": "login", "data": data }));
        self.waits_for(|line| line["id"] == "login")["data"].clone()
    }

    pub(crate) fn says(&mut self, text: &str) -> u64 {
        self.sends(&json!({ "op": "MSG", "id": text, "data": { "room": "lobby", "msg": text } }));
        let own = self.waits_for(|line| line["id"] == text);
        assert_eq!(own["op"], "MSG", "{own}");
        own["data"]["seq"].as_u64().unwrap()
    }

    pub(crate) fn hears(&mut self, text: &str) -> u64 {
        self.waits_for(|line| line["data"]["msg"] == text)["data"]["seq"].as_u64().unwrap()
    }

    pub(crate) fn is_closed(&mut self) -> bool {
        while let Some(more) = self.next() {
            self.lines.extend(more);
        }
        true
    }
}
