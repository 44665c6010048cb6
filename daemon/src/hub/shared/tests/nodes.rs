//! Owns the test bench of a shared log: hubs with stores in memory, one log, and the lines of each connection. The tests decide
//! which hub works next, and which turn is ordered next. Never uses a runtime or a socket.

use crate::edge::{Ask, Command, Read};
use crate::hub::shared::Shared;
use crate::hub::turn::tests::{history, login};
use crate::hub::waiting::Waiting;
use crate::hub::{BannedAddresses, Closed, Directory, Entry, Hub, Item, Outbox, Taken};
use crate::metrics::Metrics;
use crate::order::slow::Slow;
use crate::order::{MemberNow, Next, OrderEvent, Ordered, Orders};
use crate::settings::{History, Settings};
use crate::store::Store;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use tcp_chat_protocol::request::{Bounds, parse};
use tcp_chat_protocol::{ErrorKind, RequestId};
use tcp_chat_state::{Behaviour, ConnectionId, Intent, LogId, NodeId, Rules, State, Turn};

/// What a connection has received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Got {
    /// A reply to the request with this id.
    Reply(Option<u64>),
    /// The refusal of the request with this id.
    Refused(Option<u64>, ErrorKind),
    /// Messages, each with the id if it is an own one.
    Messages(Vec<(u64, Option<u64>)>),
    /// A page of the history up to this number.
    Page(Option<u64>, Option<u64>),
    /// The answer to a resend.
    Again(Option<u64>, u64),
    /// Another line.
    Line(String),
    /// The connection is closed.
    Closed(&'static str),
}

impl Got {
    /// The ids of the requests that it answers.
    pub(super) fn answers(&self) -> Vec<u64> {
        match self {
            Self::Reply(id) | Self::Refused(id, _) | Self::Page(id, _) | Self::Again(id, _) => {
                id.iter().copied().collect()
            }
            Self::Messages(list) => list.iter().filter_map(|(_, id)| *id).collect(),
            Self::Line(_) | Self::Closed(_) => Vec::new(),
        }
    }
}

/// One node.
pub(super) struct Node {
    pub(super) hub: Hub,
    pub(super) waiting: Waiting,
    outboxes: BTreeMap<u64, Arc<Outbox>>,
    pub(super) got: BTreeMap<u64, Vec<Got>>,
}

impl Node {
    fn new(node: NodeId, rules: Rules, history: &History) -> Self {
        let name = format!("chat{}", node.0);
        let (mut store, _, mut found) = Store::open_as(history, Some(&name)).unwrap();
        // All nodes have the log of the first one.
        found.log = LogId { id: "log".into(), ..found.log };
        store.enter_cluster(&name, b"begin").unwrap();
        let order = Orders::Slow(Box::new(Slow::new(node)));
        let metrics = Arc::new(Metrics::new().unwrap());
        let hub =
            Hub::new(order, rules, store, found, Directory::default(), BannedAddresses::default(), metrics);
        Self { hub, waiting: Waiting::default(), outboxes: BTreeMap::new(), got: BTreeMap::new() }
    }

    pub(super) fn slow(&mut self) -> &mut Slow {
        let Orders::Slow(slow) = &mut self.hub.order else { panic!("another order") };
        slow
    }

    pub(super) fn shared(&self) -> &Shared {
        &self.hub.shared
    }

    /// A connection opens.
    pub(super) fn opens(&mut self, connection: u64) {
        self.opens_from(connection, Ipv4Addr::LOCALHOST.into());
    }

    pub(super) fn opens_from(&mut self, connection: u64, address: IpAddr) {
        let outbox = Arc::new(Outbox::new(usize::MAX));
        self.outboxes.insert(connection, outbox.clone());
        self.got.entry(connection).or_default();
        self.add(Entry::Open(ConnectionId(connection), address, outbox));
    }

    /// A connection logs in under the name `user{name}x`.
    pub(super) fn logs_in(&mut self, connection: u64, name: u64) {
        self.sends(connection, vec![login(name)]);
    }

    pub(super) fn sends(&mut self, connection: u64, commands: Vec<Command>) {
        self.add(Entry::Commands(ConnectionId(connection), commands));
    }

    /// A connection sends these lines as one batch.
    pub(super) fn asks(&mut self, connection: u64, lines: &[String]) {
        let commands = lines.iter().map(|line| command(line)).collect();
        self.sends(connection, commands);
    }

    pub(super) fn is_lost(&mut self, connection: u64) {
        self.sends(connection, vec![Command::Lost]);
    }

    pub(super) fn add(&mut self, entry: Entry) {
        self.hub.add(&mut self.waiting, entry);
    }

    /// The hub works once.
    pub(super) fn passes(&mut self) {
        self.hub.turn(&mut self.waiting);
    }

    /// The hub works until it has nothing to do.
    pub(super) fn works(&mut self) {
        let mut passes = 0;
        while self.hub.turn(&mut self.waiting) {
            passes += 1;
            assert!(passes < 10_000, "it does not come to rest");
        }
        self.reads();
    }

    /// All connections read what they have received.
    fn reads(&mut self) {
        self.outboxes.retain(|connection, outbox| {
            let got = self.got.entry(*connection).or_default();
            loop {
                match outbox.poll_take(&Context::from_waker(Waker::noop()), usize::MAX) {
                    Poll::Ready(Taken::Items(items)) => got.extend(items.into_iter().map(of)),
                    Poll::Ready(Taken::Closed(Closed::By(why))) => {
                        got.push(Got::Closed(why.as_str()));
                        return false;
                    }
                    Poll::Ready(Taken::Closed(Closed::Lost)) => return false,
                    Poll::Pending => return true,
                }
            }
        });
    }

    /// What the connection has received since the last call.
    pub(super) fn takes(&mut self, connection: u64) -> Vec<Got> {
        std::mem::take(self.got.get_mut(&connection).unwrap())
    }

    pub(super) fn state(&self) -> &State {
        &self.hub.state
    }
}

/// The command of a line.
pub(super) fn command(line: &str) -> Command {
    let (id, request) = parse(line.as_bytes(), &Bounds { msg_bytes: 1 << 20, rooms: 8 }).unwrap();
    Command::Ask(id, Ask::of(request).unwrap())
}

fn number(id: Option<&RequestId>) -> Option<u64> {
    match id {
        Some(RequestId::Number(id)) => Some(*id),
        _ => None,
    }
}

fn of(item: Item) -> Got {
    let line = |line: &[u8]| {
        let value: serde_json::Value = serde_json::from_slice(line).unwrap();
        match value.get("id").and_then(serde_json::Value::as_u64) {
            Some(id) => Got::Reply(Some(id)),
            None => Got::Line(String::from_utf8_lossy(line).into_owned()),
        }
    };
    match item {
        Item::Line(text) => line(&text),
        Item::Shared(text) => line(&text),
        Item::Refused(refused) => Got::Refused(number(refused.refusal.id.as_ref()), refused.refusal.kind),
        Item::Kept(kept) => {
            Got::Messages((kept.chunk().first..=kept.chunk().last).map(|seq| (seq, None)).collect())
        }
        Item::Own(kept, own) => {
            let id = |seq| own.iter().find(|(of, _)| *of == seq).and_then(|(_, id)| number(Some(id)));
            Got::Messages((kept.chunk().first..=kept.chunk().last).map(|seq| (seq, id(seq))).collect())
        }
        Item::Read(Read::Page(id, page)) => Got::Page(number(id.as_ref()), page.before),
        Item::Read(Read::Again(resent)) => Got::Again(number(Some(&resent.id)), resent.seq),
        Item::Read(Read::Search(id, _)) => Got::Reply(number(id.as_ref())),
        Item::Read(Read::Gap(..)) => Got::Line("gap".to_owned()),
    }
}

/// Several nodes with one log.
pub(super) struct Nodes {
    pub(super) nodes: Vec<Node>,
    /// The time of the log.
    pub(super) time: u64,
}

impl Nodes {
    /// So many nodes, which live and have the default room.
    pub(super) fn new(count: u32, adjust: impl FnOnce(&mut Rules)) -> Self {
        Self::at(count, None, adjust)
    }

    /// The same, with the store of the first one at this path.
    pub(super) fn at(count: u32, mut path: Option<PathBuf>, adjust: impl FnOnce(&mut Rules)) -> Self {
        let histories: Vec<_> = (0..count).map(|_| history(path.take())).collect();
        Self::with(&histories, adjust)
    }

    /// A node for each of these stores.
    pub(super) fn with(histories: &[History], adjust: impl FnOnce(&mut Rules)) -> Self {
        Self::of(histories, 1_795_468_094_007, adjust)
    }

    /// The same, with a log that begins at that time.
    pub(super) fn of(histories: &[History], time: u64, adjust: impl FnOnce(&mut Rules)) -> Self {
        let mut settings = Settings::default();
        let limits = &mut settings.limits;
        (limits.messages_per_second, limits.bytes_per_second) = (0, 0);
        (limits.network_bytes_per_second, limits.stored_bytes_per_network) = (0, 0);
        let mut rules = Rules::from(&settings);
        adjust(&mut rules);
        let numbered = (1..).zip(histories);
        let nodes: Vec<_> =
            numbered.map(|(n, history)| Node::new(NodeId(n), rules.clone(), history)).collect();
        let count = u32::try_from(nodes.len()).unwrap();
        let mut all = Self { nodes, time };
        all.turn(NodeId::LOCAL, vec![Intent::NodeUp(NodeId::LOCAL), Intent::Start(Box::new(rules))]);
        for node in 1..=count {
            all.turn(NodeId(node), vec![Intent::NodeUp(NodeId(node))]);
        }
        all.lives(&(1..=count).collect::<Vec<_>>());
        all.works();
        all
    }

    /// These nodes live.
    pub(super) fn lives(&mut self, living: &[u32]) {
        let of = |node: &u32| MemberNow {
            node: NodeId(*node),
            name: format!("chat{node}").into(),
            address: format!("chat{node}.example.org:3000").into(),
            behaviour: 1,
        };
        for (at, node) in (1..).zip(&mut self.nodes) {
            let mut members: Vec<_> = living.iter().map(of).collect();
            members.sort_by_key(|member| member.node.0 != at);
            node.slow().comes(Next::Event(OrderEvent::Members(members.into())));
        }
    }

    /// A turn that all nodes make.
    pub(super) fn turn(&mut self, node: NodeId, intents: Vec<Intent>) {
        self.time += 1;
        let turn = Turn { node, time: self.time, intents, steps: 0 };
        self.nodes.iter_mut().for_each(|node| {
            node.slow().comes(Next::Turn(Ordered {
                turn: turn.clone(),
                behaviour: Behaviour::NEWEST,
                own: None,
            }));
        });
    }

    /// The oldest proposed turn of this node gets its place in the log. False: there is none.
    pub(super) fn order(&mut self, node: usize) -> bool {
        let Some((number, mut turn)) = self.nodes[node].slow().order() else { return false };
        self.time += 1;
        turn.time = self.time;
        for (at, of) in self.nodes.iter_mut().enumerate() {
            let own = (at == node).then_some(number);
            of.slow().comes(Next::Turn(Ordered { turn: turn.clone(), behaviour: Behaviour::NEWEST, own }));
        }
        true
    }

    /// All hubs work until they have nothing to do. Nothing is ordered.
    pub(super) fn works(&mut self) {
        self.nodes.iter_mut().for_each(Node::works);
    }

    /// Everything that is proposed is ordered and applied.
    pub(super) fn settles(&mut self) {
        loop {
            self.works();
            let mut is_done = true;
            for node in 0..self.nodes.len() {
                while self.order(node) {
                    is_done = false;
                }
            }
            if is_done {
                break;
            }
        }
        self.are_equal();
    }

    /// The states of all nodes are equal.
    pub(super) fn are_equal(&self) {
        let first = self.nodes[0].state().snapshot();
        for node in &self.nodes[1..] {
            assert!(first == node.state().snapshot(), "the states differ");
        }
    }
}
