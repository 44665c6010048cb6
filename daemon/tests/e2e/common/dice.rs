//! Owns repeatable random numbers: the seed is printed, and `TCP_CHAT_SEED` sets it.

/// A small random number generator (xorshift*), good enough to choose moments and mutations.
pub(crate) struct Dice(u64);

impl Dice {
    /// Random numbers for the test of this name, seeded from `TCP_CHAT_SEED` or from the clock.
    pub(crate) fn new(test: &str) -> Self {
        let seed = std::env::var("TCP_CHAT_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or_else(|| {
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
            now.as_secs() * 1000 + u64::from(now.subsec_millis())
        });
        println!("{test}: TCP_CHAT_SEED={seed}");
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// The next number.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `bound`, which is not 0.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap()
    }

    /// One of them.
    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}
