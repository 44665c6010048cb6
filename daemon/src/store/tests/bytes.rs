//! How many bytes the history may take.

use super::*;

fn fill(store: &mut Store, model: &mut Model, turns: usize) {
    let long = "x".repeat(5_000);
    for _ in 0..turns {
        store.commit(model.say(&[(1, &[("ana", long.as_str()); 10])])).unwrap();
    }
}

#[tokio::test]
async fn beyond_the_bound_the_oldest_messages_go_in_slices() {
    let dir = tempfile::tempdir().unwrap();
    let most = 2 << 20;
    let history = History { max_bytes: MaxBytes::Bytes(most), ..history(dir.path().join("chat.db")) };
    let (mut store, readers, _) = open(&history);
    let mut model = Model::default();
    store.commit(Model::open(1)).unwrap();
    fill(&mut store, &mut model, 10);
    assert!(store.tidy(Timestamp(START)).unwrap().is_none(), "there is room");
    let bytes = store.history_bytes();
    assert!(bytes.taken > 500_000 && bytes.taken < most && bytes.most == Some(most), "{bytes:?}");
    fill(&mut store, &mut model, 90);
    let (mut slices, mut removed) = (0, 0);
    while let Some(tidied) = store.tidy(Timestamp(START)).unwrap() {
        slices += 1;
        removed += tidied.removed.bytes;
        assert_eq!(tidied.removed, Removed { bytes: tidied.removed.bytes, ..Removed::default() });
    }
    assert!(slices >= 5, "{slices} slices");
    assert!(store.history_bytes().taken <= most, "{:?}", store.history_bytes());
    let stats = readers.stats().await.unwrap();
    assert_eq!((stats.messages, stats.oldest), (1_000 - removed, removed + 1));
    // The index counts for as much as the messages, and no more: so half of the bound is theirs in any case.
    assert!((150..=400).contains(&stats.messages), "{stats:?}");
    assert_eq!(stats.history.most, Some(most));
}

#[test]
fn half_of_the_disk_is_measured_once_and_is_not_part_of_a_copy() {
    let dir = tempfile::tempdir().unwrap();
    let history = History { max_bytes: MaxBytes::HalfOfDisk, ..history(dir.path().join("chat.db")) };
    let (mut store, ..) = open(&history);
    let free = place::free(dir.path()).unwrap();
    let most = store.history_bytes().most.unwrap();
    // Others write to the same disk while this runs.
    assert!(most > free / 4 && most < free, "{most} of {free}");
    store.log().execute("UPDATE totals SET max_bytes = 12345678", []).unwrap();
    store.close().unwrap();
    let (store, ..) = open(&history);
    assert_eq!(store.history_bytes().most, Some(12_345_678));
    store.close().unwrap();
    let (store, ..) = open(&History { max_bytes: MaxBytes::Unlimited, ..history.clone() });
    assert_eq!(store.history_bytes().most, None);
}

#[tokio::test]
async fn a_copy_measures_its_own_disk() {
    let dir = tempfile::tempdir().unwrap();
    let (path, copy) = (dir.path().join("chat.db"), dir.path().join("copy.db"));
    let history = History { max_bytes: MaxBytes::HalfOfDisk, ..history(path) };
    let (_store, readers, _) = open(&history);
    readers.backup(&copy).await.unwrap();
    let copied = rusqlite::Connection::open(&copy).unwrap();
    let max: Option<i64> = copied.query_row("SELECT max_bytes FROM totals", [], |row| row.get(0)).unwrap();
    assert_eq!(max, None);
}
