//! Owns the session under which machines speak: a connection to the hub like any other, but without a
//! socket, so that whatever holds for users (rate, mute, ban, private rooms) holds for it by the same
//! code. Called by [`super::post`]. Never reads HTTP, and never decides who may post.
//!
//! Its session is found again after a restart of the daemon, and so a message that is posted again with
//! the same id is kept once. One task owns it; posts wait for it, and for their turn.

use crate::auth;
use crate::chat::{Ask, Command, ConnectionId, Digest, Proof, Read, Resent, Secret};
use crate::hub::{Entry, Inbox, Item, Outbox, Taken};
use crate::net::Gate;
use crate::store::Resend;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;
use tcp_chat_protocol::reply::{self, Incoming};
use tcp_chat_protocol::request::{Login, Place, Target};
use tcp_chat_protocol::{ErrorKind, Name, Refusal, RequestId, Seq};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};
use zeroize::Zeroizing;

/// Posts that may wait for their turn.
const WAITING: usize = 64;
/// How long the hub may take for one request.
const ANSWER: Duration = Duration::from_secs(10);
/// What may wait in memory for the session; it reads only what is for itself.
const OUTBOX_BYTES: usize = 64 * 1024;
/// How often one post is tried anew after the session had ended, or had to enter the room.
const TRIES: usize = 4;

/// What became of a post.
#[derive(Debug)]
pub(super) enum Posted {
    /// It is kept, under this number.
    Kept(Seq),
    /// It had been kept before, under this number.
    Again(Seq),
    /// Another message had been kept under its id: this one is not.
    Reused,
    /// It was not kept, and why not.
    Refused(Refusal),
}

/// What the id of a post names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Names {
    /// One text: another one under the same id is refused.
    Text,
    /// An occasion, which may be told in other words: it is told once.
    Occasion,
}

/// One message to be said.
#[derive(Debug)]
struct Post {
    room: Name,
    id: RequestId,
    /// Does the id stand for this text alone?
    names: Names,
    /// The text as a JSON string.
    json: Box<str>,
    answer: oneshot::Sender<Posted>,
}

/// The way to the session. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Poster(mpsc::Sender<Post>);

impl Poster {
    /// Begins the session, and the task that owns it.
    pub(super) fn start(
        gate: Gate,
        inbox: Inbox,
        name: Name,
        token: &Digest,
        stop: CancellationToken,
    ) -> Self {
        let (sender, posts) = mpsc::channel(WAITING);
        let seat = Seat { gate, inbox, hash: session_hash(&name, token), name, held: None };
        tokio::spawn(async move { stop.run_until_cancelled(seat.serve(posts)).await });
        Self(sender)
    }

    /// Says something in a room, and waits until it is kept or refused.
    pub(super) async fn post(&self, room: Name, id: RequestId, names: Names, json: Box<str>) -> Posted {
        let (answer, answered) = oneshot::channel();
        let going = || Posted::Refused(Refusal::new(ErrorKind::Internal, "the server is going down"));
        if self.0.send(Post { room, id, names, json, answer }).await.is_err() {
            return going();
        }
        answered.await.unwrap_or_else(|_| going())
    }
}

/// By what the session is found again. No token that could be sent over the wire has this hash: those
/// have 32 bytes, and what this is the hash of has more.
fn session_hash(name: &Name, token: &Digest) -> [u8; 32] {
    let mut of = b"tcp-chatd: the session of the HTTP endpoint\0".to_vec();
    of.extend_from_slice(name.as_str().as_bytes());
    of.push(0);
    of.extend_from_slice(&token.0);
    auth::sha256(&of).0
}

/// A connection to the hub.
#[derive(Debug)]
struct Held {
    id: ConnectionId,
    outbox: Arc<Outbox>,
    /// Taken out of the outbox, and not looked at yet.
    items: VecDeque<Item>,
}

/// Something that concerns one request.
#[derive(Debug)]
enum Heard {
    Done,
    Kept(Seq),
    Again(Box<Resent>),
    Refused(Refusal),
    /// The connection is over, or its answers went by: ask again.
    Lost,
}

/// The owner of the session.
struct Seat {
    gate: Gate,
    inbox: Inbox,
    hash: [u8; 32],
    name: Name,
    held: Option<Held>,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.leave();
    }
}

impl Seat {
    async fn serve(mut self, mut posts: mpsc::Receiver<Post>) {
        // At once, so that the session of the run before does not run out.
        if let Err(refusal) = self.come_in().await {
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
                () = self.hear_out() => continue,
            };
            let Some(post) = post else { return };
            let posted = timeout(ANSWER, self.post(&post)).await.unwrap_or_else(|_| {
                self.leave();
                let msg =
                    "it is not known whether the message was kept: the server took too long; post it again";
                Posted::Refused(Refusal::new(ErrorKind::Timeout, msg))
            });
            // Whoever posted it may be gone.
            let _ = post.answer.send(posted);
        }
    }

    async fn post(&mut self, post: &Post) -> Posted {
        // An answer that went by: the message may be kept already, by this post.
        let mut may_be_ours = false;
        for _ in 0..TRIES {
            if let Err(refusal) = self.come_in().await {
                return Posted::Refused(refusal);
            }
            let room = Place(Some(post.room.clone()));
            match self.ask(&post.id, Ask::Say(Target::Room(room), post.json.clone())).await {
                Heard::Kept(seq) => return Posted::Kept(seq),
                Heard::Again(resent) => return self.again(&resent, post.names, may_be_ours).await,
                Heard::Refused(why) if is_outside(why.kind) => {
                    let joining = RequestId::Text("join".into());
                    match self.ask(&joining, Ask::Join(post.room.clone())).await {
                        Heard::Refused(why) => return Posted::Refused(why),
                        _ => continue,
                    }
                }
                Heard::Refused(why) => return Posted::Refused(why),
                Heard::Done => {}
                Heard::Lost => may_be_ours = true,
            }
        }
        let msg = "the message was not kept: the endpoint's session is being ended again and again";
        Posted::Refused(Refusal::new(ErrorKind::Internal, msg))
    }

    /// The id was used before: for the same message?
    async fn again(&self, resent: &Resent, names: Names, may_be_ours: bool) -> Posted {
        let same = if may_be_ours { Posted::Kept } else { Posted::Again };
        if names == Names::Occasion {
            return same(resent.seq);
        }
        match self.gate.readers().resent(resent).await {
            Ok(Resend::Same(_)) => same(resent.seq),
            Ok(Resend::Other) => Posted::Reused,
            // What it said is gone with it, because of its age.
            Ok(Resend::Gone) => Posted::Again(resent.seq),
            Err(why) => {
                error!(
                    event = "store_unreadable",
                    error = why.to_string(),
                    "store failed: a post could not be compared with the one before"
                );
                let msg = "it is not known whether this was kept before: the server's store cannot be read; try again";
                Posted::Refused(Refusal::new(ErrorKind::Internal, msg))
            }
        }
    }

    /// Makes sure that there is a session and a connection for it.
    async fn come_in(&mut self) -> Result<(), Refusal> {
        if self.held.as_ref().is_some_and(|held| !held.outbox.is_closed()) {
            return Ok(());
        }
        for resumes in [true, false] {
            self.leave();
            let held = Held {
                id: self.gate.next_id(),
                outbox: Arc::new(Outbox::new(OUTBOX_BYTES)),
                items: VecDeque::new(),
            };
            let open = Entry::Open(held.id, IpAddr::V4(Ipv4Addr::LOCALHOST), held.outbox.clone());
            self.inbox.put(open).await.map_err(|_| going())?;
            self.held = Some(held);
            let id = RequestId::Text("login".into());
            match self.ask(&id, self.login(resumes)).await {
                Heard::Refused(why) if resumes && why.kind == ErrorKind::SessionExpired => {}
                Heard::Refused(why) => {
                    self.leave();
                    return Err(why);
                }
                Heard::Lost => return Err(going()),
                _ => return Ok(()),
            }
        }
        Err(going())
    }

    fn login(&self, resumes: bool) -> Ask {
        // Not a token that anybody could send: the session is known by its hash alone.
        let session = resumes.then(Zeroizing::default);
        let login = Login {
            name: Some(self.name.clone()),
            color: None,
            rooms: Some(Vec::new()),
            password: None,
            session,
            after: None,
            log: None,
        };
        let fresh = Secret { token: Zeroizing::default(), hash: self.hash };
        Ask::Login {
            login: Box::new(login),
            fresh,
            resumes: resumes.then_some(self.hash),
            proof: Proof::Endpoint,
        }
    }

    async fn ask(&mut self, id: &RequestId, ask: Ask) -> Heard {
        let Some(held) = &mut self.held else { return Heard::Lost };
        let command = Command::Ask(Some(id.clone()), ask);
        if self.inbox.put(Entry::Commands(held.id, vec![command])).await.is_err() {
            return Heard::Lost;
        }
        loop {
            let Some(item) = held.next().await else {
                self.leave();
                return Heard::Lost;
            };
            if let Some(heard) = concerns(item, id) {
                return heard;
            }
        }
    }

    /// Takes what others say, and forgets it. Ends with the connection.
    async fn hear_out(&mut self) {
        match &mut self.held {
            Some(held) => while held.next().await.is_some() {},
            None => std::future::pending().await,
        }
        self.leave();
    }

    /// Tells the hub that the connection is gone; the session stays for its time.
    fn leave(&mut self) {
        let Some(held) = self.held.take() else { return };
        let lost = Entry::Commands(held.id, vec![Command::Lost]);
        if let Err(Some(lost)) = self.inbox.try_put(lost) {
            let inbox = self.inbox.clone();
            tokio::spawn(async move { inbox.put(lost).await });
        }
    }
}

impl Held {
    /// The next thing that the hub has for us. `None`: nothing more comes.
    async fn next(&mut self) -> Option<Item> {
        loop {
            if let Some(item) = self.items.pop_front() {
                return Some(item);
            }
            match poll_fn(|cx| self.outbox.poll_take(cx, usize::MAX)).await {
                Taken::Items(items) => self.items = items,
                Taken::Closed(_) => return None,
            }
        }
    }
}

/// Must the room be entered first?
fn is_outside(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::NotAMember | ErrorKind::NoSuchRoom)
}

fn going() -> Refusal {
    Refusal::new(ErrorKind::Internal, "the server is going down")
}

/// What an item says of the request `id`.
fn concerns(item: Item, id: &RequestId) -> Option<Heard> {
    match item {
        Item::Own(_, ids) => ids.into_iter().find(|(_, own)| own == id).map(|(seq, _)| Heard::Kept(seq)),
        Item::Read(Read::Again(resent)) => (resent.id == *id).then_some(Heard::Again(resent)),
        // What was swallowed by it may have been ours; asked again, it is answered by its number.
        Item::Read(Read::Gap(..)) => Some(Heard::Lost),
        Item::Line(line) => match reply::read(&line) {
            Ok(Incoming::Error(Some(of), error)) if of == *id => {
                let mut refusal = Refusal::new(error.kind, error.msg);
                refusal.retry_after_ms = error.retry_after_ms;
                Some(Heard::Refused(refusal))
            }
            Ok(Incoming::Reply { id: Some(of), .. }) if of == *id => Some(Heard::Done),
            _ => None,
        },
        Item::Shared(_) | Item::Kept(_) | Item::Read(_) => None,
    }
}
