//! Owns how many steps of slow work, and how many requests other than messages, a turn takes. Called by the turn.
//! Measures the steps of earlier turns, because the number is part of the turn before its first step. Never does a
//! step.

use std::time::Duration;

/// The number of steps of slow work that a turn has time for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// The recent time of one step, in nanoseconds.
    step_ns: u64,
}

impl Default for Pace {
    fn default() -> Self {
        Self { step_ns: Self::SLOW_NS }
    }
}

impl Pace {
    /// Steps that a turn does even without time left, so that the work ends.
    pub(super) const LEAST: usize = 16;
    /// The largest number of steps in one turn: the next ones may take longer than those before.
    const MOST: usize = 512;
    /// The largest number of requests in one turn. Logins may follow requests that cost nothing.
    const MOST_REQUESTS: usize = 128;
    /// The assumed time of a step before the first measurement, in nanoseconds.
    const SLOW_NS: u64 = 20_000;

    /// The number of steps that fit into this time.
    pub(super) fn steps(self, time: Duration) -> usize {
        let time = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        usize::try_from(time / self.step_ns).unwrap_or(usize::MAX).clamp(Self::LEAST, Self::MOST)
    }

    /// The number of requests other than messages that fit into this time; at least one.
    pub(super) fn most(self, time: Duration) -> usize {
        let time = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        usize::try_from(time / self.step_ns).unwrap_or(usize::MAX).clamp(1, Self::MOST_REQUESTS)
    }

    /// The expected time of so many.
    pub(super) fn time(self, steps: usize) -> Duration {
        Duration::from_nanos(self.step_ns.saturating_mul(steps as u64))
    }

    /// So many steps took this time. A slow step counts at once; faster ones change the value by half.
    pub(super) fn took(&mut self, steps: usize, time: Duration) {
        let time = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let step = (time / (steps as u64).max(1)).max(1);
        self.step_ns = step.max(self.step_ns.midpoint(step)).max(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TURN: Duration = Duration::from_millis(1);

    #[test]
    fn a_turn_takes_as_many_steps_as_its_time_allows() {
        let mut pace = Pace::default();
        assert_eq!(pace.steps(TURN), 50);
        assert_eq!(pace.steps(Duration::ZERO), Pace::LEAST);
        for _ in 0..20 {
            pace.took(10, Duration::from_micros(40));
        }
        assert_eq!(pace.steps(TURN), 250);
        pace.took(250, Duration::from_millis(5));
        assert_eq!(pace.steps(TURN), 50, "slower steps count at once");
        for _ in 0..20 {
            pace.took(10, Duration::ZERO);
        }
        assert_eq!(pace.steps(TURN), Pace::MOST, "the next ones may be slower");
        pace.took(16, Duration::MAX);
        assert_eq!(pace.steps(TURN), Pace::LEAST);
    }
}
