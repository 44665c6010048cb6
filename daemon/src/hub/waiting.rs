//! Owns the commands that wait for a turn, and their order. Messages come first. Connections with other requests, or
//! with very long messages, take turns, one command each. So ten thousand users who join a room at once wait for each
//! other, and no message waits for them. The order within a connection is kept. A connection that does not read its
//! answers gets no further answers until it does. Called by the hub. Never holds more than the batches that each
//! connection may send.

use super::Entry;
use crate::edge::Command;
use std::collections::{HashSet, VecDeque};
use std::vec::IntoIter;
use tcp_chat_state::{ConnectionId, IdMap};

/// The batches of each connection.
type Rest = IdMap<ConnectionId, VecDeque<IntoIter<Command>>>;

/// The waiting commands.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    /// The entries that come first, in the order of their arrival.
    first: VecDeque<Entry>,
    /// How many entries of each connection are in `first`.
    in_first: IdMap<ConnectionId, usize>,
    /// The batches of the connections that take turns, and everything that they send later.
    rest: Rest,
    /// The connections that take turns, each once. A connection gets into the line when none of its entries is left in
    /// `first`.
    line: VecDeque<ConnectionId>,
    /// The connections that come back into the line once they have read.
    held: Vec<ConnectionId>,
    /// The connections whose next command waits for the next turn.
    postponed: Vec<ConnectionId>,
    /// Entries that came first and wait for an order that is busy, in the order of their arrival,
    aside: VecDeque<Entry>,
    /// and their connections.
    aside_of: HashSet<ConnectionId>,
    /// How many entries and commands were looked at to see whether they must wait.
    #[cfg(test)]
    pub(super) looked: std::cell::Cell<usize>,
    /// The bytes of the next command in the line that the turn had no room for. 0: there was none.
    needed: usize,
}

/// One command of a connection that takes turns.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) connection: ConnectionId,
    /// `None`: the batch was empty.
    pub(super) command: Option<Command>,
    /// The batch ends with it.
    pub(super) ends_batch: bool,
}

impl Waiting {
    #[cfg(test)]
    pub(super) fn add(&mut self, entry: Entry) {
        self.add_unless(entry, |_| false);
    }

    /// Adds an entry. All that a connection sends takes turns if it `waits` for its LOGIN, which is under way.
    pub(super) fn add_unless(&mut self, entry: Entry, waits: impl Fn(ConnectionId) -> bool) {
        match entry {
            Entry::Commands(connection, list) => {
                // A connection that takes turns keeps its order: later messages come after its earlier requests.
                if let Some(batches) = self.rest.get_mut(&connection) {
                    batches.push_back(list.into_iter());
                } else if list.iter().all(Command::is_light) && !waits(connection) {
                    self.add_first(connection, Entry::Commands(connection, list));
                } else {
                    self.rest.insert(connection, VecDeque::from([list.into_iter()]));
                    // A full turn takes steps although entries are left in `first`.
                    if !self.in_first.contains_key(&connection) {
                        self.line.push_back(connection);
                    }
                }
            }
            Entry::Open(connection, ..) => self.add_first(connection, entry),
            Entry::Control(_) => self.first.push_back(entry),
        }
    }

    fn add_first(&mut self, connection: ConnectionId, entry: Entry) {
        *self.in_first.entry(connection).or_default() += 1;
        self.first.push_back(entry);
    }

    pub(super) fn is_empty(&self) -> bool {
        !self.has_next() && self.postponed.is_empty() && self.aside.is_empty()
    }

    /// Is there something that waits only for a turn?
    pub(super) fn has_next(&self) -> bool {
        !self.first.is_empty() || !self.line.is_empty()
    }

    #[cfg(test)]
    pub(super) fn waits_in_line(&self) -> bool {
        !self.line.is_empty()
    }

    /// The next entry of those that come first, and whether it is complete. Of a batch it has as many commands as
    /// `takes` accepts; the rest of the batch comes first again.
    pub(super) fn next_first(&mut self, takes: impl FnMut(&Command) -> bool) -> Option<(Entry, bool)> {
        let mut entry = self.first.pop_front()?;
        if let Entry::Commands(connection, list) = &mut entry {
            let taken = list.iter().map(takes).take_while(|takes| *takes).count();
            if taken < list.len() {
                self.first.push_front(Entry::Commands(*connection, list.split_off(taken)));
                return Some((entry, false));
            }
        }
        if let Entry::Open(connection, ..) | Entry::Commands(connection, _) = &entry {
            self.count_taken(*connection);
        }
        Some((entry, true))
    }

    /// Sets the entries of those that come first aside that must wait, with all later ones of their connections. They are not
    /// looked at again until [`Waiting::take_back`].
    pub(super) fn set_aside(&mut self, must_wait: impl Fn(&Entry) -> bool) {
        for entry in std::mem::take(&mut self.first) {
            let waits = match &entry {
                Entry::Open(connection, ..) | Entry::Commands(connection, _) => {
                    let waits = self.aside_of.contains(connection) || must_wait(&entry);
                    if waits {
                        self.aside_of.insert(*connection);
                    }
                    waits
                }
                Entry::Control(_) => must_wait(&entry),
            };
            if waits {
                self.aside.push_back(entry)
            } else {
                self.first.push_back(entry)
            }
            self.looks();
        }
    }

    /// What was set aside and postponed may go on: it comes first again.
    pub(super) fn take_back(&mut self) {
        self.aside_of.clear();
        self.aside.append(&mut self.first);
        std::mem::swap(&mut self.aside, &mut self.first);
        self.next_turn();
    }

    /// An entry that was taken comes first again.
    pub(super) fn put_back(&mut self, entry: Entry) {
        self.first.push_front(entry);
    }

    /// Something is looked at. The tests count it.
    fn looks(&self) {
        #[cfg(test)]
        self.looked.set(self.looked.get() + 1);
    }

    /// Counts an entry that was taken out of `first`. After its last one, a connection with other requests gets into
    /// the line.
    fn count_taken(&mut self, connection: ConnectionId) {
        let Some(left) = self.in_first.get_mut(&connection) else { return };
        *left -= 1;
        if *left == 0 {
            self.in_first.remove(&connection);
            if self.rest.contains_key(&connection) {
                self.line.push_back(connection);
            }
        }
    }

    /// The next command of the next connection in the line, which then goes to the end of it. A connection that
    /// `is_full` of answers is held. A connection whose next command `must_wait` comes first in the next turn: see
    /// [`Waiting::next_turn`]. Ends before a command that does not fit; see [`Waiting::take_needed`].
    pub(super) fn next_step(
        &mut self,
        is_full: impl Fn(ConnectionId) -> bool,
        must_wait: impl Fn(ConnectionId, &Command) -> bool,
        fits: impl Fn(&Command) -> Result<(), usize>,
    ) -> Option<Step> {
        let connection = loop {
            let connection = self.line.pop_front()?;
            self.looks();
            let next = self.rest.get(&connection).and_then(|batches| batches.front()?.as_slice().first());
            if next.is_some_and(|command| must_wait(connection, command)) {
                self.postponed.push(connection);
            } else if is_full(connection) && !is_gone(&self.rest, connection) {
                self.held.push(connection);
            } else if let Some(Err(bytes)) = next.map(&fits) {
                self.needed = bytes;
                self.line.push_front(connection);
                return None;
            } else {
                break connection;
            }
        };
        let batches = self.rest.get_mut(&connection)?;
        let batch = batches.front_mut()?;
        let command = batch.next();
        let ends_batch = batch.len() == 0;
        if ends_batch {
            batches.pop_front();
        }
        if batches.is_empty() {
            self.rest.remove(&connection);
        } else {
            self.line.push_back(connection);
        }
        Some(Step { connection, command, ends_batch })
    }

    /// The bytes of the next command in the line that the last turn had no room for, so that this one leaves it.
    pub(super) fn take_needed(&mut self) -> usize {
        std::mem::take(&mut self.needed)
    }

    /// The turn is over: the postponed connections come first in the next one.
    pub(super) fn next_turn(&mut self) {
        self.postponed.drain(..).rev().for_each(|connection| self.line.push_front(connection));
    }

    pub(super) fn holds(&self) -> bool {
        !self.held.is_empty()
    }

    /// A held connection that has read, or that is lost, comes back into the line.
    pub(super) fn release(&mut self, is_full: impl Fn(ConnectionId) -> bool) {
        let (line, rest) = (&mut self.line, &self.rest);
        self.held.retain(|connection| {
            let stays = is_full(*connection) && !is_gone(rest, *connection);
            if !stays {
                line.push_back(*connection);
            }
            stays
        });
    }
}

/// Is the connection lost? It will read nothing, and the state must learn that it is lost.
fn is_gone(rest: &Rest, connection: ConnectionId) -> bool {
    let last = rest.get(&connection).and_then(|batches| batches.back());
    last.is_some_and(|batch| matches!(batch.as_slice().last(), Some(Command::Lost)))
}

#[cfg(test)]
mod tests;
