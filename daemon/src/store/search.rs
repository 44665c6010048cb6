//! Owns a search: what the user typed becomes an expression, the index says which numbers, the
//! log says what stands there, and the words that were meant are pointed out. Called by
//! [`super::Readers`] on a thread that may wait. Never shows the user an error of SQLite, and never
//! goes on for longer than it may.

use super::page::{self, Messages};
use super::read::Reader;
use super::rows::{int, number};
use super::shared::Shared;
use super::words::{self, TOKENIZER};
use super::{Page, SearchIn, StoreError, apart, schema};
use rusqlite::{Connection, ErrorCode, OpenFlags, params};
use std::collections::HashSet;
use std::fmt::Write;
use std::time::{Duration, Instant};
use tcp_chat_protocol::{MsgEvent, Seq, event};

/// How long a search waits for the index to be where the log was when it began.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long one search may take. What people look for is there in milliseconds; an expression can be
/// made that finds nothing and looks at every message, and few can search at once.
pub(super) const TIME: Duration = Duration::from_secs(1);

/// So many steps of SQLite's machine between two looks at the clock. Each may be a page of the index
/// that is read: a few milliseconds in all.
const STEPS: i32 = 100;

/// What a reader has open to search with.
#[derive(Debug)]
pub(super) struct Open {
    index: Connection,
    /// Which index file that is.
    file: u64,
    /// A table in memory: empty, it tells whether an expression is one; with the texts that were
    /// found, where the words are.
    probe: Connection,
}

/// Waits until everything that is in the log now can be found, or the patience ends.
pub(super) async fn wait_for_index(shared: &Shared) {
    let head = shared.work().head;
    let mut progress = shared.progress();
    let there = |p: &super::shared::Progress| (p.file > 0 && p.mark >= head) || p.failing;
    if !there(&progress.borrow()) {
        shared.tell(|work| work.hurry = true);
        // Late or not: what can be found now is found.
        let _ = tokio::time::timeout(PATIENCE, progress.wait_for(there)).await;
    }
}

/// Searches, for at most that time.
///
/// In memory, the index's gate is held all the while, which only the indexer minds. The log's, at
/// which the hub waits with its turn, is held for each message that is looked up, and no longer.
pub(super) fn read(
    shared: &Shared,
    reader: &mut Reader,
    what: &SearchIn,
    time: Duration,
) -> Result<Page, StoreError> {
    let _gate = shared.index_gate.read();
    let until = Instant::now() + time;
    loop {
        let now = *shared.progress().borrow();
        if now.gone {
            // Not even what it had open: those files are cut.
            reader.search = None;
            return Ok(Messages::new(0).page());
        }
        let open = reader.search.take().filter(|open| open.file == now.file);
        let open = open.map_or_else(|| Open::new(shared, now.file), Ok);
        let found = open.and_then(|mut open| {
            let page = open.search(&Log { shared, log: &reader.log }, what, until)?;
            // What was cut short is not used again.
            reader.search = Some(open).filter(|_| Instant::now() < until);
            Ok(page)
        });
        // An index that went meanwhile looks like a damaged one.
        let is_other = || shared.progress().borrow().is_other_than(now);
        return match found {
            Ok(page) => Ok(page),
            Err(Failed::TooLong) => Err(StoreError::TooLong),
            Err(Failed::Log(e)) => Err(StoreError::sqlite("read", &shared.log, &e)),
            Err(Failed::Open(_) | Failed::Index(_)) if is_other() => continue,
            Err(Failed::Open(why)) => Err(unreadable(shared, why)),
            Err(Failed::Index(e)) => Err(broken(shared, &e)),
        };
    }
}

/// Whose fault it was.
enum Failed {
    Log(rusqlite::Error),
    Index(rusqlite::Error),
    /// The index again: it could not be opened.
    Open(String),
    /// Its own: the time is over.
    TooLong,
}

impl Failed {
    fn index(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::OperationInterrupted) => Self::TooLong,
            _ => Self::Index(error),
        }
    }
}

/// The log, as a search looks into it: a message at a time.
struct Log<'r> {
    shared: &'r Shared,
    log: &'r Connection,
}

/// Has the index made anew, and says so.
fn broken(shared: &Shared, error: &rusqlite::Error) -> StoreError {
    let found = StoreError::sqlite("read", &shared.index, error);
    if matches!(found, StoreError::Corrupt { .. } | StoreError::Foreign { .. }) {
        shared.tell(|work| work.rebuild = true);
    }
    // What the log's own errors advise is not for the index, which is made anew.
    unreadable(shared, error.to_string())
}

fn unreadable(shared: &Shared, why: String) -> StoreError {
    StoreError::Index { index: shared.index.to_string(), why }
}

impl Open {
    fn new(shared: &Shared, file: u64) -> Result<Self, Failed> {
        let index = schema::open(&shared.index, OpenFlags::SQLITE_OPEN_READ_ONLY);
        let index = index.map_err(|why| Failed::Open(why.to_string()))?;
        let probe = (|| {
            let probe = Connection::open_in_memory()?;
            probe.execute_batch(&format!("CREATE VIRTUAL TABLE probe USING fts5 (_text_, {TOKENIZER})"))?;
            Ok(probe)
        })();
        let probe = probe.map_err(Failed::Index)?;
        Ok(Self { index, file, probe })
    }

    /// From that moment on what it asks of SQLite ends with an error; `None`: no longer so.
    fn stop_at(&mut self, until: Option<Instant>) -> rusqlite::Result<()> {
        for database in [&mut self.index, &mut self.probe] {
            database.progress_handler(STEPS, until.map(|until| move || Instant::now() >= until))?;
        }
        Ok(())
    }

    fn search(&mut self, log: &Log<'_>, what: &SearchIn, until: Instant) -> Result<Page, Failed> {
        let is_nowhere = what.conversations.is_empty() && what.directs_of.is_none();
        let meant = self.expression(&what.query).filter(|_| !is_nowhere);
        let Some(meant) = meant else { return Ok(Messages::new(0).page()) };
        self.stop_at(Some(until)).map_err(Failed::Index)?;
        let page = self.look_for(log, what, &meant, until);
        // The next search begins with all of its time.
        self.stop_at(None).map_err(Failed::Index)?;
        page
    }

    fn look_for(&self, log: &Log<'_>, what: &SearchIn, meant: &str, until: Instant) -> Result<Page, Failed> {
        let found = self.find(log, what, meant, until)?;
        let marked = match self.highlights(meant, &found.texts).map_err(Failed::index) {
            // It was found: that is what was asked for.
            Err(Failed::TooLong) => Vec::new(),
            marked => marked?,
        };
        let marked = marked.iter().map(String::as_str).chain(std::iter::repeat("[]"));

        let mut messages = Messages::new(what.limit);
        for (line, highlights) in found.lines.iter().zip(marked) {
            let Some(data) = event::data_of(line).and_then(|data| data.strip_suffix(b"}")) else { continue };
            if !messages.push(&[data, br#","highlights":"#, highlights.as_bytes(), b"}"]) {
                break;
            }
        }
        Ok(messages.page())
    }

    /// What the user means, as an expression that is one: as typed, or else as plain words.
    fn expression(&self, query: &str) -> Option<String> {
        let typed = query.replace('\0', " ");
        let plain = apart::plain(&typed);
        // Alone, so that no parenthesis of it reaches what is put around it; and with that around.
        [apart::expression(&typed).into_owned(), plain].into_iter().find(|text| {
            !text.trim().is_empty() && self.is_expression(text) && self.is_expression(&in_text(text))
        })
    }

    fn is_expression(&self, text: &str) -> bool {
        let ask = self.probe.prepare_cached("SELECT 1 FROM probe WHERE probe MATCH ?1");
        ask.and_then(|mut ask| ask.exists([text])).is_ok()
    }

    /// The lines that are found, newest first, and one more if there is one.
    fn find(&self, log: &Log<'_>, what: &SearchIn, meant: &str, until: Instant) -> Result<Found, Failed> {
        let conversations: Vec<i64> = what.conversations.iter().map(|id| id.0).collect();
        let mut there = in_text(meant);
        if let Some(user) = &what.user {
            let _ = write!(there, " AND {}", words::by(user));
        }
        // Always asked of the index, however many they are: a look at what others said would take time, and
        // the time would tell of it.
        let directs_of = what.directs_of.map(|user| user.0);
        let _ = write!(there, " AND {}", words::in_conversations(&conversations, directs_of));
        let mut found =
            Found::new(Readable { conversations: conversations.into_iter().collect(), directs_of }, until);
        self.scan(log, &there, int(what.before.unwrap_or(Seq::MAX)), what.limit, &mut found)?;
        Ok(found)
    }

    /// Looks through what an expression finds below a number until there is enough.
    fn scan(
        &self,
        log: &Log<'_>,
        expression: &str,
        before: i64,
        limit: usize,
        found: &mut Found,
    ) -> Result<(), Failed> {
        let oldest = log.oldest().map_err(Failed::Log)?;
        let mut numbers = self
            .index
            .prepare_cached(
                "SELECT rowid FROM words
                 WHERE words MATCH ?1 AND rowid < ?2 AND rowid >= ?3 ORDER BY rowid DESC",
            )
            .map_err(Failed::index)?;
        let mut numbers = numbers.query(params![expression, before, oldest]).map_err(Failed::index)?;
        // Lines are longer than what is shown of them: at twice a page, a page is full.
        while found.lines.len() <= limit && found.bytes <= 2 * page::PAGE_BYTES {
            let Some(row) = numbers.next().map_err(Failed::index)? else { break };
            if Instant::now() >= found.until {
                return Err(Failed::TooLong);
            }
            let seq = number(row, 0).map_err(Failed::index)?;
            // The log has the last word: what is gone from there, or lies elsewhere, is not found.
            if let Some(line) = log.line(&found.readable, seq).map_err(Failed::Log)? {
                found.take(line);
            }
        }
        Ok(())
    }

    /// Where in each text what is meant stands: `[[start,length],...]` in characters; empty: it cannot be
    /// said of any.
    fn highlights(&self, meant: &str, texts: &[String]) -> rusqlite::Result<Vec<String>> {
        let Some([open, close]) = apart::two_that_are_in_none(texts) else { return Ok(Vec::new()) };
        let mut marked = vec!["[]".to_owned(); texts.len()];
        // Rolled back when it is dropped: the table is empty again.
        let probe = self.probe.unchecked_transaction()?;
        let mut put = probe.prepare_cached("INSERT INTO probe (rowid, _text_) VALUES (?1, ?2)")?;
        for (row, text) in (0_i64..).zip(texts) {
            put.execute(params![row, apart::text(text)])?;
        }
        let mut ask = probe
            .prepare_cached("SELECT rowid, highlight(probe, 0, ?2, ?3) FROM probe WHERE probe MATCH ?1")?;
        let mut rows = ask.query(params![meant, open.to_string(), close.to_string()])?;
        while let Some(row) = rows.next()? {
            let at = usize::try_from(row.get::<_, i64>(0)?).unwrap_or(usize::MAX);
            if let (Some(marked), Some(text)) = (marked.get_mut(at), texts.get(at)) {
                *marked = json(&apart::ranges(text, row.get_ref(1)?.as_str()?, open, close));
            }
        }
        Ok(marked)
    }
}

/// What the one who searches may read.
struct Readable {
    conversations: HashSet<i64>,
    directs_of: Option<i64>,
}

/// What was found: whole lines, and the text of each.
struct Found {
    readable: Readable,
    /// When the search has to end.
    until: Instant,
    lines: Vec<Vec<u8>>,
    texts: Vec<String>,
    bytes: usize,
}

impl Found {
    fn new(readable: Readable, until: Instant) -> Self {
        Self { readable, until, lines: Vec::new(), texts: Vec::new(), bytes: 0 }
    }

    fn take(&mut self, line: Vec<u8>) {
        let message = event::data_of(&line).map(serde_json::from_slice::<MsgEvent<'_>>);
        if let Some(Ok(message)) = message {
            self.texts.push(message.msg.into_owned());
            self.bytes += line.len();
            self.lines.push(line);
        }
    }
}

impl Log<'_> {
    /// The smallest number that is there; 0: none.
    fn oldest(&self) -> rusqlite::Result<i64> {
        let _gate = self.shared.log_gate.read();
        self.log
            .prepare_cached("SELECT ifnull((SELECT first FROM chunks ORDER BY first LIMIT 1), 0)")?
            .query_row([], |row| row.get(0))
    }

    /// The message `seq`, if it is there and may be read.
    fn line(&self, readable: &Readable, seq: Seq) -> rusqlite::Result<Option<Vec<u8>>> {
        #[cfg(test)]
        self.shared.looked_up.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let _gate = self.shared.log_gate.read();
        let mut chunk = self.log.prepare_cached(
            "SELECT k.first, k.conversation, k.lines, ifnull(?2 IN (c.user_a, c.user_b), 0)
             FROM chunks k LEFT JOIN conversations c ON c.id = k.conversation
             WHERE k.first <= ?1 ORDER BY k.first DESC LIMIT 1",
        )?;
        let mut rows = chunk.query(params![int(seq), readable.directs_of])?;
        let Some(row) = rows.next()? else { return Ok(None) };
        if !readable.conversations.contains(&row.get(1)?) && !row.get::<_, bool>(3)? {
            return Ok(None);
        }
        let lines = row.get_ref(2)?.as_blob()?;
        Ok(super::lines(lines, number(row, 0)?).find(|(_, n)| *n == seq).map(|(line, _)| line.to_vec()))
    }
}

/// An expression that looks only at the texts, whatever stands in it.
fn in_text(expression: &str) -> String {
    format!("({{_text_}} : ({expression}))")
}

/// Ranges as JSON.
fn json(ranges: &[(usize, usize)]) -> String {
    let mut json = String::from("[");
    for (i, (start, length)) in ranges.iter().enumerate() {
        let comma = if i > 0 { "," } else { "" };
        let _ = write!(json, "{comma}[{start},{length}]");
    }
    json.push(']');
    json
}
