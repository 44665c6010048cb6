//! Owns the session under which machines speak: a connection to the hub like any other, but without a
//! socket, so that whatever holds for users (rate, mute, ban, private rooms) holds for it by the same
//! code. Called by [`super::post`]. Never reads HTTP, and never decides who may post.
//!
//! Its session is found again after a restart of the daemon, and so a message that is posted again with
//! the same id is kept once. One task owns it; posts wait for it, and for their turn.

use super::answered::Answered;
use super::held::{Heard, Held, concerns};
use crate::auth;
use crate::chat::{Ask, Command, Digest, Proof, Resent, Secret};
use crate::net::Gate;
use crate::store::Resend;
use std::time::Duration;
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
    /// One body, known by its digest: another one under the same id is refused. Where only the store knows the id, a
    /// body that tells another text is.
    Body(Digest),
    /// An occasion, which may be told in other words: it is told once.
    Occasion,
    /// Nothing: nobody knows the id, so it is not sent again.
    Nothing,
}

/// One message to be said.
#[derive(Debug)]
struct Post {
    room: Name,
    id: RequestId,
    /// What does the id stand for?
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
    pub(super) fn start(gate: Gate, name: Name, token: &Digest, stop: CancellationToken) -> Self {
        let (sender, posts) = mpsc::channel(WAITING);
        let hash = session_hash(&name, token);
        let seat = Seat { gate, hash, name, held: None, answered: Answered::default() };
        #[expect(clippy::disallowed_methods, reason = "it ends at `stop`; without it posts are refused")]
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

/// The owner of the session.
struct Seat {
    gate: Gate,
    hash: [u8; 32],
    name: Name,
    held: Option<Held>,
    answered: Answered,
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
            let posted = match self.answered.again(&post.id, post.names, &post.json) {
                Some(posted) => posted,
                None => self.post_in_time(&post).await,
            };
            // Whoever posted it may be gone.
            let _ = post.answer.send(posted);
        }
    }

    async fn post_in_time(&mut self, post: &Post) -> Posted {
        let posted = timeout(ANSWER, self.post(post)).await.unwrap_or_else(|_| {
            self.held = None;
            let msg = "it is not known whether the message was kept: the server took too long; post it again";
            Posted::Refused(Refusal::new(ErrorKind::Timeout, msg))
        });
        self.answered.note(&post.id, post.names, &post.json, &posted);
        posted
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
                Heard::Again(resent) => match self.again(&resent, post.names, may_be_ours).await {
                    Some(posted) => return posted,
                    // Its id is free again, too.
                    None => may_be_ours = false,
                },
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

    /// The id was used before: for the same message? `None`: what it was used for is gone because of its age.
    async fn again(&self, resent: &Resent, names: Names, may_be_ours: bool) -> Option<Posted> {
        if names == Names::Occasion {
            return Some(same(resent.seq, may_be_ours));
        }
        match self.gate.readers().resent(resent).await {
            Ok(found) => compared(&found, resent.seq, may_be_ours),
            Err(why) => {
                error!(
                    event = "store_unreadable",
                    error = why.to_string(),
                    "store failed: a post could not be compared with the one before"
                );
                let msg = "it is not known whether this was kept before: the server's store cannot be read; try again";
                Some(Posted::Refused(Refusal::new(ErrorKind::Internal, msg)))
            }
        }
    }

    /// Makes sure that there is a session and a connection for it.
    async fn come_in(&mut self) -> Result<(), Refusal> {
        if self.held.as_ref().is_some_and(|held| !held.is_closed()) {
            return Ok(());
        }
        for resumes in [true, false] {
            // The hub hears of the end of the old one. The session stays for its time.
            self.held = None;
            self.held = Some(Held::enter(&self.gate).await.map_err(|_| going())?);
            let id = RequestId::Text("login".into());
            match self.ask(&id, self.login(resumes)).await {
                Heard::Refused(why) if resumes && why.kind == ErrorKind::SessionExpired => {}
                Heard::Refused(why) => {
                    self.held = None;
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
            proof: Proof::of_endpoint(),
        }
    }

    async fn ask(&mut self, id: &RequestId, ask: Ask) -> Heard {
        let Some(held) = &mut self.held else { return Heard::Lost };
        let command = Command::Ask(Some(id.clone()), ask);
        if held.ask(command).await.is_err() {
            return Heard::Lost;
        }
        loop {
            let Some(item) = held.next().await else {
                self.held = None;
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
        self.held = None;
    }
}

/// Must the room be entered first?
fn is_outside(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::NotAMember | ErrorKind::NoSuchRoom)
}

fn going() -> Refusal {
    Refusal::new(ErrorKind::Internal, "the server is going down")
}

/// The same message was kept under this number. A post whose answer went by is never told that it came again.
fn same(seq: Seq, may_be_ours: bool) -> Posted {
    if may_be_ours { Posted::Kept(seq) } else { Posted::Again(seq) }
}

/// What a post is whose id was used before. `None`: that message is gone, and the id names nothing any more.
fn compared(found: &Resend, seq: Seq, may_be_ours: bool) -> Option<Posted> {
    match found {
        Resend::Same(_) => Some(same(seq, may_be_ours)),
        Resend::Other => Some(Posted::Reused),
        Resend::Gone => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_gone_is_not_answered_as_if_it_were_there() {
        let told = |found: &Resend, ours| format!("{:?}", compared(found, 7, ours));
        let same = Resend::Same(Vec::new());
        assert_eq!(told(&same, false), "Some(Again(7))");
        assert_eq!(told(&same, true), "Some(Kept(7))", "the first post is never answered again");
        for ours in [false, true] {
            assert_eq!(told(&Resend::Other, ours), "Some(Reused)");
            assert_eq!(told(&Resend::Gone, ours), "None", "asked again it is a message like a new one");
        }
    }
}
