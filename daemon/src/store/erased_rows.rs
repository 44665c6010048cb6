//! Removes the name and the texts of erased users from the stored messages and from the audit log. Called by the writer inside
//! its transaction. A line is first overwritten at its own length, so that SQLite moves no row that still has the name; only
//! then lines grow by the new name. Never decides who is erased, or how far a step goes.

use super::location::PAGE_BYTES;
use super::redactions::{self, Erasing};
use super::rows::{int, number};
use super::{erasures, packed};
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::{BTreeMap, HashMap};
use tcp_chat_protocol::event::{self, ErasedFields};
use tcp_chat_protocol::{MsgEvent, Name, Seq};
use tcp_chat_state::{ConversationId, ErasedSlice, Erasure, ErasureStage, RecentMessage, TOLD, UserId};

/// The kinds of rows in `erasing`.
const MESSAGE: i64 = 0;
const AUDIT: i64 = 1;

/// The bytes of a chunk's row besides its lines, about.
const CHUNK_ROW_BYTES: u64 = 64;
/// The bytes of the rows that the store keeps of a message besides its line, in each table, at most.
const NOTE_BYTES: u64 = 64;

/// The prefix of a banned user's name in the audit log.
const USER: &str = "user:";

/// The newest messages of the user in the first step.
pub(super) fn find_recent(
    log: &Connection,
    erasure: &Erasure,
    from: Seq,
) -> rusqlite::Result<Vec<RecentMessage>> {
    let mut matches = Matches::of(log, erasure)?;
    let mut recent = Vec::new();
    for chunk in read_chunks(log, from, erasure.below)?.iter().rev() {
        let lines = packed::unpack(&chunk.row);
        let lines: Vec<_> = super::lines(&lines, chunk.first).collect();
        for (line, seq) in lines.into_iter().rev() {
            let Some((fields, message)) = matches.fields(chunk, seq, line)? else { continue };
            if fields.user && !message.redacted {
                let name = |name: &str| Name::parse_kept(name).ok();
                let direct =
                    message.to.as_ref().and_then(|to| Some(Box::new((name(&message.user)?, name(to)?))));
                recent.push(RecentMessage { seq, conversation: chunk.conversation, direct });
            }
            if recent.len() >= TOLD {
                return Ok(recent);
            }
        }
    }
    Ok(recent)
}

/// A chunk, and who may be meant in it.
struct Chunk {
    first: Seq,
    conversation: ConversationId,
    /// Of direct messages, the two users; `None` also if the conversation is gone.
    between: Option<(UserId, UserId)>,
    is_room: bool,
    authors: Vec<UserId>,
    /// As they are stored.
    row: Vec<u8>,
}

fn read_chunks(log: &Connection, from: Seq, below: Seq) -> rusqlite::Result<Vec<Chunk>> {
    log.prepare_cached(
        "SELECT k.first, k.conversation, c.user_a, c.user_b, c.room IS NOT NULL, k.authors, k.lines
         FROM chunks k LEFT JOIN conversations c ON c.id = k.conversation
         WHERE k.first >= ?1 AND k.first < ?2 ORDER BY k.first",
    )?
    .query_map([int(from), int(below)], |row| {
        let user = |column| row.get::<_, Option<i64>>(column).map(|id| id.map(UserId));
        let authors = row.get_ref(5)?.as_blob_or_null()?;
        Ok(Chunk {
            first: number(row, 0)?,
            conversation: ConversationId(row.get(1)?),
            between: user(2)?.zip(user(3)?),
            is_room: row.get(4)?,
            authors: authors.map(redactions::decode_authors).unwrap_or_default(),
            row: row.get(6)?,
        })
    })?
    .collect()
}

/// Which lines name the user. Remembers the names that it has compared.
struct Matches<'e> {
    log: &'e Connection,
    erasure: &'e Erasure,
    /// The newest line of the audit log, and the number of redactions, when it began.
    beginning: (i64, i64),
    names: HashMap<String, bool>,
}

impl<'e> Matches<'e> {
    fn of(log: &'e Connection, erasure: &'e Erasure) -> rusqlite::Result<Self> {
        Ok(Self { log, erasure, beginning: erasures::beginning(log, erasure.id)?, names: HashMap::new() })
    }

    fn is_named(&mut self, name: &str) -> bool {
        if let Some(known) = self.names.get(name) {
            return *known;
        }
        let is_named = self.erasure.is_named(name);
        self.names.insert(name.to_owned(), is_named);
        is_named
    }

    /// The fields of a line that name the user. `None`: there are none, or an older version wrote the line in another form.
    fn fields<'l>(
        &mut self,
        chunk: &Chunk,
        seq: Seq,
        line: &'l [u8],
    ) -> rusqlite::Result<Option<(ErasedFields, MsgEvent<'l>)>> {
        let message = event::data_of(line).and_then(|data| serde_json::from_slice::<MsgEvent<'l>>(data).ok());
        let Some(message) = message else { return Ok(None) };
        let at = usize::try_from(seq - chunk.first).unwrap_or(usize::MAX);
        let user = match (self.erasure.user, chunk.authors.get(at)) {
            (Some(user), Some(author)) => user == *author,
            _ => self.is_named(&message.user),
        };
        // Of two strangers' direct messages under this name nothing is erased.
        let may_be_to = match (self.erasure.user, chunk.between) {
            (Some(user), Some((a, b))) => a == user || b == user,
            _ => !chunk.is_room,
        };
        let to = may_be_to && message.to.as_ref().is_some_and(|to| self.is_named(to));
        let by = message.by.as_ref().is_some_and(|by| self.is_named(by)) && self.is_before(seq)?;
        let fields = ErasedFields { user, to, by };
        Ok((!fields.is_none()).then_some((fields, message)))
    }

    /// Was a message redacted before the erasure began? The next user of the name may have redacted it since.
    fn is_before(&self, seq: Seq) -> rusqlite::Result<bool> {
        let mut of = self.log.prepare_cached("SELECT n FROM redacted WHERE seq = ?1")?;
        let n: Option<i64> = of.query_row([int(seq)], |row| row.get(0)).optional()?;
        Ok(n.is_none_or(|n| n <= self.beginning.1))
    }
}

/// What was written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Written {
    /// By how many bytes the history grew.
    pub(super) grown: i64,
    /// The pages that were changed where they are, as an upper bound.
    pub(super) pages: u64,
}

impl Written {
    /// Rows beside each other, of so many bytes in all, in pages that are half full at least.
    fn add_rows(&mut self, bytes: u64) {
        if bytes > 0 {
            self.pages += 2 * bytes.div_ceil(PAGE_BYTES) + 1;
        }
    }
}

/// Writes the steps of a turn.
pub(super) fn write(log: &Connection, slices: &[ErasedSlice]) -> rusqlite::Result<Written> {
    let mut written = Written::default();
    if slices.is_empty() {
        return Ok(written);
    }
    let _erasing = Erasing::begin(log)?;
    for ErasedSlice { erasure, from } in slices {
        match erasure.stage {
            ErasureStage::Messages => write_messages(log, erasure, *from, &mut written)?,
            ErasureStage::LongMessages => {
                write_long_messages(log, erasure, *from, &mut written)?;
            }
            ErasureStage::Audit => write_audit(log, erasure, *from, &mut written)?,
            ErasureStage::LongAudit => write_long_audit(log, erasure, *from, &mut written)?,
            ErasureStage::End => {}
        }
    }
    Ok(written)
}

/// Overwrites lines at their own length.
fn write_messages(
    log: &Connection,
    erasure: &Erasure,
    from: Seq,
    written: &mut Written,
) -> rusqlite::Result<()> {
    let new_name = erasure.new_name();
    let mut matches = Matches::of(log, erasure)?;
    let (mut bytes, mut rows, mut found) = (0, 0, 0);
    for chunk in read_chunks(log, from, erasure.below)? {
        let lines = packed::unpack(&chunk.row);
        let mut new = Vec::with_capacity(lines.len());
        for (line, seq) in super::lines(&lines, chunk.first) {
            let Some((fields, _)) = matches.fields(&chunk, seq, line)? else {
                new.extend_from_slice(line);
                continue;
            };
            rows += 1;
            if fields.user {
                found += 1;
                redactions::note(log, seq)?;
                log.prepare_cached("DELETE FROM sent WHERE seq = ?1")?.execute([int(seq)])?;
            }
            let erased = event::erase(line, fields, new_name.as_str()).filter(|new| new.len() <= line.len());
            let erased = match erased {
                Some(erased) => erased,
                None => {
                    put_rest(log, MESSAGE, int(seq), fields.bits())?;
                    event::blank(line, fields).unwrap_or_default()
                }
            };
            new.extend_from_slice(&event::padded_to(erased, line.len()));
        }
        let new = if packed::is_packed(&chunk.row) { packed::pack(&new) } else { new };
        if new != chunk.row {
            // More than the row, which is packed: other pages change, too.
            bytes += lines.len() as u64 + CHUNK_ROW_BYTES;
            let sql = "UPDATE chunks SET lines = ?2 WHERE first = ?1";
            log.prepare_cached(sql)?.execute(params![int(chunk.first), new])?;
        }
    }
    erasures::add_messages(log, erasure.id, found)?;
    written.add_rows(bytes);
    // In `sent`, `erasing`, and `redacted` with its index.
    (0..4).for_each(|_| written.add_rows(rows * NOTE_BYTES));
    Ok(())
}

/// Writes the lines that grow.
fn write_long_messages(
    log: &Connection,
    erasure: &Erasure,
    from: Seq,
    written: &mut Written,
) -> rusqlite::Result<()> {
    let rest = take_rest(log, MESSAGE, from, erasure.below)?;
    written.add_rows(rest.len() as u64 * NOTE_BYTES);
    let mut by_chunk: BTreeMap<Seq, HashMap<Seq, ErasedFields>> = BTreeMap::new();
    for (seq, bits) in rest {
        if let Some(first) = redactions::find_chunk(log, seq)? {
            by_chunk.entry(first).or_default().insert(seq, ErasedFields::from_bits(bits));
        }
    }
    let new_name = erasure.new_name();
    let mut bytes = 0;
    for (first, fields) in by_chunk {
        let (grown, len) = redactions::rewrite(log, first, |seq, line| {
            event::erase(line, *fields.get(&seq)?, new_name.as_str())
        })?;
        written.grown += grown;
        bytes += len + CHUNK_ROW_BYTES;
    }
    written.add_rows(bytes);
    Ok(())
}

/// Overwrites names in the audit log at their own length.
fn write_audit(
    log: &Connection,
    erasure: &Erasure,
    from: u64,
    written: &mut Written,
) -> rusqlite::Result<()> {
    let mut matches = Matches::of(log, erasure)?;
    let below = int(erasure.below).min(matches.beginning.0.saturating_add(1));
    let rows: Vec<(i64, AuditNames)> = log
        .prepare_cached("SELECT id, user, whom, reason FROM audit WHERE id >= ?1 AND id < ?2")?
        .query_map([int(from), below], |row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?, row.get(3)?))))?
        .collect::<rusqlite::Result<_>>()?;
    for (id, (user, whom, reason)) in rows {
        let is_by = user.as_deref().is_some_and(|user| matches.is_named(user));
        let name_of = |whom: &str| whom.strip_prefix(USER).unwrap_or(whom).to_owned();
        let is_on = whom.as_deref().is_some_and(|whom| matches.is_named(&name_of(whom)));
        if !is_by && !is_on {
            continue;
        }
        let filler = |name: &str| "e".repeat(name.len());
        let user = user.map(|user| if is_by { filler(&user) } else { user });
        let whom = whom.map(|whom| match (is_on, whom.strip_prefix(USER)) {
            (true, Some(name)) => format!("{USER}{}", filler(name)),
            (true, None) => filler(&whom),
            (false, _) => whom,
        });
        // Its own words go with it.
        let reason = if is_by { " ".repeat(reason.len()) } else { reason };
        set_audit(log, id, &(user, whom, reason))?;
        written.pages += 1;
        put_rest(log, AUDIT, id, i64::from(is_by) | i64::from(is_on) << 1)?;
    }
    Ok(())
}

/// Writes the new name into the audit log.
fn write_long_audit(
    log: &Connection,
    erasure: &Erasure,
    from: u64,
    written: &mut Written,
) -> rusqlite::Result<()> {
    let new_name = erasure.new_name();
    for (id, bits) in take_rest(log, AUDIT, from, erasure.below)? {
        let found = log
            .prepare_cached("SELECT user, whom, reason FROM audit WHERE id = ?1")?
            .query_row([int(id)], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .optional()?;
        let Some((user, whom, reason)): Option<AuditNames> = found else { continue };
        let reason = if bits & 1 != 0 { String::new() } else { reason };
        let user = if bits & 1 != 0 { Some(new_name.to_string()) } else { user };
        let is_prefixed = whom.as_deref().is_some_and(|whom| whom.starts_with(USER));
        let whom = match (bits & 2 != 0, is_prefixed) {
            (true, true) => Some(format!("{USER}{new_name}")),
            (true, false) => Some(new_name.to_string()),
            (false, _) => whom,
        };
        written.pages += 1;
        set_audit(log, int(id), &(user, whom, reason))?;
    }
    Ok(())
}

/// Of a line of the audit log: its author, whom it concerns, and the reason.
type AuditNames = (Option<String>, Option<String>, String);

fn set_audit(log: &Connection, id: i64, (user, whom, reason): &AuditNames) -> rusqlite::Result<()> {
    log.prepare_cached("UPDATE audit SET user = ?2, whom = ?3, reason = ?4 WHERE id = ?1")?
        .execute(params![id, user, whom, reason])?;
    Ok(())
}

/// Notes a row that gets the new name later.
fn put_rest(log: &Connection, kind: i64, of: i64, fields: i64) -> rusqlite::Result<()> {
    let sql = "INSERT OR REPLACE INTO erasing (kind, of, fields) VALUES (?1, ?2, ?3)";
    log.prepare_cached(sql)?.execute([kind, of, fields]).map(drop)
}

/// Takes such notes out.
fn take_rest(log: &Connection, kind: i64, from: u64, below: u64) -> rusqlite::Result<Vec<(u64, i64)>> {
    let range = params![kind, int(from), int(below)];
    let rest = log
        .prepare_cached(
            "SELECT of, fields FROM erasing WHERE kind = ?1 AND of >= ?2 AND of < ?3 ORDER BY of",
        )?
        .query_map(range, |row| Ok((number(row, 0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    log.prepare_cached("DELETE FROM erasing WHERE kind = ?1 AND of >= ?2 AND of < ?3")?.execute(range)?;
    Ok(rest)
}
