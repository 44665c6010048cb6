//! The proof that states which apply the same turns stay equal. A cluster needs this. The test records one sequence of
//! turns and applies it to three states. One is steady, one is rebuilt from its store at random places, one reads the
//! turns in their encoded form (`Turn::encode`). After each turn all facts must be equal, and so must the changes for the edges
//! ([`tcp_chat_state::Change`]) and the digests of the writes. The fuzz target `states` does the same.
//!
//! `replayed.rs` puts a log between the proposer and the nodes: turns are encoded and sealed, and nodes with real stores are
//! killed and go on from their place.
//!
//! `recorded.rs` compares the digests with those of the version that recorded a log.
//!
//! The properties make steps at random. `same.rs`, `paced.rs`, `resent.rs` and `full.rs` have scripts, one for each
//! cause by which states have differed.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should panic")]
#![allow(missing_docs, reason = "a test")]

#[path = "../../src/edge/tests/disk.rs"]
#[allow(dead_code, reason = "the edge's own tests read the messages, too")]
mod disk;
mod full;
mod nodes;
mod paced;
mod recorded;
mod recorder;
mod replayed;
mod resent;
mod same;
mod scripts;
mod sealed;
mod sqlite;
mod state;
mod steps;

use disk::Disk;
use proptest::prelude::*;
use recorder::{Difference, Recorder, Step};
use sqlite::Sqlite;
use state::Shelf;

/// Runs the steps. One state is rebuilt from the real store.
fn run(steps: &[Step]) -> Result<(), Difference> {
    let shelves: [Box<dyn Shelf>; 3] =
        [Box::<Disk>::default(), Box::new(Sqlite::new()), Box::<Disk>::default()];
    Recorder::new(shelves).run(steps.iter().cloned())
}

/// The same, but much faster: the state is rebuilt from the model of the store that the edge's own tests use.
fn run_in_memory(steps: &[Step]) -> Result<(), Difference> {
    let shelves: [Box<dyn Shelf>; 3] =
        [Box::<Disk>::default(), Box::<Disk>::default(), Box::<Disk>::default()];
    Recorder::new(shelves).run(steps.iter().cloned())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// The promise.
    #[test]
    fn three_states_stay_the_same(steps in steps::steps()) {
        let differs = run_in_memory(&steps);
        prop_assert!(differs.is_ok(), "{:#?}", differs);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn three_states_stay_the_same_with_the_real_store(steps in steps::steps()) {
        let differs = run(&steps);
        prop_assert!(differs.is_ok(), "{:#?}", differs);
    }
}
