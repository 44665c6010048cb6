//! Owns who the net says somebody is: checks passwords and codes, makes what an ENROL asks for,
//! and writes it into the commands of a batch before the chat hears them. Slow things run off the
//! async threads, few at once. Never lets anybody in: the chat does, and looks again.

use super::identity::Identity;
use super::{Door, Gate};
use crate::auth;
use crate::chat::{Ask, Command, ConnectionId, Digest, Gives, Made, Proof, UserId};
use crate::hub::Outbox;
use crate::metrics::Reason;
use crate::settings::{AuthMode, ClientAuth};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;
use tcp_chat_protocol::request::{Enrol, Login, Wants};
use tcp_chat_protocol::{ErrorKind, Refusal, Timestamp};
use tracing::{debug, warn};
use zeroize::Zeroizing;

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

/// What is left to the lines of one read.
struct Read {
    /// What an ENROL before has set.
    enrolled: Option<Enrolled>,
    /// Checks.
    checks: usize,
    /// Has the log been told that one was refused?
    told: bool,
}

/// Settles what can be said of a batch at once. True: something is left that takes time.
pub(super) fn at_once(commands: &mut [Command], gate: &Gate, peer: Peer<'_>) -> bool {
    let Peer { identity, outbox, .. } = peer;
    let (mut takes_time, mut told) = (false, false);
    for command in commands {
        takes_time |= match command {
            // The chat refuses it whatever it proves, so nothing is spent on it.
            Command::Ask(_, Ask::Login { proof, .. }) if outbox.is_logged_in() => {
                *proof = Proof::Refused;
                false
            }
            Command::Ask(_, Ask::Enrol { .. }) => !outbox.is_logged_in(),
            Command::Ask(_, Ask::Login { login, proof, .. }) => match known_already(login, gate, identity) {
                Some(known) => {
                    if matches!(known, Proof::Refused | Proof::Unusable(_)) {
                        gate.0.metrics.net.not_let_in(Reason::Certificate);
                        if !std::mem::replace(&mut told, true) {
                            tell_certificate(peer, &known);
                        }
                    }
                    *proof = known;
                    false
                }
                None => true,
            },
            _ => false,
        };
    }
    takes_time
}

/// What can be said of a login without hashing anything.
fn known_already(login: &Login, gate: &Gate, identity: &Identity) -> Option<Proof> {
    let door = gate.0.door.load();
    match identity {
        Identity::Certificate(shown) => return Some(Proof::Certificate(shown.clone())),
        // One without was let through the handshake to fetch a certificate, and for nothing else.
        Identity::None if door.client_auth != ClientAuth::Required => {}
        Identity::Unusable(why) => return Some(Proof::Unusable(Arc::clone(why))),
        Identity::None => return Some(Proof::Refused),
    }
    if login.session.is_some() {
        return Some(Proof::NotNeeded);
    }
    let is_open = door.mode == AuthMode::Open;
    let is_owned =
        || login.name.as_ref().is_some_and(|name| gate.0.directory.users().by_name(name).is_some());
    (is_open && !is_owned()).then_some(Proof::NotNeeded)
}

/// Checks and makes what takes time.
pub(super) async fn prove(
    mut commands: Vec<Command>,
    gate: &Gate,
    peer: Peer<'_>,
    enrolled: Option<Enrolled>,
) -> (Vec<Command>, Option<Enrolled>) {
    let mut read = Read { enrolled, checks: CHECKS_A_READ, told: false };
    for command in &mut commands {
        let outcome = match command {
            Command::Ask(_, Ask::Login { login, proof, .. }) => {
                match known_already(login, gate, peer.identity) {
                    Some(known) => {
                        *proof = known;
                        continue;
                    }
                    None => check(login, &mut read, gate, peer).await.map(|found| *proof = found),
                }
            }
            Command::Ask(_, Ask::Enrol { enrol, code, made }) => {
                make(enrol, *code, &mut read, gate, peer).await.map(|done| *made = done)
            }
            _ => continue,
        };
        if let (Err(refusal), Command::Ask(id, _)) = (outcome, &mut *command) {
            let refusal = refusal.with_id(id.take());
            *command = Command::Refused(refusal);
        }
    }
    (commands, read.enrolled)
}

/// What a password is checked against, and what it proves.
fn question(login: &Login, read: &Read, gate: &Gate, door: &Door) -> (Option<Arc<str>>, Proof) {
    let users = gate.0.directory.users();
    let user = login.name.as_ref().and_then(|name| users.by_name(name));
    let enrolled = read.enrolled.as_ref().filter(|enrolled| {
        user.is_some_and(|user| {
            user.id == enrolled.user && user.code.is_some_and(|code| code.hash == enrolled.code)
        })
    });
    if let Some(Enrolled { user, hash, .. }) = enrolled {
        return (Some(Arc::clone(hash)), Proof::Password(*user, Arc::clone(hash)));
    }
    match (user, door.mode) {
        (Some(user), _) => {
            let proof = |hash: &Arc<str>| Proof::Password(UserId(user.id.0), Arc::clone(hash));
            let proof = user.password.as_ref().map_or(Proof::Refused, proof);
            (user.password.clone(), proof)
        }
        (None, AuthMode::Password) => (door.password.clone(), Proof::Accepted),
        // Nobody: it takes as long all the same.
        (None, AuthMode::Accounts | AuthMode::Open) => (None, Proof::Refused),
    }
}

async fn check(login: &mut Login, read: &mut Read, gate: &Gate, peer: Peer<'_>) -> Result<Proof, Refusal> {
    let key = login.name.as_ref().map(|name| name.key());
    let address = peer.address.ip();
    let password = login.password.take().filter(|_| read.checks > 0);
    let mut found = Proof::Refused;
    if let Some(password) = password {
        read.checks -= 1;
        wait(read, gate, peer, key.as_ref())?;
        let turn = gate.0.checks.turn(address).await.ok_or_else(crowded)?;
        // What it asked before may have let it in meanwhile.
        if peer.outbox.is_logged_in() {
            return Ok(Proof::Refused);
        }
        // Those that were before it may have failed meanwhile.
        wait(read, gate, peer, key.as_ref())?;
        let (hash, proof) = question(login, read, gate, &gate.0.door.load());
        let checks = gate.clone();
        let verify = move || {
            let _turn = turn;
            let ran = || checks.0.metrics.net.password_hashed();
            // Where there is nothing to be right against it takes as long all the same.
            let is_right = match hash {
                Some(hash) => auth::verify(&hash, &password, ran),
                None => auth::verify_nobodys(&password, ran),
            };
            checks.0.checks.attempts(|attempts, now| match (is_right, &key) {
                (false, key) => attempts.failed(address, key.as_ref(), now),
                (true, Some(key)) => attempts.right(address, key, now),
                (true, None) => {}
            });
            is_right
        };
        if tokio::task::spawn_blocking(verify).await.unwrap_or(false) {
            found = proof;
        }
    }
    if found == Proof::Refused {
        refused(read, gate, peer, Reason::Password);
    } else {
        debug!(event = "password_accepted", conn = peer.id.0, peer = %peer.address, "password accepted");
    }
    Ok(found)
}

/// The same line for a certificate, with what is wrong with it.
fn tell_certificate(peer: Peer<'_>, proof: &Proof) {
    let why = if let Proof::Unusable(why) = proof { why } else { "none was shown, and one is required" };
    let (peer, reason) = (peer.address.ip(), Reason::Certificate.as_text());
    warn!(event = "login_refused", peer = %peer, reason, why, "login refused");
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

/// Makes what an ENROL asks for, if its code is good.
async fn make(
    enrol: &mut Enrol,
    code: Option<Digest>,
    read: &mut Read,
    gate: &Gate,
    peer: Peer<'_>,
) -> Result<Made, Refusal> {
    wait(read, gate, peer, None)?;
    if read.checks == 0 {
        return Ok(Made::Nothing);
    }
    read.checks -= 1;
    let gives = match &enrol.wants {
        Wants::Password(_) => Gives::Password,
        Wants::Certificate(_) => Gives::Certificate,
    };
    let (name, user) = {
        let users = gate.0.directory.users();
        let admitted = users.admits(&enrol.name, code, gives, Timestamp::now().0);
        admitted.map(|user| (user.name.clone(), user.id)).inspect_err(|refusal| {
            if refusal.kind == ErrorKind::AuthFailed {
                gate.0.checks.attempts(|attempts, now| attempts.failed(peer.address.ip(), None, now));
                refused(read, gate, peer, Reason::Code);
            }
        })?
    };
    let turn = gate.0.checks.turn(peer.address.ip()).await.ok_or_else(crowded)?;
    if peer.outbox.is_logged_in() {
        return Ok(Made::Nothing);
    }
    let done = match &mut enrol.wants {
        Wants::Password(password) => {
            let password: Zeroizing<String> = std::mem::take(password);
            let metrics = gate.0.metrics.clone();
            let hash = move || {
                let _turn = turn;
                metrics.net.password_hashed();
                auth::hash(&password).map_err(|e| e.to_string())
            };
            tokio::task::spawn_blocking(hash).await.map(|made| made.map(|hash| Made::Password(hash.into())))
        }
        Wants::Certificate(request) => {
            let (tls, request) = (gate.0.certificates.clone(), std::mem::take(request));
            let sign = move || {
                let _turn = turn;
                tls.sign(&request, &name, SystemTime::now())
            };
            match tokio::task::spawn_blocking(sign).await {
                Ok(Err(crate::tls::NotSigned::Request(why))) => {
                    return Err(Refusal::new(ErrorKind::Data, format!("`csr`: {why}")));
                }
                Ok(Err(crate::tls::NotSigned::Ca(why))) => Ok(Err(why.to_string())),
                Ok(Ok((shown, pem))) => Ok(Ok(Made::Certificate(Box::new(shown.into()), pem))),
                Err(why) => Err(why),
            }
        }
    };
    match done {
        Ok(Ok(made)) => {
            if let (Made::Password(hash), Some(code)) = (&made, code) {
                read.enrolled = Some(Enrolled { code, user, hash: Arc::clone(hash) });
            }
            Ok(made)
        }
        why => {
            let why = match why {
                Ok(Err(why)) => why,
                Err(why) => why.to_string(),
                Ok(Ok(_)) => String::new(),
            };
            tracing::error!(event = "enrol_failed", error = why, "what an ENROL asks for could not be made");
            let msg = "the server could not make it; its log says why";
            Err(Refusal::new(ErrorKind::Internal, msg))
        }
    }
}
