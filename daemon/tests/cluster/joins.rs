//! How a node takes the copy of another node's store: what a killed process has left, and who can read the files.

use crate::copies::{gives, history, joining};
use crate::nodes::{LIMIT, Node, Seen, founds, until};
use crate::servers::{Servers, skip};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use tcp_chatd::cluster::Joined;
use tcp_chatd::store::Store;

/// The journal of a transaction that is cut off, in a copy of a store. It puts the present pages back.
fn hot_journal(copy: &Path) -> Vec<u8> {
    let log = rusqlite::Connection::open(copy).unwrap();
    // It spills to the disk at once, and syncs its journal before.
    log.execute_batch(
        "PRAGMA journal_mode = DELETE; PRAGMA cache_size = 1; PRAGMA cache_spill = 1; BEGIN; UPDATE cluster SET name = 'x';
         CREATE TABLE spilled (bytes BLOB);",
    )
    .unwrap();
    for _ in 0..100 {
        log.execute("INSERT INTO spilled VALUES (zeroblob(8000))", []).unwrap();
    }
    let journal = std::fs::read(format!("{}-journal", copy.display())).unwrap();
    assert!(journal.len() > 1024, "{}", journal.len());
    journal
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_was_killed_while_it_joined_gets_a_whole_store_that_only_its_owner_can_read() {
    let Some(servers) = Servers::start(1) else { return skip() };
    servers.make_stream().await;
    let running = Node::start("chat0", servers.nats(0), founds(), 1, Seen::default());
    until("it serves", LIMIT, || running.serves.now()).await;
    let dir = tempfile::tempdir().unwrap();
    let (mut store, readers, _) = Store::open_as(&history(dir.path()), Some("chat0")).unwrap();
    store.enter_cluster("chat0", b"before").unwrap();
    let earlier = dir.path().join("earlier.db");
    readers.backup(&earlier).await.unwrap();
    let place = vec![7; 100_000];
    store.enter_cluster("chat0", &place).unwrap();
    let _copies = gives(servers.nats(0), &running, dir.path(), &readers);

    let folder = tempfile::tempdir().unwrap();
    let node = joining(&servers, folder.path());
    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    std::fs::write(data.join("joining.db-journal"), hot_journal(&earlier)).unwrap();
    let of_joined = history(&data);
    let joined = node.join(&of_joined, LIMIT, |_, _| {}).await.unwrap();
    assert_eq!(joined, Joined::Now { aside: None });
    let (store, readers, _) = Store::open_as(&of_joined, Some("chat1")).unwrap();
    assert!(store.node().unwrap().place == place, "pages of an earlier copy are in it");
    drop(readers);
    store.close().unwrap();
    Store::check(&of_joined).unwrap();
    for file in std::fs::read_dir(&data).unwrap() {
        let file = file.unwrap();
        assert_ne!(file.file_name(), "joining.db-journal");
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o077, 0, "{:?}", file.file_name());
    }

    let of_new = history(&folder.path().join("new"));
    // A copy is begun once in ten seconds.
    node.join(&of_new, LIMIT, |_, _| {}).await.unwrap();
    let mode = folder.path().join("new").metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0, "the folder");
}
