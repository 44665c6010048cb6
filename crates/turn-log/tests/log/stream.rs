//! The log, and the network between it and the nodes. A connection keeps the order of its messages, as TCP does. But every
//! message may be lost, doubled or come seconds late, and in a storm and after a pause of the stream all orders are possible.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tcp_chat_turn_log::{Ask, LogTime, Record};

/// A small random generator (SplitMix64), so that a seed repeats a run.
#[derive(Debug)]
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.roll() % limit
    }

    pub(crate) fn percent(&mut self, chance: u64) -> bool {
        self.below(100) < chance
    }
}

/// A message on its way.
#[derive(Debug, Clone)]
pub(crate) enum Message {
    /// From a node.
    Publish { node: usize, bytes: Arc<[u8]> },
    /// From a node: the records that it asks for.
    Ask { node: usize, ask: Ask },
    /// From a node that applied `at`: where the stream ends, and what stands at these positions.
    Info { node: usize, at: u64, positions: Vec<u64> },
    /// To a node, over the subject or as an answer.
    Record { node: usize, record: Record, sent: Duration },
    /// To a node: the answer to `Info`. `asked`: the connection for which it was asked.
    State { node: usize, last: u64, at: u64, records: Vec<Record>, sent: Duration },
}

impl Message {
    /// When the stream sent it.
    pub(crate) fn sent(&self) -> Duration {
        match self {
            Self::Record { sent, .. } | Self::State { sent, .. } => *sent,
            _ => Duration::ZERO,
        }
    }

    /// The node, and whether the message is for it.
    pub(crate) fn connection(&self) -> (usize, bool) {
        match self {
            Self::Publish { node, .. } | Self::Ask { node, .. } | Self::Info { node, .. } => (*node, false),
            Self::Record { node, .. } | Self::State { node, .. } => (*node, true),
        }
    }
}

#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) dice: Dice,
    pub(crate) records: Vec<Record>,
    /// In time order; the second number keeps messages of one time apart.
    on_the_way: BTreeMap<(Duration, u64), Message>,
    count: u64,
    /// When the last message of each connection arrives, in each direction.
    last: BTreeMap<(usize, bool), Duration>,
    paused_until: Duration,
    storm_until: Duration,
    /// Healed: there are no faults from now on.
    pub(crate) is_calm: bool,
    /// The stream's clock is behind by this after a failover, in milliseconds.
    clock_behind: u64,
}

impl Stream {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            dice: Dice(seed),
            records: Vec::new(),
            on_the_way: BTreeMap::new(),
            count: 0,
            last: BTreeMap::new(),
            paused_until: Duration::ZERO,
            storm_until: Duration::ZERO,
            is_calm: false,
            clock_behind: 0,
        }
    }

    /// Puts a message on its way: lost, doubled, late, or as it should be.
    pub(crate) fn send(&mut self, message: &Message, now: Duration) {
        let is_storm = now < self.storm_until;
        let (lost, doubled, late) = match (self.is_calm, is_storm) {
            (true, _) => (0, 0, 0),
            (false, false) => (2, 2, 1),
            (false, true) => (30, 20, 10),
        };
        let is_lost = self.dice.percent(lost);
        let copies = u64::from(!is_lost) + u64::from(self.dice.percent(doubled));
        for _ in 0..copies {
            let arrives = if self.dice.percent(late) {
                now + Duration::from_millis(1_000 + self.dice.below(15_000))
            } else if is_storm && !self.is_calm {
                now + Duration::from_millis(self.dice.below(200))
            } else {
                let last = self.last.entry(message.connection()).or_default();
                *last = (*last).max(now + Duration::from_millis(self.dice.below(20)));
                *last
            };
            self.count += 1;
            self.on_the_way.insert((arrives, self.count), message.clone());
        }
    }

    pub(crate) fn pause(&mut self, until: Duration) {
        self.paused_until = self.paused_until.max(until);
        // Another server leads after it, and its clock is another one.
        self.clock_behind = self.dice.below(3_000);
    }

    pub(crate) fn storm(&mut self, until: Duration) {
        self.storm_until = self.storm_until.max(until);
    }

    /// The stream loses its end.
    pub(crate) fn forget(&mut self, records: usize) -> Vec<Record> {
        // The genesis stays: without it there is no chat.
        let kept = self.records.len().saturating_sub(records).max(1).min(self.records.len());
        self.records.split_off(kept)
    }

    /// Delivers what is due: to the stream itself, or returned for the nodes.
    pub(crate) fn step(&mut self, now: Duration, nodes: usize) -> Vec<Message> {
        let mut due = Vec::new();
        let later = self.on_the_way.split_off(&(now, u64::MAX));
        for message in std::mem::replace(&mut self.on_the_way, later).into_values() {
            let is_for_the_stream = !message.connection().1;
            if is_for_the_stream && now < self.paused_until {
                // A paused leader has taken it: it is stored when the leader wakes up, out of order, or twice.
                self.count += 1;
                let out_of_order = if self.is_calm { 1 } else { 30 };
                let late = self.paused_until + Duration::from_millis(self.dice.below(out_of_order));
                self.on_the_way.insert((late, self.count), message.clone());
                if self.dice.percent(10) && !self.is_calm {
                    self.count += 1;
                    let later = late + Duration::from_millis(self.dice.below(10_000));
                    self.on_the_way.insert((later, self.count), message);
                }
                continue;
            }
            match message {
                Message::Publish { bytes, .. } => self.store(bytes, now, nodes),
                Message::Ask { node, ask } => {
                    let place = |sequence: u64| usize::try_from(sequence).unwrap().min(self.records.len());
                    let answers = self.records[place(ask.first - 1)..place(ask.last)].to_vec();
                    for record in answers {
                        self.send(&Message::Record { node, record, sent: now }, now);
                    }
                }
                Message::Info { node, at, positions } => {
                    let last = self.records.len() as u64;
                    let here = |position: &u64| usize::try_from(*position - 1).ok();
                    let records = positions.iter().filter_map(|p| self.records.get(here(p)?).cloned());
                    let records = records.collect();
                    self.send(&Message::State { node, last, at, records, sent: now }, now);
                }
                to_a_node => due.push(to_a_node),
            }
        }
        due
    }

    fn store(&mut self, bytes: Arc<[u8]>, now: Duration, nodes: usize) {
        let sequence = self.records.len() as u64 + 1;
        let millis = u64::try_from(now.as_millis()).unwrap();
        let stamp = LogTime(10_000 + millis - self.clock_behind.min(millis));
        let record = Record { sequence, stamp, bytes };
        self.records.push(record.clone());
        for node in 0..nodes {
            self.send(&Message::Record { node, record: record.clone(), sent: now }, now);
        }
    }
}
