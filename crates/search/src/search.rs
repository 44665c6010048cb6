//! Owns a search: turns the text of the user into an expression, asks the index for seqs and the log for
//! messages, and highlights the words. Called by the owner of the log, on a thread that may wait. Never writes
//! the index, never reports an error in the query, and never exceeds its time.

use crate::highlights::Probe;
use crate::{segments, seq, signed, tags};
use rusqlite::{Connection, ErrorCode, params};
use std::fmt::Write;
use std::time::{Duration, Instant};

/// SQLite checks the clock after this many steps of its virtual machine. Each step may read a page of the index:
/// 100 steps together would take a few milliseconds.
const STEPS: i32 = 10;

/// A search works for this time, then pauses. Without pauses it would make other threads wait until the end of its
/// time slice, which is a few milliseconds.
const TURN: Duration = Duration::from_micros(500);
/// The pause of a short search, in which a waiting thread gets the processor.
const SHORT_PAUSE: Duration = Duration::from_micros(50);
/// A search that takes longer than this pauses for as long as it works, so a thread that wakes up finds a free
/// processor even if there are few.
const LONG: Duration = Duration::from_millis(5);

/// When a search pauses, and for how long.
#[derive(Debug)]
struct Pauses {
    began: Instant,
    next: Instant,
}

impl Pauses {
    fn new(began: Instant) -> Self {
        Self { began, next: began + TURN }
    }

    /// The pause that begins now; `None`: the search goes on.
    fn at(&mut self, now: Instant) -> Option<Duration> {
        (now >= self.next).then(|| {
            let pause = if now < self.began + LONG { SHORT_PAUSE } else { TURN };
            self.next = now + pause + TURN;
            pause
        })
    }
}

/// Tells SQLite whether to interrupt its statement. Also pauses the search.
fn interrupt_at(until: Instant) -> impl FnMut() -> bool + Send + 'static {
    let mut pauses = Pauses::new(Instant::now());
    move || {
        let now = Instant::now();
        if let Some(pause) = pauses.at(now) {
            std::thread::sleep(pause);
        }
        now >= until
    }
}

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
    ) -> Result<Vec<Hit<L::Message>>, SearchError<L::Error>> {
        let is_nowhere = query.conversations.is_empty() && query.direct_messages_of.is_none();
        let expression = self.expression(query.text).filter(|_| !is_nowhere);
        let Some(expression) = expression else { return Ok(Vec::new()) };
        self.stop_at(Some(until)).map_err(SearchError::Index)?;
        let hits = self.find(log, query, &expression, until);
        // The next search has its full time again.
        self.stop_at(None).map_err(SearchError::Index)?;
        hits
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
    ) -> Result<Vec<Hit<L::Message>>, SearchError<L::Error>> {
        let mut wanted = in_text(expression);
        if let Some(author) = query.author {
            let _ = write!(wanted, " AND {}", tags::by(author));
        }
        // The index selects the conversations, however many there are. Looking up messages of other conversations
        // and dropping them would take time, which would reveal how often others used the word.
        let place = tags::in_conversations(query.conversations, query.direct_messages_of);
        let _ = write!(wanted, " AND {place}");

        let messages = self.messages(log, query, &wanted, until)?;
        let texts: Vec<&str> = messages.iter().map(AsRef::as_ref).collect();
        let highlights = match self.probe.highlights(expression, &texts).map_err(SearchError::index) {
            // The messages are found, and the highlights are optional.
            Err(SearchError::TooLong) => Vec::new(),
            highlights => highlights?,
        };
        let highlights = highlights.into_iter().chain(std::iter::repeat_with(Vec::new));
        Ok(messages
            .into_iter()
            .zip(highlights)
            .map(|(message, highlights)| Hit { message, highlights })
            .collect())
    }

    /// The messages that an expression finds, newest first.
    fn messages<L: Log>(
        &self,
        log: &L,
        query: &Query<'_>,
        expression: &str,
        until: Instant,
    ) -> Result<Vec<L::Message>, SearchError<L::Error>> {
        let oldest = log.oldest().map_err(SearchError::Log)?;
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
        let (mut messages, mut bytes) = (Vec::new(), 0);
        while messages.len() <= query.limit && bytes <= query.max_bytes {
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
        Ok(messages)
    }
}

/// An expression that searches only texts, whatever it contains.
fn in_text(expression: &str) -> String {
    format!("({{_text_}} : ({expression}))")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_search_gives_half_of_its_time_to_others_and_a_short_one_a_tenth() {
        let began = Instant::now();
        for (time, share) in [(LONG, 5..=10), (20 * LONG, 46..=50)] {
            let mut pauses = Pauses::new(began);
            let (mut now, mut paused) = (began, Duration::ZERO);
            while now < began + time {
                let pause = pauses.at(now).unwrap_or_default();
                paused += pause;
                // SQLite looks at the clock much more often than a search pauses.
                now += pause + TURN / 50;
            }
            let percent = paused.as_micros() * 100 / time.as_micros();
            assert!(share.contains(&percent), "{percent} % of {time:?}");
        }
    }
}
