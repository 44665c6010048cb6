//! Runs the stream and the nodes step by step, with faults, and checks what came out.

use crate::node::{Disk, Ledger, Load, Node};
use crate::oracle;
use crate::stream::{Message, Stream};
use std::collections::HashSet;
use std::time::Duration;
use tcp_chat_turn_log::{Halt, Key};

const STEP: Duration = Duration::from_millis(20);

/// What goes wrong. Nodes by their address, times in milliseconds.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    Nothing,
    /// SIGSTOP and SIGCONT: what is sent to it waits.
    Pause {
        node: usize,
        ms: u64,
    },
    /// No network: what is sent to it is lost.
    Cut {
        node: usize,
        ms: u64,
    },
    Crash {
        node: usize,
        ms: u64,
    },
    /// A death, and a start from an old backup.
    Backup {
        node: usize,
    },
    /// The leader of the stream is paused.
    StreamPause {
        ms: u64,
    },
    /// Much is lost, doubled and late.
    Storm {
        ms: u64,
    },
    /// The stream loses its last records. Noticed: every node loses its connection, too.
    Forget {
        records: usize,
        noticed: bool,
    },
    /// A copy of the store starts beside the original.
    Twin {
        node: usize,
    },
    /// From here on the node applies turns in another way.
    Diverge {
        node: usize,
    },
}

pub(crate) struct World {
    key: Key,
    now: Duration,
    stream: Stream,
    nodes: Vec<Node>,
    ledger: Ledger,
    /// What paused nodes will find.
    waiting: Vec<Vec<Message>>,
    backups: Vec<Disk>,
    /// Did the stream lose anything?
    has_forgotten: bool,
    load: Load,
}

impl World {
    pub(crate) fn new(seed: u64, nodes: u32) -> Self {
        let nodes: Vec<Node> = (0..nodes).map(|id| Node::new(id as usize, id, Disk::default())).collect();
        let mut world = Self {
            key: Key::new(&[9; 32]).unwrap(),
            now: Duration::ZERO,
            stream: Stream::new(seed),
            waiting: nodes.iter().map(|_| Vec::new()).collect(),
            backups: nodes.iter().map(|_| Disk::default()).collect(),
            nodes,
            ledger: Ledger::default(),
            has_forgotten: false,
            load: Load::Full,
        };
        world.pass(3_000);
        world
    }

    /// Lets time pass before each fault.
    pub(crate) fn run(&mut self, script: &[(u64, Fault)]) {
        for (before, fault) in script {
            self.pass(*before);
            self.apply(fault);
        }
        self.pass(2_000);
    }

    /// Ends all faults, then the load, and waits until everything can have come back.
    pub(crate) fn heal(&mut self) {
        self.pass(13_000);
        self.stream.is_calm = true;
        self.pass(17_000);
        self.load = Load::Beats;
        self.pass(10_000);
        self.load = Load::Nothing;
        self.pass(3_000);
    }

    fn apply(&mut self, fault: &Fault) {
        let until = |ms: &u64| self.now + Duration::from_millis(*ms);
        match fault {
            Fault::Nothing => {}
            Fault::Pause { node, ms } => self.nodes[*node].paused_until = until(ms),
            Fault::Cut { node, ms } => self.nodes[*node].cut_until = until(ms),
            Fault::Crash { node, ms } => {
                let until = until(ms);
                self.nodes[*node].die(until);
            }
            Fault::Backup { node } => {
                let until = until(&500);
                self.nodes[*node].die(until);
                self.nodes[*node].disk = self.backups[*node].clone();
                self.nodes[*node].has_lost_its_store = true;
            }
            Fault::StreamPause { ms } => self.stream.pause(until(ms)),
            Fault::Storm { ms } => self.stream.storm(until(ms)),
            Fault::Forget { records, noticed } => {
                self.has_forgotten |= !self.stream.forget(*records).is_empty();
                let until = until(&(100 + self.stream.dice.below(1_000)));
                for node in self.nodes.iter_mut().filter(|_| *noticed) {
                    node.cut_until = node.cut_until.max(until);
                }
            }
            Fault::Twin { node } => {
                let address = self.nodes.len();
                let Node { id, disk, .. } = &self.nodes[*node];
                self.nodes.push(Node::new(address, id.0, disk.clone()));
                self.waiting.push(Vec::new());
                self.backups.push(Disk::default());
            }
            Fault::Diverge { node } => self.nodes[*node].diverges = true,
        }
        // Some later start finds the store as it was here.
        let node = usize::try_from(self.stream.dice.below(self.nodes.len() as u64)).unwrap();
        if self.nodes[node].disk.place.is_some() {
            self.backups[node] = self.nodes[node].disk.clone();
        }
    }

    fn pass(&mut self, ms: u64) {
        let end = self.now + Duration::from_millis(ms);
        while self.now < end {
            self.now += STEP;
            for message in self.stream.step(self.now, self.nodes.len()) {
                self.waiting[message.connection().0].push(message);
            }
            for (node, waiting) in self.nodes.iter_mut().zip(&mut self.waiting) {
                if self.now < node.paused_until {
                    continue;
                }
                if self.now < node.dead_until || node.is_replaced {
                    waiting.clear();
                    node.live = None;
                    continue;
                }
                for message in waiting.drain(..) {
                    node.hear(message, self.now, &mut self.ledger);
                }
                if !node.is_replaced {
                    node.step(&self.key, &mut self.stream, &mut self.ledger, self.load, self.now);
                }
            }
        }
    }

    /// How many processes ended because another one has their identity.
    pub(crate) fn replaced(&self) -> usize {
        self.nodes.iter().filter(|node| node.is_replaced).count()
    }

    /// What must hold whatever happened. Returns what the log contains in the end.
    fn check_always(&self) -> Vec<Vec<u8>> {
        let counted = oracle::counted(&self.key, &self.stream.records);
        // A log that forgot the end of an epoch can count what comes late.
        for void in self.ledger.void.iter().filter(|_| !self.has_forgotten) {
            assert!(!counted.contains(void), "it was promised that {void:?} never counts");
        }
        for node in &self.nodes {
            let distinct: HashSet<_> = node.disk.turns.iter().collect();
            assert_eq!(distinct.len(), node.disk.turns.len(), "a turn was applied twice");
        }
        counted
    }

    /// Without forgetting: all processes that still run have the same turns, and nothing waits.
    pub(crate) fn check_all_agree(&self) {
        let counted = self.check_always();
        for (process, text) in &self.ledger.acknowledged {
            assert!(counted.contains(text), "{text:?}, acknowledged by {process}, is lost");
        }
        for node in self.nodes.iter().filter(|node| !node.is_replaced) {
            let live = node.live.as_ref().unwrap();
            assert_eq!(live.halt, None, "node {} halted", node.address);
            assert!(live.proposer.is_up(), "node {} did not come back", node.address);
            assert_eq!(live.proposer.in_flight(), 0, "node {} waits for ever", node.address);
            assert!(node.disk.turns == counted, "node {} has other turns", node.address);
        }
        assert!(self.ledger.acknowledged.len() > 50, "hardly anything was acknowledged");
    }

    /// With forgetting: a node that goes on has what the log has, and a node that lost something says so.
    pub(crate) fn check_nothing_is_lost_in_silence(&self) {
        let counted = self.check_always();
        let has: HashSet<_> = counted.iter().collect();
        for node in &self.nodes {
            let halt = node.live.as_ref().unwrap().halt;
            match halt {
                None => assert!(node.disk.turns == counted, "node {} has other turns", node.address),
                Some(Halt::Forgot(_) | Halt::Shorter { .. }) => {
                    assert!(self.has_forgotten, "{halt:?}, but nothing was forgotten");
                }
                Some(halt) => panic!("node {} halted: {halt}", node.address),
            }
        }
        for (process, text) in self.ledger.acknowledged.iter().filter(|(_, text)| !has.contains(text)) {
            assert!(self.has_forgotten, "{text:?} is lost, but the log did not forget anything");
            let Node { live, has_lost_its_store, .. } = &self.nodes[*process];
            // A node that lost its store as well knows nothing of what it acknowledged.
            let is_known = live.as_ref().unwrap().halt.is_some() || *has_lost_its_store;
            assert!(is_known, "{process} lost {text:?} in silence");
        }
    }

    /// One node stopped because its state differs; the others agree and go on.
    pub(crate) fn check_only_diverged(&self, diverged: usize) {
        let counted = self.check_always();
        for node in &self.nodes {
            let halt = node.live.as_ref().unwrap().halt;
            if node.address == diverged {
                assert_eq!(halt, Some(Halt::Diverged));
            } else {
                assert_eq!(halt, None);
                assert!(node.disk.turns == counted);
            }
        }
    }
}
