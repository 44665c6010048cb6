//! Owns the chat of one tab: forwards lines between its WebSocket and a verified TLS connection, in both directions. Called
//! by `host` when the browser's connection has become a WebSocket. Never parses a line; `nodes` reads the answer to the
//! login, to know the other servers of the chat, and notices: if the server can order nothing, `elsewhere` looks for another one.

use crate::web::elsewhere;
use crate::web::nodes::Listener;
use crate::web::target::Target;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use std::io;
use std::time::Duration;
use tcp_chat_websocket::WebSocket;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

/// The size of one read from the browser, in bytes.
const BROWSER_READ_BYTES: usize = 16 * 1024;
/// The size of one read from the server, in bytes: one message of the WebSocket.
const SERVER_READ_BYTES: usize = tcp_chat_websocket::MESSAGE_BYTES;
/// The longest time for closing a stream.
const CLOSE: Duration = Duration::from_secs(1);

type Browser = WebSocket<TokioIo<Upgraded>>;

/// Connects to the server, and forwards lines until one side ends or the program stops.
pub(crate) async fn run(upgraded: Upgraded, target: &Target, stop: &CancellationToken) {
    let mut browser = opened(upgraded);
    let connected = tokio::select! {
        connected = target.connect() => connected,
        () = stop.cancelled() => Err(()),
    };
    let Ok((mut server, node)) = connected else { return close(&mut browser).await };
    let listener = Listener::new(&target.nodes, &node);
    let stalled = listener.stalled();
    let ended = tokio::select! {
        ended = forward(&mut browser, &mut server, listener) => ended,
        // The page comes back at once, and resumes its session there.
        () = elsewhere::find(&target.nodes, &node, stalled) => Ok(Ended::There),
        () = stop.cancelled() => Ok(Ended::Here),
    };
    if !matches!(ended, Ok(Ended::Here)) {
        target.nodes.left(&node);
    }
    if let Err(e) = ended {
        target.record_break(&node, &e);
    }
    tokio::join!(close(&mut browser), close(&mut server));
}

/// Holds the WebSocket of an open tab until the tab closes or the program stops. Bytes on it end it: it carries none.
pub(crate) async fn hold(upgraded: Upgraded, stop: &CancellationToken) {
    let (mut browser, mut none) = (opened(upgraded), [0]);
    tokio::select! {
        _ = browser.read(&mut none) => {}
        () = stop.cancelled() => {}
    }
    close(&mut browser).await;
}

/// Closes a WebSocket for which there is no server. `/host.json` has the reason.
pub(crate) async fn refuse(upgraded: Upgraded) {
    close(&mut opened(upgraded)).await;
}

fn opened(upgraded: Upgraded) -> Browser {
    WebSocket::new(TokioIo::new(upgraded), Vec::new())
}

/// The side that ended a chat.
enum Ended {
    /// The browser or this program.
    Here,
    /// The server.
    There,
}

/// Forwards lines until one side ends.
///
/// # Errors
/// The connection to the server failed.
async fn forward(
    browser: &mut Browser,
    server: &mut (impl AsyncRead + AsyncWrite + Unpin),
    mut listener: Listener<'_>,
) -> io::Result<Ended> {
    let (mut from_browser, mut to_browser) = tokio::io::split(browser);
    let (mut from_server, mut to_server) = tokio::io::split(server);
    let up = async {
        // A password may be in it.
        let mut lines = Zeroizing::new(vec![0; BROWSER_READ_BYTES]);
        while let Ok(n @ 1..) = from_browser.read(&mut lines).await {
            to_server.write_all(&lines[..n]).await?;
            to_server.flush().await?;
        }
        Ok(Ended::Here)
    };
    let down = async {
        let mut lines = vec![0; SERVER_READ_BYTES];
        loop {
            let n = from_server.read(&mut lines).await?;
            if n == 0 {
                return Ok(Ended::There);
            }
            listener.hears(&lines[..n]);
            if to_browser.write_all(&lines[..n]).await.is_err() || to_browser.flush().await.is_err() {
                return Ok(Ended::Here);
            }
        }
    };
    tokio::select! {
        ended = up => ended,
        ended = down => ended,
    }
}

/// Closes a stream in order. It fails if the other side has closed it already.
async fn close(stream: &mut (impl AsyncWrite + Unpin)) {
    let _ = tokio::time::timeout(CLOSE, stream.shutdown()).await;
}
