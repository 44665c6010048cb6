//! The nodes of the simulated world ([`super::world`]) and their disks: what a node takes from its order as the hub does, and
//! how a process ends and begins again from its store.

use super::super::*;
use super::world::{NAMES, PATIENCE, World};
use crate::order::Stopped;
use std::collections::BTreeMap;
use tcp_chat_state::Intent;

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
    pub(super) link: Option<u64>,
    pub(super) links: u64,
    pub(super) cut_until: Duration,
    /// Its server answers nothing, and the connection stays.
    pub(super) deaf_until: Duration,
    /// But it answers for the leader of the stream.
    pub(super) hears_the_leader: bool,
    pub(super) paused_until: Duration,
    /// Its store cannot be written until then, and it tells the others that it lives until the other time.
    pub(super) fails_until: Duration,
    pub(super) lives_until: Duration,
    pub(super) waiting: Vec<FromStream>,
    /// The behaviour of each turn, and those that were told.
    pub(super) behaviours: Vec<u16>,
    /// When it wanted to leave its server.
    pub(super) leaves: Vec<Duration>,
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
    pub(super) fn take(&mut self, now: Duration) {
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
}
