//! Commits turns: what they write, the totals, a share of the waiting ids, and the place of a node, in one transaction. Called
//! by the hub. After an error nothing of a turn is stored. Never opens a connection: [`super::writer`] does.

use super::disk_space::{Headroom, max_ids_to_write};
use super::names::NameKeys;
use super::totals::{self, Totals};
use super::{Kept, Store, StoreError, cluster, names, packed, rows};
use std::sync::Arc;
use tcp_chat_state::{SessionChange, Writes};

/// What a turn writes, and the lines of its chunks as they are stored.
#[derive(Clone, Copy)]
struct PackedTurn<'t> {
    writes: &'t Writes,
    packed: &'t [Vec<u8>],
}

impl Store {
    /// Commits what a turn wants stored, in one transaction. The result has the chunks in their order. They are
    /// taken out of `writes`, and so are the ids.
    ///
    /// # Errors
    /// Nothing was stored, and `writes` has all that the next call needs to try again.
    pub fn commit(&mut self, writes: &mut Writes) -> Result<Vec<Arc<Kept>>, StoreError> {
        self.commit_at(writes, None)
    }

    /// The same for turns of a log: `place` is that of the last one, as the order has encoded it, and is stored in the same
    /// transaction. `None`: a lone daemon.
    ///
    /// # Errors
    /// Nothing was stored, and `writes` has all that the next call needs to try again.
    pub fn commit_at(
        &mut self,
        writes: &mut Writes,
        place: Option<&[u8]>,
    ) -> Result<Vec<Arc<Kept>>, StoreError> {
        if place.is_some() != self.node.is_some() {
            return Err(StoreError::Bug("only the turns of a node have a place".to_owned()));
        }
        // The removal has stored this number already.
        let is_written = writes.oldest.take_if(|oldest| *oldest <= self.totals.oldest).is_some();
        if is_written && writes.is_empty() && place.is_none() {
            return Ok(Vec::new());
        }
        rows::check_chunks(writes, self.totals.head)?;
        let at = place.map(|place| (place, names::of_writes(writes)));
        // After a commit that failed, it measures what stands in the file.
        self.with_connection("open", |_, _| Ok(()))?;
        self.note_erased(&writes.erasures)?;
        let packed: Vec<_> = writes.chunks.iter().map(|chunk| packed::pack(&chunk.lines)).collect();
        let turn = PackedTurn { writes, packed: &packed };
        let mut totals = self.totals.after_turn(writes, &packed);
        let mut share =
            self.ids.batch_share(writes.sent.len()).min(max_ids_to_write(self.checkpoints.free_bytes()));
        totals.sent_as_to = self.ids.written_to(share, totals.sent_as_to);
        let mut kept = self.commit_once(turn, &at, totals, share, Headroom::Reserve);
        if share > 0 && matches!(kept, Err(StoreError::Full { .. })) {
            // Ids can wait, and are read at the next start. New messages cannot wait.
            (share, totals.sent_as_to) = (0, self.totals.sent_as_to);
            kept = self.commit_once(turn, &at, totals, share, Headroom::Reserve);
        }
        if !writes.erased.is_empty() && matches!(kept, Err(StoreError::Full { .. })) {
            // There was room for the step when it was proposed. Messages must not wait for it.
            kept = self.commit_once(turn, &at, totals, share, Headroom::Checkpoint);
        }
        if matches!(kept, Err(StoreError::Full { .. })) {
            self.set_index_gives_room(true);
        }
        totals = kept?;
        if let (Some(node), Some(place)) = (&mut self.node, place) {
            node.place.clear();
            node.place.extend_from_slice(place);
        }
        let erases = !writes.erasures.is_empty();
        if erases || !writes.redactions.is_empty() {
            // The text is in the write-ahead log until that is truncated.
            self.checkpoints.must_truncate();
            self.shared.tell(|work| work.redactions += writes.redactions.len() as u64 + u64::from(erases));
        }
        self.has_committed = true;
        self.bytes_added += packed.iter().map(|lines| lines.len() as u64).sum::<u64>();
        self.totals = totals;
        self.ids.after_commit(share, std::mem::take(&mut writes.sent), totals.head);
        for change in &writes.sessions {
            if let SessionChange::End(session) = change {
                self.ids.remove_session(*session);
            }
        }
        let removals = u64::from(!writes.gone.is_empty());
        self.shared.grown(totals.head, removals);
        if let Some(log) = &self.log {
            self.checkpoints.after_turn(log);
        }
        let chunks = std::mem::take(&mut writes.chunks);
        Ok(chunks.into_iter().map(|chunk| Arc::new(Kept { chunk })).collect())
    }

    /// Writes a turn, and a share of the waiting ids. Returns the totals as they are then.
    fn commit_once(
        &mut self,
        PackedTurn { writes, packed }: PackedTurn<'_>,
        at: &Option<(&[u8], NameKeys)>,
        totals: Totals,
        share: usize,
        headroom: Headroom,
    ) -> Result<Totals, StoreError> {
        let before = self.totals;
        let mut after = totals;
        self.transact("write", headroom, |log, ids| {
            // Before the turn's own rows, so that sessions that end in this turn mark their ids for removal.
            ids.write_batch(log, share)?;
            let written = rows::write_turn(log, writes, packed)?;
            after = Totals { bytes: totals.bytes.saturating_add_signed(written.grown), ..totals };
            totals::write(log, &before, &after)?;
            if let Some((place, keys)) = at {
                cluster::write_place(log, place)?;
                names::write(log, keys)?;
            }
            let rows = share + writes.chunks.len() + writes.redactions.len();
            Ok(rows as u64 + written.pages)
        })?;
        Ok(after)
    }
}
