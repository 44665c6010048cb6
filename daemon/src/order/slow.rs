//! Owns the log of the tests: proposed turns lie in it until the test orders them, and what the test puts there comes next. Never
//! drops, doubles or reorders anything by itself. An assertion of it fails if the hub breaks a rule of the order.

use super::{Next, NotTaken, Order, OrderEvent, OrderReport, Ordered, Place, Readiness};
use std::collections::VecDeque;
use std::task::{Context, Poll};
use std::time::Duration;
use tcp_chat_state::{NodeId, Turn, Writes};

/// The log of the tests, as one node sees it.
#[derive(Debug)]
pub struct Slow {
    node: NodeId,
    /// The setting `hold`.
    pub hold: Duration,
    /// The answer of [`Order::readiness`], while the window is not full.
    pub readiness: Readiness,
    /// The largest number of own turns under way.
    pub window: usize,
    /// The moment at which it has stopped.
    pub stopped_at: Option<Duration>,
    /// The calls of [`Order::rest`], with what each told the others.
    pub rests: Vec<bool>,
    /// How often it was asked to leave,
    pub leaves: u32,
    /// and how often that is refused first.
    pub refuses_to_leave: u32,
    /// The keys in which the configuration differs, as it was told last.
    pub differs_in: Vec<&'static str>,
    /// The turns that it has proposed.
    pub proposed: u64,
    /// Those of them that have no place in the log yet.
    sent: VecDeque<(u64, Turn)>,
    coming: VecDeque<Next>,
    under_way: usize,
    /// The turn that was taken was not applied yet.
    is_applying: bool,
    applied: u64,
}

impl Slow {
    /// A log on which nothing has happened.
    pub fn new(node: NodeId) -> Self {
        Self {
            node,
            hold: Duration::from_secs(15),
            readiness: Readiness::Ready,
            window: 64,
            stopped_at: None,
            rests: Vec::new(),
            leaves: 0,
            refuses_to_leave: 0,
            differs_in: Vec::new(),
            proposed: 0,
            sent: VecDeque::new(),
            coming: VecDeque::new(),
            under_way: 0,
            is_applying: false,
            applied: 0,
        }
    }

    /// Takes the oldest turn that has no place in the log.
    pub fn order(&mut self) -> Option<(u64, Turn)> {
        self.sent.pop_front()
    }

    /// This comes next, after what comes already.
    pub fn comes(&mut self, next: Next) {
        self.coming.push_back(next);
    }

    /// The turns that have no place in the log are lost. Returns their numbers.
    pub fn lose(&mut self) -> Vec<u64> {
        self.under_way -= self.sent.len();
        self.sent.drain(..).map(|(number, _)| number).collect()
    }
}

impl Order for Slow {
    fn node(&self) -> NodeId {
        self.node
    }

    fn readiness(&self, _: Duration) -> Readiness {
        match self.readiness {
            Readiness::Ready if self.under_way >= self.window => Readiness::Busy,
            readiness => readiness,
        }
    }

    fn propose(&mut self, turn: Turn, now: Duration) -> Result<u64, NotTaken> {
        assert_eq!(self.readiness(now), Readiness::Ready, "proposed although the order is not ready");
        assert!(!turn.intents.is_empty() || turn.steps > 0, "an empty turn was proposed to a log");
        assert_eq!(turn.node, self.node);
        turn.encode().map_err(|_| NotTaken::TooLong)?;
        self.proposed += 1;
        self.under_way += 1;
        self.sent.push_back((self.proposed, turn));
        Ok(self.proposed)
    }

    fn next(&mut self, _: Duration) -> Option<Next> {
        assert!(!self.is_applying, "the turn before was not applied");
        let next = self.coming.pop_front()?;
        if let Next::Turn(Ordered { own, .. }) = &next {
            self.under_way -= usize::from(own.is_some());
            self.is_applying = true;
        }
        Some(next)
    }

    fn rest(&mut self, _: Duration, lives: bool) {
        self.rests.push(lives);
    }

    fn applied(&mut self, _: &Writes) -> Option<Place> {
        assert!(std::mem::take(&mut self.is_applying), "no turn was taken");
        self.applied += 1;
        Some(Place(self.applied.to_be_bytes().to_vec()))
    }

    fn due(&self) -> Option<Duration> {
        None
    }

    fn poll_word(&mut self, _: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }

    fn running(&self, now: Duration) -> Duration {
        self.stopped_at.map_or(now, |stopped| now.min(stopped))
    }

    fn hold(&self) -> Option<Duration> {
        Some(self.hold)
    }

    fn report(&self, _: Duration) -> Option<OrderReport> {
        None
    }

    fn note_differing(&mut self, keys: Vec<&'static str>) {
        self.differs_in = keys;
    }

    fn leave(&mut self, _: Duration) -> bool {
        self.leaves += 1;
        let is_proposed = self.leaves > self.refuses_to_leave;
        if is_proposed {
            let lost = self.lose();
            self.coming.push_back(Next::Event(OrderEvent::Fenced(lost)));
        }
        is_proposed
    }
}
