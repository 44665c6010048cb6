//! A simulated world: three orders ([`super::nodes`]) over a stream in memory ([`super::stream`]). A turn is known by the number
//! that its only intent has. A run goes step by step, and its seed repeats it.

use super::super::*;
use super::nodes::{Disk, Node};
use super::stream::{Dice, Parcel};
use std::collections::BTreeMap;
use std::sync::Arc;
use tcp_chat_state::Intent;
use tcp_chat_turn_log::Record;

pub(super) const STEP: Duration = Duration::from_millis(20);
pub(super) const PATIENCE: Patience = Patience {
    hold: Duration::from_secs(15),
    gone_after: Duration::from_secs(6),
    quiet: Duration::from_secs(900),
};
pub(super) const NAMES: [&str; 3] = ["chat1", "chat2", "chat3"];

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
    pub(super) on_the_way: BTreeMap<(Duration, u64), Parcel>,
    pub(super) sent: u64,
    pub(super) last: Duration,
    next_turn: u64,
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

    fn step(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        if self.now < node.paused_until {
            return;
        }
        if self.now < node.cut_until {
            node.waiting.clear();
            if node.link.take().is_some() {
                node.order.take_word(FromStream::Disconnected, self.now);
            }
        } else if node.link.is_none() {
            node.links += 1;
            node.link = Some(node.links);
            node.order.take_word(FromStream::Connected(node.links), self.now);
        }
        let (is_deaf, hears_the_leader) = (self.now < node.deaf_until, node.hears_the_leader);
        for word in std::mem::take(&mut node.waiting) {
            if !is_deaf || (hears_the_leader && matches!(word, FromStream::Checked(_))) {
                node.order.take_word(word, self.now);
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
