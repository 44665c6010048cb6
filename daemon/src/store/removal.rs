//! The writer's part of removals: takes the next slice, and updates what the writer knows. Called by the hub
//! when it has time. Never decides what is removed: `retention` proposes, and the state decides.

use super::room::Leaves;
use super::{HistoryBytes, Removed, Store, StoreError, bytes, found, slice, tidy, wal};
use tcp_chat_protocol::{Seq, Timestamp};

impl Store {
    /// Proposes a number below which the oldest messages should be removed, as far as `slices` slices reach.
    /// Whole chunks are removed, so a few more messages than `history.retain_messages` can stay, never fewer.
    /// `None`: nothing beyond what was decided already. Removes nothing: the state decides in a turn.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn retention(&mut self, now: Timestamp, slices: usize) -> Result<Option<Seq>, StoreError> {
        self.grown = 0;
        let too_big = self.too_big();
        let (oldest, messages) = (self.totals.oldest, self.totals.messages);
        let bounds = tidy::Bounds::new(&self.history, now, too_big, oldest, None, 0);
        // Taken out of `self`, so that an error does not lose the progress of the scan.
        let mut stamps = std::mem::take(&mut self.stamps);
        let proposed =
            self.with("read", |log, _| tidy::proposal(log, &bounds, messages, slices, &mut stamps));
        self.stamps = stamps;
        Ok(proposed?.filter(|proposed| *proposed > oldest))
    }

    /// Removes a small slice, taking turns between the kinds: messages below `oldest`, as the state decided,
    /// and what removed conversations and ended sessions left behind. Returns how many messages were removed
    /// and why. `None`: nothing is left to remove.
    ///
    /// # Errors
    /// The file cannot be written. Nothing was removed then.
    pub fn remove(&mut self, now: Timestamp, oldest: Seq) -> Result<Option<Removed>, StoreError> {
        // Reset also after a failure, so that the next attempt does not come with the next turn.
        self.grown = 0;
        let too_big = self.too_big();
        let room = self.room_for_removal()?;
        if room.is_none() {
            self.halved = 0;
        }
        let oldest = oldest.max(self.totals.oldest);
        let bounds = tidy::Bounds::new(&self.history, now, too_big, oldest, room, self.halved)
            .keeping_ids_after(self.totals.head.saturating_sub(self.window));
        let (before, mut totals, last) = (self.totals, self.totals, self.tidied);
        totals.oldest = oldest;
        // Taken out of `self`, so that an error does not lose the progress of the scan.
        let mut stamps = std::mem::take(&mut self.stamps);
        let slice = self.with("read", |log, _| tidy::next(log, &bounds, totals.messages, last, &mut stamps));
        self.stamps = stamps;
        let Some(slice) = slice? else {
            self.halved = 0;
            // The index is built again once there is space for messages.
            let gives_room = self.shared.work().gives_room && !self.has_room()?;
            self.index_gives_room(gives_room);
            return Ok(None);
        };
        // Set before the attempt, so that a failing kind does not delay the others.
        self.tidied = slice.kind;
        if self.shared.work().gives_room
            && let Some(log) = &self.log
        {
            // With the space of the index, the write-ahead log can be copied and restarted.
            let _ = wal::start_over(log);
        }
        totals.messages = totals.messages.saturating_sub(slice.messages());
        totals.bytes = totals.bytes.saturating_sub(slice.bytes);
        let removed = self.turn("tidy", Leaves::Copy, |log, _| {
            let scattered = slice.remove(log)?;
            found::put_totals(log, &before, &totals)?;
            Ok(scattered)
        });
        if matches!(removed, Err(StoreError::Full { .. })) {
            // The slice wrote more than estimated, and would do so at each attempt.
            self.halved = (self.halved + 1).min(slice::MORE_HALVINGS);
            self.index_gives_room(true);
        }
        removed?;
        // There was enough space: the next slice is twice as large.
        self.halved = self.halved.saturating_sub(1);
        self.totals = totals;
        self.ids.forget(&slice.ids);
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
    pub(super) fn tidy(&mut self, now: Timestamp) -> Result<Option<Removed>, StoreError> {
        let oldest = self.retention(now, 1)?.unwrap_or(self.totals.oldest);
        self.remove(now, oldest)
    }

    /// Lets the search index free its space for messages, or build itself again. On a full disk even a
    /// removal needs space, and the index can be rebuilt.
    pub(super) fn index_gives_room(&self, gives_room: bool) {
        if self.shared.work().gives_room != gives_room {
            self.shared.tell(|work| work.gives_room = gives_room);
        }
    }

    /// The history's size when [`Store::retention`] or [`Store::remove`] last measured it, and its limit.
    #[must_use]
    pub fn history_bytes(&self) -> HistoryBytes {
        HistoryBytes { taken: self.history_bytes, most: self.shared.max_bytes }
    }

    /// Whether the log has grown so much since [`Store::retention`] that it should run again. On a small disk
    /// the threshold is lower.
    #[must_use]
    pub fn has_grown(&self) -> bool {
        let bounds = [self.shared.max_bytes, self.checkpoints.room()];
        bounds.into_iter().flatten().min().is_some_and(|most| self.grown > most / 64)
    }

    /// The bytes of messages that have to be removed.
    fn too_big(&mut self) -> u64 {
        let messages = self.totals.bytes;
        let taken = bytes::taken(messages, &self.shared.index);
        self.history_bytes = taken;
        let over = self.shared.max_bytes.map_or(0, |most| taken.saturating_sub(most));
        // Removing a message also removes its words from the index.
        if taken > messages { over.div_ceil(2) } else { over }
    }
}
