//! Owns what bounds how much one session may ask: requests, bytes and strangers written to, each a token
//! bucket. Pure: the moment is an argument.

/// A rate in requests a second, and how many may come at once. A rate of 0 is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Requests a second in the long run; 0: no limit.
    pub per_second: u32,
    /// Requests that may come at once.
    pub burst: u32,
}

/// A rate in bytes a second, and how many may come at once. A rate of 0 is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flow {
    /// Bytes a second in the long run; 0: no limit.
    pub per_second: u64,
    /// Bytes that may come at once.
    pub burst: u64,
}

/// The three rates together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rates {
    pub(super) requests: Rate,
    pub(super) bytes: Flow,
    /// Users a minute whom one may write to first; 0: no limit.
    pub(super) strangers: u32,
}

/// What is left to one session, or to a connection without one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Purse {
    requests: Bucket,
    bytes: Debt,
    strangers: Bucket,
}

impl Purse {
    /// All of it, at the moment `now`, in milliseconds.
    pub(super) fn full(rates: Rates, now: u64) -> Self {
        Self {
            requests: Bucket::full(rates.requests, now),
            bytes: Debt::none(now),
            strangers: Bucket::full(minutely(rates.strangers), now / 60),
        }
    }

    /// Takes a request out that counts as so many.
    ///
    /// # Errors
    /// How many milliseconds to wait until they are there.
    pub(super) fn request(&mut self, rates: Rates, many: u32, now: u64) -> Result<(), u64> {
        self.requests.take(rates.requests, many, now)
    }

    /// Takes out the bytes of one read. So that no read is too long for ever, it may cost more than
    /// there is: how many milliseconds until that is paid off.
    ///
    /// # Errors
    /// The same for what was read before: nothing is taken out then.
    pub(super) fn read(&mut self, rates: Rates, bytes: usize, now: u64) -> Result<u64, u64> {
        self.bytes.charge(rates.bytes, bytes, now)
    }

    /// Takes out one stranger.
    ///
    /// # Errors
    /// How many milliseconds to wait until there is one.
    pub(super) fn stranger(&mut self, rates: Rates, now: u64) -> Result<(), u64> {
        self.strangers.take(minutely(rates.strangers), 1, now / 60).map_err(|wait| wait * 60)
    }

    /// A stranger has answered, and was none.
    pub(super) fn is_no_stranger(&mut self) {
        // What is too much is taken away when it is next looked at.
        self.strangers.milli = self.strangers.milli.saturating_add(1000);
    }
}

/// With a sixtieth of the time, a rate a second is a rate a minute.
fn minutely(rate: u32) -> Rate {
    Rate { per_second: rate, burst: rate }
}

/// Bytes that are left, or owed. Counted in thousandths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Debt {
    milli: i64,
    at: u64,
}

impl Debt {
    /// All of it is left.
    pub(super) fn none(now: u64) -> Self {
        Self { milli: i64::MAX, at: now }
    }

    /// Is all of it left again?
    pub(super) fn is_none(&self, flow: Flow, now: u64) -> bool {
        let mut later = *self;
        let untouched = later.charge(flow, 0, now).is_ok();
        let most = i64::try_from(flow.burst.saturating_mul(1000)).unwrap_or(i64::MAX);
        flow.per_second == 0 || (untouched && later.milli >= most)
    }

    /// Takes the bytes out. More than there are may be taken: for how many milliseconds it is owed then.
    ///
    /// # Errors
    /// It is owed from before, for so many milliseconds: nothing is taken out.
    pub(super) fn charge(&mut self, flow: Flow, bytes: usize, now: u64) -> Result<u64, u64> {
        let signed = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        if flow.per_second == 0 {
            return Ok(0);
        }
        let earned = signed(now.saturating_sub(self.at).saturating_mul(flow.per_second));
        let most = signed(flow.burst.saturating_mul(1000));
        self.milli = self.milli.saturating_add(earned).min(most);
        self.at = self.at.max(now);
        let owed = |milli: i64| milli.min(0).unsigned_abs().div_ceil(flow.per_second);
        if self.milli < 0 {
            return Err(owed(self.milli));
        }
        self.milli = self.milli.saturating_sub(signed((bytes as u64).saturating_mul(1000)));
        Ok(owed(self.milli))
    }
}

/// What is left of a rate. Counted in thousandths of a request, so that nothing is lost to
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

    /// Is all of it left again?
    pub(super) fn is_full(&self, rate: Rate, now: u64) -> bool {
        let mut later = *self;
        later.take(rate, rate.burst.max(1), now).is_ok()
    }

    /// Takes so many out; of more than can ever be there, all.
    ///
    /// # Errors
    /// How many milliseconds to wait until they are there.
    pub(super) fn take(&mut self, rate: Rate, many: u32, now: u64) -> Result<(), u64> {
        if rate.per_second == 0 {
            return Ok(());
        }
        let per_second = u64::from(rate.per_second);
        let most = u64::from(rate.burst.max(1)) * 1000;
        // A request a second is a thousandth of a request a millisecond.
        let earned = now.saturating_sub(self.at).saturating_mul(per_second);
        self.milli = self.milli.saturating_add(earned).min(most);
        self.at = self.at.max(now);
        let wanted = (u64::from(many) * 1000).min(most);
        if self.milli >= wanted {
            self.milli -= wanted;
            Ok(())
        } else {
            Err((wanted - self.milli).div_ceil(per_second))
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
        assert_eq!(bucket.take(rate, 1, 1_000), Ok(()));
        assert_eq!(bucket.take(rate, 1, 1_000), Ok(()));
        assert_eq!(bucket.take(rate, 1, 1_000), Err(250));
        assert_eq!(bucket.take(rate, 1, 1_249), Err(1));
        assert_eq!(bucket.take(rate, 1, 1_250), Ok(()));
        assert_eq!(bucket.take(rate, 1, 60_000), Ok(()));
        assert_eq!(bucket.take(rate, 1, 60_000), Ok(()));
        assert_eq!(bucket.take(rate, 1, 60_000), Err(250), "what is saved up is bounded by the burst");
    }

    #[test]
    fn what_counts_as_many_waits_for_as_many_but_never_for_ever() {
        let rate = Rate { per_second: 4, burst: 8 };
        let mut bucket = Bucket::full(rate, 0);
        assert_eq!(bucket.take(rate, 6, 0), Ok(()));
        assert_eq!(bucket.take(rate, 6, 0), Err(1_000));
        assert_eq!(bucket.take(rate, 6, 1_000), Ok(()));
        assert_eq!(bucket.take(rate, 100, 1_000), Err(2_000), "as if it were the burst");
        assert_eq!(bucket.take(rate, 100, 3_000), Ok(()));
        assert_eq!(bucket.take(rate, 1, 3_000), Err(250));
    }

    #[test]
    fn no_rate_is_no_limit() {
        let rate = Rate { per_second: 0, burst: 0 };
        let mut bucket = Bucket::full(rate, 0);
        assert!((0..10_000).all(|_| bucket.take(rate, 1, 0).is_ok()));
    }

    fn rates(bytes: Flow, strangers: u32) -> Rates {
        Rates { requests: Rate { per_second: 0, burst: 1 }, bytes, strangers }
    }

    #[test]
    fn a_read_may_cost_more_than_there_is_and_the_next_waits_for_it() {
        let rates = rates(Flow { per_second: 1_000, burst: 2_000 }, 0);
        let mut purse = Purse::full(rates, 0);
        assert_eq!(purse.read(rates, 2_000, 0), Ok(0), "the burst");
        assert_eq!(purse.read(rates, 500, 0), Ok(500), "and more, on credit");
        assert_eq!(purse.read(rates, 500, 100), Err(400));
        assert_eq!(purse.read(rates, 500, 499), Err(1));
        assert_eq!(purse.read(rates, 1, 500), Ok(1), "the wait was true");
        assert_eq!(purse.read(rates, 2_000, 1_000_000), Ok(0), "what is saved up is bounded");
        assert_eq!(purse.read(rates, 1, 1_000_000), Ok(1));
        let free = self::rates(Flow { per_second: 0, burst: 1 }, 0);
        assert_eq!(purse.read(free, usize::MAX, 1_000_000), Ok(0), "no rate is no limit");
    }

    #[test]
    fn strangers_are_counted_by_the_minute_unless_they_answer() {
        let rates = rates(Flow { per_second: 0, burst: 1 }, 2);
        let mut purse = Purse::full(rates, 0);
        assert_eq!((purse.stranger(rates, 0), purse.stranger(rates, 0)), (Ok(()), Ok(())));
        assert_eq!(purse.stranger(rates, 0), Err(30_000));
        assert_eq!(purse.stranger(rates, 30_000), Ok(()));
        purse.is_no_stranger();
        assert_eq!(purse.stranger(rates, 30_000), Ok(()));
        (0..9).for_each(|_| purse.is_no_stranger());
        let more = (0..9).filter(|_| purse.stranger(rates, 30_000).is_ok()).count();
        assert_eq!(more, 2, "never more than the burst");
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
                match bucket.take(rate, 1, now) {
                    Ok(()) => taken += 1,
                    Err(wait) => {
                        let mut later = bucket;
                        prop_assert!(later.take(rate, 1, now + wait).is_ok());
                    }
                }
                prop_assert!(taken <= u64::from(burst) + now * u64::from(per_second) / 1000);
            }
        }
    }
}
