//! Owns what the section `[cluster]` means together: whether this daemon belongs to a cluster, and then how it reaches
//! NATS, its name and its address. Called by the daemon and by the commands. Reads no file but the secrets (`secrets`).

use super::reader::SettingsReader;
use super::{Cluster, Settings};
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

/// The name of a stream. It is a part of subjects, so it has only letters, digits, `-` and `_`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamName(String);

/// Why a text is not the name of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the name of a stream has 1 to 64 letters, digits, \"-\" and \"_\"")]
pub struct StreamNameError;

impl Default for StreamName {
    fn default() -> Self {
        Self("TCPCHAT".into())
    }
}

impl std::str::FromStr for StreamName {
    type Err = StreamNameError;

    fn from_str(text: &str) -> Result<Self, StreamNameError> {
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        let is_name = (1..=64).contains(&text.len()) && text.bytes().all(is_allowed);
        if is_name { Ok(Self(text.to_owned())) } else { Err(StreamNameError) }
    }
}

impl fmt::Display for StreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How this daemon proves to NATS who it is. The files are read for each connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NatsLogin {
    /// Not at all: NATS accepts everyone.
    Open,
    /// A file with a JWT and the seed of a key.
    Credentials(PathBuf),
    /// A user, and the file with the password.
    Password(String, PathBuf),
    /// A certificate and its key, in PEM.
    Certificate(PathBuf, PathBuf),
}

/// A daemon that belongs to a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterNode {
    /// The servers of NATS.
    pub servers: Vec<String>,
    /// The login there.
    pub login: NatsLogin,
    /// The CA that signed the servers' certificates. `None`: the system's.
    pub ca: Option<PathBuf>,
    /// The stream.
    pub stream: StreamName,
    /// The name of this node.
    pub name: String,
    /// Its address for clients.
    pub advertise: String,
    /// The file with the key of the cluster.
    pub key_file: PathBuf,
    /// How long the stream keeps records.
    pub log_keep: Duration,
    /// How many bytes it keeps at most.
    pub log_bytes: u64,
    /// Without an answer for so long, requests are refused.
    pub hold: Duration,
    /// A node that is silent for so long is closed.
    pub gone_after: Duration,
}

impl Cluster {
    /// The node that this daemon is. `None`: it is alone, and no other setting of the section has an effect.
    #[must_use]
    pub fn node(&self) -> Option<ClusterNode> {
        let advertise = self.advertise.clone()?;
        let password = self.password_file.clone();
        let login = match (&self.credentials, self.user.clone().zip(password), &self.certificate, &self.key) {
            (Some(file), ..) => NatsLogin::Credentials(file.clone()),
            (None, Some((user, password)), ..) => NatsLogin::Password(user, password),
            (None, None, Some(certificate), Some(key)) => {
                NatsLogin::Certificate(certificate.clone(), key.clone())
            }
            _ => NatsLogin::Open,
        };
        let host = || hostname::get().ok()?.into_string().ok();
        (!self.nats.is_empty()).then_some(ClusterNode {
            servers: self.nats.clone(),
            login,
            ca: self.ca.clone(),
            stream: self.stream.clone(),
            name: self.name.clone().or_else(host).unwrap_or_else(|| "node".to_owned()),
            advertise,
            key_file: self.key_file.clone(),
            log_keep: self.log_keep,
            log_bytes: self.log_bytes as u64,
            hold: self.hold,
            gone_after: self.gone_after,
        })
    }
}

impl SettingsReader<'_> {
    /// Checks the section, if this daemon belongs to a cluster.
    pub(super) fn check_cluster(&mut self, settings: &Settings) {
        if settings.cluster.nats.is_empty() {
            return;
        }
        if !cfg!(feature = "cluster") {
            let reason = "this tcp-chatd was built without the feature \"cluster\"; install the package, or build it \
                          with --features cluster";
            return self.refuse("cluster.nats", reason);
        }
        if settings.history.path.is_none() {
            self.refuse("history.path", "a daemon of a cluster needs a store on the disk");
        }
        if let Err(reason) = settings.limits.check_for_cluster() {
            self.refuse("limits.msg_bytes", reason);
        }
        let cluster = &settings.cluster;
        if let Some(file) = &cluster.password_file {
            self.check_nats_password(file);
        }
        if cluster.advertise.is_none() && !self.is_set("cluster.advertise") {
            let reason = "it needs cluster.advertise beside it: the address of this daemon for clients, as \
                          \"chat1.example.org:3000\"";
            self.refuse("cluster.nats", reason);
        }
        let pairs = [
            (
                "cluster.user",
                cluster.user.is_some(),
                "cluster.password_file",
                cluster.password_file.is_some(),
            ),
            ("cluster.certificate", cluster.certificate.is_some(), "cluster.key", cluster.key.is_some()),
        ];
        for (one, is_one, other, is_other) in pairs {
            if is_one != is_other {
                let (here, there) = if is_one { (one, other) } else { (other, one) };
                if !self.is_set(there) {
                    self.refuse(here, format!("it needs {there} beside it"));
                }
            }
        }
        let logins = [
            ("cluster.credentials", cluster.credentials.is_some()),
            ("cluster.user", cluster.user.is_some()),
            ("cluster.certificate", cluster.certificate.is_some()),
        ];
        let set: Vec<_> = logins.into_iter().filter(|(_, is_set)| *is_set).map(|(key, _)| key).collect();
        if let [first, second, ..] = set[..] {
            self.refuse(second, format!("{first} is a login, too: remove one of the two"));
        }
    }
}

/// A server of NATS, as it was written. Entries are sealed, but a login is not: so without TLS it must be on this host.
pub(super) fn nats_server(text: &str) -> Result<String, String> {
    let wrong = || format!("{text:?} is not a NATS server; write \"tls://nats1.example.org:4222\"");
    let (is_plain, rest) = match text.split_once("://") {
        Some(("tls", rest)) => (false, rest),
        Some(("nats", rest)) => (true, rest),
        _ => return Err(wrong()),
    };
    let host = host_of(rest).ok_or_else(wrong)?;
    let is_loopback =
        host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback());
    if is_plain && !is_loopback {
        return Err(format!(
            "{text:?} is reachable without TLS; write \"tls://{rest}\", or an address of this host"
        ));
    }
    Ok(text.to_owned())
}

/// An address for clients: a host and a port.
pub(super) fn client_address(text: &str) -> Result<String, String> {
    let is_one =
        host_of(text).is_some() && text.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let wrong = || format!("{text:?} is not a host with a port; write \"chat1.example.org:3000\"");
    if is_one { Ok(text.to_owned()) } else { Err(wrong()) }
}

/// A node's name.
pub(super) fn node_name(text: &str) -> Result<String, String> {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let is_name = (1..=64).contains(&text.len()) && text.bytes().all(is_allowed);
    let wrong =
        || format!("{text:?} is not the name of a node: 1 to 64 letters, digits, \"-\", \"_\" and \".\"");
    if is_name { Ok(text.to_owned()) } else { Err(wrong()) }
}

/// The host of "host:port" or "host". An IPv6 address is in brackets.
fn host_of(text: &str) -> Option<&str> {
    if let Some(rest) = text.strip_prefix('[') {
        let (host, after) = rest.split_once(']')?;
        let port = after.strip_prefix(':');
        let is_port = port.is_none_or(|port| port.parse::<u16>().is_ok());
        let is_host = host.parse::<std::net::Ipv6Addr>().is_ok();
        return (is_host && is_port && (after.is_empty() || port.is_some())).then_some(host);
    }
    let (host, port) = text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port)));
    let is_port = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port != 0));
    (is_port && super::certificate_name(host).is_some() && !host.starts_with('*')).then_some(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_without_tls_is_on_this_host() {
        for right in [
            "tls://nats1.example.org:4222",
            "tls://10.0.0.7",
            "tls://[2001:db8::1]:4222",
            "nats://127.0.0.1:4222",
            "nats://localhost:4222",
            "nats://[::1]:4222",
        ] {
            assert_eq!(nats_server(right).as_deref(), Ok(right));
        }
        for wrong in [
            "nats://nats1.example.org:4222",
            "nats://10.0.0.7:4222",
            "nats://127.0.0.1.example.org:4222",
            "nats1.example.org:4222",
            "ws://127.0.0.1:80",
            "tls://",
            "tls://user:secret@nats1.example.org:4222",
            "tls://nats1.example.org:0",
            "tls://nats1.example.org:x",
            "tls://[::1",
        ] {
            assert!(nats_server(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_stream_name_is_a_part_of_a_subject() {
        for wrong in ["", "A.B", "A B", "*", ">", "Ä", &"x".repeat(65)] {
            assert_eq!(wrong.parse::<StreamName>(), Err(StreamNameError), "{wrong}");
        }
        assert_eq!("TCPCHAT".parse(), Ok(StreamName::default()));
    }
}
