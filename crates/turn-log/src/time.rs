//! Owns the time of the log: the stream's timestamps, made monotone. The reader calls it for each entry that counts. Never
//! reads a clock.
//!
//! The server that leads the stream stamps each entry with its own clock. After a failover another clock does, and it may
//! be behind. An entry then has the time of the one before it, so nothing that ends at a time comes back.

use serde::{Deserialize, Serialize};

/// A time of the log, in milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct LogTime(pub u64);

impl LogTime {
    /// The time of the next entry, which the stream stamped with `stamp`.
    #[must_use]
    pub fn advance(self, stamp: Self) -> Self {
        self.max(stamp)
    }
}

#[cfg(test)]
mod tests {
    use super::LogTime;

    #[test]
    fn time_never_goes_back() {
        let stamps = [5, 7, 3, 7, 8].map(LogTime);
        let times: Vec<LogTime> = stamps
            .into_iter()
            .scan(LogTime(0), |time, stamp| {
                *time = time.advance(stamp);
                Some(*time)
            })
            .collect();
        assert_eq!(times, [5, 7, 7, 7, 8].map(LogTime));
    }
}
