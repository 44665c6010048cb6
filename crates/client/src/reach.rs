//! Owns the way to a server that accepts the session: the first login, and each one after a lost connection, at
//! whichever server of the chat. Called by `task`; `servers` says which one is next. Never verifies one server less
//! than another.

use crate::backoff::{before_resend, chance};
use crate::builder::{CONNECT, CONNECT_ONE_OF};
use crate::dial::{ServerTarget, dial};
use crate::event::Event;
use crate::login::{Credentials, LoginFailure, Resume, log_in};
use crate::outstanding::Ids;
use crate::scout::{Errand, Found};
use crate::servers::{Servers, is_of_one_server, more_telling};
use crate::session::lock;
use crate::task::Task;
use crate::wire::Connection;
use crate::{Closed, Error};
use std::sync::Arc;
use std::time::Duration;
use tcp_chat_protocol::reply::LoginReply;
use tcp_chat_protocol::{Seq, ServerAddress};
use tokio::time::Instant;
use tokio_rustls::rustls::ClientConfig;

/// The current server, and how it is verified: like every other one.
pub(crate) fn target(servers: &Servers, tls: &Arc<ClientConfig>) -> ServerTarget {
    let ServerAddress { host, port } = servers.current().clone();
    let timeout = if servers.len() > 1 { CONNECT_ONE_OF } else { CONNECT };
    ServerTarget { host, port, tls: Arc::clone(tls), timeout }
}

/// The first login.
pub(crate) struct First<'a> {
    pub(crate) tls: &'a Arc<ClientConfig>,
    pub(crate) credentials: &'a Credentials,
    pub(crate) resume: Option<Resume<'a>>,
    pub(crate) log: Option<&'a str>,
}

impl First<'_> {
    /// Tries each server once, and all again while one of them asks for a wait that ends in time.
    pub(crate) async fn enter(
        &self,
        servers: &mut Servers,
        ids: &mut Ids,
    ) -> Result<(Connection, LoginReply, bool), Error> {
        let began = Instant::now();
        let mut round = 0;
        loop {
            let (mut wait, mut why): (Option<Duration>, Option<Error>) = (None, None);
            for _ in 0..servers.len() {
                let failure = match self.attempt(servers, ids).await {
                    Ok(entered) => return Ok(entered),
                    Err(failure) => failure,
                };
                if !is_of_one_server(&failure.error) {
                    return Err(failure.error);
                }
                wait = failure.retry_after.into_iter().chain(wait).min();
                why = Some(more_telling(why, failure.error));
                servers.step();
            }
            let why = why.unwrap_or(Error::Closed(Closed::Quit));
            let Some(wait) = wait.map(|wait| before_resend(Some(wait), round)) else { return Err(why) };
            if began.elapsed() + wait >= self.credentials.timeout {
                return Err(why);
            }
            tokio::time::sleep(wait).await;
            round += 1;
        }
    }

    async fn attempt(
        &self,
        servers: &Servers,
        ids: &mut Ids,
    ) -> Result<(Connection, LoginReply, bool), LoginFailure> {
        let target = target(servers, self.tls);
        let mut connection = Connection::new(dial(&target).await?, target);
        let (login, resumed) = log_in(&mut connection, self.credentials, self.resume, self.log, ids).await?;
        Ok((connection, login, resumed))
    }
}

impl Task {
    /// Connects and logs in, with as many attempts as needed, at whichever server. Without a `why`, this side closed the
    /// connection: the first attempt follows at once at the same server, and without an event.
    pub(crate) async fn reconnect(&mut self, mut why: Option<Error>) -> Result<Connection, Error> {
        let mut report = false;
        let mut requested = None;
        loop {
            if let Some(why) = why.take() {
                let now = Instant::now();
                self.servers.failed(now, requested.take(), chance());
                let wait = self.servers.next(now, chance());
                self.target = target(&self.servers, &self.target.tls);
                let attempt = self.servers.attempts();
                self.emit(Event::Reconnecting { wait, attempt, why });
                self.while_taking_commands(tokio::time::sleep(wait)).await?;
                report = true;
            }
            let target = self.target.clone();
            let attempt = self.while_taking_commands(async move { dial(&target).await }).await?;
            let stream = match attempt {
                Ok(stream) => stream,
                Err(e) => {
                    why = Some(self.try_another(e)?);
                    continue;
                }
            };
            let mut connection = Connection::new(stream, self.target.clone());
            let after = self.cursor.seq();
            // The current name and rooms, in case the session is gone.
            self.credentials.rooms = Some(self.login.rooms.clone());
            self.credentials.name = Some(self.login.name.clone());
            let LoginReply { name, session, log, .. } = &self.login;
            let resume = Some(Resume { name, token: session, after, or_new: true });
            match log_in(&mut connection, &self.credentials, resume, log.as_deref(), &mut self.ids).await {
                Ok((login, resumed)) => {
                    self.enter(login, after, resumed, report);
                    return Ok(connection);
                }
                Err(LoginFailure { error, retry_after }) => {
                    why = Some(self.try_another(error)?);
                    requested = retry_after;
                }
            }
        }
    }

    /// Begins to look for another node, if this one has refused enough.
    pub(crate) fn look_elsewhere(&mut self) {
        let is_settled = self.catching_up.is_none() && self.quitting.is_none();
        if is_settled && self.servers.len() > 1 && self.scout.is_wanted(Instant::now()) {
            self.scout.begin(Errand {
                addresses: self.servers.others(),
                tls: Arc::clone(&self.target.tls),
                credentials: self.credentials.clone(),
                login: self.login.clone(),
                after: self.cursor.seq(),
                last_id: self.ids.last(),
            });
        }
    }

    /// Goes on at a node that was found while the connection to another one stood.
    pub(crate) fn move_to(&mut self, found: Found) -> Connection {
        let Found { connection, login, address, after } = found;
        self.servers.go_to(&address);
        self.target = target(&self.servers, &self.target.tls);
        self.enter(login, after, true, true);
        connection
    }

    /// The session goes on with this login at the current server.
    fn enter(&mut self, login: LoginReply, after: Seq, resumed: bool, report: bool) {
        let old = std::mem::replace(&mut self.login, login);
        self.note_late_logins();
        self.servers.connected();
        if let Some(named) = &self.login.servers {
            self.servers.named(named, chance());
        }
        let before = lock(&self.shared).servers.first().cloned();
        self.publish();
        let server = self.target.shown();
        if before.as_ref() != Some(&server) {
            self.emit(Event::Moved { server });
        }
        self.logged_in(after, old.log.as_deref(), resumed, report);
    }

    /// Returns an error after which another attempt can succeed: at this server or at another one.
    ///
    /// # Errors
    /// The error, if it ends the session.
    fn try_another(&mut self, e: Error) -> Result<Error, Error> {
        let is_passing = matches!(e, Error::Protocol(_)) || e.is_transient();
        if is_passing || (is_of_one_server(&e) && self.servers.refused(Instant::now())) {
            Ok(e)
        } else {
            Err(e)
        }
    }
}
