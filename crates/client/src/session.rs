//! Owns the two handles of a program: [`Session`] for requests, [`Events`] for events. Both talk to the task that
//! owns the connection (`task`). Never touches the connection.

use crate::builder::Builder;
use crate::event::Event;
use crate::length;
use crate::outstanding::{MsgReply, OpReply};
use crate::requests::place;
use crate::{Action, Error, Page, Query, Queued, Saved, Sent, To, Trust};
use serde::de::DeserializeOwned;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tcp_chat_protocol::reply::{
    ActReply, JoinReply, LeaveReply, LoginReply, MessagesReply, RoomInfo, RoomsReply, SearchReply, WhoReply,
};
use tcp_chat_protocol::request::{Mark, Redact};
use tcp_chat_protocol::{ErrorKind, Name, ReadMark, Request, RequestId, Seq, text};
use tokio::sync::{mpsc, oneshot};

/// A command to the task.
#[derive(Debug)]
pub(crate) enum TaskCommand {
    Msg { message: Request<'static>, id: Option<RequestId>, reply: MsgReply },
    Op { request: Request<'static>, reply: OpReply },
    Quit { done: oneshot::Sender<bool> },
}

impl TaskCommand {
    pub(crate) fn refuse(self, why: &Error) {
        // The caller may have stopped waiting.
        match self {
            Self::Msg { reply, .. } => drop(reply.send(Err(why.clone()))),
            Self::Op { reply, .. } => drop(reply.send(Err(why.clone()))),
            Self::Quit { done } => drop(done.send(false)),
        }
    }
}

/// The state that the task and both handles share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) login: LoginReply,
    /// The last seq that the reader has taken.
    pub(crate) taken: Seq,
    /// The log of that seq.
    pub(crate) log: Option<String>,
    pub(crate) last_id: u64,
    /// The addresses of the servers, the current one first.
    pub(crate) servers: Vec<String>,
    /// The reason of the session's end.
    pub(crate) ended: Option<Error>,
}

impl Shared {
    pub(crate) fn why_ended(&self) -> Error {
        self.ended.clone().unwrap_or(Error::Closed(crate::Closed::Quit))
    }
}

/// The largest number of commands that wait for the task.
pub(crate) const COMMANDS: usize = 64;

/// A session: a login that outlives connections. Cheap to clone; see the [crate] for an example.
///
/// If all clones and the [`Events`] are dropped, the connection closes without `QUIT`: the daemon holds the
/// session for its TTL, and [`Session::saved`] can resume it.
#[derive(Debug, Clone)]
pub struct Session {
    pub(crate) commands: mpsc::Sender<TaskCommand>,
    pub(crate) shared: Arc<Mutex<Shared>>,
    pub(crate) request_timeout: Duration,
}

/// The events of a session, in order. Read them, or drop this value if you do not need them.
#[derive(Debug)]
pub struct Events {
    pub(crate) events: mpsc::Receiver<Event>,
    pub(crate) shared: Arc<Mutex<Shared>>,
}

pub(crate) fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    // No holder of the lock can panic in the middle of a change.
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Events {
    /// The next event; `None` after [`Event::Ended`]. Cancellation safe, so it may be used in a `select!`.
    pub async fn next(&mut self) -> Option<Event> {
        let event = self.events.recv().await?;
        self.note(&event);
        Some(event)
    }

    /// The next event, if one is available.
    pub fn try_next(&mut self) -> Option<Event> {
        let event = self.events.try_recv().ok()?;
        self.note(&event);
        Some(event)
    }

    fn note(&self, event: &Event) {
        match event {
            Event::Message(message) => lock(&self.shared).taken = message.data.seq,
            Event::Connected(login) => self.note_place(login.head, login.log.as_ref()),
            Event::LogReplaced { from, log, .. } => self.note_place(*from, log.as_ref()),
            _ => {}
        }
    }

    fn note_place(&self, taken: Seq, log: Option<&String>) {
        let mut shared = lock(&self.shared);
        (shared.taken, shared.log) = (taken, log.cloned());
    }
}

impl Session {
    /// A session on the server `host` (a name or an address; IPv6 without brackets).
    #[must_use]
    pub fn builder(host: impl Into<String>, port: u16, trust: Trust) -> Builder {
        Builder::new(host.into(), port, trust)
    }

    /// The login reply of the daemon: the name, the limits, the server. The rooms are the current ones.
    #[must_use]
    pub fn login(&self) -> LoginReply {
        lock(&self.shared).login.clone()
    }

    /// The data with which a later process resumes the session.
    #[must_use]
    pub fn saved(&self) -> Saved {
        let shared = lock(&self.shared);
        Saved {
            name: shared.login.name.clone(),
            token: shared.login.session.clone(),
            after: shared.taken,
            log: shared.log.clone(),
            last_id: shared.last_id,
            rooms: shared.login.rooms.clone(),
            servers: shared.servers.clone(),
        }
    }

    /// The addresses of the servers of this chat, as `host:port`: the current one first, then those that the session
    /// tries if it loses that one.
    #[must_use]
    pub fn servers(&self) -> Vec<String> {
        lock(&self.shared).servers.clone()
    }

    /// Sends a message and waits until it is kept: across reconnects, rate limits and restarts of the daemon,
    /// without a duplicate.
    ///
    /// Dropping the future does not withdraw the message.
    ///
    /// # Errors
    /// As [`Session::queue`] and [`Queued::kept`].
    pub async fn send(&self, to: To, text: impl Into<String>) -> Result<Sent, Error> {
        self.queue(to, text).await?.kept().await
    }

    /// Queues a message behind the earlier ones. Waits only while the queue is full.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a text that the server would refuse, or the end of the session.
    pub async fn queue(&self, to: To, text: impl Into<String>) -> Result<Queued, Error> {
        self.hand_over(to, text.into(), None).await
    }

    /// As [`Session::queue`], with an id of the caller: a message that is sent again with the same id in the same
    /// session (also by a later process that resumed it) is kept once.
    ///
    /// # Errors
    /// As [`Session::queue`]; [`Error::Invalid`] for an id of no or more than 64 bytes.
    pub async fn queue_with_id(
        &self,
        to: To,
        text: impl Into<String>,
        id: impl Into<String>,
    ) -> Result<Queued, Error> {
        let id = id.into();
        if id.is_empty() || id.len() > tcp_chat_protocol::request::ID_BYTES {
            return Err(Error::Invalid("an id has 1 to 64 bytes".into()));
        }
        self.hand_over(to, text.into(), Some(RequestId::Text(id.into()))).await
    }

    /// Refuses a message that the server would answer with `TOO_LARGE`, which does not name the request.
    async fn hand_over(&self, to: To, text: String, id: Option<RequestId>) -> Result<Queued, Error> {
        let limits = lock(&self.shared).login.limits;
        text::check(&text, limits.msg_bytes).map_err(|e| Error::Invalid(e.to_string()))?;
        let message = Request::Msg { to: to.target(), text: text.into() };
        length::check(&message, id.as_ref(), limits.line_bytes)?;
        let (reply, kept) = oneshot::channel();
        self.command(TaskCommand::Msg { message, id, reply }).await?;
        Ok(Queued { kept, shared: Arc::clone(&self.shared) })
    }

    /// Joins a room.
    ///
    /// # Errors
    /// [`Error::Refused`], [`Error::TimedOut`], or the end of the session.
    pub async fn join(&self, room: &str) -> Result<JoinReply, Error> {
        let name = Name::parse_kept(room).map_err(|why| {
            let (kind, msg) = (ErrorKind::NameInvalid, format!("`room`: {why}"));
            Error::Refused { id: None, kind, msg }
        })?;
        self.ask(Request::Join(name)).await
    }

    /// Leaves a room.
    ///
    /// # Errors
    /// As [`Session::join`].
    pub async fn leave(&self, room: &str) -> Result<LeaveReply, Error> {
        self.ask(Request::Leave(place(room))).await
    }

    /// The members of a room, or the users of the server.
    ///
    /// # Errors
    /// As [`Session::join`].
    pub async fn who(&self, room: Option<&str>) -> Result<WhoReply, Error> {
        self.ask(Request::Who(room.map(place))).await
    }

    /// The rooms of the server.
    ///
    /// # Errors
    /// As [`Session::join`].
    pub async fn rooms(&self) -> Result<Vec<RoomInfo>, Error> {
        let reply: RoomsReply = self.ask(Request::Rooms).await?;
        Ok(reply.rooms)
    }

    /// Takes a moderation action, which needs a role that permits it. Returns its result.
    ///
    /// # Errors
    /// As [`Session::join`].
    pub async fn act(&self, action: &Action) -> Result<ActReply, Error> {
        self.ask(Request::Action(Box::new(action.clone()))).await
    }

    /// Tells the server up to which seq this user has read a conversation, so that the user's other sessions know. Only
    /// for proven users. Returns the mark as it is now: it never moves back, and not beyond the newest message.
    ///
    /// # Errors
    /// As [`Session::join`].
    pub async fn mark(&self, of: &crate::cursor::Conversation, seq: Seq) -> Result<Seq, Error> {
        let mark: ReadMark<'static> = self.ask(Request::Mark(Mark { of: of.request(), seq })).await?;
        Ok(mark.seq)
    }

    /// Removes the text of a message: an own one, or any of a room that this user moderates.
    ///
    /// # Errors
    /// As [`Session::join`].
    pub async fn redact(
        &self,
        of: &crate::cursor::Conversation,
        seq: Seq,
        reason: impl Into<String>,
    ) -> Result<ActReply, Error> {
        self.act(&Action::Redact(Redact { of: of.request(), seq, reason: reason.into() })).await
    }

    /// A page of a conversation, oldest first.
    ///
    /// # Errors
    /// As [`Session::join`].
    pub async fn history(
        &self,
        of: &crate::cursor::Conversation,
        page: &Page,
    ) -> Result<MessagesReply, Error> {
        let reply: MessagesReply = self.ask(page.request(of)).await?;
        page.check(&reply.messages)?;
        Ok(reply)
    }

    /// Messages that contain words, newest first. The reply says how far the search reached:
    /// [`SearchReply::not_indexed`].
    ///
    /// # Errors
    /// As [`Session::join`].
    pub async fn search(&self, query: &Query) -> Result<SearchReply, Error> {
        self.ask(query.request()).await
    }

    /// Sends a PING; returns the time until the reply.
    ///
    /// # Errors
    /// As [`Session::join`].
    pub async fn ping(&self) -> Result<Duration, Error> {
        let began = tokio::time::Instant::now();
        let _: Option<serde_json::Value> = self.ask(Request::Ping).await?;
        Ok(began.elapsed())
    }

    /// Waits until all messages are kept, then sends QUIT: the name is free at once, and the session cannot be
    /// resumed. Without a connection it ends when nothing is left to send.
    ///
    /// Returns whether the daemon confirmed it. If not (there was no connection, or it was lost at that moment),
    /// the daemon may hold the session for its TTL, and [`Session::saved`] is still useful.
    ///
    /// Use a timeout if you do not want to wait for messages for ever.
    pub async fn quit(&self) -> bool {
        let (done, wait) = oneshot::channel();
        // The session may end for another reason meanwhile.
        self.command(TaskCommand::Quit { done }).await.is_ok() && wait.await.unwrap_or(false)
    }

    async fn ask<T: DeserializeOwned>(&self, request: Request<'static>) -> Result<T, Error> {
        let op = request.op();
        let (reply, answer) = oneshot::channel();
        let asking = async {
            self.command(TaskCommand::Op { request, reply }).await?;
            answer.await.unwrap_or_else(|_| Err(lock(&self.shared).why_ended()))
        };
        let after = self.request_timeout;
        let raw =
            tokio::time::timeout(after, asking).await.map_err(|_| Error::TimedOut { what: op, after })??;
        serde_json::from_str(raw.get()).map_err(|e| Error::misread(format_args!("the answer to {op}"), &e))
    }

    async fn command(&self, command: TaskCommand) -> Result<(), Error> {
        self.commands.send(command).await.map_err(|_| lock(&self.shared).why_ended())
    }
}
