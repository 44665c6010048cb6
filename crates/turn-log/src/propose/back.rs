//! Owns what the proposer learns from the records that are read: its entries that came back, and the end of its epoch. The
//! caller shows it each record that the reader judged. Never publishes anything, and never reads a clock.

use super::{Phase, Proposer};
use crate::body::Gone;
use crate::chain::Mark;
use crate::entry::Header;
use crate::event::{Entry, Event};
use crate::feed::Record;
use crate::members::Void;
use crate::news::News;
use std::time::Duration;

impl Proposer {
    /// Takes an entry that the reader counted. Call it for every one, of any node.
    pub fn counted(&mut self, entry: &Entry, now: Duration) -> Option<News> {
        let Header { generation, node, epoch, .. } = entry.header;
        match self.phase {
            Phase::Down => None,
            Phase::Starting(own) => {
                if self.is_first(entry) {
                    self.pop(now);
                    self.phase = Phase::Up(own);
                    return Some(News::Up);
                }
                // Another generation, or another start of this node in the same one: the own start can no longer count.
                let is_void = match entry.event {
                    Event::Genesis(_) => true,
                    Event::Up(_) => node == self.node && generation == own.generation,
                    _ => false,
                };
                is_void.then(|| {
                    self.end();
                    News::StartVoid(if generation == own.generation {
                        Void::Epoch { next: epoch.saturating_add(1) }
                    } else {
                        Void::Generation
                    })
                })
            }
            Phase::Up(own) if generation != own.generation => Some(News::Fenced(self.end())),
            Phase::Up(own) => {
                let is_own = node == self.node && epoch == own.epoch;
                if node == self.node && !(is_own && self.is_first(entry)) {
                    return Some(News::Replaced(self.end()));
                }
                if is_own {
                    self.pop(now);
                }
                let here = Gone { node: self.node, epoch: own.epoch };
                if entry.event == (Event::Gone { gone: here, closed: true }) {
                    return Some(News::Fenced(self.end()));
                }
                is_own.then_some(News::Counted(entry.header.n))
            }
        }
    }

    /// Takes a record that the reader found void. Only the own start matters: it is not sent again in vain.
    pub fn void(&mut self, record: &Record, void: Void) -> Option<News> {
        let is_start = matches!(self.phase, Phase::Starting(_))
            && self.window.front().is_some_and(|first| first.mark == Mark::of(&record.bytes));
        is_start.then(|| {
            self.end();
            News::StartVoid(void)
        })
    }

    /// Is it the first entry of the window?
    fn is_first(&self, entry: &Entry) -> bool {
        self.window.front().is_some_and(|first| first.mark == entry.mark)
    }

    fn pop(&mut self, now: Duration) {
        if let Some(first) = self.window.pop_front() {
            self.bytes -= first.bytes.len();
            self.progress = now;
        }
    }

    /// Ends the epoch: nothing in the window can count.
    pub(super) fn end(&mut self) -> Vec<u64> {
        self.phase = Phase::Down;
        self.bytes = 0;
        self.window.drain(..).map(|entry| entry.n).collect()
    }
}
