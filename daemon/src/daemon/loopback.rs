//! Owns the start of HTTP on loopback: binds its sockets before READY, then starts its tasks. Called at the
//! start. Never serves a request itself: `http` does.

use super::Fatal;
use crate::http::{self, Monitoring, Service, Webhook};
use crate::net::{self, Gate};
use crate::settings::{Http, Settings};
use std::net::{SocketAddr, TcpListener};
use tcp_chat_state::NodeId;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::info;

/// The sockets for HTTP, if they are configured.
#[derive(Debug)]
pub(super) struct Loopback {
    metrics: Option<TcpListener>,
    webhook: Option<TcpListener>,
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
            webhook: bind("http.address", settings.http.address)?,
        })
    }

    /// Starts both services of this node. Returns the webhook, if it is configured.
    pub(super) fn serve(
        self,
        settings: &Http,
        node: NodeId,
        gate: &Gate,
        monitoring: Monitoring,
        stop: &CancellationToken,
        tasks: &mut JoinSet<()>,
    ) -> Result<Option<Webhook>, Fatal> {
        let metrics = monitoring.metrics.clone();
        let webhook = self.webhook.and_then(|listener| {
            let webhook = Webhook::start(settings, gate.clone(), node, metrics.clone(), stop.clone())?;
            Some((listener, webhook))
        });
        let posts = webhook.as_ref().map(|(_, webhook)| webhook.clone());
        let webhook = webhook.map(|(listener, webhook)| (listener, Service::Post(webhook)));
        let monitored = self.metrics.map(|listener| (listener, Service::Observe(monitoring)));
        for (listener, service) in [monitored, webhook].into_iter().flatten() {
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
        Ok(posts)
    }
}
