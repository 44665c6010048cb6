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

    /// Puts a copy of another node's store in the place of a store that was never used. False: the store is a node's
    /// already, and stays as it is. `progress` gets the bytes that came and the length of the copy.
    ///
    /// # Errors
    /// No node gave a copy, or this store has a history of its own.
    pub async fn join(
        &self,
        history: &History,
        patience: Duration,
        progress: impl FnMut(u64, u64),
    ) -> Result<bool, NodeError> {
        let path = history.path.as_deref().ok_or(NodeError::Memory)?;
        if !Store::is_unused(history)? {
            return Ok(false);
        }
        let key = self.key()?;
        let copy = path.with_file_name(JOINING);
        let joined = self.take_copy(history, &key, &copy, patience, progress).await;
        // After a failure it is of no use; after a success it has another name.
        let _ = std::fs::remove_file(&copy);
        joined.map(|()| true)
    }

    async fn take_copy(
        &self,
        history: &History,
        key: &Key,
        copy: &Path,
        patience: Duration,
        progress: impl FnMut(u64, u64),
    ) -> Result<(), NodeError> {
        if let Some(folder) = copy.parent() {
            std::fs::create_dir_all(folder).map_err(|error| FetchError::Write(copy.to_owned(), error))?;
        }
        fetch(&self.nats, key, copy, patience, progress).await?;
        Ok(Store::install(history, copy, &self.name)?)
    }

    /// Opens the store of this node, and makes the order that goes on where the store is.
    ///
    /// # Errors
    /// The store is not this node's, or its place in the log cannot be used.
    pub fn open(&self, history: &History) -> Result<Opened, NodeError> {
        let key = self.key()?;
        let (store, readers, found) = Store::open_as(history, Some(&self.name))?;
        let begin = match store.node() {
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
                let store =
                    history.path.as_deref().map_or_else(String::new, |path| path.display().to_string());
                NodeError::Place { store, error }
            })?;
        Ok(Linked::new(order))
    }
}
