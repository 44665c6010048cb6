//! Owns the highlights: the positions in a text of the words that a search means. Called by searches. Never
//! searches the index.

use crate::TOKENIZER;
use crate::segments::{self, stand_in};
use rusqlite::{Connection, params};
use std::collections::HashSet;

/// Ranges of a text, each with its first character and its number of characters.
pub(crate) type Ranges = Vec<(usize, usize)>;

/// An FTS5 table in memory. Empty, it checks whether a text is an expression. With texts, it finds the positions
/// of the words.
#[derive(Debug)]
pub(crate) struct Probe {
    pub(crate) connection: Connection,
}

impl Probe {
    pub(crate) fn new() -> rusqlite::Result<Self> {
        let connection = Connection::open_in_memory()?;
        connection.execute_batch(&format!("CREATE VIRTUAL TABLE probe USING fts5 (_text_, {TOKENIZER})"))?;
        Ok(Self { connection })
    }

    pub(crate) fn is_expression(&self, text: &str) -> bool {
        let ask = self.connection.prepare_cached("SELECT 1 FROM probe WHERE probe MATCH ?1");
        ask.and_then(|mut ask| ask.exists([text])).is_ok()
    }

    /// The ranges of each text that the expression finds. All are empty if the texts leave no character to mark with.
    pub(crate) fn highlights(&self, expression: &str, texts: &[&str]) -> rusqlite::Result<Vec<Ranges>> {
        let mut highlights = vec![Ranges::new(); texts.len()];
        let Some([open, close]) = unused_marks(texts) else { return Ok(highlights) };
        // Never committed: the table is empty again when the transaction is dropped.
        let turn = self.connection.unchecked_transaction()?;
        let mut put = turn.prepare_cached("INSERT INTO probe (rowid, _text_) VALUES (?1, ?2)")?;
        for (row, text) in (0_i64..).zip(texts) {
            put.execute(params![row, segments::text(text)])?;
        }
        let mut ask =
            turn.prepare_cached("SELECT rowid, highlight(probe, 0, ?2, ?3) FROM probe WHERE probe MATCH ?1")?;
        let mut rows = ask.query(params![expression, open.to_string(), close.to_string()])?;
        while let Some(row) = rows.next()? {
            let at = usize::try_from(row.get::<_, i64>(0)?).unwrap_or(usize::MAX);
            if let (Some(ranges_of), Some(text)) = (highlights.get_mut(at), texts.get(at)) {
                *ranges_of = ranges(text, row.get_ref(1)?.as_str()?, open, close);
            }
        }
        Ok(highlights)
    }
}

/// The first two private-use characters that no text contains. Each text is read once.
fn unused_marks(texts: &[&str]) -> Option<[char; 2]> {
    let private = '\u{e000}'..='\u{f8ff}';
    let used: HashSet<char> =
        texts.iter().flat_map(|text| text.chars()).filter(|c| private.contains(c)).collect();
    let mut unused = private.filter(|c| !used.contains(c));
    Some([unused.next()?, unused.next()?])
}

/// The ranges of `original` between marks in `marked`, which is [`segments::text`] of it with marks.
fn ranges(original: &str, marked: &str, open: char, close: char) -> Ranges {
    let mut original = original.chars().map(stand_in).peekable();
    let (mut ranges, mut at, mut start) = (Vec::new(), 0, None);
    for c in marked.chars() {
        if c == open {
            start = Some(at);
        } else if c == close {
            ranges.extend(start.take().map(|start| (start, at - start)));
        } else if original.next_if_eq(&c).is_some() {
            at += 1;
        }
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn marks_are_found_where_they_were_put(
            before in "[a \u{1f980}山é]{0,8}", marked in "[a\u{1f980}山é]{1,8}", after in "[a \u{1f980}山é]{0,8}",
        ) {
            let whole = format!("{before}{marked}{after}");
            // As SQLite does it: around the words, not around an inserted space.
            let apart = segments::text(&whole);
            let (mut out, mut at) = (String::new(), 0);
            let (start, end) = (before.chars().count(), before.chars().count() + marked.chars().count());
            let mut original = whole.chars().map(stand_in).peekable();
            for c in apart.chars() {
                if original.next_if_eq(&c).is_some() {
                    if at == start { out.push('<'); }
                    out.push(c);
                    at += 1;
                    if at == end { out.push('>'); }
                } else {
                    out.push(c);
                }
            }
            prop_assert_eq!(ranges(&whole, &out, '<', '>'), vec![(start, end - start)]);
        }
    }
}
