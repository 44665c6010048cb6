//! Owns how a request is refused: the line that goes back, what the log is told, errors in a row, and when they close
//! the connection. Called by the edge for each answer. Never logs: the hub does, once the turn is over.

use super::{Answer, Closing, Edge, Effect, Read};
use crate::chat::{Chat, ConnectionId};
use std::net::IpAddr;
use tcp_chat_protocol::{ErrorKind, Name, Refusal, RequestId};

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
        chat: &mut Chat,
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
        self.seal(chat);
        let mut refused = Refused { to: connection, from: None, user: None, op, refusal };
        self.complete(chat, &mut refused);
        self.push(chat, Effect::Refused(Box::new(refused)));
        if let Some(closing) = closing.or(too_many.then_some(Closing::Errors)) {
            self.close(chat, connection, closing);
        }
    }

    /// The effects of a turn that the store could not keep: those who spoke are told. What is left of them can be done.
    #[must_use]
    pub fn not_kept(&mut self, chat: &mut Chat, effects: Vec<Effect>, why: &str) -> Vec<Effect> {
        chat.not_kept();
        let head = chat.counts().head;
        let message = || format!("the message was not kept: {why}");
        let mut out = Vec::with_capacity(effects.len());
        for effect in effects {
            match effect {
                Effect::Chunk { own, .. } => {
                    for own in own {
                        let Some(to) = self.here(own.at) else { continue };
                        out.push(self.is_not_kept(chat, to, Some("MSG"), own.id, message()));
                    }
                }
                Effect::IfKept(connection, id, _) => {
                    let msg = format!("nothing was changed: {why}");
                    out.push(self.is_not_kept(chat, connection, None, id, msg));
                }
                Effect::Read(connection, Read::Gap(session, mut ranges)) => {
                    ranges.retain_mut(|range| {
                        range.last = range.last.min(head);
                        range.first <= range.last
                    });
                    out.push(Effect::Read(connection, Read::Gap(session, ranges)));
                }
                Effect::Read(connection, Read::Again(resent)) if resent.seq > head => {
                    out.push(self.is_not_kept(chat, connection, Some("MSG"), Some(resent.id), message()));
                }
                other => out.push(other),
            }
        }
        out
    }

    /// A request is refused because the store did not keep the turn.
    fn is_not_kept(
        &mut self,
        chat: &Chat,
        to: ConnectionId,
        op: Option<&'static str>,
        id: Option<RequestId>,
        msg: String,
    ) -> Effect {
        let refusal = Refusal::new(ErrorKind::Internal, msg).with_id(id);
        let mut refused = Refused { to, from: None, user: None, op, refusal };
        self.complete(chat, &mut refused);
        Effect::Refused(Box::new(refused))
    }

    /// Counts a refusal, and puts in whose request it was.
    fn complete(&mut self, chat: &Chat, refused: &mut Refused) {
        self.counters.refused(refused.refusal.kind);
        refused.from = self.address(refused.to);
        let session = self.session_at(refused.to);
        refused.user = session.and_then(|session| chat.name_of(session)).cloned();
    }
}
