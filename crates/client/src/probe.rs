//! Owns one attempt to connect and log in that is watched step by step, for a program that explains it. Called by
//! `tcp-chat-cli doctor`. The steps are those of every session: the same dialling, verification and login. Never
//! stays connected, never sends a message, never tries twice.

use crate::builder::CONNECT;
use crate::dial::{ServerTarget, Trace, dial_traced};
use crate::explain::CertificateFacts;
use crate::login::{Credentials, log_in};
use crate::outstanding::Ids;
use crate::trust::client_config;
use crate::wire::Connection;
use crate::{Builder, Conversation, Error, Page};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tcp_chat_protocol::reply::{Incoming, LoginReply, MessagesReply};
use tcp_chat_protocol::request::{Request, write};
use tcp_chat_protocol::{ErrorKind, Timestamp};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::ProtocolVersion;

/// The time for the reply to a PING or a HISTORY.
const REPLY: Duration = Duration::from_secs(10);
/// The time for the reply to QUIT.
const QUIT: Duration = Duration::from_secs(1);

/// A step of an attempt, in their order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// The lookup of the name.
    #[default]
    Lookup,
    /// The TCP connection.
    Connect,
    /// The TLS handshake.
    Tls,
    /// The verification of the certificate, within the handshake.
    Certificate,
    /// The first exchange in the protocol.
    Protocol,
    /// The login.
    Login,
}

/// An address that could not be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedAddress {
    /// The address.
    pub address: SocketAddr,
    /// For programs.
    pub kind: io::ErrorKind,
    /// For a person.
    pub why: String,
}

/// What was found out.
#[derive(Debug, Default)]
pub struct Probe {
    /// What the lookup found, in the order of the attempts.
    pub addresses: Vec<SocketAddr>,
    /// The addresses that could not be reached, and why.
    pub failures: Vec<FailedAddress>,
    /// The address that answered.
    pub peer: Option<SocketAddr>,
    /// The version of TLS, such as `1.3`.
    pub tls: Option<String>,
    /// The server's own certificate, if it was accepted.
    pub certificate: Option<CertificateFacts>,
    /// Whether the server has sent a line in the protocol.
    pub has_spoken: bool,
    /// The reply to the login.
    pub login: Option<LoginReply>,
    /// When the newest message of the first room was accepted, by the server's clock.
    pub newest: Option<Timestamp>,
    /// The step that failed, and why.
    pub failed: Option<(Stage, Error)>,
}

impl Builder {
    /// Connects, verifies and logs in once, as [`Builder::connect`] does, asks for the newest message of the first
    /// room, and quits. It goes no further than `last`.
    ///
    /// # Errors
    /// [`Error::Invalid`]: the parameters of the caller are invalid, and nothing was tried.
    pub async fn probe(self, last: Stage) -> Result<Probe, Error> {
        self.check()?;
        let tls = Arc::new(client_config(&self.trust, self.identity.as_ref())?);
        let target = ServerTarget { host: self.host.clone(), port: self.port, tls, timeout: CONNECT };
        let (mut probe, mut trace) = (Probe::default(), Trace::default());
        let dialled = dial_traced(&target, &mut trace).await;
        (probe.addresses, probe.failures, probe.peer) = (trace.addresses, trace.failures, trace.peer);
        let failed = match dialled {
            Ok(stream) => {
                probe.look_at(&stream);
                let mut connection = Connection::new(stream, target);
                let done = match last < Stage::Protocol {
                    true => Ok(()),
                    false => probe.talk(&mut connection, self, last).await,
                };
                connection.writer.close().await;
                done
            }
            // The host itself is wrong: nothing was tried.
            Err(e @ Error::Invalid(_)) => return Err(e),
            Err(e) => Err((trace.stage, e)),
        };
        probe.failed = failed.err().map(|(stage, e)| (faulty_stage(stage, &e), e));
        Ok(probe)
    }
}

/// The step at which an error is at home: the handshake also verifies, and reports a refused client certificate.
fn faulty_stage(stage: Stage, e: &Error) -> Stage {
    match e {
        Error::CertificateRefused(_) => Stage::Certificate,
        Error::LoginRefused { .. } => Stage::Login,
        Error::Protocol(_) => Stage::Protocol,
        _ => stage,
    }
}

impl Probe {
    fn look_at(&mut self, stream: &TlsStream<TcpStream>) {
        let (_, tls) = stream.get_ref();
        self.tls = Some(match tls.protocol_version() {
            Some(ProtocolVersion::TLSv1_3) => "1.3".into(),
            Some(ProtocolVersion::TLSv1_2) => "1.2".into(),
            other => format!("{other:?}"),
        });
        self.certificate =
            tls.peer_certificates().and_then(|chain| chain.first()).and_then(CertificateFacts::of);
    }

    async fn talk(
        &mut self,
        connection: &mut Connection,
        builder: Builder,
        last: Stage,
    ) -> Result<(), (Stage, Error)> {
        let mut ids = Ids::after(0, SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default());
        self.ask(connection, &Request::Ping, "PING", &mut ids).await.map_err(|e| (Stage::Protocol, e))?;
        if last < Stage::Login {
            return Ok(());
        }
        let Builder { name, color, rooms, password, request_timeout: timeout, .. } = builder;
        let credentials = Credentials { name, color, rooms, password, timeout };
        let login = log_in(connection, &credentials, None, None, &mut ids).await;
        let (login, _) = login.map_err(|failure| (Stage::Login, failure.error))?;
        let room = login.rooms.first().cloned();
        self.login = Some(login);
        if let Some(room) = room {
            let page = Page { limit: Some(1), ..Page::default() }.request(&Conversation::Room(room));
            // Not part of the way to the chat: it only tells the server's time.
            let reply = self.ask(connection, &page, "HISTORY", &mut ids).await.ok();
            let reply: Option<MessagesReply> = reply.and_then(|data| serde_json::from_str(&data).ok());
            self.newest = reply.and_then(|page| page.messages.last().map(|message| message.ts));
        }
        // The name is free at once. Without a reply the session ends after its TTL.
        let quit = self.ask(connection, &Request::Quit, "QUIT", &mut ids);
        let _ = tokio::time::timeout(QUIT, quit).await;
        Ok(())
    }

    /// Sends a request, and returns the data of its reply as JSON.
    async fn ask(
        &mut self,
        connection: &mut Connection,
        request: &Request<'_>,
        what: &'static str,
        ids: &mut Ids,
    ) -> Result<String, Error> {
        let id = ids.next();
        write(Some(&id), request, &mut connection.writer.out);
        let asking = async {
            // A server that refuses the connection says so and closes: its line explains more than the failed write.
            let _ = connection.writer.finish().await;
            loop {
                let line = connection.reader.next().await?;
                self.has_spoken = true;
                match line {
                    Incoming::Reply { id: Some(answered), data, .. } if answered == id => {
                        return Ok(data.get().to_owned());
                    }
                    Incoming::Error(of, e) if of.as_ref().is_none_or(|of| *of == id) => {
                        return Err(refusal(e.kind, e.msg));
                    }
                    _ => {}
                }
            }
        };
        let replied = tokio::time::timeout(REPLY, asking).await;
        replied.map_err(|_| Error::TimedOut { what, after: REPLY })?
    }
}

/// A refusal of the connection, before any login.
fn refusal(kind: ErrorKind, msg: String) -> Error {
    Error::LoginRefused { kind, msg }
}
