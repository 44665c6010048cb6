//! Owns what the hub does between turns although nobody asks: removing what is too old, waking those
//! who have something that was in no hurry, and trying a store that failed. Called by its loop after
//! each turn. Never decides what goes: the store proposes it, and the chat decides in the next turn.

use super::Hub;
use crate::log;
use crate::store::{HistoryBytes, Removed, StoreError};
use std::time::Duration;
use tokio::time::Instant;
use tracing::{error, info, warn};

/// Between two looks at what has to go from the store.
pub(super) const TIDY_EVERY: Duration = Duration::from_secs(5);
/// The same while there is more to remove.
const TIDY_AGAIN: Duration = Duration::from_millis(20);
/// Slices that are removed one after the other where the history takes more than it may: a turn must not
/// write more than goes.
const SLICES: usize = 8;
/// For so long at most.
const SLICES_TIME: Duration = Duration::from_millis(3);
/// For how long turns that were held are written, before others are heard again.
const HELD_TIME: Duration = Duration::from_millis(20);
/// Between two turns in which the chat forgets certificates and removed users that are too old.
pub(super) const FORGET_EVERY: Duration = Duration::from_secs(24 * 3600);
/// Between two looks whether the store's files are still the ones that were opened.
pub(super) const CHECK_EVERY: Duration = Duration::from_secs(1);
/// Between two tries to write to a store that failed.
pub(super) const PROBE_EVERY: Duration = Duration::from_secs(1);

impl Hub {
    /// What is due.
    pub(super) fn chores(&mut self) {
        let now = Instant::now();
        self.wake_unhurried(now);
        let fails = self.failing.is_some();
        if now >= self.tidy_at || (!fails && self.store.has_grown()) {
            log::tell_left_out();
            // A store that fails is probed, and nothing else waits for it.
            let tidied = if fails { Ok(false) } else { self.tidy() };
            self.tidy_at = now
                + match tidied {
                    Ok(true) if self.is_over() => Duration::ZERO,
                    Ok(true) => TIDY_AGAIN,
                    Ok(false) => {
                        self.store.free_cache_if_idle();
                        TIDY_EVERY
                    }
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
        if now >= self.forget_at {
            self.forget_at = now + FORGET_EVERY;
            self.retains.get_or_insert_default();
        }
        if now >= self.check_at {
            self.check_at = now + CHECK_EVERY;
            self.check_files();
        }
        if self.failing.as_ref().is_some_and(|(_, at)| now >= *at) {
            self.try_again(now);
        }
    }

    /// Nobody says anything, perhaps: the store fails all the same if its files are not there.
    fn check_files(&mut self) {
        if self.failing.is_some() {
            return;
        }
        if let Err(why) = self.store.check_files() {
            self.fail(&why);
        }
    }

    /// Tries a store that failed: whether it has room for a message, and then whether it keeps what was held.
    fn try_again(&mut self, now: Instant) {
        // Room that retention can make is made first.
        let probed = self.store.probe().and_then(|()| self.tidy());
        let kept = probed.and_then(|is_more| {
            if is_more {
                self.tidy_at = now;
            }
            self.store.check_disk_space()?;
            self.keep_held(Some(now + HELD_TIME))
        });
        match kept {
            Ok(true) => {
                self.failing = None;
                self.edge.store_works();
                info!(event = "store_works", "store works again: messages are kept");
                self.answer();
            }
            Ok(false) => self.failing.iter_mut().for_each(|(_, at)| *at = now),
            // What the next turn decides to remove gives room.
            Err(why) if self.retains.is_some() => self.failing = Some((why.to_string(), now)),
            Err(why) => self.failing = Some((why.to_string(), now + PROBE_EVERY)),
        }
    }

    /// Writes what was held, and tells what had to wait for that. False: there is more, and the time is over.
    pub(super) fn keep_held(&mut self, until: Option<Instant>) -> Result<bool, StoreError> {
        while let Some(writes) = self.edge.held() {
            let kept = self.store.commit(writes)?;
            let effects = self.edge.release(&self.chat);
            self.deliver(effects, &kept);
            if until.is_some_and(|until| Instant::now() >= until) {
                return Ok(self.edge.held().is_none());
            }
        }
        Ok(true)
    }

    /// The store could not keep a turn, or lost its files: from now on messages are refused.
    pub(super) fn fail(&mut self, why: &StoreError) {
        let why = why.to_string();
        error!(
            event = "store_failing",
            error = why,
            "store failed: messages are refused until it can be written again"
        );
        self.edge.store_fails();
        self.failing = Some((why, Instant::now() + PROBE_EVERY));
    }

    fn is_over(&self) -> bool {
        let bytes = self.store.history_bytes();
        bytes.most.is_some_and(|most| bytes.taken > most)
    }

    /// Removes a slice, or some where the history takes more than it may, or the store fails. Then proposes what goes next.
    /// True: there may be more.
    pub(super) fn tidy(&mut self) -> Result<bool, StoreError> {
        let began = std::time::Instant::now();
        let mut is_more = self.tidy_once()?;
        // It was looked at before the slice went: the next look may find that there is room again.
        self.tell_if_full();
        for _ in 1..SLICES {
            if !is_more || !self.is_urgent() || began.elapsed() >= SLICES_TIME {
                break;
            }
            is_more = self.tidy_once()?;
        }
        let slices = if self.is_urgent() { SLICES } else { 1 };
        let proposed = self.store.propose_retention(self.clock.at_least(self.now()), slices)?;
        let proposed = proposed.filter(|oldest| *oldest > self.chat.oldest());
        self.retains = self.retains.max(proposed);
        Ok(is_more || proposed.is_some())
    }

    /// Must room be made at once?
    fn is_urgent(&self) -> bool {
        self.is_over() || self.failing.is_some()
    }

    /// Whether messages went for the room that they took, since it was last said.
    fn tell_if_full(&mut self) {
        let HistoryBytes { taken, most } = self.store.history_bytes();
        let Some(most) = most else { return };
        let is_full = taken > most || std::mem::take(&mut self.is_cut);
        if is_full && !self.is_full_told {
            self.is_full_told = true;
            warn!(
                event = "history_full",
                bytes = taken,
                max_bytes = most,
                "the history takes all of history.max_bytes: the oldest messages go before history.retain"
            );
        } else if taken < most / 2 {
            self.is_full_told = false;
        }
    }

    /// Removes a slice of what the chat has decided on. True: there may be more.
    fn tidy_once(&mut self) -> Result<bool, StoreError> {
        let now = self.clock.at_least(self.now());
        let Some(removed) = self.store.remove_slice(now, self.chat.oldest())? else { return Ok(false) };
        let Removed { age, number, bytes, gone } = removed;
        self.is_cut |= bytes > 0;
        self.metrics.hub.removed([age, number, bytes, gone]);
        Ok(true)
    }
}

#[cfg(test)]
mod tests;
