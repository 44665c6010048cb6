//! What happens to the orders when servers and nodes are killed or paused.

use crate::nodes::{LIMIT, Load, Node, check, more, until};
use crate::servers::{Servers, skip};
use crate::{STEADY, first, three};
use std::time::Duration;
use tcp_chatd::order::Begin;

fn load(nodes: &[Node], load: Load) {
    for node in nodes {
        node.load(Some(load));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_nodes_have_one_order_while_servers_are_killed() {
    let Some(mut servers) = Servers::start(3) else { return skip() };
    servers.make_stream().await;
    let nodes = three(&servers).await;
    load(&nodes, STEADY);
    more(&nodes, 200).await;
    let leader = servers.leader().await;
    let follower = (leader + 1) % 3;
    servers.kill(follower);
    more(&nodes, 200).await;
    servers.run(follower);
    more(&nodes, 200).await;
    until_current(&servers).await;
    servers.kill(servers.leader().await);
    more(&nodes, 200).await;
    check(&nodes).await;
    assert!(nodes.iter().all(|node| node.seen.lock().unwrap().fenced == 0), "a node was closed");
}

/// Waits until the stream has all its servers again: then another one may fail.
async fn until_current(servers: &Servers) {
    let began = std::time::Instant::now();
    loop {
        if let Ok(admin) = tcp_chatd::cluster::Admin::connect(&servers.nats(0)).await
            && admin.is_whole().await
        {
            return;
        }
        assert!(began.elapsed() < LIMIT, "the stream does not get whole");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_leader_of_the_stream_wakes_up_without_harm() {
    let Some(servers) = Servers::start(3) else { return skip() };
    servers.make_stream().await;
    let nodes = three(&servers).await;
    load(&nodes, STEADY);
    more(&nodes, 100).await;
    let leader = servers.leader().await;
    servers.pause(leader);
    more(&nodes, 100).await;
    servers.go_on(leader);
    more(&nodes, 200).await;
    check(&nodes).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_node_is_closed_and_comes_back() {
    let Some(servers) = Servers::start(1) else { return skip() };
    servers.make_stream().await;
    let nodes = three(&servers).await;
    load(&nodes, STEADY);
    more(&nodes, 50).await;
    nodes[1].pause(true);
    until("it is closed", LIMIT, || nodes[0].seen.lock().unwrap().living == 2).await;
    nodes[1].pause(false);
    until("it comes back", LIMIT, || nodes[0].seen.lock().unwrap().living == 3).await;
    assert_eq!(nodes[1].seen.lock().unwrap().fenced, 1);
    more(&nodes, 50).await;
    check(&nodes).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_node_goes_on_where_its_store_is() {
    let Some(servers) = Servers::start(1) else { return skip() };
    servers.make_stream().await;
    let mut nodes = three(&servers).await;
    load(&nodes, STEADY);
    more(&nodes, 50).await;
    let seen = nodes.pop().unwrap().kill();
    more(&nodes, 50).await;
    let place = seen.place.clone().unwrap();
    let begin = Begin::Resume(place);
    nodes.push(Node::start("chat2", servers.nats(2), begin, first(7), seen));
    load(&nodes, STEADY);
    more(&nodes, 50).await;
    check(&nodes).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_ordered_without_a_quorum_and_nothing_is_lost() {
    let Some(mut servers) = Servers::start(3) else { return skip() };
    servers.make_stream().await;
    let nodes = three(&servers).await;
    load(&nodes, STEADY);
    more(&nodes, 50).await;
    servers.kill(0);
    servers.kill(1);
    let now = || nodes.iter().map(Node::count).collect::<Vec<_>>();
    // What the third server had before still comes.
    let mut count = now();
    until("it stands still", LIMIT, || std::mem::replace(&mut count, now()) == count && is_full(&nodes))
        .await;
    servers.run(0);
    servers.run(1);
    more(&nodes, 50).await;
    check(&nodes).await;
}

/// Is the window of each node full? Then nothing came back for a while. Or nothing was published for so long that the node has
/// withdrawn its turns and proposes none now.
fn is_full(nodes: &[Node]) -> bool {
    nodes.iter().all(|node| {
        let seen = node.seen.lock().unwrap();
        seen.in_flight == tcp_chat_turn_log::WINDOW_ENTRIES || !seen.never.is_empty()
    })
}
