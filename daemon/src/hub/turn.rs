//! Owns one turn: gather the waiting commands, let the edge admit them, order the turn, apply it, commit it, deliver
//! its effects. Called by the hub's loop. Waits only for the commit. Never decides about a request: the state does.

use super::gather::Taken;
use super::waiting::Waiting;
use super::{Hub, OperatorReply};
use crate::edge::Outcome;
use crate::order::{Next, Order, Ordered};
use std::time::{Duration, Instant};
use tcp_chat_state::{Stage, Turn};

impl Hub {
    /// Does one turn.
    pub(super) fn turn(&mut self, waiting: &mut Waiting) {
        let now = self.now();
        let taken = self.gather(now, waiting);
        let proposed = self.edge.take_turn(now.wall, taken.steps);
        let at = self.began.elapsed();
        let _ = self.order.propose(proposed, at);
        while let Some(Next::Turn(Ordered { turn, .. })) = self.order.next(at) {
            let outcome = self.apply(turn, &taken);
            self.commit_and_deliver(outcome);
        }
        self.directory.publish(self.state.users());
        if taken.commands > 0 {
            self.metrics.hub.turn(taken.commands);
        }
        if let Some(counters) = self.edge.take_counters() {
            self.metrics.add(&counters);
        }
        self.answer();
    }

    /// Applies a turn: the state changes, and the edge answers the requests. Measures the time of each part, to set the size
    /// of the next turns.
    fn apply(&mut self, turn: Turn, taken: &Taken) -> Outcome {
        let Self { state, edge, operators, .. } = self;
        let mut done = Vec::new();
        let mut laps = Laps::new(taken);
        let writes = state.apply(turn, |state, changes, stage| {
            let applied = match &stage {
                Stage::Begin => Some(0),
                Stage::Intent { index, result, .. } => {
                    if operators.front().is_some_and(|(at, _)| at == index)
                        && let Some((_, reply)) = operators.pop_front()
                    {
                        done.push((reply, result.clone()));
                    }
                    Some(index + 1)
                }
                Stage::Sealed | Stage::End => None,
            };
            applied.into_iter().for_each(|applied| laps.before(applied));
            edge.observe(state, changes, stage);
            applied.into_iter().for_each(|applied| laps.after(applied));
        });
        let Laps { began, heavy, .. } = laps;
        if taken.weight > 0 {
            self.heavy_pace.took(taken.weight, heavy);
        }
        if taken.is_more_overdue || self.state.is_sweeping() || self.edge.tells_more() {
            self.pace.took(taken.steps, began.elapsed());
        }
        done.into_iter()
            .for_each(|(reply, result): (OperatorReply, _)| self.reply_to_operator(reply, result));
        Outcome { writes, effects: self.edge.finish() }
    }

    /// Commits the writes of a turn, and delivers its effects. A turn that the store cannot keep is held.
    fn commit_and_deliver(&mut self, outcome: Outcome) {
        if self.failing.is_some() {
            // The edge has refused what it could; the held turns are written when the store works again.
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
                // Before the delivery, so that a user can use a new password or certificate as soon as the reply arrives.
                self.directory.publish(self.state.users());
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

/// The time of the parts of a turn.
struct Laps {
    /// The index of the first intent that is not a message.
    heavy_at: usize,
    /// The index of the first intent of slow work.
    slow_at: usize,
    /// The beginning of the current part.
    began: Instant,
    /// The time of the part with requests other than messages.
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

    /// Called when this number of intents is applied, before the edge's tasks at that place.
    fn before(&mut self, applied: usize) {
        if applied == self.heavy_at {
            self.began = Instant::now();
        }
    }

    /// Called after those tasks.
    fn after(&mut self, applied: usize) {
        if applied == self.slow_at {
            self.heavy = self.began.elapsed();
            self.began = Instant::now();
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
