//! A node whose server has lost the others: the connection stays, and nothing is ordered over it.

use crate::copies::{gives, store};
use crate::nodes::{Node, PATIENCE, Seen, check, founds, until};
use crate::servers::{Servers, free_port, skip};
use crate::{STEADY, first};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tcp_chatd::cluster::Nats;
use tcp_chatd::order::{Begin, Patience};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

const LIMIT: Duration = Duration::from_secs(40);

/// A way to a server. Until it is opened nobody listens there.
struct Way {
    port: u16,
    /// How many connections have reached the server.
    reached: Arc<AtomicUsize>,
    tasks: JoinSet<()>,
}

impl Way {
    fn closed() -> Self {
        Self { port: free_port(), reached: Arc::default(), tasks: JoinSet::new() }
    }

    fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    async fn open(&mut self, to: u16) {
        let listener = TcpListener::bind(("127.0.0.1", self.port)).await.unwrap();
        let reached = Arc::clone(&self.reached);
        self.tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((mut from, _)) = listener.accept().await {
                let Ok(mut server) = TcpStream::connect(("127.0.0.1", to)).await else { continue };
                reached.fetch_add(1, Ordering::Relaxed);
                connections.spawn(async move { copy_bidirectional(&mut from, &mut server).await });
            }
        });
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_and_its_copies_leave_a_server_that_has_lost_the_others() {
    let Some(mut servers) = Servers::start(3) else { return skip() };
    servers.make_stream().await;
    let lost = (servers.leader().await + 1) % 3;
    let others = [1, 2].map(|step| (lost + step) % 3);
    let patience = Patience { hold: Duration::from_secs(3), ..PATIENCE };
    let (mut near, mut far) = (Way::closed(), Way::closed());
    near.open(servers.port(lost)).await;
    let of_others = others.iter().map(|server| servers.url(*server)).collect();
    let ways: [Vec<String>; 2] = [of_others, vec![near.url(), far.url()]];
    let (mut nodes, mut copies) = (Vec::new(), Vec::new());
    let folder = tempfile::tempdir().unwrap();
    let (_store, readers) = store(folder.path(), "chat1", b"a place");
    for (index, list) in ways.into_iter().enumerate() {
        let nats = Nats { servers: list, ..servers.nats(index) };
        let begin = if index == 0 { founds() } else { Begin::Empty };
        let node = Node::start_with(
            patience,
            &format!("chat{index}"),
            nats.clone(),
            begin,
            first(index),
            Seen::default(),
        );
        until("a node is up", LIMIT, || node.seen.lock().unwrap().is_up).await;
        node.load(Some(STEADY));
        if index == 1 {
            copies.push(gives(nats, &node, folder.path(), &readers));
        }
        nodes.push(node);
    }
    until("turns come back", LIMIT, || nodes.iter().all(|node| node.count() > 50)).await;
    until("both connections are there", LIMIT, || near.reached.load(Ordering::Relaxed) == 2).await;
    let before = near.reached.load(Ordering::Relaxed);
    servers.isolate(lost);
    until("the node is at the lost server again", LIMIT, || near.reached.load(Ordering::Relaxed) > before)
        .await;
    far.open(servers.port(others[0])).await;
    let count = nodes[1].count();
    until("the node goes on over another server", LIMIT, || nodes[1].count() > count + 100).await;
    until("its copies go over it, too", LIMIT, || far.reached.load(Ordering::Relaxed) == 2).await;
    check(&nodes).await;
}
