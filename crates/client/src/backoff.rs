//! Owns how long to wait: before the next attempt to connect, and before a request is made again that was
//! refused as too fast. Called by `life` and `login`. Pure: chance and times are arguments.

use std::time::Duration;

/// The bound of the first wait; each next one is twice that of the one before.
const FIRST: Duration = Duration::from_millis(250);
/// No wait is longer.
const LONGEST: Duration = Duration::from_secs(30);
/// A connection that was lost sooner counts as an attempt that failed.
const LIVED: Duration = Duration::from_secs(10);

/// The longest wait that a `RATE_LIMITED` may ask for.
const LONGEST_LIMIT: Duration = Duration::from_secs(60);
/// What to wait where a `RATE_LIMITED` does not say.
const USUAL_LIMIT: Duration = Duration::from_millis(250);
/// The shortest wait after the first `RATE_LIMITED` for a request; each next one is twice as long,
const SHORTEST_LIMIT: Duration = Duration::from_millis(25);
/// up to this.
const LONGEST_FLOOR: Duration = Duration::from_secs(2);

/// Exponential, with jitter, so that clients who lost their connection together do not come back
/// together: the first wait is anything up to its bound, each later one at least half of its bound.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    /// Attempts in a row after which no connection lived.
    failures: u32,
    /// Attempts since the connection was lost.
    attempts: u32,
    /// The last wait.
    waited: Duration,
    /// What the server asked for (`SHUTDOWN`), for the next wait alone.
    asked: Option<Duration>,
}

impl Backoff {
    /// The server has said when to come back. It staggers its clients itself: no jitter on top.
    pub(crate) fn asked(&mut self, wait: Duration) {
        self.asked = Some(wait.min(Duration::from_secs(600)));
    }

    /// How many attempts have been waited for since the connection was lost.
    pub(crate) fn attempts(&self) -> u32 {
        self.attempts
    }

    /// The next wait; `chance` is uniform.
    pub(crate) fn next(&mut self, chance: u32) -> Duration {
        let bound = FIRST.saturating_mul(1 << self.failures.min(16)).min(LONGEST);
        let least = if self.failures == 0 { Duration::ZERO } else { bound / 2 };
        let own = least + (bound - least).mul_f64(f64::from(chance) / f64::from(u32::MAX));
        let wait = match self.asked.take() {
            // A server that asks for nothing and fails again and again does not decide.
            Some(asked) if self.failures > 0 => asked.max(own),
            Some(asked) => asked,
            None => own,
        };
        self.failures = self.failures.saturating_add(1);
        self.attempts = self.attempts.saturating_add(1);
        self.waited = wait;
        wait
    }

    /// The session goes on. Only a connection that lives makes the next wait a short one.
    pub(crate) fn connected(&mut self) {
        self.attempts = 0;
    }

    /// A connection has ended after so long.
    pub(crate) fn lived(&mut self, so_long: Duration) {
        if so_long >= self.waited.min(LONGEST).max(LIVED) {
            self.failures = 0;
        }
    }
}

/// How long to wait after a `RATE_LIMITED` that asks for `asked`, where the same request was refused
/// `before` times already: never nothing, whatever the server says.
pub(crate) fn after_rate_limit(asked: Option<Duration>, before: u32) -> Duration {
    let floor = SHORTEST_LIMIT.saturating_mul(1 << before.min(16)).min(LONGEST_FLOOR);
    asked.unwrap_or(USUAL_LIMIT).clamp(floor, LONGEST_LIMIT)
}

/// A uniform number from the system. Where it has none to give, the middle is as good.
pub(crate) fn chance() -> u32 {
    getrandom::u32().unwrap_or(u32::MAX / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn doubles_up_to_its_bound_and_starts_anew_once_a_connection_has_lived() {
        let mut backoff = Backoff::default();
        let waits: Vec<_> = (0..10).map(|_| backoff.next(u32::MAX).as_millis()).collect();
        assert_eq!(waits, [250, 500, 1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000]);
        assert_eq!(backoff.next(0), LONGEST / 2);
        assert_eq!(backoff.attempts(), 11);
        backoff.connected();
        assert_eq!(backoff.attempts(), 0);
        // Longer than the shortest life, and not as long as the last wait.
        backoff.lived(LONGEST / 2 - MS);
        assert_eq!(backoff.next(u32::MAX), LONGEST);
        backoff.lived(LONGEST);
        assert_eq!(backoff.next(u32::MAX), FIRST);
        assert_eq!(backoff.attempts(), 2);
    }

    #[test]
    fn a_server_that_loses_each_connection_after_the_login_is_asked_less_and_less() {
        for chance in [0, u32::MAX] {
            let mut backoff = Backoff::default();
            let mut now = Duration::ZERO;
            let mut attempts = 0;
            while now < Duration::from_secs(60) {
                now += backoff.next(chance);
                backoff.connected();
                now += MS;
                backoff.lived(MS);
                attempts += 1;
            }
            assert!(attempts < 12, "{attempts} in a minute");
        }
    }

    #[test]
    fn the_servers_word_counts_once_and_not_below_the_own_wait_of_one_that_fails() {
        let mut backoff = Backoff::default();
        backoff.asked(Duration::from_secs(7));
        assert_eq!(backoff.next(0), Duration::from_secs(7));
        assert_eq!(backoff.next(u32::MAX), FIRST * 2);
        backoff.asked(Duration::ZERO);
        assert_eq!(backoff.next(0), FIRST * 2);
        backoff.asked(Duration::from_secs(600));
        backoff.next(0);
        // It need not live for ten minutes.
        backoff.lived(LONGEST);
        assert_eq!(backoff.next(u32::MAX), FIRST);
    }

    #[test]
    fn a_rate_limit_is_never_asked_without_a_pause() {
        let waits: Vec<_> =
            (0..9).map(|before| after_rate_limit(Some(Duration::ZERO), before).as_millis()).collect();
        assert_eq!(waits, [25, 50, 100, 200, 400, 800, 1600, 2000, 2000]);
        assert_eq!(after_rate_limit(Some(MS * 300), 2), MS * 300);
        assert_eq!(after_rate_limit(None, 0), USUAL_LIMIT);
        assert_eq!(after_rate_limit(Some(Duration::MAX), 40), LONGEST_LIMIT);
    }
}
