//! Owns how a request is refused: the reply, the data for the log, the errors in a row, and the number of them that
//! closes the connection. Called by the edge for each answer. Never logs: the hub does, once the turn is over.

use super::admit::counts_as_error;
use super::{Answer, Closing, Edge, Effect};
use std::net::IpAddr;
use tcp_chat_protocol::{ErrorKind, Name, Refusal};
use tcp_chat_state::{ConnectionId, State};

/// Failed logins on one connection before it is closed.
const AUTH_FAILURES: u16 = 3;

/// A request that is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The connection.
    pub to: ConnectionId,
    /// Its peer address.
    pub from: Option<IpAddr>,
    /// Its user, if it is logged in.
    pub user: Option<Name>,
    /// The op, if the line was understood.
    pub op: Option<&'static str>,
    /// The answer.
    pub refusal: Refusal,
}

impl Edge {
    /// Answers with a refusal, and counts the errors in a row.
    pub(super) fn answer(
        &mut self,
        state: &State,
        connection: ConnectionId,
        op: Option<&'static str>,
        answer: Answer,
    ) {
        let Err(refusal) = answer else { return self.answered(connection) };
        let Some(entry) = self.connections.get_mut(&connection) else { return };
        if entry.is_closing {
            return;
        }
        entry.errors = entry.errors.saturating_add(u32::from(counts_as_error(&refusal)));
        let closing = match refusal.kind {
            ErrorKind::ServerFull => Some(Closing::Full),
            ErrorKind::AuthFailed => {
                entry.auth_failures += 1;
                (entry.auth_failures >= AUTH_FAILURES).then_some(Closing::AuthFailed)
            }
            _ => None,
        };
        let most = state.rules().errors;
        let too_many = most > 0 && entry.errors > most;
        let mut refused = Refused { to: connection, from: None, user: None, op, refusal };
        self.complete(state, &mut refused);
        self.effects.push(Effect::Refused(Box::new(refused)));
        if let Some(closing) = closing.or(too_many.then_some(Closing::Errors)) {
            self.shut(connection, closing);
        }
    }

    /// A request was not refused: no errors in a row.
    pub(super) fn answered(&mut self, connection: ConnectionId) {
        self.connections.get_mut(&connection).into_iter().for_each(|entry| entry.errors = 0);
    }

    /// Counts a refusal, and adds its user.
    fn complete(&mut self, state: &State, refused: &mut Refused) {
        self.counters.refused(refused.refusal.kind);
        refused.from = self.address(refused.to);
        let session = self.session_at(refused.to);
        refused.user = session.and_then(|session| state.name_of(session)).cloned();
    }
}
