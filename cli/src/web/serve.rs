//! Owns the listener on loopback: accepts connections of our user, and serves HTTP/1.1 on each. Called by `mod`; `host`
//! answers the requests. Never ends by itself.

use crate::web::host::Host;
use crate::web::peer;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// The largest number of connections without a WebSocket. Beyond it, further ones wait to be accepted.
const CONNECTIONS: usize = 64;
/// The longest time for the head of a request, which includes the wait for it.
const HEAD: Duration = Duration::from_secs(30);
/// The pause after a failed accept, for example when there are no file descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// Listens at a port of loopback. 0 means any port, and `usual` is tried first then.
///
/// # Errors
/// The error of the system; as a rule the port is in use.
pub(crate) async fn listen(asked: u16, usual: u16) -> io::Result<(TcpListener, u16)> {
    let bind = async |port: u16| {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let port = listener.local_addr()?.port();
        Ok::<_, io::Error>((listener, port))
    };
    if asked == 0
        && usual != 0
        && let Ok(bound) = bind(usual).await
    {
        return Ok(bound);
    }
    bind(asked).await
}

/// Serves without end. Connections end with this future; WebSockets continue in their own tasks.
pub(crate) async fn serve(listener: TcpListener, host: Arc<Host>) -> Infallible {
    let permits = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let permit = Arc::clone(&permits).acquire_owned().await;
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(_) => {
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let host = Arc::clone(&host);
        connections.spawn(async move {
            let _permit = permit;
            // A browser may break its connection at any time.
            let _ = connection(stream, peer, host).await;
        });
    }
}

async fn connection(stream: TcpStream, peer: SocketAddr, host: Arc<Host>) -> io::Result<()> {
    let local = stream.local_addr()?;
    let asked = tokio::task::spawn_blocking(move || peer::is_ours(peer, local)).await?;
    let refused = match asked {
        Ok(true) => None,
        Ok(false) => Some("* a connection of another user of this machine was refused"),
        Err(_) => Some(
            "* connections are refused: /proc/net/tcp cannot be read, so the users who make them are unknown",
        ),
    };
    if let Some(why) = refused {
        host.say_once(why);
        return Ok(());
    }
    // The table has the user of the socket that has this port now. It is the peer's only while the connection is open.
    if stream.take_error()?.is_some() {
        return Ok(());
    }
    stream.peer_addr()?;
    stream.set_nodelay(true)?;
    let service = service_fn(move |request| {
        let host = Arc::clone(&host);
        async move { Ok::<_, Infallible>(host.answer(request).await) }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD).max_buf_size(16 * 1024);
    http.serve_connection(TokioIo::new(stream), service).with_upgrades().await.map_err(io::Error::other)
}
