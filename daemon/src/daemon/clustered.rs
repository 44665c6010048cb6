//! Owns the start of a daemon as a node of a cluster, and its tasks: the one of the stream, and the one that gives copies to
//! nodes that join. Called by `daemon`. Without `[cluster]` it opens the store of a lone daemon, and starts nothing.

use super::Fatal;
use crate::order::{Local, Orders, Remedy, Stopped};
use crate::settings::{ClusterNode, Loaded, Settings};
use crate::store::{Readers, Store};
use tcp_chat_state::{Rules, Snapshot};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// A daemon with its store and its order, before it serves clients.
pub(super) struct Opened {
    pub(super) store: Store,
    pub(super) readers: Readers,
    pub(super) found: Snapshot,
    pub(super) order: Orders,
    /// The policy of the state.
    pub(super) rules: Rules,
    pub(super) tasks: Tasks,
}

/// Opens the store.
pub(super) fn open(loaded: &Loaded) -> Result<Opened, Fatal> {
    let settings = &loaded.settings;
    if let Some(node) = settings.cluster.node() {
        return node::open(&node, settings);
    }
    let (store, readers, found) = Store::open(&settings.history).map_err(Fatal::Store)?;
    let rules = Rules::from(settings);
    Ok(Opened {
        store,
        readers,
        found,
        order: Orders::Local(Local::default()),
        rules,
        tasks: Tasks::default(),
    })
}

/// The end of a node whose order has ended, after the hub has closed the store. A store that cannot follow the log is marked:
/// the next start fetches that of another node, and only then sets this one aside.
pub(super) fn ended(stopped: Stopped, settings: &Settings) -> Fatal {
    if stopped.cause.remedy() == Remedy::Copy
        && let Err(why) = Store::mark_outdated(&settings.history, stopped.cause.as_str())
    {
        return Fatal::Store(why);
    }
    Fatal::Stopped(stopped)
}

#[cfg(feature = "cluster")]
mod node {
    use super::{CancellationToken, ClusterNode, Fatal, JoinSet, Opened, Orders, Readers, Rules, Settings};
    use crate::cluster::{self, ConnectFailed, Copies, Joined, LoginFault, Nats, Node, NodeError};
    use crate::order::TaskEnd;
    use crate::store::StoreError;
    use crate::systemd;
    use std::path::PathBuf;
    use std::time::{Duration, Instant};
    use tcp_chat_turn_log::Key;
    use tracing::{info, warn};

    /// How long a start waits for a node that gives a copy. The service manager starts the daemon again after that.
    const JOIN: Duration = Duration::from_secs(45);
    /// Time between two lines of the log about a copy that is on its way.
    const TOLD: Duration = Duration::from_secs(5);
    /// How long the service manager may wait for the next such line.
    const EXTEND: Duration = Duration::from_secs(60);

    /// The tasks of a node.
    #[derive(Default)]
    pub(in super::super) struct Tasks(Option<Parts>);

    struct Parts {
        nats: Nats,
        key: Key,
        ends: TaskEnd,
        folder: PathBuf,
    }

    impl Tasks {
        /// Starts the tasks. The one of the stream ends with the hub.
        pub(in super::super) fn start(
            self,
            readers: Readers,
            stop: &CancellationToken,
            tasks: &mut JoinSet<()>,
        ) {
            let Some(Parts { nats, key, ends, folder }) = self.0 else { return };
            let (serves, server) = (ends.serves.clone(), ends.server.subscribe());
            let copies = Copies { nats: nats.clone(), key, readers, folder, serves, server };
            tasks.spawn(copies.serve(stop.clone()));
            #[expect(clippy::disallowed_methods, reason = "it ends with the hub, which is the last to end")]
            tokio::spawn(cluster::run(nats, ends));
        }
    }

    pub(super) fn open(node: &ClusterNode, settings: &Settings) -> Result<Opened, Fatal> {
        let node = Node::from(node);
        node.nats.check_login().map_err(|why| NodeError::from(ConnectFailed::from(why))).map_err(fatal)?;
        join(&node, settings)?;
        let cluster::Opened { store, readers, found, order, ends, key } =
            node.open(&settings.history).map_err(fatal)?;
        let own = Rules::from(settings);
        if found.rules.as_ref().is_some_and(|rules| *rules != own) {
            warn!(
                event = "policy_differs",
                "the limits, rooms and logins (auth, tls.client_auth) of this node's configuration are not those of the cluster, \
                 which count: `tcp-chatd reload` makes those of this node count on all nodes"
            );
        }
        // A node that begins at the beginning of the log has none yet.
        let rules = found.rules.clone().unwrap_or(own);
        let folder = settings.history.path.as_deref().and_then(|path| path.parent()).map(PathBuf::from);
        let parts = Parts { nats: node.nats, key, ends, folder: folder.unwrap_or_default() };
        info!(event = "node", name = %node.name, address = %node.address, "this daemon is a node of a cluster");
        Ok(Opened {
            store,
            readers,
            found,
            order: Orders::Log(Box::new(order)),
            rules,
            tasks: Tasks(Some(parts)),
        })
    }

    /// Fetches the store of another node if this one was never used.
    fn join(node: &Node, settings: &Settings) -> Result<(), Fatal> {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Fatal::Runtime)?;
        let mut told = Instant::now();
        let joined = node.join(&settings.history, JOIN, |came, total| {
            if told.elapsed() >= TOLD {
                told = Instant::now();
                systemd::extend_timeout(EXTEND);
                info!(
                    event = "joining",
                    bytes = came,
                    total,
                    "a copy of another node's store is made, or on its way"
                );
            }
        });
        let Joined::Now { aside } = runtime.block_on(joined).map_err(fatal)? else { return Ok(()) };
        if let Some(aside) = aside {
            warn!(
                event = "store_set_aside",
                path = %aside.display(),
                "the old store of this node was set aside, because it could not follow the log"
            );
        }
        info!(event = "joined", name = %node.name, "this node has the store of the cluster now");
        Ok(())
    }

    /// What is wrong with the files of the login, for a reload.
    pub(in super::super) fn check_login(settings: &Settings) -> Result<(), String> {
        let Some(node) = settings.cluster.node() else { return Ok(()) };
        Nats::from(&node).check_login().map_err(|why| why.to_string())
    }

    fn fatal(error: NodeError) -> Fatal {
        match error {
            NodeError::Store(error @ StoreError::SetAside { .. }) => Fatal::Node(error.to_string(), 78),
            NodeError::Store(error) => Fatal::Store(error),
            NodeError::Connect(ConnectFailed::Login(error)) if error.kind == LoginFault::Permission => {
                Fatal::Node(error.to_string(), 77)
            }
            NodeError::Connect(ConnectFailed::Login(error)) if error.kind == LoginFault::Content => {
                Fatal::Node(error.to_string(), 78)
            }
            error @ (NodeError::Fetch(_) | NodeError::Connect(_)) => Fatal::Node(error.to_string(), 75),
            error => Fatal::Node(error.to_string(), 78),
        }
    }
}

/// A build without the feature has no cluster: the settings refuse it before.
#[cfg(not(feature = "cluster"))]
mod node {
    use super::{CancellationToken, ClusterNode, Fatal, JoinSet, Opened, Readers, Settings};

    #[derive(Default)]
    pub(in super::super) struct Tasks(());

    impl Tasks {
        pub(in super::super) fn start(self, _: Readers, _: &CancellationToken, _: &mut JoinSet<()>) {}
    }

    pub(in super::super) fn check_login(_: &Settings) -> Result<(), String> {
        Ok(())
    }

    pub(super) fn open(_: &ClusterNode, _: &Settings) -> Result<Opened, Fatal> {
        Err(Fatal::Node("cluster.nats: this build has no cluster".to_owned(), 78))
    }
}

pub(super) use node::{Tasks, check_login};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order::Cause;

    #[test]
    fn only_a_store_that_cannot_follow_the_log_is_marked() {
        for (cause, is_marked) in [
            (Cause::Diverged, true),
            (Cause::OtherGeneration, true),
            (Cause::AwayTooLong, true),
            (Cause::LogForgot, false),
            (Cause::TooOld, false),
            (Cause::Replaced, false),
            (Cause::NameInUse, false),
            (Cause::NoCluster, false),
            (Cause::LostPlace, false),
            (Cause::StreamUnusable, false),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let mut settings = Settings::default();
            settings.history.path = Some(folder.path().join("chat.db"));
            let fatal = ended(Stopped { cause, reason: "it ended".into() }, &settings);
            assert!(matches!(fatal, Fatal::Stopped(_)));
            assert_eq!(Store::is_outdated(&settings.history), is_marked, "{cause:?}");
        }
    }
}
