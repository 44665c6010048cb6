//! Owns HTTP, on loopback only: metrics and health (`metrics.address`), and the webhook (`http.address`). The
//! daemon binds the sockets and decides when to stop; health is served while the daemon drains, and says so.
//! Bounded: connections, bodies, and the time of each step.

mod dedup;
mod hub_connection;
mod message;
mod monitoring;
mod outcome;
mod payload;
mod response;
mod session;
mod sessions;
mod webhook;

pub use monitoring::Monitoring;
pub use webhook::Webhook;

use crate::metrics::Metrics;
use crate::net::{Accept, accept_loop};
use crate::places::{Place, Places};
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use response::HttpResponse;
use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::warn;

/// Connections to each of the two sockets. Beyond this number, a connection that waits for its peer is closed for
/// the new one.
const MAX_CONNECTIONS: usize = 32;
/// How long the head of a request may take, and how long a connection may be idle.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a whole request may take. Its parts have limits of their own.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// How long running requests may take after `stop` is cancelled.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(1);

/// The service of a listener.
#[derive(Debug, Clone)]
pub enum Service {
    /// Metrics and health.
    Observe(Monitoring),
    /// Messages of machines.
    Post(Webhook),
}

/// Serves until `stop` is cancelled; then finishes the running requests.
pub async fn serve(listener: TcpListener, service: Service, metrics: Arc<Metrics>, stop: CancellationToken) {
    let (places, tasks) = (Places::new(MAX_CONNECTIONS), TaskTracker::new());
    let listener = HttpListener { listener, service, metrics, places, tasks, stop: stop.clone() };
    accept_loop(&listener, &stop).await;
    listener.tasks.close();
    listener.tasks.wait().await;
}

/// A listener of `metrics.address` or `http.address`.
struct HttpListener {
    listener: TcpListener,
    service: Service,
    metrics: Arc<Metrics>,
    places: Places,
    tasks: TaskTracker,
    /// Cancelled to end the connections.
    stop: CancellationToken,
}

impl Accept for HttpListener {
    type Stream = TcpStream;
    const NAME: &'static str = "http";

    async fn accept(&self) -> io::Result<TcpStream> {
        self.listener.accept().await.map(|(stream, _)| stream)
    }

    async fn admit(&self, stream: TcpStream) {
        let place = self.places.take().await;
        let (service, metrics, stop) = (self.service.clone(), self.metrics.clone(), self.stop.clone());
        self.tasks.spawn(serve_connection(stream, place, service, metrics, stop));
    }

    fn log_failure(&self, why: &io::Error) {
        warn!(event = "http_accept_failed", error = why.to_string(), "HTTP accept failed: pausing");
    }
}

async fn serve_connection(
    stream: TcpStream,
    place: Place,
    service: Service,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
) {
    let place = &place;
    let respond = |request: Request<Incoming>| {
        let (service, metrics) = (service.clone(), metrics.clone());
        async move {
            // The connection is giving way to another one, so the request is not started.
            let Some(_work) = place.work() else { return std::future::pending().await };
            let response = respond(service, request).await;
            metrics.http.answered(response.status().as_u16());
            Ok::<_, Infallible>(response)
        }
    };
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(64 * 1024)
        .serve_connection(TokioIo::new(stream), service_fn(respond));
    tokio::pin!(connection);
    // The reason of an ended connection does not matter.
    tokio::select! {
        _ = &mut connection => return,
        () = place.gives_way() => return,
        () = stop.cancelled() => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = timeout(DRAIN_TIMEOUT, connection).await;
}

async fn respond(service: Service, request: Request<Incoming>) -> HttpResponse {
    let dedup = async {
        match service {
            Service::Observe(monitoring) => monitoring.response(&request).await,
            Service::Post(webhook) => webhook.response(request).await,
        }
    };
    timeout(REQUEST_TIMEOUT, dedup).await.unwrap_or_else(|_| {
        response::plain(hyper::StatusCode::SERVICE_UNAVAILABLE, "the request took too long; try again\n")
    })
}
