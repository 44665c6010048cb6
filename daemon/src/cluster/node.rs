//! Owns what a daemon of a cluster takes from its settings, and the way into the cluster: it reads the key, opens the store,
//! fetches a copy of another node's store if its own was never used, and makes the order. Called by the daemon at its start,
//! and by the commands. Never serves a client, and never begins a log.

use super::{ConnectFailed, FetchError, Kept, KeyFileError, Nats, StreamError, fetch, read_key};
use crate::order::{Begin, Identity, Linked, LogOrder, Patience, Place, Process, TaskEnd};
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
        Ok(Identity { name: self.name.clone(), address: self.address.clone(), process })
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
        let order = LogOrder::new(key, self.identity()?, self.patience, begin, Duration::ZERO)
            .map_err(|error| NodeError::Place { store: path(history), error })?;
        Ok(Linked::new(order))
    }
}
