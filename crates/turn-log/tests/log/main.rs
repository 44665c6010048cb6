//! A model of the log under all that a network and an engine do to it, with several nodes that propose, pause, die and come
//! back: each turn counts exactly once, and in the same order on every node.
//!
//! `stream.rs` is the log and the network, `node.rs` a daemon without sockets, `world.rs` runs them step by step,
//! `oracle.rs` says which entries count, by a second implementation of the rules. A failure prints its seed and its faults.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

mod node;
mod oracle;
mod stream;
mod world;

use proptest::prelude::*;
use world::{Fault, World};

fn faults() -> impl Strategy<Value = Fault> {
    let node = 0..3_usize;
    let long = 500..12_000_u64;
    prop_oneof![
        3 => (node.clone(), long.clone()).prop_map(|(node, ms)| Fault::Pause { node, ms }),
        3 => (node.clone(), long.clone()).prop_map(|(node, ms)| Fault::Cut { node, ms }),
        3 => (node.clone(), 100..8_000_u64).prop_map(|(node, ms)| Fault::Crash { node, ms }),
        2 => (500..6_000_u64).prop_map(|ms| Fault::StreamPause { ms }),
        2 => (500..5_000_u64).prop_map(|ms| Fault::Storm { ms }),
        1 => node.clone().prop_map(|node| Fault::Backup { node }),
    ]
}

/// Faults, and how long after one the next comes, in milliseconds.
fn script(fault: impl Strategy<Value = Fault>) -> impl Strategy<Value = Vec<(u64, Fault)>> {
    prop::collection::vec((0..3_000_u64, fault), 1..12)
}

/// Few runs, since one simulates a minute; `PROPTEST_CASES` asks for more.
fn runs(few: u32) -> ProptestConfig {
    let more = std::env::var_os("PROPTEST_CASES").is_some();
    let config = ProptestConfig { max_shrink_iters: 60, ..ProptestConfig::default() };
    ProptestConfig { cases: if more { config.cases } else { few }, ..config }
}

proptest! {
    #![proptest_config(runs(16))]

    /// Loss, repetition, other orders, late copies, pauses, deaths, old backups: exactly once, in order, on every node.
    #[test]
    fn each_turn_counts_exactly_once_and_in_one_order(seed: u64, script in script(faults())) {
        let mut world = World::new(seed, 3);
        world.run(&script);
        world.heal();
        world.check_all_agree();
    }

    /// A copied store runs beside the original: one of the two ends, and the order stays one.
    #[test]
    fn of_two_processes_with_one_identity_one_ends(seed: u64, node in 0..3_usize, script in script(faults())) {
        let mut world = World::new(seed, 3);
        world.run(&[(2_000, Fault::Twin { node })]);
        world.run(&script);
        world.heal();
        world.check_all_agree();
        prop_assert_eq!(world.replaced(), 1);
    }
}

proptest! {
    // A node that holds costs little.
    #![proptest_config(runs(64))]

    /// The stream loses its end, noticed or not: nothing acknowledged is lost, unless the node that acknowledged it holds
    /// and says that the log has forgotten.
    #[test]
    fn a_log_that_forgets_makes_nodes_hold(
        seed: u64,
        script in script(prop_oneof![
            1 => faults(),
            2 => (1..60_usize, any::<bool>()).prop_map(|(records, noticed)| Fault::Forget { records, noticed }),
        ]),
    ) {
        let mut world = World::new(seed, 3);
        world.run(&script);
        world.heal();
        world.check_nothing_is_lost_in_silence();
    }
}

/// A node whose state goes wrong takes itself out; the others go on.
#[test]
fn a_node_that_diverges_stops_alone() {
    for seed in 0..8 {
        let mut world = World::new(seed, 3);
        world.run(&[(3_000, Fault::Diverge { node: 1 }), (3_000, Fault::Nothing)]);
        world.heal();
        world.check_only_diverged(1);
    }
}
