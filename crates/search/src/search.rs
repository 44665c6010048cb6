//! Owns a search: turns the text of the user into an expression, asks the index for seqs and the log for
//! messages, and highlights the words. Called by the owner of the log, on a thread that may wait. Never writes
//! the index, never reports an error in the query, and never exceeds its time.

use crate::highlights::Probe;
use crate::pauses::{STEPS, interrupt_at};
use crate::{Index, segments, seq, signed, tags};
use rusqlite::{Connection, ErrorCode, params};
use std::fmt::Write;
use std::time::Instant;

/// The log that the index follows. The index has no texts, so a search asks the log for each message.
pub trait Log {
    /// The form of a message in the result. As a string it is the text.
    type Message: AsRef<str>;
    /// The error of the log.
    type Error;

    /// The smallest seq in the log; 0: the log is empty. A search ignores smaller ones.
    ///
    /// # Errors
    /// The log cannot be read.
    fn oldest(&self) -> Result<u64, Self::Error>;

    /// The message `seq`. `None`: the log has no such message, or the user must not read it. The log decides,
    /// because the index may still have a removed message.
    ///
    /// # Errors
    /// The log cannot be read.
    fn message(&self, seq: u64) -> Result<Option<Self::Message>, Self::Error>;

    /// The messages above `mark` that the query may find, so that the search reads those that the index does not have.
    /// `None`: there are too many, or the log does not offer that. A query with an author, conversations and bounds
    /// expects only messages that fit: the search compares only their texts.
    ///
    /// # Errors
    /// The log cannot be read.
    fn newer(&self, mark: u64) -> Result<Option<Newer<Self::Message>>, Self::Error> {
        let _ = mark;
        Ok(None)
    }
}

/// Messages that the index does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Newer<M> {
    /// The messages, newest first.
    pub messages: Vec<M>,
    /// The log has no other ones up to this seq.
    pub to: u64,
}

/// The parameters of a search. The default finds nothing.
#[derive(Debug, Clone, Copy)]
pub struct Query<'a> {
    /// The text of the user.
    pub text: &'a str,
    /// Only messages of these conversations,
    pub conversations: &'a [i64],
    /// and of all conversations that have this user as a participant.
    pub direct_messages_of: Option<i64>,
    /// Only messages of this author.
    pub author: Option<&'a str>,
    /// Only messages with a smaller seq.
    pub before: u64,
    /// Only messages with a greater seq.
    pub after: u64,
    /// The number of messages that the caller wants. If there is one more, it is returned, too.
    pub limit: usize,
    /// The search stops after the message with which the texts exceed this number of bytes.
    pub max_bytes: usize,
}

impl Default for Query<'_> {
    fn default() -> Self {
        Self {
            text: "",
            conversations: &[],
            direct_messages_of: None,
            author: None,
            before: u64::MAX,
            after: 0,
            limit: 20,
            max_bytes: 1 << 20,
        }
    }
}

/// A message that a search found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit<M> {
    /// The form in which the log returned it.
    pub message: M,
    /// The positions of the words: the first character and the number of characters of each range. Empty if the
    /// time was over, or if the texts leave no character to mark with.
    pub highlights: Vec<(usize, usize)>,
}

/// What a search found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found<M> {
    /// The messages, newest first.
    pub hits: Vec<Hit<M>>,
    /// The search covered all messages up to this seq.
    pub indexed: u64,
}

/// Why a search returned nothing.
#[derive(Debug, thiserror::Error)]
pub enum SearchError<E> {
    /// The time was over.
    #[error("the search took too long")]
    TooLong,
    /// The index could not be read. It may be damaged.
    #[error("the search index could not be read: {0}")]
    Index(rusqlite::Error),
    /// The log could not be read.
    #[error("the log could not be read: {0}")]
    Log(E),
}

impl<E> SearchError<E> {
    fn index(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::OperationInterrupted) => Self::TooLong,
            _ => Self::Index(error),
        }
    }
}

/// A connection to the index that searches in it.
#[derive(Debug)]
pub struct Searcher {
    index: Connection,
    probe: Probe,
}

impl Searcher {
    /// Searches in the index that `index` has open. The connection need not be able to write.
    ///
    /// # Errors
    /// SQLite cannot make a table in memory.
    pub fn new(index: Connection) -> rusqlite::Result<Self> {
        Ok(Self { index, probe: Probe::new()? })
    }

    /// Searches without an index: in the messages that the log offers ([`Log::newer`]).
    ///
    /// # Errors
    /// SQLite cannot make tables in memory.
    pub fn without_index() -> rusqlite::Result<Self> {
        Self::new(Index::create(Connection::open_in_memory()?, &[])?.into_connection())
    }

    /// Finds messages, newest first, until `until`. After [`SearchError::TooLong`] and [`SearchError::Index`], open
    /// another searcher.
    ///
    /// # Errors
    /// The index or the log cannot be read, or the time was over.
    pub fn search<L: Log>(
        &mut self,
        log: &L,
        query: &Query<'_>,
        until: Instant,
    ) -> Result<Found<L::Message>, SearchError<L::Error>> {
        let is_nowhere = query.conversations.is_empty() && query.direct_messages_of.is_none();
        let expression = self.expression(query.text).filter(|_| !is_nowhere);
        // A query without a word finds nothing in any message, and so does one without a conversation.
        let Some(expression) = expression else { return Ok(Found { hits: Vec::new(), indexed: u64::MAX }) };
        self.stop_at(Some(until)).map_err(SearchError::Index)?;
        let found = self.find(log, query, &expression, until);
        // The next search has its full time again.
        self.stop_at(None).map_err(SearchError::Index)?;
        found
    }

    /// Sets the time at which SQLite interrupts its statements; `None`: never.
    fn stop_at(&mut self, until: Option<Instant>) -> rusqlite::Result<()> {
        for database in [&mut self.index, &mut self.probe.connection] {
            database.progress_handler(STEPS, until.map(interrupt_at))?;
        }
        Ok(())
    }

    /// The user's query as a valid expression: as it was typed, or as plain words.
    fn expression(&self, query: &str) -> Option<String> {
        let typed = query.replace('\0', " ");
        let plain = segments::plain(&typed);
        // It must be valid alone, so that no parenthesis in it closes one around it. It must also be valid with
        // the parentheses.
        let is_valid =
            |text: &str| self.probe.is_expression(text) && self.probe.is_expression(&in_text(text));
        [segments::expression(&typed).into_owned(), plain]
            .into_iter()
            .find(|text| !text.trim().is_empty() && is_valid(text))
    }

    fn find<L: Log>(
        &self,
        log: &L,
        query: &Query<'_>,
        expression: &str,
        until: Instant,
    ) -> Result<Found<L::Message>, SearchError<L::Error>> {
        let mut wanted = in_text(expression);
        if let Some(author) = query.author {
            let _ = write!(wanted, " AND {}", tags::by(author));
        }
        // The index selects the conversations, however many there are. Looking up messages of other conversations
        // and dropping them would take time, which would reveal how often others used the word.
        let place = tags::in_conversations(query.conversations, query.direct_messages_of);
        let _ = write!(wanted, " AND {place}");

        // The mark comes first: the index only grows, so it has at least these messages when it is searched.
        let mark = self.mark().map_err(SearchError::index)?;
        let newer = log.newer(mark).map_err(SearchError::Log)?;
        let indexed = newer.as_ref().map_or(mark, |newer| newer.to.max(mark));
        let mut messages = newer.map_or_else(Vec::new, |newer| newer.messages);
        self.keep_matches(expression, &mut messages).map_err(SearchError::index)?;
        let older = Query { before: query.before.min(mark.saturating_add(1)), ..*query };
        self.add_indexed(&mut messages, log, &older, &wanted, until)?;
        let texts: Vec<&str> = messages.iter().map(AsRef::as_ref).collect();
        let highlights = match self.probe.highlights(expression, &texts).map_err(SearchError::index) {
            // The messages are found, and the highlights are optional.
            Err(SearchError::TooLong) => Vec::new(),
            highlights => highlights?,
        };
        let highlights = highlights.into_iter().chain(std::iter::repeat_with(Vec::new));
        let hits = messages.into_iter().zip(highlights);
        let hits = hits.map(|(message, highlights)| Hit { message, highlights }).collect();
        Ok(Found { hits, indexed })
    }

    /// The seq up to which the index has all messages.
    fn mark(&self) -> rusqlite::Result<u64> {
        self.index.prepare_cached("SELECT mark FROM about")?.query_row([], seq)
    }

    /// Drops the messages that an expression does not find.
    fn keep_matches<M: AsRef<str>>(&self, expression: &str, messages: &mut Vec<M>) -> rusqlite::Result<()> {
        if !messages.is_empty() {
            let texts: Vec<&str> = messages.iter().map(AsRef::as_ref).collect();
            let mut is_match = self.probe.matches(expression, &texts)?.into_iter();
            messages.retain(|_| is_match.next().unwrap_or(false));
        }
        Ok(())
    }

    /// Adds the messages that an expression finds in the index, newest first, until there are enough.
    fn add_indexed<L: Log>(
        &self,
        messages: &mut Vec<L::Message>,
        log: &L,
        query: &Query<'_>,
        expression: &str,
        until: Instant,
    ) -> Result<(), SearchError<L::Error>> {
        let has_enough = |count: usize, bytes: usize| count > query.limit || bytes > query.max_bytes;
        let mut bytes = 0;
        let enough = messages.iter().position(|message| {
            bytes += message.as_ref().len();
            bytes > query.max_bytes
        });
        messages.truncate(enough.map_or(usize::MAX, |at| at + 1).min(query.limit.saturating_add(1)));
        if has_enough(messages.len(), bytes) {
            return Ok(());
        }
        let oldest = log.oldest().map_err(SearchError::Log)?.max(query.after.saturating_add(1));
        let mut seqs = self
            .index
            .prepare_cached(
                "SELECT rowid FROM words
                 WHERE words MATCH ?1 AND rowid < ?2 AND rowid >= ?3 ORDER BY rowid DESC",
            )
            .map_err(SearchError::index)?;
        let mut seqs = seqs
            .query(params![expression, signed(query.before), signed(oldest)])
            .map_err(SearchError::index)?;
        while !has_enough(messages.len(), bytes) {
            let Some(row) = seqs.next().map_err(SearchError::index)? else { break };
            if Instant::now() >= until {
                return Err(SearchError::TooLong);
            }
            let seq = seq(row).map_err(SearchError::index)?;
            if let Some(message) = log.message(seq).map_err(SearchError::Log)? {
                bytes += message.as_ref().len();
                messages.push(message);
            }
        }
        Ok(())
    }
}

/// An expression that searches only texts, whatever it contains.
fn in_text(expression: &str) -> String {
    format!("({{_text_}} : ({expression}))")
}
