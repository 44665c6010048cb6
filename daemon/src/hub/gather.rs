//! Owns the size of a turn: by commands, by bytes and, for requests other than messages, by the time that such
//! requests took in earlier turns. So a turn is short at every load, and the commands that it does not take come first
//! in the next one. Called by the turn. Never waits, and never decides which requests are allowed: the edge does.

use super::encoded::{most_bytes, most_bytes_of_intents, most_bytes_of_operator};
use super::pace::Pace;
use super::past::Rewrites;
use super::waiting::Waiting;
use super::{Control, Entry, HELD, Hub, Outbox};
use crate::edge::{Ask, Command, LIGHT_BYTES, Now};
use crate::log;
use crate::order::Readiness;
use std::sync::Arc;
use std::time::Duration;
use tcp_chat_state::{ConnectionId, IdMap, Intent};
use tokio::time::Instant;
use tracing::{error, warn};

/// The largest number of commands that one turn takes of those that come first, so that a commit stays short.
pub(super) const TURN_COMMANDS: usize = 2048;
/// Bytes that a turn writes, or reads and writes again, after which it takes no further message; the last one can exceed it.
/// Even then the turn takes other requests of [`LIGHT_BYTES`], or one long message.
pub(super) const TURN_BYTES: usize = 512 * 1024;
/// The longest encoded form of what a turn takes, in bytes. An entry of a log takes [`tcp_chat_state::MOST_BYTES`]; the
/// difference is for the slow work: the ends of 512 sessions, and a step of an erasure with 200 messages that users are told
/// of. A command that is longer alone has a turn of its own. No entry of a log takes it: a daemon without a log goes on.
pub(super) const ENCODED_BYTES: usize = 448 * 1024;
/// The part of it for the commands that come first.
const FIRST_BYTES: usize = 376 * 1024;
/// The longest time that one turn spends on requests other than messages, so that messages wait no longer than that.
pub(super) const TURN_TIME: Duration = Duration::from_millis(1);

/// Bytes of a page of the store.
const PAGE_BYTES: usize = 4096;
/// Time until the next step of an erasure after the store could not be read, or had no room.
const ERASE_AGAIN: Duration = Duration::from_secs(1);

/// The commands that a turn has taken.
#[derive(Debug, Default)]
pub(super) struct Taken {
    pub(super) commands: usize,
    bytes: usize,
    /// The longest encoded form of what it has taken.
    encoded: usize,
    /// The bound of `encoded` for the commands that come first.
    room: usize,
    /// The next command is too long for this turn.
    is_out: bool,
    /// The number of requests other than messages, each as many lines as it counts.
    pub(super) weight: usize,
    /// The place of the first intent that is not a message.
    pub(super) heavy_at: usize,
    /// The place of the first intent of slow work.
    pub(super) slow_at: usize,
    /// The steps of slow work.
    pub(super) steps: usize,
    /// More sessions have expired than this turn ends.
    pub(super) is_more_overdue: bool,
    /// It has slow work, or other work that no client has asked for.
    pub(super) has_work: bool,
}

impl Taken {
    fn add(&mut self, command: &Command, encoded: usize) {
        self.commands += 1;
        self.encoded += encoded;
        self.bytes += match command {
            Command::Ask(_, Ask::Say(_, json)) => json.len() + 200,
            _ => 64,
        };
    }

    /// Adds the command if there is room for more.
    fn takes(&mut self, command: &Command) -> bool {
        let encoded = most_bytes(command);
        self.is_out |= self.encoded + encoded > self.room;
        let takes = !self.is_full();
        if takes {
            self.add(command, encoded);
        }
        takes
    }

    /// Does the next command of those that take turns fit? If not, returns its bytes. One that fits no turn comes alone.
    fn fits(&self, command: &Command) -> Result<(), usize> {
        let bytes = most_bytes(command);
        let fits = self.encoded + bytes <= ENCODED_BYTES || (bytes > ENCODED_BYTES && self.commands == 0);
        if fits { Ok(()) } else { Err(bytes) }
    }

    fn is_full(&self) -> bool {
        self.is_out || self.encoded >= self.room || self.commands >= TURN_COMMANDS || self.bytes >= TURN_BYTES
    }
}

impl Hub {
    /// Gathers a turn: the edge admits what it takes. Of an order that is busy only what does not need it.
    pub(super) fn gather(&mut self, now: Now, waiting: &mut Waiting, readiness: Readiness) -> Taken {
        self.edge.note_held(readiness != Readiness::Ready);
        self.edge.begin(now);
        let retains = if self.may_work(readiness) { self.retains.take() } else { None };
        if let Some(oldest) = retains {
            self.edge.propose(Intent::Retain(oldest));
        }
        let is_busy = readiness == Readiness::Busy;
        if self.order.is_log() && self.shared.may_go_on(is_busy) {
            waiting.take_back();
        }
        if is_busy {
            self.set_aside(waiting);
        }
        self.rewrites = Rewrites::default();
        // A command that found no room in the last turn has it now, but not in two turns in a row: what comes first would
        // wait for a queue of long commands.
        let needed = waiting.take_needed();
        self.has_given_room = needed > 0 && !self.has_given_room;
        let needed = if self.has_given_room { needed } else { 0 };
        let room = FIRST_BYTES.min(ENCODED_BYTES.saturating_sub(needed));
        let encoded = most_bytes_of_intents(self.edge.intents());
        let mut taken = Taken { encoded, room, has_work: retains.is_some(), ..Taken::default() };
        while !taken.is_full() {
            let Some((entry, is_all)) = waiting.next_first(|command| taken.takes(command)) else { break };
            match entry {
                Entry::Open(connection, address, outbox) => {
                    self.outboxes.insert(connection, outbox);
                    self.admit(connection, Command::Open(address));
                }
                Entry::Commands(connection, list) => {
                    if is_all {
                        self.heard.push(connection);
                    }
                    list.into_iter().for_each(|command| self.admit(connection, command));
                }
                Entry::Control(control) => {
                    let encoded = match &control {
                        Control::Rules(rules, _) => most_bytes_of_operator(Some(rules)),
                        Control::Say(text, _) => most_bytes_of_operator(None) + text.len(),
                        _ => most_bytes_of_operator(None),
                    };
                    // A policy may be so long that it needs a turn of its own.
                    if taken.encoded + encoded > ENCODED_BYTES && self.edge.proposed() > 0 {
                        waiting.put_back(Entry::Control(control));
                        break;
                    }
                    taken.encoded += encoded;
                    self.control(control);
                }
            }
            taken.bytes += self.rewrites.take_bytes();
        }
        taken.heavy_at = self.edge.proposed();
        self.gather_steps(waiting, &mut taken, is_busy);
        taken.slow_at = self.edge.proposed();
        if self.may_work(readiness) {
            self.gather_work(now, &mut taken);
        }
        taken
    }

    fn admit(&mut self, connection: ConnectionId, command: Command) {
        if matches!(command, Command::Lost) {
            self.lost.push(connection);
        }
        let past = self.past(connection, &command);
        self.edge.admit(&self.state, connection, command, past);
    }

    /// Sets the entries aside that wait for a busy order.
    fn set_aside(&self, waiting: &mut Waiting) {
        waiting.set_aside(|entry| match entry {
            Entry::Open(..) => false,
            Entry::Commands(c, list) => list.iter().any(|command| self.edge.needs_order(*c, command)),
            // While the store fails it is refused at once.
            Entry::Control(control) => control.needs_order() && self.failing.is_none(),
        });
    }

    /// Takes requests other than messages: some of them in every turn, also beside messages that fill it.
    fn gather_steps(&mut self, waiting: &mut Waiting, taken: &mut Taken, is_busy: bool) {
        let began = std::time::Instant::now();
        // Beside messages that fill the turn: one long message, or as many other requests as the time allows.
        let enough = TURN_BYTES.max(taken.bytes + LIGHT_BYTES);
        let most = self.heavy_pace.most(self.turn_time);
        let is_full = |outboxes: &IdMap<_, Arc<Outbox>>, c| outboxes.get(&c).is_some_and(|o| o.is_over());
        let now = Instant::now();
        if waiting.holds() && now >= self.held_at {
            self.held_at = now + HELD;
            waiting.release(|c| is_full(&self.outboxes, c));
        }
        while let Some(step) = waiting.next_step(
            |c| is_full(&self.outboxes, c),
            |c, command| {
                (is_busy && self.edge.needs_order(c, command)) || self.edge.must_wait(&self.state, c, command)
            },
            |command| taken.fits(command),
        ) {
            if step.ends_batch {
                self.heard.push(step.connection);
            }
            if let Some(command) = step.command {
                taken.add(&command, most_bytes(&command));
                taken.weight += self.edge.weight(&self.state, step.connection, &command);
                self.admit(step.connection, command);
                taken.bytes += self.rewrites.take_bytes();
            }
            // A message behind another request is gathered in no time, and is written at the end.
            if taken.bytes >= enough || taken.weight >= most || began.elapsed() >= self.turn_time {
                break;
            }
        }
        // With a log, what they wait for comes back later.
        if !self.order.is_log() {
            waiting.next_turn();
        }
    }

    /// The slow work of the turn. The hub proposes which sessions end and the number of steps before the turn is
    /// applied, so that every state that applies the turn does the same.
    fn gather_work(&mut self, now: Now, taken: &mut Taken) {
        let steps = match self.edge.has_pending_presence() {
            // Presence lines come first.
            true => Pace::LEAST,
            false => self.pace.steps(self.turn_time.saturating_sub(self.heavy_pace.time(taken.weight))),
        };
        // A log gets no turn for steps that nobody has to do.
        taken.steps =
            if !self.order.is_log() || (self.drives() && self.state.is_sweeping()) { steps } else { 0 };
        let mut overdue = self.edge.overdue(now.mono);
        let ending: Vec<_> = overdue.by_ref().take(steps).collect();
        taken.is_more_overdue = overdue.next().is_some();
        drop(overdue);
        if !ending.is_empty() {
            self.edge.propose(Intent::Expire(ending));
            taken.has_work = true;
        }
        taken.has_work |= taken.steps > 0;
        self.gather_erasure(taken);
    }

    /// One step of an erasure in each turn, while the store works and the disk has room beside what the turn has taken.
    fn gather_erasure(&mut self, taken: &mut Taken) {
        if !self.erases() {
            return;
        }
        let Some(erasure) = self.state.erasure() else { return };
        // Each command may be in a chunk of its own.
        let beside = 2 * (taken.commands + taken.bytes / PAGE_BYTES) as u64;
        match self.store.propose_erasure(erasure, beside) {
            Ok(Some(step)) => {
                self.erasure_waits = false;
                self.edge.propose(Intent::Erase(step));
                taken.has_work = true;
            }
            Ok(None) => {
                self.erase_at = Instant::now() + ERASE_AGAIN;
                if !std::mem::replace(&mut self.erasure_waits, true) {
                    warn!(
                        event = "erasure_waits",
                        "the erasure of a user waits: the disk has too little room for its next step"
                    );
                }
            }
            Err(why) => {
                self.erase_at = Instant::now() + ERASE_AGAIN;
                if log::has_room() {
                    error!(
                        event = "store_unreadable",
                        error = why.to_string(),
                        "store failed: it could not be read"
                    );
                }
            }
        }
    }

    /// Is there a step of an erasure to be done now?
    pub(super) fn erases(&self) -> bool {
        self.state.erasure().is_some()
            && self.failing.is_none()
            && self.drives()
            && Instant::now() >= self.erase_at
    }
}
