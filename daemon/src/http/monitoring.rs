//! Owns `/metrics`, `/healthz` and `/readyz`. Called by [`super::serve`]. Asks the hub, the store and the
//! certificates at each request, and never changes anything.

use super::response::{HttpResponse, method_not_allowed, not_found, plain, response};
use crate::hub::{Health, Inbox};
use crate::metrics::{Metrics, Now};
use crate::store::Readers;
use crate::tls::TlsState;
use hyper::header::HOST;
use hyper::http::uri::Authority;
use hyper::{Method, Request, StatusCode};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::error;

/// How long the hub and the store may take to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// The sources of metrics and health.
#[derive(Debug, Clone)]
pub struct Monitoring {
    /// The counters.
    pub metrics: Arc<Metrics>,
    /// The hub.
    pub inbox: Inbox,
    /// The store.
    pub readers: Readers,
    /// The certificates.
    pub tls: TlsState,
    /// Cancelled when the daemon begins to stop.
    pub stopping: CancellationToken,
}

impl Monitoring {
    pub(super) async fn response<B>(&self, request: &Request<B>) -> HttpResponse {
        let (method, path) = (request.method(), request.uri().path());
        if !matches!(path, "/metrics" | "/healthz" | "/readyz") {
            return not_found("there is /metrics, /healthz and /readyz here");
        }
        if method != Method::GET && method != Method::HEAD {
            return method_not_allowed("GET, HEAD");
        }
        // DNS rebinding: a page in a browser on this host can point its own name at this address and read the
        // response. `/healthz` reveals nothing, and load balancers request it under any name.
        if path != "/healthz" && !names_loopback(request) {
            return plain(
                StatusCode::MISDIRECTED_REQUEST,
                "request this by an IP address or as localhost; a proxy must send `Host: localhost`\n",
            );
        }
        match path {
            "/metrics" => self.metrics().await,
            "/healthz" => match self.inbox.health(ANSWER_TIMEOUT).await {
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
        match self.inbox.health(ANSWER_TIMEOUT).await {
            None => Some("the hub does not answer".to_owned()),
            Some(Health { store_failing: Some(why), .. }) => {
                Some(format!("the store cannot be written: {why}"))
            }
            Some(Health { order, .. }) => order?.why_not_ready().map(str::to_owned),
        }
    }

    async fn metrics(&self) -> HttpResponse {
        let (hub, store) = tokio::join!(
            self.inbox.measure(ANSWER_TIMEOUT),
            timeout(ANSWER_TIMEOUT, self.readers.read_stats())
        );
        let store = store.ok().and_then(Result::ok);
        let history = store.map(|s| (s.history.taken, s.history.most.unwrap_or(0)));
        let store = store.map(|s| (s.bytes, s.index_bytes, s.messages));
        let works = hub
            .as_ref()
            .is_some_and(|hub| !hub.store_failing && hub.cluster.is_none_or(|cluster| cluster.is_ready));
        let now = Now {
            ready: works && !self.stopping.is_cancelled(),
            hub,
            store,
            history,
            certificate: Some(self.tls.summary().facts.not_after),
        };
        match self.metrics.text(&now) {
            Ok(text) => response(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", text),
            Err(why) => {
                error!(event = "metrics_failed", error = why.to_string(), "the metrics could not be written");
                plain(StatusCode::INTERNAL_SERVER_ERROR, "the metrics could not be written\n")
            }
        }
    }
}

/// Whether the request names the daemon by an IP address or as `localhost`: DNS rebinding cannot use those. A
/// request that names no host does not come from a browser.
fn names_loopback<B>(request: &Request<B>) -> bool {
    let named = request.headers().get_all(HOST).iter();
    let named = named.map(|host| host.to_str().ok().and_then(|host| host.parse::<Authority>().ok()));
    named.chain(request.uri().authority().cloned().map(Some)).all(|host| {
        host.is_some_and(|host| {
            let host = host.host();
            let v6 = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
            v6.is_some_and(|host| host.parse::<Ipv6Addr>().is_ok())
                || host.parse::<Ipv4Addr>().is_ok()
                || host.trim_end_matches('.').eq_ignore_ascii_case("localhost")
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_cannot_be_rebound() {
        for (host, local) in [
            ("localhost", true),
            ("LOCALHOST.:9464", true),
            ("127.0.0.1:9464", true),
            ("[::1]:9464", true),
            ("10.0.0.7", true),
            ("evil.example", false),
            ("localhost.evil.example:9464", false),
            ("evil.example@localhost", true),
            ("127.0.0.1.evil.example", false),
            ("::1", false),
            ("", false),
            ("2130706433", false),
        ] {
            let request = Request::builder().uri("/metrics").header(HOST, host).body(()).unwrap();
            assert_eq!(names_loopback(&request), local, "{host}");
        }
        let absolute = Request::builder().uri("http://evil.example/metrics").header(HOST, "localhost");
        assert!(!names_loopback(&absolute.body(()).unwrap()));
        assert!(names_loopback(&Request::builder().uri("/metrics").body(()).unwrap()));
    }
}
