//! Owns `POST /rooms/ROOM/messages`: who may, what is meant, and what is answered once the message is
//! kept. Called by [`super::serve`]; says it through [`super::poster`]. Never logs a token or a text.

use super::answer::{Answer, method_not_allowed, not_found, object, refused};
use super::poster::{Names, Posted, Poster};
use super::said::{self, Said};
use crate::auth;
use crate::chat::Digest;
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
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::debug;

/// The largest body that is kept whole, in bytes: a notification of some thousand alerts. Of a longer
/// notification the beginning is told.
const BODY_BYTES: usize = 4 * 1024 * 1024;
/// So much of a longer one is taken from the network: what sends it would not hear the answer otherwise.
const DRAINED_BYTES: usize = 64 * 1024 * 1024;
/// How long a body may take to come.
const BODY: Duration = Duration::from_secs(10);
/// The longest `Idempotency-Key`, in bytes.
const KEY_BYTES: usize = 256;
/// A notification that comes again within this is the same one, sent again; later it is a reminder.
const AGAIN_MS: u64 = 10 * 60 * 1000;
/// Notifications that are remembered for that.
const REMEMBERED: usize = 4096;

/// The way in for machines. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Posts(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    rooms: ArcSwap<Vec<Name>>,
    token: Digest,
    poster: Poster,
    gate: Gate,
    metrics: Arc<Metrics>,
    recent: Mutex<BTreeMap<Digest, u64>>,
}

impl Posts {
    /// Begins the session that speaks for machines. `None`: the settings have no token or no name.
    #[must_use]
    pub fn start(
        settings: &Http,
        gate: Gate,
        metrics: Arc<Metrics>,
        stop: CancellationToken,
    ) -> Option<Self> {
        let (token, name) = (settings.token_file.as_ref()?.content?, settings.name.clone()?);
        let poster = Poster::start(gate.clone(), name, &token, stop);
        let rooms = ArcSwap::from_pointee(settings.rooms.clone());
        Some(Self(Arc::new(Inner { rooms, token, poster, gate, metrics, recent: Mutex::default() })))
    }

    /// These are the rooms that may be posted to from now on.
    pub fn set_rooms(&self, rooms: Vec<Name>) {
        self.0.rooms.store(Arc::new(rooms));
    }

    pub(super) async fn answer(&self, request: Request<Incoming>) -> Answer {
        let path = request.uri().path();
        let Some(room) = path.strip_prefix("/rooms/").and_then(|rest| rest.strip_suffix("/messages")) else {
            return not_found("there is /rooms/ROOM/messages here");
        };
        let room = percent_decode_str(room).decode_utf8().ok().and_then(|name| Name::parse(&name).ok());
        if request.method() != Method::POST {
            return method_not_allowed("POST");
        }
        // Before anything is said of which rooms there are.
        if !self.is_right(request.headers()) {
            self.0.metrics.net.not_let_in(Reason::Token);
            debug!(event = "post_refused", reason = "token", "post refused");
            let msg = "the token is missing or wrong; send `Authorization: Bearer TOKEN` with what is in \
                       the file that http.token_file names";
            let mut answer = refused(StatusCode::UNAUTHORIZED, "AUTH_FAILED", msg);
            answer.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            return answer;
        }
        let answer = match room {
            Some(room) => self.post(room, request).await,
            None => Err(Refusal::new(ErrorKind::NoSuchRoom, "no room can have that name")),
        };
        answer.unwrap_or_else(|why| {
            self.0.metrics.http.refused();
            debug!(event = "post_refused", reason = why.kind.as_str(), "post refused");
            tell(&why)
        })
    }

    fn is_right(&self, headers: &HeaderMap) -> bool {
        let shown = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = shown
            .and_then(|value| value.split_once(' '))
            .filter(|(how, _)| how.eq_ignore_ascii_case("bearer"));
        // Hashes are compared: how long that takes tells nothing of the token.
        token.is_some_and(|(_, token)| auth::sha256(token.trim().as_bytes()) == self.0.token)
    }

    async fn post(&self, asked: Name, request: Request<Incoming>) -> Result<Answer, Refusal> {
        let rooms = self.0.rooms.load_full();
        let known = rooms.iter().find(|room| room.key() == asked.key());
        let room = known.ok_or_else(|| {
            let msg = format!("{asked} is not in http.rooms: nothing may be posted there");
            Refusal::new(ErrorKind::NoSuchRoom, msg)
        })?;
        let key = key(request.headers())?;
        let most = self.0.gate.msg_bytes();
        let arrived = body(request).await?;
        let Said { text, same } = match &arrived {
            Arrived::Whole(body) => {
                said::read(body, most).map_err(|why| Refusal::new(ErrorKind::Data, why))?
            }
            Arrived::Cut(begins) => said::read_cut(begins, most).ok_or_else(too_long)?,
        };
        let is_notification = same.is_some();
        text::check(&text, most).map_err(|why| {
            let kind = if matches!(why, text::TextError::TooLong { .. }) {
                ErrorKind::TooLarge
            } else {
                ErrorKind::Data
            };
            Refusal::new(kind, why.to_string())
        })?;
        let names = match (&key, same) {
            (Some(_), _) => Names::Body(arrived.digest()),
            (None, Some(_)) => Names::Occasion,
            (None, None) => Names::Nothing,
        };
        let id = self.id(room, key.as_deref(), same)?;
        match self.0.poster.post(room.clone(), id, names, json_text(&text)).await {
            Posted::Kept(seq) => {
                self.0.metrics.http.kept(false);
                Ok(object(StatusCode::CREATED, &json!({"room": room.as_str(), "seq": seq})))
            }
            Posted::Again(seq) => {
                self.0.metrics.http.kept(true);
                Ok(object(StatusCode::OK, &json!({"room": room.as_str(), "seq": seq, "again": true})))
            }
            Posted::Reused => {
                self.0.metrics.http.refused();
                debug!(event = "post_refused", reason = "idempotency key", "post refused");
                let msg = "`Idempotency-Key`: this key was used for another message in this room; this one was \
                           not kept: post it under a key of its own";
                Ok(refused(StatusCode::UNPROCESSABLE_ENTITY, "DATA", msg))
            }
            // Alertmanager and Grafana send again what is answered with 503, and drop all else.
            Posted::Refused(why) if is_notification && why.kind == ErrorKind::RateLimited => {
                self.0.metrics.http.refused();
                debug!(event = "post_refused", reason = why.kind.as_str(), "post refused");
                let mut answer = tell(&why);
                *answer.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
                Ok(answer)
            }
            Posted::Refused(why) => Err(why),
        }
    }

    /// What the message calls itself: the same for the same message, so that it is kept once. Whatever the settings'
    /// spelling of the room is.
    fn id(&self, room: &Name, key: Option<&str>, same: Option<Digest>) -> Result<RequestId, Refusal> {
        let of = match (key, same) {
            (Some(key), _) => format!("key\0{}\0{key}", room.key().as_str()),
            (None, Some(same)) => {
                let same = auth::sha256(format!("{}\0{same}", room.key().as_str()).as_bytes());
                format!("same\0{same}\0{}", self.first_seen(same, Timestamp::now().0))
            }
            (None, None) => {
                let (token, _) = auth::token().ok_or_else(|| {
                    Refusal::new(ErrorKind::Internal, "the server has no randomness; try again later")
                })?;
                return Ok(RequestId::Text(token.as_str().into()));
            }
        };
        Ok(RequestId::Text(auth::sha256(of.as_bytes()).to_string().into()))
    }

    /// Which stretch of time a notification belongs to: that in which it was first seen.
    fn first_seen(&self, same: Digest, now: u64) -> u64 {
        // Whole after a panic elsewhere: every change is one step.
        let mut recent = self.0.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.retain(|_, first| now.saturating_sub(*first) < AGAIN_MS);
        if recent.len() >= REMEMBERED {
            recent.clear();
        }
        *recent.entry(same).or_insert(now) / AGAIN_MS
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

/// What came of a body.
enum Arrived {
    Whole(Vec<u8>),
    /// The beginning of a notification that is longer than is kept.
    Cut(Vec<u8>),
}

impl Arrived {
    /// Of all that is known of the body.
    fn digest(&self) -> Digest {
        let (Self::Whole(bytes) | Self::Cut(bytes)) = self;
        auth::sha256(bytes)
    }
}

async fn body(request: Request<Incoming>) -> Result<Arrived, Refusal> {
    match timeout(BODY, take(request.into_body())).await {
        Ok(taken) => taken,
        Err(_) => Err(Refusal::new(ErrorKind::Timeout, "the body took too long to come")),
    }
}

async fn take(mut body: Incoming) -> Result<Arrived, Refusal> {
    let mut kept = Vec::new();
    let mut taken = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Refusal::new(ErrorKind::Data, "the body did not come whole"))?;
        let Ok(data) = frame.into_data() else { continue };
        let fitted = taken <= BODY_BYTES;
        taken += data.len();
        kept.extend_from_slice(data.get(..BODY_BYTES - kept.len()).unwrap_or(&data));
        // Asked once: it reads all of what is kept.
        if fitted && taken > BODY_BYTES && said::read_cut(&kept, 0).is_none() {
            return Err(too_long());
        }
        if taken > DRAINED_BYTES {
            break;
        }
    }
    Ok(if taken > BODY_BYTES { Arrived::Cut(kept) } else { Arrived::Whole(kept) })
}

fn too_long() -> Refusal {
    Refusal::new(ErrorKind::TooLarge, format!("the body is longer than {BODY_BYTES} bytes"))
}

/// A refusal as HTTP says it.
fn tell(why: &Refusal) -> Answer {
    let status = match why.kind {
        ErrorKind::Data | ErrorKind::Parse | ErrorKind::NameInvalid => StatusCode::BAD_REQUEST,
        ErrorKind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        ErrorKind::Forbidden | ErrorKind::NotAMember | ErrorKind::AuthFailed => StatusCode::FORBIDDEN,
        ErrorKind::NoSuchRoom => StatusCode::NOT_FOUND,
        ErrorKind::NameTaken => StatusCode::CONFLICT,
        ErrorKind::RateLimited => StatusCode::TOO_MANY_REQUESTS,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    };
    let mut answer = refused(status, why.kind.as_str(), &why.msg);
    if let Some(ms) = why.retry_after_ms {
        answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from(ms.div_ceil(1_000)));
    }
    answer
}
