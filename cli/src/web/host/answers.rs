//! Owns the reading of a request's bearer and body, and the fixed answers of the relay: `/host.json`, refusals, and
//! sentences. Called by `host`. Never looks at a ticket or a tab, and never prints a secret.

use super::Answer;
use crate::exit::Failure;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{AUTHORIZATION, HeaderMap};
use hyper::{Request, StatusCode};
use serde::Serialize;
use std::time::Duration;
use tcp_chat_page::{answer, refuse};

/// The longest body of a request, in bytes: a SERVER line in JSON.
const BODY_BYTES: usize = 4096;
/// The longest time in which a body must arrive.
const BODY: Duration = Duration::from_secs(10);

const JSON: &str = "application/json";

/// The content of `/host.json`.
#[derive(Serialize)]
pub(super) struct Described {
    pub(super) kind: &'static str,
    pub(super) server: String,
    /// See [`Target::id`](crate::web::target::Target::id).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) verified: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) problem: Vec<String>,
}

/// The bearer of `Authorization`.
pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(AUTHORIZATION).into_iter();
    let value = values.next()?.to_str().ok()?;
    if values.next().is_some() {
        return None;
    }
    let (scheme, bearer) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(bearer.trim())
}

/// The body. `None`: it is too long, too late or incomplete.
pub(super) async fn body(request: Request<Incoming>) -> Option<Bytes> {
    let body = Limited::new(request.into_body(), BODY_BYTES).collect();
    Some(tokio::time::timeout(BODY, body).await.ok()?.ok()?.to_bytes())
}

pub(super) fn refused(server: Option<String>, failure: Failure) -> Described {
    Described {
        kind: "relay",
        server: server.unwrap_or_default(),
        id: None,
        verified: None,
        problem: failure.lines,
    }
}

pub(super) fn json(status: StatusCode, what: &Described) -> Answer {
    // It cannot fail: it has only strings and lists of strings.
    answer(status, JSON, Full::new(Bytes::from(serde_json::to_vec(what).unwrap_or_default())))
}

/// The answer for a tab without a valid bearer. The page shows its text.
pub(super) fn no_access() -> Answer {
    let problem = [
        "This tab was not let in: its address was used already, is older than 60 seconds, or has no ticket.",
        "Start `tcp-chat-cli web` again: it opens a new tab.",
    ];
    let problem = problem.map(str::to_owned).to_vec();
    let mut answer = json(
        StatusCode::UNAUTHORIZED,
        &Described { kind: "relay", server: String::new(), id: None, verified: None, problem },
    );
    let scheme = hyper::header::HeaderValue::from_static("Bearer");
    answer.headers_mut().insert(hyper::header::WWW_AUTHENTICATE, scheme);
    answer
}

pub(super) fn invalid_body() -> Answer {
    sentence(StatusCode::BAD_REQUEST, "The body of the request cannot be read.\n")
}

pub(super) fn sentence(status: StatusCode, why: &'static str) -> Answer {
    refuse(status, why).map(|bytes| Full::new(Bytes::from_static(bytes)))
}
