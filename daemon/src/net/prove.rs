//! Owns the step from an unproven LOGIN or ENROL to a command. `ask` makes [`Unproven`]; `reader` collects the lines of
//! one read in a [`Batch`] and passes it through here to the hub. A LOGIN has no other way to the hub: its command needs
//! a [`Proof`]. Slow checks run off the async threads, few at once. Never lets a user in: the chat does, and looks again.

mod enrol;

use super::Gate;
use super::identity::Identity;
use crate::chat::{Ask, Command, ConnectionId, Digest, Expected, Made, Proof, Secret, UserId};
use crate::hub::Outbox;
use crate::metrics::Reason;
use crate::settings::{AuthMode, ClientAuth};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use tcp_chat_protocol::request::{Enrol, Login};
use tcp_chat_protocol::{ErrorKind, Refusal, RequestId};
use tracing::{debug, warn};

/// Logins that are checked for one read; the chat closes after as many failures.
const CHECKS_A_READ: usize = 3;

/// Who is asking.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer<'a> {
    pub(super) id: ConnectionId,
    pub(super) address: SocketAddr,
    pub(super) identity: &'a Identity,
    /// Knows whether it is logged in.
    pub(super) outbox: &'a Outbox,
}

/// A password that an ENROL on this connection has set, if the chat agrees. A LOGIN that comes behind it is
/// checked against it: the directory hears of it only once the turn is kept.
#[derive(Clone)]
pub(super) struct Enrolled {
    /// The code that it used up: as long as the directory has it, the ENROL has not come through.
    code: Digest,
    user: UserId,
    hash: Arc<str>,
}

/// What one line asks.
#[derive(Debug)]
pub(super) enum Parsed {
    /// Nothing in it needs a check.
    Command(Command),
    /// A check comes first.
    Unproven(Unproven),
}

/// A LOGIN or an ENROL that nobody has checked. Only [`Batch::prove_at_once`] and [`Batch::prove`] turn it into a
/// command.
#[derive(Debug)]
pub(super) struct Unproven(Box<Claim>);

/// Boxed, so that each line of talk does not carry its size.
#[derive(Debug)]
struct Claim {
    id: Option<RequestId>,
    what: What,
}

#[derive(Debug)]
enum What {
    Login { login: Box<Login>, fresh: Secret, resumes: Option<[u8; 32]> },
    Enrol { enrol: Box<Enrol>, code: Option<Digest> },
}

impl Unproven {
    /// A LOGIN with the secret for a new session, and with the SHA-256 of the token that it sent.
    pub(super) fn login(
        id: Option<RequestId>,
        login: Box<Login>,
        fresh: Secret,
        resumes: Option<[u8; 32]>,
    ) -> Self {
        Self(Box::new(Claim { id, what: What::Login { login, fresh, resumes } }))
    }

    /// An ENROL with the SHA-256 of its code, if that can be one.
    pub(super) fn enrol(id: Option<RequestId>, enrol: Box<Enrol>, code: Option<Digest>) -> Self {
        Self(Box::new(Claim { id, what: What::Enrol { enrol, code } }))
    }

    /// Checks what takes no time. `Err`: something is left that does.
    fn prove_at_once(self, read: &mut Read, gate: &Gate, peer: Peer<'_>) -> Result<Command, Self> {
        let Claim { id, what } = *self.0;
        // The chat refuses both on a connection that is logged in, so nothing is spent on them.
        let is_logged_in = peer.outbox.is_logged_in();
        match what {
            What::Login { login, fresh, resumes } => {
                let known = if is_logged_in {
                    Some(Proof::refused())
                } else {
                    known_already(&login, read, gate, peer)
                };
                match known {
                    Some(proof) => Ok(Command::Ask(id, Ask::Login { login, fresh, resumes, proof })),
                    None => Err(Self::login(id, login, fresh, resumes)),
                }
            }
            What::Enrol { enrol, code } if is_logged_in => {
                Ok(Command::Ask(id, Ask::Enrol { enrol, code, made: Made::Nothing }))
            }
            What::Enrol { enrol, code } => Err(Self::enrol(id, enrol, code)),
        }
    }

    /// Checks what takes time.
    async fn prove(self, read: &mut Read, gate: &Gate, peer: Peer<'_>) -> Command {
        let Claim { id, what } = *self.0;
        let asked = match what {
            What::Login { mut login, fresh, resumes } => {
                let proof = check(&mut login, read, gate, peer).await;
                proof.map(|proof| Ask::Login { login, fresh, resumes, proof })
            }
            What::Enrol { mut enrol, code } => {
                let made = enrol::make(&mut enrol, code, read, gate, peer).await;
                made.map(|made| Ask::Enrol { enrol, code, made })
            }
        };
        match asked {
            Ok(ask) => Command::Ask(id, ask),
            Err(refusal) => Command::Refused(refusal.with_id(id)),
        }
    }
}

/// What one read of a connection brought, in order.
#[derive(Debug, Default)]
pub(super) struct Batch {
    commands: Vec<Command>,
    /// From the first unproven line on.
    rest: VecDeque<Parsed>,
    /// Has a line of the log told that a LOGIN was refused by its certificate?
    told: bool,
}

impl Batch {
    pub(super) fn push(&mut self, parsed: Parsed) {
        match parsed {
            Parsed::Command(command) if self.rest.is_empty() => self.commands.push(command),
            parsed => self.rest.push_back(parsed),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.commands.is_empty() && self.rest.is_empty()
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.commands.len() + self.rest.len()
    }

    /// Checks what takes no time. `Err`: something is left that does.
    pub(super) fn prove_at_once(mut self, gate: &Gate, peer: Peer<'_>) -> Result<Vec<Command>, Self> {
        let mut read = Read::new(None, self.told);
        while let Some(parsed) = self.rest.pop_front() {
            match parsed {
                Parsed::Command(command) => self.commands.push(command),
                Parsed::Unproven(unproven) => match unproven.prove_at_once(&mut read, gate, peer) {
                    Ok(command) => self.commands.push(command),
                    Err(unproven) => {
                        self.rest.push_front(Parsed::Unproven(unproven));
                        self.told = read.told;
                        return Err(self);
                    }
                },
            }
        }
        Ok(self.commands)
    }

    /// Checks all of it. With a password that an ENROL before has set, and the one that an ENROL in it has set.
    pub(super) async fn prove(
        self,
        gate: &Gate,
        peer: Peer<'_>,
        enrolled: Option<Enrolled>,
    ) -> (Vec<Command>, Option<Enrolled>) {
        let Self { mut commands, rest, told } = self;
        let mut read = Read::new(enrolled, told);
        for parsed in rest {
            commands.push(match parsed {
                Parsed::Command(command) => command,
                Parsed::Unproven(unproven) => match unproven.prove_at_once(&mut read, gate, peer) {
                    Ok(command) => command,
                    Err(unproven) => unproven.prove(&mut read, gate, peer).await,
                },
            });
        }
        (commands, read.enrolled)
    }
}

/// What is left to the lines of one read.
struct Read {
    /// What an ENROL before has set.
    enrolled: Option<Enrolled>,
    /// Checks.
    checks: usize,
    /// Has the log been told that one was refused?
    told: bool,
}

impl Read {
    fn new(enrolled: Option<Enrolled>, told: bool) -> Self {
        Self { enrolled, checks: CHECKS_A_READ, told }
    }
}

/// The proof of a LOGIN, if it is known without hashing anything.
fn known_already(login: &Login, read: &mut Read, gate: &Gate, peer: Peer<'_>) -> Option<Proof> {
    let door = gate.0.door.load();
    let (proof, why): (_, &str) = match peer.identity {
        Identity::Certificate(shown) => return Some(Proof::by_certificate(shown.clone())),
        // One without was let through the handshake to fetch a certificate, and for nothing else.
        Identity::None if door.client_auth != ClientAuth::Required => {
            return Proof::without_password(login, door.mode, &gate.0.directory.users());
        }
        Identity::Unusable(why) => (Proof::unusable(Arc::clone(why)), why),
        Identity::None => (Proof::refused(), "none was shown, and one is required"),
    };
    let reason = Reason::Certificate;
    gate.0.metrics.net.not_let_in(reason);
    if !std::mem::replace(&mut read.told, true) {
        let (peer, reason) = (peer.address.ip(), reason.as_text());
        warn!(event = "login_refused", peer = %peer, reason, why, "login refused");
    }
    Some(proof)
}

/// What the password of a LOGIN is compared with.
fn expected(login: &Login, read: &Read, gate: &Gate) -> Expected {
    let door = gate.0.door.load();
    let users = gate.0.directory.users();
    let user = login.name.as_ref().and_then(|name| users.by_name(name));
    let enrolled = read.enrolled.as_ref().filter(|enrolled| {
        user.is_some_and(|user| {
            user.id == enrolled.user && user.code.is_some_and(|code| code.hash == enrolled.code)
        })
    });
    match (enrolled, user, door.mode) {
        (Some(enrolled), ..) => Expected::of_hash(enrolled.user, Arc::clone(&enrolled.hash)),
        (None, Some(user), _) => Expected::of_user(user),
        (None, None, AuthMode::Password) => Expected::of_server(door.password.clone()),
        (None, None, AuthMode::Accounts | AuthMode::Open) => Expected::nothing(),
    }
}

/// Checks the password of a LOGIN.
async fn check(login: &mut Login, read: &mut Read, gate: &Gate, peer: Peer<'_>) -> Result<Proof, Refusal> {
    let key = login.name.as_ref().map(|name| name.key());
    let address = peer.address.ip();
    let password = login.password.take().filter(|_| read.checks > 0);
    let mut proof = Proof::refused();
    if let Some(password) = password {
        read.checks -= 1;
        wait(read, gate, peer, key.as_ref())?;
        let turn = gate.0.checks.turn(address).await.ok_or_else(crowded)?;
        // What it asked before may have let it in meanwhile.
        if peer.outbox.is_logged_in() {
            return Ok(proof);
        }
        // Those that were before it may have failed meanwhile.
        wait(read, gate, peer, key.as_ref())?;
        let expected = expected(login, read, gate);
        let gate = gate.clone();
        let verify = move || {
            let _turn = turn;
            let proof = Proof::by_password(expected, &password, || gate.0.metrics.net.password_hashed());
            gate.0.checks.attempts(|attempts, now| match (proof == Proof::refused(), &key) {
                (true, key) => attempts.failed(address, key.as_ref(), now),
                (false, Some(key)) => attempts.right(address, key, now),
                (false, None) => {}
            });
            proof
        };
        proof = tokio::task::spawn_blocking(verify).await.unwrap_or(proof);
    }
    if proof == Proof::refused() {
        refused(read, gate, peer, Reason::Password);
    } else {
        debug!(event = "password_accepted", conn = peer.id.0, peer = %peer.address, "password accepted");
    }
    Ok(proof)
}

/// The one line above debug that a peer can cause: for fail2ban. Of one read the first is told, which
/// is enough for that: a read holds hundreds.
fn refused(read: &mut Read, gate: &Gate, peer: Peer<'_>, reason: Reason) {
    gate.0.metrics.net.not_let_in(reason);
    if !std::mem::replace(&mut read.told, true) {
        warn!(event = "login_refused", peer = %peer.address.ip(), reason = reason.as_text(), "login refused");
    }
}

fn wait(
    read: &mut Read,
    gate: &Gate,
    peer: Peer<'_>,
    key: Option<&tcp_chat_protocol::NameKey>,
) -> Result<(), Refusal> {
    let wait = gate.0.checks.attempts(|attempts, now| attempts.wait(peer.address.ip(), key, now));
    if wait == 0 {
        return Ok(());
    }
    refused(read, gate, peer, Reason::TooManyFailures);
    let msg = format!("too many logins have failed: wait {} s and try again", wait.div_ceil(1_000));
    Err(later(msg, wait))
}

fn crowded() -> Refusal {
    later("too many are logging in at once: try again in a moment".to_owned(), 2_000)
}

fn later(msg: String, ms: u64) -> Refusal {
    let mut refusal = Refusal::new(ErrorKind::RateLimited, msg);
    refusal.retry_after_ms = Some(ms);
    refusal
}
