//! Owns what happens on one connection after the login: requests out, answers and events in, until
//! it ends. Part of `life`. Never connects.

use crate::cursor::Seen;
use crate::event::{Event, Message};
use crate::life::Life;
use crate::outstanding::{Entry, What};
use crate::own::check_copy;
use crate::wire::Connection;
use crate::{Closed, Error};
use serde_json::value::{RawValue, to_raw_value};
use std::time::Duration;
use tcp_chat_protocol::reply::{ErrorData, Incoming, JoinReply, LeaveReply};
use tcp_chat_protocol::{ErrorKind, MsgEvent, NoticeKind, Request, RequestId};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

/// After how long a silence the server is asked whether it is there.
pub(crate) const SILENCE: Duration = Duration::from_secs(30);
/// How long after a question a silent connection counts as lost.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// How long the answer to `QUIT` is waited for.
const GOODBYE: Duration = Duration::from_secs(5);

/// How a connection ended.
pub(crate) enum End {
    /// It was lost: try again.
    Lost(Error),
    /// This side had fallen behind and has room again: come back and read on.
    Behind,
    /// The session is over.
    Over(Error),
}

impl End {
    /// The server has done what cannot be: nothing more of what it says is worth reading.
    pub(crate) fn nonsense(what: String) -> Self {
        Self::Lost(Error::Protocol(what))
    }
}

impl Life {
    pub(crate) async fn converse(&mut self, connection: &mut Connection) -> End {
        let Connection { reader, writer } = connection;
        let mut heard = Instant::now();
        // The reader of events has stopped while somebody waits for an answer: lines are read for
        // the answers alone, and what else they bring comes again by a resume.
        let mut behind = false;
        let mut goodbye: Option<Instant> = None;
        loop {
            self.flush_waiting();
            let full = !self.has_room_for_events();
            behind = behind || (full && self.outstanding.somebody_waits());
            let reading = !full || behind;
            if !reading {
                heard = Instant::now();
            }
            if self.quitting.is_some() && goodbye.is_none() && !self.outstanding.somebody_waits() {
                let id = self.next_id();
                self.outstanding.push(Entry::new(id, Request::Quit, What::Quit));
                goodbye = Some(Instant::now() + GOODBYE);
            }
            self.outstanding.write(Instant::now(), self.catching_up.is_some(), &mut writer.out);
            let wake = self.outstanding.wakes_at();
            let silence = self.silence_ends(heard);
            let half = self.events.max_capacity() / 2;
            tokio::select! {
                line = reader.next(), if reading => {
                    heard = Instant::now();
                    let end = match line {
                        Ok(line) => self.take_line(line, behind),
                        Err(_) if goodbye.is_some() => Some(End::Over(Error::Closed(Closed::Quit))),
                        Err(why) => Some(End::Lost(why)),
                    };
                    if let Some(end) = end {
                        return end;
                    }
                }
                done = writer.work(), if writer.has_work() => {
                    // A server that closes says why first: what can still be read is read.
                    if let Err(e) = &done && !reading {
                        return End::Lost(self.target.unreachable(e.to_string()));
                    } else if done.is_err() {
                        writer.give_up();
                    }
                }
                Some(command) = self.commands.recv(),
                    if self.outstanding.has_room() && self.quitting.is_none() => self.take_command(command),
                // Nobody can ask any more, and nobody listens.
                () = self.events.closed(), if self.commands.is_closed() && self.outstanding.is_empty() => {
                    return End::Over(Error::Closed(Closed::Quit));
                }
                () = room(&self.events, half), if full => {
                    if behind && !self.events.is_closed() {
                        return End::Behind;
                    }
                }
                () = sleep_until(wake.unwrap_or(heard)), if wake.is_some() => {}
                () = sleep_until(goodbye.unwrap_or(heard)), if goodbye.is_some() => {
                    return End::Over(Error::Closed(Closed::Quit));
                }
                () = sleep_until(silence), if goodbye.is_none() => {
                    if self.outstanding.pings() {
                        return End::Lost(self.target.unreachable("the server has fallen silent"));
                    }
                    let id = self.next_id();
                    self.outstanding.push(Entry::new(id, Request::Ping, What::KeepAlive));
                }
            }
        }
    }

    /// Can the events of one more line be taken?
    fn has_room_for_events(&self) -> bool {
        self.events.is_closed() || (self.waiting.is_empty() && self.events.capacity() >= 2)
    }

    fn take_line(&mut self, line: Incoming, behind: bool) -> Option<End> {
        match line {
            Incoming::Msg(id, event) => self.own_or_not(*event, id, behind).err().map(End::nonsense),
            Incoming::Presence(presence) => {
                if !behind {
                    self.tell(Event::Presence(presence));
                }
                None
            }
            // It comes again with the resume.
            Incoming::Notice(notice) if behind && notice.kind == NoticeKind::Gap => None,
            Incoming::Notice(notice) => self.notice(notice),
            Incoming::Error(Some(id), error) => self.refused(&id, error),
            // About the connection; the daemon closes it when it means to.
            Incoming::Error(None, _) => None,
            Incoming::Reply { id: Some(id), data, op } => {
                let entry = self.outstanding.take(&id)?;
                if op != entry.request.op() {
                    return Some(End::nonsense(wrong_answer(entry, &op)));
                }
                self.answered(entry, data)
            }
            Incoming::Reply { id: None, .. } => None,
        }
    }

    /// A message: with an `id` it may be the answer to one of ours.
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
        let seen = self.cursor.see(&event, &self.login.name);
        match seen {
            Seen::Again => return Ok(()),
            // What was sent before is answered with the first one's event; and a server may send more behind
            // a resume than it was asked for.
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
            self.tell(Event::ChainBroken { conversation: message.conversation.clone(), last, prev, seq });
        }
        self.tell(Event::Message(Box::new(message)));
        Ok(())
    }

    /// The daemon's copy of a message of ours may be here. Was it asked for?
    fn acknowledged(&mut self, id: &RequestId, event: &MsgEvent<'static>) -> Result<bool, String> {
        let Some(entry) = self.outstanding.take(id) else { return Ok(false) };
        let Request::Msg { to, text } = &entry.request else { return Err(wrong_answer(entry, "MSG")) };
        if let Err(what) = check_copy(to, text, &self.login.name, event) {
            entry.fail(Error::Protocol(what.clone()));
            return Err(what);
        }
        if let What::Msg { reply, .. } = entry.what {
            // Whoever asked may have stopped waiting.
            let _ = reply.send(Ok(event.clone()));
        }
        Ok(true)
    }

    fn refused(&mut self, id: &RequestId, error: ErrorData) -> Option<End> {
        if error.kind == ErrorKind::RateLimited {
            let asked = error.retry_after_ms.map(Duration::from_millis);
            self.outstanding.again(id, Instant::now(), asked);
            return None;
        }
        let entry = self.outstanding.take(id)?;
        // Its first answer was lost with a connection: it was done then.
        if let Request::Leave(room) = &entry.request
            && entry.rewritten
            && error.kind == ErrorKind::NotAMember
        {
            let data = to_raw_value(&LeaveReply { room: room.as_str().to_owned() }).ok()?;
            return self.answered(entry, data);
        }
        match entry.what {
            What::CatchUp => self.caught_up(),
            What::Quit => return Some(End::Over(Error::Closed(Closed::Quit))),
            // A process before this one has used the id: what else the data may lack was looked at.
            What::Msg { fixed: false, .. } if error.kind == ErrorKind::Data => {
                let id = self.next_id();
                self.outstanding.rename(entry, id);
            }
            _ => entry.fail(Error::Refused { id: Some(id.clone()), kind: error.kind, msg: error.msg }),
        }
        None
    }

    fn answered(&mut self, entry: Entry, data: Box<RawValue>) -> Option<End> {
        match entry.what {
            What::Op(reply) => {
                self.note_rooms(entry.request.op(), data.get());
                // Whoever asked may have stopped waiting.
                let _ = reply.send(Ok(data));
            }
            What::CatchUp => self.caught_up(),
            What::Quit => {
                self.said_goodbye = true;
                return Some(End::Over(Error::Closed(Closed::Quit)));
            }
            What::KeepAlive | What::Msg { .. } => {}
        }
        None
    }

    fn caught_up(&mut self) {
        if let Some(done) = self.catching_up.take()
            && done.say_so
        {
            self.tell(Event::Resumed { caught_up: done.messages });
        }
    }

    /// Follows which rooms the session is in.
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

/// A request was answered as if it had been another one.
fn wrong_answer(entry: Entry, op: &str) -> String {
    let what =
        format!("it answered {} with {:?}", entry.request.op(), op.chars().take(32).collect::<String>());
    entry.fail(Error::Protocol(what.clone()));
    what
}

/// Waits until that many events fit, or nobody listens.
async fn room(events: &mpsc::Sender<Event>, n: usize) {
    drop(events.reserve_many(n).await);
}
