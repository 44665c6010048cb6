//! The writer's part of removals: takes the next slice, and updates what the writer knows. Called by the hub
//! when it has time. Never decides what is removed: `retention` proposes, and the state decides.

use super::disk_space::Headroom;
use super::redactions::Erasing;
use super::{
    HistoryBytes, Removed, Store, StoreError, checkpoint, erasures, history_size, removal_slice, retention,
    totals,
};
use tcp_chat_protocol::{Seq, Timestamp};

impl Store {
    /// Proposes a number below which the oldest messages should be removed, as far as `slices` slices reach.
    /// Whole chunks are removed, so a few more messages than `history.retain_messages` can stay, never fewer.
    /// `None`: nothing beyond what was decided already. Removes nothing: the state decides in a turn.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn propose_retention(&mut self, now: Timestamp, slices: usize) -> Result<Option<Seq>, StoreError> {
        self.bytes_added = 0;
        let excess_bytes = self.excess_bytes();
        let (oldest, messages) = (self.totals.oldest, self.totals.messages);
        let bounds = retention::Bounds::new(&self.history, now, excess_bytes, oldest, None, 0);
        // Taken out of `self`, so that an error does not lose the progress of the scan.
        let mut age_scan = std::mem::take(&mut self.age_scan);
        let proposed = self.with_connection("read", |log, _| {
            retention::propose(log, &bounds, messages, slices, &mut age_scan)
        });
        self.age_scan = age_scan;
        Ok(proposed?.filter(|proposed| *proposed > oldest))
    }

    /// Removes a small slice, taking turns between the kinds: messages below `oldest`, as the state decided,
    /// and what removed conversations and ended sessions left behind. Returns how many messages were removed
    /// and why. `None`: nothing is left to remove.
    ///
    /// # Errors
    /// The file cannot be written. Nothing was removed then.
    pub fn remove_slice(&mut self, now: Timestamp, oldest: Seq) -> Result<Option<Removed>, StoreError> {
        // Reset also after a failure, so that the next attempt does not come with the next turn.
        self.bytes_added = 0;
        let excess_bytes = self.excess_bytes();
        let budget = self.removal_budget()?;
        if budget.is_none() {
            self.halvings = 0;
        }
        let oldest = oldest.max(self.totals.oldest);
        let bounds = retention::Bounds::new(&self.history, now, excess_bytes, oldest, budget, self.halvings)
            .keeping_ids_after(self.totals.head.saturating_sub(self.known_ids));
        let (before, mut totals, last) = (self.totals, self.totals, self.last_removed);
        totals.oldest = oldest;
        // Taken out of `self`, so that an error does not lose the progress of the scan.
        let mut age_scan = std::mem::take(&mut self.age_scan);
        let slice = self.with_connection("read", |log, _| {
            retention::next_slice(log, &bounds, totals.messages, last, &mut age_scan)
        });
        self.age_scan = age_scan;
        let Some(slice) = slice? else {
            self.halvings = 0;
            // The index is built again once there is space for messages.
            let gives_room = self.shared.work().gives_room && !self.has_disk_space()?;
            self.set_index_gives_room(gives_room);
            return Ok(None);
        };
        // Set before the attempt, so that a failing kind does not delay the others.
        self.last_removed = slice.kind;
        if self.shared.work().gives_room
            && let Some(log) = &self.log
        {
            // With the space of the index, the write-ahead log can be copied and restarted.
            let _ = checkpoint::restart_wal(log);
        }
        totals.messages = totals.messages.saturating_sub(slice.messages());
        totals.bytes = totals.bytes.saturating_sub(slice.bytes);
        let removed = self.transact("remove messages from", Headroom::Checkpoint, |log, _| {
            // A text of a user that is being erased must not stay in freed pages.
            let _erasing = erasures::is_any(log)?.then(|| Erasing::begin(log)).transpose()?;
            let scattered = slice.delete(log)?;
            totals::write(log, &before, &totals)?;
            Ok(scattered)
        });
        if matches!(removed, Err(StoreError::Full { .. })) {
            // The slice wrote more than estimated, and would do so at each attempt.
            self.halvings = (self.halvings + 1).min(removal_slice::MAX_HALVINGS_WHEN_FULL);
            self.set_index_gives_room(true);
        }
        removed?;
        // There was enough space: the next slice is twice as large.
        self.halvings = self.halvings.saturating_sub(1);
        self.totals = totals;
        self.ids.remove_chunks(&slice.ids);
        if let Some(log) = &self.log {
            self.checkpoints.after_turn(log);
        }
        if slice.messages() > 0 {
            self.shared.tell(|work| work.removals += 1);
        }
        Ok(Some(slice.removed))
    }

    /// Proposes, decides and removes one slice.
    #[cfg(test)]
    pub(super) fn remove_expired(&mut self, now: Timestamp) -> Result<Option<Removed>, StoreError> {
        let oldest = self.propose_retention(now, 1)?.unwrap_or(self.totals.oldest);
        self.remove_slice(now, oldest)
    }

    /// Lets the search index free its space for messages, or build itself again. On a full disk even a
    /// removal needs space, and the index can be rebuilt.
    pub(super) fn set_index_gives_room(&self, gives_room: bool) {
        if self.shared.work().gives_room != gives_room {
            self.shared.tell(|work| work.gives_room = gives_room);
        }
    }

    /// The history's size when [`Store::propose_retention`] or [`Store::remove_slice`] last measured it, and its limit.
    #[must_use]
    pub fn history_bytes(&self) -> HistoryBytes {
        HistoryBytes { taken: self.history_bytes, most: self.shared.max_bytes }
    }

    /// Whether the log has grown so much since [`Store::propose_retention`] that it should run again. On a small disk
    /// the threshold is lower.
    #[must_use]
    pub fn has_grown(&self) -> bool {
        let bounds = [self.shared.max_bytes, self.checkpoints.free_bytes()];
        bounds.into_iter().flatten().min().is_some_and(|most| self.bytes_added > most / 64)
    }

    /// The bytes of messages that have to be removed.
    fn excess_bytes(&mut self) -> u64 {
        let messages = self.totals.bytes;
        let taken = history_size::history_bytes(messages, &self.shared.index);
        self.history_bytes = taken;
        let over = self.shared.max_bytes.map_or(0, |most| taken.saturating_sub(most));
        // Removing a message also removes its words from the index.
        if taken > messages { over.div_ceil(2) } else { over }
    }
}
