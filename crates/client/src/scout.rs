//! Owns the search for another node while the current one can order nothing. A node that is cut off from the others
//! cannot tell whether they go on, so the session asks them: it logs in at another node before it gives up the current
//! connection, which still answers queries. Called by `connected` and `task`. Never begins a new session.

use crate::builder::CONNECT_ONE_OF;
use crate::dial::{ServerTarget, dial};
use crate::login::{Credentials, Resume, log_in};
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
/// The time from the end of a search to the next one.
const PAUSE: Duration = Duration::from_secs(10);

/// A node at which the session goes on.
pub(crate) struct Found {
    pub(crate) connection: Connection,
    pub(crate) login: LoginReply,
    pub(crate) address: ServerAddress,
    /// The seq after which the session was resumed.
    pub(crate) after: Seq,
}

type Search = Pin<Box<dyn Future<Output = Option<Box<Found>>> + Send>>;

/// The search of one connection.
#[derive(Default)]
pub(crate) struct Scout {
    /// Refusals as `UNAVAILABLE` in a row.
    refusals: u32,
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

    /// A request was ordered.
    pub(crate) fn ordered(&mut self) {
        *self = Self::default();
    }

    pub(crate) fn is_searching(&self) -> bool {
        self.search.is_some()
    }

    /// Whether a search is to begin.
    pub(crate) fn is_wanted(&self, now: Instant) -> bool {
        self.refusals >= REFUSALS && self.search.is_none() && self.not_before.is_none_or(|at| at <= now)
    }

    pub(crate) fn begin(&mut self, errand: Errand) {
        self.search = Some(Box::pin(search(errand)));
    }

    /// The result of the search. Cancellation safe.
    pub(crate) async fn result(&mut self) -> Option<Box<Found>> {
        let found = match &mut self.search {
            Some(search) => search.await,
            None => std::future::pending().await,
        };
        *self = Self { not_before: Some(Instant::now() + PAUSE), ..Self::default() };
        found
    }
}

/// Asks each of the nodes once.
async fn search(errand: Errand) -> Option<Box<Found>> {
    let Errand { addresses, tls, credentials, login, after, last_id } = errand;
    for address in addresses {
        let ServerAddress { host, port } = address.clone();
        let target = ServerTarget { host, port, tls: Arc::clone(&tls), timeout: CONNECT_ONE_OF };
        let Ok(stream) = dial(&target).await else { continue };
        let mut connection = Connection::new(stream, target);
        let mut ids = Ids::after(last_id, Duration::ZERO);
        let resume = Resume { name: &login.name, token: &login.session, after, or_new: false };
        let log = login.log.as_deref();
        let resumed = log_in(&mut connection, &credentials, Some(resume), log, &mut ids).await;
        if let Ok((login, true)) = resumed {
            return Some(Box::new(Found { connection, login, address, after }));
        }
        connection.writer.close().await;
    }
    None
}
