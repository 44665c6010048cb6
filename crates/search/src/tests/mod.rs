//! An index with its log in memory, and searches in it.

#![allow(clippy::cast_possible_truncation, reason = "the numbers of tests are small")]

mod index;
mod queries;

use crate::{Found, Hit, Index, Log, Message, Newer, PurgeStep, Query, SearchError, Searcher};
use rusqlite::Connection;
use std::cell::Cell;
use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A message of the log: its conversation, its author and its text.
type Said = (i64, &'static str, String);

/// A log in memory, whose first message has seq 1. A search may read all of it.
#[derive(Default)]
struct Messages {
    said: Vec<Said>,
    /// The messages that searches have looked up.
    looked_up: Cell<usize>,
    /// The number of messages above the index's mark that searches may read from the log.
    newer: u64,
    /// The index that gets these messages while a search reads them from the log.
    indexed_meanwhile: Option<String>,
}

impl Log for Messages {
    type Message = String;
    type Error = Infallible;

    fn oldest(&self) -> Result<u64, Infallible> {
        Ok(1)
    }

    fn message(&self, seq: u64) -> Result<Option<String>, Infallible> {
        self.looked_up.set(self.looked_up.get() + 1);
        Ok(self.said.get(seq as usize - 1).map(|(.., text)| text.clone()))
    }

    fn newer(&self, mark: u64) -> Result<Option<Newer<String>>, Infallible> {
        let to = self.said.len() as u64;
        if to - mark > self.newer {
            return Ok(None);
        }
        if let Some(path) = &self.indexed_meanwhile {
            let mut index = Index::open(Connection::open(path).unwrap(), b"log").unwrap().unwrap();
            let mut batch = index.batch().unwrap();
            for (seq, (conversation, author, text)) in (mark + 1..).zip(&self.said[mark as usize..]) {
                let conversation = *conversation;
                batch.add(&Message { seq, conversation, participants: None, author, text }).unwrap();
            }
            batch.commit(to).unwrap();
        }
        let messages = self.said[mark as usize..].iter().rev().map(|(.., text)| text.clone()).collect();
        Ok(Some(Newer { messages, to }))
    }
}

/// A log with its index and a searcher.
struct World {
    log: Messages,
    path: String,
    index: Index,
    searcher: Searcher,
}

impl World {
    fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let path = format!("file:/search-{}?vfs=memdb", NEXT.fetch_add(1, Ordering::Relaxed));
        let index = Index::create(Connection::open(&path).unwrap(), b"log").unwrap();
        let searcher = Searcher::new(Connection::open(&path).unwrap()).unwrap();
        Self { log: Messages::default(), path, index, searcher }
    }

    /// A log with these messages.
    fn with(said: &[(i64, &'static str, &str)]) -> Self {
        let mut world = Self::new();
        world.say(
            said.iter().map(|(conversation, author, text)| (*conversation, *author, (*text).to_owned())),
        );
        world
    }

    /// A conversation with one message for each text.
    fn of_texts(texts: &[&str]) -> Self {
        let mut world = Self::new();
        world.say(texts.iter().map(|text| (1, "ana", (*text).to_owned())));
        world
    }

    fn say(&mut self, said: impl Iterator<Item = Said>) {
        let mut batch = self.index.batch().unwrap();
        for (conversation, author, text) in said {
            let seq = self.log.said.len() as u64 + 1;
            let message = Message { seq, conversation, participants: None, author, text: &text };
            batch.add(&message).unwrap();
            self.log.said.push((conversation, author, text));
        }
        batch.commit(self.log.said.len() as u64).unwrap();
    }

    /// Says what the index does not have yet.
    fn say_behind_the_index(&mut self, texts: &[&str]) {
        self.log.said.extend(texts.iter().map(|text| (1, "ana", (*text).to_owned())));
    }

    fn search(&mut self, query: &Query<'_>) -> Vec<Hit<String>> {
        self.search_all(query).hits
    }

    fn search_all(&mut self, query: &Query<'_>) -> Found<String> {
        self.searcher.search(&self.log, query, Instant::now() + Duration::from_secs(60)).unwrap()
    }

    /// The seqs that a search in conversations 1 and 2 finds. The texts of these tests are all different.
    fn find(&mut self, text: &str) -> Vec<u64> {
        self.seqs(&Query { text, conversations: &[1, 2], ..Query::default() })
    }

    fn seqs(&mut self, query: &Query<'_>) -> Vec<u64> {
        let hits = self.search(query);
        let seq = |hit: &Hit<String>| {
            let at = self.log.said.iter().position(|(.., text)| *text == hit.message);
            at.unwrap() as u64 + 1
        };
        hits.iter().map(seq).collect()
    }
}
