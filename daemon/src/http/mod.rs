//! Owns HTTP, on loopback alone: what may be seen of the daemon (`metrics.address`), and the way in for
//! machines (`http.address`). Called by the daemon, which binds the sockets and says when to stop; works
//! while it drains, and says so. Bounded: connections, bodies, and how long anything may take.

mod answer;
mod answered;
mod held;
mod observe;
mod payload;
mod post;
mod poster;
mod said;

pub use observe::Observed;
pub use post::Posts;

use crate::metrics::Metrics;
use crate::net::{Accept, accept_loop};
use crate::places::{Place, Places};
use answer::Answer;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::warn;

/// Connections at once, to each of the two. One more, and one that waits for its peer gives way.
const CONNECTIONS: usize = 32;
/// How long a request's head may take, and a connection may be silent.
const HEAD: Duration = Duration::from_secs(30);
/// How long a whole request may take. What it asks has limits of its own.
const REQUEST: Duration = Duration::from_secs(30);
/// What is answered still after it was told to stop.
const LAST: Duration = Duration::from_secs(1);

/// What a listener serves.
#[derive(Debug, Clone)]
pub enum Service {
    /// Metrics and health.
    Observe(Observed),
    /// Messages by machines.
    Post(Posts),
}

/// Serves until it is told to stop; then what is being answered is still answered.
pub async fn serve(listener: TcpListener, service: Service, metrics: Arc<Metrics>, stop: CancellationToken) {
    let (places, tasks) = (Places::new(CONNECTIONS), TaskTracker::new());
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
    /// Ends its connections.
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
        self.tasks.spawn(converse(stream, place, service, metrics, stop));
    }

    fn tell_failing(&self, why: &io::Error) {
        warn!(
            event = "http_accept_failed",
            error = why.to_string(),
            "HTTP connections are not accepted: pausing"
        );
    }
}

async fn converse(
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
            // It gives way at once; what it asked is not done.
            let Some(_work) = place.work() else { return std::future::pending().await };
            let answer = respond(service, request).await;
            metrics.http.answered(answer.status().as_u16());
            Ok::<_, Infallible>(answer)
        }
    };
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(64 * 1024)
        .serve_connection(TokioIo::new(stream), service_fn(respond));
    tokio::pin!(connection);
    // How a peer leaves is no matter.
    tokio::select! {
        _ = &mut connection => return,
        () = place.gives_way() => return,
        () = stop.cancelled() => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = timeout(LAST, connection).await;
}

async fn respond(service: Service, request: Request<Incoming>) -> Answer {
    let answered = async {
        match service {
            Service::Observe(observed) => observed.answer(&request).await,
            Service::Post(posts) => posts.answer(request).await,
        }
    };
    timeout(REQUEST, answered).await.unwrap_or_else(|_| {
        answer::plain(hyper::StatusCode::SERVICE_UNAVAILABLE, "it took too long; try again\n")
    })
}
