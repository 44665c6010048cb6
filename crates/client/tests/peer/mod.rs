//! A scripted server for the tests of the library: real TLS on port 0; a test scripts each line of the server.
//! Shares no code with the daemon.

#![allow(dead_code, reason = "each test file uses its part of it")]

mod certificates;

pub(crate) use certificates::{Ca, Leaf};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tcp_chat_client::{Builder, Event, Events, Session, Trust};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::server::TlsStream;

/// The timeout of a hanging test; no test needs longer.
pub(crate) const LONG: Duration = Duration::from_secs(60);

pub(crate) struct Server {
    pub(crate) ca: Ca,
    listener: TcpListener,
    tls: TlsAcceptor,
}

impl Server {
    pub(crate) async fn start() -> Self {
        let ca = Ca::new();
        let leaf = ca.leaf(&["localhost"], (2020, 2090));
        Self::with(ca, leaf).await
    }

    pub(crate) async fn with(ca: Ca, leaf: Leaf) -> Self {
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(leaf.chain, PrivateKeyDer::try_from(leaf.key).unwrap())
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self { ca, listener, tls: TlsAcceptor::from(Arc::new(config)) }
    }

    /// Another node of the same chat: its certificate is of the same CA.
    pub(crate) async fn twin(&self) -> Self {
        Self::with(Ca::new(), self.ca.leaf(&["localhost"], (2020, 2090))).await
    }

    /// `host:port`.
    pub(crate) fn address(&self) -> String {
        format!("localhost:{}", self.port())
    }

    pub(crate) fn port(&self) -> u16 {
        self.listener.local_addr().unwrap().port()
    }

    /// A client of this server that trusts its CA and has the name ana.
    pub(crate) fn client(&self) -> Builder {
        self.client_trusting(Trust::Ca(vec![self.ca.der()]))
    }

    pub(crate) fn client_trusting(&self, trust: Trust) -> Builder {
        Session::builder("localhost", self.port(), trust).name("ana")
    }

    /// The next connection, its handshake done.
    pub(crate) async fn accept(&self) -> Peer {
        within(async {
            let (tcp, _) = self.listener.accept().await.unwrap();
            Peer { stream: BufReader::new(self.tls.accept(tcp).await.unwrap()) }
        })
        .await
    }

    /// Serves connections whose handshake must fail, until the client gives up.
    pub(crate) async fn refused(&self, builder: Builder) -> tcp_chat_client::Error {
        let serving = async {
            loop {
                let (tcp, _) = self.listener.accept().await.unwrap();
                let _ = self.tls.accept(tcp).await;
            }
        };
        within(async {
            tokio::select! {
                done = builder.connect() => done.err().unwrap(),
                () = serving => unreachable!(),
            }
        })
        .await
    }

    /// Accepts connections whose handshake must fail. A line on one of them fails the test.
    pub(crate) async fn turned_away(&self) -> std::convert::Infallible {
        loop {
            let (tcp, _) = self.listener.accept().await.unwrap();
            if let Ok(mut tls) = self.tls.accept(tcp).await {
                use tokio::io::AsyncReadExt;
                // With TLS 1.3 the server's handshake is done before the client refuses the certificate.
                let mut byte = [0];
                assert!(!matches!(tls.read(&mut byte).await, Ok(1..)), "it was sent something");
            }
        }
    }

    /// A client that is logged in at a server with the newest message `head`, and the server's side.
    pub(crate) async fn logged_in(&self, builder: Builder, head: u64) -> (Session, Events, Peer) {
        self.logged_in_to(builder, head, None).await
    }

    /// As [`Peer::login`], with a name for the log.
    pub(crate) async fn logged_in_to(
        &self,
        builder: Builder,
        head: u64,
        log: Option<(&str, u64)>,
    ) -> (Session, Events, Peer) {
        let serving = async {
            let mut peer = self.accept().await;
            let login = peer.expect("LOGIN").await;
            assert_eq!(login["data"]["name"], "ana");
            peer.login_to(&login, head, log).await;
            peer
        };
        let (connected, peer) = within(async { tokio::join!(builder.connect(), serving) }).await;
        let (session, mut events) = connected.unwrap();
        assert!(matches!(next(&mut events).await, Event::Connected(login) if login.head == head));
        (session, events, peer)
    }

    /// A client that is logged in at this server, which names `servers`, and the server's side. The newest message is 10.
    pub(crate) async fn logged_in_naming(
        &self,
        builder: Builder,
        servers: &[String],
    ) -> (Session, Events, Peer) {
        let serving = async {
            let mut peer = self.accept().await;
            let login = peer.expect("LOGIN").await;
            peer.login_naming(&login, 10, servers).await;
            peer
        };
        let (connected, peer) = within(async { tokio::join!(builder.connect(), serving) }).await;
        let (session, mut events) = connected.unwrap();
        assert!(matches!(next(&mut events).await, Event::Connected(_)));
        (session, events, peer)
    }

    /// The next connection resumes after `after`.
    pub(crate) async fn resumed(&self, after: u64) -> Peer {
        let mut peer = self.accept().await;
        let login = peer.expect("LOGIN").await;
        assert_eq!(login["data"]["session"], "token", "{login}");
        assert_eq!(login["data"]["after"], after, "{login}");
        peer.login(&login, after + 100).await;
        peer
    }
}

/// A client that is logged in at the first of two nodes and knows both.
pub(crate) struct AtFirst {
    pub(crate) one: Server,
    pub(crate) two: Server,
    pub(crate) session: Session,
    pub(crate) events: Events,
    /// The first node's side of the connection.
    pub(crate) peer: Peer,
}

impl AtFirst {
    pub(crate) async fn new() -> Self {
        let one = Server::start().await;
        let two = one.twin().await;
        let servers = [one.address(), two.address()];
        let (session, events, peer) = one.logged_in_naming(one.client(), &servers).await;
        Self { one, two, session, events, peer }
    }
}

/// The server's side of one connection.
pub(crate) struct Peer {
    stream: BufReader<TlsStream<TcpStream>>,
}

impl Peer {
    /// The next request; `None` at the end of the connection.
    pub(crate) async fn request(&mut self) -> Option<Value> {
        within(async {
            let mut line = String::new();
            match self.stream.read_line(&mut line).await {
                Ok(n) if n > 0 => Some(serde_json::from_str(&line).unwrap()),
                _ => None,
            }
        })
        .await
    }

    /// The next request, which must have this op.
    pub(crate) async fn expect(&mut self, op: &str) -> Value {
        let request = self.request().await.unwrap_or_else(|| panic!("{op} was expected, and the end came"));
        assert_eq!(request["op"], op, "{request}");
        request
    }

    pub(crate) async fn write(&mut self, line: Value) {
        self.write_raw(format!("{line}\n").as_bytes()).await;
    }

    pub(crate) async fn write_raw(&mut self, bytes: &[u8]) {
        // The client may have left: then the test fails elsewhere.
        let _ = self.stream.write_all(bytes).await;
        let _ = self.stream.flush().await;
    }

    pub(crate) async fn login(&mut self, request: &Value, head: u64) {
        self.login_to(request, head, None).await;
    }

    /// As [`Peer::login`], with the name of the log, and the seq up to which it equals another one.
    pub(crate) async fn login_to(&mut self, request: &Value, head: u64, log: Option<(&str, u64)>) {
        let mut data = login_data(head);
        if let Some((log, from)) = log {
            (data["log"], data["log_from"]) = (log.into(), from.into());
        }
        self.reply(request, data).await;
    }

    /// As [`Peer::login`], with the addresses of servers.
    pub(crate) async fn login_naming(&mut self, request: &Value, head: u64, servers: &[String]) {
        let mut data = login_data(head);
        data["servers"] = servers.into();
        self.reply(request, data).await;
    }

    pub(crate) async fn reply(&mut self, request: &Value, data: Value) {
        self.write(json!({"op": request["op"], "status": "OK", "id": request["id"], "data": data})).await;
    }

    pub(crate) async fn refuse(&mut self, request: &Value, kind: &str, retry_after_ms: Option<u64>) {
        let mut data = json!({"kind": kind, "msg": "because"});
        if let Some(ms) = retry_after_ms {
            data["retry_after_ms"] = ms.into();
        }
        self.write(json!({"op": "ERROR_MSG", "status": "ERR", "id": request["id"], "data": data})).await;
    }

    pub(crate) async fn notice(&mut self, data: Value) {
        self.write(json!({"op": "NOTICE", "status": "OK", "data": data})).await;
    }

    /// Answers the `PING` that a client sends after its resume.
    pub(crate) async fn all_is_here(&mut self) {
        let ping = self.expect("PING").await;
        self.write(json!({"op": "PING", "status": "OK", "id": ping["id"]})).await;
    }

    /// A user sends a message to the lobby.
    pub(crate) async fn say(&mut self, seq: u64, prev: u64, text: &str) {
        self.write(json!({"op": "MSG", "status": "OK", "data": message(seq, prev, "bo", text)})).await;
    }

    /// The author's copy of a message.
    pub(crate) async fn keep(&mut self, request: &Value, seq: u64, prev: u64) {
        let text = request["data"].as_str().or(request["data"]["msg"].as_str()).unwrap();
        let data = message(seq, prev, "ana", text);
        self.write(json!({"op": "MSG", "status": "OK", "id": request["id"], "data": data})).await;
    }

    pub(crate) fn tls_was_resumed(&self) -> bool {
        use tokio_rustls::rustls::HandshakeKind;
        self.stream.get_ref().get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed)
    }

    /// Closes the connection without a notice.
    pub(crate) fn cut(self) {}
}

/// What every reply to a LOGIN contains.
fn login_data(head: u64) -> Value {
    json!({
        "name": "ana", "color": "", "session": "token", "ttl_s": 120, "rooms": ["lobby"], "head": head,
        "server": {"name": "scripted", "version": "0", "protocol": 1},
        "limits": {"line_bytes": 65536, "msg_bytes": 8192},
    })
}

pub(crate) fn message(seq: u64, prev: u64, user: &str, text: &str) -> Value {
    json!({"room": "lobby", "seq": seq, "prev": prev, "ts": "2026-11-24T10:00:00.000Z", "user": user, "color": "", "msg": text})
}

pub(crate) async fn within<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(LONG, what).await.expect("it takes far too long")
}

/// The next event, except those of reconnecting.
pub(crate) async fn next(events: &mut Events) -> Event {
    loop {
        match within(events.next()).await.expect("the events have ended") {
            Event::Reconnecting { .. } => {}
            event => return event,
        }
    }
}

/// The connection is lost: the client's wait, the attempt, and the reason.
pub(crate) async fn lost(events: &mut Events) -> (Duration, u32, tcp_chat_client::Error) {
    match within(events.next()).await {
        Some(Event::Reconnecting { wait, attempt, why }) => (wait, attempt, why),
        other => panic!("a lost connection was expected: {other:?}"),
    }
}

/// The next event is a message: its seq and text.
pub(crate) async fn next_message(events: &mut Events) -> (u64, String) {
    match next(events).await {
        Event::Message(message) => (message.seq(), message.text().to_owned()),
        other => panic!("a message was expected: {other:?}"),
    }
}
