//! Owns the step from an unproven LOGIN or ENROL to a command. `parse` makes [`Unproven`]; `reader` collects the
//! lines of one read in a [`Batch`] and passes it through here to the hub. They have no other way to the hub: the command of
//! a LOGIN needs a [`Proof`], and that of an ENROL an [`EnrolProof`]. Slow checks run off the async threads, few at a time. Never logs a user in:
//! the state does, and checks again.

mod enrol;

use super::Gate;
use super::identity::Identity;
use crate::auth::{EnrolProof, Expected, Proof};
use crate::edge::Command;
use crate::edge::{Ask, LoginAsk, Secret};
use crate::hub::Outbox;
use crate::metrics::Reason;
use crate::settings::ClientAuth;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use tcp_chat_protocol::request::{Enrol, Login};
use tcp_chat_protocol::{ErrorKind, Refusal, RequestId};
use tcp_chat_state::{Access, ConnectionId, Digest, UserId};
use tracing::{debug, warn};

/// Logins that are checked in one read; the edge closes the connection after as many failures.
const CHECKS_PER_READ: usize = 3;

/// The peer of the connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer<'a> {
    pub(super) id: ConnectionId,
    pub(super) address: SocketAddr,
    pub(super) identity: &'a Identity,
    /// Tells whether the connection is logged in.
    pub(super) outbox: &'a Outbox,
}

/// A password that an ENROL on this connection sets, if the state accepts it. A later LOGIN is checked against it:
/// the directory has the hash only after the turn is committed.
#[derive(Clone)]
pub(super) struct Enrolled {
    /// The code that the ENROL uses up. While the directory still has it, the ENROL is not committed.
    code: Digest,
    user: UserId,
    hash: Arc<str>,
}

/// The meaning of one line.
#[derive(Debug)]
pub(super) enum Parsed {
    /// It needs no check.
    Command(Command),
    /// It must be checked first.
    Unproven(Unproven),
}

/// A LOGIN or an ENROL before its check. Only [`Batch::prove_at_once`] and [`Batch::prove`] turn it into a
/// command.
#[derive(Debug)]
pub(super) struct Unproven(Box<Claim>);

/// Boxed, so that the other lines do not carry its size.
#[derive(Debug)]
struct Claim {
    id: Option<RequestId>,
    kind: ClaimKind,
}

#[derive(Debug)]
enum ClaimKind {
    Login { login: Box<Login>, fresh: Secret, resumes: Option<[u8; 32]> },
    Enrol { enrol: Box<Enrol>, code: Option<Digest> },
}

impl Unproven {
    /// A LOGIN with the secret for a new session, and the SHA-256 of the session token in it.
    pub(super) fn login(
        id: Option<RequestId>,
        login: Box<Login>,
        fresh: Secret,
        resumes: Option<[u8; 32]>,
    ) -> Self {
        Self(Box::new(Claim { id, kind: ClaimKind::Login { login, fresh, resumes } }))
    }

    /// An ENROL with the SHA-256 of its code. `None`: the text cannot be a code.
    pub(super) fn enrol(id: Option<RequestId>, enrol: Box<Enrol>, code: Option<Digest>) -> Self {
        Self(Box::new(Claim { id, kind: ClaimKind::Enrol { enrol, code } }))
    }

    /// Runs the fast checks. `Err`: a slow check remains.
    fn prove_at_once(self, state: &mut ReadState, gate: &Gate, peer: Peer<'_>) -> Result<Command, Self> {
        let Claim { id, kind } = *self.0;
        // A connection that is logged in is refused by the state, so it needs no check.
        let is_logged_in = peer.outbox.is_logged_in();
        match kind {
            ClaimKind::Login { login, fresh, resumes } => {
                let known = if is_logged_in {
                    Some(Proof::refused())
                } else {
                    prove_without_hash(&login, state, gate, peer)
                };
                match known {
                    Some(proof) => Ok(Command::Ask(
                        id,
                        Ask::Login(Box::new(LoginAsk { login: *login, fresh, resumes, proof })),
                    )),
                    None => Err(Self::login(id, login, fresh, resumes)),
                }
            }
            ClaimKind::Enrol { enrol, code } if is_logged_in => {
                Ok(Command::Ask(id, Ask::Enrol(Box::new(EnrolProof::nothing(enrol.name, code)))))
            }
            ClaimKind::Enrol { enrol, code } => Err(Self::enrol(id, enrol, code)),
        }
    }

    /// Runs the slow checks.
    async fn prove(self, state: &mut ReadState, gate: &Gate, peer: Peer<'_>) -> Command {
        let Claim { id, kind } = *self.0;
        let asked = match kind {
            ClaimKind::Login { mut login, fresh, resumes } => {
                let proof = check_password(&mut login, state, gate, peer).await;
                proof.map(|proof| Ask::Login(Box::new(LoginAsk { login: *login, fresh, resumes, proof })))
            }
            ClaimKind::Enrol { enrol, code } => {
                let proof = enrol::make(*enrol, code, state, gate, peer).await;
                proof.map(|proof| Ask::Enrol(Box::new(proof)))
            }
        };
        match asked {
            Ok(ask) => Command::Ask(id, ask),
            Err(refusal) => Command::Refused(refusal.with_id(id)),
        }
    }
}

/// The lines of one read, in order.
#[derive(Debug, Default)]
pub(super) struct Batch {
    commands: Vec<Command>,
    /// The lines from the first unproven one on.
    rest: VecDeque<Parsed>,
    /// Whether a LOGIN of this read that was refused for its certificate is already logged.
    logged: bool,
}

impl Batch {
    /// Makes room for the commands of so many bytes, if they are short messages.
    pub(super) fn reserve(&mut self, bytes: usize) {
        self.commands.reserve(2 + (bytes / 128).min(64));
    }

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

    /// Runs the fast checks. `Err`: a slow check remains.
    pub(super) fn prove_at_once(mut self, gate: &Gate, peer: Peer<'_>) -> Result<Vec<Command>, Self> {
        let mut state = ReadState::new(None, self.logged);
        while let Some(parsed) = self.rest.pop_front() {
            match parsed {
                Parsed::Command(command) => self.commands.push(command),
                Parsed::Unproven(unproven) => match unproven.prove_at_once(&mut state, gate, peer) {
                    Ok(command) => self.commands.push(command),
                    Err(unproven) => {
                        self.rest.push_front(Parsed::Unproven(unproven));
                        self.logged = state.logged;
                        return Err(self);
                    }
                },
            }
        }
        Ok(self.commands)
    }

    /// Runs all checks. Takes the password that an earlier ENROL has set, and returns the one that an ENROL of
    /// this batch has set.
    pub(super) async fn prove(
        self,
        gate: &Gate,
        peer: Peer<'_>,
        enrolled: Option<Enrolled>,
    ) -> (Vec<Command>, Option<Enrolled>) {
        let Self { mut commands, rest, logged } = self;
        let mut state = ReadState::new(enrolled, logged);
        for parsed in rest {
            commands.push(match parsed {
                Parsed::Command(command) => command,
                Parsed::Unproven(unproven) => match unproven.prove_at_once(&mut state, gate, peer) {
                    Ok(command) => command,
                    Err(unproven) => unproven.prove(&mut state, gate, peer).await,
                },
            });
        }
        (commands, state.enrolled)
    }
}

/// The state of the checks of one read.
struct ReadState {
    /// The password that an earlier ENROL has set.
    enrolled: Option<Enrolled>,
    /// The number of slow checks that remain.
    checks: usize,
    /// Whether a refusal is already logged.
    logged: bool,
}

impl ReadState {
    fn new(enrolled: Option<Enrolled>, logged: bool) -> Self {
        Self { enrolled, checks: CHECKS_PER_READ, logged }
    }
}

/// The proof of a LOGIN, if no password must be hashed for it.
fn prove_without_hash(login: &Login, state: &mut ReadState, gate: &Gate, peer: Peer<'_>) -> Option<Proof> {
    let login_policy = gate.0.login_policy.load();
    let (proof, why): (_, &str) = match peer.identity {
        Identity::Certificate(shown) => return Some(Proof::by_certificate(shown.clone())),
        // The handshake accepts a peer without a certificate only so that it can ENROL for one.
        Identity::None if login_policy.client_auth != ClientAuth::Required => {
            let directory = &gate.0.directory;
            return Proof::without_password(login, &directory.access(), &directory.users());
        }
        Identity::Unusable(why) => (Proof::unusable(Arc::clone(why)), why),
        Identity::None => (Proof::refused(), "the client showed no certificate, and one is required"),
    };
    let reason = Reason::Certificate;
    gate.0.metrics.net.login_refused(reason);
    if !std::mem::replace(&mut state.logged, true) {
        let (peer, reason) = (peer.address.ip(), reason.as_text());
        warn!(event = "login_refused", peer = %peer, reason, why, "login refused");
    }
    Some(proof)
}

/// The hash that the password of a LOGIN is compared with.
fn expected(login: &Login, state: &ReadState, gate: &Gate) -> Expected {
    let access = gate.0.directory.access();
    let users = gate.0.directory.users();
    let user = login.name.as_ref().and_then(|name| users.by_name(name));
    let enrolled = state.enrolled.as_ref().filter(|enrolled| {
        user.is_some_and(|user| {
            user.id == enrolled.user && user.code.is_some_and(|code| code.hash == enrolled.code)
        })
    });
    match (enrolled, user, &*access) {
        (Some(enrolled), ..) => Expected::of_hash(enrolled.user, Arc::clone(&enrolled.hash)),
        (None, Some(user), _) => Expected::of_user(user),
        (None, None, Access::Password(hash)) => Expected::of_server(Arc::clone(hash)),
        (None, None, Access::Accounts | Access::Open) => Expected::nothing(),
    }
}

/// Checks the password of a LOGIN.
async fn check_password(
    login: &mut Login,
    state: &mut ReadState,
    gate: &Gate,
    peer: Peer<'_>,
) -> Result<Proof, Refusal> {
    let key = login.name.as_ref().map(|name| name.key());
    let address = peer.address.ip();
    let password = login.password.take().filter(|_| state.checks > 0);
    let mut proof = Proof::refused();
    if let Some(password) = password {
        state.checks -= 1;
        check_wait(state, gate, peer, key.as_ref())?;
        let permit = gate.0.checks.acquire(address).await.ok_or_else(too_many_logins)?;
        // An earlier request of this peer may have logged it in meanwhile.
        if peer.outbox.is_logged_in() {
            return Ok(proof);
        }
        // Attempts that were checked before may have failed meanwhile.
        check_wait(state, gate, peer, key.as_ref())?;
        let expected = expected(login, state, gate);
        let gate = gate.clone();
        let verify = move || {
            let _permit = permit;
            let proof = Proof::by_password(expected, &password, || gate.0.metrics.net.password_hashed());
            gate.0.checks.attempts(|attempts, now| match (proof == Proof::refused(), &key) {
                (true, key) => attempts.failed(address, key.as_ref(), now),
                (false, Some(key)) => attempts.succeeded(address, key, now),
                (false, None) => {}
            });
            proof
        };
        proof = tokio::task::spawn_blocking(verify).await.unwrap_or(proof);
    }
    if proof == Proof::refused() {
        note_refusal(state, gate, peer, Reason::Password);
    } else {
        debug!(event = "password_accepted", conn = peer.id.0, peer = %peer.address, "password accepted");
    }
    Ok(proof)
}

/// Counts a refused login, and logs the first one of a read for fail2ban. This is the only line above debug that
/// a peer can cause. One line per read is enough: a read holds hundreds of logins.
fn note_refusal(state: &mut ReadState, gate: &Gate, peer: Peer<'_>, reason: Reason) {
    gate.0.metrics.net.login_refused(reason);
    if !std::mem::replace(&mut state.logged, true) {
        warn!(event = "login_refused", peer = %peer.address.ip(), reason = reason.as_text(), "login refused");
    }
}

fn check_wait(
    state: &mut ReadState,
    gate: &Gate,
    peer: Peer<'_>,
    key: Option<&tcp_chat_protocol::NameKey>,
) -> Result<(), Refusal> {
    let wait = gate.0.checks.attempts(|attempts, now| attempts.wait(peer.address.ip(), key, now));
    if wait == 0 {
        return Ok(());
    }
    note_refusal(state, gate, peer, Reason::TooManyFailures);
    let msg = format!("too many logins have failed: wait {} s and try again", wait.div_ceil(1_000));
    Err(rate_limited(msg, wait))
}

fn too_many_logins() -> Refusal {
    rate_limited("too many users are logging in at once; try again in a moment".to_owned(), 2_000)
}

fn rate_limited(msg: String, ms: u64) -> Refusal {
    let mut refusal = Refusal::new(ErrorKind::RateLimited, msg);
    refusal.retry_after_ms = Some(ms);
    refusal
}
