//! Tests of what a node gives to nodes that join, and of what it refuses.

use super::*;
use crate::settings::{Durability, History, MaxBytes, NatsLogin};
use crate::store::Store;
use tcp_chat_turn_log::KEY_BYTES;

/// It may be the one that differs, or that is of an earlier generation.
#[tokio::test]
async fn a_node_that_does_not_serve_gives_no_copy() {
    let folder = tempfile::tempdir().unwrap();
    let path = Some(folder.path().join("chat.db"));
    let (durability, max_bytes) = (Durability::Crash, MaxBytes::Unlimited);
    let history = History { path, durability, retain: None, retain_messages: None, max_bytes };
    let (_store, readers, _) = Store::open(&history).unwrap();
    let copies = Copies {
        nats: Nats {
            servers: Vec::new(),
            login: NatsLogin::Open,
            ca: None,
            stream: "A".parse().unwrap(),
            node: "chat1".into(),
        },
        key: Key::new(&[1; KEY_BYTES]).unwrap(),
        readers,
        folder: folder.path().to_owned(),
        serves: Serves::default(),
        server: watch::channel(None).1,
    };
    let mut given = GivenCopies::default();
    assert!(matches!(copies.begin(1, &mut given, u64::MAX), Answer::No(_)));
    assert!(given.copies.is_empty() && given.has_room(Instant::now()));
}

#[test]
fn a_copy_is_begun_only_with_room_for_it_on_both_disks() {
    let store = 100 << 20;
    let enough = store + SPARE;
    assert_eq!(too_little(store, enough, enough), None);
    let here = too_little(store, enough - 1, enough).unwrap();
    assert_eq!(here, "a copy needs 164 MiB, and the disk of the node that gives the copy has 164 MiB free");
    let there = too_little(store, enough, 5 << 20).unwrap();
    assert_eq!(there, "a copy needs 164 MiB, and the disk of this node has 5 MiB free");
}

#[test]
fn a_repeated_question_gets_nothing_and_copies_are_rare() {
    let mut given = GivenCopies::default();
    let ask = || Question::new(Wants::Copy { room: 0 }).unwrap();
    let first = ask();
    assert!(given.is_new(&first) && !given.is_new(&first));
    for _ in 0..REMEMBERED {
        assert!(given.is_new(&ask()));
    }
    assert_eq!((given.asked.len(), given.known.len()), (REMEMBERED, REMEMBERED));
    let now = Instant::now();
    assert!(given.has_room(now));
    assert!(!given.has_room(now + EVERY / 2));
    assert!(given.has_room(now + EVERY));
    for copy in 0..2 {
        let made = watch::channel(None).1;
        given.copies.insert(copy, Given { made, asked: now });
    }
    assert!(!given.has_room(now + 3 * EVERY));
}
