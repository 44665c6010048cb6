//! A node that joins takes the copy of a store that another node gives, over a real NATS server.

use crate::nodes::{KEY, LIMIT, Node, PATIENCE, Seen, founds, key, until};
use crate::servers::{KEPT, Servers, skip};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;
use tcp_chat_state::{Rules, Writes};
use tcp_chatd::cluster::{self, Copies, Joined, Nats};
use tcp_chatd::settings::{Durability, History, MaxBytes, Settings};
use tcp_chatd::store::{Readers, Store};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// The settings of a store in this folder.
pub(crate) fn history(folder: &Path) -> History {
    let (path, durability, max_bytes) =
        (Some(folder.join("chat.db")), Durability::Crash, MaxBytes::Unlimited);
    History { path, durability, retain: None, retain_messages: None, max_bytes }
}

/// The store of a node, with a policy, at this place of the log.
pub(crate) fn store(folder: &Path, name: &str, place: &[u8]) -> (Store, Readers) {
    let (mut store, readers, _) = Store::open_as(&history(folder), Some(name)).unwrap();
    store.enter_cluster(name, place).unwrap();
    let policy = Some(Box::new(Rules::from(&Settings::default())));
    store.commit_at(&mut Writes { policy, ..Writes::default() }, Some(place)).unwrap();
    (store, readers)
}

/// The node chat1, whose key is in this folder.
pub(crate) fn joining(servers: &Servers, folder: &Path) -> cluster::Node {
    let key_file = folder.join("cluster.key");
    std::fs::write(&key_file, KEY).unwrap();
    std::fs::set_permissions(&key_file, std::fs::Permissions::from_mode(0o600)).unwrap();
    cluster::Node {
        nats: servers.nats(0),
        name: "chat1".into(),
        address: "chat1:3000".into(),
        patience: PATIENCE,
        kept: KEPT,
        key_file,
    }
}

/// This node gives copies of this store, until the result is dropped.
pub(crate) fn gives(nats: Nats, node: &Node, folder: &Path, readers: &Readers) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    let copies = Copies {
        nats,
        key: key(),
        readers: readers.clone(),
        folder: folder.to_owned(),
        serves: node.serves.clone(),
        server: node.server.clone(),
    };
    tasks.spawn(copies.serve(CancellationToken::new()));
    tasks
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_takes_a_copy_and_sets_an_outdated_store_aside() {
    let Some(servers) = Servers::start(1) else { return skip() };
    servers.make_stream().await;
    let order = Node::start("chat0", servers.nats(0), founds(), 1, Seen::default());
    until("it is up", LIMIT, || order.seen.lock().unwrap().is_up && order.serves.now()).await;
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let (_store, readers) = store(folders[0].path(), "chat0", b"a place");
    let first = gives(servers.nats(0), &order, folders[0].path(), &readers);

    let own = folders[1].path();
    let node = joining(&servers, own);
    let of_own = history(own);
    let join = || node.join(&of_own, LIMIT, |_, _| {});
    assert_eq!(join().await.unwrap(), Joined::Now { aside: None });
    let of_chat1 = || {
        let (store, _, found) = Store::open_as(&history(own), Some("chat1")).unwrap();
        let place = store.node().unwrap().place.clone();
        store.close().unwrap();
        (place, found.rules.is_some())
    };
    assert_eq!(of_chat1(), (b"a place".to_vec(), true));
    assert_eq!(join().await.unwrap(), Joined::Before, "it has one");

    // A node gives one copy in ten seconds, so another one gives the next.
    drop(first);
    let _other = gives(servers.nats(0), &order, folders[0].path(), &readers);
    Store::mark_outdated(&history(own), "away_too_long").unwrap();
    let Joined::Now { aside: Some(aside) } = join().await.unwrap() else { panic!("no store was set aside") };
    assert!(aside.exists() && !Store::is_outdated(&history(own)));
    assert_eq!(of_chat1(), (b"a place".to_vec(), true));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_copy_an_outdated_store_stays() {
    let Some(servers) = Servers::start(1) else { return skip() };
    let folder = tempfile::tempdir().unwrap();
    let own = folder.path();
    let (before, readers) = store(own, "chat1", b"a place");
    drop(readers);
    before.close().unwrap();
    Store::mark_outdated(&history(own), "away_too_long").unwrap();
    let node = joining(&servers, own);
    node.join(&history(own), Duration::from_secs(1), |_, _| {}).await.unwrap_err();
    assert!(Store::is_outdated(&history(own)), "the next start tries again");
    let (store, ..) = Store::open_as(&history(own), Some("chat1")).unwrap();
    assert_eq!(store.node().unwrap().place, b"a place");
}
