//! Owns the session of the webhook: a connection to the hub like any other, but without a socket. So every rule
//! for users (rate limit, mute, ban, private rooms) applies to it by the same code. Called by [`super::sessions`].
//! Never reads HTTP, and never decides who may post.
//!
//! The session is resumed after a restart of the daemon, so a message that is posted again with the same id is
//! kept once. One task owns it; posts queue for it.

use super::dedup::RecentKeys;
use super::hub_connection::{HubConnection, LoginOutcome, Outcome};
use super::outcome::{IdScope, PostResult, compare, kept_before, not_logged_in, refused, stopping, unknown};
use crate::auth::Proof;
use crate::edge::{Ask, LoginAsk, Secret};
use crate::net::Gate;
use crate::store::Resend;
use std::time::Duration;
use tcp_chat_protocol::request::{Login, Place, Target};
use tcp_chat_protocol::{ErrorKind, Name, Refusal, RequestId};
use tcp_chat_state::{NodeId, Resent};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};
use zeroize::Zeroizing;

/// The largest number of posts in the queue.
const MAX_QUEUED: usize = 64;
/// How long the hub may take for one post.
const POST_TIMEOUT: Duration = Duration::from_secs(10);
/// Attempts for one post, if the session ends or must join the room first.
const MAX_ATTEMPTS: usize = 4;
/// The same with a session that several nodes take over from each other.
const SHARED_ATTEMPTS: usize = 20;
/// A node that has lost the shared session takes it over again after this time, so that it does not expire with the node that
/// had it last. It outlives its connection for 10 minutes.
const KEEP_SHARED: Duration = Duration::from_secs(240);

/// A message to post.
#[derive(Debug)]
struct Post {
    room: Name,
    id: RequestId,
    /// The meaning of the id.
    scope: IdScope,
    /// The text as a JSON string.
    json: Box<str>,
    answer: oneshot::Sender<PostResult>,
}

/// The handle of one session.
#[derive(Debug, Clone)]
pub(super) struct WebhookSession(mpsc::Sender<Post>);

impl WebhookSession {
    /// Starts the session, and the task that owns it. `shared_by`: this node, if other nodes use the session, too.
    pub(super) fn start(
        gate: Gate,
        hash: [u8; 32],
        shared_by: Option<NodeId>,
        name: Name,
        stop: CancellationToken,
    ) -> Self {
        let (sender, posts) = mpsc::channel(MAX_QUEUED);
        let task =
            SessionTask { gate, hash, shared_by, name, connection: None, recent: RecentKeys::default() };
        #[expect(clippy::disallowed_methods, reason = "it ends at `stop`; without it posts are refused")]
        tokio::spawn(async move { stop.run_until_cancelled(task.serve(posts)).await });
        Self(sender)
    }

    /// Posts a message to a room, and waits until it is kept or refused.
    pub(super) async fn post(&self, room: Name, id: RequestId, scope: IdScope, json: Box<str>) -> PostResult {
        let (answer, result) = oneshot::channel();
        if self.0.send(Post { room, id, scope, json, answer }).await.is_err() {
            return PostResult::Refused(stopping());
        }
        // It was taken, and the process ends before its answer.
        result.await.unwrap_or_else(|_| PostResult::Refused(unknown(scope)))
    }
}

/// The task that owns the session.
struct SessionTask {
    gate: Gate,
    hash: [u8; 32],
    /// This node, if other nodes take the session over.
    shared_by: Option<NodeId>,
    name: Name,
    connection: Option<HubConnection>,
    recent: RecentKeys,
}

impl SessionTask {
    async fn serve(mut self, mut posts: mpsc::Receiver<Post>) {
        // Logs in at once, so the session of the previous process does not expire.
        if let Err(refusal) = self.connect().await {
            warn!(
                event = "http_no_session",
                user = self.name.as_str(),
                reason = &*refusal.msg,
                "the HTTP endpoint cannot log in: posts are refused until it can"
            );
        }
        loop {
            let is_lost = self.shared_by.is_some() && self.connection.is_none();
            let post = tokio::select! {
                post = posts.recv() => post,
                () = self.discard_items() => continue,
                () = sleep(KEEP_SHARED), if is_lost => {
                    // If it fails, it is tried again after the same time.
                    let _ = self.connect().await;
                    continue;
                }
            };
            let Some(post) = post else { return };
            let result = match self.recent.lookup(&post.id, post.scope, &post.json) {
                Some(result) => result,
                None => self.post_in_time(&post).await,
            };
            // The HTTP request may have ended meanwhile.
            let _ = post.answer.send(result);
        }
    }

    async fn post_in_time(&mut self, post: &Post) -> PostResult {
        let result = timeout(POST_TIMEOUT, self.post(post)).await.unwrap_or_else(|_| {
            self.connection = None;
            PostResult::Refused(unknown(post.scope))
        });
        self.recent.note(&post.id, post.scope, &post.json, &result);
        result
    }

    async fn post(&mut self, post: &Post) -> PostResult {
        // After a lost answer, an earlier attempt of this post may have kept the message.
        let mut may_be_own = false;
        let mut is_gone = false;
        let mut join_first = None;
        let attempts = if self.shared_by.is_some() { SHARED_ATTEMPTS } else { MAX_ATTEMPTS };
        for attempt in 0..attempts {
            if may_be_own {
                self.let_others_go_first(attempt).await;
            }
            if let Err(refusal) = self.connect().await {
                return refused(refusal, may_be_own, post.scope);
            }
            let join = join_first.take();
            let has_joined = join.is_some();
            match self.send(post, join).await {
                Outcome::Kept(seq) => return PostResult::Kept(seq),
                Outcome::Again(resent) => match self.again(&resent, post.scope, may_be_own).await {
                    Some(result) => return result,
                    // The id is free, too, or will be when it is no longer among the newest ones.
                    None => (may_be_own, is_gone) = (false, true),
                },
                Outcome::Refused(why) if is_outside(why.kind) && !has_joined => {
                    join_first = Some(Ask::Join(post.room.clone()));
                }
                Outcome::Refused(why) => return refused(why, may_be_own, post.scope),
                Outcome::Lost => may_be_own = true,
            }
        }
        if is_gone {
            return PostResult::Refused(Refusal::new(ErrorKind::Data, Resend::Gone.why()));
        }
        let msg = "the message was not kept: the webhook's session is ended repeatedly";
        refused(Refusal::new(ErrorKind::Internal, msg), may_be_own, post.scope)
    }

    /// Two nodes that take the session over from each other must not do so in step for ever: each waits for another time.
    async fn let_others_go_first(&self, attempt: usize) {
        if let Some(NodeId(node)) = self.shared_by {
            let step = 5 + u64::from(node % 41);
            sleep(Duration::from_millis(step * attempt.min(8) as u64)).await;
        }
    }

    /// The result of a post whose id was used before. `None`: retention has removed the earlier message.
    async fn again(&self, resent: &Resent, scope: IdScope, may_be_own: bool) -> Option<PostResult> {
        if scope == IdScope::Occasion {
            return Some(kept_before(resent.seq, may_be_own));
        }
        match self.gate.readers().check_resend(resent).await {
            Ok(found) => compare(&found, resent.seq, may_be_own),
            Err(why) => {
                error!(
                    event = "store_unreadable",
                    error = why.to_string(),
                    "store failed: a post could not be compared with the earlier message"
                );
                let msg =
                    "the server's store cannot be read, so the message may be kept already; post it again";
                Some(PostResult::Refused(Refusal::new(ErrorKind::Internal, msg)))
            }
        }
    }

    /// Makes sure that the session has an open connection.
    async fn connect(&mut self) -> Result<(), Refusal> {
        if self.connection.as_ref().is_some_and(|connection| !connection.is_closed()) {
            return Ok(());
        }
        for attempt in [Attempt::Resume, Attempt::New] {
            // The drop reports the old connection as lost. The session stays for its TTL.
            self.connection = None;
            let connection = HubConnection::enter(&self.gate).await.map_err(|_| stopping())?;
            match self.connection.insert(connection).login(login(&self.name, self.hash, attempt)).await {
                LoginOutcome::LoggedIn => return Ok(()),
                LoginOutcome::Lost => {
                    self.connection = None;
                    return Err(not_logged_in());
                }
                LoginOutcome::Refused(why) => {
                    self.connection = None;
                    if why.kind == ErrorKind::Unavailable {
                        return Err(not_logged_in());
                    }
                    if attempt == Attempt::New || why.kind != ErrorKind::SessionExpired {
                        return Err(why);
                    }
                }
            }
        }
        Err(stopping())
    }

    /// Sends the message of a post, after `join` if there is one.
    async fn send(&mut self, post: &Post, join: Option<Ask>) -> Outcome {
        let Some(connection) = &mut self.connection else { return Outcome::Lost };
        let room = Place(Some(post.room.clone()));
        let message = Ask::Say(Target::Room(room), post.json.clone());
        connection.send(&post.id, message, join).await
    }

    /// Discards the messages of others. Ends with the connection.
    async fn discard_items(&mut self) {
        match &mut self.connection {
            Some(connection) => while connection.next().await.is_some() {},
            None => std::future::pending().await,
        }
        self.connection = None;
    }
}

/// A LOGIN that resumes the session, or that begins a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Attempt {
    Resume,
    New,
}

/// The LOGIN of the session.
fn login(name: &Name, hash: [u8; 32], attempt: Attempt) -> Ask {
    let resumes = attempt == Attempt::Resume;
    // An empty token, which no client could send: the session is known only by its hash.
    let session = resumes.then(Zeroizing::default);
    let login = Login {
        name: Some(name.clone()),
        color: None,
        rooms: Some(Vec::new()),
        password: None,
        session,
        after: None,
        log: None,
    };
    let fresh = Secret { token: Zeroizing::default(), hash };
    let resumes = resumes.then_some(hash);
    Ask::Login(Box::new(LoginAsk { login, fresh, resumes, proof: Proof::of_endpoint() }))
}

/// Whether the session must join the room first.
fn is_outside(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::NotAMember | ErrorKind::NoSuchRoom)
}
