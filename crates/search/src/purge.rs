//! Owns the removal of redacted words from the file of the index. A deleted row of FTS5 is only marked: its words stay
//! in their segment until that is merged. So all segments are merged into a new one, a part at a time, and the pages of the
//! old ones are overwritten with zeros (`secure_delete`). Called by [`crate::Index`]. Never decides when.

use crate::{seq, signed};
use rusqlite::{Connection, params};

/// A part of the work writes about so many pages of 4 KiB.
const PAGES: i64 = 256;

/// What a part of a purge came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PurgeStep {
    /// There is more to do.
    More,
    /// All is merged. A reader holds the write-ahead log, which still has the words: try again in a moment.
    HeldByReader,
    /// The words of all messages that were redacted before the purge began are in no file. If some were redacted since,
    /// [`Index::must_purge`](crate::Index::must_purge) asks for another purge.
    Finished,
}

/// How far the removal is.
#[derive(Debug, Default)]
pub(crate) struct Purge {
    /// How many redactions the index has taken in.
    pub(crate) redactions: u64,
    /// Words of redacted messages may still be in the file.
    pub(crate) is_needed: bool,
    /// A merge has begun and continues.
    is_merging: bool,
    /// How many merges this purge has begun.
    merges: u8,
    /// Messages were redacted since this purge began.
    is_needed_again: bool,
}

impl Purge {
    /// Reads how far it was when the index was closed. A merge that had begun is continued, and then repeated.
    pub(crate) fn read(index: &Connection) -> rusqlite::Result<Self> {
        index.query_row("SELECT redactions, purging FROM about", [], |row| {
            Ok(Self { redactions: seq(row)?, is_needed: row.get(1)?, ..Self::default() })
        })
    }

    pub(crate) fn redact(
        &mut self,
        index: &Connection,
        seqs: &[u64],
        redactions: u64,
    ) -> rusqlite::Result<()> {
        let turn = index.unchecked_transaction()?;
        let mut removed = 0;
        let mut delete = turn.prepare_cached("DELETE FROM words WHERE rowid = ?1")?;
        for seq in seqs {
            removed += delete.execute([signed(*seq)])?;
        }
        drop(delete);
        let purging = self.is_needed || removed > 0;
        turn.prepare_cached("UPDATE about SET redactions = ?1, purging = ?2")?
            .execute(params![signed(redactions), purging])?;
        turn.commit()?;
        (self.redactions, self.is_needed) = (redactions, purging);
        self.is_needed_again |= removed > 0 && self.merges > 0;
        Ok(())
    }

    /// Has the next purge begin, whatever is known of redactions.
    pub(crate) fn require(&mut self, index: &Connection) -> rusqlite::Result<()> {
        index.prepare_cached("UPDATE about SET purging = 1")?.execute([])?;
        self.is_needed = true;
        self.is_needed_again |= self.merges > 0;
        Ok(())
    }
}

/// Does a part of the work.
pub(crate) fn step(purge: &mut Purge, index: &Connection) -> rusqlite::Result<PurgeStep> {
    if !purge.is_needed {
        return Ok(PurgeStep::Finished);
    }
    // The first part puts all segments into one merge, which the next parts continue.
    let begins = !purge.is_merging;
    let pages = if begins { -PAGES } else { PAGES };
    let before = index.total_changes();
    let turn = index.unchecked_transaction()?;
    turn.prepare_cached("INSERT INTO words (words, rank) VALUES ('merge', ?1)")?.execute([pages])?;
    turn.commit()?;
    purge.merges = purge.merges.saturating_add(u8::from(begins));
    // The documentation of FTS5: fewer than two changes mean that nothing was left to merge.
    purge.is_merging = index.total_changes() - before >= 2;
    if purge.is_merging {
        return Ok(PurgeStep::More);
    }
    // A merge of FTS5's own, or of the process before, may have run at the beginning. FTS5 continues it, and it may have
    // copied words that were removed since. So a second merge begins, which finds nothing to do if the first one was whole.
    if !begins && purge.merges < 2 {
        return Ok(PurgeStep::More);
    }
    // First the truncation: if this process ends in between, the next one repeats it.
    if index.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, bool>(0))? {
        return Ok(PurgeStep::HeldByReader);
    }
    // The words of later redactions were only in part of what was merged.
    if !purge.is_needed_again {
        index.prepare_cached("UPDATE about SET purging = 0")?.execute([])?;
    }
    purge.is_needed = purge.is_needed_again;
    (purge.is_needed_again, purge.merges) = (false, 0);
    Ok(PurgeStep::Finished)
}
