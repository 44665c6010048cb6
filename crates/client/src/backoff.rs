//! Owns waiting times: before the next attempt to connect to one server, and before a request that was not taken is
//! sent again. Called by `servers`, `task`, `login` and `outstanding`. Pure: randomness and times are arguments.

use std::time::Duration;

/// The bound of the first wait; the bound doubles with each attempt.
const FIRST: Duration = Duration::from_millis(250);
/// The longest wait.
const LONGEST: Duration = Duration::from_secs(30);
/// A connection that was lost sooner counts as a failed attempt.
const LIVED: Duration = Duration::from_secs(10);

/// The longest wait that a `RATE_LIMITED` or `UNAVAILABLE` can request.
const LONGEST_LIMIT: Duration = Duration::from_secs(60);
/// The wait for one without `retry_after_ms`.
const USUAL_LIMIT: Duration = Duration::from_millis(250);
/// The shortest wait after the first one of a request; it doubles with each one,
const SHORTEST_LIMIT: Duration = Duration::from_millis(25);
/// up to this.
const LONGEST_FLOOR: Duration = Duration::from_secs(2);

/// Exponential backoff with jitter, so that clients that lost their connection together do not return together:
/// the first wait is anything up to its bound, and each later one is at least half of its bound.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    /// Attempts in a row after which no connection lasted.
    failures: u32,
    /// The last wait.
    waited: Duration,
    /// The wait that the server requested (`SHUTDOWN`), for the next attempt only.
    requested: Option<Duration>,
}

impl Backoff {
    /// Notes the wait that the server requests. No jitter is added: the server staggers its clients itself.
    pub(crate) fn requested(&mut self, wait: Duration) {
        self.requested = Some(wait.min(Duration::from_secs(600)));
    }

    /// The next wait; `chance` is uniform.
    pub(crate) fn next(&mut self, chance: u32) -> Duration {
        let bound = FIRST.saturating_mul(1 << self.failures.min(16)).min(LONGEST);
        let least = if self.failures == 0 { Duration::ZERO } else { bound / 2 };
        let jittered = least + (bound - least).mul_f64(f64::from(chance) / f64::from(u32::MAX));
        let wait = match self.requested.take() {
            // A server that requests no wait but fails repeatedly is not obeyed.
            Some(requested) if self.failures > 0 => requested.max(jittered),
            Some(requested) => requested,
            None => jittered,
        };
        self.failures = self.failures.saturating_add(1);
        self.waited = wait;
        wait
    }

    /// A connection has ended after this time.
    pub(crate) fn lived(&mut self, so_long: Duration) {
        if so_long >= self.waited.min(LONGEST).max(LIVED) {
            self.failures = 0;
        }
    }
}

/// Whether a connection of this duration counts as a success.
pub(crate) fn is_lasting(so_long: Duration) -> bool {
    so_long >= LIVED
}

/// The wait after a `RATE_LIMITED` or `UNAVAILABLE` that requests `requested`, if the request was refused `before`
/// times already. Never zero, whatever the server requests.
pub(crate) fn before_resend(requested: Option<Duration>, before: u32) -> Duration {
    let floor = SHORTEST_LIMIT.saturating_mul(1 << before.min(16)).min(LONGEST_FLOOR);
    requested.unwrap_or(USUAL_LIMIT).clamp(floor, LONGEST_LIMIT)
}

/// A uniform random number. Without randomness of the system, the middle.
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
        // Longer than the shortest life, but shorter than the last wait.
        backoff.lived(LONGEST / 2 - MS);
        assert_eq!(backoff.next(u32::MAX), LONGEST);
        backoff.lived(LONGEST);
        assert_eq!(backoff.next(u32::MAX), FIRST);
    }

    #[test]
    fn a_server_that_loses_each_connection_after_the_login_is_asked_less_and_less() {
        for chance in [0, u32::MAX] {
            let mut backoff = Backoff::default();
            let mut now = Duration::ZERO;
            let mut attempts = 0;
            while now < Duration::from_secs(60) {
                now += backoff.next(chance);
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
        backoff.requested(Duration::from_secs(7));
        assert_eq!(backoff.next(0), Duration::from_secs(7));
        assert_eq!(backoff.next(u32::MAX), FIRST * 2);
        backoff.requested(Duration::ZERO);
        assert_eq!(backoff.next(0), FIRST * 2);
        backoff.requested(Duration::from_secs(600));
        backoff.next(0);
        // It need not last for ten minutes.
        backoff.lived(LONGEST);
        assert_eq!(backoff.next(u32::MAX), FIRST);
    }

    #[test]
    fn a_rate_limit_is_never_asked_without_a_pause() {
        let waits: Vec<_> =
            (0..9).map(|before| before_resend(Some(Duration::ZERO), before).as_millis()).collect();
        assert_eq!(waits, [25, 50, 100, 200, 400, 800, 1600, 2000, 2000]);
        assert_eq!(before_resend(Some(MS * 300), 2), MS * 300);
        assert_eq!(before_resend(None, 0), USUAL_LIMIT);
        assert_eq!(before_resend(Some(Duration::MAX), 40), LONGEST_LIMIT);
    }
}
