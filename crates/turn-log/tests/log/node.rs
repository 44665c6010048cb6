//! A daemon without sockets and without a chat: its store, and the parts of the crate put together as a daemon would.

use crate::stream::{Dice, Message, Stream};
use std::collections::BTreeMap;
use std::time::Duration;
use tcp_chat_turn_log::{
    ASK_AGAIN, Behaviours, Digest, Event, Feed, Generation, Gone, Halt, Hello, Key, LogTime, News, NodeId,
    Offered, Proposal, ProposeError, Proposer, Reader, Record, Saved, Standing, Step,
};

const HOLD: Duration = Duration::from_secs(15);
const GONE_AFTER: Duration = Duration::from_secs(6);
const BEAT: Duration = Duration::from_secs(2);
pub(crate) const BEHAVIOURS: Behaviours = Behaviours { oldest: 1, newest: 1 };

/// How much the nodes propose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Load {
    Full,
    /// Only what tells others that a node lives.
    Beats,
    Nothing,
}

/// What survives a death: the position and the turns, written together.
#[derive(Debug, Clone, Default)]
pub(crate) struct Disk {
    pub(crate) place: Option<Vec<u8>>,
    pub(crate) turns: Vec<Vec<u8>>,
    pub(crate) time: LogTime,
}

/// What the world knows of all turns.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// The next text of a turn.
    next: u64,
    /// Acknowledged: the process, and the text.
    pub(crate) acknowledged: Vec<(usize, Vec<u8>)>,
    /// Of these a node was promised that they never count.
    pub(crate) void: Vec<Vec<u8>>,
}

/// A process.
#[derive(Debug)]
pub(crate) struct Node {
    /// Where messages to it go.
    pub(crate) address: usize,
    pub(crate) id: NodeId,
    pub(crate) disk: Disk,
    pub(crate) live: Option<Live>,
    pub(crate) paused_until: Duration,
    pub(crate) cut_until: Duration,
    pub(crate) dead_until: Duration,
    pub(crate) is_replaced: bool,
    pub(crate) diverges: bool,
    /// Was it started from an old backup?
    pub(crate) has_lost_its_store: bool,
}

/// What dies with a process.
#[derive(Debug)]
pub(crate) struct Live {
    reader: Reader,
    feed: Feed,
    pub(crate) proposer: Proposer,
    state: Disk,
    pub(crate) halt: Option<Halt>,
    /// The end of the log when it connected.
    target: Option<u64>,
    /// The record that raised a doubt.
    doubted: Option<Record>,
    /// When it asked for the end of the log, and when it connected.
    asked: Duration,
    connected: Duration,
    is_connected: bool,
    /// When each node was heard last.
    heard: BTreeMap<NodeId, Duration>,
    beat: Duration,
    /// The texts in flight, by number, and what to acknowledge after the commit.
    proposed: BTreeMap<u64, Vec<u8>>,
    counted: Vec<Vec<u8>>,
    /// The position in the store.
    kept: u64,
}

impl Node {
    pub(crate) fn new(address: usize, id: u32, disk: Disk) -> Self {
        Self {
            address,
            id: NodeId(id),
            disk,
            live: None,
            paused_until: Duration::ZERO,
            cut_until: Duration::ZERO,
            dead_until: Duration::ZERO,
            is_replaced: false,
            diverges: false,
            has_lost_its_store: false,
        }
    }

    /// Dies: what was not committed is gone.
    pub(crate) fn die(&mut self, until: Duration) {
        self.live = None;
        self.dead_until = self.dead_until.max(until);
    }

    fn is_cut(&self, now: Duration) -> bool {
        now < self.cut_until
    }

    fn start(&mut self, key: &Key, now: Duration) {
        let reader = match &self.disk.place {
            None => Reader::new(key.clone(), self.id, BEHAVIOURS, Digest::default()),
            Some(place) => {
                let saved = Saved::decode(place).unwrap();
                Reader::resume(key.clone(), self.id, BEHAVIOURS, saved).unwrap()
            }
        };
        self.live = Some(Live {
            feed: Feed::after(reader.read(), now),
            reader,
            proposer: Proposer::new(key.clone(), self.id, HOLD, now),
            state: self.disk.clone(),
            halt: None,
            target: None,
            doubted: None,
            asked: now,
            connected: now,
            is_connected: false,
            heard: BTreeMap::new(),
            beat: now,
            proposed: BTreeMap::new(),
            counted: Vec::new(),
            kept: 0,
        });
    }

    /// A message arrives. While the process is paused the world keeps it.
    pub(crate) fn hear(&mut self, message: Message, now: Duration, ledger: &mut Ledger) {
        let is_cut = self.is_cut(now);
        let diverges = self.diverges;
        // What was sent over an earlier connection died with it.
        let is_heard = |live: &&mut Live| !live.has_ended() && !is_cut && message.sent() >= live.connected;
        let Some(live) = self.live.as_mut().filter(is_heard) else {
            return;
        };
        match message {
            Message::Record { record, .. } => {
                if let Offered::Old(record) = live.feed.offer(record, now) {
                    live.halt = live.reader.recheck(&record).err();
                }
            }
            Message::State { last, at, records, .. } => {
                live.halt = live.reader.ends_at(last, at).err();
                for record in &records {
                    live.halt = live.reader.recheck(record).err();
                }
                if let Some(record) = live.doubted.take_if(|_| matches!(live.halt, Some(Halt::Doubt(_)))) {
                    live.reader.rechecked();
                    live.halt = None;
                    self.is_replaced |= live.read(&record, diverges, now, ledger);
                }
                live.feed.ends_at(last);
                live.target = Some(last);
            }
            _ => {}
        }
        // The answer of a server, and the check after a reconnect, come before reading on.
        while live.halt.is_none()
            && live.target.is_some()
            && let Some(record) = live.feed.take()
        {
            self.is_replaced |= live.read(&record, diverges, now, ledger);
        }
    }

    /// One step of a process that runs.
    pub(crate) fn step(
        &mut self,
        key: &Key,
        stream: &mut Stream,
        ledger: &mut Ledger,
        load: Load,
        now: Duration,
    ) {
        if self.live.is_none() {
            self.start(key, now);
        }
        let is_cut = self.is_cut(now);
        let Some(live) = self.live.as_mut().filter(|live| !live.has_ended()) else {
            return;
        };
        if is_cut {
            live.proposer.disconnected(now);
            live.is_connected = false;
            live.target = None;
        } else if !live.is_connected {
            live.is_connected = true;
            live.connected = now;
            live.asked = Duration::ZERO;
            live.proposer.connected();
            live.feed = Feed::after(live.reader.rewind(), now);
            live.doubted = None;
            live.halt = live.halt.filter(|halt| !matches!(halt, Halt::Doubt(_)));
            live.feed.reconnected(now);
        }
        let is_behind = live.target.is_none_or(|target| live.reader.read() < target);
        let is_unsure = is_behind || live.halt.is_some();
        if !is_cut && is_unsure && now >= live.asked + ASK_AGAIN {
            live.asked = now;
            let at = live.reader.claim().applied;
            let positions = live.reader.remembered().filter(|position| *position > 0).collect();
            stream.send(&Message::Info { node: self.address, at, positions }, now);
        }
        live.propose(self.id, &mut stream.dice, ledger, load, now);
        if !is_cut {
            for bytes in live.proposer.to_send(now) {
                stream.send(&Message::Publish { node: self.address, bytes }, now);
            }
            if let Some(ask) = live.feed.ask(now) {
                stream.send(&Message::Ask { node: self.address, ask }, now);
            }
        }
        // Some turns are kept together, some wait for the next step.
        if stream.dice.percent(70) && live.kept != live.reader.claim().applied {
            live.kept = live.reader.claim().applied;
            self.disk.place = Some(live.reader.saved().encode());
            self.disk.time = live.state.time;
            let kept = self.disk.turns.len();
            self.disk.turns.extend_from_slice(&live.state.turns[kept..]);
            let address = self.address;
            ledger.acknowledged.extend(live.counted.drain(..).map(|text| (address, text)));
        }
    }
}

impl Live {
    /// Does it hold for good? A stream that is shorter may be a server that is behind, and a doubt can be settled.
    fn has_ended(&self) -> bool {
        !matches!(self.halt, None | Some(Halt::Shorter { .. } | Halt::Doubt(_)))
    }

    /// Reads one record. Says whether another process has replaced this one.
    fn read(&mut self, record: &Record, diverges: bool, now: Duration, ledger: &mut Ledger) -> bool {
        let news = match self.reader.accept(record) {
            Err(halt) => {
                self.halt = Some(halt);
                if let Halt::Doubt(_) = halt {
                    self.doubted = Some(record.clone());
                }
                return false;
            }
            Ok(Step::Void(void)) => self.proposer.void(record, void),
            Ok(Step::Counts(pending)) => {
                let entry = pending.entry();
                assert!(entry.time >= self.state.time, "the time of the log went back");
                self.state.time = entry.time;
                self.heard.insert(entry.header.node, now);
                let mut outcome = [0; 32];
                if let Event::Turn(text) = &entry.event {
                    self.state.turns.push(text.clone());
                    outcome[..8].copy_from_slice(&(self.state.turns.len() as u64).to_be_bytes());
                    outcome[8] = u8::from(diverges);
                }
                let entry = pending.applied(&outcome);
                self.proposer.counted(&entry, now)
            }
        };
        match news {
            None | Some(News::Up) => {}
            Some(News::StartVoid(void)) => {
                assert!(!matches!(void, tcp_chat_turn_log::Void::Unfit(_)), "{void}");
            }
            Some(News::Counted(n)) => self.counted.extend(self.proposed.remove(&n)),
            Some(News::Fenced(numbers)) => self.never(&numbers, ledger),
            Some(News::Replaced(numbers)) => {
                self.never(&numbers, ledger);
                return true;
            }
        }
        false
    }

    /// These numbers never count.
    fn never(&mut self, numbers: &[u64], ledger: &mut Ledger) {
        ledger.void.extend(numbers.iter().filter_map(|n| self.proposed.remove(n)));
        assert!(self.proposed.is_empty(), "neither counted nor void: {:?}", self.proposed);
    }

    fn propose(&mut self, me: NodeId, dice: &mut Dice, ledger: &mut Ledger, load: Load, now: Duration) {
        let is_at_the_end = self.target.is_some_and(|target| self.reader.read() >= target);
        if self.proposer.is_down() && is_at_the_end {
            let hello = Hello { behaviours: BEHAVIOURS, details: vec![] };
            if self.reader.generation().is_some() {
                self.proposer.start(&self.reader, &hello, now).unwrap();
            } else if me == NodeId(0) {
                let generation = Generation { number: 1, tag: 5 };
                self.proposer.found(&self.reader, generation, 1, &hello, now).unwrap();
            }
            self.heard = self.reader.members().living().map(|(node, _)| (node, now)).collect();
        }
        if !self.proposer.is_up() || load == Load::Nothing || self.halt.is_some() {
            return;
        }
        let is_loaded = load == Load::Full;
        let is_suspect = self.reader.standing() == Standing::Suspect;
        let is_due = now >= self.beat + BEAT || (is_loaded && !is_suspect && dice.percent(8));
        if is_due {
            let burst = if is_loaded && dice.percent(1) { 70 } else { 1 };
            for _ in 0..burst {
                self.turn(ledger, now);
            }
        }
        if now >= self.beat + 2 * HOLD {
            ledger.void.extend(self.proposer.withdraw().iter().filter_map(|n| self.proposed.remove(n)));
        }
        let silent: Vec<Gone> = self
            .reader
            .members()
            .living()
            .filter(|(node, _)| *node != me)
            .filter(|(node, _)| now >= *self.heard.entry(*node).or_insert(now) + GONE_AFTER)
            .map(|(node, member)| Gone { node, epoch: member.epoch })
            .collect();
        for gone in silent {
            self.heard.insert(gone.node, now);
            let _ = self.proposer.propose(&self.reader, Proposal::Gone(gone), now);
        }
    }

    fn turn(&mut self, ledger: &mut Ledger, now: Duration) {
        let text = ledger.next.to_be_bytes().to_vec();
        ledger.next += 1;
        match self.proposer.propose(&self.reader, Proposal::Turn(&text), now) {
            Ok(n) => {
                self.beat = now;
                self.proposed.insert(n, text);
            }
            Err(ProposeError::Full | ProposeError::Hold) => ledger.void.push(text),
            Err(error) => panic!("{error}"),
        }
    }
}
