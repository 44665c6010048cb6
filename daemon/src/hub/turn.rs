//! Owns one turn: gather what waits and let the edge admit it, have it ordered, apply it, commit it, deliver it. Called by
//! the hub's loop. Never waits, and never decides what anything comes to: the chat does.

use super::gather::Taken;
use super::waiting::Waiting;
use super::{Hub, OperatorReply};
use crate::edge::Outcome;
use crate::order::Order;
use std::time::{Duration, Instant};
use tcp_chat_state::{Place, Turn};

impl Hub {
    /// One turn.
    pub(super) fn turn(&mut self, waiting: &mut Waiting) {
        let now = self.now();
        let taken = self.gather(now, waiting);
        let proposed = self.edge.take_turn(now.wall, self.retains.take(), taken.steps);
        for turn in self.order.put(proposed) {
            let outcome = self.apply(turn, &taken);
            self.commit_and_deliver(outcome);
        }
        self.directory.publish(self.chat.users());
        if taken.commands > 0 {
            self.metrics.hub.turn(taken.commands);
        }
        if let Some(counters) = self.edge.take_counters() {
            self.metrics.tally(&counters);
        }
        self.answer();
    }

    /// Has the state apply a turn, and the edge answer what it comes to. Measures what it costs, for the next turns.
    fn apply(&mut self, turn: Turn, taken: &Taken) -> Outcome {
        let Self { chat, edge, operators, .. } = self;
        let mut done = Vec::new();
        let mut laps = Laps::new(taken);
        let writes = chat.apply(turn, |chat, changes, place| {
            let applied = match &place {
                Place::Begin => Some(0),
                Place::Intent { index, result, .. } => {
                    if operators.front().is_some_and(|(at, _)| at == index)
                        && let Some((_, reply)) = operators.pop_front()
                    {
                        done.push((reply, result.clone()));
                    }
                    Some(index + 1)
                }
                Place::Sealed | Place::End => None,
            };
            applied.into_iter().for_each(|applied| laps.before(applied));
            edge.observe(chat, changes, place);
            applied.into_iter().for_each(|applied| laps.after(applied));
        });
        let Laps { began, heavy, .. } = laps;
        if taken.weight > 0 {
            self.heavy_pace.took(taken.weight, heavy);
        }
        if taken.is_more_overdue || self.chat.is_sweeping() || self.edge.tells_more() {
            self.pace.took(taken.steps, began.elapsed());
        }
        done.into_iter()
            .for_each(|(reply, result): (OperatorReply, _)| self.reply_to_operator(reply, result));
        Outcome { writes, effects: self.edge.finish() }
    }

    /// Commits what a turn writes, and delivers its effects. What the store cannot keep is held.
    fn commit_and_deliver(&mut self, outcome: Outcome) {
        if self.failing.is_some() {
            // What could be refused was; the rest is written when the store works again.
            let effects = self.edge.hold(outcome);
            return self.deliver(effects, &[]);
        }
        let Outcome { mut writes, effects } = outcome;
        if writes.is_empty() {
            return self.deliver(effects, &[]);
        }
        let began = Instant::now();
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
}

/// What the parts of a turn cost.
struct Laps {
    /// The first intent that is not talk, and the first of slow work.
    heavy_at: usize,
    slow_at: usize,
    /// When the part began that is applied now.
    began: Instant,
    /// What took the part that is not talk.
    heavy: Duration,
}

impl Laps {
    fn new(taken: &Taken) -> Self {
        Self {
            heavy_at: taken.heavy_at,
            slow_at: taken.slow_at,
            began: Instant::now(),
            heavy: Duration::ZERO,
        }
    }

    /// So many intents were applied, and what comes before the next one is to be answered.
    fn before(&mut self, applied: usize) {
        if applied == self.heavy_at {
            self.began = Instant::now();
        }
    }

    /// It was answered.
    fn after(&mut self, applied: usize) {
        if applied == self.slow_at {
            self.heavy = self.began.elapsed();
            self.began = Instant::now();
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
