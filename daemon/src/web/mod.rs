//! Owns the page: HTTPS for its files, and the WebSocket that carries the lines of the protocol. Called by `net` for each
//! connection to `web.address`; `daemon` creates it and passes new settings to it. Never delivers a message itself: a
//! WebSocket is a [`net::Link`] like any other, under the same permits, limits and deadlines.

mod response;
mod site;

use crate::metrics::{Metrics, Via};
use crate::net::{self, Gate, Speaks};
use crate::settings::{ClientAuth, Settings};
use crate::tls::{Summary, TlsState};
use arc_swap::ArcSwap;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use response::PageResponse;
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

/// The longest time in which one connection serves files: more than a page needs to load.
const HTTP: Duration = Duration::from_secs(60);
/// The longest head of a request, in bytes; also the size of one read.
const HEAD_BYTES: usize = 16 * 1024;

/// The protocol of `web.address`. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Web(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    tls: TlsState,
    config: ArcSwap<ServerConfig>,
    site: ArcSwap<Site>,
    /// The port on which it listens.
    port: u16,
    metrics: Arc<Metrics>,
    /// Ends the connections that are not a WebSocket.
    stop: CancellationToken,
}

/// Checks that browsers can reach the page under at least one name, if the certificate in `file` is valid for the
/// names in `certified`.
///
/// # Errors
/// There is no such name. The sentence begins with the setting.
pub fn check(settings: &Settings, file: &Path, certified: &BTreeSet<String>) -> Result<(), String> {
    site::of(settings, file, certified, 443).map(drop)
}

/// The address of the page to open in a browser, if it listens on this port.
///
/// # Errors
/// As [`check`].
pub fn origin(
    settings: &Settings,
    file: &Path,
    certified: &BTreeSet<String>,
    port: u16,
) -> Result<String, String> {
    site::of(settings, file, certified, port).map(|site| site.origin().unwrap_or_default())
}

/// The reason why no browser can log in with these settings, and the remedy. The sentence begins with the setting.
#[must_use]
pub fn login_fault(settings: &Settings) -> Option<String> {
    (settings.tls.client_auth == ClientAuth::Required).then(|| {
        "tls.client_auth: with \"required\" no browser can log in, because the page asks for no certificate; write \
         client_auth = \"optional\" and auth.mode = \"accounts\", or remove [web]: `tcp-chat-cli web` shows the page, \
         too"
            .to_owned()
    })
}

fn site_of(settings: &Settings, tls: &TlsState, port: u16) -> Result<Site, String> {
    let Summary { certificate, facts, .. } = tls.summary();
    site::of(settings, &certificate, &facts.names, port)
}

impl Web {
    /// The page on a socket with this port, with these settings and the certificate of `tls`.
    ///
    /// # Errors
    /// Browsers can reach it under no name. The sentence begins with the setting.
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

    /// The address to open in a browser.
    #[must_use]
    pub fn origin(&self) -> String {
        self.0.site.load().origin().unwrap_or_default()
    }

    /// Applies the names of `settings` and the current certificate to new connections.
    ///
    /// # Errors
    /// Browsers can reach it under no name. The names stay unchanged.
    pub fn refresh(&self, settings: &Settings) -> Result<(), String> {
        self.0.config.store(self.0.tls.server_config());
        let site = site_of(settings, &self.0.tls, self.0.port)?;
        self.0.site.store(Arc::new(site));
        Ok(())
    }

    /// Answers requests until one of them becomes a WebSocket. `None`: the connection has ended.
    async fn converse(
        self,
        gate: Gate,
        stream: Box<TlsStream>,
        peer: SocketAddr,
    ) -> Option<WebSocket<Box<TlsStream>>> {
        let (login, stall) = gate.login_and_stall();
        let is_websocket = AtomicBool::new(false);
        let respond = |request: Request<Incoming>| {
            let PageResponse { response, becomes_websocket } =
                response::respond(&self.0.site.load(), &request);
            if becomes_websocket {
                is_websocket.store(true, Ordering::Relaxed);
            } else {
                self.0.metrics.http.answered(response.status().as_u16());
            }
            ready(Ok::<_, Infallible>(response))
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
            // A request in progress still gets its response, if the peer reads it.
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
        net::shut_down(stream).await;
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
        response::FULL.as_bytes().to_vec()
    }

    /// Each stage is boxed, so the task of a WebSocket does not keep the memory that HTTP needed.
    fn serve(
        self,
        gate: Gate,
        stream: Box<TlsStream>,
        peer: SocketAddr,
    ) -> impl Future<Output = ()> + Send + 'static {
        let conversation = Box::pin(self.converse(gate.clone(), stream, peer));
        async move {
            let Some(socket) = conversation.await else { return };
            net::serve(gate, socket, peer).await;
        }
    }
}
