//! Owns searches in the store: waits for the index, holds the gates, looks up in the log what the index finds, and makes
//! the page. `tcp_chat_search` searches the index. Called by [`super::Readers`] on a thread that may wait. Never shows
//! the user an error of SQLite.

use super::history_page::{self, Messages};
use super::readers::Reader;
use super::rows::{int, number};
use super::shared::Shared;
use super::{Page, SearchIn, StoreError, schema};
use rusqlite::{Connection, OpenFlags, params};
use std::collections::HashSet;
use std::fmt::Write;
use std::time::{Duration, Instant};
use tcp_chat_protocol::{MsgEvent, NameKey, Seq, event};
use tcp_chat_search::{Hit, Log, Query, SearchError, Searcher};

/// How long a search waits until the index has all messages that the log had when the search began.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long one search may take, pauses included. Most take milliseconds. But an expression can look at every message
/// and find nothing, and few searches run at once.
pub(super) const TIME: Duration = Duration::from_secs(2);

/// What a reader has open to search with.
#[derive(Debug)]
pub(super) struct Open {
    searcher: Searcher,
    /// Which index file that is.
    file: u64,
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
/// In memory, the index's gate is held for the whole search, and only the indexer waits for it. The log's gate, for
/// which the hub waits with its turn, is held for each message that is looked up, and no longer.
pub(super) fn read(
    shared: &Shared,
    reader: &mut Reader,
    what: &SearchIn,
    time: Duration,
) -> Result<Page, StoreError> {
    let _gate = shared.index_gate.read();
    let until = Instant::now() + time;
    let conversations: Vec<i64> = what.conversations.iter().map(|id| id.0).collect();
    let query = Query {
        text: &what.query,
        conversations: &conversations,
        direct_messages_of: what.directs_of.map(|user| user.0),
        author: what.user.as_ref().map(NameKey::as_str),
        before: what.before.unwrap_or(Seq::MAX),
        limit: what.limit,
        // The text is a part of what the page shows of a message: at twice a page, a page is full.
        max_bytes: 2 * history_page::PAGE_BYTES,
    };
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
            let log = Lookup::new(shared, &reader.log, &query);
            let hits = open.searcher.search(&log, &query, until)?;
            // A searcher that was cut short is not used again.
            reader.search = Some(open).filter(|_| Instant::now() < until);
            Ok(page_of(hits, what.limit))
        });
        // An index that went meanwhile looks like a damaged one.
        let is_other = || shared.progress().borrow().is_other_than(now);
        return match found {
            Ok(page) => Ok(page),
            Err(Failed::Search(SearchError::TooLong)) => Err(StoreError::TooLong),
            Err(Failed::Search(SearchError::Log(e))) => Err(StoreError::sqlite("read", &shared.log, &e)),
            Err(Failed::Open(_) | Failed::Search(SearchError::Index(_))) if is_other() => continue,
            Err(Failed::Open(why)) => Err(unreadable(shared, why)),
            Err(Failed::Search(SearchError::Index(e))) => Err(broken(shared, &e)),
        };
    }
}

/// What failed.
enum Failed {
    /// The index could not be opened.
    Open(String),
    /// The search.
    Search(SearchError<rusqlite::Error>),
}

impl From<SearchError<rusqlite::Error>> for Failed {
    fn from(error: SearchError<rusqlite::Error>) -> Self {
        Self::Search(error)
    }
}

impl Open {
    fn new(shared: &Shared, file: u64) -> Result<Self, Failed> {
        let index = schema::open(&shared.index, OpenFlags::SQLITE_OPEN_READ_ONLY);
        let index = index.map_err(|why| Failed::Open(why.to_string()))?;
        let searcher = Searcher::new(index).map_err(SearchError::Index)?;
        Ok(Self { searcher, file })
    }
}

/// Has the index made from the log again, and says that it is damaged.
fn broken(shared: &Shared, error: &rusqlite::Error) -> StoreError {
    let found = StoreError::sqlite("read", &shared.index, error);
    if matches!(found, StoreError::Corrupt { .. } | StoreError::Foreign { .. }) {
        shared.tell(|work| work.rebuild = true);
    }
    // The advice in the log's errors is wrong for the index, which is made again.
    unreadable(shared, error.to_string())
}

fn unreadable(shared: &Shared, why: String) -> StoreError {
    StoreError::Index { index: shared.index.to_string(), why }
}

/// The page, with the highlights behind each message's own fields.
fn page_of(hits: Vec<Hit<Message>>, limit: usize) -> Page {
    let mut messages = Messages::new(limit);
    for Hit { message, highlights } in hits {
        let data = event::data_of(&message.line).and_then(|data| data.strip_suffix(b"}"));
        let Some(data) = data else { continue };
        if !messages.push(&[data, br#","highlights":"#, json(&highlights).as_bytes(), b"}"]) {
            break;
        }
    }
    messages.page()
}

/// A message in the log: its whole line, and the text.
struct Message {
    line: Vec<u8>,
    text: String,
}

impl AsRef<str> for Message {
    fn as_ref(&self) -> &str {
        &self.text
    }
}

/// The log, as a search sees it: a message at a time, and only those that the user may read.
struct Lookup<'r> {
    shared: &'r Shared,
    log: &'r Connection,
    conversations: HashSet<i64>,
    direct_messages_of: Option<i64>,
}

impl<'r> Lookup<'r> {
    fn new(shared: &'r Shared, log: &'r Connection, query: &Query<'_>) -> Self {
        let conversations = query.conversations.iter().copied().collect();
        Self { shared, log, conversations, direct_messages_of: query.direct_messages_of }
    }

    /// The line of the message `seq`.
    fn line(&self, seq: Seq) -> rusqlite::Result<Option<Vec<u8>>> {
        let _gate = self.shared.log_gate.read();
        let mut chunk = self.log.prepare_cached(
            "SELECT k.first, k.conversation, k.lines, ifnull(?2 IN (c.user_a, c.user_b), 0)
             FROM chunks k LEFT JOIN conversations c ON c.id = k.conversation
             WHERE k.first <= ?1 ORDER BY k.first DESC LIMIT 1",
        )?;
        let mut rows = chunk.query(params![int(seq), self.direct_messages_of])?;
        let Some(row) = rows.next()? else { return Ok(None) };
        if !self.conversations.contains(&row.get(1)?) && !row.get::<_, bool>(3)? {
            return Ok(None);
        }
        let lines = row.get_ref(2)?.as_blob()?;
        Ok(super::lines(lines, number(row, 0)?).find(|(_, n)| *n == seq).map(|(line, _)| line.to_vec()))
    }
}

impl Log for Lookup<'_> {
    type Message = Message;
    type Error = rusqlite::Error;

    fn oldest(&self) -> rusqlite::Result<Seq> {
        let _gate = self.shared.log_gate.read();
        self.log
            .prepare_cached("SELECT ifnull((SELECT first FROM chunks ORDER BY first LIMIT 1), 0)")?
            .query_row([], |row| number(row, 0))
    }

    fn message(&self, seq: Seq) -> rusqlite::Result<Option<Message>> {
        #[cfg(test)]
        self.shared.looked_up.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let Some(line) = self.line(seq)? else { return Ok(None) };
        let message = event::data_of(&line).map(serde_json::from_slice::<MsgEvent<'_>>);
        let Some(Ok(message)) = message else { return Ok(None) };
        let text = message.msg.into_owned();
        Ok(Some(Message { line, text }))
    }
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
