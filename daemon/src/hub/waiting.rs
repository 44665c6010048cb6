//! Owns what waits for a turn, and who comes first: talk before everything else, and of those who
//! ask for more than talk, or say very much, each one thing at a time. So ten thousand who enter a room at once wait
//! for each other, and a message does not wait for them. Each connection's own order is kept. Who does
//! not read its answers gets no further ones until it does.
//! Called by the hub. Never holds more than the batches that each connection may have asked.

use super::Entry;
use crate::edge::Ask;
use crate::edge::Command;
use std::collections::VecDeque;
use std::vec::IntoIter;
use tcp_chat_state::{ConnectionId, IdMap};

/// The longest message that comes before everything else. Longer ones are written one in a turn, and must not keep all
/// others waiting for as many turns as there are of them.
pub(super) const LIGHT_BYTES: usize = 64 * 1024;

/// The batches of each connection.
type Rest = IdMap<ConnectionId, VecDeque<IntoIter<Command>>>;

/// What waits.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    /// What comes first, in the order in which it came.
    first: VecDeque<Entry>,
    /// How many entries of each connection are in `first`.
    in_first: IdMap<ConnectionId, usize>,
    /// The batches of those who wait for their turn among each other, and all that they say after it.
    rest: Rest,
    /// Whose turn it is, each once. A connection gets into the line when none of its entries is left in `first`.
    line: VecDeque<ConnectionId>,
    /// Those that come back into the line once they have read.
    held: Vec<ConnectionId>,
    /// Those whose next command waits for the next turn.
    postponed: Vec<ConnectionId>,
}

/// One thing of one of those who wait among each other.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) connection: ConnectionId,
    /// `None`: the batch was empty.
    pub(super) command: Option<Command>,
    /// With it the batch is done.
    pub(super) ends_batch: bool,
}

impl Waiting {
    pub(super) fn add(&mut self, entry: Entry) {
        match entry {
            Entry::Commands(connection, list) => {
                // Whoever has to wait speaks after what it asked before.
                if let Some(batches) = self.rest.get_mut(&connection) {
                    batches.push_back(list.into_iter());
                } else if list.iter().all(is_light) {
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
        self.first.is_empty() && self.line.is_empty() && self.postponed.is_empty()
    }

    #[cfg(test)]
    pub(super) fn waits_in_line(&self) -> bool {
        !self.line.is_empty()
    }

    /// The next of what comes first, and whether it is all of its entry. Of a batch it is as much as `takes` takes; what is
    /// left of it comes first again.
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
            self.leave_first(*connection);
        }
        Some((entry, true))
    }

    /// Counts an entry that was taken out of `first`. With its last one, a connection that waits gets into the line.
    fn leave_first(&mut self, connection: ConnectionId) {
        let Some(left) = self.in_first.get_mut(&connection) else { return };
        *left -= 1;
        if *left == 0 {
            self.in_first.remove(&connection);
            if self.rest.contains_key(&connection) {
                self.line.push_back(connection);
            }
        }
    }

    /// The next thing of the one whose turn it is; then it is another one's. Whoever `is_full` of
    /// answers is held. Whose next command `must_wait` comes first in the next turn: see [`Waiting::next_turn`].
    pub(super) fn next_step(
        &mut self,
        is_full: impl Fn(ConnectionId) -> bool,
        must_wait: impl Fn(ConnectionId, &Command) -> bool,
    ) -> Option<Step> {
        let connection = loop {
            let connection = self.line.pop_front()?;
            let next = self.rest.get(&connection).and_then(|batches| batches.front()?.as_slice().first());
            if next.is_some_and(|command| must_wait(connection, command)) {
                self.postponed.push(connection);
            } else if is_full(connection) && !is_gone(&self.rest, connection) {
                self.held.push(connection);
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

    /// The turn is over: those who had to wait for the next one come first.
    pub(super) fn next_turn(&mut self) {
        self.postponed.drain(..).rev().for_each(|connection| self.line.push_front(connection));
    }

    pub(super) fn holds(&self) -> bool {
        !self.held.is_empty()
    }

    /// Who has read, and who is gone, comes back into the line.
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

/// Is the connection gone? It will read nothing more, and the chat has to hear of it.
fn is_gone(rest: &Rest, connection: ConnectionId) -> bool {
    let last = rest.get(&connection).and_then(|batches| batches.back());
    last.is_some_and(|batch| matches!(batch.as_slice().last(), Some(Command::Lost)))
}

/// Costs much the same whatever there is on the server.
fn is_light(command: &Command) -> bool {
    match command {
        Command::Ask(_, Ask::Say(_, json)) => json.len() <= LIGHT_BYTES,
        Command::Read(_) | Command::Refused(_) | Command::Ask(_, Ask::Ping) => true,
        Command::Open(_) | Command::Lost | Command::Ask(..) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tcp_chat_protocol::Name;

    const A: ConnectionId = ConnectionId(1);
    const B: ConnectionId = ConnectionId(2);

    fn ping() -> Command {
        Command::Ask(None, Ask::Ping)
    }

    fn join(room: &str) -> Command {
        Command::Ask(None, Ask::Join(Name::parse(room).expect("a name")))
    }

    fn told(command: Option<Command>) -> String {
        match command {
            Some(Command::Ask(_, Ask::Join(name))) => name.to_string(),
            Some(Command::Ask(_, Ask::Ping)) => "ping".into(),
            other => format!("{other:?}"),
        }
    }

    /// All that is left of those who wait among each other.
    fn steps(waiting: &mut Waiting) -> Vec<(u64, String, bool)> {
        std::iter::from_fn(|| waiting.next_step(|_| false, |_, _| false))
            .map(|s| (s.connection.0, told(s.command), s.ends_batch))
            .collect()
    }

    /// The next of what comes first, all of it.
    fn first(waiting: &mut Waiting) -> Option<Entry> {
        waiting.next_first(|_| true).map(|(entry, _)| entry)
    }

    #[test]
    fn talk_goes_before_those_who_enter() {
        let mut waiting = Waiting::default();
        waiting.add(Entry::Commands(A, vec![join("r1")]));
        waiting.add(Entry::Commands(B, vec![Command::Read(9), ping()]));
        assert!(matches!(first(&mut waiting), Some(Entry::Commands(who, _)) if who == B));
        assert!(first(&mut waiting).is_none());
        assert_eq!(steps(&mut waiting), [(1, "r1".into(), true)]);
        assert!(waiting.is_empty());
    }

    #[test]
    fn talk_goes_before_what_takes_a_turn_to_write() {
        let say = |bytes| {
            let room = tcp_chat_protocol::request::Target::Default;
            Command::Ask(None, Ask::Say(room, "x".repeat(bytes).into()))
        };
        let mut waiting = Waiting::default();
        waiting.add(Entry::Commands(A, vec![Command::Read(9), say(LIGHT_BYTES + 1)]));
        waiting.add(Entry::Commands(A, vec![ping()]));
        waiting.add(Entry::Commands(B, vec![Command::Read(9), say(LIGHT_BYTES)]));
        assert!(matches!(first(&mut waiting), Some(Entry::Commands(who, _)) if who == B));
        assert!(first(&mut waiting).is_none(), "its own ping comes after its message");
        assert_eq!(steps(&mut waiting).len(), 3);
    }

    #[test]
    fn ones_own_order_is_kept() {
        let mut waiting = Waiting::default();
        waiting.add(Entry::Commands(A, vec![join("r1"), join("r2")]));
        waiting.add(Entry::Commands(A, vec![ping()]));
        assert!(first(&mut waiting).is_none(), "the ping came after the rooms");
        assert_eq!(
            steps(&mut waiting),
            [(1, "r1".into(), false), (1, "r2".into(), true), (1, "ping".into(), true)]
        );
        // Once all is done, its talk goes first again.
        waiting.add(Entry::Commands(A, vec![ping()]));
        assert!(first(&mut waiting).is_some());
    }

    #[test]
    fn ones_own_order_is_kept_also_if_steps_are_taken_before_all_talk() {
        let mut waiting = Waiting::default();
        waiting.add(Entry::Commands(A, vec![ping()]));
        waiting.add(Entry::Commands(A, vec![ping()]));
        waiting.add(Entry::Commands(A, vec![join("r1")]));
        waiting.add(Entry::Commands(A, vec![ping()]));
        waiting.add(Entry::Commands(B, vec![join("r2")]));
        assert_eq!(steps(&mut waiting), [(2, "r2".into(), true)], "B said nothing before");
        assert!(first(&mut waiting).is_some());
        assert_eq!(steps(&mut waiting), [], "one of A's pings waits yet");
        assert!(!waiting.is_empty() && first(&mut waiting).is_some() && first(&mut waiting).is_none());
        assert!(!waiting.is_empty(), "now it is A's turn");
        assert_eq!(steps(&mut waiting), [(1, "r1".into(), true), (1, "ping".into(), true)]);
        assert!(waiting.is_empty() && waiting.in_first.is_empty());
    }

    #[test]
    fn what_is_left_of_a_batch_comes_first_again() {
        let mut waiting = Waiting::default();
        waiting.add(Entry::Commands(A, vec![ping(), ping(), ping()]));
        waiting.add(Entry::Commands(B, vec![ping()]));
        waiting.add(Entry::Commands(A, vec![join("r1")]));
        for (room, wanted) in [(2, (A, 2, false)), (2, (A, 1, true)), (2, (B, 1, true))] {
            assert_eq!(waiting.waits_in_line(), wanted.0 == B, "A waits for the rest of what it said");
            let mut left = room;
            let takes = |_: &Command| {
                left -= 1;
                left >= 0
            };
            let Some((Entry::Commands(who, list), is_all)) = waiting.next_first(takes) else { panic!() };
            assert_eq!((who, list.len(), is_all), wanted);
        }
        assert_eq!(steps(&mut waiting), [(1, "r1".into(), true)]);
        assert!(waiting.is_empty() && waiting.in_first.is_empty());
    }

    #[test]
    fn a_long_list_waits_for_the_lists_of_others() {
        let mut waiting = Waiting::default();
        waiting.add(Entry::Commands(A, vec![join("r1"), join("r2"), join("r3")]));
        waiting.add(Entry::Commands(B, vec![join("r4")]));
        let order: Vec<_> = steps(&mut waiting).into_iter().map(|(_, what, _)| what).collect();
        assert_eq!(order, ["r1", "r4", "r2", "r3"]);
    }

    #[test]
    fn who_does_not_read_is_held_and_holds_up_nobody() {
        let mut waiting = Waiting::default();
        waiting.add(Entry::Commands(A, vec![join("r1"), join("r2")]));
        waiting.add(Entry::Commands(B, vec![join("r3")]));
        let mut next = |full: Option<ConnectionId>| {
            waiting.next_step(|c| Some(c) == full, |_, _| false).map(|s| told(s.command))
        };
        assert_eq!(next(None), Some("r1".into()));
        assert_eq!(next(Some(A)), Some("r3".into()));
        assert_eq!(next(Some(A)), None);
        assert!(waiting.holds() && waiting.is_empty(), "there is nothing to do for now");
        waiting.release(|_| true);
        waiting.add(Entry::Commands(A, vec![ping()]));
        assert!(first(&mut waiting).is_none() && waiting.is_empty(), "what it says next comes after that");
        waiting.release(|_| false);
        assert_eq!(steps(&mut waiting), [(1, "r2".into(), true), (1, "ping".into(), true)]);
        assert!(!waiting.holds());
    }

    #[test]
    fn who_is_gone_is_not_held() {
        for lost_while_held in [true, false] {
            let mut waiting = Waiting::default();
            waiting.add(Entry::Commands(A, vec![join("r1")]));
            let lost = Entry::Commands(A, vec![Command::Lost]);
            if lost_while_held {
                assert!(waiting.next_step(|_| true, |_, _| false).is_none());
                waiting.add(lost);
                waiting.release(|_| true);
            } else {
                waiting.add(lost);
            }
            assert!(waiting.next_step(|_| true, |_, _| false).is_some());
            let last = waiting.next_step(|_| true, |_, _| false);
            assert!(matches!(last, Some(Step { command: Some(Command::Lost), .. })), "{last:?}");
            assert!(waiting.is_empty() && !waiting.holds());
        }
    }

    #[test]
    fn who_must_wait_for_the_next_turn_comes_first_in_it_and_holds_up_nobody() {
        let mut waiting = Waiting::default();
        waiting.add(Entry::Commands(A, vec![join("r1"), join("r2")]));
        waiting.add(Entry::Commands(B, vec![join("r3"), join("r4")]));
        let mut turn = |waits: &[ConnectionId]| {
            let next = || waiting.next_step(|_| false, |c, _| waits.contains(&c));
            let taken: Vec<_> = std::iter::from_fn(next).map(|step| told(step.command)).collect();
            assert_eq!(waiting.is_empty(), waits.is_empty(), "what waits is not forgotten");
            waiting.next_turn();
            taken
        };
        assert_eq!(turn(&[A]), ["r3", "r4"]);
        assert_eq!(turn(&[A, B]), [""; 0]);
        assert_eq!(turn(&[]), ["r1", "r2"]);
    }

    #[test]
    fn an_empty_batch_ends_too() {
        let mut waiting = Waiting::default();
        waiting.add(Entry::Commands(A, vec![join("r1")]));
        waiting.add(Entry::Commands(A, Vec::new()));
        assert_eq!(steps(&mut waiting).len(), 2);
        assert!(waiting.is_empty());
    }
}
