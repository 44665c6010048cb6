//! Owns every setting but the limits: one description each, from which all else is made (`key` says what). To add
//! a setting, add its description here. What settings mean together is in `checks`. Reads no file.

use super::key::{Key, Section, section};
use super::kinds::MayShow::{IfPath, IfWrittenAsPath, Never};
use super::kinds::{Flag, Kind, Maybe, Number, OneOf, Span, ZeroIsOff};
use super::limits::{DAY, HOUR, MANY, SECOND};
use super::reader::Reader;
use super::texts::{self, FilePath, StoreBytes, StorePath};
use super::{AuthMode, ClientAuth, Durability, LogFormat, MaxBytes, Secret};
use crate::auth::Digest;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;
use tcp_chat_protocol::{DEFAULT_PORT, Name};

section! {
    /// Where the daemon listens.
    ["listen"] Listen {
        /// Where to listen: an address with a port, or a list of them. "0.0.0.0:3000" is every IPv4 address
        /// of this host, "[::]:3000" every IPv6 one; list both for both. The default takes connections from
        /// this host only. Sockets that the service manager hands over (tcp-chatd.socket) are used instead of
        /// it.
        address: Vec<SocketAddr> = vec![(Ipv4Addr::LOCALHOST, DEFAULT_PORT).into()] => texts::LISTEN, restart();
    }
}

section! {
    /// The certificates.
    ["tls"] Tls {
        /// The folder of the daemon's own CA and certificate: ca.pem, ca.key, server.pem, server.key. They
        /// are made at the first start, when none of the four is there. Clients trust ca.pem; it is never
        /// made again. The certificate is good for 90 days and renewed by itself after 60.
        dir: PathBuf = "certs".into() => FilePath(IfPath);

        /// Further names and addresses that clients dial, for that certificate. localhost, the loopback
        /// addresses and this host's name are always in it. A new list means a new certificate at the next
        /// reload or start, from the same CA.
        names: Vec<String> = Vec::new() => texts::CERTIFICATE_NAMES;

        /// Your own certificate instead, as certbot and others make it: the chain in PEM, the server's
        /// certificate first. Needs key beside it. Files that are replaced are taken within two minutes; if
        /// they do not work, the old ones go on being used, and log and status say so.
        certificate: Option<PathBuf> = None => Maybe(FilePath(IfPath)),
            example("/etc/letsencrypt/live/chat.example.org/fullchain.pem");

        /// The key of that certificate, in PEM, without a password.
        key: Option<PathBuf> = None => Maybe(FilePath(IfWrittenAsPath)),
            example("/etc/letsencrypt/live/chat.example.org/privkey.pem");

        /// The oldest TLS version that is spoken: "1.3", or "1.2" for old clients.
        allow_1_2 as "min_version": bool = false => OneOf(&[("1.3", false), ("1.2", true)]);

        /// Are clients asked for a certificate? "off": no. "optional": who has one shows it, and needs no
        /// password. "required": who has none does not get in. The common name is the user, and nobody else
        /// may have that name. `tcp-chatd user add NAME --cert` lets somebody fetch one; `tcp-chatd cert
        /// revoke` ends it.
        client_auth: ClientAuth = ClientAuth::Off => OneOf(ClientAuth::WORDS);

        /// Who signs the clients' certificates, in PEM; one or more CAs.
        client_ca: Option<PathBuf> = None => Maybe(FilePath(IfPath)),
            example("/etc/tcp-chatd/users-ca.pem"), without("the daemon's own CA");
    }
}

section! {
    /// Who may log in.
    ["auth"] Auth {
        /// Who may log in: "open" is everyone who reaches the port; "password" is who knows the one shared
        /// password; "accounts" is registered users only (`tcp-chatd user add NAME`). In every mode a
        /// registered name is its owner's, with a password of its own or a certificate.
        mode: AuthMode = AuthMode::Open => OneOf(AuthMode::WORDS);

        /// With "password": a file that holds the password's Argon2id hash, as `tcp-chatd password` prints
        /// it. With systemd's LoadCredential= it may be "$CREDENTIALS_DIRECTORY/password".
        password_file: Option<Secret<String>> = None => Maybe(FilePath(Never)), example("password.hash");
    }
}

section! {
    /// Rooms.
    ["rooms"] Rooms {
        /// The rooms that a login enters unless it names others. The first one takes a MSG without a room.
        /// They are open from the start on, have no owner, and users cannot open rooms that look like them.
        default: Vec<Name> = "lobby".parse().into_iter().collect() => texts::ROOMS;

        /// May users open new rooms by joining them? Who opens one with a proven name owns it.
        create: bool = true => Flag;

        /// Presence (joined, away, back, left) is announced in rooms of up to so many members; in larger
        /// ones WHO tells. 0: never.
        presence_limit: usize = 500 => Number(0..=MANY);
    }
}

section! {
    /// Sessions.
    ["sessions"] Sessions {
        /// How long a user whose connection was lost is "away": the name and the rooms are held, and the
        /// session can be resumed. "0s": not at all.
        ttl: Duration = 120 * SECOND => Span(Duration::ZERO..=30 * DAY);
    }
}

section! {
    /// The log of messages.
    ["history"] History {
        /// The store. ":memory:" keeps nothing. The control socket lies beside it.
        path: Option<PathBuf> = Some("data/chat.db".into()) => StorePath, restart();

        /// What an acknowledged message survives: "crash" is the death of the daemon; "power" is a power cut
        /// too, and is slower.
        durability: Durability = Durability::Crash => OneOf(Durability::WORDS), restart();

        /// How long messages are kept. "0": for ever.
        retain: Option<Duration> = Some(90 * DAY)
            => ZeroIsOff(Span(Duration::ZERO..=36_500 * DAY), || "0".into()), restart();

        /// How many messages are kept at most; the oldest go first. 0: all.
        retain_messages: Option<u64> = None => ZeroIsOff(Number(0..=u32::MAX as u64), || 0.into()),
            restart();

        /// How many bytes messages and search index may take, at least 1 MiB; beyond it the oldest
        /// messages go. 0: no bound. `tcp-chatd status` says what it is.
        max_bytes: MaxBytes = MaxBytes::HalfOfDisk => StoreBytes,
            restart(), example("20 GiB"), without("half of what is free on the disk at the first start");
    }
}

section! {
    /// Logging.
    ["log"] Log {
        /// off, error, warn, info, debug or trace; or several with the parts of the program that they are
        /// for: "info,tcp_chatd::net=debug". Texts, passwords and tokens are never logged.
        level: String = "info".into() => texts::LEVEL;

        /// "pretty" is for people, "json" is one object a line, "journald" is the journal's own fields.
        /// "auto" is journald under systemd, pretty on a terminal, json otherwise.
        format: LogFormat = LogFormat::Auto => OneOf(LogFormat::WORDS), restart();
    }
}

section! {
    /// The control socket.
    ["admin"] Admin {
        /// The control socket, which `tcp-chatd status` and others use.
        socket: Option<PathBuf> = None => Maybe(FilePath(IfPath)),
            restart(), example("/run/tcp-chatd/control.sock"),
            without("control.sock beside the store; none where history.path is \":memory:\"");
    }
}

section! {
    /// Metrics and health over HTTP.
    ["metrics"] Metrics {
        /// Where Prometheus scrapes /metrics, and others look at /healthz and /readyz: an address of this
        /// host that other hosts do not reach. docs/OPERATIONS.md has the names.
        address: Option<SocketAddr> = None => Maybe(texts::LOOPBACK), restart(), example("127.0.0.1:9464");
    }
}

section! {
    /// The HTTP interface for machines that post messages.
    ["http"] Http {
        /// A way in for machines: POST /rooms/ROOM/messages takes {"text": "..."} and what the webhooks of
        /// Alertmanager and Grafana send, and answers once the message is kept. An address of this host that
        /// other hosts do not reach.
        address: Option<SocketAddr> = None => Maybe(texts::LOOPBACK), restart(), example("127.0.0.1:9465");

        /// The file with the token that machines send as "Authorization: Bearer ...": 32 characters or more,
        /// as `openssl rand -hex 32` prints them. With systemd's LoadCredential= it may be
        /// "$CREDENTIALS_DIRECTORY/http.token".
        token_file: Option<Secret<Digest>> = None => Maybe(FilePath(Never)), restart(), example("http.token");

        /// The rooms that may be posted to. They are open from the start on and have no owner. None may look
        /// like a room of rooms.default; it may be one of those.
        rooms: Vec<Name> = Vec::new() => texts::ROOMS;

        /// The name under which machines speak. It becomes a registered user: nobody else can have it, and
        /// mutes, bans and roles hold for it as for anybody.
        name: Option<Name> = "alerts".parse().ok() => Maybe(texts::USER), restart();
    }
}

section! {
    /// The page: the chat in a browser.
    ["web"] Web {
        /// Where browsers find the page, over HTTPS and WebSocket. Needs certificate and key. Off without an
        /// address. docs/OPERATIONS.md says how to get a certificate, and what a proxy in front changes. A socket
        /// of the name "web" that the service manager hands over (tcp-chatd-web.socket) is used instead of it.
        address: Option<SocketAddr> = None => Maybe(texts::ADDRESS), restart(), example("0.0.0.0:3443");

        /// The certificate of the page, which browsers have to know already, as certbot and others make it: the
        /// chain in PEM, the server's certificate first. Files that are replaced are taken within two minutes.
        certificate: Option<PathBuf> = None => Maybe(FilePath(IfPath)),
            example("/etc/letsencrypt/live/chat.example.org/fullchain.pem");

        /// The key of that certificate, in PEM, without a password.
        key: Option<PathBuf> = None => Maybe(FilePath(IfWrittenAsPath)),
            example("/etc/letsencrypt/live/chat.example.org/privkey.pem");

        /// The names under which browsers reach the page; a request for any other name is refused. A name may
        /// have a port, where it is another one than that of address: "chat.example.org:443" behind a proxy. An
        /// IPv6 address stands in brackets. Without it the names are those of tls.names, and if there are none,
        /// those of the certificate.
        names: Vec<String> = Vec::new() => texts::WEB_NAMES;
    }
}

section! {
    /// The end of the daemon.
    ["shutdown"] Shutdown {
        /// How long connections may take to be told and to read what waits for them when the daemon ends.
        /// Keep TimeoutStopSec= of the systemd unit above it.
        grace: Duration = 10 * SECOND => Span(Duration::ZERO..=HOUR);
    }
}
