//! Owns the search for another server while the one of a chat can order nothing. The relay has no session of its own, so it asks
//! with a LOGIN whose token nobody has: a server that orders it answers that there is no such session. Called by `relay`.
//! Never gives up a connection: the relay does, once another server is found.

use crate::web::nodes::{Node, Nodes};
use std::time::Duration;
use tcp_chat_client::protocol::reply::{Incoming, read};
use tcp_chat_client::protocol::{ErrorKind, Line, LineDecoder};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::watch;
use tokio::time::timeout;

/// How long a server may take to order the LOGIN.
const ANSWER: Duration = Duration::from_secs(4);
/// The longest answer, in bytes.
const ANSWER_BYTES: usize = 64 * 1024;
/// The time from the end of the first search to the next one; it doubles with each,
const PAUSE: Duration = Duration::from_secs(10);
/// so many times.
const DOUBLED: u32 = 3;
/// The id of the LOGIN.
const ID: &str = "does-it-order";

/// Ends when the server of the chat has said that it can order nothing, and another one orders. The next connection goes to that
/// one first.
pub(crate) async fn find(nodes: &Nodes, node: &Node, mut stalled: watch::Receiver<bool>) {
    loop {
        if stalled.wait_for(|is_stalled| *is_stalled).await.is_err() {
            // Nothing says so any more.
            return std::future::pending().await;
        }
        let searches = async {
            for searches in 0.. {
                for address in nodes.others(node) {
                    let Ok(stream) = nodes.at(&address).connect().await else { continue };
                    if timeout(ANSWER, orders(stream)).await == Ok(true) {
                        return nodes.prefer(&address);
                    }
                }
                tokio::time::sleep(PAUSE * (1 << u32::min(searches, DOUBLED))).await;
            }
        };
        let mut ends = stalled.clone();
        let is_over = async { ends.wait_for(|is_stalled| !*is_stalled).await.is_ok() };
        tokio::select! {
            () = searches => return,
            true = is_over => {}
        }
    }
}

/// Does this server order a LOGIN? It begins no session.
async fn orders(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> bool {
    // As long as a token, and drawn for this question: nobody can have a session for it.
    let Some(token) = crate::web::access::Secret::new() else { return false };
    let data = serde_json::json!({"name": "relay", "session": token.as_str()});
    let login = format!("{}\n", serde_json::json!({"op": "LOGIN", "id": ID, "data": data}));
    if stream.write_all(login.as_bytes()).await.is_err() || stream.flush().await.is_err() {
        return false;
    }
    let mut decoder = LineDecoder::new(ANSWER_BYTES);
    let mut bytes = vec![0; 4096];
    loop {
        let Ok(n @ 1..) = stream.read(&mut bytes).await else { return false };
        let mut lines = decoder.feed(&bytes[..n]);
        while let Some(line) = lines.next() {
            let Line::Bytes(line) = line else { continue };
            match read(line) {
                Ok(Incoming::Error(Some(_), e)) => return is_ordered(e.kind),
                // Without an id it is about the connection: it is full, or too slow.
                Ok(Incoming::Error(None, _)) | Err(_) => return false,
                Ok(Incoming::Reply { .. }) => return true,
                Ok(_) => {}
            }
        }
    }
}

/// Does this refusal of a LOGIN come from its place in the order? Others are decided before it.
fn is_ordered(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::SessionExpired | ErrorKind::AuthFailed)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn answered(answer: &str) -> bool {
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        let (mut reads, mut writes) = tokio::io::split(theirs);
        let answers = async {
            let mut request = vec![0; 4096];
            let n = reads.read(&mut request).await.unwrap();
            let login: serde_json::Value = serde_json::from_slice(&request[..n]).unwrap();
            assert_eq!((&login["op"], &login["id"]), (&serde_json::json!("LOGIN"), &serde_json::json!(ID)));
            writes.write_all(answer.as_bytes()).await.unwrap();
            writes.shutdown().await.unwrap();
        };
        tokio::join!(orders(ours), answers).0
    }

    #[tokio::test]
    async fn a_server_that_orders_a_login_knows_no_session_for_it() {
        let error = |kind: &str| {
            let data = serde_json::json!({"kind": kind, "msg": "because"});
            format!("{}\n", serde_json::json!({"op": "ERROR_MSG", "status": "ERR", "id": ID, "data": data}))
        };
        assert!(answered(&error("SESSION_EXPIRED")).await);
        assert!(answered(&error("AUTH_FAILED")).await, "it orders, and wants a certificate");
        assert!(!answered(&error("UNAVAILABLE")).await);
        assert!(!answered(&error("SERVER_FULL")).await);
        assert!(!answered(&error("DATA")).await, "it was not read");
        assert!(!answered("").await);
    }
}
