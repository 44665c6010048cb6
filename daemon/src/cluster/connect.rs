//! Owns a connection to NATS: servers, TLS, login, and the oldest version that is accepted. Called by the task and by the
//! commands. Never connects again: each connection is a new client, so nothing of an earlier one can arrive in it.

use super::login::{Login, LoginError, LoginFault};
use crate::settings::{ClusterNode, NatsLogin, StreamName};
use async_nats::{Client, ConnectError, ConnectErrorKind, ConnectOptions, Event};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};
use tokio_util::sync::CancellationToken;
use tracing::warn;

/// The oldest version whose streams keep what they acknowledged when all servers are killed at once. 2.9.10 does not.
const OLDEST: (u64, u64) = (2, 11);
/// A server that does not answer for so long is left for the next one.
const CONNECT: Duration = Duration::from_secs(2);
/// How often the connection is probed. After three without an answer it counts as lost.
const PING: Duration = Duration::from_secs(1);
/// How many messages of one subscription may wait in the client, whatever their length. Records beyond are dropped, and asked for again.
const SUBSCRIPTION: usize = 1024;
// Two answers with as many records as one request may ask for.
const _: () = assert!(SUBSCRIPTION as u64 >= 2 * tcp_chat_turn_log::ASK_RECORDS);
/// How many messages to the server may wait in the client.
const TO_SERVER: usize = 2 * tcp_chat_turn_log::WINDOW_ENTRIES;

/// The subjects of a stream.
pub(super) trait Subjects {
    /// Where entries are published: the stream stores this subject.
    fn log(&self) -> String;
    /// Where the stream publishes each record that it has stored.
    fn read(&self) -> String;
    /// Where the nodes tell each other that they live. Nothing stores it.
    fn beat(&self) -> String;
    /// Where a node that joins asks for a copy of a store: one of the others answers.
    fn copy(&self) -> String;
    /// Where the pieces of the copies of this holder are asked for.
    fn pieces(&self, holder: u64) -> String;
    /// The prefix of the subjects of answers.
    fn inbox(&self) -> String;
}

impl Subjects for StreamName {
    fn log(&self) -> String {
        format!("{self}.log")
    }

    fn read(&self) -> String {
        format!("{self}.read")
    }

    fn copy(&self) -> String {
        format!("{self}.copy")
    }

    fn pieces(&self, holder: u64) -> String {
        format!("{self}.copy.{holder:016x}")
    }

    fn beat(&self) -> String {
        format!("{self}.beat")
    }

    fn inbox(&self) -> String {
        format!("_INBOX_{self}")
    }
}

/// Where the stream is.
#[derive(Debug, Clone)]
pub struct Nats {
    /// The servers, as `tls://host:port`, or `nats://` on the loopback address.
    pub servers: Vec<String>,
    /// The login.
    pub login: NatsLogin,
    /// The CA that signed the servers' certificates, in PEM. `None`: the system's.
    pub ca: Option<PathBuf>,
    /// The stream.
    pub stream: StreamName,
    /// The name of this node, for the lists of NATS.
    pub node: String,
}

/// A connection.
pub(super) struct Connected {
    pub(super) client: Client,
    /// Cancelled when it is lost.
    pub(super) lost: CancellationToken,
    /// The number of its server in the list.
    pub(super) server: usize,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectFailed {
    /// No server was reached, or none accepted this daemon.
    #[error("NATS cannot be reached at {0}")]
    Unreachable(String),
    /// A file of the login cannot be used.
    #[error(transparent)]
    Login(#[from] LoginError),
    /// The server is too old.
    #[error(
        "the NATS server {server} has version {version}, and a cluster needs 2.11 or later: older ones can lose entries \
         without an error when all servers are killed at once"
    )]
    TooOld {
        /// The name of the server.
        server: String,
        /// Its version.
        version: String,
    },
    /// The server takes no entry of full length.
    #[error(
        "the NATS server {server} takes messages of {max} bytes, and a cluster needs {needed}: raise its max_payload"
    )]
    ShortPayload {
        /// The name of the server.
        server: String,
        /// Its `max_payload`.
        max: usize,
        /// The longest entry.
        needed: usize,
    },
}

impl From<&ClusterNode> for Nats {
    fn from(node: &ClusterNode) -> Self {
        let ClusterNode { servers, login, ca, stream, name, .. } = node.clone();
        Self { servers, login, ca, stream, node: name }
    }
}

impl Nats {
    /// The same with this server alone.
    #[must_use]
    pub fn only(&self, server: &str) -> Self {
        Self { servers: vec![server.to_owned()], ..self.clone() }
    }

    /// Looks at the files of the login, as the next connection does.
    ///
    /// # Errors
    /// A file cannot be used. One whose time is over is no error here: the daemon starts, and waits for another one.
    pub fn check_login(&self) -> Result<(), LoginError> {
        match self.login().apply(ConnectOptions::new(), SystemTime::now()) {
            Err(error) if error.kind != LoginFault::Outdated => Err(error),
            _ => Ok(()),
        }
    }

    fn login(&self) -> Login<'_> {
        Login { login: &self.login, ca: self.ca.as_deref() }
    }

    /// Connects to one of the servers. The token is cancelled when the connection is lost.
    ///
    /// # Errors
    /// No server was reached, or the one that was reached cannot be used.
    pub(super) async fn connect(&self) -> Result<(Client, CancellationToken), ConnectFailed> {
        self.connect_but(None).await.map(|Connected { client, lost, .. }| (client, lost))
    }

    /// The same. The server at `left` is tried last.
    pub(super) async fn connect_but(&self, left: Option<usize>) -> Result<Connected, ConnectFailed> {
        let connected = self.connect_to_one(left).await?;
        let client = &connected.client;
        let info = client.server_info();
        if version(&info.version).is_none_or(|version| version < OLDEST) {
            return Err(ConnectFailed::TooOld { server: info.server_name, version: info.version });
        }
        let (max, needed) = (info.max_payload, tcp_chat_turn_log::ENTRY_BYTES);
        if max < needed {
            return Err(ConnectFailed::ShortPayload { server: info.server_name, max, needed });
        }
        Ok(connected)
    }

    /// Tries each server once, from a random one on, but the one that was left last. The library has one limit for the
    /// first connection and for those after a loss, and a client must not connect again after a loss.
    async fn connect_to_one(&self, left: Option<usize>) -> Result<Connected, ConnectFailed> {
        let count = self.servers.len();
        let mut reasons = vec![String::new(); count];
        for number in turns(count, random_below(count), left) {
            let lost = CancellationToken::new();
            match self.options(lost.clone())?.connect(&self.servers[number]).await {
                Ok(client) => return Ok(Connected { client, lost, server: number }),
                Err(error) => reasons[number] = self.reason(&error),
            }
        }
        Err(self.unreachable(&reasons))
    }

    fn options(&self, lost: CancellationToken) -> Result<ConnectOptions, LoginError> {
        let options = ConnectOptions::new()
            .name(format!("tcp-chatd {}", self.node))
            .custom_inbox_prefix(self.stream.inbox())
            .connection_timeout(CONNECT)
            .ping_interval(PING)
            .subscription_capacity(SUBSCRIPTION)
            .client_capacity(TO_SERVER)
            // Only the servers of the configuration: they are the ones that it protects with TLS.
            .ignore_discovered_servers()
            .max_reconnects(1)
            .event_callback(move |event| {
                match event {
                    Event::Disconnected | Event::Closed | Event::LameDuckMode => lost.cancel(),
                    // Such as a subject that this daemon has no right to.
                    Event::ServerError(error) => {
                        warn!(event = "nats_refused", reason = error.to_string(), "NATS refuses a request");
                    }
                    _ => {}
                }
                std::future::ready(())
            });
        self.login().apply(options, SystemTime::now())
    }

    /// Each server with its reason, in the order of the settings: the same faults make the same text.
    fn unreachable(&self, reasons: &[String]) -> ConnectFailed {
        let is_one = reasons.windows(2).all(|pair| pair[0] == pair[1]);
        ConnectFailed::Unreachable(match reasons.first() {
            Some(why) if is_one => format!("{}: {why}", self.servers.join(", ")),
            _ => {
                let each = self.servers.iter().zip(reasons).map(|(server, why)| format!("{server}: {why}"));
                each.collect::<Vec<_>>().join("; ")
            }
        })
    }

    /// Why a server was not reached.
    fn reason(&self, error: &ConnectError) -> String {
        if error.kind() == ConnectErrorKind::AuthorizationViolation {
            return self.login().refused();
        }
        // The library's text names the kind, its source the reason.
        let source = std::error::Error::source(error).map(|source| format!(": {source}"));
        let text = format!(
            "{error}{}",
            source.filter(|s| !error.to_string().ends_with(s.as_str())).unwrap_or_default()
        );
        self.login().tls_remedy(&text).unwrap_or(text)
    }
}

/// The numbers of so many servers, from this one on; the one that was left comes last.
fn turns(count: usize, first: usize, left: Option<usize>) -> impl Iterator<Item = usize> {
    let others = (first..count).chain(0..first).filter(move |number| Some(*number) != left);
    others.chain(left.filter(|left| *left < count))
}

/// A number below the bound. 0 if the system has no random bits: then all nodes begin with the first server.
fn random_below(bound: usize) -> usize {
    let mut bytes = [0; 2];
    let _ = getrandom::fill(&mut bytes);
    usize::from(u16::from_be_bytes(bytes)) % bound.max(1)
}

/// The first two numbers of a version.
fn version(text: &str) -> Option<(u64, u64)> {
    let mut numbers = text.trim_start_matches('v').split('.').map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_that_was_left_is_tried_last() {
        let order = |left| turns(4, 2, left).collect::<Vec<_>>();
        assert_eq!(order(None), [2, 3, 0, 1]);
        assert_eq!(order(Some(2)), [3, 0, 1, 2]);
        assert_eq!(turns(1, 0, Some(0)).collect::<Vec<_>>(), [0]);
    }

    #[test]
    fn versions_are_compared_as_numbers() {
        let is_old = |text| version(text).is_none_or(|version| version < OLDEST);
        for old in ["2.9.10", "2.10.29", "1.4.1", "", "next"] {
            assert!(is_old(old), "{old}");
        }
        for new in ["2.11.0", "2.15.1", "2.12.0-RC.1", "3.0.0"] {
            assert!(!is_old(new), "{new}");
        }
    }
}
