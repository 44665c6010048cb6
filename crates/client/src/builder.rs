//! Owns the parameters of a session: server, trust, name, rooms, timeouts. Never connects itself:
//! [`Builder::connect`] calls `task`.

use crate::session::{Events, Session};
use crate::task;
use crate::trust::{Identity, Trust, client_config};
use crate::{Error, Saved};
use std::sync::Arc;
use std::time::Duration;
use tcp_chat_protocol::{Colour, Name, Seq, ServerAddress};
use zeroize::Zeroizing;

/// The time for one attempt to connect: lookup, TCP and TLS together.
pub(crate) const CONNECT: Duration = Duration::from_secs(10);

/// The same where there are other servers to try.
pub(crate) const CONNECT_ONE_OF: Duration = Duration::from_secs(4);

/// The parameters of a session; see [`Session::builder`].
#[derive(Clone)]
pub struct Builder {
    pub(crate) host: String,
    pub(crate) port: u16,
    /// Further servers of the same chat.
    pub(crate) servers: Vec<ServerAddress>,
    pub(crate) trust: Trust,
    pub(crate) identity: Option<Identity>,
    pub(crate) name: Option<String>,
    pub(crate) color: Option<Colour>,
    pub(crate) rooms: Option<Vec<String>>,
    pub(crate) password: Option<Zeroizing<String>>,
    pub(crate) saved: Option<Saved>,
    /// The last seq that the caller has seen, and its log.
    pub(crate) seen: Option<(Seq, Option<String>)>,
    pub(crate) request_timeout: Duration,
    pub(crate) events: usize,
}

impl std::fmt::Debug for Builder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { host, port, name, rooms, saved, .. } = self;
        f.debug_struct("Builder")
            .field("host", host)
            .field("port", port)
            .field("name", name)
            .field("rooms", rooms)
            .field("saved", saved)
            .finish_non_exhaustive()
    }
}

impl Builder {
    pub(crate) fn new(host: String, port: u16, trust: Trust) -> Self {
        Self {
            host,
            port,
            servers: Vec::new(),
            trust,
            identity: None,
            name: None,
            color: None,
            rooms: None,
            password: None,
            saved: None,
            seen: None,
            request_timeout: Duration::from_secs(30),
            events: 1024,
        }
    }

    /// Adds a server of the same chat, for the case that the first one is not there. All are verified by the same CA
    /// or pin. Servers that a server names are added by themselves. At most 16 are used.
    #[must_use]
    pub fn server(mut self, address: ServerAddress) -> Self {
        self.servers.push(address);
        self
    }

    /// The name of the user. Required unless a session is resumed.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// The colour of the name. Default: none.
    #[must_use]
    pub fn color(mut self, color: Colour) -> Self {
        self.color = Some(color);
        self
    }

    /// Adds a room. Default: the default rooms of the server.
    #[must_use]
    pub fn room(mut self, room: impl Into<String>) -> Self {
        self.rooms.get_or_insert_default().push(room.into());
        self
    }

    /// The password, if the server requires one. Wiped with the session.
    #[must_use]
    pub fn password(mut self, password: impl Into<String>) -> Self {
        self.password = Some(Zeroizing::new(password.into()));
        self
    }

    /// A client certificate, if the server requires one.
    #[must_use]
    pub fn identity(mut self, identity: Identity) -> Self {
        self.identity = Some(identity);
        self
    }

    /// Resumes this session. If it has ended meanwhile, a new one begins after
    /// [`Event::SessionLost`](crate::Event::SessionLost).
    #[must_use]
    pub fn resume(mut self, saved: Saved) -> Self {
        self.saved = Some(saved);
        self
    }

    /// The last seq of a log that the caller has seen, in a session that is not resumed. If the server has
    /// another log now, [`Event::LogReplaced`](crate::Event::LogReplaced) says which seqs still stand for the
    /// same messages. Not needed with [`Builder::resume`].
    #[must_use]
    pub fn seen(mut self, after: Seq, log: Option<String>) -> Self {
        self.seen = Some((after, log));
        self
    }

    /// The timeout of a login or a request, including reconnects. Default: 30 s. Messages have no timeout: they
    /// are sent until they are kept or the session ends.
    #[must_use]
    pub fn request_timeout(mut self, timeout: Duration) -> Self {
        self.request_timeout = timeout;
        self
    }

    /// The largest number of unread events. Default: 1024, at least 16. Beyond it, the session stops reading the
    /// connection until there is room, and a resume fetches what was missed.
    #[must_use]
    pub fn event_queue(mut self, events: usize) -> Self {
        self.events = events.max(16);
        self
    }

    /// Connects, verifies and logs in, once: a failure here is not retried. If there are several servers, each is tried
    /// once. Only if one says that nothing can be ordered now (`UNAVAILABLE`), all are tried again after the wait that
    /// it asks for, within the timeout of a request.
    ///
    /// Afterwards the session lives in a task of the runtime and reconnects by itself until it is ended.
    ///
    /// # Errors
    /// [`Error::NoConnection`], [`Error::CertificateRefused`], [`Error::LoginRefused`],
    /// [`Error::TimedOut`], [`Error::Protocol`]; [`Error::Invalid`] for invalid parameters.
    pub async fn connect(self) -> Result<(Session, Events), Error> {
        self.check()?;
        let tls = Arc::new(client_config(&self.trust, self.identity.as_ref())?);
        task::begin(self, tls).await
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        match (&self.name, &self.saved) {
            (None, None) => return Err(Error::Invalid("a name is needed to log in".into())),
            (Some(name), _) => {
                Name::parse(name).map_err(|e| Error::Invalid(format!("the name {name:?}: {e}")))?;
            }
            (None, Some(_)) => {}
        }
        for room in self.rooms.iter().flatten() {
            Name::parse(room).map_err(|e| Error::Invalid(format!("the room {room:?}: {e}")))?;
        }
        Ok(())
    }
}
