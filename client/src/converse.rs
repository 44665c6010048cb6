//! Owns what happens on one connection after the login: requests out, answers and events in, until
//! it ends. Part of `life`. Never connects.

use crate::cursor::Seen;
use crate::event::{Event, Message};
use crate::life::Life;
use crate::outstanding::{Entry, What, is_copy_of};
use crate::wire::Connection;
use crate::{Closed, Error};
use std::time::Duration;
use tcp_chat_protocol::reply::{ErrorData, Incoming, JoinReply, LeaveReply};
use tcp_chat_protocol::{ErrorKind, MsgEvent, NoticeKind, RequestId};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

/// How long after a question a silent connection counts as lost.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// How long the answer to `QUIT` is waited for.
const GOODBYE: Duration = Duration::from_secs(5);
/// The longest wait that a `RATE_LIMITED` may ask for.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// What to wait where a `RATE_LIMITED` does not say.
const USUAL_WAIT: Duration = Duration::from_millis(250);

/// How a connection ended.
pub(crate) enum End {
    /// It was lost: try again.
    Lost(Error),
    /// This side had fallen behind and has room again: come back and read on.
    Behind,
    /// The session is over.
    Over(Error),
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
                self.outstanding.push(Entry::new(id, "QUIT", None, What::Quit));
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
                    self.outstanding.push(Entry::new(id, "PING", None, What::KeepAlive));
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
            Incoming::Msg(id, event) => {
                if let Some(id) = &id {
                    self.acknowledged(id, &event);
                }
                if !behind {
                    self.message(*event, id);
                }
                None
            }
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
            Incoming::Reply { id: Some(id), data, .. } => {
                let entry = self.outstanding.take(&id)?;
                self.answered(entry, data)
            }
            Incoming::Reply { id: None, .. } => None,
        }
    }

    fn message(&mut self, event: MsgEvent<'static>, id: Option<RequestId>) {
        let seen = self.cursor.see(&event, &self.login.name);
        if seen == Seen::Again {
            return;
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
    }

    /// The daemon's copy of a message of ours is here.
    fn acknowledged(&mut self, id: &RequestId, event: &MsgEvent<'static>) {
        let Some(entry) = self.outstanding.take(id) else { return };
        match entry.what {
            What::Msg { text, reply, .. } if is_copy_of(&text, event) => {
                // Whoever asked may have stopped waiting.
                let _ = reply.send(Ok(event.clone()));
            }
            What::Msg { chosen: true, .. } => entry.fail(Error::IdInUse { seq: event.seq }),
            // A process before this one has used the id: take another one.
            What::Msg { .. } => {
                let id = self.next_id();
                self.outstanding.rename(entry, id);
            }
            _ => {}
        }
    }

    fn refused(&mut self, id: &RequestId, error: ErrorData) -> Option<End> {
        if error.kind == ErrorKind::RateLimited {
            let wait = error.retry_after_ms.map_or(USUAL_WAIT, Duration::from_millis).min(LONGEST_WAIT);
            self.outstanding.again(id, Instant::now() + wait);
            return None;
        }
        let mut entry = self.outstanding.take(id)?;
        // Its first answer was lost with a connection: it was done then.
        if entry.op == "LEAVE" && entry.rewritten && error.kind == ErrorKind::NotAMember {
            let data = entry.data.take()?;
            return self.answered(entry, data);
        }
        match entry.what {
            What::CatchUp => self.caught_up(),
            What::Quit => return Some(End::Over(Error::Closed(Closed::Quit))),
            _ => entry.fail(Error::Refused { id: id.clone(), kind: error.kind, msg: error.msg }),
        }
        None
    }

    fn answered(&mut self, entry: Entry, data: Box<serde_json::value::RawValue>) -> Option<End> {
        match entry.what {
            What::Op { op, reply } => {
                self.note_rooms(op, data.get());
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
        self.backoff.succeeded();
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

/// Waits until that many events fit, or nobody listens.
async fn room(events: &mpsc::Sender<Event>, n: usize) {
    drop(events.reserve_many(n).await);
}
