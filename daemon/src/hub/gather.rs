//! Owns what one turn takes of what waits, and where it ends: by commands, by bytes and, for what is not talk, by what that
//! has cost in the turns before. So a turn is short whatever was asked, and what it does not take is first in the next
//! one. Called by the turn. Never waits, and never decides what may be asked: the edge does.

use super::pace::Pace;
use super::waiting::{LIGHT_BYTES, Waiting};
use super::{Entry, HELD, Hub, Outbox};
use crate::edge::Ask;
use crate::edge::{Command, Now};
use std::sync::Arc;
use std::time::Duration;
use tcp_chat_state::{ConnectionId, IdMap, Intent};
use tokio::time::Instant;

/// Commands that one turn takes at most of what comes first, so that a commit stays short.
pub(super) const TURN_COMMANDS: usize = 2048;
/// Bytes of text that one turn takes, about: with the one that reaches it, it is over. Beside talk that fills it, what
/// is not talk has [`LIGHT_BYTES`] of its own.
pub(super) const TURN_BYTES: usize = 512 * 1024;
/// How long one turn decides at most on what is not talk, so that talk waits no longer than that.
const TURN_TIME: Duration = Duration::from_millis(1);

/// What a turn has taken.
#[derive(Debug, Default)]
pub(super) struct Taken {
    pub(super) commands: usize,
    bytes: usize,
    /// How much of it is not talk: requests, each as so many lines as it counts.
    pub(super) weight: usize,
    /// The place of the first intent that is not talk.
    pub(super) heavy_at: usize,
    /// The place of the first intent of slow work.
    pub(super) slow_at: usize,
    /// The steps of slow work.
    pub(super) steps: usize,
    /// The time of more sessions is over than this turn ends.
    pub(super) is_more_overdue: bool,
}

impl Taken {
    fn add(&mut self, command: &Command) {
        self.commands += 1;
        self.bytes += match command {
            Command::Ask(_, Ask::Say(_, json)) => json.len() + 200,
            _ => 64,
        };
    }

    /// Adds the command if there is room for more.
    fn takes(&mut self, command: &Command) -> bool {
        let takes = !self.is_full();
        if takes {
            self.add(command);
        }
        takes
    }

    fn is_full(&self) -> bool {
        self.commands >= TURN_COMMANDS || self.bytes >= TURN_BYTES
    }
}

impl Hub {
    /// Gathers a turn: the edge admits what it takes.
    pub(super) fn gather(&mut self, now: Now, waiting: &mut Waiting) -> Taken {
        self.edge.begin(now);
        let mut taken = Taken::default();
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
                Entry::Control(control) => self.control(control),
            }
        }
        taken.heavy_at = self.edge.proposed();
        self.gather_steps(waiting, &mut taken);
        taken.slow_at = self.edge.proposed();
        self.gather_work(now, &mut taken);
        taken
    }

    fn admit(&mut self, connection: ConnectionId, command: Command) {
        if matches!(command, Command::Lost) {
            self.lost.push(connection);
        }
        let past = self.past(connection, &command);
        self.edge.admit(&mut self.chat, connection, command, past);
    }

    /// What is not talk: some of it in every turn, also beside talk that fills it.
    fn gather_steps(&mut self, waiting: &mut Waiting, taken: &mut Taken) {
        let began = std::time::Instant::now();
        // Beside talk that fills the turn, one long message, or as much of anything else as the time allows.
        let enough = TURN_BYTES.max(taken.bytes + LIGHT_BYTES);
        let most = self.heavy_pace.most(TURN_TIME);
        let is_full = |outboxes: &IdMap<_, Arc<Outbox>>, c| outboxes.get(&c).is_some_and(|o| o.is_over());
        let now = Instant::now();
        if waiting.holds() && now >= self.held_at {
            self.held_at = now + HELD;
            waiting.release(|c| is_full(&self.outboxes, c));
        }
        while let Some(step) = waiting.next_step(
            |c| is_full(&self.outboxes, c),
            |c, command| self.edge.must_wait(&self.chat, c, command),
        ) {
            if step.ends_batch {
                self.heard.push(step.connection);
            }
            if let Some(command) = step.command {
                taken.add(&command);
                taken.weight += self.edge.weight(&self.chat, step.connection, &command);
                self.admit(step.connection, command);
            }
            // What is said behind something else is gathered in no time, and written at the end.
            if taken.bytes >= enough || taken.weight >= most || began.elapsed() >= TURN_TIME {
                break;
            }
        }
        waiting.next_turn();
    }

    /// The slow work of the turn. The hub proposes which sessions end and how many steps are done before any is: so a
    /// turn that is applied again comes to the same.
    fn gather_work(&mut self, now: Now, taken: &mut Taken) {
        taken.steps = match self.edge.is_telling() {
            // Whoever has to be told comes first.
            true => Pace::LEAST,
            false => self.pace.steps(TURN_TIME.saturating_sub(self.heavy_pace.time(taken.weight))),
        };
        let mut overdue = self.edge.overdue(now.mono);
        let ending: Vec<_> = overdue.by_ref().take(taken.steps).collect();
        taken.is_more_overdue = overdue.next().is_some();
        drop(overdue);
        if !ending.is_empty() {
            self.edge.propose(Intent::Expire(ending));
        }
    }
}
