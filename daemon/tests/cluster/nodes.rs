//! Nodes of a cluster without a chat: the order, the task of the stream, and a loop in the place of the hub. A turn is known
//! by the number that its only intent has.

use std::collections::{BTreeMap, BTreeSet};
use std::future::poll_fn;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tcp_chat_state::{Intent, Turn};
use tcp_chat_turn_log::{Digest, Generation, KEY_BYTES, Key};
use tcp_chatd::cluster::{self, Nats};
use tcp_chatd::order::{
    Begin, Identity, KNOWN, Linked, LogOrder, Next, Order, OrderEvent, Ordered, Patience, Place, Process,
    Readiness, Serves,
};
use tokio::task::JoinSet;

pub(crate) const PATIENCE: Patience = Patience {
    hold: Duration::from_secs(15),
    gone_after: Duration::from_secs(6),
    quiet: Duration::from_secs(900),
};

/// How long a test waits for what must happen.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

/// What a node has done.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) turns: Vec<u64>,
    pub(crate) place: Option<Place>,
    pub(crate) acknowledged: Vec<u64>,
    /// How long each took from the proposal.
    pub(crate) took: Vec<Duration>,
    pub(crate) never: Vec<u64>,
    pub(crate) fenced: usize,
    pub(crate) living: usize,
    pub(crate) is_up: bool,
    pub(crate) stopped: Option<(&'static str, Box<str>)>,
    /// The longest time between two turns.
    pub(crate) silence: Duration,
    pub(crate) last: Option<Instant>,
    pub(crate) in_flight: usize,
    /// It proposes nothing any more: it has seen the end of its load.
    pub(crate) rests: bool,
}

/// How much a node proposes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    /// Between two turns. Zero: as many as the window takes.
    pub(crate) every: Duration,
    /// How many intents a turn has.
    pub(crate) intents: usize,
}

#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) seen: Arc<Mutex<Seen>>,
    /// Whether it may give copies of its store.
    pub(crate) serves: Serves,
    /// The number of its server.
    pub(crate) server: tokio::sync::watch::Receiver<Option<usize>>,
    load: tokio::sync::watch::Sender<Option<Load>>,
    paused: tokio::sync::watch::Sender<bool>,
    /// Both end with the node.
    tasks: JoinSet<()>,
}

/// The loop in the place of the hub.
struct Hub {
    order: Linked,
    began: Instant,
    seen: Arc<Mutex<Seen>>,
    in_flight: BTreeMap<u64, (u64, Instant)>,
    next: u64,
}

impl Hub {
    fn never(&mut self, numbers: &[u64]) {
        let mut seen = self.seen.lock().unwrap();
        for number in numbers {
            seen.never.push(self.in_flight.remove(number).unwrap().0);
        }
    }

    fn take(&mut self) {
        while let Some(next) = self.order.next(self.began.elapsed()) {
            match next {
                Next::Turn(Ordered { turn, own, .. }) => {
                    let number = match turn.intents.first() {
                        Some(Intent::Retain(number)) => Some(*number),
                        _ => None,
                    };
                    let mut seen = self.seen.lock().unwrap();
                    if let Some(number) = number {
                        seen.turns.push(number);
                        let silence = seen.last.map_or(Duration::ZERO, |last| last.elapsed());
                        seen.silence = seen.silence.max(silence);
                        seen.last = Some(Instant::now());
                    }
                    let mut outcome = [0; 32];
                    outcome[..8].copy_from_slice(&(seen.turns.len() as u64).to_be_bytes());
                    seen.place = Some(self.order.applied_as(&outcome).unwrap());
                    if let Some((turn, at)) = own.and_then(|own| self.in_flight.remove(&own)) {
                        assert_eq!(Some(turn), number);
                        seen.acknowledged.push(turn);
                        seen.took.push(at.elapsed());
                    }
                    seen.in_flight = self.in_flight.len();
                }
                Next::Event(OrderEvent::Fenced(numbers)) => {
                    self.never(&numbers);
                    self.seen.lock().unwrap().fenced += 1;
                }
                Next::Event(OrderEvent::Withdrawn(numbers)) => self.never(&numbers),
                Next::Event(OrderEvent::Stuck) => {}
                Next::Event(OrderEvent::Up) => self.seen.lock().unwrap().is_up = true,
                Next::Event(OrderEvent::Raised(_)) => {}
                Next::Event(OrderEvent::Members(members)) => self.seen.lock().unwrap().living = members.len(),
                Next::Event(OrderEvent::Ended(stopped)) => {
                    self.seen.lock().unwrap().stopped = Some((stopped.cause.as_str(), stopped.reason));
                }
            }
        }
    }

    fn propose(&mut self, intents: usize) -> bool {
        let now = self.began.elapsed();
        if self.order.readiness(now) != Readiness::Ready {
            return false;
        }
        let all = std::iter::once(Intent::Retain(self.next)).chain((1..intents).map(|_| Intent::Seal));
        let turn = Turn { node: self.order.log().node(), intents: all.collect(), ..Turn::empty(0) };
        let number = self.order.propose(turn, now).unwrap();
        self.in_flight.insert(number, (self.next, Instant::now()));
        self.next += 1;
        true
    }

    async fn run(
        mut self,
        mut load: tokio::sync::watch::Receiver<Option<Load>>,
        mut paused: tokio::sync::watch::Receiver<bool>,
    ) {
        let mut proposed = Instant::now();
        loop {
            if paused.wait_for(|paused| !*paused).await.is_err() {
                return;
            }
            self.take();
            let wanted = *load.borrow();
            if let Some(Load { every, intents }) = wanted {
                if every.is_zero() {
                    while self.propose(intents) {}
                } else if proposed.elapsed() >= every {
                    proposed = Instant::now();
                    self.propose(intents);
                }
            }
            {
                let mut seen = self.seen.lock().unwrap();
                (seen.in_flight, seen.rests) = (self.in_flight.len(), wanted.is_none());
            }
            let due = self.order.due().unwrap_or(Duration::from_secs(3600));
            let pace = wanted.map(|load| load.every).filter(|every| !every.is_zero());
            let until = pace.map_or(self.began + due, |every| (self.began + due).min(proposed + every));
            let mut order = self.order;
            tokio::select! {
                () = poll_fn(|context| order.poll_word(context)) => {}
                () = tokio::time::sleep_until(until.into()) => {}
                changed = load.changed() => if changed.is_err() { return },
            }
            self.order = order;
        }
    }
}

/// The bytes of the key of the test's cluster.
pub(crate) const KEY: [u8; KEY_BYTES] = [8; KEY_BYTES];

/// The key of the test's cluster.
pub(crate) fn key() -> Key {
    Key::new(&KEY).unwrap()
}

/// How the first node begins.
pub(crate) fn founds() -> Begin {
    Begin::Found { generation: Generation { number: 1, tag: 77 }, base: Digest::default() }
}

impl Node {
    /// Starts a node. `first`: the number of its first turn.
    pub(crate) fn start(name: &str, nats: Nats, begin: Begin, first: u64, before: Seen) -> Self {
        Self::start_with(PATIENCE, name, nats, begin, first, before)
    }

    /// The same, with other times.
    pub(crate) fn start_with(
        patience: Patience,
        name: &str,
        nats: Nats,
        begin: Begin,
        first: u64,
        before: Seen,
    ) -> Self {
        let process =
            Process(std::time::SystemTime::now().elapsed().map_or(1, |t| t.as_nanos()) + u128::from(first));
        let identity = Identity {
            name: name.into(),
            address: format!("{name}:3000").into(),
            process,
            behaviours: KNOWN,
        };
        let order = LogOrder::new(key(), identity, patience, begin, Duration::ZERO).unwrap();
        let (order, ends) = Linked::new(order);
        let seen = Arc::new(Mutex::new(before));
        let hub =
            Hub { order, began: Instant::now(), seen: seen.clone(), in_flight: BTreeMap::new(), next: first };
        let (load, load_out) = tokio::sync::watch::channel(None);
        let (paused, paused_out) = tokio::sync::watch::channel(false);
        let mut tasks = JoinSet::new();
        tasks.spawn(hub.run(load_out, paused_out));
        let (serves, server) = (ends.serves.clone(), ends.server.subscribe());
        tasks.spawn(cluster::run(nats, ends));
        Self { seen, serves, server, load, paused, tasks }
    }

    pub(crate) fn load(&self, load: Option<Load>) {
        self.load.send(load).unwrap();
    }

    /// The loop in the place of the hub stands still, as a process does at SIGSTOP.
    pub(crate) fn pause(&self, pause: bool) {
        self.paused.send(pause).unwrap();
    }

    /// Ends as a killed process does. What it has kept is returned.
    pub(crate) fn kill(mut self) -> Seen {
        self.tasks.abort_all();
        std::mem::take(&mut self.seen.lock().unwrap())
    }

    pub(crate) fn count(&self) -> usize {
        self.seen.lock().unwrap().acknowledged.len()
    }
}

/// Waits until it is so.
pub(crate) async fn until(what: &str, limit: Duration, mut is: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is() {
        assert!(began.elapsed() < limit, "{what}: not within {limit:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Waits until each node got so many more turns back.
pub(crate) async fn more(nodes: &[Node], turns: usize) {
    let before: Vec<_> = nodes.iter().map(Node::count).collect();
    until("turns come back", LIMIT, || {
        nodes.iter().zip(&before).all(|(node, count)| node.count() > count + turns)
    })
    .await;
}

/// Ends the load, waits until everything came back, and compares the nodes.
pub(crate) async fn check(nodes: &[Node]) {
    for node in nodes {
        node.load(None);
    }
    let rests = |node: &Node| {
        let seen = node.seen.lock().unwrap();
        seen.rests && seen.in_flight == 0
    };
    until("everything comes back", LIMIT, || nodes.iter().all(rests)).await;
    let lengths = || nodes.iter().map(|node| node.seen.lock().unwrap().turns.len()).collect::<BTreeSet<_>>();
    until("all nodes have read the same", LIMIT, || lengths().len() == 1).await;
    let first = nodes[0].seen.lock().unwrap().turns.clone();
    let distinct: BTreeSet<_> = first.iter().copied().collect();
    assert_eq!(distinct.len(), first.len(), "a turn was applied twice");
    for node in nodes {
        let seen = node.seen.lock().unwrap();
        assert_eq!(seen.stopped, None);
        let same = seen.turns.iter().zip(&first).take_while(|(a, b)| a == b).count();
        let (own, others) = (&seen.turns[same..], &first[same..]);
        assert!(own.is_empty() && others.is_empty(), "after {same} turns they differ: {own:?}, {others:?}");
        assert!(seen.acknowledged.iter().all(|turn| distinct.contains(turn)), "an acknowledged turn is lost");
        assert!(seen.never.iter().all(|turn| !distinct.contains(turn)), "a refused turn was applied");
    }
}
