//! Owns the time for retention. A clock that is ahead must not make messages old and remove them: neither a clock that
//! jumps while the hub runs, nor one that is wrong when it starts. With a log that several nodes share, its time counts:
//! what one node removes, all remove. Pure except for the log line. The hub's chores ask it, and its turns tell it the time
//! of the log. Never stamps a message.

use crate::edge::Now;
use std::time::Duration;
use tcp_chat_protocol::Timestamp;
use tracing::warn;

/// A start that is so much later than the newest message may have a wrong clock.
const LEAP: Duration = Duration::from_secs(2 * 86_400);
/// After this time without a correction the clock is believed.
const BELIEVED_AFTER: Duration = Duration::from_secs(86_400);

/// The state of the clock.
#[derive(Debug)]
pub(super) struct Clock {
    /// The time of the clock when the hub started.
    began: Timestamp,
    /// The stamp of the newest message at that moment, if the clock is doubtful.
    newest: Option<Timestamp>,
    /// With a log: its time, and the time since the hub started at which it was that, in milliseconds.
    log: Option<(Timestamp, u64)>,
}

impl Clock {
    /// `newest`: the stamp of the newest message in the store.
    pub(super) fn new(began: Timestamp, newest: Option<Timestamp>) -> Self {
        let newest = newest.filter(|newest| began.0.saturating_sub(newest.0) > millis(LEAP));
        if let Some(newest) = newest {
            warn!(
                event = "clock_doubtful",
                clock = began.to_string(),
                newest_message = newest.to_string(),
                "the clock is days ahead of the newest message: for a day no message is removed for its age; set the \
                 clock if it is wrong"
            );
        }
        Self { began, newest, log: None }
    }

    /// The log has this time, `mono` milliseconds after the hub has started.
    pub(super) fn log_says(&mut self, time: Timestamp, mono: u64) {
        self.log = Some((time, mono));
    }

    /// The time goes by a log from now on. Until it says its time, no message is old.
    pub(super) fn by_log(self) -> Self {
        Self { log: Some((Timestamp(0), 0)), ..self }
    }

    /// A lower bound of the present time.
    pub(super) fn at_least(&self, now: Now) -> Timestamp {
        let own = self.own(now);
        self.log.map_or(own, |(time, mono)| {
            own.min(Timestamp(time.0.saturating_add(now.mono.saturating_sub(mono))))
        })
    }

    fn own(&self, now: Now) -> Timestamp {
        let began = match self.newest {
            Some(newest) if now.mono < millis(BELIEVED_AFTER) => newest,
            _ => self.began,
        };
        Timestamp(now.wall.min(began.0.saturating_add(now.mono)))
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 86_400_000;

    #[test]
    fn a_clock_that_jumps_ahead_expires_no_message() {
        let clock = Clock::new(Timestamp(100 * DAY), Some(Timestamp(99 * DAY)));
        assert_eq!(clock.at_least(Now { mono: 5, wall: 100 * DAY + 5 }), Timestamp(100 * DAY + 5));
        assert_eq!(clock.at_least(Now { mono: 10, wall: 300 * DAY }), Timestamp(100 * DAY + 10));
        assert_eq!(clock.at_least(Now { mono: 10, wall: 50 * DAY }), Timestamp(50 * DAY));
    }

    #[test]
    fn with_a_log_its_time_counts_if_the_own_clock_is_ahead() {
        // 44 hours are no reason to doubt a clock.
        let mut clock = Clock::new(Timestamp(102 * DAY - DAY / 6), Some(Timestamp(100 * DAY))).by_log();
        let at = |mono| Now { mono, wall: 102 * DAY - DAY / 6 + mono };
        assert!(clock.at_least(at(3)) <= Timestamp(3), "the log has no time yet");
        clock.log_says(Timestamp(100 * DAY), 5);
        assert_eq!(clock.at_least(at(7)), Timestamp(100 * DAY + 2));
        assert_eq!(clock.at_least(at(5 + 2 * DAY)), Timestamp(102 * DAY), "also later");
        // The own clock is behind.
        assert_eq!(clock.at_least(Now { mono: 7, wall: 99 * DAY }), Timestamp(99 * DAY));
    }

    #[test]
    fn a_clock_that_is_ahead_at_the_start_is_believed_after_a_day() {
        let clock = Clock::new(Timestamp(200 * DAY), Some(Timestamp(99 * DAY)));
        assert_eq!(clock.at_least(Now { mono: 7, wall: 200 * DAY + 7 }), Timestamp(99 * DAY + 7));
        assert_eq!(clock.at_least(Now { mono: DAY, wall: 201 * DAY }), Timestamp(201 * DAY));
        // The clock was corrected meanwhile.
        assert_eq!(clock.at_least(Now { mono: DAY, wall: 100 * DAY }), Timestamp(100 * DAY));
        let empty = Clock::new(Timestamp(200 * DAY), None);
        assert_eq!(empty.at_least(Now { mono: 0, wall: 200 * DAY }), Timestamp(200 * DAY));
    }
}
