//! Owns the log of the tests: a turn comes back after so many calls, between turns that the test adds as those of another
//! node. The tests of the hub set what else happens to it. Never drops a turn by itself.

use super::{MemberNow, Next, NotTaken, Order, OrderEvent, OrderReport, Ordered, Place, Readiness};
use std::collections::VecDeque;
use std::task::{Context, Poll};
use std::time::Duration;
use tcp_chat_state::{NodeId, Turn, Writes};

/// The log of the tests.
#[derive(Debug)]
pub struct Slow {
    /// This node.
    pub node: NodeId,
    /// A turn comes back after so many further calls of [`Slow::tick`].
    pub delay: u64,
    /// The setting `hold`.
    pub hold: Duration,
    /// The answer of [`Order::readiness`].
    pub readiness: Readiness,
    /// The largest number of own turns under way.
    pub window: usize,
    proposed: u64,
    ticks: u64,
    /// What comes next, with the tick at which it does.
    coming: VecDeque<(u64, Next)>,
    under_way: usize,
    /// The number of turns applied so far: the place in this log.
    applied: u64,
    /// The time of the last turn.
    time: u64,
    /// The time at which something came back last; `None`: the log goes on.
    pub stopped_at: Option<Duration>,
}

impl Slow {
    /// A log whose turns come back after so many ticks, with a node that lives.
    pub fn new(node: NodeId, delay: u64) -> Self {
        let mut slow = Self {
            node,
            delay,
            hold: Duration::from_secs(15),
            readiness: Readiness::Ready,
            window: 64,
            proposed: 0,
            ticks: 0,
            coming: VecDeque::new(),
            under_way: 0,
            applied: 0,
            time: 0,
            stopped_at: None,
        };
        slow.happens(OrderEvent::Up);
        slow.lives(&[node]);
        slow
    }

    /// These nodes live.
    pub fn lives(&mut self, nodes: &[NodeId]) {
        let of = |node: &NodeId| MemberNow {
            node: *node,
            name: format!("chat{}", node.0).into(),
            address: format!("chat{}.example.org:3000", node.0).into(),
        };
        self.happens(OrderEvent::Members(nodes.iter().map(of).collect()));
    }

    /// Time passes in the log.
    pub fn tick(&mut self) {
        self.ticks += 1;
    }

    /// A turn of another node comes next.
    pub fn adds(&mut self, turn: Turn) {
        self.coming.push_back((0, Next::Turn(Ordered { turn, own: None })));
    }

    /// Something happens to the order.
    pub fn happens(&mut self, event: OrderEvent) {
        self.coming.push_back((0, Next::Event(event)));
    }

    /// Own turns are lost: they never come back. Returns their numbers.
    pub fn loses(&mut self) -> Vec<u64> {
        let mut lost = Vec::new();
        self.coming.retain(|(_, next)| match next {
            Next::Turn(Ordered { own: Some(number), .. }) => {
                lost.push(*number);
                false
            }
            _ => true,
        });
        self.under_way -= lost.len();
        lost
    }

    /// How many own turns are under way.
    pub fn under_way(&self) -> usize {
        self.under_way
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
        assert_eq!(
            self.readiness(now),
            Readiness::Ready,
            "a turn was proposed to an order that is not ready"
        );
        assert!(!turn.intents.is_empty() || turn.steps > 0, "an empty turn was proposed to a log");
        assert_eq!(turn.node, self.node);
        self.proposed += 1;
        self.under_way += 1;
        let ordered = Ordered { turn, own: Some(self.proposed) };
        self.coming.push_back((self.ticks + self.delay, Next::Turn(ordered)));
        Ok(self.proposed)
    }

    fn next(&mut self, _: Duration) -> Option<Next> {
        let (at, _) = self.coming.front()?;
        if *at > self.ticks {
            return None;
        }
        let (_, mut next) = self.coming.pop_front()?;
        if let Next::Turn(Ordered { turn, own }) = &mut next {
            self.time = self.time.max(turn.time);
            turn.time = self.time;
            self.under_way -= usize::from(own.is_some());
        }
        Some(next)
    }

    fn applied(&mut self, _: &Writes) -> Option<Place> {
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

    fn leave(&mut self, _: Duration) {}
}
