//! Owns the shapes of HTTP responses: small, complete, and never cached. Called by the services of this module.
//! Never decides a status.

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};
use serde_json::{Value, json};

pub(super) type HttpResponse = Response<Full<Bytes>>;

pub(super) fn response(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> HttpResponse {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

pub(super) fn plain(status: StatusCode, body: impl Into<Bytes>) -> HttpResponse {
    response(status, "text/plain; charset=utf-8", body)
}

pub(super) fn object(status: StatusCode, body: &Value) -> HttpResponse {
    response(status, "application/json", format!("{body}\n"))
}

/// An error response: a kind for programs and a sentence for a person.
pub(super) fn error_response(status: StatusCode, kind: &str, msg: &str) -> HttpResponse {
    object(status, &json!({"error": {"kind": kind, "msg": msg}}))
}

pub(super) fn not_found(msg: &'static str) -> HttpResponse {
    plain(StatusCode::NOT_FOUND, format!("{msg}\n"))
}

pub(super) fn method_not_allowed(allowed: &'static str) -> HttpResponse {
    let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, format!("only {allowed} here\n"));
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    response
}
