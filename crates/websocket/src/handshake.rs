//! Owns the opening handshake: checks that a request asks for our WebSocket, and makes the head of the answer. Pure. Called
//! by the hosts. Never checks Host, Origin, path or bearer: the hosts do that.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::header::{
    ALLOW, CONNECTION, HeaderMap, HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{Method, Request, Response, StatusCode, Version};

/// The subprotocol: lines of the chat protocol in text messages.
pub const PROTOCOL: &str = "tcp-chat.1";

/// The text that RFC 6455 (1.3) appends to a key.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Why a request is not a valid handshake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The status of the answer: 400, 405 or 426.
    pub status: StatusCode,
    /// A sentence for the body of the answer.
    pub reason: &'static str,
    /// A header that belongs to the answer.
    pub header: Option<(HeaderName, HeaderValue)>,
}

/// Checks a request, and makes the head of the answer: status 101 with the subprotocol [`PROTOCOL`] and no extensions.
///
/// # Errors
/// What is missing or wrong in the request.
pub fn answer<B>(request: &Request<B>) -> Result<Response<()>, Refused> {
    let headers = request.headers();
    let refused = |status, reason, header: Option<(HeaderName, &'static str)>| {
        let header = header.map(|(name, value)| (name, HeaderValue::from_static(value)));
        Err(Refused { status, reason, header })
    };
    let bad = |reason| refused(StatusCode::BAD_REQUEST, reason, None);
    if request.method() != Method::GET {
        return refused(StatusCode::METHOD_NOT_ALLOWED, "only GET is allowed here", Some((ALLOW, "GET")));
    }
    if request.version() != Version::HTTP_11 {
        return bad("a WebSocket begins with HTTP/1.1");
    }
    if !has_token(headers, UPGRADE, "websocket") || !has_token(headers, CONNECTION, "upgrade") {
        let needs = Some((UPGRADE, "websocket"));
        return refused(StatusCode::UPGRADE_REQUIRED, "this path is only for a WebSocket", needs);
    }
    if single(headers, SEC_WEBSOCKET_VERSION) != Some("13") {
        let needs = Some((SEC_WEBSOCKET_VERSION, "13"));
        return refused(StatusCode::UPGRADE_REQUIRED, "only version 13 of WebSocket is supported", needs);
    }
    let key = single(headers, SEC_WEBSOCKET_KEY);
    let Some(key) = key.filter(|key| BASE64_STANDARD.decode(key).is_ok_and(|key| key.len() == 16)) else {
        return bad("Sec-WebSocket-Key must be 16 bytes in Base64");
    };
    if !offered(headers).any(|protocol| protocol == PROTOCOL) {
        return bad("offer the subprotocol tcp-chat.1");
    }
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let Ok(accept) = HeaderValue::from_str(&accept(key)) else { return bad("Sec-WebSocket-Key is invalid") };
    let headers = response.headers_mut();
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(PROTOCOL));
    Ok(response)
}

/// The subprotocols that a request offers, in its order. The client's relay finds the bearer among them.
pub fn offered(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    tokens(headers, SEC_WEBSOCKET_PROTOCOL)
}

/// The value of `Sec-WebSocket-Accept`, which proves that we read the key.
fn accept(key: &str) -> String {
    let keyed = [key.as_bytes(), GUID].concat();
    BASE64_STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, &keyed))
}

/// The value of a header that occurs exactly once.
fn single(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

fn has_token(headers: &HeaderMap, name: HeaderName, token: &str) -> bool {
    tokens(headers, name).any(|other| other.eq_ignore_ascii_case(token))
}

fn tokens(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The request of a browser, with a change.
    fn asked(change: impl FnOnce(&mut Request<()>)) -> Result<Response<()>, (u16, Option<&'static str>)> {
        let mut request = Request::get("/ws")
            .header("Connection", "keep-alive, Upgrade")
            .header("Upgrade", "WebSocket")
            .header("Sec-WebSocket-Version", "13")
            .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
            .header("Sec-WebSocket-Protocol", "tcp-chat.1, bearer.x")
            .header("Sec-WebSocket-Extensions", "permessage-deflate")
            .body(())
            .unwrap();
        change(&mut request);
        answer(&request).map_err(|refused| {
            (
                refused.status.as_u16(),
                refused.header.map(|(name, _)| if name == ALLOW { "allow" } else { "needs" }),
            )
        })
    }

    fn with(name: &'static str, value: &'static str) -> Result<Response<()>, (u16, Option<&'static str>)> {
        asked(|request| drop(request.headers_mut().insert(name, HeaderValue::from_static(value))))
    }

    #[test]
    fn a_browser_gets_its_subprotocol_and_no_extension() {
        let head = asked(|_| {}).unwrap();
        assert_eq!(head.status(), 101);
        let headers = head.headers();
        assert_eq!(headers["Sec-WebSocket-Accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", "RFC 6455, 1.3");
        assert_eq!(headers["Sec-WebSocket-Protocol"], "tcp-chat.1");
        assert_eq!(
            (&headers["Upgrade"], &headers["Connection"]),
            (&"websocket".parse().unwrap(), &"Upgrade".parse().unwrap())
        );
        assert!(!headers.contains_key("Sec-WebSocket-Extensions"));
    }

    #[test]
    fn an_invalid_handshake_is_refused() {
        assert_eq!(asked(|r| *r.method_mut() = Method::POST).unwrap_err(), (405, Some("allow")));
        assert_eq!(asked(|r| *r.version_mut() = Version::HTTP_10).unwrap_err().0, 400);
        assert_eq!(with("Upgrade", "h2c").unwrap_err(), (426, Some("needs")));
        assert_eq!(with("Connection", "close").unwrap_err(), (426, Some("needs")));
        assert_eq!(with("Sec-WebSocket-Version", "8").unwrap_err(), (426, Some("needs")));
        for wrong in ["", "a", "dGhlIHNhbXBsZSBub25jZQ", "dGhlIHNhbXBsZSBub25jZQ=", "c2hvcnQ="] {
            assert_eq!(with("Sec-WebSocket-Key", wrong).unwrap_err().0, 400, "{wrong}");
        }
        for wrong in ["", "tcp-chat.2", "TCP-CHAT.1", "tcp-chat.1x"] {
            assert_eq!(with("Sec-WebSocket-Protocol", wrong).unwrap_err().0, 400, "{wrong}");
        }
        for header in ["Sec-WebSocket-Key", "Sec-WebSocket-Version"] {
            let twice = |request: &mut Request<()>| {
                let value = request.headers()[header].clone();
                request.headers_mut().append(header, value);
            };
            assert!(asked(twice).is_err(), "{header} twice");
            assert!(asked(|request| drop(request.headers_mut().remove(header))).is_err(), "no {header}");
        }
    }

    #[test]
    fn offers_are_read_from_all_headers() {
        let mut headers = HeaderMap::new();
        headers.append(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static("a, b"));
        headers.append(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(" tcp-chat.1 ,bearer.x"));
        assert_eq!(offered(&headers).collect::<Vec<_>>(), ["a", "b", "tcp-chat.1", "bearer.x"]);
    }
}
