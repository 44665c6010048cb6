//! Owns what a daemon of a cluster takes from its settings, and the way into the cluster: it reads the key, opens the store,
//! fetches a copy of another node's store if its own was never used, and makes the order. Called by the daemon at its start,
//! and by the commands. Never serves a client, and never begins a log.

use super::{ConnectFailed, FetchError, Kept, KeyFileError, Nats, StreamError, fetch, read_key};
use crate::order::{Begin, Identity, KNOWN, Linked, LogOrder, Patience, Place, Process, TaskEnd};
use crate::settings::{ClusterNode, History};
use crate::store::{Readers, Store, StoreError};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tcp_chat_state::Snapshot;
use tcp_chat_turn_log::{Key, ResumeError, SealError};

/// The name of the file into which a copy is fetched, beside the store.
const JOINING: &str = "joining.db";

/// What a node is, from its settings.
#[derive(Debug, Clone)]
pub struct Node {
    /// Where NATS is.
    pub nats: Nats,
    /// Its name.
    pub name: Box<str>,
    /// Its address for clients, as `host:port`.
    pub address: Box<str>,
    /// How long it waits.
    pub patience: Patience,
    /// How long the stream keeps records.
    pub kept: Kept,
    /// The file with the key of the cluster.
    pub key_file: PathBuf,
}

/// Why a node cannot take part.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The key file.
    #[error("cluster.key_file: {0}")]
    Key(#[from] KeyFileError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The copy of another node's store.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// NATS.
    #[error(transparent)]
    Connect(#[from] ConnectFailed),
    /// The stream.
    #[error(transparent)]
    Stream(#[from] StreamError),
    /// The place in the log.
    #[error("{store}: {error}")]
    Place {
        /// The store.
        store: String,
        /// The reason.
        error: ResumeError,
    },
    /// The place in the log is behind a raise of the behaviour.
    #[error(
        "{store}: the cluster follows behaviour {behaviour}, which this version does not know. Install the version of the other \
         nodes"
    )]
    TooOld {
        /// The store.
        store: String,
        /// What the cluster follows.
        behaviour: u16,
    },
    /// The system gave no random bits.
    #[error(transparent)]
    Random(#[from] SealError),
    /// The store has a place in the log and no policy, so its states are unknown.
    #[error(
        "{0} is the store of a node and has no policy, which each node's store has: put a backup in its place, or move it \
         away: this node then joins with an empty one"
    )]
    NoPolicy(String),
    /// The store is in memory.
    #[error("history.path: a node of a cluster needs a store on the disk, not \":memory:\"")]
    Memory,
}

/// A node with its store, before it serves clients.
#[derive(Debug)]
pub struct Opened {
    /// The store.
    pub store: Store,
    /// Its readers.
    pub readers: Readers,
    /// The state that it has.
    pub found: Snapshot,
    /// The order.
    pub order: Linked,
    /// The other end of the order, for the task of the stream.
    pub ends: TaskEnd,
    /// The key of the cluster.
    pub key: Key,
}

/// Whether a node has the store of the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Joined {
    /// It had one already, which stays as it is.
    Before,
    /// It has a copy of another node's store now.
    Now {
        /// Where the store is that it had before.
        aside: Option<PathBuf>,
    },
}

/// The path of the store, for a sentence.
fn path(history: &History) -> String {
    history.path.as_deref().map_or_else(String::new, |path| path.display().to_string())
}

impl From<&ClusterNode> for Node {
    fn from(node: &ClusterNode) -> Self {
        Self {
            nats: Nats::from(node),
            name: node.name.as_str().into(),
            address: node.advertise.as_str().into(),
            patience: Patience {
                hold: node.hold,
                gone_after: node.gone_after,
                quiet: Patience::quiet(node.log_keep),
            },
            kept: Kept { age: node.log_keep, bytes: node.log_bytes },
            key_file: node.key_file.clone(),
        }
    }
}

impl Node {
    /// The key of the cluster.
    ///
    /// # Errors
    /// The file cannot be used.
    pub fn key(&self) -> Result<Key, NodeError> {
        Ok(read_key(&self.key_file)?)
    }

    /// How this process appears in the cluster.
    ///
    /// # Errors
    /// The system gave no random bits.
    pub fn identity(&self) -> Result<Identity, NodeError> {
        let mut process = [0; 16];
        getrandom::fill(&mut process).map_err(|_| SealError::Cipher)?;
        let process = Process(u128::from_be_bytes(process));
        let (name, address) = (self.name.clone(), self.address.clone());
        Ok(Identity { name, address, process, behaviours: KNOWN })
    }

    /// Puts a copy of another node's store in the place of a store that was never used, or that can no longer follow the log.
    /// `progress` gets the bytes that came and the length of the copy.
    ///
    /// # Errors
    /// No node gave a copy, or this store has a history of its own. The store is as it was.
    pub async fn join(
        &self,
        history: &History,
        patience: Duration,
        progress: impl FnMut(u64, u64),
    ) -> Result<Joined, NodeError> {
        let path = history.path.as_deref().ok_or(NodeError::Memory)?;
        if !Store::is_unused(history)? && !Store::is_outdated(history) {
            return Ok(Joined::Before);
        }
        let key = self.key()?;
        let copy = path.with_file_name(JOINING);
        Store::create_folder(history)?;
        // Those of a process that was killed.
        Store::remove_copy(&copy)?;
        let joined = self.take_copy(history, &key, &copy, patience, progress).await;
        // After a failure it is of no use; after a success it has another name.
        let _ = Store::remove_copy(&copy);
        joined
    }

    async fn take_copy(
        &self,
        history: &History,
        key: &Key,
        copy: &Path,
        patience: Duration,
        progress: impl FnMut(u64, u64),
    ) -> Result<Joined, NodeError> {
        fetch(&self.nats, key, copy, patience, progress).await?;
        if Store::is_unused(history)? {
            Store::install(history, copy, &self.name)?;
            Store::unmark_outdated(history)?;
            return Ok(Joined::Now { aside: None });
        }
        let aside = Store::replace(history, copy, &self.name)?;
        Ok(Joined::Now { aside: Some(aside) })
    }

    /// Opens the store of this node, and makes the order that goes on where the store is.
    ///
    /// # Errors
    /// The store is not this node's, or its place in the log cannot be used.
    pub fn open(&self, history: &History) -> Result<Opened, NodeError> {
        let key = self.key()?;
        let (store, readers, found) = Store::open_as(history, Some(&self.name))?;
        let begin = match store.node() {
            Some(_) if found.rules.is_none() => return Err(NodeError::NoPolicy(path(history))),
            Some(node) => Begin::Resume(Place(node.place.clone())),
            None => Begin::Empty,
        };
        let (order, ends) = self.order(history, key.clone(), begin)?;
        Ok(Opened { store, readers, found, order, ends, key })
    }

    /// An order that begins here.
    ///
    /// # Errors
    /// The place in the log cannot be used with this key or by this version.
    pub fn order(&self, history: &History, key: Key, begin: Begin) -> Result<(Linked, TaskEnd), NodeError> {
        let order =
            LogOrder::new(key, self.identity()?, self.patience, begin, Duration::ZERO).map_err(|error| {
                match error {
                    ResumeError::Behaviour(behaviour) => {
                        NodeError::TooOld { store: path(history), behaviour }
                    }
                    error => NodeError::Place { store: path(history), error },
                }
            })?;
        Ok(Linked::new(order))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::create_key;
    use crate::settings::{Durability, MaxBytes, NatsLogin, Settings};
    use tcp_chat_state::{Rules, Writes};
    use tcp_chat_turn_log::KEY_BYTES;

    /// A node whose key is in this folder, and the settings of its store.
    fn node(folder: &Path) -> (Node, History) {
        let nats = Nats {
            servers: Vec::new(),
            login: NatsLogin::Open,
            ca: None,
            stream: "A".parse().unwrap(),
            node: "chat1".into(),
        };
        let node = Node {
            nats,
            name: "chat1".into(),
            address: "chat1.example.org:3000".into(),
            patience: Patience {
                hold: Duration::from_secs(15),
                gone_after: Duration::from_secs(6),
                quiet: Duration::from_secs(900),
            },
            kept: Kept { age: Duration::from_secs(3600), bytes: 1 << 30 },
            key_file: folder.join("cluster.key"),
        };
        create_key(&node.key_file).unwrap();
        let (durability, max_bytes) = (Durability::Crash, MaxBytes::Unlimited);
        let path = Some(folder.join("chat.db"));
        (node, History { path, durability, retain: None, retain_messages: None, max_bytes })
    }

    /// Makes the store that of the node, at the beginning of a log with this key.
    fn enters(node: &Node, history: &History, key: &Key, policy: Option<Rules>) {
        let (order, _) = node.order(history, key.clone(), Begin::Empty).unwrap();
        let place = order.log().place().0;
        let (mut store, ..) = Store::open_as(history, Some(&node.name)).unwrap();
        store.enter_cluster(&node.name, &place).unwrap();
        let mut writes = Writes { policy: policy.map(Box::new), ..Writes::default() };
        store.commit_at(&mut writes, Some(&place)).unwrap();
        store.close().unwrap();
    }

    #[test]
    fn the_store_of_another_cluster_is_refused() {
        let policy = Rules::from(&Settings::default());
        for is_own in [true, false] {
            let folder = tempfile::tempdir().unwrap();
            let (node, history) = node(folder.path());
            let key = if is_own { node.key().unwrap() } else { Key::new(&[9; KEY_BYTES]).unwrap() };
            enters(&node, &history, &key, Some(policy.clone()));
            let opened = node.open(&history).map(|opened| opened.found.rules);
            match opened {
                Ok(rules) => assert_eq!((is_own, rules.as_ref()), (true, Some(&policy))),
                Err(why) => {
                    assert!(!is_own && why.to_string().contains("another cluster key"), "{why}");
                }
            }
        }
    }

    #[test]
    fn the_store_of_a_node_without_a_policy_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (node, history) = node(folder.path());
        enters(&node, &history, &node.key().unwrap(), None);
        assert!(matches!(node.open(&history), Err(NodeError::NoPolicy(_))));
    }
}
