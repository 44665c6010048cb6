//! Owns `POST /rooms/ROOM/messages`: authentication, the checks of a request, and the response once the message
//! is kept. Called by [`super::serve`]; sends the message through [`super::sessions`]. Never logs a token or a
//! text.

use super::message::{self, WebhookMessage};
use super::outcome::{IdScope, PostResult};
use super::response::{HttpResponse, error_response, method_not_allowed, not_found, object};
use super::sessions::WebhookSessions;
use crate::auth;
use crate::metrics::{Metrics, Reason};
use crate::net::Gate;
use crate::settings::Http;
use arc_swap::ArcSwap;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, HeaderMap, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use hyper::{Method, Request, StatusCode};
use percent_encoding::percent_decode_str;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tcp_chat_protocol::event::json_text;
use tcp_chat_protocol::{ErrorKind, Name, Refusal, RequestId, Timestamp, text};
use tcp_chat_state::{Digest, NodeId};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::debug;

/// The largest body that is read whole, in bytes: a notification of some thousand alerts. Of a longer
/// notification the first alerts are posted.
const BODY_BYTES: usize = 4 * 1024 * 1024;
/// A longer body is still received up to this many bytes: a sender reads the response only after it has sent its
/// body.
const DRAINED_BYTES: usize = 64 * 1024 * 1024;
/// How long a body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest `Idempotency-Key`, in bytes.
const KEY_BYTES: usize = 256;
/// A notification that comes again within this time is a resend; later it is a reminder. In milliseconds.
const RESEND_MS: u64 = 10 * 60 * 1000;
/// The largest number of notifications that are remembered for that.
const MAX_NOTIFICATIONS: usize = 4096;

/// The webhook. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Webhook(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    rooms: ArcSwap<Vec<Name>>,
    token: Digest,
    sessions: WebhookSessions,
    gate: Gate,
    metrics: Arc<Metrics>,
    recent: Mutex<BTreeMap<Digest, u64>>,
}

impl Webhook {
    /// Starts the sessions of the webhook at this node. `None`: the settings have no token or no name.
    #[must_use]
    pub fn start(
        settings: &Http,
        gate: Gate,
        node: NodeId,
        metrics: Arc<Metrics>,
        stop: CancellationToken,
    ) -> Option<Self> {
        let (token, name) = (settings.token_file.as_ref()?.content?, settings.name.clone()?);
        let sessions = WebhookSessions::start(&gate, node, &name, &token, &stop);
        let rooms = ArcSwap::from_pointee(settings.rooms.clone());
        Some(Self(Arc::new(Inner { rooms, token, sessions, gate, metrics, recent: Mutex::default() })))
    }

    /// Replaces the rooms that accept posts.
    pub fn set_rooms(&self, rooms: Vec<Name>) {
        self.0.rooms.store(Arc::new(rooms));
    }

    pub(super) async fn response(&self, request: Request<Incoming>) -> HttpResponse {
        let path = request.uri().path();
        let Some(room) = path.strip_prefix("/rooms/").and_then(|rest| rest.strip_suffix("/messages")) else {
            return not_found("only /rooms/ROOM/messages exists here");
        };
        let room = percent_decode_str(room).decode_utf8().ok().and_then(|name| Name::parse(&name).ok());
        if request.method() != Method::POST {
            return method_not_allowed("POST");
        }
        // Authentication comes first, so an unauthenticated client learns nothing about rooms.
        if !self.is_authenticated(request.headers()) {
            self.0.metrics.net.login_refused(Reason::Token);
            debug!(event = "post_refused", reason = "token", "post refused");
            let msg = "the token is missing or wrong; send `Authorization: Bearer TOKEN` with the token in the \
                                   file that http.token_file names";
            let mut response = error_response(StatusCode::UNAUTHORIZED, "AUTH_FAILED", msg);
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            return response;
        }
        let response = match room {
            Some(room) => self.post(room, request).await,
            None => Err(Refusal::new(ErrorKind::NoSuchRoom, "this is not a valid room name").into()),
        };
        response.unwrap_or_else(|refused| {
            self.0.metrics.http.refused();
            debug!(event = "post_refused", reason = refused.reason, "post refused");
            refused.response()
        })
    }

    fn is_authenticated(&self, headers: &HeaderMap) -> bool {
        let shown = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = shown
            .and_then(|value| value.split_once(' '))
            .filter(|(how, _)| how.eq_ignore_ascii_case("bearer"));
        // Compares hashes, so the time of the comparison reveals nothing about the token.
        token.is_some_and(|(_, token)| auth::sha256(token.trim().as_bytes()) == self.0.token)
    }

    async fn post(&self, asked: Name, request: Request<Incoming>) -> Result<HttpResponse, RefusedPost> {
        let room = self.room(&asked)?;
        let key = key(request.headers())?;
        let received = body(request).await?;
        let message = received.message(self.0.gate.msg_bytes())?;
        let scope = match (&key, message.dedup_key) {
            (Some(_), _) => IdScope::Body(received.digest()),
            (None, Some(_)) => IdScope::Occasion,
            (None, None) => IdScope::Nothing,
        };
        let id = self.id(&room, key.as_deref(), message.dedup_key)?;
        let result = self.0.sessions.post(room.clone(), id, scope, json_text(&message.text)).await;
        self.response_to(result, &room, &message)
    }

    /// The room as the settings spell it.
    fn room(&self, asked: &Name) -> Result<Name, Refusal> {
        let rooms = self.0.rooms.load();
        rooms.iter().find(|room| room.key() == asked.key()).cloned().ok_or_else(|| {
            let msg = format!("{asked} is not in http.rooms: this room accepts no posts");
            Refusal::new(ErrorKind::NoSuchRoom, msg)
        })
    }

    fn response_to(
        &self,
        result: PostResult,
        room: &Name,
        message: &WebhookMessage,
    ) -> Result<HttpResponse, RefusedPost> {
        match result {
            PostResult::Kept(seq) => {
                self.0.metrics.http.kept();
                Ok(object(StatusCode::CREATED, &json!({"room": room.as_str(), "seq": seq})))
            }
            PostResult::Again(seq) => {
                self.0.metrics.http.kept_before();
                Ok(object(StatusCode::OK, &json!({"room": room.as_str(), "seq": seq, "again": true})))
            }
            PostResult::Reused => {
                let msg = "`Idempotency-Key`: this key was used for another message in this room; this message was \
                           not kept: post it under a new key";
                let why = Refusal::new(ErrorKind::Data, msg);
                Err(RefusedPost { status: StatusCode::UNPROCESSABLE_ENTITY, reason: "idempotency key", why })
            }
            // Alertmanager and Grafana resend after 503, and drop the notification after any other error.
            PostResult::Refused(why) if message.dedup_key.is_some() && why.kind == ErrorKind::RateLimited => {
                Err(RefusedPost { status: StatusCode::SERVICE_UNAVAILABLE, ..why.into() })
            }
            PostResult::Refused(why) => Err(why.into()),
        }
    }

    /// The request id of the message. The same message has the same id, so it is kept once, whichever spelling of
    /// the room the settings have.
    fn id(&self, room: &Name, key: Option<&str>, dedup_key: Option<Digest>) -> Result<RequestId, Refusal> {
        let of = match (key, dedup_key) {
            (Some(key), _) => format!("key\0{}\0{key}", room.key().as_str()),
            (None, Some(dedup_key)) => {
                let dedup_key = auth::sha256(format!("{}\0{dedup_key}", room.key().as_str()).as_bytes());
                format!("same\0{dedup_key}\0{}", self.period(dedup_key, Timestamp::now().0))
            }
            (None, None) => {
                let (token, _) = auth::token().ok_or_else(|| {
                    Refusal::new(ErrorKind::Internal, "the system has no randomness; try again later")
                })?;
                return Ok(RequestId::Text(token.as_str().into()));
            }
        };
        Ok(RequestId::Text(auth::sha256(of.as_bytes()).to_string().into()))
    }

    /// The period to which a notification belongs: the one in which it was first seen.
    fn period(&self, dedup_key: Digest, now: u64) -> u64 {
        // Each change is one step, so the map is right even after a panic of another thread.
        let mut recent = self.0.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.retain(|_, first| now.saturating_sub(*first) < RESEND_MS);
        if recent.len() >= MAX_NOTIFICATIONS {
            recent.clear();
        }
        *recent.entry(dedup_key).or_insert(now) / RESEND_MS
    }
}

fn key(headers: &HeaderMap) -> Result<Option<String>, Refusal> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    let key = value.to_str().ok().filter(|key| (1..=KEY_BYTES).contains(&key.len()));
    let key = key.ok_or_else(|| {
        let msg = format!("`Idempotency-Key`: 1 to {KEY_BYTES} visible ASCII characters are allowed");
        Refusal::new(ErrorKind::Data, msg)
    })?;
    Ok(Some(key.to_owned()))
}

/// A body as it was received.
enum ReceivedBody {
    Whole(Vec<u8>),
    /// The beginning of a notification that is longer than [`BODY_BYTES`].
    Cut(Vec<u8>),
}

impl ReceivedBody {
    /// The message to post. `most`: the longest text, in bytes.
    fn message(&self, most: usize) -> Result<WebhookMessage, Refusal> {
        let message = match self {
            Self::Whole(body) => {
                message::read(body, most).map_err(|why| Refusal::new(ErrorKind::Data, why))?
            }
            Self::Cut(begins) => message::read_cut(begins, most).ok_or_else(too_long)?,
        };
        text::check(&message.text, most).map_err(|why| {
            let is_long = matches!(why, text::TextError::TooLong { .. });
            Refusal::new(if is_long { ErrorKind::TooLarge } else { ErrorKind::Data }, why.to_string())
        })?;
        Ok(message)
    }

    /// The digest of the received bytes.
    fn digest(&self) -> Digest {
        let (Self::Whole(bytes) | Self::Cut(bytes)) = self;
        auth::sha256(bytes)
    }
}

async fn body(request: Request<Incoming>) -> Result<ReceivedBody, Refusal> {
    match timeout(BODY_TIMEOUT, receive(request.into_body())).await {
        Ok(taken) => taken,
        Err(_) => Err(Refusal::new(ErrorKind::Timeout, "the body took too long to arrive")),
    }
}

async fn receive(mut body: Incoming) -> Result<ReceivedBody, Refusal> {
    let mut kept = Vec::new();
    let mut taken = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Refusal::new(ErrorKind::Data, "the body is incomplete"))?;
        let Ok(data) = frame.into_data() else { continue };
        let fitted = taken <= BODY_BYTES;
        taken += data.len();
        kept.extend_from_slice(data.get(..BODY_BYTES - kept.len()).unwrap_or(&data));
        // Checked once, because the check reads all kept bytes.
        if fitted && taken > BODY_BYTES && message::read_cut(&kept, 0).is_none() {
            return Err(too_long());
        }
        if taken > DRAINED_BYTES {
            break;
        }
    }
    Ok(if taken > BODY_BYTES { ReceivedBody::Cut(kept) } else { ReceivedBody::Whole(kept) })
}

fn too_long() -> Refusal {
    Refusal::new(ErrorKind::TooLarge, format!("the body is longer than {BODY_BYTES} bytes"))
}

/// A post that is refused.
struct RefusedPost {
    status: StatusCode,
    /// The word for the log.
    reason: &'static str,
    why: Refusal,
}

impl From<Refusal> for RefusedPost {
    fn from(why: Refusal) -> Self {
        let status = match why.kind {
            ErrorKind::Data | ErrorKind::Parse | ErrorKind::NameInvalid => StatusCode::BAD_REQUEST,
            ErrorKind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            ErrorKind::Forbidden | ErrorKind::NotAMember | ErrorKind::AuthFailed => StatusCode::FORBIDDEN,
            ErrorKind::NoSuchRoom => StatusCode::NOT_FOUND,
            ErrorKind::NameTaken => StatusCode::CONFLICT,
            ErrorKind::RateLimited => StatusCode::TOO_MANY_REQUESTS,
            // `UNAVAILABLE` among them: nothing is kept, and the same post succeeds later.
            _ => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self { status, reason: why.kind.as_str(), why }
    }
}

impl RefusedPost {
    fn response(&self) -> HttpResponse {
        let Self { status, why, .. } = self;
        let mut response = error_response(*status, why.kind.as_str(), &why.msg);
        if let Some(ms) = why.retry_after_ms {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(ms.div_ceil(1_000)));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_post_that_cannot_be_ordered_is_answered_with_503_and_when_to_try_again() {
        let mut why = Refusal::new(ErrorKind::Unavailable, "nothing can be ordered now");
        why.retry_after_ms = Some(1_500);
        let response = RefusedPost::from(why).response();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(response.headers()[RETRY_AFTER], "2", "whole seconds, rounded up");
    }
}
