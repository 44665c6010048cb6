//! Owns the shape of the search index: an FTS5 table that holds no texts (the log has them), and
//! in which who and where are words, too, so that one lookup answers all of a search. Used by the
//! indexer and the searches; never opens anything.

use super::rows::number;
use rusqlite::{Connection, OptionalExtension};
use std::collections::{HashMap, HashSet};
use std::fmt::Write;
use tcp_chat_protocol::{Name, NameKey, Seq};

/// Another number makes every index anew.
const VERSION: i64 = 3;

/// How texts become words: without regard to case and to marks on letters.
pub(super) const TOKENIZER: &str = "tokenize = 'unicode61 remove_diacritics 2'";

/// Authors whose tag is remembered; past that, all are forgotten and worked out again.
const AUTHORS: usize = 4_096;

/// Sets a connection up for writing.
pub(super) fn set_up(index: &Connection) -> rusqlite::Result<()> {
    index.query_row("PRAGMA journal_mode = WAL", [], |row| row.get::<_, String>(0))?;
    index.query_row("PRAGMA journal_size_limit = 16777216", [], |_| Ok(()))?;
    index.execute_batch("PRAGMA synchronous = NORMAL; PRAGMA cache_size = -1024")
}

/// Makes an empty index of the log that is called `store`.
pub(super) fn make(index: &Connection, store: &[u8]) -> rusqlite::Result<()> {
    let turn = index.unchecked_transaction()?;
    turn.execute_batch(&format!(
        "DROP TABLE IF EXISTS about; DROP TABLE IF EXISTS held; DROP TABLE IF EXISTS words;
         CREATE TABLE about (version INTEGER NOT NULL, store BLOB NOT NULL, mark INTEGER NOT NULL) STRICT;
         CREATE TABLE held (conversation INTEGER PRIMARY KEY) STRICT;
         CREATE VIRTUAL TABLE words USING fts5 (
             _text_, _tags_, content = '', contentless_delete = 1, {TOKENIZER}, prefix = '1 2 3 4'
         );",
    ))?;
    turn.execute("INSERT INTO about VALUES (?1, ?2, 0)", (VERSION, store))?;
    turn.commit()
}

/// Up to which number there is everything in it; `None`: it is not an index of the log `store`.
pub(super) fn mark(index: &Connection, store: &[u8]) -> rusqlite::Result<Option<Seq>> {
    let made: bool =
        index.query_row("SELECT count(*) FROM sqlite_schema WHERE name = 'about'", [], |row| row.get(0))?;
    if !made {
        return Ok(None);
    }
    index
        .query_row("SELECT mark FROM about WHERE version = ?1 AND store = ?2", (VERSION, store), |row| {
            number(row, 0)
        })
        .optional()
}

/// The conversations that have something in it.
pub(super) fn held(index: &Connection) -> rusqlite::Result<HashSet<i64>> {
    index.prepare("SELECT conversation FROM held")?.query_map([], |row| row.get(0))?.collect()
}

/// The words that stand for where a message was said and who said it.
#[derive(Debug, Default)]
pub(super) struct Tags {
    authors: HashMap<String, String>,
    line: String,
}

impl Tags {
    /// What goes into the second column for a message. `between`: the two users of a direct one.
    pub(super) fn of(&mut self, conversation: i64, between: Option<(i64, i64)>, user: &str) -> &str {
        if !self.authors.contains_key(user) {
            if self.authors.len() >= AUTHORS {
                self.authors.clear();
            }
            let author = Name::parse_kept(user).map(|name| author(&name.key())).unwrap_or_default();
            self.authors.insert(user.to_owned(), author);
        }
        self.line.clear();
        // Writing into memory cannot fail.
        let _ = write!(self.line, "c{conversation} ");
        if let Some((a, b)) = between {
            let _ = write!(self.line, "d{a} ");
            if a != b {
                let _ = write!(self.line, "d{b} ");
            }
        }
        self.line.push_str(self.authors.get(user).map_or("", |author| author));
        &self.line
    }
}

/// The part of an expression that says in which conversations: in these, and in all direct ones of a user, which
/// are one word however many they are.
pub(super) fn in_conversations(conversations: &[i64], directs_of: Option<i64>) -> String {
    let mut tags = String::from("{_tags_} : (");
    let all = conversations.iter().map(|id| ('c', *id)).chain(directs_of.map(|user| ('d', user)));
    for (i, (kind, id)) in all.enumerate() {
        let or = if i == 0 { "" } else { " OR " };
        let _ = write!(tags, "{or}{kind}{id}");
    }
    tags.push(')');
    tags
}

/// The part of an expression that says by whom.
pub(super) fn by(user: &NameKey) -> String {
    format!("{{_tags_}} : {}", author(user))
}

/// One word for an author, whatever letters the name has.
fn author(key: &NameKey) -> String {
    let mut word = String::from("u");
    for byte in key.as_str().bytes() {
        let _ = write!(word, "{byte:02x}");
    }
    word
}
