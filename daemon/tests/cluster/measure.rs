//! What the way over the stream costs, and how many turns a second three orders reach. Run it alone, with optimisation:
//! `cargo test --release --features cluster --test cluster -- --ignored --nocapture measure`.

use crate::nodes::{Load, check};
use crate::servers::{Servers, skip};
use crate::three;
use std::time::{Duration, Instant};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures; it proves nothing"]
async fn measure() {
    let Some(servers) = Servers::start(3) else { return skip() };
    servers.make_stream().await;
    let nodes = three(&servers).await;
    let loads = [
        ("66 turns/s each", Load { every: Duration::from_millis(15), intents: 1 }),
        ("window full, small turns", Load { every: Duration::ZERO, intents: 1 }),
        ("window full, turns of 64 intents", Load { every: Duration::ZERO, intents: 64 }),
    ];
    for (name, load) in loads {
        for node in &nodes {
            *node.seen.lock().unwrap() = crate::Seen { is_up: true, ..crate::Seen::default() };
            node.load(Some(load));
        }
        let began = Instant::now();
        tokio::time::sleep(Duration::from_secs(8)).await;
        let counts: Vec<_> = nodes.iter().map(|node| node.count()).collect();
        let second = began.elapsed().as_secs_f64();
        check(&nodes).await;
        let mut took: Vec<_> = nodes.iter().flat_map(|node| node.seen.lock().unwrap().took.clone()).collect();
        took.sort();
        let at = |percent: usize| took[(took.len() * percent / 100).min(took.len() - 1)];
        let silence = nodes.iter().map(|node| node.seen.lock().unwrap().silence).max().unwrap();
        let all = counts.iter().sum::<usize>() as f64 / second;
        println!("{name}: {all:.0} turns/s, p50 {:?}, p99 {:?}, longest silence {silence:?}", at(50), at(99));
    }
}
