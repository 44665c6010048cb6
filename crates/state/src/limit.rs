//! Owns [`Limit`]: the data of a rate limit, as the policy states it. The edge of a node enforces it with a token
//! bucket. Never counts anything.

use serde::{Deserialize, Serialize};

/// A limit: a number of tokens per second in the long run, and a burst. A rate of 0 means no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limit {
    /// Tokens a second in the long run; 0: no limit.
    pub per_second: u64,
    /// Tokens that may be taken at once. At least one may.
    pub burst: u64,
}

impl Limit {
    /// The limit for `many` users together: a network may have several behind one address.
    #[must_use]
    pub fn times(self, many: u32) -> Self {
        let many = u64::from(many);
        Self { per_second: self.per_second.saturating_mul(many), burst: self.burst.saturating_mul(many) }
    }
}
