//! Owns the connections of a browser in tests: requests over HTTPS, and a WebSocket by an implementation that shares no code
//! with the daemon's (tungstenite). Called by the tests of the page. Never asserts the subject of a test.

use super::{Daemon, PATIENCE, Peer};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use tungstenite::client::IntoClientRequest;
use tungstenite::http::{Request, Response, StatusCode};
use tungstenite::{Error, Message, WebSocket};

pub(crate) type Tls = StreamOwned<ClientConnection, TcpStream>;
/// The response that refuses a handshake.
pub(crate) type Rejected = Box<Response<Option<Vec<u8>>>>;

/// The transport of a peer's lines.
pub(crate) enum Link {
    /// TLS, without frames.
    Line(Box<Tls>),
    /// A WebSocket, and the unread rest of its last message.
    Web(Box<WebSocket<Tls>>, Vec<u8>),
}

impl Link {
    /// The TLS connection.
    pub(crate) fn below(&self) -> &Tls {
        match self {
            Self::Line(tls) => tls,
            Self::Web(socket, _) => socket.get_ref(),
        }
    }
}

fn io_error(error: Error) -> io::Error {
    match error {
        Error::Io(error) => error,
        other => io::Error::other(other),
    }
}

impl Read for Link {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let (socket, rest) = match self {
            Self::Line(tls) => return tls.read(room),
            Self::Web(socket, rest) => (socket, rest),
        };
        while rest.is_empty() {
            match socket.read() {
                Ok(Message::Text(text)) => {
                    assert!(text.ends_with('\n'), "a message of half a line: {text}");
                    *rest = text.as_bytes().to_vec();
                }
                Ok(Message::Close(frame)) => assert_eq!(u16::from(frame.expect("a code").code), 1000),
                Ok(Message::Ping(_) | Message::Pong(_)) => {}
                Ok(other) => panic!("{other:?}"),
                Err(Error::ConnectionClosed) => return Ok(0),
                Err(error) => return Err(io_error(error)),
            }
        }
        let now = rest.len().min(room.len());
        room[..now].copy_from_slice(&rest[..now]);
        rest.drain(..now);
        Ok(now)
    }
}

impl Write for Link {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Line(tls) => tls.write(bytes),
            Self::Web(socket, _) => {
                let text = std::str::from_utf8(bytes).expect("a browser sends UTF-8");
                socket.send(Message::text(text)).map_err(io_error)?;
                Ok(bytes.len())
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Line(tls) => tls.flush(),
            Self::Web(socket, _) => socket.flush().map_err(io_error),
        }
    }
}

/// The address of a daemon's page, and the trust in it. In these tests the page has the daemon's own certificate.
pub(crate) struct Page {
    pub(crate) address: SocketAddr,
    client: Arc<ClientConfig>,
}

/// The settings that turn the page on, in a folder in which the daemon has started before.
pub(crate) const ON: &str =
    "web.address = \"127.0.0.1:0\"\nweb.certificate = \"certs/server.pem\"\nweb.key = \"certs/server.key\"\n";

impl Daemon {
    /// A daemon with the page and other settings.
    pub(crate) fn with_page(settings: &str) -> (Self, Page) {
        let mut daemon = Self::start();
        let file = daemon.folder().join("config.toml");
        let before = std::fs::read_to_string(&file).unwrap();
        std::fs::write(file, format!("{before}{ON}{settings}\n")).unwrap();
        daemon.restart();
        let page = Page::of(&daemon);
        (daemon, page)
    }
}

impl Page {
    /// The page at the address in the daemon's log.
    pub(crate) fn of(daemon: &Daemon) -> Self {
        let line = daemon.log().emits("web_listening").expect("it says where the page is");
        let address = line["address"].as_str().unwrap().parse().unwrap();
        let mut client = ClientConfig::clone(&daemon.client());
        client.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Self { address, client: Arc::new(client) }
    }

    /// The value of `Host`.
    pub(crate) fn host(&self) -> String {
        format!("localhost:{}", self.address.port())
    }

    /// The value of `Origin`.
    pub(crate) fn origin(&self) -> String {
        format!("https://{}", self.host())
    }

    /// A TLS connection.
    pub(crate) fn tls(&self) -> io::Result<Tls> {
        let mut socket = TcpStream::connect(self.address)?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.set_write_timeout(Some(PATIENCE))?;
        let name = ServerName::try_from("localhost").unwrap();
        let mut connection = ClientConnection::new(self.client.clone(), name).map_err(io::Error::other)?;
        while connection.is_handshaking() {
            connection.complete_io(&mut socket)?;
        }
        Ok(StreamOwned::new(connection, socket))
    }

    /// Sends the bytes of a request, and returns the status, head and body of the answer.
    pub(crate) fn asks(&self, request: &str) -> (u16, String, Vec<u8>) {
        let mut tls = self.tls().unwrap();
        tls.write_all(request.as_bytes()).unwrap();
        read_answer(&mut tls)
    }

    /// The request of the page's script. A test can change it.
    pub(crate) fn handshake(&self) -> Request<()> {
        let mut request = format!("wss://{}/ws", self.host()).into_client_request().unwrap();
        let headers = request.headers_mut();
        headers.insert("Origin", self.origin().parse().unwrap());
        headers.insert("Sec-WebSocket-Protocol", "tcp-chat.1".parse().unwrap());
        request
    }

    /// A WebSocket, or the answer that refuses it.
    pub(crate) fn dials(&self, request: Request<()>) -> Result<WebSocket<Tls>, Rejected> {
        match tungstenite::client(request, self.tls().unwrap()) {
            Ok((socket, response)) => {
                assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
                Ok(socket)
            }
            Err(tungstenite::HandshakeError::Failure(Error::Http(response))) => Err(response),
            Err(other) => panic!("{other}"),
        }
    }

    /// A peer over a WebSocket, before its login.
    pub(crate) fn connect(&self) -> Peer {
        let socket = self.dials(self.handshake()).unwrap_or_else(|refused| panic!("{refused:?}"));
        Peer::speaks(Link::Web(Box::new(socket), Vec::new()))
    }

    /// A peer over a WebSocket, after its login.
    pub(crate) fn login(&self, name: &str) -> Peer {
        let mut peer = self.connect();
        peer.login(name);
        peer
    }
}

/// Reads an answer that has a Content-Length or no body.
pub(crate) fn read_answer(tls: &mut Tls) -> (u16, String, Vec<u8>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        tls.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap().to_lowercase();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let length = head
        .split("content-length: ")
        .nth(1)
        .map_or(0, |rest| rest.split('\r').next().unwrap().parse().unwrap());
    let mut body = vec![0; length];
    tls.read_exact(&mut body).unwrap();
    (status, head, body)
}
