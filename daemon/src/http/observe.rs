//! Owns what may be seen over HTTP: `/metrics`, `/healthz`, `/readyz`. Called by [`super::serve`]. Asks
//! the hub, the store and the certificates when it is asked, and never changes anything.

use super::answer::{Answer, answer, method_not_allowed, not_found, plain};
use crate::hub::Inbox;
use crate::metrics::{Metrics, Now};
use crate::store::Readers;
use crate::tls::TlsState;
use hyper::{Method, StatusCode};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::error;

/// How long the hub and the store may take to answer.
const LIMIT: Duration = Duration::from_secs(2);

/// What is looked at.
#[derive(Debug, Clone)]
pub struct Observed {
    /// The figures.
    pub metrics: Arc<Metrics>,
    /// The hub.
    pub inbox: Inbox,
    /// The store.
    pub readers: Readers,
    /// The certificates.
    pub tls: TlsState,
    /// Cancelled once the daemon is going.
    pub stopping: CancellationToken,
}

impl Observed {
    pub(super) async fn answer(&self, method: &Method, path: &str) -> Answer {
        if !matches!(path, "/metrics" | "/healthz" | "/readyz") {
            return not_found("there is /metrics, /healthz and /readyz here");
        }
        if method != Method::GET && method != Method::HEAD {
            return method_not_allowed("GET, HEAD");
        }
        match path {
            "/metrics" => self.metrics().await,
            "/healthz" => match self.inbox.health(LIMIT).await {
                Some(_) => plain(StatusCode::OK, "ok\n"),
                None => plain(StatusCode::SERVICE_UNAVAILABLE, "the hub does not answer\n"),
            },
            _ => match self.why_not_ready().await {
                None => plain(StatusCode::OK, "ready\n"),
                Some(why) => plain(StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
            },
        }
    }

    async fn why_not_ready(&self) -> Option<String> {
        if self.stopping.is_cancelled() {
            return Some("the daemon is stopping".to_owned());
        }
        match self.inbox.health(LIMIT).await {
            None => Some("the hub does not answer".to_owned()),
            Some(health) => health.store_failing.map(|why| format!("the store cannot be written: {why}")),
        }
    }

    async fn metrics(&self) -> Answer {
        let (hub, store) = tokio::join!(self.inbox.measure(LIMIT), timeout(LIMIT, self.readers.stats()));
        let store = store.ok().and_then(Result::ok);
        let history = store.map(|s| (s.history.taken, s.history.most.unwrap_or(0)));
        let store = store.map(|s| (s.bytes, s.index_bytes, s.messages));
        let works = hub.as_ref().is_some_and(|hub| !hub.store_failing);
        let now = Now {
            ready: works && !self.stopping.is_cancelled(),
            hub,
            store,
            history,
            certificate: Some(self.tls.summary().facts.not_after),
        };
        match self.metrics.text(&now) {
            Ok(text) => answer(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", text),
            Err(why) => {
                error!(event = "metrics_failed", error = why.to_string(), "the figures could not be written");
                plain(StatusCode::INTERNAL_SERVER_ERROR, "the figures could not be written\n")
            }
        }
    }
}
