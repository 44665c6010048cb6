//! Owns by which moment messages are old. The clock may be wrong: what it shows is not believed where it would take
//! away what was said a moment ago. Asked by the hub before retention. Pure: never reads a clock.

use crate::chat::Now;
use std::time::Duration;

/// A start that long after the newest message is believed at once.
const NEAR: Duration = Duration::from_secs(7 * 24 * 3600);
/// Any other is believed after that time, in which the clock is set, or its operator reads the log.
const WAITS: Duration = Duration::from_secs(24 * 3600);

/// When the daemon began.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    /// By the clock, in milliseconds since 1970.
    wall: u64,
    /// The newest message of that moment by its stamp.
    newest: Option<u64>,
}

impl Moment {
    pub(super) fn new(wall: u64, newest: Option<u64>) -> Self {
        Self { wall, newest }
    }

    /// Is the clock so far ahead of the newest message that it may be wrong?
    pub(super) fn is_doubtful(&self) -> bool {
        self.trusted() < self.wall
    }

    /// The moment that it is at least: neither a clock that jumps ahead while we run nor one that was ahead at the
    /// start makes messages old.
    pub(super) fn certainly(&self, now: Now) -> u64 {
        let began = if u128::from(now.mono) < WAITS.as_millis() { self.trusted() } else { self.wall };
        now.wall.min(began.saturating_add(now.mono))
    }

    fn trusted(&self) -> u64 {
        let near = u64::try_from(NEAR.as_millis()).unwrap_or(u64::MAX);
        self.newest.map_or(self.wall, |newest| self.wall.min(newest.saturating_add(near)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 24 * 3600 * 1000;

    #[test]
    fn a_start_with_a_clock_that_is_far_ahead_makes_nothing_old_for_a_day() {
        let began = 1_000 * DAY;
        let ahead = Moment::new(began, Some(900 * DAY));
        assert!(ahead.is_doubtful());
        assert_eq!(ahead.certainly(Now { mono: 0, wall: began }), 907 * DAY);
        assert_eq!(ahead.certainly(Now { mono: DAY - 1, wall: began + DAY - 1 }), 908 * DAY - 1);
        assert_eq!(
            ahead.certainly(Now { mono: DAY, wall: began + DAY }),
            1_001 * DAY,
            "it was off for so long"
        );
        assert_eq!(ahead.certainly(Now { mono: 5, wall: 900 * DAY + 5 }), 900 * DAY + 5, "the clock was set");
    }

    #[test]
    fn a_start_soon_after_the_newest_message_is_believed_and_a_jump_is_not() {
        for newest in [None, Some(995 * DAY), Some(2_000 * DAY)] {
            let moment = Moment::new(1_000 * DAY, newest);
            assert!(!moment.is_doubtful());
            assert_eq!(moment.certainly(Now { mono: 7, wall: 1_000 * DAY + 7 }), 1_000 * DAY + 7);
            assert_eq!(moment.certainly(Now { mono: 7, wall: 1_100 * DAY }), 1_000 * DAY + 7, "a jump");
            assert_eq!(moment.certainly(Now { mono: 7, wall: 999 * DAY }), 999 * DAY, "set back");
        }
    }
}
