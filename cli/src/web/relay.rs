//! Owns one tab's chat: text messages of its WebSocket become lines of a verified TLS connection, and the other way
//! round. Called by `host` once the browser's connection is a WebSocket. A relay, no translator: it reads no line.

use crate::web::target::Target;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use std::io;
use std::time::Duration;
use tcp_chat_websocket::WebSocket;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

/// How much is read at once, in bytes. Of the server: as much as one message of the WebSocket may hold.
const READ_BYTES: (usize, usize) = (16 * 1024, tcp_chat_websocket::MESSAGE_BYTES);
/// How long the goodbyes may take.
const GOODBYE: Duration = Duration::from_secs(1);

type Browser = WebSocket<TokioIo<Upgraded>>;

/// Connects, and passes lines on until one side ends or the program stops.
pub(crate) async fn run(upgraded: Upgraded, target: &Target, stop: &CancellationToken) {
    let mut browser = opened(upgraded);
    let connected = tokio::select! {
        connected = target.connect() => connected,
        () = stop.cancelled() => Err(()),
    };
    let Ok(mut server) = connected else { return close(&mut browser).await };
    let ended = tokio::select! {
        ended = pass(&mut browser, &mut server) => ended,
        () = stop.cancelled() => Ok(()),
    };
    if let Err(e) = ended {
        target.broke(&e);
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

/// There is no server to connect to: `/host.json` says why.
pub(crate) async fn refuse(upgraded: Upgraded) {
    close(&mut opened(upgraded)).await;
}

fn opened(upgraded: Upgraded) -> Browser {
    WebSocket::new(TokioIo::new(upgraded), Vec::new())
}

/// Passes lines on until one side ends.
///
/// # Errors
/// The server's side failed.
async fn pass(browser: &mut Browser, server: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> io::Result<()> {
    let (mut from_browser, mut to_browser) = tokio::io::split(browser);
    let (mut from_server, mut to_server) = tokio::io::split(server);
    let up = async {
        // Passwords come this way.
        let mut lines = Zeroizing::new(vec![0; READ_BYTES.0]);
        while let Ok(n @ 1..) = from_browser.read(&mut lines).await {
            to_server.write_all(&lines[..n]).await?;
            to_server.flush().await?;
        }
        Ok(())
    };
    let down = async {
        let mut lines = vec![0; READ_BYTES.1];
        loop {
            let n = from_server.read(&mut lines).await?;
            let is_sent =
                n > 0 && to_browser.write_all(&lines[..n]).await.is_ok() && to_browser.flush().await.is_ok();
            if !is_sent {
                return Ok(());
            }
        }
    };
    tokio::select! {
        ended = up => ended,
        ended = down => ended,
    }
}

/// Says goodbye. The other side may be gone already: then there is nobody to say it to.
async fn close(stream: &mut (impl AsyncWrite + Unpin)) {
    let _ = tokio::time::timeout(GOODBYE, stream.shutdown()).await;
}
