//! Owns how many steps of slow work, and how much of what is not talk, the hub takes into a turn. Called by the turn. Measures what steps took in the
//! turns before, because the number stands in the turn before its first step is done. Never does a step.

use std::time::Duration;

/// The steps of slow work that a turn has time for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// What a step took lately, in nanoseconds.
    step_ns: u64,
}

impl Default for Pace {
    fn default() -> Self {
        Self { step_ns: Self::SLOW_NS }
    }
}

impl Pace {
    /// Steps that a turn does also where it has no time left, so that the work ends.
    pub(super) const LEAST: usize = 16;
    /// Steps of one turn at most: the next ones may be of a kind that takes longer than those before.
    const MOST: usize = 512;
    /// Requests of one turn at most. Among them may be logins behind what costs nothing.
    const MOST_REQUESTS: usize = 128;
    /// What a step is taken to need before one was measured, in nanoseconds.
    const SLOW_NS: u64 = 20_000;

    /// The steps of a turn that has so much time for them.
    pub(super) fn steps(self, time: Duration) -> usize {
        let time = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        usize::try_from(time / self.step_ns).unwrap_or(usize::MAX).clamp(Self::LEAST, Self::MOST)
    }

    /// How much of what is not talk a turn takes that has so much time for it. It takes something always.
    pub(super) fn most(self, time: Duration) -> usize {
        let time = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        usize::try_from(time / self.step_ns).unwrap_or(usize::MAX).clamp(1, Self::MOST_REQUESTS)
    }

    /// What so much takes.
    pub(super) fn time(self, steps: usize) -> Duration {
        Duration::from_nanos(self.step_ns.saturating_mul(steps as u64))
    }

    /// So many steps took that long. A slow step counts at once; faster ones count by halves.
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
