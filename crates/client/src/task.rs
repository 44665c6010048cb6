//! Owns the life of a session: the first login, the connection, and the next connection after a loss. One task,
//! started by [`begin`], holds the connection and all state; the rest of the crate talks to it through bounded
//! queues. The way to a server is in `reach`, the work on one connection in `connected`. Never prints anything.

use crate::backoff::chance;
use crate::builder::Builder;
use crate::connected::{ConnectionEnd, PING_AFTER, PING_TIMEOUT};
use crate::cursor::Cursor;
use crate::dial::ServerTarget;
use crate::event::Event;
use crate::login::{Credentials, Resume, common_seq};
use crate::notices::LateLogin;
use crate::outstanding::{Entry, Ids, Outstanding, Purpose};
use crate::reach::{First, target};
use crate::scout::Scout;
use crate::servers::Servers;
use crate::session::{COMMANDS, Events, Session, Shared, TaskCommand, lock};
use crate::wire::Connection;
use crate::{Closed, Error};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tcp_chat_protocol::reply::LoginReply;
use tcp_chat_protocol::{Request, RequestId, Seq, ServerAddress};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_rustls::rustls::ClientConfig;

/// The largest number of events, except messages, that wait for room in the queue of events.
const WAITING: usize = 64;

pub(crate) struct Task {
    /// The server of the connection, or of the last attempt.
    pub(crate) target: ServerTarget,
    pub(crate) servers: Servers,
    pub(crate) credentials: Credentials,
    /// The reply of the current login, with the current rooms.
    pub(crate) login: LoginReply,
    pub(crate) cursor: Cursor,
    pub(crate) ids: Ids,
    pub(crate) outstanding: Outstanding,
    pub(crate) commands: mpsc::Receiver<TaskCommand>,
    pub(crate) events: mpsc::Sender<Event>,
    /// Events that found no room in `events`; they precede all later ones.
    pub(crate) waiting: VecDeque<Event>,
    pub(crate) shared: Arc<Mutex<Shared>>,
    /// The caller of `quit`, if there is one.
    pub(crate) quitting: Option<oneshot::Sender<bool>>,
    /// Whether the daemon has confirmed the QUIT.
    pub(crate) quit_confirmed: bool,
    /// The progress of catching up after a resume.
    pub(crate) catching_up: Option<CatchUp>,
    /// The search for another node, while this one can order nothing.
    pub(crate) scout: Scout,
    pub(crate) late_login: LateLogin,
}

pub(crate) struct CatchUp {
    pub(crate) messages: u64,
    /// False if this side stopped reading by itself, so the connection was never lost.
    pub(crate) report: bool,
}

/// Connects and logs in, then starts the task.
pub(crate) async fn begin(builder: Builder, tls: Arc<ClientConfig>) -> Result<(Session, Events), Error> {
    let Builder { host, port, servers, mut known, name, color, rooms, password, saved, seen, .. } = builder;
    known.extend(saved.iter().flat_map(|saved| saved.servers.iter().cloned()));
    let mut servers = Servers::new(ServerAddress { host, port }, servers, &known);
    let (old_rooms, old_name, last_id) =
        saved.as_ref().map_or((None, None, 0), |s| (Some(s.rooms.clone()), Some(s.name.clone()), s.last_id));
    let credentials = Credentials {
        name: name.or(old_name),
        color,
        rooms: rooms.or(old_rooms),
        password,
        timeout: builder.request_timeout,
    };
    let mut ids = Ids::after(last_id, SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default());
    let resume =
        saved.as_ref().map(|s| Resume { name: &s.name, token: &s.token, after: s.after, or_new: true });
    let seen = saved.as_ref().map(|s| (s.after, s.log.clone())).or(seen);
    let log = seen.as_ref().and_then(|(_, log)| log.as_deref());
    let first = First { tls: &tls, credentials: &credentials, resume, log };
    let (connection, login, resumed) = first.enter(&mut servers, &mut ids).await?;
    let target = target(&servers, &tls);
    if let Some(named) = &login.servers {
        servers.named(named, chance());
    }

    let (commands, commands_in) = mpsc::channel(COMMANDS);
    let (events, events_out) = mpsc::channel(builder.events);
    let start = seen.as_ref().filter(|_| resumed).map_or(login.head, |(after, _)| *after);
    // The facts about the old log stay true until the reader gets the event of its replacement.
    let log = seen.as_ref().filter(|_| resumed || saved.is_none()).and_then(|(_, log)| log.clone());
    let log = log.or_else(|| login.log.clone());
    let (last_id, all) = (ids.last(), servers.all());
    let shared = Shared { login: login.clone(), taken: start, log, last_id, servers: all, ended: None };
    let shared = Arc::new(Mutex::new(shared));
    let mut task = Task {
        target,
        servers,
        credentials,
        cursor: Cursor::starting_at(start),
        ids,
        outstanding: Outstanding::default(),
        commands: commands_in,
        events,
        waiting: VecDeque::new(),
        shared: Arc::clone(&shared),
        quitting: None,
        quit_confirmed: false,
        catching_up: None,
        scout: Scout::default(),
        late_login: LateLogin::default(),
        login,
    };
    match seen {
        Some((after, log)) if saved.is_some() => task.logged_in(after, log.as_deref(), resumed, true),
        seen => {
            if let Some((after, log)) = seen {
                task.report_replaced_log(after, log.as_deref());
            }
            task.emit(Event::Connected(Box::new(task.login.clone())));
        }
    }
    #[expect(clippy::disallowed_methods, reason = "the session sees its end: the channels to it close")]
    tokio::spawn(task.live(connection));
    let session = Session { commands, shared: Arc::clone(&shared), request_timeout: builder.request_timeout };
    Ok((session, Events { events: events_out, shared }))
}

impl Task {
    async fn live(mut self, mut connection: Connection) {
        let why = loop {
            let began = Instant::now();
            let end = self.run_connection(&mut connection).await;
            self.servers.lived(began.elapsed());
            connection.writer.close().await;
            self.end_search();
            let lost = match end {
                ConnectionEnd::Over(error) => break error,
                ConnectionEnd::Lost(why) => Some(why),
                ConnectionEnd::Behind => None,
                ConnectionEnd::Moved(found) => {
                    self.outstanding.connection_lost();
                    self.catching_up = None;
                    connection = self.move_to(*found);
                    continue;
                }
            };
            drop(connection);
            self.outstanding.connection_lost();
            self.catching_up = None;
            match self.reconnect(lost).await {
                Ok(next) => connection = next,
                Err(error) => break error,
            }
        };
        self.outstanding.fail_all(&why);
        lock(&self.shared).ended = Some(why.clone());
        if let Some(done) = self.quitting.take() {
            // The caller may have stopped waiting.
            let _ = done.send(self.quit_confirmed);
        }
        // Later commands fail at once, and waiting ones too.
        self.commands.close();
        while let Ok(command) = self.commands.try_recv() {
            command.refuse(&why);
        }
        self.waiting.push_back(Event::Ended(why));
        while let Some(event) = self.waiting.pop_front() {
            if self.events.send(event).await.is_err() {
                return;
            }
        }
    }

    /// Waits for something while there is no connection, and accepts commands.
    pub(crate) async fn while_taking_commands<T>(
        &mut self,
        wait: impl Future<Output = T>,
    ) -> Result<T, Error> {
        tokio::pin!(wait);
        loop {
            if self.quitting.is_some() && !self.outstanding.has_waiting_caller() {
                // Nothing is left to send: the daemon ends the session after its TTL.
                return Err(Error::Closed(Closed::Quit));
            }
            tokio::select! {
                done = &mut wait => return Ok(done),
                Some(command) = self.commands.recv(),
                    if self.outstanding.has_room() && self.quitting.is_none() => self.take_command(command),
                // No command can come, and no event is read.
                () = self.events.closed(), if self.commands.is_closed() => {
                    return Err(Error::Closed(Closed::Quit));
                }
            }
        }
    }

    pub(crate) fn take_command(&mut self, command: TaskCommand) {
        match command {
            TaskCommand::Msg { message, id, reply } => {
                let fixed = id.is_some();
                let id = id.unwrap_or_else(|| self.next_id());
                if self.outstanding.has(&id) {
                    let why = "a message with this id is still on its way".to_owned();
                    // The caller may have stopped waiting.
                    let _ = reply.send(Err(Error::Invalid(why)));
                    return;
                }
                self.outstanding.push(Entry::new(id, message, Purpose::Msg { reply, fixed }));
            }
            TaskCommand::Op { request, reply } => {
                let id = self.next_id();
                self.outstanding.push(Entry::new(id, request, Purpose::Op(reply)));
            }
            TaskCommand::Quit { done } => self.quitting = Some(done),
        }
    }

    pub(crate) fn next_id(&mut self) -> RequestId {
        let id = self.ids.next();
        lock(&self.shared).last_id = self.ids.last();
        id
    }

    /// Continues the session with the current login, or begins a new one. The session has seen `after` of the log
    /// `known`.
    pub(crate) fn logged_in(&mut self, after: Seq, known: Option<&str>, resumed: bool, report: bool) {
        let common_seq = self.report_replaced_log(after, known);
        if resumed {
            if let Some(from) = common_seq {
                self.cursor = Cursor::starting_at(from);
            }
            self.cursor.set_newest(self.login.head);
            self.catch_up(report);
        } else {
            self.outstanding.session_lost();
            self.cursor = Cursor::starting_at(self.login.head);
            self.emit(Event::SessionLost { after: common_seq.unwrap_or(after), head: self.login.head });
            self.emit(Event::Connected(Box::new(self.login.clone())));
        }
    }

    /// Reports that the server has another log than the one of `after`.
    fn report_replaced_log(&mut self, after: Seq, known: Option<&str>) -> Option<Seq> {
        let from = common_seq(known, after, &self.login)?;
        self.emit(Event::LogReplaced { after, from, log: self.login.log.clone() });
        Some(from)
    }

    /// Sends a PING whose reply comes after all missed messages.
    fn catch_up(&mut self, report: bool) {
        let id = self.next_id();
        self.outstanding.push(Entry::new(id, Request::Ping, Purpose::CatchUp));
        self.catching_up = Some(CatchUp { messages: 0, report });
    }

    /// Makes the login visible to [`Session`] and [`Events`].
    pub(crate) fn publish(&self) {
        let mut shared = lock(&self.shared);
        shared.login.clone_from(&self.login);
        shared.servers = self.servers.all();
    }

    /// Queues an event without waiting.
    pub(crate) fn emit(&mut self, event: Event) {
        if matches!(event, Event::Reconnecting { .. }) && !self.waiting.is_empty() {
            return; // No event is read now, and later this one is outdated.
        }
        if self.waiting.len() >= WAITING {
            self.waiting.pop_front();
        }
        self.waiting.push_back(event);
        self.flush_waiting();
    }

    pub(crate) fn flush_waiting(&mut self) {
        while let Some(event) = self.waiting.pop_front() {
            match self.events.try_send(event) {
                Ok(()) => {}
                Err(mpsc::error::TrySendError::Full(event)) => {
                    self.waiting.push_front(event);
                    return;
                }
                Err(mpsc::error::TrySendError::Closed(_)) => {}
            }
        }
    }

    /// When a silent connection gets a PING, or counts as lost.
    pub(crate) fn silence_ends(&self, heard: Instant) -> Instant {
        heard + PING_AFTER + if self.outstanding.pings() { PING_TIMEOUT } else { Duration::ZERO }
    }
}
