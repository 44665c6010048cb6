//! Owns what happens to own turns that do not come back from the log: they were never published, nothing is known of them, or the
//! node is fenced. Called by the hub for the events of the order. Never says that a request was not taken unless that is certain.

use super::admit::unavailable;
use super::flight::Flight;
use super::gathering::Task;
use super::{Closing, Edge};
use std::collections::HashSet;
use tcp_chat_state::{Intent, Op, State};

impl Edge {
    /// Closes the connections with requests under way, without an answer: the outcome of these is unknown. The turns may still
    /// come back.
    pub fn give_up_answers(&mut self) {
        let asked: Vec<_> = self.flights.under_way.iter().flat_map(Flight::connections).collect();
        asked.into_iter().for_each(|connection| self.shut(connection, Closing::Unanswered));
    }

    /// Turns with these numbers were never published, and never count. Their requests are refused with `UNAVAILABLE`, in order,
    /// and their connections stay open. One that waits for an earlier turn, too, is closed without an answer: it would get the
    /// answers in another order. What no client waits for is proposed again.
    pub fn withdraw(&mut self, state: &State, turns: &[u64]) {
        let gone = self.flights.remove(turns);
        let before: HashSet<_> = self.flights.under_way.iter().flat_map(Flight::connections).collect();
        for mut flight in gone {
            let both: Vec<_> =
                flight.connections().filter(|connection| before.contains(connection)).collect();
            both.into_iter().for_each(|connection| self.shut(connection, Closing::Unanswered));
            std::mem::take(&mut flight.again)
                .into_iter()
                .for_each(|intent| self.gathering.propose_next(intent));
            for (index, asked, id) in flight.take_asked() {
                self.do_tasks(state, &mut flight, index);
                let refusal = Box::new(unavailable(asked.op()));
                self.settle_request(state, asked, (id, Err(refusal)), 0);
            }
            self.do_tasks(state, &mut flight, usize::MAX);
        }
    }

    /// The turn with this number can never be ordered. The connections with requests in it are closed without an answer: a
    /// client that is told to send them again would do so for ever.
    pub fn drop_turn(&mut self, state: &State, turn: u64) {
        for flight in self.flights.remove(&[turn]) {
            let asked: Vec<_> = flight.connections().collect();
            asked.into_iter().for_each(|connection| self.shut(connection, Closing::Unanswered));
            self.drop_tasks(state, flight);
        }
    }

    /// This node's turns under way will never be applied, and its sessions are away. All connections are closed; their clients go
    /// on at another node.
    pub fn fence(&mut self, state: &State) {
        self.shut_all(state, super::notices::CUT_OFF);
        let gathered = std::mem::take(&mut self.gathering.flight);
        self.gathering.abandon();
        for flight in self.flights.under_way.drain(..).chain([gathered]).collect::<Vec<_>>() {
            self.drop_tasks(state, flight);
        }
        self.flights.taken = self.gathering.turn;
        self.flights.note_came_back();
    }

    fn do_tasks(&mut self, state: &State, flight: &mut Flight, applied: usize) {
        while let Some(task) = flight.task(applied) {
            self.do_task(state, task);
        }
    }

    /// The connections of the tasks are closed, so only their end is left to do.
    fn drop_tasks(&mut self, state: &State, mut flight: Flight) {
        while let Some(task) = flight.task(usize::MAX) {
            if matches!(task, Task::Forget(_) | Task::Shutdown) {
                self.do_task(state, task);
            }
        }
    }
}

/// Must it not be lost with its turn? Nothing else would propose it again. `QUIT` was answered at once.
pub(super) fn must_count(intent: &Intent) -> bool {
    matches!(intent, Intent::Away(..) | Intent::EvictBanned { .. } | Intent::Request(_, _, Op::Quit))
}
