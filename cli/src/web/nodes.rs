//! Owns the servers of one chat for the relay: which one the next connection goes to, and what a server says about the
//! others. Called by `target` and `relay`. Of the chat it reads the answer to `LOGIN` and notices, and nothing else.

use crate::exit::Failure;
use crate::known;
use crate::settings::Settings;
use std::sync::{Mutex, PoisonError};
use tcp_chat_client::protocol::reply::{Incoming, LoginReply, read};
use tcp_chat_client::protocol::server::{SERVERS, usable};
use tcp_chat_client::protocol::{ErrorKind, Line, LineDecoder, NoticeKind, ServerAddress};
use tcp_chat_client::{Endpoint, Error};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;

/// The longest answer to `LOGIN` that is read, in bytes. Of a longer one no servers are learned.
const LOGIN_BYTES: usize = 1024 * 1024;

/// The servers of one chat.
#[derive(Debug)]
pub(crate) struct Nodes {
    /// The key of what is remembered. `None`: nothing is.
    key: Option<String>,
    /// The verification is the same for all.
    first: Endpoint,
    /// Those that the user gave.
    given: Vec<ServerAddress>,
    /// Those of the next connection, in the order of the attempts; never empty.
    order: Mutex<Vec<ServerAddress>>,
}

impl Nodes {
    pub(crate) fn new(settings: &Settings) -> Result<Self, Failure> {
        let identity = settings.identity.as_ref();
        let first = Endpoint::new(&settings.host, settings.port, &settings.trust, identity)?;
        let key = settings.server();
        let mut given = vec![ServerAddress { host: settings.host.clone(), port: settings.port }];
        given.extend(settings.servers.iter().cloned());
        let remembered = known::load(&key);
        let order = Mutex::new(joined(given.clone(), usable(remembered.iter().map(String::as_str))));
        Ok(Self { key: Some(key), first, given, order })
    }

    /// Connects to the first server that can be reached and verified.
    ///
    /// # Errors
    /// That of the first one, or of the first one that answered.
    pub(crate) async fn connect(
        &self,
    ) -> Result<(impl AsyncRead + AsyncWrite + Send + Unpin + use<>, Node), Error> {
        let order = self.order().clone();
        let is_one = order.len() == 1;
        let mut told: Option<Error> = None;
        for address in order {
            let endpoint = if is_one { self.first.clone() } else { self.first.at(&address) };
            match endpoint.connect().await {
                Ok(stream) => return Ok((stream, Node { address, endpoint })),
                Err(e) => {
                    let is_plain = |e: &Error| matches!(e, Error::NoConnection { .. });
                    told = told.filter(|told| !is_plain(told) || is_plain(&e)).or(Some(e));
                }
            }
        }
        Err(told.unwrap_or_else(|| Error::Invalid("there is no server".into())))
    }

    /// The connection to this server is lost, or it cannot take a login: the next connection goes to another one first.
    pub(crate) fn left(&self, node: &Node) {
        let mut order = self.order();
        if order.first() == Some(&node.address) {
            order.rotate_left(1);
        }
    }

    /// The servers to ask while this one can order nothing.
    pub(crate) fn others(&self, node: &Node) -> Vec<ServerAddress> {
        self.order().iter().filter(|address| **address != node.address).cloned().collect()
    }

    /// How to connect to one of them.
    pub(crate) fn at(&self, address: &ServerAddress) -> Endpoint {
        self.first.at(address)
    }

    /// The next connection goes to this server first.
    pub(crate) fn prefer(&self, address: &ServerAddress) {
        let mut order = self.order();
        if let Some(at) = order.iter().position(|one| one == address) {
            order.rotate_left(at);
        }
    }

    /// The server answered a login, with this list of servers, if the chat has several.
    fn named(&self, node: &Node, named: Option<&[String]>) {
        // It is only remembered for the next start.
        let _ = self.key.as_ref().map(|key| known::store(key, named));
        let Some(named) = named else { return };
        let others = usable(named.iter().map(String::as_str)).into_iter().skip(1).collect();
        let all = joined(joined(vec![node.address.clone()], others), self.given.clone());
        *self.order() = all;
    }

    fn order(&self) -> std::sync::MutexGuard<'_, Vec<ServerAddress>> {
        self.order.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The list with what it does not have yet.
fn joined(mut list: Vec<ServerAddress>, more: Vec<ServerAddress>) -> Vec<ServerAddress> {
    for address in more {
        if list.len() < 2 * SERVERS && !list.contains(&address) {
            list.push(address);
        }
    }
    list
}

/// The server of one connection.
#[derive(Debug)]
pub(crate) struct Node {
    address: ServerAddress,
    endpoint: Endpoint,
}

impl Node {
    /// Explains an error of reading or writing.
    pub(crate) fn explain(&self, e: &std::io::Error) -> Error {
        self.endpoint.explain(e)
    }
}

/// How each notice begins.
const NOTICE: &[u8] = br#"{"op":"NOTICE","#;

/// Reads along: until the login is answered all lines, and then the notices.
pub(crate) struct Listener<'a> {
    nodes: &'a Nodes,
    node: &'a Node,
    lines: LineDecoder,
    is_logged_in: bool,
    /// Has the server said that it can order nothing?
    stalled: watch::Sender<bool>,
}

impl<'a> Listener<'a> {
    pub(crate) fn new(nodes: &'a Nodes, node: &'a Node) -> Self {
        let (lines, stalled) = (LineDecoder::new(LOGIN_BYTES), watch::Sender::new(false));
        Self { nodes, node, lines, is_logged_in: false, stalled }
    }

    /// Has the server said that it can order nothing?
    pub(crate) fn stalled(&self) -> watch::Receiver<bool> {
        self.stalled.subscribe()
    }

    /// Bytes that the server sent.
    pub(crate) fn hears(&mut self, bytes: &[u8]) {
        let mut lines = self.lines.feed(bytes);
        while let Some(line) = lines.next() {
            let heard = match line {
                Line::Bytes(line) if !self.is_logged_in || line.starts_with(NOTICE) => read(line).ok(),
                _ => None,
            };
            match heard {
                Some(Incoming::Notice(notice)) => match notice.kind {
                    NoticeKind::Unavailable => self.stalled.send_replace(true),
                    NoticeKind::Available => self.stalled.send_replace(false),
                    _ => continue,
                },
                Some(Incoming::Reply { op, data, .. }) if op == "LOGIN" => {
                    if let Ok(login) = serde_json::from_str::<LoginReply>(data.get()) {
                        self.nodes.named(self.node, login.servers.as_deref());
                    }
                    self.is_logged_in = true;
                    continue;
                }
                Some(Incoming::Error(_, e)) if e.kind == ErrorKind::Unavailable => {
                    self.nodes.left(self.node);
                    continue;
                }
                _ => continue,
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tcp_chat_client::{Pin, Trust};

    fn at(text: &str) -> ServerAddress {
        text.parse().unwrap()
    }

    /// The servers of a chat; nothing of it is remembered.
    fn nodes(given: &[&str]) -> Nodes {
        let given: Vec<_> = given.iter().map(|text| at(text)).collect();
        let first = Endpoint::new(&given[0].host, given[0].port, &Trust::Pin(Pin([7; 32])), None).unwrap();
        Nodes { key: None, first, order: Mutex::new(given.clone()), given }
    }

    fn order(nodes: &Nodes) -> Vec<String> {
        nodes.order().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_servers_of_the_login_follow_the_one_that_answered() {
        let nodes = nodes(&["a:1", "b:1"]);
        let node = Node { address: at("b:1"), endpoint: nodes.first.clone() };
        let mut listener = Listener::new(&nodes, &node);
        listener.hears(b"{\"op\":\"ERROR_MSG\",\"status\":\"ERR\",\"id\":1,\"data\":{\"kind\":\"UNAVAILABLE\",\"msg\":\"x\"}}\n");
        assert_eq!(order(&nodes), ["a:1", "b:1"], "b:1 was not the first one anyway");
        let servers = serde_json::json!(["b.example:1", "c:1", "no address", "a:1"]);
        let login = serde_json::json!({"op": "LOGIN", "status": "OK", "id": 2, "data": {
            "name": "ana", "color": "", "session": "t", "ttl_s": 1, "rooms": [], "head": 0, "servers": servers,
            "server": {"name": "", "version": "", "protocol": 1}, "limits": {"line_bytes": 1, "msg_bytes": 1},
        }});
        let line = format!("{login}\n");
        let (begin, rest) = line.as_bytes().split_at(40);
        listener.hears(begin);
        listener.hears(rest);
        assert_eq!(order(&nodes), ["b:1", "c:1", "a:1"]);
        let stalled = listener.stalled();
        let notice = |kind: &str| {
            format!("{{\"op\":\"NOTICE\",\"status\":\"OK\",\"data\":{{\"kind\":\"{kind}\",\"msg\":\"\"}}}}\n")
        };
        for (heard, is_stalled) in
            [("OPERATOR", false), ("UNAVAILABLE", true), ("GAP", true), ("AVAILABLE", false)]
        {
            listener.hears(notice(heard).as_bytes());
            assert_eq!(*stalled.borrow(), is_stalled, "{heard}");
        }
        // Another server orders: the next connection goes there, also after this one is lost.
        assert_eq!(nodes.others(&node), [at("c:1"), at("a:1")]);
        nodes.prefer(&at("a:1"));
        nodes.left(&node);
        assert_eq!(order(&nodes), ["a:1", "b:1", "c:1"]);
        nodes.prefer(&at("b:1"));
        assert_eq!(order(&nodes), ["b:1", "c:1", "a:1"]);
        nodes.left(&node);
        assert_eq!(order(&nodes), ["c:1", "a:1", "b:1"]);
        nodes.left(&node);
        assert_eq!(order(&nodes), ["c:1", "a:1", "b:1"], "once");
    }
}
