//! Owns the token bucket that bounds what one session may ask. Pure: the moment is an argument.

/// A rate in requests a second, and how many may come at once. A rate of 0 is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Requests a second in the long run; 0: no limit.
    pub per_second: u32,
    /// Requests that may come at once.
    pub burst: u32,
}

/// What is left to one session. Counted in thousandths of a request, so that nothing is lost to
/// rounding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bucket {
    milli: u64,
    at: u64,
}

impl Bucket {
    /// A full bucket at the moment `now`, in milliseconds.
    pub(super) fn full(rate: Rate, now: u64) -> Self {
        Self { milli: u64::from(rate.burst.max(1)) * 1000, at: now }
    }

    /// Takes one request out.
    ///
    /// # Errors
    /// How many milliseconds to wait until there is one.
    pub(super) fn take(&mut self, rate: Rate, now: u64) -> Result<(), u64> {
        if rate.per_second == 0 {
            return Ok(());
        }
        let per_second = u64::from(rate.per_second);
        let most = u64::from(rate.burst.max(1)) * 1000;
        // A request a second is a thousandth of a request a millisecond.
        let earned = now.saturating_sub(self.at).saturating_mul(per_second);
        self.milli = self.milli.saturating_add(earned).min(most);
        self.at = self.at.max(now);
        if self.milli >= 1000 {
            self.milli -= 1000;
            Ok(())
        } else {
            Err((1000 - self.milli).div_ceil(per_second))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn burst_then_rate_and_the_wait_is_true() {
        let rate = Rate { per_second: 4, burst: 2 };
        let mut bucket = Bucket::full(rate, 1_000);
        assert_eq!(bucket.take(rate, 1_000), Ok(()));
        assert_eq!(bucket.take(rate, 1_000), Ok(()));
        assert_eq!(bucket.take(rate, 1_000), Err(250));
        assert_eq!(bucket.take(rate, 1_249), Err(1));
        assert_eq!(bucket.take(rate, 1_250), Ok(()));
        assert_eq!(bucket.take(rate, 60_000), Ok(()));
        assert_eq!(bucket.take(rate, 60_000), Ok(()));
        assert_eq!(bucket.take(rate, 60_000), Err(250), "what is saved up is bounded by the burst");
    }

    #[test]
    fn no_rate_is_no_limit() {
        let rate = Rate { per_second: 0, burst: 0 };
        let mut bucket = Bucket::full(rate, 0);
        assert!((0..10_000).all(|_| bucket.take(rate, 0).is_ok()));
    }

    proptest! {
        #[test]
        fn never_more_than_burst_and_rate_allow(
            per_second in 1u32..50, burst in 1u32..20, steps in proptest::collection::vec(0u64..400, 1..200),
        ) {
            let rate = Rate { per_second, burst };
            let mut bucket = Bucket::full(rate, 0);
            let (mut now, mut taken) = (0u64, 0u64);
            for step in steps {
                now += step;
                match bucket.take(rate, now) {
                    Ok(()) => taken += 1,
                    Err(wait) => {
                        let mut later = bucket;
                        prop_assert!(later.take(rate, now + wait).is_ok());
                    }
                }
                prop_assert!(taken <= u64::from(burst) + now * u64::from(per_second) / 1000);
            }
        }
    }
}
