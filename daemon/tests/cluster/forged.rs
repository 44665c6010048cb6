//! What someone with access to NATS and without the key publishes: records with headers of his own, and records on the subjects
//! that only the server should use. No node may stop, skip an entry or take another time because of it.

use crate::nodes::{LIMIT, Node, check, more, until};
use crate::servers::{Servers, skip};
use crate::{STEADY, first, three};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use tcp_chatd::cluster::Admin;
use tcp_chatd::order::Begin;

/// A connection that publishes whatever it is told, byte for byte.
struct Intruder(TcpStream);

impl Intruder {
    fn connect(servers: &Servers) -> Self {
        let url = servers.nats(0).servers.remove(0);
        let mut stream = TcpStream::connect(url.trim_start_matches("nats://")).unwrap();
        stream.write_all(b"CONNECT {\"verbose\":false,\"headers\":true}\r\nPING\r\n").unwrap();
        let mut intruder = Self(stream);
        intruder.wait();
        intruder
    }

    /// Waits until the server has taken everything.
    fn wait(&mut self) {
        for line in BufReader::new(self.0.try_clone().unwrap()).lines().map_while(Result::ok) {
            match line.as_str() {
                "PONG" => return,
                "PING" => self.0.write_all(b"PONG\r\n").unwrap(),
                _ => {}
            }
        }
    }

    fn publish(&mut self, subject: &str, headers: &[u8], body: &[u8]) {
        let (head, all) = (headers.len(), headers.len() + body.len());
        self.0.write_all(format!("HPUB {subject} {head} {all}\r\n").as_bytes()).unwrap();
        self.0.write_all(&[headers, body, b"\r\nPING\r\n"].concat()).unwrap();
        self.wait();
    }
}

/// Headers with the names of the server's, in each form that a server takes.
const HEADERS: [&[u8]; 8] = [
    b"NATS/1.0\r\nNats-Sequence: 508\r\nNats-Time-Stamp: 2099-01-01T00:00:00Z\r\n\r\n",
    b"NATS/1.0\r\nnats-sequence: 508\r\nNATS-TIME-STAMP: 2099-01-01T00:00:00Z\r\n\r\n",
    b"NATS/1.0\r\nNats-Sequence: 5\r\n 08\r\nNats-Time-Stamp: nonsense\r\n\r\n",
    b"NATS/1.0 204 EOB\r\nNats-Sequence:\r\nNats-Time-Stamp:\r\n\r\n",
    b"NATS/1.0\r\nX: y\nNats-Sequence: 508\n\r\n\r\n",
    b"NATS/1.0\r\n\r\nNats-Sequence: 508\r\nNats-Time-Stamp: 2099-01-01T00:00:00Z\r\n\r\n",
    b"NATS/1.0\r\nNats-Sequence: 508",
    b"NATS/1.0\r\nNats-Sequence: 508\r\nX: y\r",
];

/// Headers that a client refuses to read: it ends its connection.
const UNREADABLE: [&[u8]; 3] =
    [b"no version\r\n\r\n", b"NATS/1.0\r\nno colon\r\n\r\n", b"NATS/1.0\r\nX\xff: y\r\n\r\n"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn headers_of_a_publisher_stop_no_node() {
    let Some(servers) = Servers::start(1) else { return skip() };
    servers.make_stream().await;
    let mut nodes = three(&servers).await;
    let mut intruder = Intruder::connect(&servers);
    for headers in HEADERS.into_iter().chain(UNREADABLE) {
        intruder.publish("TCPCHAT.log", headers, b"junk");
        nodes.iter().for_each(|node| node.load(Some(STEADY)));
        more(&nodes, 3).await;
        nodes.iter().for_each(|node| node.load(None));
    }
    check(&nodes).await;
    // Also a node that reads all of it afterwards.
    let seen = crate::nodes::Seen::default();
    nodes.push(Node::start("chat3", servers.nats(0), Begin::Empty, first(3), seen));
    until("it is up", LIMIT, || nodes[3].seen.lock().unwrap().is_up).await;
    check(&nodes).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_published_beside_the_stream_stops_no_node() {
    let Some(servers) = Servers::start(1) else { return skip() };
    servers.make_stream().await;
    let nodes = three(&servers).await;
    let mut intruder = Intruder::connect(&servers);
    let beat = vec![b'x'; 100_000];
    for _ in 0..20 {
        nodes.iter().for_each(|node| node.load(Some(STEADY)));
        let last = Admin::connect(&servers.nats(0)).await.unwrap().info().await.unwrap().last;
        for sequence in (last - 3..last + 40).chain([u64::MAX]) {
            let headers = format!(
                "NATS/1.0\r\nNats-Sequence: {sequence}\r\nNats-Time-Stamp: 2099-01-01T00:00:00Z\r\n\r\n"
            );
            intruder.publish("TCPCHAT.read", headers.as_bytes(), b"junk");
            intruder.publish("TCPCHAT.beat", b"NATS/1.0\r\n\r\n", &beat);
        }
        more(&nodes, 3).await;
    }
    check(&nodes).await;
}
