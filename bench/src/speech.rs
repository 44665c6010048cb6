//! Owns the protocols of the servers: how a client logs in and joins a room, and the form of a message. Called by
//! `crowd` and by the loads. Never touches a socket.

use anyhow::{Result, bail};
use std::collections::VecDeque;
use tcp_chat_protocol::event::json_text;

/// The protocol of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Speech {
    /// tcp-chatd: one JSON object per line.
    Chat,
    /// nats-server.
    Nats,
    /// MQTT 3.1.1, QoS 0: mosquitto.
    Mqtt,
    /// ngircd, inspircd.
    Irc,
}

/// The default room of all clients; it is tcp-chatd's first default room, so a message to it needs no name.
pub(crate) const ROOM: &str = "lobby";
/// The first character of each text. It appears nowhere else on the wire after the logins, so deliveries are
/// counted by it.
pub(crate) const MARK: u8 = b'|';
/// Hexadecimal digits after the mark: the time of sending, in nanoseconds of the load's own clock.
pub(crate) const STAMP: usize = 16;

impl Speech {
    /// Whether the server sends a plaintext line before TLS.
    pub(crate) fn greets(self) -> bool {
        self == Self::Nats
    }

    /// Whether an author receives its own message.
    pub(crate) fn echoes(self) -> bool {
        self != Self::Irc
    }

    /// One message to [`ROOM`], its text `bytes` long, appended to `out`.
    pub(crate) fn message(self, nanoseconds: u64, bytes: usize, out: &mut Vec<u8>) {
        let mut text = format!("{}{nanoseconds:0STAMP$x}", char::from(MARK));
        while text.len() < bytes {
            text.push('x');
        }
        match self {
            Self::Chat => {
                out.extend_from_slice(
                    format!("{{\"op\":\"MSG\",\"data\":{}}}\n", json_text(&text)).as_bytes(),
                );
            }
            Self::Nats => {
                out.extend_from_slice(format!("PUB {ROOM} {}\r\n{text}\r\n", text.len()).as_bytes());
            }
            Self::Mqtt => {
                let mut body = Vec::with_capacity(ROOM.len() + 2 + text.len());
                mqtt_text(ROOM, &mut body);
                body.extend_from_slice(text.as_bytes());
                mqtt_packet(0x30, &body, out);
            }
            Self::Irc => out.extend_from_slice(format!("PRIVMSG #{ROOM} :{text}\r\n").as_bytes()),
        }
    }

    /// The login of the client with this number; `rooms`: the rooms to join, separated by commas, instead of
    /// [`ROOM`]; empty: none.
    pub(crate) fn opening(self, number: usize, rooms: Option<&str>) -> Opening {
        let name = format!("u{number:07}");
        let rooms: Vec<&str> = rooms.unwrap_or(ROOM).split(',').filter(|room| !room.is_empty()).collect();
        let mut steps = VecDeque::new();
        let mut step = |say: Vec<u8>, until: Until| steps.push_back((say, until));
        match self {
            Self::Chat => {
                // The default room: a LOGIN without rooms joins it.
                let rooms = if rooms == [ROOM] { String::new() } else { format!(",\"rooms\":{rooms:?}") };
                let login = format!("{{\"op\":\"LOGIN\",\"data\":{{\"name\":\"{name}\"{rooms}}}}}\n");
                step(login.into(), Until::Line(&["\"LOGIN\""], &["\"ERR\""]));
            }
            Self::Nats => {
                let connect = format!(
                    "CONNECT {{\"verbose\":false,\"pedantic\":false,\"tls_required\":true,\"name\":\"{name}\",\
                     \"lang\":\"rust\",\"version\":\"1\"}}\r\nPING\r\n"
                );
                step(connect.into(), Until::Line(&["PONG"], &["-ERR"]));
                for (at, room) in rooms.iter().enumerate() {
                    step(
                        format!("SUB {room} {}\r\nPING\r\n", at + 1).into(),
                        Until::Line(&["PONG"], &["-ERR"]),
                    );
                }
            }
            Self::Mqtt => {
                let mut body = Vec::new();
                mqtt_text("MQTT", &mut body);
                body.extend_from_slice(&[4, 2, 0, 0]); // 3.1.1; a clean session; no keep-alive
                mqtt_text(&name, &mut body);
                let mut packet = Vec::new();
                mqtt_packet(0x10, &body, &mut packet);
                step(packet, Until::Bytes(&[0x20, 2, 0, 0]));
                for room in rooms {
                    let mut body = vec![0, 1];
                    mqtt_text(room, &mut body);
                    body.push(0); // QoS 0
                    let mut packet = Vec::new();
                    mqtt_packet(0x82, &body, &mut packet);
                    step(packet, Until::Bytes(&[0x90, 3, 0, 1, 0]));
                }
            }
            Self::Irc => {
                let hello = format!("NICK {name}\r\nUSER u 0 * :u\r\n");
                // The end of the message of the day, or that there is none. The star stands for the name of an
                // unregistered client: "There are 433 users" is not a refusal.
                step(hello.into(), Until::Line(&[" 376 ", " 422 "], &["ERROR ", " 433 * "]));
                for room in rooms {
                    step(
                        format!("JOIN #{room}\r\n").into(),
                        Until::Line(&[" 366 "], &["ERROR ", " 405 ", " 437 ", " 471 "]),
                    );
                }
            }
        }
        Opening { steps, heard: Vec::new() }
    }
}

/// The condition that ends a step.
enum Until {
    /// A line that contains one of the first texts; a line with one of the second is a refusal.
    Line(&'static [&'static str], &'static [&'static str]),
    /// Exactly these bytes.
    Bytes(&'static [u8]),
}

/// A login in progress.
pub(crate) struct Opening {
    steps: VecDeque<(Vec<u8>, Until)>,
    heard: Vec<u8>,
}

impl Opening {
    /// The first bytes to send.
    pub(crate) fn begin(&mut self) -> Vec<u8> {
        self.steps.front_mut().map(|(say, _)| std::mem::take(say)).unwrap_or_default()
    }

    pub(crate) fn is_done(&self) -> bool {
        self.steps.is_empty()
    }

    /// Handles the server's bytes; returns the next bytes to send.
    pub(crate) fn hear(&mut self, text: &[u8]) -> Result<Vec<u8>> {
        self.heard.extend_from_slice(text);
        let mut answer = Vec::new();
        while let Some((_, until)) = self.steps.front() {
            let ended = match until {
                Until::Bytes(want) => {
                    let Some(got) = self.heard.get(..want.len()) else { break };
                    if got != *want {
                        bail!("the server answers {got:x?}");
                    }
                    self.heard.drain(..want.len());
                    true
                }
                Until::Line(yes, no) => {
                    let Some(end) = memchr::memchr(b'\n', &self.heard) else { break };
                    let line: Vec<u8> = self.heard.drain(..=end).collect();
                    let line = String::from_utf8_lossy(&line);
                    if let Some(token) = line.strip_prefix("PING ") {
                        answer.extend_from_slice(format!("PONG {token}").as_bytes());
                    }
                    let ended = yes.iter().any(|word| line.contains(word));
                    if !ended && no.iter().any(|word| line.contains(word)) {
                        bail!("the server refuses: {}", line.trim_end());
                    }
                    ended
                }
            };
            if ended {
                self.steps.pop_front();
                answer.extend(self.begin());
            }
        }
        Ok(answer)
    }
}

fn mqtt_packet(kind: u8, body: &[u8], out: &mut Vec<u8>) {
    out.push(kind);
    let mut rest = body.len();
    loop {
        let low = u8::try_from(rest % 128).unwrap_or(0);
        rest /= 128;
        out.push(if rest > 0 { low | 128 } else { low });
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(body);
}

fn mqtt_text(text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(&u16::try_from(text.len()).unwrap_or(u16::MAX).to_be_bytes());
    out.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_message_has_one_mark_and_its_stamp() {
        for speech in [Speech::Chat, Speech::Nats, Speech::Mqtt, Speech::Irc] {
            let mut out = Vec::new();
            speech.message(0xabc, 80, &mut out);
            speech.message(0xdef, 80, &mut out);
            let marks: Vec<usize> = memchr::memchr_iter(MARK, &out).collect();
            assert_eq!(marks.len(), 2, "{speech:?}");
            assert_eq!(&out[marks[1] + 1..][..STAMP], b"0000000000000def");
        }
    }

    #[test]
    fn a_login_goes_on_line_by_line_however_it_is_cut() {
        let mut opening = Speech::Irc.opening(7, None);
        assert!(opening.begin().starts_with(b"NICK u0000007\r\n"));
        assert!(opening.hear(b":x 001 u :hi\r\nPING ab").unwrap().is_empty());
        assert_eq!(opening.hear(b"c\r\n").unwrap(), b"PONG abc\r\n");
        assert_eq!(opening.hear(b":x 422 u :none\r\n").unwrap(), b"JOIN #lobby\r\n");
        assert!(!opening.is_done());
        assert!(opening.hear(b":x 366 u #lobby :end\r\n").unwrap().is_empty());
        assert!(opening.is_done());
    }

    #[test]
    fn a_refusal_is_told() {
        let mut opening = Speech::Chat.opening(7, Some("a,b"));
        assert!(opening.begin().ends_with(b",\"rooms\":[\"a\", \"b\"]}}\n"));
        let refusal = opening.hear(b"{\"op\":\"ERROR_MSG\",\"status\":\"ERR\"}\n").unwrap_err();
        assert!(refusal.to_string().contains("ERROR_MSG"));
    }

    #[test]
    fn lengths_of_mqtt_take_seven_bits_a_byte() {
        let mut out = Vec::new();
        mqtt_packet(0x30, &[0; 321], &mut out);
        assert_eq!(out[..3], [0x30, 0xc1, 0x02]);
    }
}
