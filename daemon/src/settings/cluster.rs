//! Owns the settings of a cluster: one description each, as in [`super::sections`], and what they mean together. Reads no
//! file but the password's.

use super::key::{Key, Section, section};
use super::kinds::MayShow::{IfPath, IfWrittenAsPath, Never};
use super::kinds::{Kind, Maybe, Size, Span};
use super::limits::{DAY, HOUR, SECOND};
use super::reader::SettingsReader;
use super::texts::{FilePath, List, Text, certificate_name};
use super::{Secret, Settings};
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

const MIB: usize = 1 << 20;
const GIB: usize = 1 << 30;
/// The longest text of a message in a cluster, in bytes: JSON can make it six times as long, and one entry of the log must
/// take it.
const MSG_BYTES: usize = 72 * 1024;
/// The most NATS servers, and the longest names.
const SERVERS: usize = 16;
const NAME_BYTES: usize = 64;

section! {
    /// A cluster: several daemons, one chat, on NATS JetStream. docs/CLUSTER.md describes it. Without nats this daemon is
    /// alone, and nothing of this section counts.
    ["cluster"] Cluster {
        /// The NATS servers, version 2.11 or later: "tls://host:port". "nats://" without TLS only on this host.
        nats: Vec<String> = Vec::new() => NATS, restart(), example("tls://nats1.example.org:4222");

        /// The name of this node. No other node of the cluster has it.
        name: Option<String> = None => Maybe(NAME), restart(), example("chat1"), without("the name of the host");

        /// The address of this node that clients of other nodes are told, so that they can go on here.
        advertise: Option<String> = None => Maybe(ADVERTISE), restart(), example("chat1.example.org:3000"),
            without("the name of the host, and the port of listen.address");

        /// The stream of NATS that has the log of this cluster. `tcp-chatd cluster init` makes it; a start never does.
        stream: String = "TCPCHAT".into() => STREAM, restart();

        /// The login at NATS: a file with a JWT and the seed of its key, as `nsc` writes it.
        credentials: Option<PathBuf> = None => Maybe(FilePath(IfPath)), restart(), example("/etc/tcp-chatd/nats.creds");

        /// The login at NATS: a user. It needs password_file.
        user: Option<String> = None => Maybe(USER), restart(), example("tcp-chat");

        /// The file with the password of that user. With systemd's LoadCredential= this can be
        /// "$CREDENTIALS_DIRECTORY/nats".
        password_file: Option<Secret<String>> = None => Maybe(FilePath(Never)), restart(), example("nats.password");

        /// The login at NATS: a certificate, in PEM. It needs key.
        certificate: Option<PathBuf> = None => Maybe(FilePath(IfPath)), restart(), example("/etc/tcp-chatd/nats.pem");

        /// The key of that certificate, in PEM, without a password.
        key: Option<PathBuf> = None => Maybe(FilePath(IfWrittenAsPath)), restart(), example("/etc/tcp-chatd/nats.key");

        /// The CA that signed the certificates of the NATS servers, in PEM.
        ca: Option<PathBuf> = None => Maybe(FilePath(IfPath)), restart(), example("/etc/tcp-chatd/nats-ca.pem"),
            without("the CAs of this host");

        /// The file with the key of the cluster: 32 bytes, the same on all nodes. The entries of the log are sealed with it, so
        /// a person who has only NATS can neither read nor forge them. `tcp-chatd cluster init` makes it.
        key_file: PathBuf = "cluster.key".into() => FilePath(IfPath), restart();

        /// How long the stream keeps entries. A node that was away for longer takes a copy of another node's store.
        log_keep: Duration = DAY => Span(HOUR..=365 * DAY), restart();

        /// How many bytes the stream keeps on each NATS server. Beyond it the oldest entries go.
        log_bytes: usize = 8 * GIB => Size(64 * MIB as u64..=1 << 53), restart();

        /// After this time without an answer from the log, requests that change something are refused.
        hold: Duration = 15 * SECOND => Span(SECOND..=HOUR), restart();

        /// A node that is silent for so long is declared gone by the others: its users are away until they come back.
        gone_after: Duration = 6 * SECOND => Span(SECOND..=HOUR), restart();
    }
}

/// The NATS servers.
const NATS: List<String> = List {
    parse: |text, others| match server(text) {
        Ok(()) if others.len() >= SERVERS => Err(format!("more than {SERVERS} servers are in it")),
        Ok(()) => Ok(Some(text.to_owned()).filter(|text| !others.contains(text))),
        Err(why) => Err(format!("{text:?} {why}")),
    },
    is_single: true,
    allowed: "a list of `tls://host:port`",
};

/// The name of a node.
const NAME: Text<String> = Text {
    parse: |text| {
        let is_allowed = |c: char| !c.is_control() && !c.is_whitespace();
        match (1..=NAME_BYTES).contains(&text.len()) && text.chars().all(is_allowed) {
            true => Ok(text.to_owned()),
            false => Err(format!("{text:?} is not a name: 1 to {NAME_BYTES} bytes without spaces")),
        }
    },
    allowed: "a name",
};

/// An address for clients.
const ADVERTISE: Text<String> = Text {
    parse: |text| match host_and_port(text) {
        true => Ok(text.to_owned()),
        false => Err(format!("{text:?} is not a host with a port; write \"chat1.example.org:3000\"")),
    },
    allowed: "a host with a port",
};

/// The name of a stream.
const STREAM: Text<String> = Text {
    parse: |text| {
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        match (1..=NAME_BYTES).contains(&text.len()) && text.bytes().all(is_allowed) {
            true => Ok(text.to_owned()),
            false => {
                Err(format!("{text:?} is not a stream: 1 to {NAME_BYTES} letters, digits, \"-\" and \"_\""))
            }
        }
    },
    allowed: "letters, digits, `-` and `_`",
};

/// A user of NATS.
const USER: Text<String> = Text {
    parse: |text| match text.is_empty() {
        false => Ok(text.to_owned()),
        true => Err("it is empty".to_owned()),
    },
    allowed: "a text",
};

/// Is it a server to which this daemon may connect?
fn server(text: &str) -> Result<(), String> {
    let (address, is_plain) = match (text.strip_prefix("tls://"), text.strip_prefix("nats://")) {
        (Some(address), _) => (address, false),
        (_, Some(address)) => (address, true),
        _ => return Err("does not begin with tls://".to_owned()),
    };
    if !host_and_port(address) {
        return Err("is not a host with a port; write \"tls://nats1.example.org:4222\"".to_owned());
    }
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host).trim_matches(['[', ']']);
    let is_here =
        host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback());
    match is_plain && !is_here {
        true => Err("is another host, and nats:// is not encrypted: write tls://".to_owned()),
        false => Ok(()),
    }
}

fn host_and_port(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else { return false };
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let is_host = match bare {
        Some(v6) => v6.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !host.contains(':') && !host.contains('*') && certificate_name(host).is_some(),
    };
    is_host && port.parse::<u16>().is_ok_and(|port| port > 0)
}

impl Settings {
    /// Is this daemon a node of a cluster?
    #[must_use]
    pub fn is_node(&self) -> bool {
        !self.cluster.nats.is_empty()
    }
}

impl SettingsReader<'_> {
    /// What the settings of a cluster mean together, and with others.
    pub(super) fn check_cluster(&mut self, settings: &mut Settings) {
        if !settings.is_node() {
            return;
        }
        if !cfg!(feature = "cluster") {
            self.refuse("cluster.nats", "this build of tcp-chatd has no cluster");
        }
        let Cluster { credentials, user, password_file, certificate, key, .. } = &settings.cluster;
        let logins = [
            ("cluster.credentials", credentials.is_some()),
            ("cluster.user", user.is_some() || password_file.is_some()),
            ("cluster.certificate", certificate.is_some() || key.is_some()),
        ];
        let mut used = logins.iter().filter(|(_, is_used)| *is_used);
        if let (Some((first, _)), Some((second, _))) = (used.next(), used.next()) {
            self.refuse(second, format!("{first} is a login, too; remove one of the two"));
        }
        match (user.is_some(), password_file.is_some()) {
            (true, false) => self.refuse("cluster.user", "it needs cluster.password_file beside it"),
            (false, true) => self.refuse("cluster.password_file", "it needs cluster.user beside it"),
            _ => {}
        }
        match (certificate.is_some(), key.is_some()) {
            (true, false) => self.refuse("cluster.certificate", "it needs cluster.key beside it"),
            (false, true) => self.refuse("cluster.key", "it needs cluster.certificate beside it"),
            _ => {}
        }
        if settings.history.path.is_none() {
            self.refuse("history.path", "a node of a cluster needs a store on the disk, not \":memory:\"");
        }
        if settings.limits.msg_bytes > MSG_BYTES {
            let reason = format!(
                "in a cluster it is at most {} KiB, because one entry of the log must take the message",
                MSG_BYTES / 1024
            );
            self.refuse("limits.msg_bytes", reason);
        }
        if settings.cluster.name.is_none() && settings.cluster.own_name().is_none() {
            self.refuse("cluster.name", "the host has no name that can be used: give this node one");
        }
        if let Some(secret) = &mut settings.cluster.password_file {
            self.read_nats_password(secret);
        }
    }
}

impl Cluster {
    /// The name of this node.
    #[must_use]
    pub fn own_name(&self) -> Option<String> {
        self.name.clone().or_else(|| {
            let host = hostname::get().ok()?.into_string().ok()?;
            (NAME.parse)(&host).ok()
        })
    }

    /// The address of this node for clients. `port`: that of the first address that it listens on.
    #[must_use]
    pub fn own_address(&self, port: u16) -> String {
        self.advertise.clone().unwrap_or_else(|| {
            let host = hostname::get().ok().and_then(|host| host.into_string().ok());
            format!("{}:{port}", host.unwrap_or_else(|| "localhost".to_owned()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_encrypted_unless_they_are_on_this_host() {
        for good in [
            "tls://nats1.example.org:4222",
            "tls://192.0.2.1:4222",
            "tls://[2001:db8::1]:4222",
            "nats://127.0.0.1:4222",
            "nats://[::1]:4222",
            "nats://localhost:4222",
        ] {
            assert_eq!(server(good), Ok(()), "{good}");
        }
        for wrong in [
            "",
            "nats1.example.org:4222",
            "nats://192.0.2.1:4222",
            "nats://nats1.example.org:4222",
            "nats://localhost.example.org:4222",
            "tls://nats1.example.org",
            "tls://:4222",
            "tls://nats1:0",
            "tls://user:password@nats1:4222",
            "ws://nats1:4222",
        ] {
            assert!(server(wrong).is_err(), "{wrong}");
        }
    }
}
