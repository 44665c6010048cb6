//! Owns the search for another node while the current one can order nothing: it has said so, or has refused requests. A node that is cut off from the others
//! cannot tell whether they go on, so the session asks them: it logs in at another node before it gives up the current
//! connection, which still answers queries. Called by `connected` and `task`. Never begins a new session.

use crate::Error;
use crate::builder::CONNECT_ONE_OF;
use crate::dial::{ServerTarget, dial};
use crate::login::{Credentials, LoginFailure, Resume, log_in};
use crate::outstanding::Ids;
use crate::wire::Connection;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tcp_chat_protocol::reply::LoginReply;
use tcp_chat_protocol::{Seq, ServerAddress};
use tokio::time::Instant;
use tokio_rustls::rustls::ClientConfig;

/// The search begins when so many requests in a row were refused as `UNAVAILABLE`.
const REFUSALS: u32 = 2;
/// The time from the end of the first search to the next one; it doubles with each,
const PAUSE: Duration = Duration::from_secs(10);
/// so many times.
const DOUBLED: u32 = 3;

/// A node at which the session goes on.
pub(crate) struct Found {
    pub(crate) connection: Connection,
    pub(crate) login: LoginReply,
    pub(crate) address: ServerAddress,
    /// The seq after which the session was resumed.
    pub(crate) after: Seq,
}

/// The end of a search.
#[derive(Default)]
pub(crate) struct SearchEnd {
    pub(crate) found: Option<Box<Found>>,
    /// A LOGIN got no answer: it may still be ordered.
    pub(crate) gave_up: bool,
}

type Search = Pin<Box<dyn Future<Output = SearchEnd> + Send>>;

/// The search of one connection.
#[derive(Default)]
pub(crate) struct Scout {
    /// Refusals as `UNAVAILABLE` in a row.
    refusals: u32,
    /// The node has said that it can order nothing.
    is_told: bool,
    /// Searches that found nothing.
    searches: u32,
    not_before: Option<Instant>,
    search: Option<Search>,
}

/// What a search needs to know.
pub(crate) struct Errand {
    pub(crate) addresses: Vec<ServerAddress>,
    pub(crate) tls: Arc<ClientConfig>,
    pub(crate) credentials: Credentials,
    pub(crate) login: LoginReply,
    pub(crate) after: Seq,
    pub(crate) last_id: u64,
}

impl Scout {
    /// A request was not taken.
    pub(crate) fn refused(&mut self) {
        self.refusals = self.refusals.saturating_add(1);
    }

    /// The node has said that it can order nothing.
    pub(crate) fn told(&mut self) {
        self.is_told = true;
    }

    /// Can the node order nothing, as far as is known?
    pub(crate) fn is_unavailable(&self) -> bool {
        self.is_told || self.refusals > 0
    }

    pub(crate) fn is_searching(&self) -> bool {
        self.search.is_some()
    }

    /// Whether a search is to begin.
    pub(crate) fn is_wanted(&self, now: Instant) -> bool {
        self.has_reason() && self.not_before.is_none_or(|at| at <= now)
    }

    fn has_reason(&self) -> bool {
        (self.is_told || self.refusals >= REFUSALS) && self.search.is_none()
    }

    /// When a search is to begin that has to wait.
    pub(crate) fn wakes_at(&self, now: Instant) -> Option<Instant> {
        self.not_before.filter(|at| self.has_reason() && *at > now)
    }

    pub(crate) fn begin(&mut self, errand: Errand) {
        self.search = Some(Box::pin(search(errand)));
    }

    /// The result of the search. Cancellation safe.
    pub(crate) async fn result(&mut self) -> SearchEnd {
        let end = match &mut self.search {
            Some(search) => search.await,
            None => std::future::pending().await,
        };
        let pause = PAUSE * (1 << self.searches.min(DOUBLED));
        *self = Self {
            refusals: 0,
            is_told: self.is_told,
            searches: self.searches + 1,
            not_before: Some(Instant::now() + pause),
            search: None,
        };
        end
    }
}

/// Asks each of the nodes once.
async fn search(errand: Errand) -> SearchEnd {
    let mut end = SearchEnd::default();
    let Errand { addresses, tls, credentials, login, after, last_id } = errand;
    for address in addresses {
        let ServerAddress { host, port } = address.clone();
        let target = ServerTarget { host, port, tls: Arc::clone(&tls), timeout: CONNECT_ONE_OF };
        let Ok(stream) = dial(&target).await else { continue };
        let mut connection = Connection::new(stream, target);
        let mut ids = Ids::after(last_id, Duration::ZERO);
        let resume = Resume { name: &login.name, token: &login.session, after, or_new: false };
        let log = login.log.as_deref();
        match log_in(&mut connection, &credentials, Some(resume), log, &mut ids).await {
            Ok((login, true)) => {
                end.found = Some(Box::new(Found { connection, login, address, after }));
                return end;
            }
            // It was answered, so it will not be ordered later.
            Ok((_, false)) | Err(LoginFailure { error: Error::LoginRefused { .. }, .. }) => {}
            Err(_) => end.gave_up = true,
        }
        connection.writer.close().await;
    }
    end
}
