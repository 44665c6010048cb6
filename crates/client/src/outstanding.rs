//! Owns the requests without a reply: those to write, those written, those to write again. Pure: times are
//! arguments. Used by `task`. Never reads or writes a connection.

use crate::Error;
use crate::backoff::before_resend;
use serde_json::value::RawValue;
use std::collections::VecDeque;
use std::time::Duration;
use tcp_chat_protocol::request::{Request, write};
use tcp_chat_protocol::{MsgEvent, RequestId, Seq};
use tokio::sync::oneshot;
use tokio::time::Instant;

/// The largest number of requests without a reply; further ones wait in the session's queue.
pub(crate) const LIMIT: usize = 256;

pub(crate) type OpReply = oneshot::Sender<Result<Box<RawValue>, Error>>;
pub(crate) type MsgReply = oneshot::Sender<Result<MsgEvent<'static>, Error>>;

/// The purpose of a request.
#[derive(Debug)]
pub(crate) enum Purpose {
    /// A message.
    Msg {
        reply: MsgReply,
        /// Whether the id must stay: it is the caller's, or was changed once already.
        fixed: bool,
    },
    /// Any other request.
    Op(OpReply),
    /// The session's own `PING` after a resume: its reply means that all missed messages have come.
    CatchUp,
    /// The session's own `PING` on a silent connection.
    KeepAlive,
    /// The `QUIT` at the end.
    Quit,
}

#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) id: RequestId,
    pub(crate) request: Request<'static>,
    pub(crate) what: Purpose,
    /// Written on the current connection.
    written: bool,
    /// Written on any connection of this session.
    pub(crate) ever_written: bool,
    /// Written again after its connection was lost.
    pub(crate) rewritten: bool,
    /// The earliest time to write it (`RATE_LIMITED`, `UNAVAILABLE`).
    not_before: Option<Instant>,
    /// Whether that time is of one node (`UNAVAILABLE`), and not of the user.
    waits_for_node: bool,
    /// How often it was not taken.
    deferred: u32,
}

impl Entry {
    pub(crate) fn new(id: RequestId, request: Request<'static>, what: Purpose) -> Self {
        let (written, ever_written, rewritten) = (false, false, false);
        Self {
            id,
            request,
            what,
            written,
            ever_written,
            rewritten,
            not_before: None,
            waits_for_node: false,
            deferred: 0,
        }
    }

    fn is_msg(&self) -> bool {
        matches!(self.what, Purpose::Msg { .. })
    }

    /// The caller no longer waits, and the request has no effect of its own.
    fn is_abandoned(&self) -> bool {
        matches!(&self.what, Purpose::Op(reply) if reply.is_closed())
    }

    /// Reports to the caller that the request failed.
    pub(crate) fn fail(self, error: Error) {
        match self.what {
            Purpose::Msg { reply, .. } => drop(reply.send(Err(error))),
            Purpose::Op(reply) => drop(reply.send(Err(error))),
            Purpose::CatchUp | Purpose::KeepAlive | Purpose::Quit => {}
        }
    }
}

/// Why a request is sent again later.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Deferral {
    /// The wait that the server requests.
    pub(crate) requested: Option<Duration>,
    /// Whether only this node cannot take it now.
    pub(crate) of_node: bool,
}

impl Deferral {
    #[cfg(test)]
    fn limit(requested: Duration) -> Self {
        Self { requested: Some(requested), of_node: false }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Outstanding {
    entries: VecDeque<Entry>,
}

impl Outstanding {
    pub(crate) fn has_room(&self) -> bool {
        self.entries.len() < LIMIT
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether a caller waits for a reply; the session's own requests do not count.
    pub(crate) fn has_waiting_caller(&self) -> bool {
        self.entries.iter().any(|e| matches!(e.what, Purpose::Msg { .. } | Purpose::Op(_)))
    }

    pub(crate) fn pings(&self) -> bool {
        self.entries.iter().any(|e| matches!(e.what, Purpose::KeepAlive | Purpose::CatchUp))
    }

    /// Whether a request with that id is outstanding.
    pub(crate) fn has(&self, id: &RequestId) -> bool {
        self.entries.iter().any(|e| e.id == *id)
    }

    pub(crate) fn push(&mut self, entry: Entry) {
        self.entries.push_back(entry);
    }

    /// Appends the requests that can be written now to `out`. With `only_own`, only the session's own ones:
    /// during catch-up, the reply to a resent message would come before missed messages.
    pub(crate) fn write(&mut self, now: Instant, only_own: bool, out: &mut Vec<u8>) {
        self.entries.retain(|e| e.written || !e.is_abandoned());
        // A message that is written or must wait holds back the later ones, so they stay in order even if the
        // server rate limits one of them.
        let mut held = self.entries.iter().any(|e| e.is_msg() && e.written);
        for e in self.entries.iter_mut().filter(|e| !e.written) {
            // The time has come: it causes no further wake-up, even if it is held back.
            e.not_before = e.not_before.filter(|at| *at > now);
            if only_own && !matches!(e.what, Purpose::CatchUp | Purpose::KeepAlive) {
                continue;
            }
            let waits = e.not_before.is_some();
            let is_held = e.is_msg() && std::mem::replace(&mut held, true);
            if is_held || waits {
                continue;
            }
            write(Some(&e.id), &e.request, out);
            e.written = true;
            e.rewritten = e.ever_written;
            e.ever_written = true;
            e.not_before = None;
        }
    }

    /// When a delayed request can be written.
    pub(crate) fn wakes_at(&self) -> Option<Instant> {
        self.entries.iter().filter_map(|e| e.not_before).min()
    }

    /// Removes the request that a reply answers. It may have been written on an earlier connection: a resume
    /// brings the copies of messages that were kept then.
    pub(crate) fn take(&mut self, id: &RequestId) -> Option<Entry> {
        let at = self.entries.iter().position(|e| e.ever_written && e.id == *id)?;
        self.entries.remove(at)
    }

    /// Schedules a request again that the server did not take.
    pub(crate) fn again(&mut self, id: &RequestId, now: Instant, why: Deferral) -> bool {
        let found = self.entries.iter_mut().find(|e| e.written && e.id == *id);
        if let Some(e) = found {
            e.written = false;
            // This copy had no effect. One on an earlier connection may have had one.
            e.ever_written = e.rewritten;
            e.waits_for_node = why.of_node;
            e.not_before = Some(now + before_resend(why.requested, e.deferred));
            e.deferred = e.deferred.saturating_add(1);
            return true;
        }
        false
    }

    /// Sends a message again under a new id, because another message has the old one.
    pub(crate) fn rename(&mut self, mut entry: Entry, id: RequestId) {
        if let Purpose::Msg { fixed, .. } = &mut entry.what {
            *fixed = true;
        }
        entry.id = id;
        entry.written = false;
        entry.ever_written = false;
        self.entries.push_front(entry);
    }

    /// The connection is lost: all requests must be written again.
    pub(crate) fn connection_lost(&mut self) {
        self.entries.retain(|e| !matches!(e.what, Purpose::CatchUp | Purpose::KeepAlive));
        for e in &mut self.entries {
            e.written = false;
            // Another node may take it at once.
            e.not_before = e.not_before.filter(|_| !e.waits_for_node);
        }
    }

    /// The session is lost: messages that were written may or may not be kept.
    pub(crate) fn session_lost(&mut self) {
        for e in std::mem::take(&mut self.entries) {
            if e.is_msg() && e.ever_written {
                e.fail(Error::Unconfirmed);
            } else {
                self.entries.push_back(e);
            }
        }
    }

    /// The session is over.
    pub(crate) fn fail_all(&mut self, error: &Error) {
        for e in self.entries.drain(..) {
            e.fail(error.clone());
        }
    }
}

/// Ids are increasing numbers. They begin at the time in microseconds, so a client that is restarted and resumes
/// the session does not reuse one, even if it was killed before it could save the last one. All are exact in a
/// double.
#[derive(Debug)]
pub(crate) struct Ids(Seq);

/// Beyond this a double is not exact (2^53).
const EXACT: u64 = 9_007_199_254_740_992;

impl Ids {
    pub(crate) fn after(saved: u64, since_epoch: Duration) -> Self {
        let now = u64::try_from(since_epoch.as_micros()).unwrap_or(0);
        let saved = if saved < EXACT / 2 { saved } else { 0 };
        Self(now.min(EXACT / 2).max(saved))
    }

    pub(crate) fn next(&mut self) -> RequestId {
        self.0 += 1;
        RequestId::Number(self.0)
    }

    pub(crate) fn last(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests;
