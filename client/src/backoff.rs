//! Owns how long to wait before the next attempt to connect. Pure: chance is an argument.

use std::time::Duration;

/// The bound of the first wait; each next one is twice that of the one before.
const FIRST: Duration = Duration::from_millis(250);
/// No wait is longer.
const LONGEST: Duration = Duration::from_secs(30);

/// Exponential, with full jitter: anything from nothing to the bound, so that clients who lost
/// their connection together do not come back together.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    attempts: u32,
    /// What the server asked for (`SHUTDOWN`), for the next wait alone.
    asked: Option<Duration>,
}

impl Backoff {
    /// The server has said when to come back. It staggers its clients itself: no jitter on top.
    pub(crate) fn asked(&mut self, wait: Duration) {
        self.asked = Some(wait.min(Duration::from_secs(600)));
    }

    /// How many attempts have been waited for since the last success.
    pub(crate) fn attempts(&self) -> u32 {
        self.attempts
    }

    /// The next wait; `chance` is uniform.
    pub(crate) fn next(&mut self, chance: u32) -> Duration {
        let bound = FIRST.saturating_mul(1 << self.attempts.min(16)).min(LONGEST);
        self.attempts = self.attempts.saturating_add(1);
        match self.asked.take() {
            Some(wait) => wait,
            None => bound.mul_f64(f64::from(chance) / f64::from(u32::MAX)),
        }
    }

    /// It worked: the next loss starts anew.
    pub(crate) fn succeeded(&mut self) {
        *self = Self::default();
    }
}

/// A uniform number from the system. Where it has none to give, the middle is as good.
pub(crate) fn chance() -> u32 {
    getrandom::u32().unwrap_or(u32::MAX / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_up_to_its_bound_and_starts_anew() {
        let mut backoff = Backoff::default();
        let waits: Vec<_> = (0..10).map(|_| backoff.next(u32::MAX).as_millis()).collect();
        assert_eq!(waits, [250, 500, 1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000]);
        assert_eq!(backoff.next(0), Duration::ZERO);
        backoff.succeeded();
        assert_eq!(backoff.next(u32::MAX), FIRST);
    }

    #[test]
    fn the_servers_word_counts_once() {
        let mut backoff = Backoff::default();
        backoff.asked(Duration::from_secs(7));
        assert_eq!(backoff.next(0), Duration::from_secs(7));
        assert_eq!(backoff.next(u32::MAX), Duration::from_millis(500));
    }
}
