//! Owns what becomes due with time: the questions to the leader, the start of this node, its beats, the end of silent nodes,
//! resends, and `hold`. The order calls it before it reads. Never reads a clock: time is an argument.

use super::beat::{Beat, Process};
use super::reading::Details;
use super::{Identity, LogOrder, stopped};
use crate::order::OrderEvent;
use crate::order::stream::ToStream;
use std::time::Duration;
use tcp_chat_state::{NodeId, Turn};
use tcp_chat_turn_log::{ASK_AGAIN, Gone, Hello, NodeId as LogNode, Proposal};

/// A node whose epoch still lives asks for this long whether another process has its name, before it starts.
const PROBE: Duration = Duration::from_secs(1);
/// How many beats are sent within the time after which a silent node is closed.
pub(super) const BEATS: u32 = 4;
/// Each node waits longer by this than the one with the next lower number, before it closes a silent one.
const RANK: Duration = Duration::from_secs(1);
/// How often a node proposes an empty turn while another one differs.
const SPEAKS: Duration = Duration::from_secs(2);

/// When things were done last.
#[derive(Debug)]
pub(super) struct Life {
    /// The last time that the order was told.
    pub(super) now: Duration,
    /// Since when nothing can be proposed, whatever comes back.
    pub(super) blocked_since: Option<Duration>,
    beat: Option<Duration>,
    beats: u64,
    /// Since when this node has asked whether another process has its name.
    probing: Option<Duration>,
    /// When a start of this node was void last.
    pub(super) void_start: Option<Duration>,
    spoke: Option<Duration>,
    /// When an entry counted last.
    pub(super) counted: Duration,
    /// The hub was told that own turns are stuck.
    is_stuck: bool,
    /// The store cannot be written, so nothing is read.
    pub(super) is_resting: bool,
    /// The process ends: no epoch begins any more.
    is_leaving: bool,
}

impl Life {
    pub(super) fn new(now: Duration) -> Self {
        Self {
            now,
            blocked_since: Some(now),
            beat: None,
            beats: 0,
            probing: None,
            void_start: None,
            spoke: None,
            counted: now,
            is_stuck: false,
            is_resting: false,
            is_leaving: false,
        }
    }
}

impl LogOrder {
    /// How long nothing becomes due.
    pub(super) fn idle(&self) -> Duration {
        let beat = self.patience.gone_after / BEATS;
        let is_settled = self.serves() && self.proposer.in_flight() == 0;
        if is_settled { beat } else { beat.min(ASK_AGAIN / 4) }
    }

    /// Does all that is due.
    pub(super) fn pass(&mut self, now: Duration) {
        if self.is_stopped || self.applying.is_some() {
            return;
        }
        self.note_time(now);
        if std::mem::take(&mut self.life.is_resting) {
            // What the others proposed meanwhile was not read.
            self.seen_alive.clear();
        }
        if self.serves() {
            self.life.blocked_since = None;
        } else if self.life.blocked_since.is_none() {
            self.life.blocked_since = Some(now);
        }
        if let Some(link) = self.link {
            self.check(link, now);
            self.out.extend(self.feed.ask(now).map(ToStream::Read));
            self.start(now);
            self.beat(now);
            self.close_silent(now);
            self.speak_if_due(now);
            self.raise_if_due(now);
            self.leave_server_if_due(link, now);
        }
        self.hold(now);
        self.publish(now);
    }

    /// It is that time.
    pub(super) fn note_time(&mut self, now: Duration) {
        let slept = now.saturating_sub(self.life.now);
        self.life.now = now;
        if slept > self.patience.gone_after / 2 {
            // This process was paused: what others told meanwhile is still on its way.
            self.seen_alive.clear();
        }
    }

    /// Publishes what is due.
    pub(super) fn publish(&mut self, now: Duration) {
        self.out.extend(self.proposer.to_send(now).into_iter().map(ToStream::Publish));
    }

    /// Closes this node's epoch, before its process ends. The others notice it at once. False: it is not proposed now; if it
    /// never is, the others notice the silence.
    pub fn leave(&mut self, now: Duration) -> bool {
        self.life.is_leaving = true;
        if !self.proposer.is_up() {
            // There is no epoch to close.
            self.events.push_back(OrderEvent::Fenced(Vec::new()));
            return true;
        }
        let epoch = self.reader.members().get(self.me).map_or(0, |member| member.epoch);
        let gone = Proposal::Gone(Gone { node: self.me, epoch });
        let is_proposed = self.proposer.propose(&self.reader, gone, now).is_ok();
        self.publish(now);
        is_proposed
    }

    /// Has everything been read that the log had when its leader was asked?
    pub(super) fn is_at_the_end(&self) -> bool {
        self.halt.is_none() && self.target.is_some_and(|target| self.reader.read() >= target)
    }

    /// Asks the leader of the stream.
    fn check(&mut self, link: u64, now: Duration) {
        let is_due = self.checked.is_none_or(|asked| now >= asked + ASK_AGAIN);
        let asks = self.heard_only.asks();
        if !is_due || (self.is_at_the_end() && !self.pulse.is_old(now) && !asks) {
            return;
        }
        self.checked = Some(now);
        self.out.push_back(ToStream::Check(self.question(link)));
    }

    /// Starts this node at the end of the log.
    fn start(&mut self, now: Duration) {
        if !self.proposer.is_down() || !self.is_at_the_end() || self.life.is_leaving {
            self.life.probing = None;
            return;
        }
        if let Some(other) = self.namesake() {
            return self.stop(stopped::same_number(&self.identity.name, &other));
        }
        if self.reader.saved().has_ended() && self.founds.is_none() {
            // Only the genesis of a later generation counts for this store, and the log has none.
            return self.stop(stopped::half_reseeded());
        }
        if self.life.void_start.is_some_and(|at| now < at + ASK_AGAIN) {
            return;
        }
        if self.is_running_before() {
            let since = *self.life.probing.get_or_insert(now);
            if now < since + PROBE {
                return;
            }
        }
        let Identity { name, address, behaviours, .. } = self.identity.clone();
        let details = Details { name, address, time: self.founded_at };
        let hello = Hello { behaviours, details: details.encode() };
        let started = match (self.reader.generation(), self.founds) {
            (_, Some(generation))
                if self.reader.generation().is_none_or(|g| g.number < generation.number) =>
            {
                let behaviour = self.first_behaviour();
                self.proposer.found(&self.reader, generation, behaviour, &hello, now)
            }
            (Some(_), _) => self.proposer.start(&self.reader, &hello, now),
            (None, _) => return self.stop(stopped::no_genesis()),
        };
        // Without random bits there is no seal. It is tried again.
        let _ = started;
    }

    /// Does an epoch of this node live, of an earlier process or of another one?
    fn is_running_before(&self) -> bool {
        self.reader.members().living().any(|(node, _)| node == self.me)
    }

    /// Tells the others that this node lives, or asks whether it does.
    pub(super) fn beat(&mut self, now: Duration) {
        let is_up = self.proposer.is_up();
        let is_due = self.life.beat.is_none_or(|last| {
            let every = self.patience.gone_after / BEATS;
            now >= last + if is_up { every } else { every.min(PROBE / 4) }
        });
        if is_due && (is_up || self.life.probing.is_some()) {
            self.life.beat = Some(now);
            self.send_beat(None);
        }
    }

    fn send_beat(&mut self, answers: Option<Process>) {
        let Some(generation) = self.reader.generation() else { return };
        let epoch = self.reader.members().get(self.me).map(|member| member.epoch);
        self.life.beats += 1;
        let beat = Beat {
            node: self.me,
            process: self.identity.process,
            generation: generation.tag,
            epoch: epoch.filter(|_| self.proposer.is_up()),
            differs: !self.differs_in.is_empty(),
            answers,
            number: self.life.beats,
        };
        self.out.extend(beat.seal(&self.key).map(ToStream::Beat));
    }

    pub(super) fn hear_beat(&mut self, bytes: &[u8], now: Duration) {
        let Some(beat) = Beat::open(&self.key, bytes) else { return };
        let is_of_this_log = self.reader.generation().is_some_and(|g| g.tag == beat.generation);
        if beat.process == self.identity.process || !is_of_this_log {
            return;
        }
        let Some(epoch) = beat.epoch else {
            if beat.node == self.me && self.proposer.is_up() {
                // Another process wants to start under this name: it is told that this one lives.
                self.life.beat = Some(now);
                self.send_beat(Some(beat.process));
            }
            return;
        };
        let living = self.reader.members().living().find(|(node, _)| *node == beat.node);
        if living.is_none_or(|(_, member)| member.epoch != epoch) {
            return;
        }
        let last = self.beats.get(&beat.node).filter(|last| last.process == beat.process);
        if last.is_some_and(|last| last.number >= beat.number) {
            return;
        }
        self.beats.insert(beat.node, beat);
        if beat.node != self.me {
            self.seen_alive.insert(beat.node, now);
        } else if beat.answers == Some(self.identity.process) && self.life.probing.is_some() {
            // A living process answers each question. Any other beat may be an old one of a process that was killed.
            self.stop(stopped::name_is_used(&self.identity.name));
        }
    }

    /// Closes the epochs of nodes that were silent for too long. The living node with the lowest number does it first.
    fn close_silent(&mut self, now: Duration) {
        if !self.proposer.is_up() || !self.is_at_the_end() || self.proposer.is_holding(now) {
            return;
        }
        let others = self.reader.members().living().filter(|(node, _)| *node != self.me);
        let others: Vec<(LogNode, u64)> = others.map(|(node, member)| (node, member.epoch)).collect();
        let mut silent = Vec::new();
        let mut rank = 0;
        for (node, epoch) in others {
            let alive = *self.seen_alive.entry(node).or_insert(now);
            if now >= alive + self.patience.gone_after {
                silent.push((alive, Gone { node, epoch }));
            } else {
                rank += u32::from(node < self.me);
            }
        }
        for (alive, gone) in silent {
            if now < alive + self.patience.gone_after + rank * RANK {
                continue;
            }
            if self.proposer.propose(&self.reader, Proposal::Gone(gone), now).is_ok() {
                self.seen_alive.insert(gone.node, now);
            }
        }
    }

    /// Proposes an empty turn: while two nodes differ, each tells the others on which side it is, also one that has nothing to
    /// say; and the driver lets the log go on.
    fn speak_if_due(&mut self, now: Duration) {
        let last = self.life.spoke;
        let waited = |time: Duration| last.is_none_or(|last| now >= last + time);
        let is_quiet = self.is_driver() && now >= self.life.counted + self.patience.quiet;
        let is_due = (self.is_disputed && waited(SPEAKS)) || (is_quiet && waited(self.patience.hold));
        if !is_due || self.halt.is_some() {
            return;
        }
        let empty = Turn { node: NodeId(self.me.0), ..Turn::empty(0) };
        if let Ok(body) = empty.encode()
            && self.proposer.propose(&self.reader, Proposal::Turn(&body), now).is_ok()
        {
            self.life.spoke = Some(now);
        }
    }

    /// After the time of `hold`, what was not published is taken back, and the hub is told about the rest.
    fn hold(&mut self, now: Duration) {
        if !self.proposer.is_holding(now) {
            self.life.is_stuck = false;
            return;
        }
        let withdrawn = self.proposer.withdraw();
        let numbers = self.own.never(&withdrawn);
        if !numbers.is_empty() {
            self.events.push_back(OrderEvent::Withdrawn(numbers));
        }
        if !self.life.is_stuck && !self.own.is_empty() {
            self.life.is_stuck = true;
            self.events.push_back(OrderEvent::Stuck);
        }
    }
}
