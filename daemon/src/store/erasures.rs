//! Proposes how far each step of an erasure goes, and keeps the erasures. Called by the hub for the proposal, and by the
//! writer inside its transaction. Never decides who is erased: the state does.

use super::disk_space::{Headroom, SpaceBefore};
use super::rows::{int, number};
use super::{Store, StoreError, erased_rows, snapshot};
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};
use std::sync::Arc;
use tcp_chat_protocol::Seq;
use tcp_chat_state::{ErasedSlice, Erasure, ErasureChange, ErasureStage, ErasureStep, UserId};

/// A step visits about this many bytes of lines, and at least one chunk,
const SLICE_BYTES: u64 = 64 * 1024;
/// at most this many chunks, and so many lines of the audit log.
const SLICE_ROWS: usize = 200;
/// The complete erasures whose numbers of messages are known.
const KNOWN: usize = 100;
/// On a small disk a step is smaller by this factor, so that it finds room sooner.
const SMALL_DISK: usize = 8;

/// How much a step visits at most.
#[derive(Debug, Clone, Copy)]
struct Most {
    bytes: u64,
    rows: usize,
}

impl Store {
    /// Proposes the next step of an erasure: as far as a turn has time for. `None`: the disk has no room for it beside
    /// `beside` pages, which the rest of the turn writes. Changes nothing.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn propose_erasure(
        &mut self,
        erasure: &Erasure,
        beside: u64,
    ) -> Result<Option<ErasureStep>, StoreError> {
        let share = if self.checkpoints.is_disk_small() { SMALL_DISK } else { 1 };
        let step =
            self.next_step(erasure, Most { bytes: SLICE_BYTES / share as u64, rows: SLICE_ROWS / share })?;
        Ok(self.has_room_for(erasure, &step, beside)?.then_some(step))
    }

    /// Does the disk have room for a step? On a small disk the step is done, measured, and undone.
    fn has_room_for(
        &mut self,
        erasure: &Erasure,
        step: &ErasureStep,
        beside: u64,
    ) -> Result<bool, StoreError> {
        let shared = Arc::clone(&self.shared);
        let Some(files) = shared.files.as_ref().filter(|_| self.checkpoints.is_disk_small()) else {
            return Ok(true);
        };
        let slice = ErasedSlice { erasure: erasure.clone(), from: step.down_to };
        let has_room = self.with_connection("write", |log, _| {
            let before = SpaceBefore::measure(log)?;
            let turn = Transaction::new_unchecked(log, TransactionBehavior::Immediate)?;
            let written = erased_rows::write(&turn, &[slice])?;
            let has_room = before.allows(&turn, files, Headroom::Reserve, beside + written.pages)?;
            turn.rollback()?;
            Ok(has_room)
        });
        match has_room {
            Err(StoreError::Full { .. }) => Ok(false),
            has_room => has_room,
        }
    }

    /// How many messages of its user a complete erasure has found. `None`: it was complete before this process, or long ago.
    #[must_use]
    pub fn erased_messages(&self, id: i64) -> Option<u64> {
        self.erased.get(&id).copied()
    }

    /// Notes that for the erasures that are complete with a turn. To be called before it is written.
    pub(super) fn note_erased(&mut self, changes: &[ErasureChange]) -> Result<(), StoreError> {
        if !changes.iter().any(|change| matches!(change, ErasureChange::Done(_))) {
            return Ok(());
        }
        let found = self.with_connection("read", |log, _| read_messages(log, changes))?;
        self.erased.extend(found);
        while self.erased.len() > KNOWN {
            self.erased.pop_first();
        }
        Ok(())
    }

    fn next_step(&mut self, erasure: &Erasure, most: Most) -> Result<ErasureStep, StoreError> {
        let Erasure { id, stage, below, until, .. } = *erasure;
        self.with_connection("read", |log, _| {
            let mut recent = Vec::new();
            let down_to = match stage {
                ErasureStage::Messages => {
                    let down_to = chunks_down_to(log, below, most)?;
                    if below > until {
                        recent = erased_rows::find_recent(log, erasure, down_to)?;
                    }
                    down_to
                }
                ErasureStage::Audit => {
                    let sql = "SELECT id FROM audit WHERE id < ?1 ORDER BY id DESC LIMIT ?2";
                    let newest = beginning(log, id)?.0.unsigned_abs();
                    rows_down_to(log, sql, below.min(newest.saturating_add(1)), most)?
                }
                ErasureStage::LongMessages => long_messages_down_to(log, below, most)?,
                ErasureStage::LongAudit => {
                    let sql = "SELECT of FROM erasing WHERE kind = 1 AND of < ?1 ORDER BY of DESC LIMIT ?2";
                    rows_down_to(log, sql, below, most)?
                }
                ErasureStage::End => 0,
            };
            Ok(ErasureStep { id, stage, down_to, recent })
        })
    }
}

/// The first number of the lowest chunk of a step; 0: there are none below.
fn chunks_down_to(log: &Connection, below: Seq, most: Most) -> rusqlite::Result<Seq> {
    // SQLite knows the length of a blob without reading it.
    let mut chunks =
        log.prepare_cached("SELECT first, length(lines) FROM chunks WHERE first < ?1 ORDER BY first DESC")?;
    let mut rows = chunks.query([int(below)])?;
    let (mut bytes, mut count, mut down_to) = (0, 0, 0);
    while let Some(row) = rows.next()? {
        if bytes >= most.bytes || count >= most.rows {
            return Ok(down_to);
        }
        down_to = number(row, 0)?;
        bytes += number(row, 1)?;
        count += 1;
    }
    Ok(0)
}

/// The same by the number of rows.
fn rows_down_to(log: &Connection, sql: &str, below: u64, most: Most) -> rusqlite::Result<u64> {
    let mut rows = log.prepare_cached(sql)?;
    let rows = rows.query_map(params![int(below), int(most.rows as u64)], |row| number(row, 0))?;
    let rows: Vec<u64> = rows.collect::<rusqlite::Result<_>>()?;
    Ok(rows.last().copied().filter(|_| rows.len() == most.rows).unwrap_or(0))
}

/// The same for single messages, by the bytes of their chunks.
fn long_messages_down_to(log: &Connection, below: Seq, most: Most) -> rusqlite::Result<Seq> {
    let mut rows = log.prepare_cached(
        "SELECT e.of, k.first, length(k.lines) FROM erasing e
         LEFT JOIN chunks k ON k.first = (SELECT max(first) FROM chunks WHERE first <= e.of)
         WHERE e.kind = 0 AND e.of < ?1 ORDER BY e.of DESC",
    )?;
    let mut rows = rows.query([int(below)])?;
    let (mut bytes, mut count, mut chunk, mut down_to) = (0, 0, None, 0);
    while let Some(row) = rows.next()? {
        if bytes >= most.bytes || count >= most.rows {
            return Ok(down_to);
        }
        let first: Option<i64> = row.get(1)?;
        if chunk != Some(first) {
            chunk = Some(first);
            bytes += row.get::<_, Option<i64>>(2)?.map_or(0, i64::unsigned_abs);
        }
        down_to = number(row, 0)?;
        count += 1;
    }
    Ok(0)
}

/// Writes the erasures that began or have come further. The audit log can be changed only while there is one.
pub(super) fn put(log: &Connection, changes: &[ErasureChange]) -> rusqlite::Result<()> {
    for change in changes {
        let ErasureChange::Put(Erasure { id, name, user, until, stage, below }) = change else { continue };
        log.prepare_cached(
            "INSERT INTO erasures (id, name, user, until, stage, below) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT (id) DO UPDATE SET stage = excluded.stage, below = excluded.below",
        )?
        .execute(params![
            id,
            name.as_str(),
            user.map(|user| user.0),
            int(*until),
            int(stage.number() as u64),
            int(*below)
        ])?;
    }
    Ok(())
}

/// Notes where the audit log and the redactions are when an erasure begins: what comes later is the next user's. To be called
/// after the turn has written its own.
pub(super) fn note_beginnings(log: &Connection, changes: &[ErasureChange]) -> rusqlite::Result<()> {
    for change in changes {
        let ErasureChange::Put(Erasure { id, stage: ErasureStage::Messages, below, until, .. }) = change
        else {
            continue;
        };
        if below > until {
            log.prepare_cached(
                "UPDATE erasures SET audit = (SELECT ifnull(max(id), 0) FROM audit),
                     redactions = (SELECT redactions FROM totals) WHERE id = ?1",
            )?
            .execute([id])?;
        }
    }
    Ok(())
}

/// The newest line of the audit log, and the number of redactions, when an erasure began.
pub(super) fn beginning(log: &Connection, id: i64) -> rusqlite::Result<(i64, i64)> {
    let sql = "SELECT ifnull(audit, ?2), ifnull(redactions, ?2) FROM erasures WHERE id = ?1";
    let found = log.prepare_cached(sql)?.query_row([id, i64::MAX], |row| Ok((row.get(0)?, row.get(1)?)));
    Ok(found.optional()?.unwrap_or((i64::MAX, i64::MAX)))
}

/// Adds to the found messages of an erasure.
pub(super) fn add_messages(log: &Connection, id: i64, count: u64) -> rusqlite::Result<()> {
    let sql = "UPDATE erasures SET messages = messages + ?2 WHERE id = ?1";
    log.prepare_cached(sql)?.execute([id, int(count)]).map(drop)
}

/// The found messages of the erasures that are complete with this turn.
fn read_messages(log: &Connection, changes: &[ErasureChange]) -> rusqlite::Result<Vec<(i64, u64)>> {
    let mut found = Vec::new();
    for change in changes {
        if let ErasureChange::Done(id) = change {
            let sql = "SELECT messages FROM erasures WHERE id = ?1";
            let count = log.prepare_cached(sql)?.query_row([id], |row| number(row, 0)).optional()?;
            found.extend(count.map(|count| (*id, count)));
        }
    }
    Ok(found)
}

/// Removes those that are complete.
pub(super) fn remove_done(log: &Connection, changes: &[ErasureChange]) -> rusqlite::Result<()> {
    for change in changes {
        if let ErasureChange::Done(id) = change {
            log.prepare_cached("DELETE FROM erasures WHERE id = ?1")?.execute([id])?;
        }
    }
    Ok(())
}

/// Is a user being erased? Then all that is removed is overwritten, too.
pub(super) fn is_any(log: &Connection) -> rusqlite::Result<bool> {
    log.prepare_cached("SELECT EXISTS (SELECT 1 FROM erasures)")?.query_row([], |row| row.get(0))
}

/// Reads the erasures, the oldest first.
pub(super) fn read(log: &Connection) -> rusqlite::Result<Vec<Erasure>> {
    log.prepare("SELECT id, name, user, until, stage, below FROM erasures ORDER BY id")?
        .query_map([], |row| {
            let stage = usize::try_from(row.get::<_, i64>(4)?).ok();
            let stage = stage.and_then(|stage| ErasureStage::ALL.get(stage).copied()).ok_or_else(|| {
                rusqlite::Error::FromSqlConversionFailure(4, Type::Integer, "it is no stage".into())
            })?;
            Ok(Erasure {
                id: row.get(0)?,
                name: snapshot::name(row, 1)?,
                user: row.get::<_, Option<i64>>(2)?.map(UserId),
                until: number(row, 3)?,
                stage,
                below: number(row, 5)?,
            })
        })?
        .collect()
}
