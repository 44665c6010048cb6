//! Owns every setting but the limits: one description each, from which all else is made (`key` says what). To add
//! a setting, add its description here. What settings mean together is in `checks`. Reads no file.

use super::cluster::StreamName;
use super::key::{Key, Section, section};
use super::kinds::MayShow::{IfPath, IfWrittenAsPath, Never};
use super::kinds::{Flag, Kind, Maybe, Number, OneOf, Size, Span, ZeroIsOff};
use super::limits::{DAY, HOUR, MANY, SECOND};
use super::reader::SettingsReader;
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
        /// of this host, and "[::]:3000" is every IPv6 address; list both for both. With the default, only
        /// this host can connect. If the service manager passes sockets (tcp-chatd.socket), the daemon uses
        /// those instead.
        address: Vec<SocketAddr> = vec![(Ipv4Addr::LOCALHOST, DEFAULT_PORT).into()] => texts::LISTEN, restart();
    }
}

section! {
    /// The certificates.
    ["tls"] Tls {
        /// The folder of the daemon's own CA and certificate: ca.pem, ca.key, server.pem, server.key. The
        /// daemon creates them at the first start, if none of the four exists. Clients trust ca.pem; the
        /// daemon never replaces it. The certificate is valid for 90 days, and the daemon renews it after
        /// 60.
        dir: PathBuf = "certs".into() => FilePath(IfPath);

        /// More names and addresses that clients use, for that certificate. localhost, the loopback
        /// addresses and this host's name are always in it. After a change of this list, the next reload or
        /// start issues a new certificate from the same CA.
        names: Vec<String> = Vec::new() => texts::CERTIFICATE_NAMES;

        /// Your own certificate instead, from certbot for example: the chain in PEM, the server's
        /// certificate first. It needs `key`. The daemon loads changed files within two minutes. If they do
        /// not work, it keeps the old ones, and log and status say so.
        certificate: Option<PathBuf> = None => Maybe(FilePath(IfPath)),
            example("/etc/letsencrypt/live/chat.example.org/fullchain.pem");

        /// The key of that certificate, in PEM, without a password.
        key: Option<PathBuf> = None => Maybe(FilePath(IfWrittenAsPath)),
            example("/etc/letsencrypt/live/chat.example.org/privkey.pem");

        /// The oldest TLS version that the daemon accepts: "1.3", or "1.2" for old clients.
        allow_1_2 as "min_version": bool = false => OneOf(&[("1.3", false), ("1.2", true)]);

        /// Does the daemon ask clients for a certificate? "off": no. "optional": a client that has one shows
        /// it, and needs no password. "required": a client without one is refused. The common name is the
        /// user, and nobody else can use that name. With `tcp-chatd user add NAME --cert` a user can fetch a
        /// certificate; `tcp-chatd cert revoke` revokes it.
        client_auth: ClientAuth = ClientAuth::Off => OneOf(ClientAuth::WORDS);

        /// The CA that signs client certificates, in PEM; or several CAs.
        client_ca: Option<PathBuf> = None => Maybe(FilePath(IfPath)),
            example("/etc/tcp-chatd/users-ca.pem"), without("the daemon's own CA");
    }
}

section! {
    /// Authentication.
    ["auth"] Auth {
        /// The users that may log in. "open": everyone who reaches the port. "password": everyone with the
        /// shared password. "accounts": only registered users (`tcp-chatd user add NAME`). In every mode a
        /// registered name needs its owner's password or certificate.
        mode: AuthMode = AuthMode::Open => OneOf(AuthMode::WORDS);

        /// With "password": a file with the Argon2id hash of the password, as `tcp-chatd password` prints
        /// it. With systemd's LoadCredential= this can be "$CREDENTIALS_DIRECTORY/password".
        password_file: Option<Secret<String>> = None => Maybe(FilePath(Never)), example("password.hash");
    }
}

section! {
    /// Rooms.
    ["rooms"] Rooms {
        /// The rooms that a login enters if it names no rooms. A MSG without a room goes to the first one.
        /// The daemon opens these rooms at the start. They have no owner, and users cannot open rooms that
        /// look like them.
        default: Vec<Name> = "lobby".parse().into_iter().collect() => texts::ROOMS;

        /// Can users open new rooms by joining them? A user with a proven name owns the room that it opens.
        create: bool = true => Flag;

        /// Can members set the topic of a room where no user was granted the role of moderator or owner? Moderators
        /// and owners can always.
        topic_by_members: bool = true => Flag;

        /// The daemon announces presence (joined, away, back, left) in rooms with up to this many members.
        /// In larger rooms clients use WHO. 0: never.
        presence_limit: usize = 500 => Number(0..=MANY);
    }
}

section! {
    /// Sessions.
    ["sessions"] Sessions {
        /// How long a user whose connection was lost is "away". During this time the name and the rooms are
        /// reserved, and the session can be resumed. "0s": not at all.
        ttl: Duration = 120 * SECOND => Span(Duration::ZERO..=30 * DAY);
    }
}

section! {
    /// The store of messages.
    ["history"] History {
        /// The store. ":memory:" stores nothing on disk. The control socket is beside it.
        path: Option<PathBuf> = Some("data/chat.db".into()) => StorePath, restart();

        /// What an acknowledged message survives: "crash": the death of the daemon. "power": also a power
        /// cut; this is slower.
        durability: Durability = Durability::Crash => OneOf(Durability::WORDS), restart();

        /// How long messages are kept. "0": for ever.
        retain: Option<Duration> = Some(90 * DAY)
            => ZeroIsOff(Span(Duration::ZERO..=36_500 * DAY), || "0".into()), restart();

        /// How many messages are kept at most; the oldest are removed first. 0: all.
        retain_messages: Option<u64> = None => ZeroIsOff(Number(0..=u32::MAX as u64), || 0.into()),
            restart();

        /// How many bytes messages and search index may use, at least 1 MiB. Above it the daemon removes the
        /// oldest messages. 0: no bound. `tcp-chatd status` shows the value in effect.
        max_bytes: MaxBytes = MaxBytes::HalfOfDisk => StoreBytes,
            restart(), example("20 GiB"), without("half of what is free on the disk at the first start");
    }
}

section! {
    /// Logging.
    ["log"] Log {
        /// off, error, warn, info, debug or trace; or several, each with its target:
        /// "info,tcp_chatd::net=debug". Message texts, passwords and tokens are never logged.
        level: String = "info".into() => texts::LEVEL;

        /// "pretty": for people. "json": one object per line. "journald": fields of the systemd journal.
        /// "auto": journald under systemd, pretty on a terminal, json otherwise.
        format: LogFormat = LogFormat::Auto => OneOf(LogFormat::WORDS), restart();
    }
}

section! {
    /// The control socket.
    ["admin"] Admin {
        /// The control socket, which `tcp-chatd status` and other commands use.
        socket: Option<PathBuf> = None => Maybe(FilePath(IfPath)),
            restart(), example("/run/tcp-chatd/control.sock"),
            without("control.sock beside the store; none where history.path is \":memory:\"");
    }
}

section! {
    /// Metrics and health over HTTP.
    ["metrics"] Metrics {
        /// Where Prometheus scrapes /metrics, and health checks request /healthz and /readyz: a loopback
        /// address with a port. docs/OPERATIONS.md lists the metrics.
        address: Option<SocketAddr> = None => Maybe(texts::LOOPBACK), restart(), example("127.0.0.1:9464");
    }
}

section! {
    /// The HTTP interface for machines that post messages.
    ["http"] Http {
        /// Where machines post messages: POST /rooms/ROOM/messages takes {"text": "..."} and the webhooks of
        /// Alertmanager and Grafana, and replies after the message is stored. A loopback address with a
        /// port.
        address: Option<SocketAddr> = None => Maybe(texts::LOOPBACK), restart(), example("127.0.0.1:9465");

        /// The file with the token that machines send as "Authorization: Bearer ...": 32 characters or more,
        /// as `openssl rand -hex 32` prints them. With systemd's LoadCredential= this can be
        /// "$CREDENTIALS_DIRECTORY/http.token".
        token_file: Option<Secret<Digest>> = None => Maybe(FilePath(Never)), restart(), example("http.token");

        /// The rooms that machines can post to. The daemon opens them at the start, and they have no owner.
        /// Each may be a room of rooms.default, but none may only look like one.
        rooms: Vec<Name> = Vec::new() => texts::ROOMS;

        /// The name under which machines post. It becomes a registered user: nobody else can use it, and
        /// mutes, bans and roles apply to it as to any user.
        name: Option<Name> = "alerts".parse().ok() => Maybe(texts::USER), restart();
    }
}

section! {
    /// The page: the chat in a browser.
    ["web"] Web {
        /// The address at which browsers reach the page, over HTTPS and WebSocket. Needs certificate and key.
        /// Without an address the page is off. docs/OPERATIONS.md says how to get a certificate, and what a proxy
        /// in front changes. A socket with the name "web" from the service manager (tcp-chatd-web.socket)
        /// replaces this address.
        address: Option<SocketAddr> = None => Maybe(texts::ADDRESS), restart(), example("0.0.0.0:3443");

        /// The certificate of the page. Browsers must trust it already, as one from certbot. The file is the chain
        /// in PEM, the server's certificate first. The daemon loads replaced files within two minutes.
        certificate: Option<PathBuf> = None => Maybe(FilePath(IfPath)),
            example("/etc/letsencrypt/live/chat.example.org/fullchain.pem");

        /// The key of that certificate, in PEM, without a password.
        key: Option<PathBuf> = None => Maybe(FilePath(IfWrittenAsPath)),
            example("/etc/letsencrypt/live/chat.example.org/privkey.pem");

        /// The names by which browsers reach the page. A request for any other name is refused. A name can have a
        /// port, if it is not the port of address: "chat.example.org:443" behind a proxy. Write an IPv6 address
        /// in brackets. Without this setting the names are those of tls.names, or else those of the certificate.
        names: Vec<String> = Vec::new() => texts::WEB_NAMES;
    }
}

section! {
    /// Several daemons, one chat.
    ["cluster"] Cluster {
        /// The NATS servers whose stream this daemon shares with others: "tls://nats1.example.org:4222", or a list.
        /// "nats://", without TLS, only on this host. Without a server this daemon is alone, and no other setting of
        /// this section has an effect. docs/CLUSTER.md says how to make a cluster.
        nats: Vec<String> = Vec::new() => texts::NATS, restart();

        /// The name of this daemon in the cluster. No two daemons have the same.
        name: Option<String> = None => Maybe(texts::NODE), restart(), example("chat1"), without("the host's name");

        /// The address of this daemon that clients are told: a host and a port. A cluster needs it.
        advertise: Option<String> = None => Maybe(texts::CLIENT_ADDRESS),
            restart(), example("chat1.example.org:3000");

        /// The stream. `tcp-chatd cluster init` makes it; a start never does, because an empty NATS is no empty chat.
        stream: StreamName = StreamName::default() => texts::STREAM, restart();

        /// The login at NATS: a file with a JWT and a seed.
        credentials: Option<PathBuf> = None => Maybe(FilePath(IfPath)),
            restart(), example("/etc/tcp-chatd/nats.creds");

        /// Or a user. It needs `password_file`.
        user: Option<String> = None => Maybe(texts::NATS_USER), restart(), example("chat");

        /// The file with the password of that user.
        password_file: Option<PathBuf> = None => Maybe(FilePath(Never)),
            restart(), example("/etc/tcp-chatd/nats.password");

        /// Or a client certificate, in PEM. It needs `key`.
        certificate: Option<PathBuf> = None => Maybe(FilePath(IfPath)),
            restart(), example("/etc/tcp-chatd/nats.pem");

        /// The key of that certificate, in PEM, without a password.
        key: Option<PathBuf> = None => Maybe(FilePath(IfWrittenAsPath)),
            restart(), example("/etc/tcp-chatd/nats.key");

        /// The CA that signed the certificates of the NATS servers, in PEM.
        ca: Option<PathBuf> = None => Maybe(FilePath(IfPath)),
            restart(), example("/etc/tcp-chatd/nats-ca.pem"), without("the CAs of the system");

        /// The key of the cluster: 32 bytes, the same on all its daemons. `tcp-chatd cluster init` makes it. Without it
        /// nobody can read or forge what is in the stream.
        key_file: PathBuf = "cluster.key".into() => FilePath(IfWrittenAsPath), restart();

        /// How long the stream keeps what was ordered: a daemon that was away for longer takes a copy of another one.
        log_keep: Duration = DAY => Span(HOUR..=365 * DAY), restart();

        /// How many bytes the stream keeps at most, on each NATS server.
        log_bytes: usize = 8 << 30 => Size(64 << 20..=1 << 50), restart();

        /// If nothing can be ordered for so long, the daemon refuses requests instead of letting them wait.
        hold: Duration = 15 * SECOND => Span(SECOND..=600 * SECOND), restart();

        /// After so long without a sign of life, the other daemons count one as gone.
        gone_after: Duration = 6 * SECOND => Span(2 * SECOND..=600 * SECOND), restart();
    }
}

section! {
    /// Shutdown.
    ["shutdown"] Shutdown {
        /// When the daemon ends: how long connections may take to be told, and to read what waits for them.
        /// Keep TimeoutStopSec= of the systemd unit above this.
        grace: Duration = 10 * SECOND => Span(Duration::ZERO..=HOUR);
    }
}
