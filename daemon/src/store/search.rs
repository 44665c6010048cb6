//! Owns searches in the store: waits for the index, holds the gates, and makes the page. `tcp_chat_search` searches the
//! index, and asks [`super::searched_log`] for messages. Called by [`super::Readers`] on a thread that may wait. Never
//! shows the user an error of SQLite.

use super::history_page::{self, Messages};
use super::readers::Reader;
use super::searched_log::{Message, SearchedLog};
use super::shared::{Progress, Shared};
use super::{Page, SearchIn, StoreError, schema};
use rusqlite::OpenFlags;
use std::fmt::Write;
use std::time::{Duration, Instant};
use tcp_chat_protocol::{NameKey, Seq, event};
use tcp_chat_search::{Found, Hit, Query, SearchError, Searcher};

/// How long a search waits until the index has all messages that the log had when the search began. The protocol
/// promises it.
pub(super) const PATIENCE: Duration = Duration::from_millis(50);

/// An index that more messages than this are missing from does not get them within the patience: a search does not wait.
const NEAR: u64 = 2_000;

/// How long one search may take, pauses included. Most take milliseconds. But an expression can look at every message
/// and find nothing, and few searches run at once.
pub(super) const TIME: Duration = Duration::from_secs(2);

/// What a reader has open to search with.
#[derive(Debug)]
pub(super) struct Open {
    searcher: Searcher,
    /// The number of the index file; `None`: there was no index.
    file: Option<u64>,
}

/// Waits until the index has everything that is in the log now, or the patience ends. Does not wait for an index that
/// cannot have it by then.
pub(super) async fn wait_for_index(shared: &Shared) {
    let head = shared.work().head;
    let mut progress = shared.progress();
    let is_decided = |p: &Progress| {
        let behind = head.saturating_sub(p.mark);
        p.failing || p.gone || (p.file > 0 && (behind == 0 || behind > NEAR))
    };
    if !is_decided(&progress.borrow()) {
        let _waiting = Waiting::new(shared);
        // Late or not: the reply says how far the search reached.
        let _ = tokio::time::timeout(PATIENCE, progress.wait_for(is_decided)).await;
    }
}

/// A search that waits for the index. Once it is dropped, also because its connection is gone, the index gives way to the
/// chat again.
struct Waiting<'s>(&'s Shared);

impl<'s> Waiting<'s> {
    fn new(shared: &'s Shared) -> Self {
        shared.tell(|work| work.waiting += 1);
        Self(shared)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.tell(|work| work.waiting -= 1);
    }
}

/// Searches, for at most that time.
///
/// In memory, the index's gate is held for the whole search, and only the indexer waits for it. The log's gate, for
/// which the hub waits with its turn, is held for each message that is looked up, and once for
/// the newest ones, while they are copied.
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
        after: what.after.unwrap_or(0),
        limit: what.limit,
        // The text is a part of what the page shows of a message: at twice a page, a page is full.
        max_bytes: 2 * history_page::PAGE_BYTES,
    };
    loop {
        let now = *shared.progress().borrow();
        // If the index is gone, what the reader had open is of no use: those files are cut.
        let file = now.usable_file();
        let open = reader.search.take().filter(|open| open.file == file);
        let open = open.map_or_else(|| Open::new(shared, file), Ok);
        let found = open.and_then(|mut open| {
            let log = SearchedLog::new(shared, &reader.log, &query, what.head);
            let found = open.searcher.search(&log, &query, until)?;
            // A searcher that was cut short is not used again.
            reader.search = Some(open).filter(|_| Instant::now() < until);
            Ok(page_of(found, what))
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
    fn new(shared: &Shared, file: Option<u64>) -> Result<Self, Failed> {
        let searcher = match file {
            Some(_) => {
                let index = schema::open(&shared.index, OpenFlags::SQLITE_OPEN_READ_ONLY);
                Searcher::new(index.map_err(|why| Failed::Open(why.to_string()))?)
            }
            None => Searcher::without_index(),
        };
        Ok(Self { searcher: searcher.map_err(SearchError::Index)?, file })
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
fn page_of(found: Found<Message>, what: &SearchIn) -> Page {
    let mut messages = Messages::new(what.limit);
    for Hit { message, highlights } in found.hits {
        let data = event::data_of(&message.line).and_then(|data| data.strip_suffix(b"}"));
        let Some(data) = data else { continue };
        if !messages.push(&[data, br#","highlights":"#, json(&highlights).as_bytes(), b"}"]) {
            break;
        }
    }
    let mut page = messages.page();
    let (indexed, head) = (found.indexed.min(what.head), what.head);
    page.data.truncate(page.data.len().saturating_sub(1));
    page.data.extend_from_slice(format!(r#","indexed":{indexed},"head":{head}}}"#).as_bytes());
    page
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
