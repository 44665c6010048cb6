//! Owns the beginning of HTTP on loopback: its sockets bound before READY, then its tasks. Called at the
//! start. Never serves anything itself: `http` does.

use super::Fatal;
use crate::http::{self, Observed, Posts, Service};
use crate::net::{self, Gate};
use crate::settings::{Http, Settings};
use std::net::{SocketAddr, TcpListener};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::info;

/// The sockets for HTTP, if any are wanted.
#[derive(Debug)]
pub(super) struct Loopback {
    metrics: Option<TcpListener>,
    posts: Option<TcpListener>,
}

impl Loopback {
    pub(super) fn bind(settings: &Settings) -> Result<Self, Fatal> {
        let bind = |key, address: Option<SocketAddr>| match address {
            None => Ok(None),
            Some(address) => {
                net::listen(address).map(Some).map_err(|why| Fatal::Listen { key, address, why })
            }
        };
        Ok(Self {
            metrics: bind("metrics.address", settings.metrics.address)?,
            posts: bind("http.address", settings.http.address)?,
        })
    }

    /// Begins both. Gives the way in for machines, if there is one.
    pub(super) fn serve(
        self,
        settings: &Http,
        gate: &Gate,
        observed: Observed,
        stop: &CancellationToken,
        tasks: &mut JoinSet<()>,
    ) -> Result<Option<Posts>, Fatal> {
        let metrics = observed.metrics.clone();
        let posts = self.posts.and_then(|listener| {
            let posts = Posts::start(settings, gate.clone(), metrics.clone(), stop.clone())?;
            Some((listener, posts))
        });
        let posting = posts.as_ref().map(|(_, posts)| posts.clone());
        let posts = posts.map(|(listener, posts)| (listener, Service::Post(posts)));
        let seen = self.metrics.map(|listener| (listener, Service::Observe(observed)));
        for (listener, service) in [seen, posts].into_iter().flatten() {
            let listener = tokio::net::TcpListener::from_std(listener).map_err(Fatal::Runtime)?;
            let address = listener.local_addr().map_err(Fatal::Runtime)?;
            match &service {
                Service::Observe(_) => {
                    info!(event = "metrics_listening", address = %address, "listening for HTTP");
                }
                Service::Post(_) => info!(event = "http_listening", address = %address, "listening for HTTP"),
            }
            tasks.spawn(http::serve(listener, service, metrics.clone(), stop.clone()));
        }
        Ok(posting)
    }
}
