//! Owns the writer's part in removing what has to go: which slice is next, and what it changes in what the writer
//! knows. The hub asks for a slice when it has time. Never decides what goes: `tidy` proposes, and the state decides.

use super::room::Leaves;
use super::{HistoryBytes, Removed, Store, StoreError, bytes, found, slice, tidy, wal};
use tcp_chat_protocol::{Seq, Timestamp};

impl Store {
    /// Looks at what retention asks for now: below which number the oldest messages should go, as far as so many slices take
    /// them. Whole chunks go, so a few more messages than `history.retain_messages` can be left, never fewer. `None`: no
    /// more than what is decided already. Removes nothing: the state decides, in a turn.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn retention(&mut self, now: Timestamp, slices: usize) -> Result<Option<Seq>, StoreError> {
        self.grown = 0;
        let too_big = self.too_big();
        let (oldest, messages) = (self.totals.oldest, self.totals.messages);
        let bounds = tidy::Bounds::new(&self.history, now, too_big, oldest, None, 0);
        // Taken out, so that the search that it may be in survives an error.
        let mut stamps = std::mem::take(&mut self.stamps);
        let proposed =
            self.with("read", |log, _| tidy::proposal(log, &bounds, messages, slices, &mut stamps));
        self.stamps = stamps;
        Ok(proposed?.filter(|proposed| *proposed > oldest))
    }

    /// Removes a small slice of what goes: messages below `oldest`, as the state has decided, or what gone conversations or
    /// sessions left behind, by turns. How many messages went, and why. `None`: there is nothing more.
    ///
    /// # Errors
    /// The file cannot be written. Nothing was removed then.
    pub fn remove(&mut self, now: Timestamp, oldest: Seq) -> Result<Option<Removed>, StoreError> {
        // Also if it fails: the next try must not come with the next turn.
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
        // Taken out, so that the search that it may be in survives an error.
        let mut stamps = std::mem::take(&mut self.stamps);
        let slice = self.with("read", |log, _| tidy::next(log, &bounds, totals.messages, last, &mut stamps));
        self.stamps = stamps;
        let Some(slice) = slice? else {
            self.halved = 0;
            // It is made anew once there is room for messages.
            let gives_room = self.shared.work().gives_room && !self.has_room()?;
            self.index_gives_room(gives_room);
            return Ok(None);
        };
        // Whatever comes of it: what fails must not keep the others waiting.
        self.tidied = slice.kind;
        if self.shared.work().gives_room
            && let Some(log) = &self.log
        {
            // With the room of the index the write-ahead log can be copied, and written from its front.
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
            // A slice that wrote more than was thought would do so at each try.
            self.halved = (self.halved + 1).min(slice::MORE_HALVINGS);
            self.index_gives_room(true);
        }
        removed?;
        // There was room: the next slice tries twice as much again.
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

    /// Decides what retention asks for, and removes a slice.
    #[cfg(test)]
    pub(super) fn tidy(&mut self, now: Timestamp) -> Result<Option<Removed>, StoreError> {
        let oldest = self.retention(now, 1)?.unwrap_or(self.totals.oldest);
        self.remove(now, oldest)
    }

    /// What is derived gives way to what is kept: on a full disk even removing needs room.
    pub(super) fn index_gives_room(&self, gives_room: bool) {
        if self.shared.work().gives_room != gives_room {
            self.shared.tell(|work| work.gives_room = gives_room);
        }
    }

    /// How many bytes the history took when [`Store::retention`] or [`Store::remove`] last looked, and how many it may take.
    #[must_use]
    pub fn history_bytes(&self) -> HistoryBytes {
        HistoryBytes { taken: self.history_bytes, most: self.shared.max_bytes }
    }

    /// Did so much come since [`Store::retention`] last looked that it should look again? On a small disk that is less.
    #[must_use]
    pub fn has_grown(&self) -> bool {
        let bounds = [self.shared.max_bytes, self.checkpoints.room()];
        bounds.into_iter().flatten().min().is_some_and(|most| self.grown > most / 64)
    }

    /// How many bytes of messages have to go.
    fn too_big(&mut self) -> u64 {
        let messages = self.totals.bytes;
        let taken = bytes::taken(messages, &self.shared.index);
        self.history_bytes = taken;
        let over = self.shared.max_bytes.map_or(0, |most| taken.saturating_sub(most));
        // With a message its words leave the index.
        if taken > messages { over.div_ceil(2) } else { over }
    }
}
