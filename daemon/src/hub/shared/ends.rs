//! Owns what a node of a cluster does apart from its turns: while its store fails, for its place in the log after turns without
//! writes, and at the end of the process. Called by the hub's loop, its chores and [`Hub::pass`]. Waits only at the end.

use super::{Hub, Shared};
use crate::hub::turn::commit;
use crate::order::{Order, Place, Readiness};
use std::time::{Duration, Instant};
use tcp_chat_state::Writes;
use tokio::time::{Instant as Moment, sleep_until};
use tracing::warn;

/// The store may fail for this long before the clients go on at other nodes, if some live and `hold` is not shorter: here nobody
/// hears anything. A lock or a full disk that is over after the second try moves nobody.
pub(super) const HAND_OVER_AFTER: Duration = Duration::from_secs(3);
/// The place of so many turns without writes may be lost. A start applies them again.
pub(super) const PLACE_TURNS: u32 = 1_024;
/// Its place is kept after this time at the latest.
pub(super) const PLACE_AFTER: Duration = Duration::from_secs(10);
/// How long the end of the process waits until its leave has come back.
const LEAVE_TIME: Duration = Duration::from_secs(1);
/// The same while the store cannot be written, so that nothing is read: long enough to send it.
const LEAVE_UNREAD: Duration = Duration::from_millis(250);
/// Time between two attempts to leave.
const LEAVE_AGAIN: Duration = Duration::from_millis(50);

impl Shared {
    /// A turn without writes was applied. Its place in the log is kept later.
    pub(in crate::hub) fn note_place(&mut self, place: Option<Place>) {
        let Some(place) = place else { return };
        let (turns, since) =
            self.unkept.take().map_or((0, Instant::now()), |(_, turns, since)| (turns, since));
        self.unkept = Some((place, turns + 1, since));
    }

    /// The place of a later turn is kept.
    pub(in crate::hub) fn place_is_kept(&mut self) {
        self.unkept = None;
    }

    /// Must the place of turns without writes be kept now?
    fn is_place_due(&self) -> bool {
        let unkept = self.unkept.as_ref();
        unkept.is_some_and(|(_, turns, since)| *turns >= PLACE_TURNS || since.elapsed() >= PLACE_AFTER)
    }

    /// When the place of turns without writes must be kept.
    pub(in crate::hub) fn place_due(&self) -> Option<Moment> {
        self.unkept.as_ref().map(|(_, _, since)| Moment::from_std(*since + PLACE_AFTER))
    }
}

impl Hub {
    /// How long requests wait for a store that fails.
    pub(super) fn patience(&self, hold: Duration) -> Duration {
        if self.shared.has_others() { hold.min(HAND_OVER_AFTER) } else { hold }
    }

    /// While the store cannot be written, the turns stay in the log. For the time of `hold` the others are told that this node
    /// lives. A node that stayed silent at once would be fenced for a short fault; one that lived on for hours would keep its
    /// sessions from expiring, and the slow work from being done.
    pub(super) fn rest(&mut self, at: Duration) {
        let hold = self.order.hold().unwrap_or(Duration::MAX);
        let lives = self.shared.fails_since.is_none_or(|since| since.elapsed() < hold);
        self.order.rest(at, lives);
    }

    /// Keeps the place of turns without writes, if it is due.
    pub(in crate::hub) fn keep_place_if_due(&mut self) {
        if self.failing.is_none() && self.shared.is_place_due() {
            self.keep_place();
        }
    }

    /// Keeps the place of turns without writes.
    pub(in crate::hub) fn keep_place(&mut self) {
        let Some((place, ..)) = self.shared.unkept.as_ref().filter(|_| self.failing.is_none()) else {
            return;
        };
        match commit(&mut self.store, &mut Writes::default(), Some(place)) {
            Ok(_) => self.shared.place_is_kept(),
            Err(why) => self.fail(&why),
        }
    }

    /// The process ends: closes the epoch of this node, and applies what is before its end in the log. Its sessions are away at
    /// once then, and its clients have been answered. Waits for that, but not for long.
    pub(in crate::hub) async fn leave(&mut self) {
        if !self.order.is_log() {
            return;
        }
        self.shared.is_leaving = true;
        let is_read = self.failing.is_none() && self.shared.stopped.is_none();
        let until = Moment::now() + if is_read { LEAVE_TIME } else { LEAVE_UNREAD };
        let mut is_proposed = false;
        loop {
            let at = self.began.elapsed();
            is_proposed = is_proposed || self.order.leave(at);
            let is_more = self.apply_ordered(at);
            if self.shared.has_left || Moment::now() >= until {
                return;
            }
            if is_more {
                continue;
            }
            if self.shared.stopped.is_some() {
                // Nothing is read any more.
                return sleep_until(until).await;
            }
            tokio::select! {
                biased;
                () = std::future::poll_fn(|context| self.order.poll_word(context)) => {}
                () = sleep_until(until.min(Moment::now() + LEAVE_AGAIN)) => {}
            }
        }
    }

    /// A node whose store has failed for too long gives its clients to the others, once. The last node that lives keeps them:
    /// they can still read.
    pub(super) fn hand_over_if_needed(&mut self, readiness: Readiness) {
        let fails_long = self.shared.fails_since.is_some() && readiness == Readiness::Unavailable;
        if fails_long
            && self.shared.has_others()
            && !std::mem::replace(&mut self.shared.has_handed_over, true)
        {
            warn!(
                event = "handed_over",
                "the store could not be written for long: clients go on at other nodes"
            );
            self.edge.hand_over(&self.state);
        }
    }
}
