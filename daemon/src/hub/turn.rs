//! Owns one turn: gather the waiting commands, let the edge admit them, order the turn, apply it, commit it, deliver
//! its effects. Called by the hub's loop. Waits only for the commit. Never decides about a request: the state does.

use super::gather::Taken;
use super::waiting::Waiting;
use super::{Hub, OperatorReply};
use crate::edge::Outcome;
use crate::order::{Next, Order, Ordered, Place, Readiness};
use crate::store::{Kept, Store, StoreError};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tcp_chat_protocol::Timestamp;
use tcp_chat_state::{Stage, Turn, Writes};

impl Hub {
    /// Does one turn. With a log: what can be done now, see [`Hub::pass`]. True: the next one has something to do at once.
    pub(super) fn turn(&mut self, waiting: &mut Waiting) -> bool {
        if self.order.is_log() {
            return self.pass(waiting);
        }
        let now = self.now();
        let taken = self.gather(now, waiting, Readiness::Ready);
        let commands = taken.commands;
        let proposed = self.edge.take_turn(now.wall, taken.steps);
        let mut own = Own { taken, operators: std::mem::take(&mut self.operators) };
        // It is not refused, and comes back at once.
        let _ = self.order.propose(proposed, Duration::ZERO);
        if let Some(Next::Turn(Ordered { turn, .. })) = self.order.next(Duration::ZERO) {
            let outcome = self.apply(turn, Some(&mut own));
            self.commit_and_deliver(outcome, None);
        }
        self.end_turn(commands);
        !waiting.is_empty()
    }

    /// The work at the end of each turn.
    pub(super) fn end_turn(&mut self, commands: usize) {
        self.directory.publish(self.state.users());
        if commands > 0 {
            self.metrics.hub.turn(commands);
        }
        if let Some(counters) = self.edge.take_counters() {
            self.metrics.add(&counters);
        }
        self.answer();
    }

    /// Applies a turn: the state changes, and the edge answers the requests. Measures the time of each part of an own turn, to
    /// set the size of the next turns.
    pub(super) fn apply(&mut self, turn: Turn, own: Option<&mut Own>) -> Outcome {
        if self.order.is_log() {
            let mono = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
            self.clock.log_says(Timestamp(turn.time), mono);
        }
        let Self { state, edge, .. } = self;
        let mut done = Vec::new();
        let mut other = Own::default();
        let is_own = own.is_some();
        let Own { taken, operators } = own.unwrap_or(&mut other);
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
        if writes.policy.is_some() {
            self.directory.publish_access(&self.state.rules().access);
            self.compare_policy();
        }
        let Laps { began, heavy, .. } = laps;
        if taken.weight > 0 {
            self.heavy_pace.took(taken.weight, heavy);
        }
        if is_own && (taken.is_more_overdue || self.state.is_sweeping() || self.edge.tells_more()) {
            self.pace.took(taken.steps, began.elapsed());
        }
        done.into_iter()
            .for_each(|(reply, result): (OperatorReply, _)| self.reply_to_operator(reply, result));
        Outcome { writes, effects: self.edge.finish() }
    }

    /// Commits the writes of a turn, or of several turns of a log, and delivers their effects. What the store cannot keep is
    /// held. `place`: of the last of them in the log.
    pub(super) fn commit_and_deliver(&mut self, outcome: Outcome, place: Option<Place>) {
        if self.failing.is_some() {
            // The edge has refused what it could; the held turns are written when the store works again.
            let effects = self.edge.hold(outcome);
            self.edge.hold_place(place);
            return self.deliver(effects, &[]);
        }
        let Outcome { mut writes, effects } = outcome;
        if writes.is_empty() {
            self.shared.note_place(place);
            return self.deliver(effects, &[]);
        }
        let began = Instant::now();
        match commit(&mut self.store, &mut writes, place.as_ref()) {
            Ok(kept) => {
                self.shared.place_is_kept();
                self.metrics.hub.committed(began.elapsed());
                // Before the delivery, so that a user can use a new password or certificate as soon as the reply arrives.
                self.directory.publish(self.state.users());
                self.deliver(effects, &kept);
            }
            Err(why) => {
                self.metrics.hub.not_kept();
                self.fail(&why);
                let effects = self.edge.hold(Outcome { writes, effects });
                self.edge.hold_place(place);
                self.deliver(effects, &[]);
            }
        }
    }
}

/// What the hub keeps for an own turn until it has come back.
#[derive(Default)]
pub(super) struct Own {
    pub(super) taken: Taken,
    /// The commands of operators in the turn, each with its place.
    pub(super) operators: VecDeque<(usize, OperatorReply)>,
}

/// Commits writes with their place in the log.
pub(super) fn commit(
    store: &mut Store,
    writes: &mut Writes,
    place: Option<&Place>,
) -> Result<Vec<Arc<Kept>>, StoreError> {
    store.commit_at(writes, place.map(|place| &place.0[..]))
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
