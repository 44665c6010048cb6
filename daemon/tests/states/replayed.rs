//! The proof with a log between the proposer and the nodes: turns are encoded, sealed, read back, and applied by three nodes
//! with real stores. One is steady. The others commit several turns at once, are killed at random, and go on from the
//! place in their store. After each entry their digests are equal. Never makes a turn: the recorder does.

use super::disk::Disk;
use super::nodes::Node;
use super::recorder::{Recorder, Step};
use super::sealed::Writer;
use super::state::Shelf;
use super::steps;
use proptest::prelude::*;
use tcp_chat_state::Turn;

/// The turns that follow from the steps.
pub(crate) fn record(steps: &[Step]) -> Vec<Turn> {
    let shelves: [Box<dyn Shelf>; 3] =
        [Box::<Disk>::default(), Box::<Disk>::default(), Box::<Disk>::default()];
    let mut recorder = Recorder::new(shelves);
    recorder.run(steps.iter().cloned()).expect("equal states");
    recorder.recorded
}

/// A little randomness that a failing case repeats.
struct Chances(u64);

impl Chances {
    /// True once in `of` times.
    fn one_in(&mut self, of: u64) -> bool {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33).is_multiple_of(of)
    }
}

/// Replays the turns on three nodes.
///
/// # Panics
/// If the nodes differ.
pub(crate) fn replay(turns: &[Turn], chance: u64) {
    let mut chances = Chances(chance);
    let mut nodes = ["steady", "batching", "killed"].map(Node::new);
    let mut log = Writer::new(&nodes[0].reader, turns[0].time);
    for turn in std::iter::once(None).chain(turns.iter().map(Some)) {
        if let Some(turn) = turn {
            log.seal(&nodes[0].reader, turn);
        }
        if chances.one_in(6) {
            log.repeat();
        }
        let [steady, others @ ..] = &mut nodes;
        steady.read(&log.records).iter().for_each(|entry| log.counted(entry));
        steady.commit();
        steady.remove_slice();
        for (node, kill_one_in) in others.iter_mut().zip([40, 8]) {
            if chances.one_in(kill_one_in) {
                node.restart();
            }
            node.read(&log.records);
            if chances.one_in(4) {
                node.commit();
                if chances.one_in(3) {
                    node.remove_slice();
                }
            }
            assert_eq!(node.digest(), steady.digest(), "after {turn:?}");
        }
    }
    let [steady, others @ ..] = &mut nodes;
    for node in others {
        node.restart();
        node.read(&log.records);
        assert_eq!((node.digest(), node.facts()), (steady.digest(), steady.facts()));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn nodes_that_read_one_log_have_equal_digests(steps in steps::steps(), chance in any::<u64>()) {
        replay(&record(&steps), chance);
    }
}
