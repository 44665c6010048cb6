//! Owns the choice of the order: that of a daemon without a cluster, or a log. The hub calls it. An enum and not a trait object:
//! a daemon without a cluster pays for no choice.

use super::{Local, Next, NotTaken, Order, OrderReport, Place, Readiness};
use std::task::{Context, Poll};
use std::time::Duration;
use tcp_chat_state::{NodeId, Turn, Writes};

/// The order of this daemon.
#[derive(Debug)]
pub enum Orders {
    /// Each turn comes back at once.
    Local(Local),
    /// Turns come back from the log of a cluster.
    #[cfg(feature = "cluster")]
    Log(Box<super::Linked>),
    /// A log of the tests.
    #[cfg(test)]
    Slow(Box<super::slow::Slow>),
}

/// Calls the same method of the order.
macro_rules! each {
    ($orders:expr, $order:ident => $call:expr) => {
        match $orders {
            Orders::Local($order) => $call,
            #[cfg(feature = "cluster")]
            Orders::Log($order) => $call,
            #[cfg(test)]
            Orders::Slow($order) => $call,
        }
    };
}

impl Orders {
    /// Do turns come back later, and between those of other nodes?
    #[must_use]
    pub fn is_log(&self) -> bool {
        !matches!(self, Self::Local(_))
    }
}

impl Order for Orders {
    fn node(&self) -> NodeId {
        each!(self, order => order.node())
    }

    fn readiness(&self, now: Duration) -> Readiness {
        each!(self, order => order.readiness(now))
    }

    fn propose(&mut self, turn: Turn, now: Duration) -> Result<u64, NotTaken> {
        each!(self, order => order.propose(turn, now))
    }

    fn next(&mut self, now: Duration) -> Option<Next> {
        each!(self, order => order.next(now))
    }

    fn rest(&mut self, now: Duration, lives: bool) {
        each!(self, order => order.rest(now, lives));
    }

    fn applied(&mut self, writes: &Writes) -> Option<Place> {
        each!(self, order => order.applied(writes))
    }

    fn due(&self) -> Option<Duration> {
        each!(self, order => order.due())
    }

    fn poll_word(&mut self, context: &mut Context<'_>) -> Poll<()> {
        each!(self, order => order.poll_word(context))
    }

    fn running(&self, now: Duration) -> Duration {
        each!(self, order => order.running(now))
    }

    fn hold(&self) -> Option<Duration> {
        each!(self, order => order.hold())
    }

    fn report(&self, now: Duration) -> Option<OrderReport> {
        each!(self, order => order.report(now))
    }

    fn note_differing(&mut self, keys: Vec<&'static str>) {
        each!(self, order => order.note_differing(keys));
    }

    fn leave(&mut self, now: Duration) -> bool {
        each!(self, order => order.leave(now))
    }
}
