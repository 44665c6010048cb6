//! Owns the work of the hub between turns: removing old messages, waking connections for lines in no hurry, and
//! retrying a failed store. Called by its loop after each turn. Never decides which messages are removed: the store
//! proposes it, and the state decides in the next turn.

use super::Hub;
use super::turn::commit;
use crate::log;
use crate::store::{HistoryBytes, Removed, StoreError};
use std::time::Duration;
use tokio::time::Instant;
use tracing::{error, info, warn};

/// Time between two checks for messages to remove from the store.
pub(super) const RETENTION_EVERY: Duration = Duration::from_secs(5);
/// The same while there is more to remove.
const RETENTION_AGAIN: Duration = Duration::from_millis(20);
/// With a log: the time until what was proposed has come back, and the next slice can be proposed.
const RETENTION_PROPOSED: Duration = Duration::from_millis(250);
/// Slices that are removed in a row while the history is above its size limit: a turn must not write more than is
/// removed.
const SLICES: usize = 8;
/// The longest time that these slices take.
const SLICES_TIME: Duration = Duration::from_millis(3);
/// The longest time that held turns are written before the hub serves its inbox again.
const HELD_TIME: Duration = Duration::from_millis(20);
/// Time between two turns in which the state forgets old certificates and removed users.
pub(super) const FORGET_EVERY: Duration = Duration::from_secs(24 * 3600);
/// Time between two checks that the store's files are still the opened ones.
pub(super) const CHECK_EVERY: Duration = Duration::from_secs(1);
/// Time between two attempts to write to a failed store.
pub(super) const PROBE_EVERY: Duration = Duration::from_secs(1);

impl Hub {
    /// Does the work that is due.
    pub(super) fn chores(&mut self) {
        let now = Instant::now();
        self.wake_deferred(now);
        let fails = self.failing.is_some();
        if now >= self.retention_at || (!fails && self.store.has_grown()) {
            log::tell_left_out();
            // A store that fails is probed, and nothing else waits for it.
            let removed = if fails { Ok(false) } else { self.remove_old() };
            self.retention_at = now
                + match removed {
                    Ok(true) if self.is_above_limit() => Duration::ZERO,
                    Ok(true) => RETENTION_AGAIN,
                    Ok(false) if self.retains.is_some() => RETENTION_PROPOSED,
                    Ok(false) => RETENTION_EVERY,
                    Err(why) => {
                        warn!(
                            event = "tidy_failed",
                            error = why.to_string(),
                            "old messages could not be removed"
                        );
                        RETENTION_EVERY
                    }
                };
        }
        if now >= self.forget_at {
            self.forget_at = now + FORGET_EVERY;
            if self.drives() {
                self.retains.get_or_insert_default();
            }
        }
        if now >= self.check_at {
            self.check_at = now + CHECK_EVERY;
            self.check_files();
            self.store.free_cache_if_idle();
        }
        self.keep_place_if_due();
        if self.failing.as_ref().is_some_and(|(_, at)| now >= *at) {
            self.try_again(now);
        }
    }

    /// Checks the store's files also while no client writes: without its files the store fails.
    fn check_files(&mut self) {
        if self.failing.is_some() {
            return;
        }
        if let Err(why) = self.store.check_files() {
            self.fail(&why);
        }
    }

    /// Retries a failed store: first whether it has room for a message, then whether it keeps the held turns.
    fn try_again(&mut self, now: Instant) {
        // Room that retention can make is made first.
        let probed = self.store.probe().and_then(|()| self.remove_old());
        let kept = probed.and_then(|is_more| {
            if is_more {
                self.retention_at = now;
            }
            self.store.check_disk_space()?;
            self.keep_held(Some(now + HELD_TIME))
        });
        match kept {
            Ok(true) => {
                self.failing = None;
                self.shared.store_works();
                self.edge.store_works();
                info!(event = "store_works", "store works again: messages are kept");
                self.answer();
            }
            Ok(false) => self.failing.iter_mut().for_each(|(_, at)| *at = now),
            // The removal that the next turn decides makes room.
            Err(why) if self.retains.is_some() && !self.order.is_log() => {
                self.failing = Some((why.to_string(), now))
            }
            Err(why) => self.failing = Some((why.to_string(), now + PROBE_EVERY)),
        }
    }

    /// Writes the held turns, and delivers their effects. False: more are held, and the time is over.
    pub(super) fn keep_held(&mut self, until: Option<Instant>) -> Result<bool, StoreError> {
        loop {
            let place = self.edge.held_place();
            let Some(writes) = self.edge.held() else { break };
            // Effects of tasks that needed no turn may be held alone, and those have no place in a log.
            let has_none = self.order.is_log() && place.is_none() && writes.is_empty();
            let kept = if has_none { Vec::new() } else { commit(&mut self.store, writes, place.as_ref())? };
            if place.is_some() {
                self.shared.place_is_kept();
            }
            let effects = self.edge.release(&self.state);
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
        self.shared.store_fails();
    }

    fn is_above_limit(&self) -> bool {
        let bytes = self.store.history_bytes();
        bytes.most.is_some_and(|most| bytes.taken > most)
    }

    /// Removes one slice, or several if the history is above its limit or the store fails. Then proposes the next
    /// retention. True: there may be more.
    pub(super) fn remove_old(&mut self) -> Result<bool, StoreError> {
        let began = std::time::Instant::now();
        let mut is_more = self.remove_slice()?;
        // The size was read before the slice was removed: the next check may find room again.
        self.log_if_full();
        for _ in 1..SLICES {
            if !is_more || !self.is_urgent() || began.elapsed() >= SLICES_TIME {
                break;
            }
            is_more = self.remove_slice()?;
        }
        let slices = if self.is_urgent() { SLICES } else { 1 };
        let proposed = self.store.propose_retention(self.clock.at_least(self.now()), slices)?;
        self.own_oldest = Some(self.own_oldest.max(proposed).unwrap_or_default());
        let proposed = proposed.filter(|oldest| *oldest > self.state.oldest());
        self.retains = self.retains.max(proposed);
        // With a log there is nothing more to remove until the proposal has come back. Every node proposes: the strictest
        // limit of all of them counts.
        Ok(is_more || (proposed.is_some() && !self.order.is_log()))
    }

    /// Must room be made at once?
    fn is_urgent(&self) -> bool {
        self.is_above_limit() || self.failing.is_some()
    }

    /// Logs once that messages were removed for the disk space that they took.
    fn log_if_full(&mut self) {
        let HistoryBytes { taken, most } = self.store.history_bytes();
        let Some(most) = most else { return };
        let is_full = taken > most || std::mem::take(&mut self.was_above_limit);
        if is_full && !self.is_full_logged {
            self.is_full_logged = true;
            warn!(
                event = "history_full",
                bytes = taken,
                max_bytes = most,
                "the history takes all of history.max_bytes: the oldest messages go before history.retain"
            );
        } else if taken < most / 2 {
            self.is_full_logged = false;
        }
    }

    /// Removes a slice of the messages that the state has decided to remove. True: there may be more.
    fn remove_slice(&mut self) -> Result<bool, StoreError> {
        let now = self.clock.at_least(self.now());
        let is_own = !self.order.is_log()
            || self.is_above_limit()
            || self.own_oldest.is_none_or(|own| self.state.oldest() <= own);
        let Some(removed) = self.store.remove_slice(now, self.state.oldest())? else { return Ok(false) };
        let Removed { age, number, bytes, gone } = removed;
        if bytes > 0 && is_own {
            self.was_above_limit = true;
        } else if bytes > 0 && !std::mem::replace(&mut self.is_stricter_logged, true) {
            info!(
                event = "kept_less_elsewhere",
                "messages are removed that the limits of this node would keep: those of another node are stricter, or its \
                 disk is smaller"
            );
        }
        let (bytes, elsewhere) = if is_own { (bytes, 0) } else { (0, bytes) };
        self.metrics.hub.removed([age, number, bytes, gone, elsewhere]);
        Ok(true)
    }
}

#[cfg(test)]
mod tests;
