//! Owns how a request is refused: the line that goes back, what the log is told, errors in a row, and when they close
//! the connection. Called by the edge for each answer. Never logs: the hub does, once the turn is over.

use super::{Answer, Closing, Edge, Effect};
use std::net::IpAddr;
use tcp_chat_protocol::{ErrorKind, Name, Refusal};
use tcp_chat_state::{ConnectionId, State};

/// Failed logins on one connection before it is closed.
const AUTH_FAILURES: u32 = 3;

/// A request that is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Who asked.
    pub to: ConnectionId,
    /// From where.
    pub from: Option<IpAddr>,
    /// As whom, if logged in.
    pub user: Option<Name>,
    /// What, where the line was understood.
    pub op: Option<&'static str>,
    /// The answer.
    pub refusal: Refusal,
}

impl Edge {
    /// Answers a refusal, and counts errors in a row.
    pub(super) fn answer(
        &mut self,
        chat: &State,
        connection: ConnectionId,
        op: Option<&'static str>,
        answer: Answer,
    ) {
        let Some(state) = self.connections.get_mut(&connection) else { return };
        let Err(refusal) = answer else {
            state.errors = 0;
            return;
        };
        if state.closing {
            return;
        }
        state.errors = state.errors.saturating_add(1);
        let closing = match refusal.kind {
            ErrorKind::ServerFull => Some(Closing::Full),
            ErrorKind::AuthFailed => {
                state.auth_failures += 1;
                (state.auth_failures >= AUTH_FAILURES).then_some(Closing::AuthFailed)
            }
            _ => None,
        };
        let most = chat.rules().errors;
        let too_many = most > 0 && state.errors > most;
        let mut refused = Refused { to: connection, from: None, user: None, op, refusal };
        self.complete(chat, &mut refused);
        self.effects.push(Effect::Refused(Box::new(refused)));
        if let Some(closing) = closing.or(too_many.then_some(Closing::Errors)) {
            self.shut(connection, closing);
        }
    }

    /// Counts a refusal, and puts in whose request it was.
    fn complete(&mut self, chat: &State, refused: &mut Refused) {
        self.counters.refused(refused.refusal.kind);
        refused.from = self.address(refused.to);
        let session = self.session_at(refused.to);
        refused.user = session.and_then(|session| chat.name_of(session)).cloned();
    }
}
