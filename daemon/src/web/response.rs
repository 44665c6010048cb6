//! Owns the responses to requests for the page. `tcp_chat_page` decides by Host, Origin, path and method; this module
//! adds the responses that only the daemon gives. Called by [`super::Web`]. Pure: never reads a body, never writes.

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::HOST;
use hyper::{Request, Response, StatusCode};
use serde_json::json;
use tcp_chat_page::{Decision, Host, Site, answer, decide};
use tcp_chat_websocket::handshake;

/// The response when the server has no room for one more connection.
pub(super) const FULL: &str = "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\n\
                               Cache-Control: no-store\r\nRetry-After: 10\r\nContent-Length: 50\r\n\
                               Connection: close\r\n\r\nthe server has no room for one more; try it later\n";

/// A response of the page.
pub(super) struct PageResponse {
    pub(super) response: Response<Full<Bytes>>,
    /// After this response the connection is a WebSocket.
    pub(super) becomes_websocket: bool,
}

/// Chooses the response by the head of a request.
pub(super) fn respond<B>(site: &Site, request: &Request<B>) -> PageResponse {
    let response = match decide(Host::Daemon, site, request) {
        Decision::Answer(answer) => answer.map(|bytes| Full::new(Bytes::from_static(bytes))),
        Decision::WebSocket => match handshake::answer(request) {
            Ok(head) => {
                return PageResponse { response: head.map(|()| Full::default()), becomes_websocket: true };
            }
            Err(refused) => {
                let mut response = text(refused.status, format!("{}\n", refused.reason));
                if let Some((name, value)) = refused.header {
                    response.headers_mut().insert(name, value);
                }
                response
            }
        },
        Decision::Describe => {
            let server = request.headers().get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
            let host = json!({"kind": "daemon", "server": server, "verified": "browser"});
            answer(StatusCode::OK, "application/json", Full::from(format!("{host}\n")))
        }
        // Only the relay has these.
        Decision::Ticket | Decision::Server => {
            text(StatusCode::NOT_FOUND, "There is nothing here.\n".to_owned())
        }
    };
    PageResponse { response, becomes_websocket: false }
}

fn text(status: StatusCode, sentence: String) -> Response<Full<Bytes>> {
    answer(status, "text/plain; charset=utf-8", Full::from(sentence))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;
    use tcp_chat_page::Scheme;

    fn get(path: &str, headers: &[(&str, &str)]) -> PageResponse {
        let site = Site::new(Scheme::Https, ["chat.example"], 3443).unwrap();
        let mut request = Request::get(path).header("Host", "chat.example:3443");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        respond(&site, &request.body(()).unwrap())
    }

    const BROWSER: [(&str, &str); 6] = [
        ("Origin", "https://chat.example:3443"),
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("Sec-WebSocket-Protocol", "tcp-chat.1"),
    ];

    #[test]
    fn only_a_whole_handshake_of_the_own_page_becomes_a_websocket() {
        let page = get("/ws", &BROWSER);
        assert!(page.becomes_websocket);
        assert_eq!(page.response.status(), 101);
        for left_out in 0..BROWSER.len() {
            let mut headers = BROWSER.to_vec();
            let (name, _) = headers.remove(left_out);
            let page = get("/ws", &headers);
            assert!(!page.becomes_websocket, "without {name}");
            assert_eq!(
                page.response.headers()["x-content-type-options"],
                "nosniff",
                "refusals are protected, too"
            );
        }
    }

    #[tokio::test]
    async fn the_host_says_which_program_it_is() {
        let body = get("/host.json", &[]).response.into_body().collect().await.unwrap().to_bytes();
        let host: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(host, json!({"kind": "daemon", "server": "chat.example:3443", "verified": "browser"}));
    }

    #[test]
    fn the_answer_of_a_full_server_has_the_length_that_it_says() {
        let (head, body) = FULL.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())), "{}", body.len());
    }
}
