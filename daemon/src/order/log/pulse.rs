//! Owns the clock that stands still while the log does. The order tells it each sign that the log goes on. Never reads a
//! clock: time is an argument.

use std::time::Duration;

/// After a sign of life the log counts as going on for this long. The order asks for a sign at half of it.
pub(super) const LASTS: Duration = Duration::from_secs(10);

/// A clock that runs for [`LASTS`] after each sign of life.
#[derive(Debug, Default)]
pub(super) struct Pulse {
    /// The time on this clock at the last sign,
    shown: Duration,
    /// and when that was.
    sign: Duration,
    has_begun: bool,
}

impl Pulse {
    /// The log goes on.
    pub(super) fn sign(&mut self, now: Duration) {
        self.shown = self.running(now);
        self.sign = self.sign.max(now);
        self.has_begun = true;
    }

    /// The time on this clock.
    pub(super) fn running(&self, now: Duration) -> Duration {
        let ran = if self.has_begun { now.saturating_sub(self.sign).min(LASTS) } else { Duration::ZERO };
        self.shown + ran
    }

    /// Has the last sign been for this long? Before the first one: since the process started.
    pub(super) fn is_without_a_sign(&self, now: Duration, time: Duration) -> bool {
        now >= self.sign + time
    }

    /// Should the order ask for a sign?
    pub(super) fn is_old(&self, now: Duration) -> bool {
        !self.has_begun || now >= self.sign + LASTS / 2
    }

    /// Has the order asked for a sign for this long, without getting one?
    pub(super) fn is_silent(&self, now: Duration, patience: Duration) -> bool {
        self.has_begun && now >= self.sign + LASTS / 2 + patience
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_stands_still_without_a_sign() {
        let (mut pulse, at) = (Pulse::default(), Duration::from_secs);
        assert_eq!(pulse.running(at(100)), at(0));
        pulse.sign(at(100));
        assert_eq!(pulse.running(at(103)), at(3));
        pulse.sign(at(104));
        assert_eq!(pulse.running(at(700)), at(14));
        pulse.sign(at(700));
        assert_eq!(pulse.running(at(701)), at(15));
    }
}
