//! Owns one connection after the login: sends requests, receives replies and events, until it ends. Part of
//! `task`. Never connects.

use crate::copy::check_copy;
use crate::cursor::Seen;
use crate::event::{Event, Mark, Message, Redaction};
use crate::outstanding::{Deferral, Entry, Purpose};
use crate::scout::Found;
use crate::task::Task;
use crate::wire::Connection;
use crate::{Closed, Error};
use serde_json::value::{RawValue, to_raw_value};
use std::time::Duration;
use tcp_chat_protocol::reply::{ErrorData, Incoming, JoinReply, LeaveReply};
use tcp_chat_protocol::{ErrorKind, MsgEvent, NoticeKind, Request, RequestId};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

/// After this time of silence the session sends a PING.
pub(crate) const PING_AFTER: Duration = Duration::from_secs(30);
/// A connection counts as lost if it stays silent for this time after the PING.
pub(crate) const PING_TIMEOUT: Duration = Duration::from_secs(20);
/// How long the session waits for the reply to `QUIT`.
const QUIT_TIMEOUT: Duration = Duration::from_secs(5);

/// Why a connection ended.
pub(crate) enum ConnectionEnd {
    /// It was lost: reconnect.
    Lost(Error),
    /// This side fell behind and has room again: reconnect and resume.
    Behind,
    /// The session goes on at another node, over another connection.
    Moved(Box<Found>),
    /// The session is over.
    Over(Error),
}

impl ConnectionEnd {
    /// The server broke the protocol: nothing further of this connection is used.
    pub(crate) fn broken_protocol(what: String) -> Self {
        Self::Lost(Error::Protocol(what))
    }
}

impl Task {
    pub(crate) async fn run_connection(&mut self, connection: &mut Connection) -> ConnectionEnd {
        let Connection { reader, writer } = connection;
        let mut heard = Instant::now();
        // Set if a request waits for its reply while the events are not read: the session reads only replies, and
        // a resume fetches the rest.
        let mut behind = false;
        let mut goodbye: Option<Instant> = None;
        loop {
            self.flush_waiting();
            let full = !self.has_room_for_events();
            behind = behind || (full && self.outstanding.has_waiting_caller());
            let reading = !full || behind;
            if !reading {
                heard = Instant::now();
            }
            if self.quitting.is_some() && goodbye.is_none() && !self.outstanding.has_waiting_caller() {
                let id = self.next_id();
                self.outstanding.push(Entry::new(id, Request::Quit, Purpose::Quit));
                goodbye = Some(Instant::now() + QUIT_TIMEOUT);
            }
            self.outstanding.write(Instant::now(), self.catching_up.is_some(), &mut writer.out);
            let wake =
                self.outstanding.wakes_at().into_iter().chain(self.scout.wakes_at(Instant::now())).min();
            let silence = self.silence_ends(heard);
            let half = self.events.max_capacity() / 2;
            self.look_elsewhere();
            tokio::select! {
                line = reader.next(), if reading => {
                    heard = Instant::now();
                    let end = match line {
                        Ok(line) => self.take_line(line, behind),
                        Err(_) if goodbye.is_some() => Some(ConnectionEnd::Over(Error::Closed(Closed::Quit))),
                        Err(why) => Some(ConnectionEnd::Lost(why)),
                    };
                    if let Some(end) = end {
                        return end;
                    }
                }
                done = writer.work(), if writer.has_work() => {
                    // A server that closes first sends the reason, so the rest is read.
                    if let Err(e) = &done && !reading {
                        return ConnectionEnd::Lost(self.target.unreachable(e.to_string()));
                    } else if done.is_err() {
                        writer.give_up();
                    }
                }
                Some(command) = self.commands.recv(),
                    if self.outstanding.has_room() && self.quitting.is_none() => self.take_command(command),
                // No command can come, and no event is read.
                () = self.events.closed(), if self.commands.is_closed() && self.outstanding.is_empty() => {
                    return ConnectionEnd::Over(Error::Closed(Closed::Quit));
                }
                () = room(&self.events, half), if full => {
                    if behind && !self.events.is_closed() {
                        return ConnectionEnd::Behind;
                    }
                }
                end = self.scout.result(), if self.scout.is_searching() => {
                    self.note_search(end.gave_up);
                    if let Some(found) = end.found {
                        return ConnectionEnd::Moved(found);
                    }
                }
                () = sleep_until(wake.unwrap_or(heard)), if wake.is_some() => {}
                () = sleep_until(goodbye.unwrap_or(heard)), if goodbye.is_some() => {
                    return ConnectionEnd::Over(Error::Closed(Closed::Quit));
                }
                () = sleep_until(silence), if goodbye.is_none() => {
                    if self.outstanding.pings() {
                        return ConnectionEnd::Lost(self.target.unreachable("the server has fallen silent"));
                    }
                    let id = self.next_id();
                    self.outstanding.push(Entry::new(id, Request::Ping, Purpose::KeepAlive));
                }
            }
        }
    }

    /// Whether the events of one more line fit.
    fn has_room_for_events(&self) -> bool {
        self.events.is_closed() || (self.waiting.is_empty() && self.events.capacity() >= 2)
    }

    fn take_line(&mut self, line: Incoming, behind: bool) -> Option<ConnectionEnd> {
        match line {
            Incoming::Msg(id, event) => {
                self.own_or_not(*event, id, behind).err().map(ConnectionEnd::broken_protocol)
            }
            Incoming::Presence(presence) => {
                if !behind {
                    self.emit(Event::Presence(presence));
                }
                None
            }
            Incoming::Redacted(redacted) => {
                let redaction = Redaction::new(*redacted, &self.login.name);
                self.emit(Event::Redacted(Box::new(redaction)));
                None
            }
            Incoming::Room(room) => {
                self.emit(Event::Topic(room));
                None
            }
            Incoming::Mark(mark) => {
                Mark::of(&mark).into_iter().for_each(|mark| self.emit(Event::Read(mark)));
                None
            }
            // The resume brings it again.
            Incoming::Notice(notice) if behind && notice.kind == NoticeKind::Gap => None,
            Incoming::Notice(notice) => self.notice(notice),
            Incoming::Error(Some(id), error) => self.refused(&id, error),
            // It is about the connection; the daemon closes the connection if it must.
            Incoming::Error(None, _) => None,
            Incoming::Reply { id: Some(id), data, op } => {
                let entry = self.outstanding.take(&id)?;
                if op != entry.request.op() {
                    return Some(ConnectionEnd::broken_protocol(wrong_answer(entry, &op)));
                }
                self.answered(entry, data)
            }
            Incoming::Reply { id: None, .. } => None,
        }
    }

    /// A message; with an `id` it may be the answer to a request of this session.
    fn own_or_not(
        &mut self,
        event: MsgEvent<'static>,
        id: Option<RequestId>,
        behind: bool,
    ) -> Result<(), String> {
        if let Err(what) = self.cursor.check(&event) {
            if let Some(entry) = id.and_then(|id| self.outstanding.take(&id)) {
                entry.fail(Error::Protocol(what.clone()));
            }
            return Err(what);
        }
        let is_answer = id.as_ref().map_or(Ok(false), |id| self.acknowledged(id, &event))?;
        if behind { Ok(()) } else { self.message(event, id, is_answer) }
    }

    fn message(
        &mut self,
        event: MsgEvent<'static>,
        id: Option<RequestId>,
        is_answer: bool,
    ) -> Result<(), String> {
        let (seq, newest) = (event.seq, self.cursor.seq());
        let seen = self.cursor.advance(&event, &self.login.name);
        match seen {
            Seen::Again => return Ok(()),
            // The answer to a resent message is the first one's event; and after a resume a server may send more
            // than was requested.
            Seen::Falls if is_answer || self.catching_up.is_some() => return Ok(()),
            Seen::Falls => return Err(format!("it sent message {seq} after message {newest}")),
            Seen::New | Seen::Broken { .. } => {}
        }
        if let Some(catching_up) = &mut self.catching_up {
            catching_up.messages += 1;
        }
        let message = Message::new(event, id, &self.login.name);
        if let Seen::Broken { last } = seen {
            let (seq, prev) = (message.data.seq, message.data.prev);
            self.emit(Event::ChainBroken { conversation: message.conversation.clone(), last, prev, seq });
        }
        self.emit(Event::Message(Box::new(message)));
        Ok(())
    }

    /// Handles the daemon's copy of a message. True: it answers a request of this session.
    fn acknowledged(&mut self, id: &RequestId, event: &MsgEvent<'static>) -> Result<bool, String> {
        let Some(entry) = self.outstanding.take(id) else { return Ok(false) };
        let Request::Msg { to, text } = &entry.request else { return Err(wrong_answer(entry, "MSG")) };
        if let Err(what) = check_copy(to, text, &self.login.name, event) {
            entry.fail(Error::Protocol(what.clone()));
            return Err(what);
        }
        self.ordered();
        if let Purpose::Msg { reply, .. } = entry.what {
            // The caller may have stopped waiting.
            let _ = reply.send(Ok(event.clone()));
        }
        Ok(true)
    }

    fn refused(&mut self, id: &RequestId, error: ErrorData) -> Option<ConnectionEnd> {
        if matches!(error.kind, ErrorKind::RateLimited | ErrorKind::Unavailable) {
            let requested = error.retry_after_ms.map(Duration::from_millis);
            let of_node = error.kind == ErrorKind::Unavailable;
            if self.outstanding.again(id, Instant::now(), Deferral { requested, of_node }) && of_node {
                self.scout.refused();
            }
            return None;
        }
        let entry = self.outstanding.take(id)?;
        // The first reply was lost with a connection, so the LEAVE was done then.
        if let Request::Leave(room) = &entry.request
            && entry.rewritten
            && error.kind == ErrorKind::NotAMember
        {
            let data = to_raw_value(&LeaveReply { room: room.as_str().to_owned() }).ok()?;
            return self.answered(entry, data);
        }
        match entry.what {
            Purpose::CatchUp => self.caught_up(),
            Purpose::Quit => return Some(ConnectionEnd::Over(Error::Closed(Closed::Quit))),
            // A previous process used the id. All other reasons for DATA were checked before sending.
            Purpose::Msg { fixed: false, .. } if error.kind == ErrorKind::Data => {
                let id = self.next_id();
                self.outstanding.rename(entry, id);
            }
            _ => entry.fail(Error::Refused { id: Some(id.clone()), kind: error.kind, msg: error.msg }),
        }
        None
    }

    fn answered(&mut self, entry: Entry, data: Box<RawValue>) -> Option<ConnectionEnd> {
        match entry.what {
            Purpose::Op(reply) => {
                // A node answers the others from what it has, also while it can order nothing.
                if !["WHO", "ROOMS", "HISTORY", "SEARCH", "PING"].contains(&entry.request.op()) {
                    self.ordered();
                }
                self.note_rooms(entry.request.op(), data.get());
                // The caller may have stopped waiting.
                let _ = reply.send(Ok(data));
            }
            Purpose::CatchUp => self.caught_up(),
            Purpose::Quit => {
                self.quit_confirmed = true;
                return Some(ConnectionEnd::Over(Error::Closed(Closed::Quit)));
            }
            Purpose::KeepAlive | Purpose::Msg { .. } => {}
        }
        None
    }

    fn caught_up(&mut self) {
        if let Some(done) = self.catching_up.take()
            && done.report
        {
            self.emit(Event::Resumed { caught_up: done.messages });
        }
    }

    /// Follows the rooms of the session.
    fn note_rooms(&mut self, op: &str, data: &str) {
        match op {
            "JOIN" => {
                let Ok(joined) = serde_json::from_str::<JoinReply>(data) else { return };
                self.cursor.joined(&joined.room, joined.head);
                if !self.login.rooms.contains(&joined.room) {
                    self.login.rooms.push(joined.room);
                }
            }
            "LEAVE" => {
                let Ok(left) = serde_json::from_str::<LeaveReply>(data) else { return };
                self.cursor.left(&left.room);
                self.login.rooms.retain(|room| *room != left.room);
            }
            _ => return,
        }
        self.publish();
    }
}

/// The server replied to a request with another op.
fn wrong_answer(entry: Entry, op: &str) -> String {
    let what =
        format!("it answered {} with {:?}", entry.request.op(), op.chars().take(32).collect::<String>());
    entry.fail(Error::Protocol(what.clone()));
    what
}

/// Waits until that many events fit, or no event is read any longer.
async fn room(events: &mpsc::Sender<Event>, n: usize) {
    drop(events.reserve_many(n).await);
}
