//! Owns the page: HTTPS for its files, and the WebSocket that carries the lines of the protocol. Called by `net`, as what is
//! spoken on the sockets of `web.address`; the daemon makes it and hands it new settings. Never delivers anything
//! itself: a WebSocket is a [`net::Link`] like any other, under the same permits, limits and deadlines.

mod answers;
mod site;

use crate::metrics::{Metrics, Via};
use crate::net::{self, Gate, Speaks};
use crate::settings::Settings;
use crate::tls::{Summary, TlsState};
use answers::Answered;
use arc_swap::ArcSwap;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::future::{Future, poll_fn, ready};
use std::net::SocketAddr;
use std::path::Path;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tcp_chat_page::Site;
use tcp_chat_tls_stream::TlsStream;
use tcp_chat_websocket::WebSocket;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tracing::debug;

/// How long a browser may ask for files over one connection: more than a page needs to load.
const HTTP: Duration = Duration::from_secs(60);
/// The longest head of a request, in bytes, and what is read of it at once.
const HEAD_BYTES: usize = 16 * 1024;

/// What is spoken at `web.address`. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Web(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    tls: TlsState,
    config: ArcSwap<ServerConfig>,
    site: ArcSwap<Site>,
    /// Where it listens.
    port: u16,
    metrics: Arc<Metrics>,
    /// Ends the connections that are no WebSocket.
    stop: CancellationToken,
}

/// Is there a name under which browsers can reach the page, if the certificate in `file` is good for these?
///
/// # Errors
/// There is none; a sentence that begins with the setting.
pub fn check(settings: &Settings, file: &Path, certified: &BTreeSet<String>) -> Result<(), String> {
    site::of(settings, file, certified, 443).map(drop)
}

fn site_of(settings: &Settings, tls: &TlsState, port: u16) -> Result<Site, String> {
    let Summary { certificate, facts, .. } = tls.summary();
    site::of(settings, &certificate, &facts.names, port)
}

impl Web {
    /// The page on a socket with this port, by these settings, with the certificate of `tls`.
    ///
    /// # Errors
    /// Under no name can browsers reach it; a sentence that begins with the setting.
    pub fn new(
        settings: &Settings,
        tls: TlsState,
        port: u16,
        metrics: Arc<Metrics>,
        stop: CancellationToken,
    ) -> Result<Self, String> {
        let site = site_of(settings, &tls, port)?;
        let config = ArcSwap::new(tls.server_config());
        Ok(Self(Arc::new(Shared { tls, config, site: ArcSwap::from_pointee(site), port, metrics, stop })))
    }

    /// The address that a reader opens.
    #[must_use]
    pub fn origin(&self) -> String {
        self.0.site.load().origin().unwrap_or_default()
    }

    /// Takes over other names and whatever the certificate is now, for connections that come from now on.
    ///
    /// # Errors
    /// Under no name can browsers reach it. The names stay as they were.
    pub fn refresh(&self, settings: &Settings) -> Result<(), String> {
        self.0.config.store(self.0.tls.server_config());
        let site = site_of(settings, &self.0.tls, self.0.port)?;
        self.0.site.store(Arc::new(site));
        Ok(())
    }

    /// Answers requests until one of them becomes a WebSocket. `None`: the connection is over.
    async fn converse(
        self,
        gate: Gate,
        stream: Box<TlsStream>,
        peer: SocketAddr,
    ) -> Option<WebSocket<Box<TlsStream>>> {
        let (login, stall) = gate.login_and_stall();
        let is_websocket = AtomicBool::new(false);
        let respond = |request: Request<Incoming>| {
            let Answered { answer, becomes_websocket } = answers::answer(&self.0.site.load(), &request);
            if becomes_websocket {
                is_websocket.store(true, Ordering::Relaxed);
            } else {
                self.0.metrics.http.answered(answer.status().as_u16());
            }
            ready(Ok::<_, Infallible>(answer))
        };
        let mut connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(login)
            .max_buf_size(HEAD_BYTES)
            .serve_connection(TokioIo::new(stream), service_fn(respond));
        let mut limit = pin!(sleep(HTTP));
        let mut is_ending = false;
        let ended = loop {
            tokio::select! {
                biased;
                ended = poll_fn(|cx| connection.poll_without_shutdown(cx)) => break ended,
                () = self.0.stop.cancelled(), if !is_ending => {}
                () = &mut limit => if is_ending { return None },
            }
            // What is being answered is still answered, if the peer takes it.
            Pin::new(&mut connection).graceful_shutdown();
            is_ending = true;
            limit.as_mut().reset(Instant::now() + stall);
        };
        if let Err(why) = ended {
            debug!(event = "web_failed", peer = %peer, error = why.to_string(), "an HTTP connection of the page failed");
            return None;
        }
        let parts = connection.into_parts();
        let stream = parts.io.into_inner();
        if is_websocket.load(Ordering::Relaxed) {
            return Some(WebSocket::new(stream, parts.read_buf.to_vec()));
        }
        net::say_goodbye(stream).await;
        None
    }
}

impl Speaks for Web {
    const NAME: &'static str = "web";
    const VIA: Via = Via::Web;

    fn tls(&self, _: &Gate) -> Arc<ServerConfig> {
        self.0.config.load_full()
    }

    fn full(&self) -> Vec<u8> {
        answers::FULL.as_bytes().to_vec()
    }

    /// Each stage is boxed: the task of a WebSocket does not keep the room that HTTP needed.
    #[allow(clippy::manual_async_fn, reason = "the future of an async fn keeps room for its arguments twice")]
    fn serve(
        self,
        gate: Gate,
        stream: Box<TlsStream>,
        peer: SocketAddr,
    ) -> impl Future<Output = ()> + Send + 'static {
        async move {
            let conversation = Box::pin(self.converse(gate.clone(), stream, peer));
            let Some(socket) = conversation.await else { return };
            net::serve(gate, socket, peer).await;
        }
    }
}
