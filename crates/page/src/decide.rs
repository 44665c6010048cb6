//! Owns the decision on each request for the page. Called by the hosts with the head of the request. A pure function:
//! never reads a body, never writes.

use crate::files::{File, file};
use crate::headers::{answer, protect, refuse};
use crate::site::Site;
use http::header::{ALLOW, ETAG, HeaderMap, HeaderValue, IF_NONE_MATCH};
use http::{Method, Request, Response, StatusCode};

/// The two programs that serve the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Host {
    /// `tcp-chat-cli web`. It also accepts a ticket, and the choice of a server.
    Relay,
    /// `[web]` of the daemon.
    Daemon,
}

/// What the host does with a request.
#[derive(Debug)]
pub enum Decision {
    /// This is the whole answer.
    Answer(Response<&'static [u8]>),
    /// `GET /ws`: the host checks the rest of the handshake, then switches to WebSocket.
    WebSocket,
    /// `GET /host.json`: the host describes itself.
    Describe,
    /// `POST /ticket` (relay): the body is a ticket.
    Ticket,
    /// `POST /server` (relay): the body names a server.
    Server,
}

/// The meaning of a path.
enum Place {
    File(&'static File),
    WebSocket,
    Describe,
    Ticket,
    Server,
}

impl Place {
    fn at(host: Host, path: &str) -> Option<Self> {
        match (path, host) {
            ("/ws", _) => Some(Self::WebSocket),
            ("/host.json", _) => Some(Self::Describe),
            ("/ticket", Host::Relay) => Some(Self::Ticket),
            ("/server", Host::Relay) => Some(Self::Server),
            _ => file(path).map(Self::File),
        }
    }

    /// The allowed methods, in the form of `Allow`.
    fn methods(&self) -> &'static str {
        match self {
            Self::File(_) | Self::Describe => "GET, HEAD",
            Self::WebSocket => "GET",
            Self::Ticket | Self::Server => "POST",
        }
    }
}

/// Decides by the head of a request. The documentation of the crate lists the checks in their order. The query of the
/// address is ignored.
#[must_use]
pub fn decide<B>(host: Host, site: &Site, request: &Request<B>) -> Decision {
    let (method, headers) = (request.method(), request.headers());
    let Some(authority) = site.addressed(request.uri(), headers) else {
        return refused(
            StatusCode::MISDIRECTED_REQUEST,
            "This program does not serve the host that the request names.\n",
        );
    };
    let Some(place) = Place::at(host, request.uri().path()) else {
        return refused(StatusCode::NOT_FOUND, "There is nothing at this path.\n");
    };
    if !place.methods().split(", ").any(|allowed| allowed == method.as_str()) {
        let mut answer = refuse(StatusCode::METHOD_NOT_ALLOWED, "This path does not allow this method.\n");
        answer.headers_mut().insert(ALLOW, HeaderValue::from_static(place.methods()));
        return Decision::Answer(answer);
    }
    let is_guarded = matches!(place, Place::WebSocket) || method == Method::POST;
    if is_guarded && !site.is_own(authority, headers) {
        return refused(
            StatusCode::FORBIDDEN,
            "The request does not come from the page of this host (Origin).\n",
        );
    }
    match place {
        Place::WebSocket => Decision::WebSocket,
        Place::Describe => Decision::Describe,
        Place::Ticket => Decision::Ticket,
        Place::Server => Decision::Server,
        Place::File(file) => Decision::Answer(serve(file, headers)),
    }
}

fn refused(status: StatusCode, why: &'static str) -> Decision {
    Decision::Answer(refuse(status, why))
}

fn serve(file: &'static File, headers: &HeaderMap) -> Response<&'static [u8]> {
    let mut response = if has_file(headers, &file.etag) {
        let mut unchanged: Response<&'static [u8]> = Response::default();
        *unchanged.status_mut() = StatusCode::NOT_MODIFIED;
        protect(unchanged.headers_mut());
        unchanged
    } else {
        answer(StatusCode::OK, file.content_type, file.bytes)
    };
    // It cannot fail: our tags are hexadecimal digits in quotes.
    if let Ok(tag) = HeaderValue::from_str(&file.etag) {
        response.headers_mut().insert(ETAG, tag);
    }
    response
}

/// Whether the browser has the file with this tag. RFC 9110 (13.1.2) requires a weak comparison.
fn has_file(headers: &HeaderMap, etag: &str) -> bool {
    let values = headers.get_all(IF_NONE_MATCH).into_iter().filter_map(|value| value.to_str().ok());
    let mut tags = values.flat_map(|value| value.split(',')).map(str::trim);
    tags.any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
}

#[cfg(test)]
mod tests;
