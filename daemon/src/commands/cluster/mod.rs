//! Owns the commands of a cluster: init, join, leave, status, reseed, check. All but `status` need no running daemon, and
//! those that change the store need that none runs. Called by `commands`. Never changes what another node has.

mod found;
mod status;

use super::{Failure, args::Cluster, exit, print};
use crate::cluster::{
    Admin, ConnectFailed, FetchError, Finding, Joined, KeyFileError, Node, NodeError, StreamError, create_key,
};
use crate::order::{Begin, Place};
use crate::settings::{Durability, Settings};
use crate::store::{Store, StoreError};
use found::FoundError;
use std::time::Duration;
use tcp_chat_progress::{Shown, Watch, mebibytes, percent};
use tcp_chat_state::Rules;
use tcp_chat_turn_log::{Digest, Generation, Key, Saved};

/// How long `join` waits for a node that gives a copy.
const JOIN: Duration = Duration::from_secs(120);
/// How long `reseed` listens for a node that runs.
const LISTEN: Duration = Duration::from_secs(3);

/// What `check` says with `history.durability = "power"`: a node has no right to see this setting of the servers.
const POWER: &str = "note: history.durability is \"power\", and so each NATS server needs `sync_interval: always` in its section \
                     jetstream. This command cannot see that: docs/CLUSTER.md, \"Versions and disks\", shows how to look\n";

/// Runs a command.
pub(super) fn run(command: &Cluster, settings: &Settings) -> Result<(), Failure> {
    match command {
        Cluster::Leave => return leave(settings),
        Cluster::Status { json } => return status::status(settings, *json),
        _ => {}
    }
    let node = node(settings)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|why| Failure::new(exit::INTERNAL, why.to_string()))?;
    match command {
        Cluster::Init => runtime.block_on(init(&node, settings)),
        Cluster::Join => runtime.block_on(join(&node, settings)),
        Cluster::Reseed => runtime.block_on(reseed(&node, settings)),
        Cluster::Check => runtime.block_on(check(&node, settings)),
        Cluster::Leave | Cluster::Status { .. } => Ok(()),
    }
}

/// This node, if the settings have one.
fn node(settings: &Settings) -> Result<Node, Failure> {
    let Some(node) = settings.cluster.node() else {
        let text = "cluster.nats is not set: this daemon is alone. Name the NATS servers in the section [cluster] of the \
                    configuration first";
        return Err(Failure::new(exit::CONFIG, text));
    };
    Ok(Node::from(&node))
}

/// Makes a lone daemon's store that of the first node.
async fn init(node: &Node, settings: &Settings) -> Result<(), Failure> {
    let key = match create_key(&node.key_file) {
        Ok(key) => {
            print(&format!("made {}\n", node.key_file.display()))?;
            key
        }
        Err(KeyFileError::Exists(_)) => node.key()?,
        Err(why) => return Err(NodeError::from(why).into()),
    };
    let (mut store, _readers, found) = match Store::open(&settings.history) {
        // The command was repeated after it had begun.
        Err(StoreError::OfCluster { node: name, .. }) if name == node.name => {
            Store::open_as(&settings.history, Some(&node.name))?
        }
        opened => opened?,
    };
    let place = match store.node() {
        None => None,
        Some(stored) if Saved::decode(&stored.place).is_ok_and(|saved| saved.generation().is_none()) => {
            Some(Place(stored.place.clone()))
        }
        Some(stored) => {
            let text = format!(
                "this store is that of the node {:?} of a cluster already: start the daemon",
                stored.name
            );
            return Err(Failure::new(exit::INTERNAL, text));
        }
    };
    let admin = Admin::connect(&node.nats).await?;
    let is_begun = match admin.create(node.kept).await {
        Ok(()) => false,
        // The command was killed after it had published the first entry. If that is of another cluster, no entry counts here.
        Err(StreamError::Used(..)) if place.is_some() => true,
        Err(why) => return Err(why.into()),
    };
    let generation = Generation { number: 1, tag: random()? };
    let (place, mut state) = match place {
        Some(place) => {
            let path =
                || settings.history.path.as_deref().map_or_else(String::new, |p| p.display().to_string());
            let rules = found.rules.clone().ok_or_else(|| NodeError::NoPolicy(path()))?;
            (place, tcp_chat_state::State::restore(rules, found, tcp_chat_protocol::Timestamp::now().0))
        }
        None => {
            let base = base(&found.log.id, found.head);
            let state = found::settle(&mut store, found, Rules::from(settings))?;
            let (order, _) = node.order(&settings.history, key.clone(), Begin::Found { generation, base })?;
            let place = order.log().place();
            store.enter_cluster(&node.name, &place.0)?;
            (place, state)
        }
    };
    let time = tcp_chat_protocol::Timestamp::now().0;
    let at = if is_begun { Begin::Resume(place) } else { Begin::FoundAgain { generation, place, time } };
    begin(node, settings, key, at, &mut state, &mut store).await?;
    store.close()?;
    print(&format!(
        "{} is the first node of the cluster in the stream {}. Start the daemon. Then copy {}, ca.pem and ca.key to the \
         next node, and start it with an empty store: it joins by itself\n",
        node.name,
        node.nats.stream,
        node.key_file.display()
    ))
}

/// Begins a generation, and waits until its first entry came back.
async fn begin(
    node: &Node,
    settings: &Settings,
    key: Key,
    begin: Begin,
    state: &mut tcp_chat_state::State,
    store: &mut Store,
) -> Result<(), Failure> {
    let (order, ends) = node.order(&settings.history, key, begin)?;
    #[expect(clippy::disallowed_methods, reason = "it ends with the order")]
    let task = tokio::spawn(crate::cluster::run(node.nats.clone(), ends));
    let found = found::found(order, state, store).await;
    // What the order published is on its way; the task ends when the order is gone.
    let _ = tokio::time::timeout(Duration::from_secs(2), task).await;
    found.map_err(|why| match why {
        FoundError::Store(why) => why.into(),
        FoundError::Stopped(_) => Failure::new(exit::CONFIG, why.to_string()),
        FoundError::Silent => Failure::new(exit::TEMPORARY, why.to_string()),
    })
}

/// Puts a copy of another node's store in the place of this one, and waits until it is there.
async fn join(node: &Node, settings: &Settings) -> Result<(), Failure> {
    let (sender, receiver) = tokio::sync::watch::channel((0, 0));
    let progress = Watch::start(Shown::Always, move |_| match *receiver.borrow() {
        (came, total) if total > 0 => {
            format!("{} of {} came, {}", mebibytes(came), mebibytes(total), percent(came, total))
        }
        _ => "waits for a node that gives a copy of its store".to_owned(),
    });
    let joined = node
        .join(&settings.history, JOIN, |came, total| {
            let _ = sender.send((came, total));
        })
        .await;
    drop(progress);
    match joined? {
        Joined::Now { aside } => {
            if let Some(aside) = aside {
                print(&format!("the old store of {} is {} now\n", node.name, aside.display()))?;
            }
            print(&format!("{} has the store of the cluster now: start the daemon\n", node.name))
        }
        Joined::Before => {
            // Tells whose store it is, if it is not this node's.
            Store::open_as(&settings.history, Some(&node.name))?;
            print(&format!("{} has a store of the cluster already: start the daemon\n", node.name))
        }
    }
}

/// Makes a node's store that of a lone daemon.
fn leave(settings: &Settings) -> Result<(), Failure> {
    let name = Store::leave_cluster(&settings.history)?;
    Store::unmark_outdated(&settings.history)?;
    print(&format!(
        "the store of the node {name} is that of a lone daemon now, with all messages so far. Remove the section [cluster] of \
         the configuration before the next start; the other nodes go on without this one\n"
    ))
}

/// Begins a new generation with the store of this node.
async fn reseed(node: &Node, settings: &Settings) -> Result<(), Failure> {
    let key = node.key()?;
    let (store, readers, before) = Store::open_as(&settings.history, Some(&node.name))?;
    let Some(stored) = store.node().cloned() else {
        let text = "this node has no store of the cluster: run `reseed` on the node whose store is the most advanced";
        return Err(Failure::new(exit::INTERNAL, text));
    };
    let path = || settings.history.path.as_deref().map_or_else(String::new, |p| p.display().to_string());
    let saved = Saved::decode(&stored.place).map_err(|error| NodeError::Place { store: path(), error })?;
    let rules = before.rules.ok_or_else(|| NodeError::NoPolicy(path()))?;
    let admin = Admin::connect(&node.nats).await?;
    if let Some(other) = admin.hears_a_node(&key, LISTEN).await? {
        let text = format!(
            "the node {other} runs: stop all daemons of the cluster first, so that none acknowledges what this store does not have"
        );
        return Err(Failure::new(exit::INTERNAL, text));
    }
    let end = admin.create_or_end(node.kept, saved.claim().applied).await?;
    let number = next_generation(
        saved.generation().map(|generation| generation.number),
        admin.generation_at(&key, end).await?,
        tcp_chat_protocol::Timestamp::now(),
    );
    let generation = Generation { number, tag: random()? };
    let place = Place(saved.rebased(end).encode());
    // If this store is a backup, or not the most advanced one, clients have seen messages that it does not have.
    drop(readers);
    store.close()?;
    Store::part_log(&settings.history)?;
    let (mut store, _readers, found) = Store::open_as(&settings.history, Some(&node.name))?;
    store.enter_cluster(&node.name, &place.0)?;
    let head = found.head;
    let mut state = tcp_chat_state::State::restore(rules, found, tcp_chat_protocol::Timestamp::now().0);
    let time = tcp_chat_protocol::Timestamp::now().0;
    begin(node, settings, key, Begin::FoundAgain { generation, place, time }, &mut state, &mut store).await?;
    store.close()?;
    // It is the beginning now, whatever it was before.
    Store::unmark_outdated(&settings.history)?;
    print(&format!(
        "generation {number} begins with the store of {}, whose newest message is {head}. Start this daemon. On each other node \
         move the store away before the start: it takes a copy of this one\n",
        node.name
    ))
}

/// The number of a generation that begins now. It must be later than any that the log has had, also those that only the store of
/// another node has seen. A store that is a backup does not know the last one, and the stream can be a new one: so it is the
/// time, in seconds since 1970, unless the store or the last record has a later one.
fn next_generation(of_store: Option<u64>, in_log: Option<u64>, now: tcp_chat_protocol::Timestamp) -> u64 {
    of_store.max(in_log).map_or(1, |number| number + 1).max(now.0 / 1000)
}

/// Checks NATS and the stream.
async fn check(node: &Node, settings: &Settings) -> Result<(), Failure> {
    let mut faults = Vec::new();
    if settings.history.durability == Durability::Power {
        print(POWER)?;
    }
    if let Err(why) = node.key() {
        print(&format!("fault: {why}\n"))?;
        faults.push("the key".to_owned());
    }
    // Once, not for each server.
    node.nats.check_login().map_err(|why| NodeError::from(ConnectFailed::from(why)))?;
    for server in &node.nats.servers {
        match Admin::connect(&node.nats.only(server)).await {
            Ok(admin) => print(&format!("{server}: nats-server {}\n", admin.version()))?,
            Err(why) => {
                print(&format!("{server}: {why}\n"))?;
                faults.push(server.clone());
            }
        }
    }
    let admin = Admin::connect(&node.nats).await?;
    let (line, findings) = admin.check(node.kept).await?;
    print(&format!("{line}\n"))?;
    for finding in findings {
        match finding {
            Finding::Fault(text) => {
                print(&format!("fault: {text}\n"))?;
                faults.push("the stream".to_owned());
            }
            Finding::Advice(text) => print(&format!("note: {text}\n"))?,
        }
    }
    for note in status::notes(settings) {
        print(&format!("note: {note}\n"))?;
    }
    match faults.is_empty() {
        true => Ok(()),
        false => Err(Failure::new(exit::CONFIG, format!("not everything works: {}", faults.join(", ")))),
    }
}

/// The digest of the state with which a log begins. Only the store that began it has this state.
fn base(log: &str, head: u64) -> Digest {
    let digest = crate::auth::sha256(format!("{log} {head}").as_bytes()).0;
    let (mut of_log, mut of_state) = ([0; 16], [0; 16]);
    of_log.copy_from_slice(&digest[..16]);
    of_state.copy_from_slice(&digest[16..]);
    Digest { log: of_log, state: of_state }
}

fn random() -> Result<u64, Failure> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(|why| Failure::new(exit::INTERNAL, why.to_string()))?;
    Ok(u64::from_be_bytes(bytes))
}

impl From<NodeError> for Failure {
    fn from(error: NodeError) -> Self {
        let code = match &error {
            NodeError::Store(why) if why.is_membership() => exit::CONFIG,
            NodeError::Store(_) => exit::DISK,
            NodeError::Connect(ConnectFailed::Login(_)) => exit::CONFIG,
            NodeError::Fetch(FetchError::Connect(ConnectFailed::Login(_))) => exit::CONFIG,
            NodeError::Fetch(_) | NodeError::Connect(_) | NodeError::Stream(_) => exit::TEMPORARY,
            _ => exit::CONFIG,
        };
        Self::new(code, error.to_string())
    }
}

impl From<StreamError> for Failure {
    fn from(error: StreamError) -> Self {
        let code = match &error {
            StreamError::Used(..)
            | StreamError::Other(..)
            | StreamError::Connect(ConnectFailed::Login(_)) => exit::CONFIG,
            _ => exit::TEMPORARY,
        };
        Self::new(code, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tcp_chat_protocol::Timestamp;

    #[test]
    fn a_generation_is_later_than_those_that_a_restored_store_does_not_know() {
        let restored = Some(1);
        let first = next_generation(restored, None, Timestamp(1_796_036_988_000));
        let second = next_generation(restored, None, Timestamp(1_796_036_989_000));
        assert!(first > 1 && second > first, "{first} {second}");
        // A clock that went back.
        assert_eq!(next_generation(Some(second), None, Timestamp(0)), second + 1);
        assert_eq!(next_generation(restored, Some(second), Timestamp(0)), second + 1);
    }
}
