//! Owns the session of the webhook: a connection to the hub like any other, but without a socket. So every rule
//! for users (rate limit, mute, ban, private rooms) applies to it by the same code. Called by [`super::webhook`].
//! Never reads HTTP, and never decides who may post.
//!
//! The session is resumed after a restart of the daemon, so a message that is posted again with the same id is
//! kept once. One task owns it; posts queue for it.

use super::dedup::RecentKeys;
use super::hub_connection::{HubConnection, LoginOutcome, Outcome};
use crate::auth;
use crate::auth::Proof;
use crate::edge::{Ask, LoginAsk, Secret};
use crate::net::Gate;
use crate::store::Resend;
use std::time::Duration;
use tcp_chat_protocol::request::{Login, Place, Target};
use tcp_chat_protocol::{ErrorKind, Name, Refusal, RequestId, Seq};
use tcp_chat_state::{Digest, NodeId, Resent};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};
use zeroize::Zeroizing;

/// The largest number of posts in the queue.
const MAX_QUEUED: usize = 64;
/// How long the hub may take for one post.
const POST_TIMEOUT: Duration = Duration::from_secs(10);
/// Attempts for one post, if the session ends or must join the room first.
const MAX_ATTEMPTS: usize = 4;

/// The result of a post.
#[derive(Debug)]
pub(super) enum PostResult {
    /// It is kept under this seq.
    Kept(Seq),
    /// It was kept before, under this seq.
    Again(Seq),
    /// Its id belongs to another message: this one is not kept.
    Reused,
    /// It is not kept, with the reason.
    Refused(Refusal),
}

/// The thing that the id of a post identifies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum IdScope {
    /// One body, known by its digest: another body under the same id is refused. If only the store knows the id,
    /// the texts are compared.
    Body(Digest),
    /// An occasion, whose text may differ between resends: it is posted once.
    Occasion,
    /// Nothing: the id is random, so it is never sent again.
    Nothing,
}

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

/// The handle of the session. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct WebhookSession(mpsc::Sender<Post>);

impl WebhookSession {
    /// Starts the session, and the task that owns it.
    pub(super) fn start(
        gate: Gate,
        node: NodeId,
        name: Name,
        token: &Digest,
        stop: CancellationToken,
    ) -> Self {
        let (sender, posts) = mpsc::channel(MAX_QUEUED);
        let hash = session_hash(node, &name, token);
        let task = SessionTask { gate, hash, name, connection: None, recent: RecentKeys::default() };
        #[expect(clippy::disallowed_methods, reason = "it ends at `stop`; without it posts are refused")]
        tokio::spawn(async move { stop.run_until_cancelled(task.serve(posts)).await });
        Self(sender)
    }

    /// Posts a message to a room, and waits until it is kept or refused.
    pub(super) async fn post(&self, room: Name, id: RequestId, scope: IdScope, json: Box<str>) -> PostResult {
        let (answer, result) = oneshot::channel();
        let stopping = || PostResult::Refused(Refusal::new(ErrorKind::Internal, "the server is going down"));
        if self.0.send(Post { room, id, scope, json, answer }).await.is_err() {
            return stopping();
        }
        result.await.unwrap_or_else(|_| stopping())
    }
}

/// The hash by which the session is resumed. No token on the wire has this hash: a token has 32 bytes, and the
/// input of this hash has more. Each node of a chat has a session of its own: otherwise they would take it over from
/// each other. A daemon that is alone has the hash of earlier versions.
fn session_hash(node: NodeId, name: &Name, token: &Digest) -> [u8; 32] {
    let mut of = b"tcp-chatd: the session of the HTTP endpoint\0".to_vec();
    of.extend_from_slice(name.as_str().as_bytes());
    of.push(0);
    of.extend_from_slice(&token.0);
    if node != NodeId::LOCAL {
        of.extend_from_slice(&node.0.to_be_bytes());
    }
    auth::sha256(&of).0
}

/// The task that owns the session.
struct SessionTask {
    gate: Gate,
    hash: [u8; 32],
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
            let post = tokio::select! {
                post = posts.recv() => post,
                () = self.discard_items() => continue,
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
            let msg = "the server took too long, so the message may or may not be kept; post it again";
            PostResult::Refused(Refusal::new(ErrorKind::Timeout, msg))
        });
        self.recent.note(&post.id, post.scope, &post.json, &result);
        result
    }

    async fn post(&mut self, post: &Post) -> PostResult {
        // After a lost answer, an earlier attempt of this post may have kept the message.
        let mut may_be_own = false;
        let mut is_gone = false;
        let mut join_first = None;
        for _ in 0..MAX_ATTEMPTS {
            if let Err(refusal) = self.connect().await {
                return refused(refusal, may_be_own);
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
                Outcome::Refused(why) => return refused(why, may_be_own),
                Outcome::Lost => may_be_own = true,
            }
        }
        if is_gone {
            return PostResult::Refused(Refusal::new(ErrorKind::Data, Resend::Gone.why()));
        }
        let msg = "the message was not kept: the webhook's session is ended repeatedly";
        refused(Refusal::new(ErrorKind::Internal, msg), may_be_own)
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
                    return Err(stopping());
                }
                LoginOutcome::Refused(why) => {
                    self.connection = None;
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

fn stopping() -> Refusal {
    Refusal::new(ErrorKind::Internal, "the server is going down")
}

/// The result for a refusal. After a lost answer an earlier attempt may be kept, or wait for the store: nothing is said
/// then of what is kept.
fn refused(why: Refusal, may_be_own: bool) -> PostResult {
    if !may_be_own {
        return PostResult::Refused(why);
    }
    let msg = "the answer was lost, so the message may or may not be kept; post it again";
    PostResult::Refused(Refusal::new(ErrorKind::Timeout, msg))
}

/// The result for a message that was kept before. After a lost answer the post may be the first one, so it is not
/// reported as a resend.
fn kept_before(seq: Seq, may_be_own: bool) -> PostResult {
    if may_be_own { PostResult::Kept(seq) } else { PostResult::Again(seq) }
}

/// The result of a post whose id was used before. `None`: the earlier message is removed, and its id is free.
fn compare(found: &Resend, seq: Seq, may_be_own: bool) -> Option<PostResult> {
    match found {
        Resend::Same(_) => Some(kept_before(seq, may_be_own)),
        Resend::Other => Some(PostResult::Reused),
        Resend::Gone => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_lost_answer_no_refusal_says_that_the_message_is_not_kept() {
        let why = || Refusal::new(ErrorKind::Internal, "the message was not kept");
        let kind = |may_be_own| match refused(why(), may_be_own) {
            PostResult::Refused(why) => why.kind,
            other => panic!("{other:?}"),
        };
        assert_eq!((kind(false), kind(true)), (ErrorKind::Internal, ErrorKind::Timeout));
    }

    #[test]
    fn each_node_has_a_session_of_its_own_and_a_lone_daemon_that_of_earlier_versions() {
        let (name, token) = (Name::parse("alerts").unwrap(), Digest([7; 32]));
        let hash = |node| session_hash(NodeId(node), &name, &token);
        let earlier = [&b"tcp-chatd: the session of the HTTP endpoint\0alerts\0"[..], &[7; 32]].concat();
        assert_eq!(hash(0), auth::sha256(&earlier).0);
        let all: std::collections::BTreeSet<_> = [0, 1, 2, 256].map(hash).into();
        assert_eq!(all.len(), 4);
    }

    #[test]
    fn a_removed_message_is_not_answered_as_kept() {
        let result = |found: &Resend, ours| format!("{:?}", compare(found, 7, ours));
        let same = Resend::Same(Vec::new());
        assert_eq!(result(&same, false), "Some(Again(7))");
        assert_eq!(result(&same, true), "Some(Kept(7))", "the first post is never reported as a resend");
        for ours in [false, true] {
            assert_eq!(result(&Resend::Other, ours), "Some(Reused)");
            assert_eq!(result(&Resend::Gone, ours), "None", "the post is a new message");
        }
    }
}
