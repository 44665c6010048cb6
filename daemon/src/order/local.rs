//! Owns the order of a daemon without a cluster: each turn comes back at once. Called by the hub. Never waits, and never
//! allocates. Never changes the time of a turn: after an operator sets a clock back, new messages have the corrected time.

use super::{Next, NotTaken, Order, OrderReport, Ordered, Place, Readiness};
use std::task::{Context, Poll};
use std::time::Duration;
use tcp_chat_state::{Behaviour, NodeId, Turn, Writes};

/// The order of a daemon without a cluster.
#[derive(Debug, Default)]
pub struct Local {
    proposed: u64,
    /// The turn that comes back next.
    turn: Option<Turn>,
}

impl Order for Local {
    fn node(&self) -> NodeId {
        NodeId::LOCAL
    }

    fn readiness(&self, _: Duration) -> Readiness {
        if self.turn.is_none() { Readiness::Ready } else { Readiness::Busy }
    }

    fn propose(&mut self, turn: Turn, _: Duration) -> Result<u64, NotTaken> {
        if self.turn.is_some() {
            return Err(NotTaken::NotReady);
        }
        self.proposed += 1;
        self.turn = Some(turn);
        Ok(self.proposed)
    }

    fn next(&mut self, _: Duration) -> Option<Next> {
        self.turn
            .take()
            .map(|turn| Next::Turn(Ordered { turn, behaviour: Behaviour::NEWEST, own: Some(self.proposed) }))
    }

    fn rest(&mut self, _: Duration, _: bool) {}

    fn applied(&mut self, _: &Writes) -> Option<Place> {
        None
    }

    fn due(&self) -> Option<Duration> {
        None
    }

    fn poll_word(&mut self, _: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }

    fn running(&self, now: Duration) -> Duration {
        now
    }

    fn hold(&self) -> Option<Duration> {
        None
    }

    fn report(&self, _: Duration) -> Option<OrderReport> {
        None
    }

    fn leave(&mut self, _: Duration) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tcp_chat_state::Intent;

    #[test]
    fn a_turn_comes_back_at_once_as_it_was() {
        let (mut local, now) = (Local::default(), Duration::ZERO);
        for (number, time) in [(1, 7), (2, 3)] {
            let turn = Turn { intents: vec![Intent::Seal], ..Turn::empty(time) };
            assert_eq!(local.propose(turn, now), Ok(number));
            assert_eq!(local.propose(Turn::empty(time), now), Err(NotTaken::NotReady));
            let Some(Next::Turn(Ordered { turn, own, .. })) = local.next(now) else { panic!("no turn") };
            assert_eq!((turn.time, turn.intents.len(), own), (time, 1, Some(number)));
            assert!(local.next(now).is_none());
        }
    }
}
