//! Owns the two ends that a program holds: [`Session`] to ask, [`Events`] to listen. Both talk to
//! the one task that owns the connection (`life`). Never touch the connection themselves.

use crate::asked::place;
use crate::builder::Builder;
use crate::event::Event;
use crate::length;
use crate::outstanding::{MsgReply, OpReply};
use crate::{Action, Error, Page, Query, Queued, Saved, Sent, To, Trust};
use serde::de::DeserializeOwned;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tcp_chat_protocol::reply::{
    ActReply, JoinReply, LeaveReply, LoginReply, MessagesReply, RoomInfo, RoomsReply, WhoReply,
};
use tcp_chat_protocol::{ErrorKind, Name, Request, RequestId, Seq, text};
use tokio::sync::{mpsc, oneshot};

/// What the task is asked.
#[derive(Debug)]
pub(crate) enum Command {
    Msg { message: Request<'static>, id: Option<RequestId>, reply: MsgReply },
    Op { request: Request<'static>, reply: OpReply },
    Quit { done: oneshot::Sender<bool> },
}

impl Command {
    pub(crate) fn refuse(self, why: &Error) {
        // Whoever asked may have stopped waiting.
        match self {
            Self::Msg { reply, .. } => drop(reply.send(Err(why.clone()))),
            Self::Op { reply, .. } => drop(reply.send(Err(why.clone()))),
            Self::Quit { done } => drop(done.send(false)),
        }
    }
}

/// What the task and both ends know of the session.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) login: LoginReply,
    /// The newest number that was handed to the reader.
    pub(crate) taken: Seq,
    /// Of which log that is.
    pub(crate) log: Option<String>,
    pub(crate) last_id: u64,
    /// Why the session is over, if it is.
    pub(crate) ended: Option<Error>,
}

impl Shared {
    pub(crate) fn why_ended(&self) -> Error {
        self.ended.clone().unwrap_or(Error::Closed(crate::Closed::Quit))
    }
}

/// How many commands may wait in front of the task.
pub(crate) const COMMANDS: usize = 64;

/// A session: a login that outlives connections. Cheap to clone; see the [crate] for an example.
///
/// Dropping all clones and the [`Events`] closes the connection without `QUIT`: the daemon holds
/// the session for its TTL, and [`Session::saved`] can take it up again.
#[derive(Debug, Clone)]
pub struct Session {
    pub(crate) commands: mpsc::Sender<Command>,
    pub(crate) shared: Arc<Mutex<Shared>>,
    pub(crate) request_timeout: Duration,
}

/// The events of a session, in order. Read them, or drop this if there is no interest in them.
#[derive(Debug)]
pub struct Events {
    pub(crate) events: mpsc::Receiver<Event>,
    pub(crate) shared: Arc<Mutex<Shared>>,
}

pub(crate) fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    // Nothing that holds it can panic halfway through a change.
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Events {
    /// The next event; `None` after [`Event::Ended`]. Nothing is lost where the future is dropped,
    /// so it may stand in a `select!`.
    pub async fn next(&mut self) -> Option<Event> {
        let event = self.events.recv().await?;
        self.note(&event);
        Some(event)
    }

    /// The next event if there is one already.
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

    /// What the daemon said at the login: the name, the limits, the server. The rooms are those of
    /// now.
    #[must_use]
    pub fn login(&self) -> LoginReply {
        lock(&self.shared).login.clone()
    }

    /// What a later process needs to take the session up again.
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
        }
    }

    /// Sends a message and waits until it is kept: over reconnects, rate limits and restarts of the
    /// daemon, without doubling it.
    ///
    /// Dropping the future does not call the message back.
    ///
    /// # Errors
    /// As [`Session::queue`] and [`Queued::kept`].
    pub async fn send(&self, to: To, text: impl Into<String>) -> Result<Sent, Error> {
        self.queue(to, text).await?.kept().await
    }

    /// Hands a message over to be sent, behind those handed over before. Waits only while too many
    /// are on their way already.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a text that the server would not take, or what ended the session.
    pub async fn queue(&self, to: To, text: impl Into<String>) -> Result<Queued, Error> {
        self.hand_over(to, text.into(), None).await
    }

    /// As [`Session::queue`], with an id of the caller's own: a message that is sent again with the
    /// same id in the same session (also by a later process that resumed it) is kept once.
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

    /// Refuses what the server would answer with `TOO_LARGE`: it cannot say then which request it was.
    async fn hand_over(&self, to: To, text: String, id: Option<RequestId>) -> Result<Queued, Error> {
        let limits = lock(&self.shared).login.limits;
        text::check(&text, limits.msg_bytes).map_err(|e| Error::Invalid(e.to_string()))?;
        let message = Request::Msg { to: to.target(), text: text.into() };
        length::check(&message, id.as_ref(), limits.line_bytes)?;
        let (reply, kept) = oneshot::channel();
        self.command(Command::Msg { message, id, reply }).await?;
        Ok(Queued { kept, shared: Arc::clone(&self.shared) })
    }

    /// Enters a room.
    ///
    /// # Errors
    /// [`Error::Refused`], [`Error::TimedOut`], or what ended the session.
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

    /// Who is in a room, or on the server.
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

    /// Moderates: needs a role that may. Returns what was done.
    ///
    /// # Errors
    /// As [`Session::join`].
    pub async fn act(&self, action: &Action) -> Result<ActReply, Error> {
        self.ask(Request::Action(Box::new(action.clone()))).await
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
        page.holds(&reply.messages)?;
        Ok(reply)
    }

    /// Messages that contain words, newest first.
    ///
    /// # Errors
    /// As [`Session::join`].
    pub async fn search(&self, query: &Query) -> Result<MessagesReply, Error> {
        self.ask(query.request()).await
    }

    /// Asks whether the server is there; returns how long the answer took.
    ///
    /// # Errors
    /// As [`Session::join`].
    pub async fn ping(&self) -> Result<Duration, Error> {
        let asked = tokio::time::Instant::now();
        let _: Option<serde_json::Value> = self.ask(Request::Ping).await?;
        Ok(asked.elapsed())
    }

    /// Waits until all messages are kept, then says goodbye: the name is free at once, and the
    /// session cannot be resumed. Without a connection it ends when there is nothing left to send.
    ///
    /// Returns whether the daemon has confirmed it. Where it has not (there was no connection, or it
    /// was lost at that moment), the daemon may hold the session for its TTL: it is worth keeping
    /// what [`Session::saved`] gives.
    ///
    /// Bound it with a timeout where waiting for messages for ever makes no sense.
    pub async fn quit(&self) -> bool {
        let (done, wait) = oneshot::channel();
        // An end for another reason is an end too.
        self.command(Command::Quit { done }).await.is_ok() && wait.await.unwrap_or(false)
    }

    async fn ask<T: DeserializeOwned>(&self, request: Request<'static>) -> Result<T, Error> {
        let op = request.op();
        let (reply, answer) = oneshot::channel();
        let asking = async {
            self.command(Command::Op { request, reply }).await?;
            answer.await.unwrap_or_else(|_| Err(lock(&self.shared).why_ended()))
        };
        let after = self.request_timeout;
        let raw =
            tokio::time::timeout(after, asking).await.map_err(|_| Error::TimedOut { what: op, after })??;
        serde_json::from_str(raw.get()).map_err(|e| Error::misread(format_args!("the answer to {op}"), &e))
    }

    async fn command(&self, command: Command) -> Result<(), Error> {
        self.commands.send(command).await.map_err(|_| lock(&self.shared).why_ended())
    }
}
