//! Owns one turn: what it takes of what waits, and where it ends. By commands, by bytes and, for what is not talk,
//! by time: so a turn is short whatever was asked, and what it does not take is first in the next one. Called by the
//! hub's loop. Never waits, and never decides what anything comes to: the chat does.

use super::pace::Pace;
use super::waiting::{LIGHT_BYTES, Waiting};
use super::{Entry, HELD, Hub, Outbox};
use crate::chat::{Ask, ConnectionId, IdMap};
use crate::edge::{Command, Outcome};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Commands that one turn takes at most of what comes first, so that a commit stays short.
pub(super) const TURN_COMMANDS: usize = 2048;
/// Bytes of text that one turn takes, about: with the one that reaches it, it is over. Beside talk that fills it, what
/// is not talk has [`LIGHT_BYTES`] of its own.
const TURN_BYTES: usize = 512 * 1024;
/// How long one turn decides at most on what is not talk, so that talk waits no longer than that.
const TURN_TIME: Duration = Duration::from_millis(1);
/// What a turn has taken.
#[derive(Debug, Default)]
struct Load {
    commands: usize,
    bytes: usize,
}

impl Load {
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
    /// One turn: decide, commit, deliver.
    pub(super) fn turn(&mut self, waiting: &mut Waiting) {
        self.chat.begin(self.now());
        if let Some(oldest) = self.retains.take() {
            self.chat.retain(oldest);
        }
        let mut load = Load::default();
        while !load.is_full() {
            let Some((entry, is_all)) = waiting.next_first(|command| load.takes(command)) else { break };
            match entry {
                Entry::Open(connection, address, outbox) => {
                    self.outboxes.insert(connection, outbox);
                    self.apply(connection, Command::Open(address));
                }
                Entry::Commands(connection, list) => {
                    if is_all {
                        self.heard.push(connection);
                    }
                    list.into_iter().for_each(|command| self.apply(connection, command));
                }
                Entry::Control(control) => self.control(control),
            }
        }
        self.steps(waiting, &mut load);
        let outcome = self.edge.end(&mut self.chat);
        if self.failing.is_some() {
            // What could be refused was; the rest is written when the store works again.
            let effects = self.edge.hold(outcome);
            self.deliver(effects, &[]);
        } else if outcome.writes.is_empty() {
            self.deliver(outcome.effects, &[]);
        } else {
            let began = std::time::Instant::now();
            let Outcome { mut writes, effects } = outcome;
            match self.store.commit(&mut writes) {
                Ok(kept) => {
                    self.metrics.hub.committed(began.elapsed());
                    // Before anyone hears of it: who may log in now, may.
                    self.directory.publish(self.chat.users());
                    self.deliver(effects, &kept);
                }
                Err(why) => {
                    self.metrics.hub.not_kept();
                    self.fail(&why);
                    let effects = self.edge.hold(Outcome { writes, effects });
                    self.deliver(effects, &[]);
                }
            }
        }
        self.directory.publish(self.chat.users());
        if load.commands > 0 {
            self.metrics.hub.turn(load.commands);
        }
        if let Some(counters) = self.edge.take_counters() {
            self.metrics.tally(&counters);
        }
        self.answer();
    }

    fn apply(&mut self, connection: ConnectionId, command: Command) {
        if matches!(command, Command::Lost) {
            self.lost.push(connection);
        }
        let past = self.past(connection, &command);
        self.edge.apply(&mut self.chat, connection, command, past);
    }

    /// What is not talk: some of it in every turn, also beside talk that fills it.
    fn steps(&mut self, waiting: &mut Waiting, load: &mut Load) {
        let began = std::time::Instant::now();
        // Beside talk that fills the turn, one long message, or as much of anything else as the time allows.
        let enough = TURN_BYTES.max(load.bytes + LIGHT_BYTES);
        let is_full = |outboxes: &IdMap<_, Arc<Outbox>>, c| outboxes.get(&c).is_some_and(|o| o.is_over());
        let now = Instant::now();
        if waiting.holds() && now >= self.held_at {
            self.held_at = now + HELD;
            waiting.release(|c| is_full(&self.outboxes, c));
        }
        while let Some(step) = waiting.next_step(|c| is_full(&self.outboxes, c)) {
            if step.ends_batch {
                self.heard.push(step.connection);
            }
            if let Some(command) = step.command {
                load.add(&command);
                self.apply(step.connection, command);
            }
            // What is said behind something else is gathered in no time, and written at the end.
            if load.bytes >= enough || began.elapsed() >= TURN_TIME {
                break;
            }
        }
        self.work(TURN_TIME.saturating_sub(began.elapsed()));
    }

    /// The slow work of the turn. The hub proposes which sessions end and how many steps are done before any is: so a
    /// turn that is applied again comes to the same.
    fn work(&mut self, time: Duration) {
        let steps = match self.edge.is_telling() {
            // Whoever has to be told comes first.
            true => Pace::LEAST,
            false => self.pace.steps(time),
        };
        let began = std::time::Instant::now();
        let is_more = self.chat.expire(steps) | self.edge.work(&mut self.chat, steps);
        if is_more {
            self.pace.took(steps, began.elapsed());
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
