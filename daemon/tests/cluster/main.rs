//! Three orders over a stream of real NATS servers, which are killed, stopped and continued. Needs the feature `cluster` and
//! a nats-server 2.11 or later: `NATS_SERVER`, or `nats-server` in the PATH. Without one, each test says that it is skipped.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

mod copies;
mod faults;
mod forged;
mod joins;
mod logins;
mod measure;
mod minority;
mod nodes;
mod refused;
mod servers;

use nodes::{Load, Node, Seen, founds, until};
use servers::Servers;
use std::time::Duration;
use tcp_chatd::order::Begin;

/// A few turns, each five milliseconds.
const STEADY: Load = Load { every: Duration::from_millis(5), intents: 1 };

/// The first number of a node's turns.
fn first(node: usize) -> u64 {
    (node as u64 + 1) * 1_000_000_000
}

/// Three nodes that are up.
async fn three(servers: &Servers) -> Vec<Node> {
    let mut nodes = Vec::new();
    for index in 0..3 {
        let begin = if index == 0 { founds() } else { Begin::Empty };
        let node =
            Node::start(&format!("chat{index}"), servers.nats(index), begin, first(index), Seen::default());
        until("a node is up", Duration::from_secs(30), || node.seen.lock().unwrap().is_up).await;
        nodes.push(node);
    }
    nodes
}
