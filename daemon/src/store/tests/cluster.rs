//! Tests of the store of a node: its place in the log, which daemon may open it, and its copies.

use super::*;
use tcp_chat_state::LogId;

/// Opens the store of a node.
fn open_node(history: &History, name: &str) -> (Store, Readers, Snapshot) {
    Store::open_as(history, Some(name)).unwrap()
}

fn refusal(history: &History, node: Option<&str>) -> String {
    Store::open_as(history, node).unwrap_err().to_string()
}

/// A node with one message, at the place `one`.
fn node(history: &History) -> (Store, Readers, Snapshot, Model) {
    let (mut store, readers, found) = open_node(history, "chat1");
    assert_eq!(store.node(), None);
    store.enter_cluster("chat1", b"zero").unwrap();
    let mut model = Model::default();
    let mut writes = Model::open(1);
    writes.append(model.say(&[(1, &[("ana", "a")])]));
    store.commit_at(&mut writes, Some(b"one")).unwrap();
    (store, readers, found, model)
}

#[test]
fn a_place_is_stored_with_its_turns() {
    let dir = tempfile::tempdir().unwrap();
    let history = history(dir.path().join("chat.db"));
    let (mut store, readers, ..) = node(&history);
    assert!(matches!(store.commit(&mut Writes::default()), Err(StoreError::Bug(_))), "each turn has a place");
    // A turn without writes moves the place, too.
    store.commit_at(&mut Writes::default(), Some(b"two")).unwrap();
    drop(readers);
    store.close().unwrap();
    let (store, _, found) = open_node(&history, "chat1");
    assert_eq!(store.node().unwrap().place, b"two");
    assert_eq!(found.head, 1);
}

#[test]
fn the_place_goes_back_with_the_messages_of_a_failed_commit() {
    let dir = tempfile::tempdir().unwrap();
    let history = history(dir.path().join("chat.db"));
    let (mut store, _readers, _, mut model) = node(&history);
    let failed = model.say(&[(1, &[("ana", "held")])]);
    store.write_without_commit(&failed);
    store.count("UPDATE totals SET head = head + 1, messages = messages + 1 RETURNING head");
    store.count("UPDATE cluster SET place = CAST('two' AS BLOB) RETURNING 1");
    store.lose_connection();
    // The file is opened again, and then the process is killed.
    assert!(store.newest_timestamp().unwrap().is_some());
    drop((store, _readers));
    let (mut store, _, found) = open_node(&history, "chat1");
    assert_eq!((found.head, &store.node().unwrap().place[..]), (1, &b"one"[..]));
    store.commit_at(&mut failed.clone(), Some(b"two")).unwrap();
    assert_eq!(store.count("SELECT count(*) FROM chunks"), 2);
}

#[test]
fn only_its_own_node_opens_a_store() {
    let dir = tempfile::tempdir().unwrap();
    let of_node = history(dir.path().join("node.db"));
    node(&of_node).0.close().unwrap();
    let alone = refusal(&of_node, None);
    assert!(alone.contains("the node \"chat1\"") && alone.contains("tcp-chatd cluster leave"), "{alone}");
    let other = refusal(&of_node, Some("chat2"));
    assert!(other.contains("`cluster.name` is \"chat2\""), "{other}");
    assert_eq!(Store::check(&of_node).unwrap().node.map(|node| node.name).as_deref(), Some("chat1"));

    let of_none = history(dir.path().join("alone.db"));
    let (mut store, ..) = open(&of_none);
    let mut model = Model::default();
    store.commit(&mut Model::open(1)).unwrap();
    store.close().unwrap();
    assert!(Store::is_unused(&of_none).unwrap(), "rooms of the settings do not count");
    let (mut store, ..) = open(&of_none);
    store.commit(&mut model.say(&[(1, &[("ana", "a")])])).unwrap();
    store.close().unwrap();
    assert!(!Store::is_unused(&of_none).unwrap());
    let refused = refusal(&of_none, Some("chat1"));
    assert!(refused.contains("tcp-chatd cluster init"), "{refused}");
    // The first node has a history.
    let (mut store, _, found) = open(&of_none);
    store.enter_cluster("chat1", b"zero").unwrap();
    store.close().unwrap();
    assert_eq!(open_node(&of_none, "chat1").2, found);
}

#[test]
fn a_store_without_a_history_begins_empty_in_a_cluster() {
    let dir = tempfile::tempdir().unwrap();
    let history = history(dir.path().join("chat.db"));
    let (mut store, ..) = open(&history);
    store.commit(&mut Model::open(2)).unwrap();
    store.close().unwrap();
    let (mut store, _, found) = open_node(&history, "chat2");
    assert_eq!(found, Snapshot { log: found.log.clone(), ..Snapshot::default() });
    store.commit_at(&mut Writes::default(), Some(b"one")).unwrap_err();
    store.close().unwrap();
}

#[tokio::test]
async fn a_backup_of_a_node_is_of_the_same_log() {
    let dir = tempfile::tempdir().unwrap();
    let of_node = history(dir.path().join("node.db"));
    let (mut store, readers, found, _) = node(&of_node);
    let [restored, joining, left] = ["restored", "joining", "left"].map(|name| dir.path().join(name));
    for copy in [&restored, &joining, &left] {
        readers.backup(copy).await.unwrap();
    }
    // What the cluster does after the copy.
    store.commit_at(&mut Writes::default(), Some(b"two")).unwrap();

    // Put back, it goes on from its place.
    let copy = history(&restored);
    let alone = refusal(&copy, None);
    assert!(alone.contains("chat1"), "{alone}");
    for _ in 0..2 {
        let (store, _, again) = open_node(&copy, "chat1");
        assert_eq!((&store.node().unwrap().place[..], again.head), (&b"one"[..], 1));
        assert_eq!(again.log, found.log, "the numbers are those of the cluster");
        store.close().unwrap();
    }

    // Another node takes it as its own.
    let other = history(dir.path().join("other/chat.db"));
    let (mut store, ..) = open(&other);
    store.commit(&mut Model::open(3)).unwrap();
    let in_use = Store::install(&other, &joining, "chat2").unwrap_err();
    assert!(matches!(in_use, StoreError::InUse { .. }), "{in_use}");
    store.close().unwrap();
    Store::install(&other, &joining, "chat2").unwrap();
    assert!(!joining.exists());
    let (store, readers, again) = open_node(&other, "chat2");
    assert_eq!(
        (&store.node().unwrap().place[..], again.head, again.log),
        (&b"one"[..], 1, found.log.clone())
    );
    assert_eq!(readers.read_stats().await.unwrap().messages, 1);
    store.close().unwrap();
    let again = Store::install(&other, &restored, "chat2").unwrap_err();
    assert!(matches!(again, StoreError::OfNoCluster { .. }), "{again}");

    // A cluster that begins again with this copy has another log, and the same node at the same place.
    let copy = history(&left);
    assert_eq!(&*Store::part_log(&copy).unwrap(), "chat1");
    for _ in 0..2 {
        let (store, _, parted) = open_node(&copy, "chat1");
        assert_eq!(&store.node().unwrap().place[..], b"one");
        assert_ne!(parted.log.id, found.log.id);
        assert_eq!((parted.log.from, parted.log.before), (1, vec![(found.log.id.clone(), 1)]));
        store.close().unwrap();
    }

    // A lone daemon goes on with another log, of which clients know where it parts.
    let copy = history(&restored);
    assert_eq!(&*Store::leave_cluster(&copy).unwrap(), "chat1");
    assert!(matches!(Store::leave_cluster(&copy), Err(StoreError::NoNode { .. })));
    let (_store, _, alone) = open(&copy);
    assert_ne!(alone.log.id, found.log.id);
    let LogId { from, before, .. } = alone.log;
    assert_eq!((from, before), (1, vec![(found.log.id, 1)]));
}

#[tokio::test]
async fn only_the_copy_of_a_node_is_installed() {
    let dir = tempfile::tempdir().unwrap();
    let [to, copy] = ["chat.db", "copy.db"].map(|name| dir.path().join(name));
    let (mut store, ..) = open(&history(&copy));
    store.commit(&mut Model::open(1)).unwrap();
    store.close().unwrap();
    let refused = Store::install(&history(&to), &copy, "chat2").unwrap_err();
    assert!(matches!(refused, StoreError::NoNode { .. }), "{refused}");
    // The copy of a node that is cut off, behind its first page or before its last one.
    let (of_node, whole) = node_with_copy(dir.path(), "node.db", 40).await;
    drop(of_node);
    let bytes = std::fs::read(&whole).unwrap();
    for length in [0, 4_096, bytes.len() / 2, bytes.len() - 4_096] {
        std::fs::write(&copy, &bytes[..length]).unwrap();
        let refused = Store::install(&history(&to), &copy, "chat2");
        assert!(refused.is_err(), "{length} of {} bytes were taken", bytes.len());
        assert!(Store::is_unused(&history(&to)).unwrap());
    }
    // One page of it is damaged, which the rest does not need.
    let root = "SELECT rootpage FROM sqlite_schema WHERE name = 'chunks'";
    let log = rusqlite::Connection::open(&whole).unwrap();
    let root: i64 = log.query_row(root, [], |row| row.get(0)).unwrap();
    let root = usize::try_from(root).unwrap();
    let mut damaged = bytes;
    damaged[(root - 1) * 4_096..root * 4_096].fill(0xff);
    std::fs::write(&copy, damaged).unwrap();
    let refused = Store::install(&history(&to), &copy, "chat2").unwrap_err();
    assert!(matches!(refused, StoreError::DamagedCopy { .. }), "{refused}");
    assert!(Store::is_unused(&history(&to)).unwrap());
    std::fs::write(&copy, vec![b'x'; 8_192]).unwrap();
    let refused = Store::install(&history(&to), &copy, "chat2").unwrap_err();
    assert!(matches!(refused, StoreError::Foreign { .. }), "{refused}");
    assert!(copy.exists());
}

#[test]
fn a_store_of_version_19_belongs_to_no_cluster() {
    let dir = tempfile::tempdir().unwrap();
    let history = history(dir.path().join("chat.db"));
    let (mut store, ..) = open(&history);
    store.commit(&mut Model::open(1)).unwrap();
    store.make_version_19();
    store.close().unwrap();
    assert_eq!(Store::check(&history).unwrap().node, None);
    let (store, _, found) = open(&history);
    assert_eq!((store.node(), found.conversations.len()), (None, 1));
}

#[test]
fn a_node_keeps_the_keys_that_came_with_a_name() {
    let dir = tempfile::tempdir().unwrap();
    let history = history(dir.path().join("chat.db"));
    let (mut store, ..) = open(&history);
    // A lone daemon keeps none, and the first node of a cluster those of its tables.
    let typed = name("Zo\u{eb}");
    let room_of = |name: &Name| Writes {
        conversations: vec![(room(1), ConversationKind::Room(name.clone()))],
        ..Writes::default()
    };
    store.commit(&mut room_of(&typed)).unwrap();
    assert_eq!(store.count("SELECT count(*) FROM names"), 0);
    store.enter_cluster("chat1", b"zero").unwrap();
    assert_eq!(store.count("SELECT count(*) FROM names"), 1);
    // As a node with other tables has computed them.
    let other = typed.with_keys("key\0a look\0another\0").unwrap();
    let unknown = Name::parse_accepted("x\u{e1000}").unwrap().with_keys("x\0x\0x\0").unwrap();
    let users = [other.clone(), unknown.clone(), name("ASCII")].into_iter().zip(1..).map(|(name, id)| {
        tcp_chat_state::User { id: UserId(id), name, password: None, code: None, added: 1 }
    });
    let users = users.map(tcp_chat_state::UserChange::Put).collect();
    store.commit_at(&mut Writes { users, ..Writes::default() }, Some(b"one")).unwrap();
    assert_eq!(store.count("SELECT count(*) FROM names"), 2);
    store.close().unwrap();
    for _ in 0..2 {
        let (store, _, found) = open_node(&history, "chat1");
        let [a, b, _] = &found.users[..] else { panic!("{found:?}") };
        assert_eq!([a.name.keys_text(), b.name.keys_text()], [other.keys_text(), unknown.keys_text()]);
        store.close().unwrap();
    }
    // Of names that are gone none stay.
    let (mut store, ..) = open_node(&history, "chat1");
    let users = vec![tcp_chat_state::UserChange::Gone(UserId(2))];
    store.commit_at(&mut Writes { users, ..Writes::default() }, Some(b"two")).unwrap();
    store.close().unwrap();
    assert_eq!(open_node(&history, "chat1").0.count("SELECT count(*) FROM names"), 1);
}

/// The store of a node with messages up to this number, and a copy of it.
async fn node_with_copy(dir: &std::path::Path, name: &str, messages: u64) -> (History, std::path::PathBuf) {
    let of_node = history(dir.join(name));
    let (mut store, readers, _, mut model) = node(&of_node);
    for _ in 1..messages {
        store.commit_at(&mut model.say(&[(1, &[("ana", "b")])]), Some(b"two")).unwrap();
    }
    let copy = dir.join(format!("{name}.copy"));
    readers.backup(&copy).await.unwrap();
    drop(readers);
    store.close().unwrap();
    (of_node, copy)
}

#[tokio::test]
async fn an_outdated_store_is_set_aside_for_a_copy_and_only_once_if_the_cluster_lacks_its_messages() {
    let dir = tempfile::tempdir().unwrap();
    let (own, _) = node_with_copy(dir.path(), "chat.db", 1).await;
    let (_, of_three) = node_with_copy(dir.path(), "three.db", 3).await;
    let (_, of_one) = node_with_copy(dir.path(), "one.db", 1).await;
    let (_, again) = node_with_copy(dir.path(), "four.db", 4).await;
    assert!(!Store::is_outdated(&own));
    Store::mark_outdated(&own, "away_too_long").unwrap();
    assert!(Store::is_outdated(&own));

    let running = open_node(&own, "chat1");
    let in_use = Store::replace(&own, &of_three, "chat1").unwrap_err();
    assert!(matches!(in_use, StoreError::InUse { .. }), "{in_use}");
    drop(running.1);
    running.0.close().unwrap();

    let aside = Store::replace(&own, &of_three, "chat1").unwrap();
    assert!(!Store::is_outdated(&own) && !of_three.exists());
    assert_eq!(open_node(&history(&aside), "chat1").2.head, 1, "it is whole");
    let (store, readers, found) = open_node(&own, "chat1");
    assert_eq!(found.head, 3);
    assert_eq!(readers.read_stats().await.unwrap().messages, 3);
    drop(readers);
    store.close().unwrap();

    // The earlier one has nothing that the copy lacks: it may go.
    assert_eq!(Store::replace(&own, &of_one, "chat1").unwrap(), aside);
    assert_eq!(open_node(&history(&aside), "chat1").2.head, 3);
    // The one with three messages is the only one that has two of them, and a copy with one does not replace it.
    let (_, one_again) = node_with_copy(dir.path(), "one-again.db", 1).await;
    let refused = Store::replace(&own, &one_again, "chat1").unwrap_err();
    assert!(matches!(refused, StoreError::SetAside { .. }), "{refused}");
    assert_eq!(open_node(&own, "chat1").2.head, 1, "the store is as it was");
    Store::replace(&own, &again, "chat1").unwrap();
    assert_eq!(open_node(&own, "chat1").2.head, 4);
}
