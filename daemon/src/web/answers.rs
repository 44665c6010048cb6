//! Owns the answers to requests for the page. `tcp_chat_page` decides by Host, Origin, path and method; here is what only
//! the daemon says. Pure: never reads a body, never writes.

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::HOST;
use hyper::{Request, Response, StatusCode};
use serde_json::json;
use tcp_chat_page::{Decision, Host, Site, answer as page, decide};
use tcp_chat_websocket::handshake;

/// What a browser is told when the server has no room for one more connection.
pub(super) const FULL: &str = "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\n\
                               Cache-Control: no-store\r\nRetry-After: 10\r\nContent-Length: 50\r\n\
                               Connection: close\r\n\r\nthe server has no room for one more; try it later\n";

/// An answer.
pub(super) struct Answered {
    pub(super) answer: Response<Full<Bytes>>,
    /// After this answer the connection is a WebSocket.
    pub(super) becomes_websocket: bool,
}

/// Answers by the head of a request.
pub(super) fn answer<B>(site: &Site, request: &Request<B>) -> Answered {
    let answer = match decide(Host::Daemon, site, request) {
        Decision::Answer(answer) => answer.map(|bytes| Full::new(Bytes::from_static(bytes))),
        Decision::WebSocket => match handshake::answer(request) {
            Ok(head) => return Answered { answer: head.map(|()| Full::default()), becomes_websocket: true },
            Err(refused) => {
                let mut answer = text(refused.status, format!("{}\n", refused.reason));
                if let Some((name, value)) = refused.header {
                    answer.headers_mut().insert(name, value);
                }
                answer
            }
        },
        Decision::Describe => {
            let server = request.headers().get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
            let host = json!({"kind": "daemon", "server": server, "verified": "browser"});
            page(StatusCode::OK, "application/json", Full::from(format!("{host}\n")))
        }
        // Of the relay alone.
        Decision::Ticket | Decision::Server => {
            text(StatusCode::NOT_FOUND, "There is nothing here.\n".to_owned())
        }
    };
    Answered { answer, becomes_websocket: false }
}

fn text(status: StatusCode, sentence: String) -> Response<Full<Bytes>> {
    page(status, "text/plain; charset=utf-8", Full::from(sentence))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;
    use tcp_chat_page::Scheme;

    fn asked(path: &str, headers: &[(&str, &str)]) -> Answered {
        let site = Site::new(Scheme::Https, ["chat.example"], 3443).unwrap();
        let mut request = Request::get(path).header("Host", "chat.example:3443");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        answer(&site, &request.body(()).unwrap())
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
        let answered = asked("/ws", &BROWSER);
        assert!(answered.becomes_websocket);
        assert_eq!(answered.answer.status(), 101);
        for left_out in 0..BROWSER.len() {
            let mut headers = BROWSER.to_vec();
            let (name, _) = headers.remove(left_out);
            let answered = asked("/ws", &headers);
            assert!(!answered.becomes_websocket, "without {name}");
            assert_eq!(
                answered.answer.headers()["x-content-type-options"],
                "nosniff",
                "refusals are protected, too"
            );
        }
    }

    #[tokio::test]
    async fn the_host_says_which_program_it_is() {
        let body = asked("/host.json", &[]).answer.into_body().collect().await.unwrap().to_bytes();
        let host: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(host, json!({"kind": "daemon", "server": "chat.example:3443", "verified": "browser"}));
    }

    #[test]
    fn the_answer_of_a_full_server_has_the_length_that_it_says() {
        let (head, body) = FULL.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())), "{}", body.len());
    }
}
