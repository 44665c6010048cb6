//! Owns what becomes of requests while their turn is applied: at the place of each, with the state as it is there, it is
//! answered. Called by [`Edge::observe`]. Never adds to the turn, and never changes the state.

use super::gathering::Task;
use super::limits::Charge;
use super::{Answer, Closing, Edge, Effect};
use tcp_chat_protocol::{ErrorKind, Refusal, RequestId, reply};
use tcp_chat_state::{Change, ConnectionId, Done, Intent, ResumeOutcome, SessionId, State};
use zeroize::Zeroizing;

/// What an intent came to, and what the client calls its request.
type Settled = (Option<RequestId>, Answer<Done>);

impl Edge {
    /// An intent was applied: answers it, and then what comes before the next one.
    pub(super) fn settle(
        &mut self,
        chat: &State,
        changes: &mut Vec<Change>,
        index: usize,
        id: Option<RequestId>,
        result: Answer<Done>,
    ) {
        let away_ms = match &result {
            Ok(Done::LoggedIn(logged_in)) => self.away.since(logged_in.session, self.now),
            _ => 0,
        };
        self.sync(chat, changes);
        let mut settled = Some((id, result));
        while let Some(task) = self.gathering.task(index + 1) {
            match (task, &mut settled) {
                (Task::Message { connection, session, charge }, settled) => {
                    if let Some((id, result)) = settled.take() {
                        self.settle_message(chat, (connection, session), charge, (id, result));
                    }
                }
                (Task::Login { connection, resumes, token }, settled) => {
                    if let Some((id, result)) = settled.take() {
                        let answer = result.map_err(|refusal| self.count_resume(resumes, refusal));
                        let done = answer.map(|done| {
                            self.logged_in(connection, id.as_ref(), done, token, away_ms);
                        });
                        self.answer(chat, connection, Some("LOGIN"), done.map_err(|no| no.with_id(id)));
                    }
                }
                (Task::Reply { connection, op }, settled) => {
                    if let Some((id, result)) = settled.take() {
                        let done = result.map(|done| self.reply(connection, (op, id.as_ref()), done));
                        self.answer(chat, connection, Some(op), done.map_err(|no| no.with_id(id)));
                    }
                }
                (task, _) => self.do_task(chat, task),
            }
        }
    }

    /// Does what is to be done before any intent is applied.
    pub(super) fn settle_local(&mut self, chat: &State, applied: usize) {
        while let Some(task) = self.gathering.task(applied) {
            self.do_task(chat, task);
        }
    }

    fn settle_message(
        &mut self,
        chat: &State,
        (connection, session): (ConnectionId, SessionId),
        charge: Charge,
        (id, result): Settled,
    ) {
        let answer = match result {
            Ok(Done::Said) => {
                self.note_direct(chat, session, charge);
                Ok(())
            }
            Ok(done) => {
                self.refund(chat, session, charge);
                self.reply(connection, ("MSG", id.as_ref()), done);
                Ok(())
            }
            Err(refusal) => {
                self.refund(chat, session, charge);
                Err(charge.refused(refusal).with_id(id))
            }
        };
        self.answer(chat, connection, Some("MSG"), answer);
    }

    fn count_resume(&mut self, resumes: bool, refusal: Refusal) -> Refusal {
        if resumes && refusal.kind == ErrorKind::SessionExpired {
            self.counters.resume(ResumeOutcome::Expired, 0);
        } else if resumes {
            self.counters.resume(ResumeOutcome::Refused, 0);
        }
        refusal
    }

    fn logged_in(
        &mut self,
        connection: ConnectionId,
        id: Option<&RequestId>,
        done: Done,
        token: Zeroizing<String>,
        away_ms: u64,
    ) {
        let Done::LoggedIn(mut logged_in) = done else { return };
        if !self.is_open(connection) {
            return self.abandon(connection, logged_in.session, logged_in.resumed);
        }
        // A client goes on after this number: it must not be one that may yet be another message's.
        logged_in.reply.head = logged_in.reply.head.min(self.hold.kept());
        match logged_in.resumed {
            Some(outcome) => self.counters.resume(outcome, away_ms),
            None => {
                self.counters.logged_in();
                let address = self.address(connection);
                address.into_iter().for_each(|address| self.sessions.add(logged_in.session, address));
            }
        }
        self.reply_to_login(connection, id, *logged_in, token);
    }

    /// Something before its LOGIN in the same turn has closed the connection, and its client hears nothing of the session. One
    /// that began is nobody's, and ends; one that was resumed is away.
    fn abandon(&mut self, connection: ConnectionId, session: SessionId, resumed: Option<ResumeOutcome>) {
        self.gathering.propose_next(Intent::Away(self.at(connection), session));
        if resumed.is_none() {
            self.gathering.propose_next(Intent::Expire(vec![session]));
        }
    }

    fn do_task(&mut self, chat: &State, task: Task) {
        match task {
            Task::Query { connection, session, id, query } if self.is_open(connection) => {
                let op = query.op();
                let answer = chat.query(session, query);
                let done = answer.map(|answer| self.reply_to_query(connection, (op, id.as_ref()), answer));
                self.answer(chat, connection, Some(op), done.map_err(|no| no.with_id(id)));
            }
            Task::Ping { connection, id } => {
                self.line(connection, reply::done("PING", id.as_ref()));
                self.answer(chat, connection, Some("PING"), Ok(()));
            }
            Task::Quit { connection, id } => {
                self.line(connection, reply::done("QUIT", id.as_ref()));
                self.shut(connection, Closing::Quit);
            }
            Task::Refuse { connection, op, refusal } => self.answer(chat, connection, op, Err(*refusal)),
            Task::Forget(connection) => drop(self.connections.remove(&connection)),
            Task::Close(connection, why) => self.shut(connection, why),
            Task::Notice(line) => self.notify_all(line),
            Task::Shutdown => self.shut_all(chat),
            // The turn ended before the intent of this one: nothing was decided.
            Task::Query { .. } | Task::Message { .. } | Task::Login { .. } | Task::Reply { .. } => {}
        }
    }

    /// Is the connection there, and heard?
    pub(super) fn is_open(&self, connection: ConnectionId) -> bool {
        self.connections.get(&connection).is_some_and(|state| !state.closing)
    }

    /// Adds an effect for a connection that still hears.
    pub(super) fn push(&mut self, connection: ConnectionId, effect: Effect) {
        if self.is_open(connection) {
            self.effects.push(effect);
        }
    }
}
