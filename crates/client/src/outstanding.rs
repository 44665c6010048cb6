//! Owns the requests that have no answer yet: what is to be written, what was written, what is to
//! be written again. Pure but for the instants that it is handed. Used by `life` alone.

use crate::Error;
use crate::backoff::after_rate_limit;
use serde_json::value::RawValue;
use std::collections::VecDeque;
use std::time::Duration;
use tcp_chat_protocol::request::{Request, write};
use tcp_chat_protocol::{MsgEvent, RequestId, Seq};
use tokio::sync::oneshot;
use tokio::time::Instant;

/// How many requests may wait for an answer; more wait in front of the session.
pub(crate) const MOST: usize = 256;

pub(crate) type OpReply = oneshot::Sender<Result<Box<RawValue>, Error>>;
pub(crate) type MsgReply = oneshot::Sender<Result<MsgEvent<'static>, Error>>;

/// What a request is for.
#[derive(Debug)]
pub(crate) enum What {
    /// A message.
    Msg {
        reply: MsgReply,
        /// The id must not be changed: it is the caller's, or was changed once already.
        fixed: bool,
    },
    /// Any other request.
    Op(OpReply),
    /// The session's own `PING` behind a resume: its answer means that all that was missed is here.
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
    pub(crate) what: What,
    /// Written on the connection that lives now.
    written: bool,
    /// Written on any connection of this session.
    pub(crate) ever_written: bool,
    /// Written again after its connection was lost.
    pub(crate) rewritten: bool,
    /// Not to be written before (`RATE_LIMITED`).
    not_before: Option<Instant>,
    /// How often it was refused as too fast.
    limited: u32,
}

impl Entry {
    pub(crate) fn new(id: RequestId, request: Request<'static>, what: What) -> Self {
        let (written, ever_written, rewritten) = (false, false, false);
        Self { id, request, what, written, ever_written, rewritten, not_before: None, limited: 0 }
    }

    fn is_msg(&self) -> bool {
        matches!(self.what, What::Msg { .. })
    }

    /// The caller no longer waits, and the request needs not be made for its own sake.
    fn is_abandoned(&self) -> bool {
        matches!(&self.what, What::Op(reply) if reply.is_closed())
    }

    /// Tells the one who asked that it was not done.
    pub(crate) fn fail(self, error: Error) {
        match self.what {
            What::Msg { reply, .. } => drop(reply.send(Err(error))),
            What::Op(reply) => drop(reply.send(Err(error))),
            What::CatchUp | What::KeepAlive | What::Quit => {}
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Outstanding {
    entries: VecDeque<Entry>,
}

impl Outstanding {
    pub(crate) fn has_room(&self) -> bool {
        self.entries.len() < MOST
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Is anybody waiting, the session itself not counted?
    pub(crate) fn somebody_waits(&self) -> bool {
        self.entries.iter().any(|e| matches!(e.what, What::Msg { .. } | What::Op(_)))
    }

    pub(crate) fn pings(&self) -> bool {
        self.entries.iter().any(|e| matches!(e.what, What::KeepAlive | What::CatchUp))
    }

    /// Is a request of that id on its way?
    pub(crate) fn has(&self, id: &RequestId) -> bool {
        self.entries.iter().any(|e| e.id == *id)
    }

    pub(crate) fn push(&mut self, entry: Entry) {
        self.entries.push_back(entry);
    }

    /// Appends to `out` what can be written now. With `only_own`, only the session's own requests:
    /// until a resume has caught up, since the answer to a message sent again would come before
    /// messages that were missed.
    pub(crate) fn write(&mut self, now: Instant, only_own: bool, out: &mut Vec<u8>) {
        self.entries.retain(|e| e.written || !e.is_abandoned());
        // A message on its way, or one that must wait, holds up those behind it: so they stay in order even where
        // the server's rate limit refuses one of them.
        let mut held = self.entries.iter().any(|e| e.is_msg() && e.written);
        for e in self.entries.iter_mut().filter(|e| !e.written) {
            // Its time has come: it wakes nobody again, also while something else holds it up.
            e.not_before = e.not_before.filter(|at| *at > now);
            if only_own && !matches!(e.what, What::CatchUp | What::KeepAlive) {
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

    /// When something can be written that had to wait.
    pub(crate) fn wakes_at(&self) -> Option<Instant> {
        self.entries.iter().filter_map(|e| e.not_before).min()
    }

    /// Takes out the request that is answered: also one that was written on the connection before,
    /// since a resume brings the copies of messages that were kept then.
    pub(crate) fn take(&mut self, id: &RequestId) -> Option<Entry> {
        let at = self.entries.iter().position(|e| e.ever_written && e.id == *id)?;
        self.entries.remove(at)
    }

    /// The request was too fast: it is to be made again after a while.
    pub(crate) fn again(&mut self, id: &RequestId, now: Instant, asked: Option<Duration>) -> bool {
        let found = self.entries.iter_mut().find(|e| e.written && e.id == *id);
        if let Some(e) = found {
            e.written = false;
            e.ever_written = false; // It was refused, so it was not done.
            e.not_before = Some(now + after_rate_limit(asked, e.limited));
            e.limited = e.limited.saturating_add(1);
            return true;
        }
        false
    }

    /// The id was used for another message: take a fresh one and send again.
    pub(crate) fn rename(&mut self, mut entry: Entry, id: RequestId) {
        if let What::Msg { fixed, .. } = &mut entry.what {
            *fixed = true;
        }
        entry.id = id;
        entry.written = false;
        entry.ever_written = false;
        self.entries.push_front(entry);
    }

    /// The connection is gone: everything is to be written again.
    pub(crate) fn connection_lost(&mut self) {
        self.entries.retain(|e| !matches!(e.what, What::CatchUp | What::KeepAlive));
        for e in &mut self.entries {
            e.written = false;
        }
    }

    /// The session is gone: of messages that were on their way nobody knows.
    pub(crate) fn session_lost(&mut self) {
        for e in std::mem::take(&mut self.entries) {
            if e.is_msg() && e.ever_written {
                e.fail(Error::Unconfirmed);
            } else {
                self.entries.push_back(e);
            }
        }
    }

    /// All is over.
    pub(crate) fn fail_all(&mut self, error: &Error) {
        for e in self.entries.drain(..) {
            e.fail(error.clone());
        }
    }
}

/// Ids are numbers that only grow. They begin at the time in microseconds, so that a client that
/// is started again and resumes the session does not use one twice, even where it was killed
/// before it could save the last one. All of them are exact in a double.
#[derive(Debug)]
pub(crate) struct Ids(Seq);

/// Above this a double is no longer exact (2^53).
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
mod tests {
    use super::*;
    use tcp_chat_protocol::request::Target;

    fn message() -> Request<'static> {
        Request::Msg { to: Target::Default, text: "x".into() }
    }

    fn msg(n: u64) -> Entry {
        let (reply, _) = oneshot::channel();
        Entry::new(RequestId::Number(n), message(), What::Msg { reply, fixed: false })
    }

    fn op(n: u64) -> (Entry, oneshot::Receiver<Result<Box<RawValue>, Error>>) {
        let (reply, answer) = oneshot::channel();
        (Entry::new(RequestId::Number(n), Request::Rooms, What::Op(reply)), answer)
    }

    fn written(o: &mut Outstanding, now: Instant, only_own: bool) -> String {
        let mut out = Vec::new();
        o.write(now, only_own, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn messages_keep_their_order_behind_one_that_waits() {
        let now = Instant::now();
        let mut o = Outstanding::default();
        o.push(msg(1));
        o.push(msg(2));
        let (entry, _answer) = op(3);
        o.push(entry);
        let first = written(&mut o, now, false);
        assert_eq!(first, "{\"op\":\"MSG\",\"data\":\"x\",\"id\":1}\n{\"op\":\"ROOMS\",\"id\":3}\n");
        assert!(o.again(&RequestId::Number(1), now, Some(Duration::from_secs(1))));
        assert_eq!(written(&mut o, now, false), "", "2 waits behind 1");
        assert_eq!(o.wakes_at(), Some(now + Duration::from_secs(1)));
        let again = written(&mut o, now + Duration::from_secs(1), false);
        assert!(again.contains("\"id\":1") && !again.contains("\"id\":2"), "{again}");
        assert!(o.take(&RequestId::Number(1)).is_some());
        assert!(written(&mut o, now, false).contains("\"id\":2"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_lost_connection_writes_all_again_with_the_same_ids() {
        let now = Instant::now();
        let mut o = Outstanding::default();
        o.push(msg(1));
        let (entry, _answer) = op(2);
        o.push(entry);
        let first = written(&mut o, now, false);
        assert_eq!(written(&mut o, now, false), "");
        o.connection_lost();
        assert_eq!(written(&mut o, now, true), "", "not before all that was missed is here");
        assert_eq!(written(&mut o, now, false), first);
    }

    #[tokio::test(start_paused = true)]
    async fn a_lost_session_does_not_send_twice() {
        let now = Instant::now();
        let mut o = Outstanding::default();
        let (reply, mut answer) = oneshot::channel();
        o.push(Entry::new(RequestId::Number(1), message(), What::Msg { reply, fixed: false }));
        o.push(msg(2));
        written(&mut o, now, false);
        o.connection_lost();
        o.session_lost();
        assert!(matches!(answer.try_recv(), Ok(Err(Error::Unconfirmed))));
        assert!(written(&mut o, now, false).contains("\"id\":2"), "never written: safe to send");
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_whose_time_has_come_wakes_nobody_again_while_it_is_held_up() {
        let now = Instant::now();
        let later = now + Duration::from_secs(1);
        let limited = || {
            let mut o = Outstanding::default();
            o.push(msg(1));
            written(&mut o, now, false);
            assert!(o.again(&RequestId::Number(1), now, Some(Duration::from_secs(1))));
            o
        };
        // A resume that catches up.
        let mut o = limited();
        assert_eq!(written(&mut o, later, true), "");
        assert_eq!(o.wakes_at(), None);
        assert!(written(&mut o, later, false).contains("\"id\":1"), "and then it is written");
        // A message that is on its way.
        let mut o = limited();
        let mut on_its_way = msg(0);
        (on_its_way.written, on_its_way.ever_written) = (true, true);
        o.entries.push_front(on_its_way);
        assert_eq!(written(&mut o, later, false), "");
        assert_eq!(o.wakes_at(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_says_no_wait_is_not_asked_at_once() {
        let now = Instant::now();
        let mut o = Outstanding::default();
        o.push(msg(1));
        let waits = (0..4).map(|_| {
            let at = o.wakes_at().unwrap_or(now);
            assert!(written(&mut o, at, false).contains("\"id\":1"));
            assert!(o.again(&RequestId::Number(1), at, Some(Duration::ZERO)));
            (o.wakes_at().unwrap_or(at) - at).as_millis()
        });
        assert_eq!(waits.collect::<Vec<_>>(), [25, 50, 100, 200]);
    }

    #[test]
    fn ids_only_grow() {
        let mut ids = Ids::after(0, Duration::from_micros(50));
        assert_eq!(ids.next(), RequestId::Number(51));
        let mut ids = Ids::after(ids.last() + 100, Duration::from_micros(60));
        assert_eq!(ids.next(), RequestId::Number(152));
        assert!(Ids::after(u64::MAX, Duration::from_secs(1_800_000_000)).next() < RequestId::Number(EXACT));
    }
}
