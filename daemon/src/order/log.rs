//! Owns the order of a cluster's node: the log that several nodes share. It reads the records of a stream, hands the turns that
//! count to the hub, and publishes the turns of this node until they come back (`crates/turn-log` has the rules). Called by
//! [`super::Linked`]. Pure: never touches a socket, a disk or a clock.
//!
//! | file | what |
//! | --- | --- |
//! | `begin.rs` | what an order begins with |
//! | `words.rs` | takes what the task brings |
//! | `heard.rs` | distrusts the records that the stream did not give itself |
//! | `compare.rs` | what the leader is asked about records that were read |
//! | `reading.rs` | turns records into turns and events |
//! | `own.rs` | the numbers of this node's turns that are in flight |
//! | `life.rs` | does what becomes due with time: start, beats, the end of silent nodes, resends |
//! | `beat.rs` | what each node tells the others all the time |
//! | `raise.rs` | brings all nodes to the behaviour of a newer version |
//! | `elsewhere.rs` | leaves a server over which nothing is ordered |
//! | `differing.rs` | names the nodes whose configuration is not the policy of the log |
//! | `pulse.rs` | the clock that stands still while the log does |
//! | `stopped.rs` | the sentences for the operator |

mod beat;
mod begin;
mod compare;
mod differing;
mod elsewhere;
mod heard;
mod life;
mod own;
mod pulse;
mod raise;
mod reading;
mod stopped;
#[cfg(test)]
mod tests;
mod words;

pub use beat::Process;
pub use begin::{Begin, Identity, Patience};
pub(super) use stopped::task_gone;

use super::stream::{FromStream, ToStream};
use super::{Next, NotTaken, OrderEvent, OrderReport, Ordered, Place, Readiness};
use beat::Beat;
use own::OwnTurns;
use pulse::Pulse;
use reading::Applying;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;
use tcp_chat_state::{Behaviour, NodeId, Turn};
use tcp_chat_turn_log::{
    Behaviours, Digest, Feed, Generation, Halt, Key, NodeId as LogNode, Proposal, ProposeError, Proposer,
    Reader, Record, ResumeError, Saved,
};

/// The behaviours that this version can follow.
pub const KNOWN: Behaviours = Behaviours { oldest: Behaviour::OLDEST.0, newest: Behaviour::NEWEST.0 };

/// The number of a node: the first four bytes of SHA-256 of its name, but never 0, which is a daemon without a cluster.
#[must_use]
pub fn node_id(name: &str) -> NodeId {
    let digest = crate::auth::sha256(name.as_bytes());
    let first = digest.0.first_chunk().copied().map_or(0, u32::from_be_bytes);
    NodeId(first.max(1))
}

/// A digest as text, to be compared by people: the first eight bytes of that of the log, and of that of the state.
#[must_use]
pub fn digits(digest: &Digest) -> String {
    let hex = |bytes: &[u8]| bytes.iter().take(8).map(|byte| format!("{byte:02x}")).collect::<String>();
    format!("{}-{}", hex(&digest.log), hex(&digest.state))
}

/// The order of a cluster's daemon. Times are those of one clock of this process that never goes back.
#[derive(Debug)]
pub struct LogOrder {
    key: Key,
    identity: Identity,
    me: LogNode,
    patience: Patience,
    founds: Option<Generation>,
    /// The clock of a founder, in milliseconds since 1970.
    founded_at: u64,
    /// By how much the clock of this host is behind that of the log, in milliseconds, as far as is known.
    clock_behind: u64,
    reader: Reader,
    feed: Feed,
    proposer: Proposer,
    /// The connection to the stream.
    link: Option<u64>,
    /// The end of the log when its leader was asked last, over this connection.
    target: Option<u64>,
    /// When the leader was asked last, over this connection.
    checked: Option<Duration>,
    /// The positions that were read before were compared, over this connection.
    is_compared: bool,
    /// The comparison that goes on has come to here. 0: none does.
    compared_to: u64,
    halt: Option<Halt>,
    /// Since when the stream is shorter than what was applied, and whether that was told.
    shorter: Option<(Duration, bool)>,
    /// The record that raised a doubt and is read again after it, or the one that the leader gave instead of a heard one.
    doubted: Option<Record>,
    heard_only: heard::Heard,
    /// Does this node take no requests because another one differs?
    is_suspect: bool,
    /// Does a living node differ? Then each node tells it to the others.
    is_disputed: bool,
    /// The turn that [`Self::next`] gives next, or gave last.
    applying: Option<Applying>,
    ready: Option<Ordered>,
    events: VecDeque<OrderEvent>,
    /// What came while a turn was being applied.
    later: Vec<FromStream>,
    out: VecDeque<ToStream>,
    own: OwnTurns,
    /// When each node has shown last that it lives, and its last beat.
    seen_alive: BTreeMap<LogNode, Duration>,
    beats: BTreeMap<LogNode, Beat>,
    life: life::Life,
    raising: raise::Raising,
    elsewhere: elsewhere::Elsewhere,
    pulse: Pulse,
    is_stopped: bool,
    /// The keys of this node's configuration that are not the policy of the log.
    differs_in: Vec<&'static str>,
}

impl LogOrder {
    /// An order without a connection.
    ///
    /// # Errors
    /// The store was written with another key, or by a version whose rules this one cannot follow.
    pub fn new(
        key: Key,
        identity: Identity,
        patience: Patience,
        begin: Begin,
        now: Duration,
    ) -> Result<Self, ResumeError> {
        let me = LogNode(node_id(&identity.name).0);
        let behaviours = identity.behaviours;
        let new = |base| Reader::new(key.clone(), me, behaviours, base);
        let founded_at = if let Begin::FoundAgain { time, .. } = begin { time } else { 0 };
        let (reader, founds) = match begin {
            Begin::Resume(Place(bytes)) => {
                (Reader::resume(key.clone(), me, behaviours, Saved::decode(&bytes)?)?, None)
            }
            Begin::FoundAgain { generation, place: Place(bytes), .. } => {
                let reader = Reader::resume(key.clone(), me, behaviours, Saved::decode(&bytes)?)?;
                (reader, Some(generation))
            }
            Begin::Empty => (new(Digest::default()), None),
            Begin::Found { generation, base } => (new(base), Some(generation)),
        };
        Ok(Self {
            feed: Feed::after(reader.read(), now),
            proposer: Proposer::new(key.clone(), me, patience.hold, now),
            reader,
            key,
            identity,
            me,
            patience,
            founds,
            founded_at,
            clock_behind: 0,
            link: None,
            target: None,
            checked: None,
            is_compared: false,
            compared_to: 0,
            halt: None,
            shorter: None,
            doubted: None,
            heard_only: heard::Heard::default(),
            is_suspect: false,
            is_disputed: false,
            applying: None,
            ready: None,
            events: VecDeque::new(),
            later: Vec::new(),
            out: VecDeque::new(),
            own: OwnTurns::default(),
            seen_alive: BTreeMap::new(),
            beats: BTreeMap::new(),
            life: life::Life::new(now),
            raising: raise::Raising::default(),
            elsewhere: elsewhere::Elsewhere::default(),
            pulse: Pulse::default(),
            is_stopped: false,
            differs_in: Vec::new(),
        })
    }

    /// The setting `hold`.
    #[must_use]
    pub fn hold_time(&self) -> Duration {
        self.patience.hold
    }

    /// The number of this node.
    #[must_use]
    pub fn node(&self) -> NodeId {
        NodeId(self.me.0)
    }

    /// The place in the log.
    #[must_use]
    pub fn place(&self) -> Place {
        Place(self.reader.saved().encode())
    }

    /// As [`super::Order::report`].
    #[must_use]
    pub fn report(&self, now: Duration) -> OrderReport {
        let members = self.reader.members();
        OrderReport {
            name: self.identity.name.clone(),
            state: self.readiness(now),
            connected: self.link.is_some(),
            members: self.living(),
            generation: self.reader.generation().map_or(0, |generation| generation.number),
            epoch: members.get(self.me).map_or(0, |member| member.epoch),
            is_up: self.proposer.is_up(),
            applied: self.reader.claim().applied,
            end: self.target,
            in_flight: self.proposer.in_flight(),
            behaviour: members.behaviour(),
            behaviour_known: self.identity.behaviours.newest,
            raise_waits_for: self.raise_waits_for(),
            policy_differs: self.policy_differs(),
            policy_differs_in: self.differs_in.clone(),
            digest: digits(&self.reader.claim().digest),
            clock_behind_s: Some(self.clock_behind / 1000).filter(|behind| *behind > 0),
        }
    }

    /// Is this the node that drives work without requests? It is the living node with the lowest number.
    #[must_use]
    pub fn is_driver(&self) -> bool {
        self.proposer.is_up()
            && self.reader.members().living().next().is_some_and(|(node, _)| node == self.me)
    }

    /// As [`super::Order::readiness`].
    #[must_use]
    pub fn readiness(&self, now: Duration) -> Readiness {
        let has_waited = self.life.blocked_since.is_some_and(|since| now >= since + self.patience.hold);
        // A log in which nobody writes can be gone, too.
        let is_silent = self.pulse.is_silent(now, self.patience.hold);
        if self.is_stopped || has_waited || is_silent || self.proposer.is_holding(now) {
            Readiness::Unavailable
        } else if !self.serves() || !self.proposer.has_room() {
            Readiness::Busy
        } else {
            Readiness::Ready
        }
    }

    /// Is this node a sound part of the cluster? A full window does not count: room comes by itself.
    #[must_use]
    pub fn serves(&self) -> bool {
        !self.is_stopped && self.proposer.is_up() && self.halt.is_none() && !self.is_suspect
    }

    /// As [`super::Order::propose`].
    ///
    /// # Errors
    /// The turn is not taken, and will never be applied.
    pub fn propose(&mut self, turn: &Turn, now: Duration) -> Result<u64, NotTaken> {
        if self.readiness(now) != Readiness::Ready {
            return Err(NotTaken::NotReady);
        }
        let body = turn.encode().map_err(|_| NotTaken::TooLong)?;
        match self.proposer.propose(&self.reader, Proposal::Turn(&body), now) {
            Ok(entry) => {
                self.publish(now);
                Ok(self.own.add(entry, now))
            }
            Err(ProposeError::Seal(_)) => Err(NotTaken::TooLong),
            Err(_) => Err(NotTaken::NotReady),
        }
    }

    /// As [`super::Order::next`].
    pub fn next(&mut self, now: Duration) -> Option<Next> {
        self.pass(now);
        loop {
            if let Some(event) = self.events.pop_front() {
                return Some(Next::Event(event));
            }
            if self.is_stopped {
                return None;
            }
            if let Some(ordered) = self.ready.take() {
                return Some(Next::Turn(ordered));
            }
            if self.applying.is_some() {
                return None;
            }
            if !self.read_next(now) {
                self.pass(now);
                if self.events.is_empty() {
                    return None;
                }
            }
        }
    }

    /// As [`super::Order::rest`].
    pub fn rest(&mut self, now: Duration, lives: bool) {
        if self.is_stopped {
            return;
        }
        self.note_time(now);
        self.life.is_resting = true;
        if lives && self.link.is_some() {
            self.beat(now);
        }
    }

    /// As [`super::Order::applied`], with the digest of the writes.
    pub fn applied(&mut self, outcome: &[u8; 32]) -> Option<Place> {
        let applying = self.applying.take()?;
        let place = self.commit(applying, outcome).then(|| Place(self.reader.saved().encode()));
        let now = self.life.now;
        for word in std::mem::take(&mut self.later) {
            self.take_word(word, now);
        }
        place
    }

    /// What is to be told to the task now, if anything.
    pub fn outgoing(&mut self) -> Option<ToStream> {
        self.out.pop_front()
    }

    /// When [`Self::next`] must be called although no word came.
    #[must_use]
    pub fn due(&self) -> Option<Duration> {
        if self.is_stopped {
            return None;
        }
        if self.life.is_resting {
            return Some(self.life.now + self.patience.gone_after / life::BEATS);
        }
        let linked = [self.proposer.wake(), Some(self.feed.wake())].into_iter().flatten();
        let first = linked.filter(|_| self.link.is_some()).min();
        let idle = self.life.now + self.idle();
        Some(first.map_or(idle, |first| first.min(idle)))
    }

    /// As [`super::Order::running`].
    #[must_use]
    pub fn running(&self, now: Duration) -> Duration {
        self.pulse.running(now)
    }
}
