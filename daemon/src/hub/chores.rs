//! Owns what the hub does between turns although nobody asks: removing what is too old, waking those
//! who have something that was in no hurry, and trying a store that failed. Called by its loop after
//! each turn. Never decides what goes: the store does, a small slice at a time.

use super::Hub;
use crate::log;
use crate::store::StoreError;
use std::time::Duration;
use tokio::time::Instant;
use tracing::{info, warn};

/// Between two looks at what has to go from the store.
pub(super) const TIDY_EVERY: Duration = Duration::from_secs(5);
/// The same while there is more to remove.
const TIDY_AGAIN: Duration = Duration::from_millis(20);
/// Between two tries to write to a store that failed.
pub(super) const PROBE_EVERY: Duration = Duration::from_secs(1);

impl Hub {
    /// What is due.
    pub(super) fn chores(&mut self) {
        let now = Instant::now();
        self.wake_unhurried(now);
        if now >= self.tidy_at {
            log::tell_left_out();
            self.tidy_at = now
                + match self.tidy() {
                    Ok(true) => TIDY_AGAIN,
                    Ok(false) => TIDY_EVERY,
                    Err(why) => {
                        warn!(
                            event = "tidy_failed",
                            error = why.to_string(),
                            "old messages could not be removed"
                        );
                        TIDY_EVERY
                    }
                };
        }
        if self.failing.as_ref().is_some_and(|(_, at)| now >= *at) {
            // Room that retention can make is made first.
            let probed = self.tidy().and_then(|_| self.store.replace(&self.chat.found()));
            self.failing = match probed {
                Ok(()) => {
                    self.chat.keeps_again();
                    info!(event = "store_works", "store works again: messages are kept");
                    None
                }
                Err(why) => Some((why.to_string(), now + PROBE_EVERY)),
            };
        }
    }

    /// Removes a slice. True: there may be more. The chat hears in the next turn of what is gone.
    fn tidy(&mut self) -> Result<bool, StoreError> {
        let Some(tidied) = self.store.tidy(self.certainly())? else { return Ok(false) };
        let (oldest, of) = self.forgotten.get_or_insert_default();
        *oldest = tidied.oldest;
        of.extend(tidied.of);
        Ok(true)
    }
}
