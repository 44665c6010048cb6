//! Owns what the settings say of HTTP on loopback: `[metrics]` and `[http]`. Notes problems as all of
//! [`super::sections`] does. Reads no file but the one with the token.

use super::Settings;
use super::sections::Reader;
use crate::auth;
use crate::chat::Digest;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use tcp_chat_protocol::Name;

/// The shortest token, in characters: 32 of hex are 128 random bits.
const TOKEN_CHARS: std::ops::RangeInclusive<usize> = 32..=512;

/// What may be seen over HTTP.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Metrics {
    /// Where, on loopback; `None`: nowhere.
    pub address: Option<SocketAddr>,
}

/// The way in for machines.
#[derive(Clone, PartialEq, Eq)]
pub struct Http {
    /// Where, on loopback; `None`: there is none.
    pub address: Option<SocketAddr>,
    /// Where the token is kept.
    pub token_file: Option<PathBuf>,
    /// The SHA-256 of the token, read from `http.token_file`.
    pub token: Option<Digest>,
    /// The rooms that may be posted to.
    pub rooms: Vec<Name>,
    /// The name that machines speak under; there is a default.
    pub name: Option<Name>,
}

impl std::fmt::Debug for Http {
    /// The token's hash is nobody's business.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { address, token_file, token, rooms, name } = self;
        f.debug_struct("Http")
            .field("address", address)
            .field("token_file", token_file)
            .field("token", &token.as_ref().map(|_| "…"))
            .field("rooms", rooms)
            .field("name", name)
            .finish()
    }
}

impl Default for Http {
    fn default() -> Self {
        Self { address: None, token_file: None, token: None, rooms: Vec::new(), name: "alerts".parse().ok() }
    }
}

impl Http {
    /// The rooms that the daemon opens for machines. Without an address no machine can post, so it opens none.
    #[must_use]
    pub fn open_rooms(&self) -> &[Name] {
        if self.address.is_some() { &self.rooms } else { &[] }
    }
}

impl Reader<'_> {
    pub(super) fn metrics(&mut self) -> Metrics {
        Metrics { address: self.loopback("metrics.address") }
    }

    pub(super) fn http(&mut self) -> Http {
        let address = self.loopback("http.address");
        let token_file = self.path("http.token_file");
        let list = self.values.list("http.rooms");
        let rooms = self.room_names("http.rooms", list.as_deref().unwrap_or_default());
        let name = self.values.text("http.name").and_then(|text| {
            let name = Name::parse(&text);
            name.map_err(|why| self.values.refuse("http.name", format!("{text:?} is no name: {why}"))).ok()
        });
        let token = token_file.as_deref().and_then(|file| self.token(file));
        if address.is_some() {
            if token_file.is_none() && !self.values.is_set("http.token_file") {
                let reason = "it needs http.token_file beside it: a file with the token that machines send";
                self.values.refuse("http.address", reason);
            }
            if list.is_some_and(|list| list.is_empty()) {
                let reason = "it needs http.rooms beside it: the rooms that machines may post to";
                self.values.refuse("http.address", reason);
            }
            let other = self.values.text("metrics.address").and_then(|text| text.parse().ok());
            if address == other && address.is_some_and(|address| address.port() != 0) {
                let reason = "that is metrics.address; the two need a port each";
                self.values.refuse("http.address", reason);
            }
        }
        Http { address, token_file, token, rooms, name }
    }

    /// A room of one list must not look like a room of the other. The same room may be in both.
    pub(super) fn rooms_differ(&mut self, settings: &Settings) {
        for room in settings.http.open_rooms() {
            let is_twin = |other: &&Name| other.key() != room.key() && other.looks_like(room);
            if let Some(twin) = settings.rooms.default.iter().find(is_twin) {
                let reason = format!("\"{room}\" looks like {twin}, which is in rooms.default: rename one");
                self.values.refuse("http.rooms", reason);
            }
        }
    }

    /// An address of this host that no other host reaches.
    fn loopback(&mut self, key: &str) -> Option<SocketAddr> {
        let text = self.values.text(key)?;
        match text.parse::<SocketAddr>() {
            Ok(address) if address.ip().to_canonical().is_loopback() => Some(address),
            Ok(_) => {
                let reason = format!(
                    "{text} can be reached from other hosts, and what is said there is not encrypted; write a \
                     loopback address such as \"127.0.0.1:9464\", and let a proxy with TLS reach it from outside"
                );
                self.values.refuse(key, reason);
                None
            }
            Err(_) => {
                let reason = format!("{text:?} is no address with a port; write \"127.0.0.1:9464\"");
                self.values.refuse(key, reason);
                None
            }
        }
    }

    fn token(&mut self, file: &Path) -> Option<Digest> {
        let shown = self.shown_file("http.token_file", file);
        let checked = self.secret_in(file, &shown).and_then(|text| {
            let token = text.trim();
            let is_one = TOKEN_CHARS.contains(&token.len()) && token.bytes().all(|b| b.is_ascii_graphic());
            is_one.then(|| auth::sha256(token.as_bytes())).ok_or_else(|| {
                let (low, high) = (TOKEN_CHARS.start(), TOKEN_CHARS.end());
                format!(
                    "{shown} holds no token: {low} to {high} visible ASCII characters are one, as `openssl rand -hex \
                     32` prints them"
                )
            })
        });
        checked.map_err(|reason| self.values.refuse("http.token_file", reason)).ok()
    }
}
