//! Removes the text of stored messages, and finds what decides about that. Called by the writer. The line of the message is
//! replaced in its chunk, so all readers get the redacted line at its place. SQLite overwrites the old row with zeros; the
//! write-ahead log is truncated soon after (`checkpoint`), and the search index removes the words (`indexing`). Never
//! decides who may redact: the state does.

use super::history_size::chunk_bytes;
use super::rows::{int, number};
use super::{Store, StoreError, packed};
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::BTreeMap;
use tcp_chat_protocol::{MsgEvent, Name, Seq, event};
use tcp_chat_state::{ConversationId, Redaction, StoredMessage, UserId};

/// A message, as far as it decides about its redaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundMessage {
    /// What stands in the turn.
    pub message: StoredMessage,
    /// The first number of its chunk, which a redaction reads and writes as a whole.
    pub chunk: Seq,
    /// The bytes of the lines of that chunk.
    pub bytes: usize,
    /// The bytes of these lines that this search has read: none, unless it is a direct message.
    pub read: usize,
}

impl Store {
    /// What decides about the redaction of a message. `None`: there is no such message.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn find_message(&mut self, seq: Seq) -> Result<Option<FoundMessage>, StoreError> {
        self.with_connection("read", |log, _| find(log, seq))
    }
}

fn find(log: &Connection, seq: Seq) -> rusqlite::Result<Option<FoundMessage>> {
    // SQLite knows the length of a blob without reading it. The names of direct messages are only in their lines.
    log.prepare_cached(
        "SELECT k.first, k.conversation, k.ts, k.authors, EXISTS (SELECT 1 FROM redacted WHERE seq = ?1),
             length(k.lines), CASE WHEN c.user_a IS NOT NULL THEN k.lines END
             FROM chunks k LEFT JOIN conversations c ON c.id = k.conversation
             WHERE k.first = (SELECT max(first) FROM chunks WHERE first <= ?1) AND k.last >= ?1",
    )?
    .query_row([int(seq)], |row| {
        let first = number(row, 0)?;
        let authors = row.get_ref(3)?.as_blob_or_null()?.map(decode_authors);
        let at = usize::try_from(seq - first).unwrap_or(usize::MAX);
        let lines = packed::unpack(row.get_ref(6)?.as_blob_or_null()?.unwrap_or_default());
        Ok(FoundMessage {
            message: StoredMessage {
                conversation: ConversationId(row.get(1)?),
                author: authors.and_then(|authors| authors.get(at).copied()),
                ts: number(row, 2)?,
                is_redacted: row.get(4)?,
                direct: super::lines(&lines, first)
                    .find(|(_, of)| *of == seq)
                    .and_then(|(line, _)| names(line)),
            },
            chunk: first,
            bytes: usize::try_from(number(row, 5)?).unwrap_or(usize::MAX),
            read: lines.len(),
        })
    })
    .optional()
}

/// The author and the recipient of a direct message.
fn names(line: &[u8]) -> Option<Box<(Name, Name)>> {
    let message: MsgEvent<'_> = serde_json::from_slice(event::data_of(line)?).ok()?;
    let name = |name: &str| Name::parse_kept(name).ok();
    Some(Box::new((name(&message.user)?, name(&message.to?)?)))
}

/// Removes the text of messages, inside the turn's transaction: of each chunk it reads and writes all at once. Returns by how
/// many bytes the history grew. A message that retention has removed is no error.
pub(super) fn write(log: &Connection, redactions: &[Redaction]) -> rusqlite::Result<i64> {
    if redactions.is_empty() {
        return Ok(0);
    }
    let _erasing = Erasing::begin(log)?;
    let mut by_chunk: BTreeMap<Seq, BTreeMap<Seq, &Redaction>> = BTreeMap::new();
    for redaction in redactions {
        if let Some(first) = find_chunk(log, redaction.seq)? {
            by_chunk.entry(first).or_default().entry(redaction.seq).or_insert(redaction);
            note(log, redaction.seq)?;
        }
    }
    let mut grown = 0;
    for (first, redactions) in by_chunk {
        let (more, _) = rewrite(log, first, |seq, line| {
            let Redaction { by, reason, .. } = redactions.get(&seq)?;
            event::redact(line, by.as_ref().map(Name::as_str), reason)
        })?;
        grown += more;
    }
    Ok(grown)
}

/// The first number of the chunk that has a message.
pub(super) fn find_chunk(log: &Connection, seq: Seq) -> rusqlite::Result<Option<Seq>> {
    log.prepare_cached(
        "SELECT first FROM chunks WHERE first = (SELECT max(first) FROM chunks WHERE first <= ?1) AND last >= ?1",
    )?
    .query_row([int(seq)], |row| number(row, 0))
    .optional()
}

/// Tells the search index of a message whose text is removed.
pub(super) fn note(log: &Connection, seq: Seq) -> rusqlite::Result<()> {
    let noted = log
        .prepare_cached("INSERT OR IGNORE INTO redacted (seq, n) SELECT ?1, redactions + 1 FROM totals")?
        .execute([int(seq)])?;
    if noted > 0 {
        log.prepare_cached("UPDATE totals SET redactions = redactions + 1")?.execute([])?;
    }
    Ok(())
}

/// Replaces lines of a chunk by what `replace` makes of them; `None`: a line stays. Returns by how many bytes the history
/// grew, and the bytes of all lines of the chunk. A packed row stays packed, and another one as it is: then a line that is as
/// long as before leaves the length of the row.
pub(super) fn rewrite(
    log: &Connection,
    first: Seq,
    replace: impl Fn(Seq, &[u8]) -> Option<Vec<u8>>,
) -> rusqlite::Result<(i64, u64)> {
    let (last, row) = log
        .prepare_cached("SELECT last, lines FROM chunks WHERE first = ?1")?
        .query_row([int(first)], |row| Ok((number(row, 0)?, row.get::<_, Vec<u8>>(1)?)))?;
    let lines = packed::unpack(&row);
    let mut new = Vec::with_capacity(lines.len());
    for (line, seq) in super::lines(&lines, first) {
        let replaced = replace(seq, line).map(|new| padded(new, line.len()));
        new.extend_from_slice(replaced.as_deref().unwrap_or(line));
    }
    let bytes = new.len() as u64;
    let new = if packed::is_packed(&row) { packed::pack(&new) } else { new };
    if new != row {
        log.prepare_cached("UPDATE chunks SET lines = ?2 WHERE first = ?1")?
            .execute(params![int(first), new])?;
    }
    let size =
        |row: &[u8]| i64::try_from(chunk_bytes(row.len() as u64, last - first + 1)).unwrap_or(i64::MAX);
    Ok((size(&new) - size(&row), bytes))
}

/// The redacted line, as long as the line was: then SQLite overwrites the row where it is. If the size of a row changes, it
/// moves the rows beside it, and their old copies stay in the free part of a page. JSON allows blanks after a value. A line
/// that is longer than before stays so.
fn padded(mut line: Vec<u8>, len: usize) -> Vec<u8> {
    const EMPTY: &[u8] = br#""msg":"""#;
    // A quotation mark inside a text is escaped, so this is the field.
    if let Some(at) = memchr::memmem::find(&line, EMPTY) {
        let at = at + EMPTY.len();
        let blanks = len.saturating_sub(line.len());
        line.splice(at..at, std::iter::repeat_n(b' ', blanks));
    }
    line
}

/// While it lives, SQLite overwrites all that it deletes with zeros. At other times it does so only in pages that it writes
/// anyway (`FAST`): for the removal of old messages the rest would double what is written.
pub(super) struct Erasing<'l>(&'l Connection);

impl<'l> Erasing<'l> {
    pub(super) fn begin(log: &'l Connection) -> rusqlite::Result<Self> {
        set_secure_delete(log, "ON")?;
        Ok(Self(log))
    }
}

impl Drop for Erasing<'_> {
    fn drop(&mut self) {
        // It only sets a flag, and costs time if it stays.
        let _ = set_secure_delete(self.0, "FAST");
    }
}

/// Has SQLite overwrite the free part of each page that it writes: copies of rows that it has moved would stay there.
pub(super) fn wipe_free_parts(log: &Connection) -> rusqlite::Result<()> {
    set_secure_delete(log, "FAST")
}

fn set_secure_delete(log: &Connection, to: &str) -> rusqlite::Result<()> {
    log.query_row(&format!("PRAGMA secure_delete = {to}"), [], |_| Ok(()))
}

/// How many redactions there were.
pub(super) fn count(log: &Connection) -> rusqlite::Result<u64> {
    log.prepare_cached("SELECT redactions FROM totals")?.query_row([], |row| number(row, 0))
}

/// The numbers of messages that were redacted after the first `after` redactions, `most` at most, and how many redactions
/// there were with the last one of them.
pub(super) fn read_after(log: &Connection, after: u64, most: usize) -> rusqlite::Result<(Vec<Seq>, u64)> {
    // The count first: a redaction that is written after it is read comes with the next call.
    read_between(log, after, count(log)?, most)
}

/// The same of the first `until` redactions.
fn read_between(log: &Connection, after: u64, until: u64, most: usize) -> rusqlite::Result<(Vec<Seq>, u64)> {
    let mut rows =
        log.prepare_cached("SELECT seq, n FROM redacted WHERE n > ?1 AND n <= ?2 ORDER BY n LIMIT ?3")?;
    let rows = rows.query_map(params![int(after), int(until), int(most as u64)], |row| {
        Ok((number(row, 0)?, number(row, 1)?))
    })?;
    let rows: Vec<_> = rows.collect::<rusqlite::Result<_>>()?;
    // Rows of messages that were removed since are missing.
    let to = match rows.last() {
        Some((_, n)) if rows.len() == most => *n,
        _ => until,
    };
    Ok((rows.into_iter().map(|(seq, _)| seq).collect(), to))
}

/// Removes the rows of removed messages.
pub(super) fn remove_rows(log: &Connection, (first, last): (Seq, Seq)) -> rusqlite::Result<()> {
    let sql = "DELETE FROM redacted WHERE seq BETWEEN ?1 AND ?2";
    log.prepare_cached(sql)?.execute([int(first), int(last)]).map(drop)
}

/// The authors of a chunk as a column.
pub(super) fn encode_authors(authors: &[UserId]) -> Option<Vec<u8>> {
    if authors.is_empty() {
        return None;
    }
    let mut column = Vec::with_capacity(8);
    for run in authors.chunk_by(|a, b| a == b) {
        put_varint(&mut column, run.len() as u64);
        put_varint(&mut column, run[0].0.cast_unsigned());
    }
    Some(column)
}

pub(super) fn decode_authors(mut column: &[u8]) -> Vec<UserId> {
    let mut authors = Vec::new();
    while let (Some(run), Some(user)) = (take_varint(&mut column), take_varint(&mut column)) {
        // A chunk has at most as many messages as a turn takes commands.
        let run = usize::try_from(run).unwrap_or(0).min(1 << 16);
        authors.extend(std::iter::repeat_n(UserId(user.cast_signed()), run));
    }
    authors
}

fn put_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn take_varint(from: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = from.split_first()?;
        *from = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn authors_are_read_as_they_were_written(users in proptest::collection::vec(0..4_i64, 1..50), far in any::<i64>()) {
            let authors: Vec<_> = users.into_iter().map(|n| UserId(if n == 3 { far } else { n })).collect();
            let column = encode_authors(&authors).unwrap();
            prop_assert_eq!(decode_authors(&column), authors);
        }

        #[test]
        fn any_column_is_read(column in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = decode_authors(&column);
        }
    }

    #[test]
    fn a_redaction_that_is_written_while_the_index_reads_is_read_next() {
        let log = Connection::open_in_memory().unwrap();
        log.execute_batch(
            "CREATE TABLE redacted (seq INTEGER PRIMARY KEY, n INTEGER NOT NULL);
             CREATE TABLE totals (redactions INTEGER NOT NULL);
             INSERT INTO redacted VALUES (70, 1), (50, 2), (60, 4); INSERT INTO totals VALUES (4);",
        )
        .unwrap();
        // The third one's message is gone.
        assert_eq!(read_between(&log, 0, 1, 10).unwrap(), (vec![70], 1));
        assert_eq!(read_between(&log, 1, 3, 10).unwrap(), (vec![50], 3));
        assert_eq!(read_between(&log, 0, 4, 2).unwrap(), (vec![70, 50], 2));
        assert_eq!(read_after(&log, 2, 10).unwrap(), (vec![60], 4));
        assert_eq!(read_after(&log, 4, 10).unwrap(), (vec![], 4));
    }

    #[test]
    fn a_chunk_of_one_author_takes_few_bytes() {
        assert_eq!(encode_authors(&[UserId(7); 100]).unwrap(), [100, 7]);
        assert_eq!(encode_authors(&[]), None);
    }
}
