//! Tests of searches that are designed to be expensive.

use super::search::{SAID, find, look_for, said};
use super::*;
use std::sync::Arc;
use std::time::Duration;

#[tokio::test]
async fn only_a_search_over_its_time_limit_is_ended() {
    let dir = tempfile::tempdir().unwrap();
    for history in [history(dir.path().join("chat.db")), in_memory()] {
        let (mut store, readers, _) = open(&history);
        let mut model = Model::default();
        store.commit(&mut Model::open(1)).unwrap();
        for _ in 0..300 {
            store.commit(&mut model.say(&[(1, &[("ana", "alpha beta gamma"); 4])])).unwrap();
        }
        store.wait_until_indexed().await;
        // It finds nothing, and reads every message.
        let letters: Vec<String> = ('a'..='z').map(|c| format!("{c}*")).collect();
        let letters = letters.join(" OR ");
        let hostile = || look_for(&format!("({letters}) NOT ({letters})"), &[1]);
        assert_eq!(find(&readers, hostile()).await.0, [0; 0]);

        let hasty = Readers::new(Arc::clone(store.parts().1), Duration::ZERO);
        for what in [hostile(), look_for("alpha", &[1])] {
            let ended = hasty.search(what).await;
            assert!(matches!(ended, Err(StoreError::TooLong)), "{ended:?}");
        }
        // On the same connections, with much more work than a search may do between two checks of its time.
        let all = Range { conversation: room(1), first: 1, last: model.head };
        assert_eq!(hasty.read_gap(SessionId(9), vec![all], usize::MAX).await.unwrap().count, 1_200);
        assert_eq!(find(&readers, look_for("alpha", &[1])).await.0.len(), 20);
    }
}

/// In memory, a writer waits for a search that holds the gate, and the search would wait for the writer's
/// messages.
#[tokio::test]
async fn a_search_in_memory_delays_no_writer() {
    let (mut store, readers, _) = open(&in_memory());
    said(&mut store);
    assert_eq!(find(&readers, look_for("hello", &[1])).await.0, [2, 1]);
    let shared = Arc::clone(store.parts().1);
    // Held as by a long search.
    let searching = shared.index_gate.read();
    let mut model = Model { head: SAID.len() as u64, ..Model::default() };
    store.commit(&mut model.say(&[(1, &[("ana", "not held up")])])).unwrap();
    // The indexer waits for the search to end, and must not take the log's gate along.
    wait_until("the indexer does not wait for the search", || shared.index_gate.is_awaited());
    assert!(shared.log_gate.is_free());
    store.commit(&mut model.say(&[(1, &[("ana", "nor is this")])])).unwrap();
    drop(searching);
    assert_eq!(find(&readers, look_for("held OR nor", &[1])).await.0, [14, 13]);
}
