//! Owns the hub's side of a log that several nodes share: the own turns that are under way, the turns that come back, and what
//! happens to the order. Called by the turn, only if there is a log. Never waits: what does not go on now is tried again
//! after the next word from the log.

mod ends;
mod policy;

use super::gather::Taken;
use super::pace::Pace;
use super::turn::Own;
use super::waiting::Waiting;
use super::{Hub, OperatorReply};
use crate::edge::{Effect, Now, Outcome};
use crate::order::{MemberNow, Next, NotTaken, Order, OrderEvent, Ordered, Place, Readiness, Stopped};
use std::collections::VecDeque;
use std::time::{Duration, Instant};
use tcp_chat_state::{Behaviour, Rules, Writes};
use tracing::{error, info, warn};

/// Turns that are committed together at most, so that one commit stays short,
const TOGETHER_TURNS: usize = 64;
/// and the weight of their writes after which no further one is added, in bytes.
const TOGETHER_BYTES: usize = 1024 * 1024;

/// An own turn that has not come back.
struct UnderWay {
    /// Its number in the order,
    number: u64,
    /// and in the edge.
    turn: u64,
    own: Own,
}

/// The hub's side of a shared log. Empty without one.
#[derive(Default)]
pub(super) struct Shared {
    under_way: VecDeque<UnderWay>,
    /// The edge's number of the newest turn with work that no client has asked for. One is under way at a time.
    work_turn: u64,
    /// The nodes that live, this one first.
    members: Vec<MemberNow>,
    /// Since when the store fails.
    fails_since: Option<Instant>,
    /// The operator and the clients were told that nothing can be ordered.
    is_unavailable: bool,
    /// The connections were handed over, because the store fails for too long.
    has_handed_over: bool,
    /// An own turn came back, or something happened to the order, since the last turn was gathered.
    has_news: bool,
    /// The order was busy when the last turn was gathered.
    was_busy: bool,
    /// The place of the last turns, which wrote nothing: how many they are, and since when.
    unkept: Option<(Place, u32, Instant)>,
    /// The policy of this node's configuration.
    own_policy: Option<Box<Rules>>,
    /// The process ends: the end of its epoch is proposed.
    is_leaving: bool,
    /// The epoch of this node is closed.
    has_left: bool,
    /// Why the process must end.
    stopped: Option<Stopped>,
}

impl Shared {
    /// May what has waited go on? Otherwise nobody looks at it: thousands of connections may wait, and each word from the log
    /// and each request of another one leads to a pass.
    pub(super) fn may_go_on(&mut self, is_busy: bool) -> bool {
        let was_busy = std::mem::replace(&mut self.was_busy, is_busy);
        std::mem::take(&mut self.has_news) || (was_busy && !is_busy)
    }

    /// Does another node live?
    fn has_others(&self) -> bool {
        self.members.len() > 1
    }

    pub(super) fn store_fails(&mut self) {
        self.fails_since.get_or_insert_with(Instant::now);
    }

    pub(super) fn store_works(&mut self) {
        self.fails_since = None;
        self.has_handed_over = false;
    }

    pub(super) fn stopped(&self) -> Option<&Stopped> {
        self.stopped.as_ref()
    }
}

/// Turns that were applied and are not committed yet.
#[derive(Default)]
struct Applied {
    count: usize,
    chunks: usize,
    outcome: Option<Outcome>,
    place: Option<Place>,
}

impl Applied {
    fn add(&mut self, Outcome { writes, effects }: Outcome, place: Option<Place>) {
        self.count += 1;
        self.place = place.or(self.place.take());
        let chunks = writes.chunks.len();
        let Some(before) = &mut self.outcome else {
            self.chunks = chunks;
            self.outcome = Some(Outcome { writes, effects });
            return;
        };
        let at = self.chunks;
        before.writes.append(writes);
        before.effects.extend(effects.into_iter().map(|effect| effect.behind(at)));
        self.chunks += chunks;
    }

    fn is_full(&self) -> bool {
        let weight = self.outcome.as_ref().map_or(0, |outcome| outcome.writes.weight());
        self.count >= TOGETHER_TURNS || weight >= TOGETHER_BYTES
    }
}

impl Hub {
    /// What can be done now with a log: applies the turns that came back, answers what needs no order, and proposes a turn.
    /// True: the next pass has something to do at once.
    pub(super) fn pass(&mut self, waiting: &mut Waiting) -> bool {
        let now = self.now();
        let at = self.began.elapsed();
        let stood_still = at.saturating_sub(self.order.running(at));
        self.edge.set_time(now.mono, u64::try_from(stood_still.as_millis()).unwrap_or(u64::MAX));
        let is_more = self.apply_ordered(at);
        let readiness = self.readiness(at);
        self.hand_over_if_needed(readiness);
        self.tell_readiness(readiness);
        self.edge.set_unavailable(readiness == Readiness::Unavailable);
        let taken = self.gather(now, waiting, readiness);
        let commands = taken.commands;
        self.edge.announce(&self.state, Pace::LEAST);
        self.deliver_at_once();
        if readiness == Readiness::Ready {
            self.propose(now, at, taken);
        }
        self.end_turn(commands);
        is_more || (commands > 0 && waiting.has_next()) || self.has_shared_work(self.readiness(at))
    }

    /// Can a turn be proposed? While the store fails, none is taken from the log, so none is proposed.
    pub(super) fn readiness(&self, at: Duration) -> Readiness {
        match (self.shared.fails_since, self.order.hold()) {
            (Some(since), Some(hold)) if since.elapsed() >= self.patience(hold) => Readiness::Unavailable,
            (Some(_), Some(_)) => Readiness::Busy,
            _ => self.order.readiness(at),
        }
    }

    /// Does this node do the slow work that no client has asked for? Of several nodes, the living one with the lowest number does.
    pub(super) fn drives(&self) -> bool {
        let node = self.order.node();
        !self.order.is_log()
            || (self.shared.members.iter().any(|member| member.node == node)
                && self.shared.members.iter().all(|member| node.0 <= member.node.0))
    }

    /// May this turn have work that no client has asked for? With a log, one such turn of a node is under way at a time.
    pub(super) fn may_work(&self, readiness: Readiness) -> bool {
        !self.order.is_log()
            || (readiness == Readiness::Ready && self.edge.has_come_back(self.shared.work_turn))
    }

    /// Is there something to propose or to announce that waits for no word?
    fn has_shared_work(&self, readiness: Readiness) -> bool {
        let is_sweeping = self.drives() && self.state.is_sweeping();
        let has_work = is_sweeping || self.retains.is_some() || self.erases();
        self.edge.has_pending_presence()
            || (readiness == Readiness::Ready && self.edge.has_proposals())
            || (self.may_work(readiness) && has_work)
    }

    /// Applies the turns that came back, and commits several of them together. True: more have come back.
    fn apply_ordered(&mut self, at: Duration) -> bool {
        if self.failing.is_some() {
            self.rest(at);
            return false;
        }
        let mut applied = Applied::default();
        // The turn after one that the store could not keep stays in the log.
        while self.failing.is_none() && self.shared.stopped.is_none() {
            match self.order.next(at) {
                None => break,
                Some(Next::Turn(ordered)) => {
                    let outcome = self.apply_one(ordered);
                    let place = self.order.applied(&outcome.writes);
                    let stands_alone = outcome.writes.stand_alone();
                    if stands_alone {
                        self.commit_applied(std::mem::take(&mut applied));
                    }
                    applied.add(outcome, place);
                    if stands_alone || applied.is_full() {
                        self.commit_applied(applied);
                        return true;
                    }
                }
                Some(Next::Event(event)) => {
                    self.commit_applied(std::mem::take(&mut applied));
                    self.happens(event);
                }
            }
        }
        self.commit_applied(applied);
        false
    }

    fn commit_applied(&mut self, applied: Applied) {
        if let Some(outcome) = applied.outcome {
            self.commit_and_deliver(outcome, applied.place);
        }
    }

    fn apply_one(&mut self, Ordered { turn, behaviour, own }: Ordered) -> Outcome {
        let is_next = |first: &UnderWay| own == Some(first.number);
        let mut own = if self.shared.under_way.front().is_some_and(is_next) {
            self.shared.has_news = true;
            self.shared.under_way.pop_front().map(|first| first.own)
        } else {
            None
        };
        self.edge.comes_back(own.is_some(), turn.steps);
        self.state.follow(behaviour);
        self.apply(turn, own.as_mut())
    }

    /// Proposes what was gathered, if it is anything.
    fn propose(&mut self, now: Now, at: Duration, taken: Taken) {
        if self.edge.proposed() == 0 && taken.steps == 0 {
            return;
        }
        let number_in_edge = self.edge.turn();
        if taken.has_work {
            self.shared.work_turn = number_in_edge;
        }
        let turn = self.edge.take_turn(now.wall, taken.steps);
        let own = Own { taken, operators: std::mem::take(&mut self.operators) };
        match self.order.propose(turn, at) {
            Ok(number) => self.shared.under_way.push_back(UnderWay { number, turn: number_in_edge, own }),
            Err(why) => {
                error!(event = "turn_not_taken", reason = ?why, "a turn could not be proposed: its requests are refused, or its connections are closed");
                self.shared.has_news = true;
                match why {
                    NotTaken::TooLong => self.edge.drop_turn(&self.state, number_in_edge),
                    NotTaken::NotReady => {
                        own.operators.into_iter().for_each(|(_, reply)| self.refuse_operator(reply));
                        self.edge.withdraw(&self.state, &[number_in_edge]);
                    }
                }
                self.deliver_at_once();
            }
        }
    }

    /// Delivers what needed no turn.
    fn deliver_at_once(&mut self) {
        let effects: Vec<Effect> = self.edge.take_effects();
        self.commit_and_deliver(Outcome { writes: Writes::default(), effects }, None);
    }

    fn happens(&mut self, event: OrderEvent) {
        self.shared.has_news = true;
        match event {
            OrderEvent::Up => {}
            OrderEvent::Fenced(_) if self.shared.is_leaving => self.shared.has_left = true,
            OrderEvent::Fenced(_) => {
                warn!(event = "fenced", "this node was declared gone: its clients go on at other nodes");
                self.shared.under_way.clear();
                self.operators = VecDeque::<(usize, OperatorReply)>::new();
                self.edge.fence(&self.state);
            }
            OrderEvent::Stuck => {
                self.shared.under_way.iter_mut().for_each(|turn| turn.own.operators.clear());
                self.edge.give_up_answers();
            }
            OrderEvent::Withdrawn(numbers) => {
                let under_way = std::mem::take(&mut self.shared.under_way);
                let (gone, stay): (Vec<UnderWay>, Vec<_>) =
                    under_way.into_iter().partition(|turn| numbers.contains(&turn.number));
                self.shared.under_way = stay.into();
                let turns: Vec<u64> = gone.iter().map(|turn| turn.turn).collect();
                let operators = gone.into_iter().flat_map(|turn| turn.own.operators);
                operators.for_each(|(_, reply)| self.refuse_operator(reply));
                self.edge.withdraw(&self.state, &turns);
            }
            OrderEvent::Members(members) => {
                self.edge.set_servers(members.iter().map(|member| String::from(&*member.address)).collect());
                self.edge.set_living(members.iter().map(|member| member.node).collect());
                self.shared.members = members.to_vec();
            }
            OrderEvent::Raised(Behaviour(behaviour)) => {
                info!(
                    event = "behaviour_raised",
                    behaviour, "all nodes follow the rules of the newer version now"
                );
            }
            OrderEvent::Ended(stopped) => {
                let (cause, reason) = (stopped.cause.as_str(), &*stopped.reason);
                error!(
                    event = "order_ended",
                    cause, reason, "the daemon cannot go on in its cluster, and ends"
                );
                self.edge.hand_over(&self.state);
                self.shared.stopped = Some(stopped);
            }
        }
        self.deliver_at_once();
    }

    /// Tells the operator and all clients when nothing can be ordered any longer, and when turns come back again.
    fn tell_readiness(&mut self, readiness: Readiness) {
        let is_unavailable = readiness == Readiness::Unavailable;
        if readiness == Readiness::Busy || self.shared.is_unavailable == is_unavailable {
            return;
        }
        self.shared.is_unavailable = is_unavailable;
        if is_unavailable {
            warn!(
                event = "order_unavailable",
                "nothing was ordered for the time of cluster.hold: requests that change something are refused"
            );
            self.edge.tell_unavailable();
        } else {
            self.edge.tell_available();
            info!(event = "order_works", "requests are ordered again");
        }
    }
}

#[cfg(test)]
mod tests;
