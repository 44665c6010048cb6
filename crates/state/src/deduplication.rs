//! Owns the window: the ids of the newest messages of the server, by which the state recognises a resend. The turn
//! adds to it; MSG searches it. The store keeps the same ids, so a restart has the same window. Older ids come with
//! the turn: its proposer searches its store for them ([`super::Past`]). Never asks a store.

use super::Refusal;
use super::{ConversationId, Past, Sent, SessionId, State, refusal};
use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use tcp_chat_protocol::{ErrorKind, RequestId, Seq};

/// How many of the newest messages of the server the state knows by their ids. Texts of 32 bytes take 0.7 MB in all,
/// and 2.6 MB while ids are searched for. A window of each session that held what a client may have outstanding (256)
/// would take 226 MB with 10,000 sessions, or 560 MB. `measure_the_window` in the tests measures both.
pub const WINDOW: u64 = 8_192;

/// The ids of the newest messages.
#[derive(Debug, Default)]
pub(super) struct Deduplication {
    /// The oldest first.
    order: VecDeque<Sent>,
    /// In a cell, because a search completes it, and changes nothing that is true of the window.
    index: RefCell<Index>,
}

/// The ids that were indexed for a search.
#[derive(Debug, Default)]
struct Index {
    by_id: HashMap<(SessionId, RequestId), (ConversationId, Seq)>,
    /// The number of newest ids that are not in `by_id` yet: a client that counts up causes no search.
    unindexed: usize,
}

impl Deduplication {
    pub(super) fn add(&mut self, sent: Sent) {
        self.order.push_back(sent);
        self.index.get_mut().unindexed += 1;
    }

    /// The message of that id, if it is newer than `after`.
    pub(super) fn find(
        &self,
        session: SessionId,
        id: &RequestId,
        after: Seq,
    ) -> Option<(ConversationId, Seq)> {
        let mut index = self.index.borrow_mut();
        let indexed = self.order.len() - std::mem::take(&mut index.unindexed);
        for sent in self.order.range(indexed..) {
            index.by_id.insert((sent.session, sent.id.clone()), (sent.conversation, sent.seq));
        }
        index.by_id.get(&(session, id.clone())).copied().filter(|(_, seq)| *seq > after)
    }

    /// Forgets all ids up to that number.
    pub(super) fn forget(&mut self, until: Seq) {
        while self.order.front().is_some_and(|sent| sent.seq <= until) {
            let Some(sent) = self.order.pop_front() else { return };
            let index = self.index.get_mut();
            if self.order.len() < index.unindexed {
                index.unindexed -= 1;
            } else {
                index.remove(sent);
            }
        }
    }

    /// The ids above that number, the oldest first.
    pub(super) fn after(&self, after: Seq) -> impl Iterator<Item = &Sent> {
        self.order.range(self.order.partition_point(|sent| sent.seq <= after)..)
    }
}

impl Index {
    fn remove(&mut self, Sent { session, id, seq, .. }: Sent) {
        let key = (session, id);
        // An id that left the window may have been used again.
        if self.by_id.get(&key).is_some_and(|(_, of)| *of == seq) {
            self.by_id.remove(&key);
        }
    }
}

/// An earlier message of a session under the same id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Earlier {
    /// There is none.
    None,
    /// It is kept in this conversation under this number.
    Kept(ConversationId, Seq),
    /// It is in this turn, and has no number yet.
    Unsealed,
}

impl State {
    /// Must a proposer search its store, before this becomes part of a turn, for a message that the session may have
    /// sent under this id? Yes if the window of that turn will not have the id. That turn has not begun yet. `ahead`: the
    /// number of messages that may be kept before that.
    #[must_use]
    pub fn asks_past(&self, session: SessionId, id: &RequestId, ahead: u64) -> bool {
        self.sessions.get(session).is_some_and(|held| held.used.may_have(id))
            && !self.turn.is_unsealed(session, id)
            && self.deduplication.find(session, id, self.window_from(ahead)).is_none()
    }

    /// The window after so many more messages has no ids up to this number.
    fn window_from(&self, ahead: u64) -> Seq {
        self.head.saturating_sub(self.rules.window.saturating_sub(ahead))
    }

    /// The message that this session has sent under this id before.
    pub(super) fn sent_before(
        &self,
        session: SessionId,
        id: &RequestId,
        past: &Past,
    ) -> Result<Earlier, Refusal> {
        // The used ids of this process only save a search: without them the result is the same.
        let may_have = self.sessions.get(session).is_some_and(|held| held.used.may_have(id));
        if matches!(past, Past::Absent | Past::Unwritable) && !may_have {
            return Ok(Earlier::None);
        }
        if self.turn.is_unsealed(session, id) {
            return Ok(Earlier::Unsealed);
        }
        if let Some((conversation, seq)) = self.deduplication.find(session, id, self.forgotten()) {
            return Ok(Earlier::Kept(conversation, seq));
        }
        match past {
            Past::Absent | Past::Unwritable | Past::Message(_) => Ok(Earlier::None),
            Past::Kept(conversation, seq) => Ok(Earlier::Kept(*conversation, *seq)),
            Past::Unknown => {
                let msg = "the server's store cannot be read: it is not known whether this was sent before; try again";
                Err(refusal(ErrorKind::Internal, msg))
            }
        }
    }

    /// Ids up to this number are not in the window of this turn.
    fn forgotten(&self) -> Seq {
        self.turn.head_before().saturating_sub(self.rules.window)
    }

    /// The window of the next turn, of the sessions that are there, the oldest id first.
    pub(super) fn window(&self) -> impl Iterator<Item = &Sent> {
        let after = self.head.saturating_sub(self.rules.window);
        self.deduplication.after(after).filter(|sent| self.sessions.get(sent.session).is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BO: SessionId = SessionId(7);

    fn sent(seq: Seq, id: u64) -> Sent {
        Sent { session: BO, id: RequestId::Number(id), conversation: ConversationId(1), seq }
    }

    #[test]
    fn the_index_follows_the_window() {
        let mut window = Deduplication::default();
        let found = |window: &Deduplication, id, after| {
            window.find(BO, &RequestId::Number(id), after).map(|(_, seq)| seq)
        };
        (1..=4).for_each(|n| window.add(sent(n, n)));
        // Before anything is indexed.
        window.forget(1);
        assert_eq!((window.index.borrow().unindexed, window.order.len()), (3, 3));
        assert_eq!(found(&window, 2, 0), Some(2));
        assert_eq!(found(&window, 1, 0), None);
        assert_eq!(found(&window, 2, 2), None, "it has left the window");
        // Used again since.
        window.add(sent(5, 2));
        window.add(sent(6, 6));
        assert_eq!(found(&window, 2, 2), Some(5));
        window.forget(4);
        assert_eq!(found(&window, 2, 4), Some(5));
        assert_eq!(window.index.borrow().by_id.len(), 2);
        window.add(sent(7, 7));
        window.forget(9);
        let Index { by_id, unindexed } = window.index.into_inner();
        assert!(by_id.is_empty() && window.order.is_empty() && unindexed == 0);
    }

    /// Run by hand: `cargo test --release -p tcp-chat-state --lib measure_the_window -- --ignored --nocapture`.
    #[test]
    #[ignore = "measures, and decides nothing"]
    fn measure_the_window() {
        const SESSIONS: u64 = 10_000;
        const OUTSTANDING: u64 = 256;
        let resident = || -> u64 {
            let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
            pages.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
        };
        let id = |n: u64| RequestId::Text(format!("{n:032x}").into());
        for (what, windows, each) in [
            ("one window", 1, WINDOW),
            ("64 of each session", SESSIONS, 64),
            ("256 of each session", SESSIONS, OUTSTANDING),
        ] {
            for (ids, texts) in [("numbers", false), ("texts of 32 bytes", true)] {
                let before = resident();
                let mut all: Vec<Deduplication> = (0..windows).map(|_| Deduplication::default()).collect();
                for (session, window) in (0..).zip(&mut all) {
                    for n in 0..each {
                        let id = if texts { id(n) } else { RequestId::Number(n) };
                        window.add(Sent { session: SessionId(session), id, ..sent(n, 0) });
                    }
                }
                let listed = resident() - before;
                for window in &all {
                    let _ = window.find(BO, &RequestId::Number(0), 0);
                }
                println!("{what}, {ids}: {listed} bytes, {} with the index", resident() - before);
                // The next allocation must be new memory.
                std::mem::forget(all);
            }
        }
    }
}
