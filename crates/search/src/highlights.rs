//! Owns the highlights: the positions in a text of the words that a search means. Called by searches. Never
//! searches the index.

use crate::TOKENIZER;
use crate::segments;
use rusqlite::{Connection, Transaction, params};
use std::collections::HashSet;
use unicode_segmentation::UnicodeSegmentation;

/// Ranges of a text, each with its first character and its number of characters. In order, without overlap.
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

    /// Whether the expression finds each text.
    pub(crate) fn matches(&self, expression: &str, texts: &[&str]) -> rusqlite::Result<Vec<bool>> {
        let mut matches = vec![false; texts.len()];
        let turn = self.put(texts)?;
        let mut ask = turn.prepare_cached("SELECT rowid FROM probe WHERE probe MATCH ?1")?;
        let mut rows = ask.query([expression])?;
        while let Some(row) = rows.next()? {
            let at = usize::try_from(row.get::<_, i64>(0)?).ok().and_then(|at| matches.get_mut(at));
            if let Some(is_match) = at {
                *is_match = true;
            }
        }
        drop(rows);
        drop(ask);
        Ok(matches)
    }

    /// Puts texts into the table, numbered from 0. Never committed: the table is empty again when the transaction is
    /// dropped.
    fn put(&self, texts: &[&str]) -> rusqlite::Result<Transaction<'_>> {
        let turn = self.connection.unchecked_transaction()?;
        let mut put = turn.prepare_cached("INSERT INTO probe (rowid, _text_) VALUES (?1, ?2)")?;
        for (row, text) in (0_i64..).zip(texts) {
            put.execute(params![row, segments::text(text)])?;
        }
        drop(put);
        Ok(turn)
    }

    /// The ranges of each text that the expression finds. All are empty if the texts leave no character to mark with.
    pub(crate) fn highlights(&self, expression: &str, texts: &[&str]) -> rusqlite::Result<Vec<Ranges>> {
        let mut highlights = vec![Ranges::new(); texts.len()];
        let Some([open, close]) = unused_marks(texts) else { return Ok(highlights) };
        let turn = self.put(texts)?;
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
    let mut units = segments::units(original).peekable();
    let (mut ranges, mut at, mut start) = (Vec::new(), 0, None);
    for c in marked.chars() {
        if c == open {
            start = Some(at);
        } else if c == close {
            ranges.extend(start.take().map(|start| (start, at - start)));
        } else {
            while let Some(hidden) = units.next_if(|unit| unit.shown.is_none()) {
                at += hidden.length;
            }
            if let Some(unit) = units.next_if(|unit| unit.shown == Some(c)) {
                at += unit.length;
            }
        }
    }
    if original.is_ascii() { ranges } else { whole_characters(original, &ranges) }
}

/// The ranges, each widened to whole characters as a reader sees them (grapheme clusters): a letter keeps its marks.
fn whole_characters(text: &str, ranges: &[(usize, usize)]) -> Ranges {
    let mut whole: Ranges = Vec::new();
    let mut clusters = text.graphemes(true).scan(0, |at, cluster| {
        let start = *at;
        *at += cluster.chars().count();
        Some((start, *at))
    });
    let mut cluster = clusters.next();
    for (start, length) in ranges {
        let end = start + length;
        let (mut from, mut to) = (*start, end);
        while let Some((first, next)) = cluster {
            if next > *start {
                from = from.min(first);
            }
            if next >= end {
                to = next;
                break;
            }
            cluster = clusters.next();
        }
        match whole.last_mut() {
            Some((last, length)) if from < *last + *length => *length = to.max(*last + *length) - *last,
            _ => whole.push((from, to - from)),
        }
    }
    whole
}
