//! Three orders over a stream in memory, with a network that loses, doubles and delays. A turn is known by the number that
//! its only intent has. Runs step by step; a seed repeats a run.

use super::super::*;
use crate::order::Stopped;
use crate::order::stream::Check;
use crate::order::stream::Checked;
use std::collections::BTreeMap;
use std::sync::Arc;
use tcp_chat_state::Intent;
use tcp_chat_turn_log::{LogTime, Record};

pub(super) const STEP: Duration = Duration::from_millis(20);
pub(super) const PATIENCE: Patience = Patience {
    hold: Duration::from_secs(15),
    gone_after: Duration::from_secs(6),
    quiet: Duration::from_secs(900),
};
const NAMES: [&str; 3] = ["chat1", "chat2", "chat3"];

#[derive(Debug)]
pub(super) struct Dice(pub(super) u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % limit
    }
}

/// What a store keeps, written together.
#[derive(Debug, Clone, Default)]
pub(super) struct Disk {
    pub(super) place: Option<Place>,
    pub(super) turns: Vec<u64>,
    /// The time of the last turn.
    pub(super) time: u64,
}

/// A process, and what its hub has seen.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) order: LogOrder,
    pub(super) disk: Disk,
    /// The own turns in flight: the number, and the turn.
    pub(super) in_flight: BTreeMap<u64, u64>,
    pub(super) acknowledged: Vec<u64>,
    pub(super) never: Vec<u64>,
    pub(super) fenced: usize,
    /// The nodes whose sessions were taken away.
    pub(super) ups: Vec<NodeId>,
    pub(super) stuck: usize,
    pub(super) members: Vec<Box<str>>,
    pub(super) stopped: Option<Stopped>,
    pub(super) diverges: bool,
    link: Option<u64>,
    links: u64,
    cut_until: Duration,
    /// Its server answers nothing, and the connection stays.
    deaf_until: Duration,
    /// But it answers for the leader of the stream.
    pub(super) hears_the_leader: bool,
    paused_until: Duration,
    /// Its store cannot be written until then, and it tells the others that it lives until the other time.
    fails_until: Duration,
    lives_until: Duration,
    waiting: Vec<FromStream>,
    /// The behaviour of each turn, and those that were told.
    pub(super) behaviours: Vec<u16>,
    /// When it wanted to leave its server.
    pub(super) leaves: Vec<Duration>,
}

#[derive(Debug, Clone)]
enum Parcel {
    Publish(Arc<[u8]>),
    Word(usize, FromStream),
}

#[derive(Debug)]
pub(super) struct World {
    pub(super) now: Duration,
    pub(super) records: Vec<Record>,
    pub(super) nodes: Vec<Node>,
    pub(super) dice: Dice,
    /// In percent.
    pub(super) loss: u64,
    pub(super) load: u64,
    /// So many nodes, the first ones, have something to say.
    pub(super) speakers: usize,
    pub(super) first: u64,
    /// The stream ends an answer after so many records.
    pub(super) answers: usize,
    /// Someone publishes each record again where the stream does, with a stamp that is later by this, and before the stream.
    pub(super) lie: u64,
    /// What the hosts' clocks show, in milliseconds since 1970.
    pub(super) clock: u64,
    /// By how much that of the stream is later.
    pub(super) ahead: u64,
    /// The leader gives so many records for one question, and the most positions of one.
    pub(super) told: usize,
    pub(super) asked: usize,
    /// The last beat of each node.
    pub(super) beats: BTreeMap<usize, Arc<[u8]>>,
    /// The last beat that answered a question.
    pub(super) answer: Option<Arc<[u8]>>,
    on_the_way: BTreeMap<(Duration, u64), Parcel>,
    sent: u64,
    last: Duration,
    next_turn: u64,
}

fn node(
    name: &str,
    process: u128,
    newest: u16,
    begin: Begin,
    now: Duration,
) -> Result<LogOrder, ResumeError> {
    let key = Key::new(&[5; 32]).unwrap();
    let address = format!("{name}:3000").into();
    let behaviours = Behaviours { oldest: 1, newest };
    let identity = Identity { name: name.into(), address, process: Process(process), behaviours };
    LogOrder::new(key, identity, PATIENCE, begin, now)
}

impl Node {
    pub(super) fn new(name: &str, process: u128, begin: Begin, disk: Disk, now: Duration) -> Self {
        Self::of_version(1, name, process, begin, disk, now).unwrap()
    }

    /// A node whose version can follow the behaviours up to this one.
    pub(super) fn of_version(
        newest: u16,
        name: &str,
        process: u128,
        begin: Begin,
        disk: Disk,
        now: Duration,
    ) -> Result<Self, ResumeError> {
        Ok(Self {
            order: node(name, process, newest, begin, now)?,
            disk,
            in_flight: BTreeMap::new(),
            acknowledged: Vec::new(),
            never: Vec::new(),
            fenced: 0,
            ups: Vec::new(),
            stuck: 0,
            members: Vec::new(),
            stopped: None,
            diverges: false,
            link: None,
            links: 0,
            cut_until: Duration::ZERO,
            deaf_until: Duration::ZERO,
            hears_the_leader: false,
            paused_until: Duration::ZERO,
            fails_until: Duration::ZERO,
            lives_until: Duration::ZERO,
            waiting: Vec::new(),
            behaviours: Vec::new(),
            leaves: Vec::new(),
        })
    }

    fn never(&mut self, numbers: &[u64]) {
        for number in numbers {
            self.never.push(self.in_flight.remove(number).expect("a number that was given, once"));
        }
    }

    /// Takes what comes next, as the hub does.
    fn take(&mut self, now: Duration) {
        while let Some(next) = self.order.next(now) {
            match next {
                Next::Turn(Ordered { turn, behaviour, own }) => {
                    self.behaviours.push(behaviour.0);
                    let number = match turn.intents[..] {
                        [Intent::Retain(number)] => Some(number),
                        _ => None,
                    };
                    self.ups.extend(turn.intents.iter().filter_map(|intent| match intent {
                        Intent::NodeUp(node) => Some(*node),
                        _ => None,
                    }));
                    self.disk.turns.extend(number);
                    self.disk.time = turn.time;
                    let mut outcome = [0; 32];
                    outcome[..8].copy_from_slice(&(self.disk.turns.len() as u64).to_be_bytes());
                    outcome[8] = u8::from(self.diverges);
                    self.disk.place = Some(self.order.applied(&outcome).unwrap());
                    if let Some(own) = own {
                        assert_eq!(self.in_flight.remove(&own), number, "a number for another turn");
                        self.acknowledged.extend(number);
                    }
                }
                Next::Event(OrderEvent::Fenced(numbers)) => {
                    self.fenced += 1;
                    self.never(&numbers);
                    assert!(self.in_flight.is_empty(), "neither counted nor void");
                }
                Next::Event(OrderEvent::Withdrawn(numbers)) => self.never(&numbers),
                Next::Event(OrderEvent::Stuck) => self.stuck += 1,
                Next::Event(OrderEvent::Members(members)) => {
                    self.members = members.iter().map(|member| member.name.clone()).collect();
                }
                Next::Event(OrderEvent::Up | OrderEvent::Raised(_)) => {}
                Next::Event(OrderEvent::Ended(stopped)) => self.stopped = Some(stopped),
            }
        }
    }
}

impl World {
    /// The first node begins a generation, the others join it.
    pub(super) fn new(seed: u64) -> Self {
        let mut world = Self::without_nodes(seed);
        for (name, process) in NAMES.into_iter().zip(1..) {
            let begin = if process == 1 {
                Begin::Found { generation: Generation { number: 1, tag: 9 }, base: Digest::default() }
            } else {
                Begin::Empty
            };
            world.nodes.push(Node::new(name, process, begin, Disk::default(), world.now));
            world.pass(Duration::from_secs(1));
        }
        world.pass(Duration::from_secs(3));
        world
    }

    pub(super) fn without_nodes(seed: u64) -> Self {
        Self {
            now: Duration::from_secs(1),
            records: Vec::new(),
            nodes: Vec::new(),
            dice: Dice(seed),
            loss: 0,
            load: 8,
            speakers: usize::MAX,
            first: 1,
            answers: 32,
            lie: 0,
            clock: 0,
            ahead: 0,
            told: usize::MAX,
            asked: 0,
            beats: BTreeMap::new(),
            answer: None,
            on_the_way: BTreeMap::new(),
            sent: 0,
            last: Duration::ZERO,
            next_turn: 0,
        }
    }

    pub(super) fn cut(&mut self, node: usize, time: Duration) {
        self.nodes[node].cut_until = self.now + time;
    }

    /// The server of a node has lost the others.
    pub(super) fn deafen(&mut self, node: usize, time: Duration) {
        self.nodes[node].deaf_until = self.now + time;
    }

    pub(super) fn pause(&mut self, node: usize, time: Duration) {
        self.nodes[node].paused_until = self.now + time;
    }

    /// Its store cannot be written for the first time, and for the second one it tells the others that it lives.
    pub(super) fn fails(&mut self, node: usize, fails: Duration, lives: Duration) {
        self.nodes[node].fails_until = self.now + fails;
        self.nodes[node].lives_until = self.now + lives;
    }

    /// Dies, and starts again from its store.
    pub(super) fn restart(&mut self, node: usize) {
        let newest = self.nodes[node].order.identity.behaviours.newest;
        self.restart_as(newest, node).unwrap();
    }

    /// The same, as a version that can follow the behaviours up to this one.
    pub(super) fn restart_as(&mut self, newest: u16, node: usize) -> Result<(), ResumeError> {
        let disk = self.nodes[node].disk.clone();
        let begin = disk.place.clone().map_or(Begin::Empty, Begin::Resume);
        let process = 100 + u128::from(self.dice.below(1 << 40));
        let mut new = Node::of_version(newest, NAMES[node], process, begin, disk, self.now)?;
        new.behaviours = std::mem::take(&mut self.nodes[node].behaviours);
        new.acknowledged = std::mem::take(&mut self.nodes[node].acknowledged);
        new.never = std::mem::take(&mut self.nodes[node].never);
        new.links = self.nodes[node].links;
        self.nodes[node] = new;
        Ok(())
    }

    /// What `reseed` does with the store of a node, before the entry is in the log.
    pub(super) fn rebase(&mut self, node: usize) -> Place {
        let Place(bytes) = self.nodes[node].disk.place.clone().unwrap();
        let place = Place(Saved::decode(&bytes).unwrap().rebased(self.records.len() as u64).encode());
        self.nodes[node].disk.place = Some(place.clone());
        place
    }

    /// Begins a generation with the store of a node.
    pub(super) fn reseed(&mut self, node: usize, generation: Generation) {
        let begin = Begin::FoundAgain { generation, place: self.rebase(node), time: self.clock };
        let disk = self.nodes[node].disk.clone();
        let links = self.nodes[node].links;
        self.nodes[node] = Node { links, ..Node::new(NAMES[node], 500, begin, disk, self.now) };
    }

    /// A second process with the store and the name of a node.
    pub(super) fn twin(&mut self, node: usize) {
        let disk = self.nodes[node].disk.clone();
        let begin = Begin::Resume(disk.place.clone().unwrap());
        self.nodes.push(Node::new(NAMES[node], 999, begin, disk, self.now));
    }

    /// Someone without the key publishes where the stream does: to these nodes.
    pub(super) fn tell(&mut self, nodes: std::ops::Range<usize>, record: &Record) {
        for node in nodes {
            if let Some(link) = self.nodes[node].link {
                self.nodes[node].waiting.insert(0, FromStream::Heard(link, record.clone()));
            }
        }
    }

    /// A node hears this beat.
    pub(super) fn beat(&mut self, node: usize, bytes: &Arc<[u8]>) {
        self.nodes[node].waiting.push(FromStream::Beat(bytes.clone()));
    }

    fn send(&mut self, parcel: Parcel) {
        let copies =
            u64::from(self.dice.below(100) >= self.loss) + u64::from(self.dice.below(100) < self.loss);
        for _ in 0..copies {
            // A connection keeps the order, but what a paused server has taken comes late.
            let arrives = if self.dice.below(100) < self.loss / 2 {
                self.now + Duration::from_millis(self.dice.below(3_000))
            } else {
                self.last = self.last.max(self.now + Duration::from_millis(self.dice.below(15)));
                self.last
            };
            self.sent += 1;
            self.on_the_way.insert((arrives, self.sent), parcel.clone());
        }
    }

    fn arrive(&mut self) {
        let later = self.on_the_way.split_off(&(self.now, u64::MAX));
        for parcel in std::mem::replace(&mut self.on_the_way, later).into_values() {
            match parcel {
                Parcel::Publish(bytes) => {
                    let sequence = self.records.len() as u64 + 1;
                    let stamp = LogTime(1_000 + self.ahead + u64::try_from(self.now.as_millis()).unwrap());
                    self.records.push(Record { sequence, stamp, bytes });
                    let record = self.records.last().unwrap().clone();
                    if self.lie > 0 {
                        let stamp = LogTime(stamp.0 + self.lie);
                        self.tell(0..self.nodes.len(), &Record { stamp, ..record.clone() });
                    }
                    for node in 0..self.nodes.len() {
                        if let Some(link) = self.nodes[node].link {
                            self.send(Parcel::Word(node, FromStream::Heard(link, record.clone())));
                        }
                    }
                }
                Parcel::Word(node, word) => self.nodes[node].waiting.push(word),
            }
        }
    }

    fn answer(&mut self, node: usize, link: u64, word: ToStream) {
        let last = self.records.len() as u64;
        let record = |sequence: u64| self.records[usize::try_from(sequence).unwrap() - 1].clone();
        match word {
            ToStream::Publish(bytes) => self.send(Parcel::Publish(bytes)),
            ToStream::Read(ask) => {
                let positions = ask.first.max(self.first)..=ask.last.min(last);
                let found: Vec<_> = positions.take(self.answers).map(record).collect();
                for record in found {
                    self.send(Parcel::Word(node, FromStream::Record(link, record)));
                }
                self.send(Parcel::Word(node, FromStream::Answered(link, ask)));
            }
            ToStream::Check(check) => {
                let has = |position: &&u64| (self.first..=last).contains(*position);
                let there = check.positions.iter().filter(has).take(self.told);
                let records = there.map(|position| record(*position)).collect();
                self.asked = self.asked.max(check.positions.len());
                let first = self.first;
                let check = Check { connection: link, ..check };
                self.send(Parcel::Word(node, FromStream::Checked(Checked { check, first, last, records })));
            }
            ToStream::Elsewhere(left) => {
                assert_eq!(left, link);
                let node = &mut self.nodes[node];
                node.leaves.push(self.now);
                node.link = None;
                node.order.hear(FromStream::Disconnected, self.now);
            }
            ToStream::Beat(bytes) => {
                self.beats.insert(node, bytes.clone());
                let beat = Beat::open(&self.nodes[node].order.key, &bytes).unwrap();
                if beat.answers.is_some() {
                    self.answer = Some(bytes.clone());
                }
                for node in 0..self.nodes.len() {
                    if self.nodes[node].link.is_some() {
                        self.send(Parcel::Word(node, FromStream::Beat(bytes.clone())));
                    }
                }
            }
        }
    }

    fn step(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        if self.now < node.paused_until {
            return;
        }
        if self.now < node.cut_until {
            node.waiting.clear();
            if node.link.take().is_some() {
                node.order.hear(FromStream::Disconnected, self.now);
            }
        } else if node.link.is_none() {
            node.links += 1;
            node.link = Some(node.links);
            node.order.hear(FromStream::Connected(node.links), self.now);
        }
        let (is_deaf, hears_the_leader) = (self.now < node.deaf_until, node.hears_the_leader);
        for word in std::mem::take(&mut node.waiting) {
            if !is_deaf || (hears_the_leader && matches!(word, FromStream::Checked(_))) {
                node.order.hear(word, self.now);
            }
        }
        let fails = self.now < node.fails_until;
        if fails {
            node.order.rest(self.now, self.now < node.lives_until);
        } else {
            node.take(self.now);
        }
        let is_loaded = self.dice.below(100) < self.load && at < self.speakers;
        if is_loaded && !fails && node.order.readiness(self.now) == Readiness::Ready {
            let intents = vec![Intent::Retain(self.next_turn)];
            let turn = Turn { node: node.order.node(), intents, ..Turn::empty(self.clock) };
            let number = node.order.propose(&turn, self.now).unwrap();
            node.in_flight.insert(number, self.next_turn);
            self.next_turn += 1;
        }
        let link = node.link;
        let words: Vec<_> = std::iter::from_fn(|| node.order.outgoing()).collect();
        let goes_out = |word: &ToStream| match word {
            ToStream::Elsewhere(_) => true,
            ToStream::Check(_) => !is_deaf || hears_the_leader,
            _ => !is_deaf,
        };
        for word in words {
            if let Some(link) = link
                && goes_out(&word)
            {
                self.answer(at, link, word);
            }
        }
    }

    pub(super) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.now += STEP;
            self.arrive();
            for node in 0..self.nodes.len() {
                self.step(node);
            }
        }
    }

    /// Ends faults and load, and waits until everything has come back.
    pub(super) fn heal(&mut self) {
        self.loss = 0;
        self.pass(Duration::from_secs(25));
        self.load = 0;
        self.pass(Duration::from_secs(5));
    }

    /// Every node that runs has the same turns in the same order, each acknowledged one once, and no refused one.
    pub(super) fn check(&self) {
        let running: Vec<_> = self.nodes.iter().filter(|node| node.stopped.is_none()).collect();
        let turns = &running[0].disk.turns;
        for node in &running {
            assert!(node.disk.turns == *turns, "the turns differ");
            assert!(node.in_flight.is_empty(), "{:?} wait for ever", node.in_flight);
            assert_eq!(node.order.readiness(self.now), Readiness::Ready);
            assert_eq!(node.members.len(), 3);
        }
        let mut counts = BTreeMap::<u64, usize>::new();
        for turn in turns {
            *counts.entry(*turn).or_default() += 1;
        }
        assert!(counts.values().all(|count| *count == 1), "a turn was applied twice");
        for node in &self.nodes {
            assert!(
                node.acknowledged.iter().all(|turn| counts.contains_key(turn)),
                "an acknowledged turn is lost"
            );
            assert!(node.never.iter().all(|turn| !counts.contains_key(turn)), "a refused turn was applied");
        }
        assert!(turns.len() > 100, "hardly anything was ordered: {}", turns.len());
    }
}
