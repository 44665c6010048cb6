//! Owns the replies: the state's answer to a request becomes a line with the request's id, or a range that the
//! connection reads from the store. Called by the edge. Never decides about a request.

use super::{Edge, Effect, Read};
use tcp_chat_protocol::reply::{self, LimitsInfo, LoginReply, MessagesReply, SearchReply, ServerInfo};
use tcp_chat_protocol::{Name, RequestId, VERSION};
use tcp_chat_state::{Answered, ConnectionId, Done, LoggedIn, Rules};
use zeroize::{Zeroize, Zeroizing};

/// The op of a request, and its id.
type Named<'a> = (&'static str, Option<&'a RequestId>);

impl Edge {
    /// Replies to a request that the state has applied.
    pub(super) fn reply(&mut self, to: ConnectionId, (op, id): Named<'_>, done: Done) {
        let line = match done {
            Done::Joined(data) => reply::encode(op, id, &data),
            Done::Left(data) => reply::encode(op, id, &data),
            // An ended session is over, whether the turn is kept or not.
            Done::Acted(data) if op == "KICK" => reply::encode(op, id, &data),
            Done::Acted(data) => {
                return self.push(to, Effect::IfKept(to, id.cloned(), reply::encode(op, id, &data)));
            }
            Done::Enrolled(data) => {
                return self.push(to, Effect::IfKept(to, id.cloned(), reply::encode(op, id, &data)));
            }
            Done::Marked(mark) => {
                return self.push(to, Effect::IfKept(to, id.cloned(), reply::encode(op, id, &mark)));
            }
            Done::Resent(resent) => return self.push(to, Effect::Read(to, Read::Again(resent))),
            // The message itself is the answer.
            Done::Said | Done::LoggedIn(_) | Done::UserChanged(_) | Done::Other => return,
        };
        self.push(to, Effect::Line(to, line));
    }

    /// Replies to a query.
    pub(super) fn reply_to_query(&mut self, to: ConnectionId, (op, id): Named<'_>, answer: Answered) {
        let line = match answer {
            Answered::Who(data) => reply::encode(op, id, &data),
            Answered::Rooms(data) => reply::encode(op, id, &data),
            Answered::Page(Some(of)) => {
                return self.push(to, Effect::Read(to, Read::Page(id.cloned(), of)));
            }
            Answered::Search(what) => {
                return self.push(to, Effect::Read(to, Read::Search(id.cloned(), what)));
            }
            Answered::Page(None) => {
                reply::encode(op, id, &MessagesReply { messages: Vec::new(), more: false })
            }
            Answered::NothingToSearch(head) => {
                let (indexed, head) = (Some(head), Some(head));
                reply::encode(op, id, &SearchReply { messages: Vec::new(), more: false, indexed, head })
            }
        };
        self.push(to, Effect::Line(to, line));
    }

    /// Replies to a LOGIN, with the token. The connection then reads the messages that the session has missed.
    pub(super) fn reply_to_login(
        &mut self,
        to: ConnectionId,
        id: Option<&RequestId>,
        logged_in: LoggedIn,
        mut token: Zeroizing<String>,
        rules: &Rules,
    ) {
        let LoggedIn { session, name, color, rooms, head, log, log_from, marks, missed, resumed: _ } =
            logged_in;
        let mut reply = LoginReply {
            name: name.to_string(),
            color: color.to_string(),
            session: std::mem::take(&mut token),
            ttl_s: rules.ttl_ms / 1000,
            rooms: rooms.iter().map(Name::to_string).collect(),
            head,
            log: Some(log),
            log_from: Some(log_from),
            marks,
            servers: self.servers(),
            server: ServerInfo {
                name: "tcp-chatd".into(),
                version: env!("CARGO_PKG_VERSION").into(),
                protocol: VERSION,
            },
            limits: LimitsInfo { line_bytes: rules.line_bytes, msg_bytes: rules.msg_bytes },
        };
        self.push(to, Effect::Line(to, reply::encode("LOGIN", id, &reply)));
        reply.session.zeroize();
        self.push(to, Effect::LoggedIn(to, session, name));
        if !missed.is_empty() {
            self.push(to, Effect::Read(to, Read::Gap(session, missed)));
        }
    }
}
