//! Owns the answers to requests while their turn is applied: each is answered at its place, from the state at that place.
//! Called by [`Edge::observe`], and for the tasks that need no turn. Never adds to this turn, and never changes the state.

use super::gathering::{Asked, AskedLogin, Task};
use super::{Closing, Edge, Effect};
use tcp_chat_protocol::{ErrorKind, Refusal, RequestId, reply};
use tcp_chat_state::{Change, ConnectionId, Done, Intent, LoggedIn, ResumeOutcome, SessionId, State, shrink};

/// The request id and the result of an intent.
type Settled = (Option<RequestId>, Result<Done, Box<Refusal>>);

impl Edge {
    /// Answers an intent that was applied, then does the tasks before the next intent.
    pub(super) fn settle(
        &mut self,
        state: &State,
        changes: &mut Vec<Change>,
        index: usize,
        id: Option<RequestId>,
        result: Result<Done, Box<Refusal>>,
    ) {
        let away_ms = match &result {
            Ok(Done::LoggedIn(logged_in)) => self.away.since(logged_in.session, self.away_time()),
            _ => 0,
        };
        self.sync(state, changes);
        if let Some(asked) = self.flights.current.asked(index) {
            self.settle_request(state, asked, (id, result), away_ms);
        }
        self.settle_local(state, index + 1);
    }

    /// Answers a request. `away_ms`: how long a resumed session had been away, in milliseconds.
    pub(super) fn settle_request(
        &mut self,
        state: &State,
        asked: Asked,
        (id, result): Settled,
        away_ms: u64,
    ) {
        match (asked, result) {
            (Asked::Message { connection, session, charge }, Ok(Done::Said)) => {
                self.note_direct(state, session, &charge);
                self.answered(connection);
            }
            (Asked::Message { connection, session, charge }, result) => {
                self.refund(state, session, &charge);
                let done = result.map(|done| self.reply(connection, ("MSG", id.as_ref()), done));
                let done = done.map_err(|refusal| charge.refused(*refusal).with_id(id));
                self.answer(state, connection, Some("MSG"), done);
            }
            (Asked::Request { connection, login, .. }, Ok(Done::LoggedIn(logged_in))) => {
                self.settle_login(state, (connection, id.as_ref()), *logged_in, login, away_ms);
                self.answered(connection);
            }
            (Asked::Request { connection, op, .. }, Ok(done)) => {
                self.reply(connection, (op, id.as_ref()), done);
                self.answered(connection);
            }
            (Asked::Request { connection, op, login }, Err(refusal)) => {
                login.into_iter().for_each(|login| self.count_resume(login.resumes, &refusal));
                self.answer(state, connection, Some(op), Err(refusal.with_id(id)));
            }
        }
    }

    /// Does the tasks up to this number of applied intents.
    pub(super) fn settle_local(&mut self, state: &State, applied: usize) {
        while let Some(task) = self.flights.current.task(applied) {
            self.do_task(state, task);
        }
    }

    fn count_resume(&mut self, resumes: bool, refusal: &Refusal) {
        if resumes && refusal.kind == ErrorKind::SessionExpired {
            self.counters.resume(ResumeOutcome::Expired, 0);
        } else if resumes {
            self.counters.resume(ResumeOutcome::Refused, 0);
        }
    }

    /// Replies to a LOGIN, if its connection is still open.
    fn settle_login(
        &mut self,
        state: &State,
        (connection, id): (ConnectionId, Option<&RequestId>),
        mut logged_in: LoggedIn,
        login: Option<Box<AskedLogin>>,
        away_ms: u64,
    ) {
        let Some(login) = login.filter(|_| self.is_open(connection)) else {
            return self.abandon(connection, logged_in.session, logged_in.resumed);
        };
        // A client later resumes after this number, so it must not be a number that another message can still get.
        logged_in.head = logged_in.head.min(self.hold.kept());
        match logged_in.resumed {
            Some(outcome) => self.counters.resume(outcome, away_ms),
            None => {
                self.counters.logged_in();
                let address = self.address(connection);
                address.into_iter().for_each(|address| self.sessions.add(logged_in.session, address));
            }
        }
        self.reply_to_login(connection, id, logged_in, login.token, state.rules());
    }

    /// Gives up a session whose connection was closed by an earlier command of the same turn, so that its client never
    /// learns of it. A new session ends; a resumed session is away.
    fn abandon(&mut self, connection: ConnectionId, session: SessionId, resumed: Option<ResumeOutcome>) {
        self.gathering.propose_next(Intent::Away(self.at(connection), session));
        if resumed.is_none() {
            self.gathering.propose_next(Intent::Expire(vec![session]));
        }
    }

    pub(super) fn do_task(&mut self, state: &State, task: Task) {
        match task {
            Task::Query { connection, session, id, query } => {
                if !self.is_open(connection) {
                    return;
                }
                let op = query.op();
                let answer = state.query(session, *query);
                let done = answer.map(|answer| self.reply_to_query(connection, (op, id.as_ref()), answer));
                self.answer(state, connection, Some(op), done.map_err(|no| no.with_id(id)));
            }
            Task::Ping { connection, id } => {
                self.line(connection, reply::done("PING", id.as_ref()));
                self.answer(state, connection, Some("PING"), Ok(()));
            }
            Task::Quit { connection, id } => {
                self.line(connection, reply::done("QUIT", id.as_ref()));
                self.shut(connection, Closing::Quit);
            }
            Task::Refuse { connection, op, refusal } => self.answer(state, connection, op, Err(*refusal)),
            Task::Forget(connection) => {
                self.connections.remove(&connection);
                shrink(&mut self.connections);
            }
            Task::Close(connection, why) => self.shut(connection, why),
            Task::Notice(line) => self.notify_all(line),
            Task::Shutdown => self.shut_all(state, super::notices::GOING_DOWN),
        }
    }

    /// Is the connection open, and not being closed?
    pub(super) fn is_open(&self, connection: ConnectionId) -> bool {
        self.connections.get(&connection).is_some_and(|entry| !entry.is_closing)
    }

    /// Adds an effect for a connection, unless it is being closed.
    pub(super) fn push(&mut self, connection: ConnectionId, effect: Effect) {
        if self.is_open(connection) {
            self.effects.push(effect);
        }
    }
}
