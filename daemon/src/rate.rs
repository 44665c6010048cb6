//! Owns the token bucket, the only form of a rate limit in the daemon: requests, bytes, moderation, handshakes.
//! `edge` keeps buckets by session, user and network, and `net` keeps them by network. Reads no clock: the time
//! is an argument, in milliseconds of a monotonic clock.

use std::collections::BTreeMap;
pub use tcp_chat_state::Limit;

/// Parts of a token, and milliseconds of a second: one token per second is one part per millisecond.
const PARTS: u64 = 1000;

/// The parts that a full bucket has.
fn most(limit: Limit) -> i64 {
    signed(limit.burst.max(1).saturating_mul(PARTS))
}

/// The milliseconds until this many parts are earned.
fn wait(limit: Limit, parts: i64) -> u64 {
    parts.max(0).unsigned_abs().div_ceil(limit.per_second)
}

/// The state of a token bucket with a [`Limit`]. Counts in thousandths of a token, so that rounding loses
/// nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bucket {
    /// Below zero: tokens that were taken in advance.
    parts: i64,
    /// The time of the last update.
    at: u64,
}

impl Bucket {
    /// A full bucket, at the moment `now`.
    #[must_use]
    pub fn full(now: u64) -> Self {
        Self { parts: i64::MAX, at: now }
    }

    /// Whether the bucket is full again.
    #[must_use]
    pub fn is_full(&self, limit: Limit, now: u64) -> bool {
        let mut later = *self;
        later.earn(limit, now);
        limit.per_second == 0 || later.parts >= most(limit)
    }

    /// Takes tokens. More tokens than the burst count as the burst, so no request waits for ever.
    ///
    /// # Errors
    /// The milliseconds until the tokens are available. Takes nothing.
    pub fn take(&mut self, limit: Limit, tokens: u64, now: u64) -> Result<(), u64> {
        if limit.per_second == 0 {
            return Ok(());
        }
        self.earn(limit, now);
        let wanted = signed(tokens.saturating_mul(PARTS)).min(most(limit));
        if self.parts < wanted {
            return Err(wait(limit, wanted.saturating_sub(self.parts)));
        }
        self.parts -= wanted;
        Ok(())
    }

    /// Takes tokens even if there are fewer: bytes that were read cannot be unread. Returns the milliseconds
    /// until the debt is paid.
    ///
    /// # Errors
    /// The milliseconds until an earlier debt is paid. Takes nothing.
    pub fn charge(&mut self, limit: Limit, tokens: usize, now: u64) -> Result<u64, u64> {
        if limit.per_second == 0 {
            return Ok(0);
        }
        self.earn(limit, now);
        if self.parts < 0 {
            return Err(wait(limit, self.parts.saturating_neg()));
        }
        self.parts = self.parts.saturating_sub(signed((tokens as u64).saturating_mul(PARTS)));
        Ok(wait(limit, self.parts.saturating_neg()))
    }

    /// Puts tokens back. The next update removes tokens above the burst.
    pub fn give_back(&mut self, tokens: usize) {
        self.parts = self.parts.saturating_add(signed((tokens as u64).saturating_mul(PARTS)));
    }

    fn earn(&mut self, limit: Limit, now: u64) {
        let earned = signed(now.saturating_sub(self.at).saturating_mul(limit.per_second));
        self.parts = self.parts.saturating_add(earned).min(most(limit));
        self.at = self.at.max(now);
    }
}

fn signed(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// The number of buckets at which full ones are removed for the first time.
const REMEMBERED: usize = 1_024;

/// One bucket per key: per user or network. If there are many, full ones are removed, so memory follows the
/// number of recently active keys.
///
/// A tree, because it is searched for each message: a few comparisons cost less than a hash that resists an
/// attacker.
#[derive(Debug)]
pub struct Buckets<K> {
    all: BTreeMap<K, Bucket>,
    /// The number of buckets at which full ones are removed.
    remove_at: usize,
}

impl<K> Default for Buckets<K> {
    fn default() -> Self {
        Self { all: BTreeMap::new(), remove_at: REMEMBERED }
    }
}

impl<K: Ord + Copy> Buckets<K> {
    /// The bucket of `key`; a new one is full. `limit` gives the limit of a key.
    pub fn of(&mut self, key: K, limit: impl Fn(K) -> Limit, now: u64) -> &mut Bucket {
        if self.all.len() >= self.remove_at {
            self.all.retain(|key, bucket| !bucket.is_full(limit(*key), now));
            // Doubles the number, so that each new key pays the same share of the removal.
            self.remove_at = (2 * self.all.len()).max(REMEMBERED);
        }
        self.all.entry(key).or_insert_with(|| Bucket::full(now))
    }

    /// The number of buckets.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn burst_then_rate_and_the_wait_is_true() {
        let limit = Limit { per_second: 4, burst: 2 };
        let mut bucket = Bucket::full(1_000);
        assert_eq!(bucket.take(limit, 1, 1_000), Ok(()));
        assert_eq!(bucket.take(limit, 1, 1_000), Ok(()));
        assert_eq!(bucket.take(limit, 1, 1_000), Err(250));
        assert_eq!(bucket.take(limit, 1, 1_249), Err(1));
        assert_eq!(bucket.take(limit, 1, 1_250), Ok(()));
        assert_eq!(bucket.take(limit, 1, 60_000), Ok(()));
        assert_eq!(bucket.take(limit, 1, 60_000), Ok(()));
        assert_eq!(bucket.take(limit, 1, 60_000), Err(250), "what is saved up is bounded by the burst");
    }

    #[test]
    fn many_tokens_at_once_wait_for_as_many_but_never_for_ever() {
        let limit = Limit { per_second: 4, burst: 8 };
        let mut bucket = Bucket::full(0);
        assert_eq!(bucket.take(limit, 6, 0), Ok(()));
        assert_eq!(bucket.take(limit, 6, 0), Err(1_000));
        assert_eq!(bucket.take(limit, 6, 1_000), Ok(()));
        assert_eq!(bucket.take(limit, 100, 1_000), Err(2_000), "as if it were the burst");
        assert_eq!(bucket.take(limit, 100, 3_000), Ok(()));
        assert_eq!(bucket.take(limit, 1, 3_000), Err(250));
    }

    #[test]
    fn no_rate_is_no_limit() {
        let free = Limit { per_second: 0, burst: 0 };
        let mut bucket = Bucket::full(0);
        assert!((0..10_000).all(|_| bucket.take(free, 1, 0).is_ok()));
        assert_eq!(bucket.charge(free, usize::MAX, 0), Ok(0));
        assert!(bucket.is_full(free, 0));
    }

    #[test]
    fn a_charge_may_be_more_than_there_is_and_the_next_waits_for_it() {
        let limit = Limit { per_second: 1_000, burst: 2_000 };
        let mut bucket = Bucket::full(0);
        assert_eq!(bucket.charge(limit, 2_000, 0), Ok(0), "the burst");
        assert_eq!(bucket.charge(limit, 500, 0), Ok(500), "and more, in advance");
        assert_eq!(bucket.charge(limit, 500, 100), Err(400));
        assert_eq!(bucket.charge(limit, 500, 499), Err(1));
        assert_eq!(bucket.charge(limit, 1, 500), Ok(1), "the wait was true");
        assert_eq!(bucket.charge(limit, 2_000, 1_000_000), Ok(0), "what is saved up is bounded");
        assert_eq!(bucket.charge(limit, 1, 1_000_000), Ok(1));
    }

    #[test]
    fn a_token_that_is_put_back_is_there_but_never_more_than_the_burst() {
        let limit = Limit { per_second: 2, burst: 2 };
        let mut bucket = Bucket::full(0);
        assert_eq!((bucket.take(limit, 1, 0), bucket.take(limit, 1, 0)), (Ok(()), Ok(())));
        assert_eq!(bucket.take(limit, 1, 0), Err(500));
        bucket.give_back(1);
        assert_eq!(bucket.take(limit, 1, 0), Ok(()));
        bucket.give_back(9);
        assert_eq!((0..9).filter(|_| bucket.take(limit, 1, 0).is_ok()).count(), 2);
    }

    #[test]
    fn full_buckets_are_forgotten_and_others_are_not() {
        let limit = |_| Limit { per_second: 1_000, burst: 10 };
        let mut buckets = Buckets::default();
        buckets.of(u64::MAX, limit, 0).charge(limit(0), 1_000_000, 0).unwrap();
        for n in 0..200_000 {
            // A new key each millisecond; its bucket is full again after one.
            buckets.of(n, limit, n).take(limit(n), 1, n).unwrap();
        }
        assert!(buckets.len() <= 2 * REMEMBERED, "{}", buckets.len());
        assert!(buckets.of(u64::MAX, limit, 200_000).take(limit(0), 1, 200_000).is_err());
    }

    proptest! {
        #[test]
        fn never_more_than_burst_and_rate_allow(
            per_second in 1u64..50, burst in 1u64..20, steps in proptest::collection::vec(0u64..400, 1..200),
        ) {
            let limit = Limit { per_second, burst };
            let mut bucket = Bucket::full(0);
            let (mut now, mut taken) = (0u64, 0u64);
            for step in steps {
                now += step;
                match bucket.take(limit, 1, now) {
                    Ok(()) => taken += 1,
                    Err(wait) => {
                        let mut later = bucket;
                        prop_assert!(later.take(limit, 1, now + wait).is_ok());
                    }
                }
                prop_assert!(taken <= burst + now * per_second / 1000);
            }
        }
    }
}
