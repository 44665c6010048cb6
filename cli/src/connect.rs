//! Owns how a command gets its session: with the settings, within the time, and under another name
//! where nobody chose one. Stores the profile of a server that was joined for the first time.

use crate::exit::Failure;
use crate::output::say;
use crate::settings::Settings;
use crate::{enrol, neutralise, profile};
use std::time::Duration;
use tcp_chat_client::protocol::{ErrorKind, Seq};
use tcp_chat_client::{Error, Events, RefusalKind, Saved, Session};
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

/// The wait between two attempts to connect at first, and at most.
const WAITS: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));
/// What a login that took too long is called.
const LOGIN: &str = "the login";
/// The time for one request where `--timeout` is shorter or not there.
const REQUEST: Duration = Duration::from_secs(30);
/// Before the deadline so much time is left for the last attempt.
const LAST: Duration = Duration::from_millis(100);
/// How many other names are tried where nobody chose one.
const OTHER_NAMES: u32 = 9;
/// How long a name that is taken is waited for where `--timeout` does not say, and the longest wait
/// between two attempts at it.
const TAKEN: (Duration, Duration) = (Duration::from_secs(10), Duration::from_millis(500));

/// How long the goodbye may take once the time is up: a twentieth of it, within these bounds.
const MOMENT: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

/// What is done where the name is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It is an error.
    Refuse,
    /// Other names are tried where nobody chose one, and then it is waited for until the deadline.
    Wait,
}

/// What is known of an earlier session.
#[derive(Debug, Clone, Default)]
pub struct Before {
    /// It is to go on.
    pub saved: Option<Saved>,
    /// Up to which number of which log messages were seen, where there is none to go on.
    pub seen: Option<(Seq, Option<String>)>,
}

impl From<Option<Saved>> for Before {
    fn from(saved: Option<Saved>) -> Self {
        Self { saved, seen: None }
    }
}

/// So long from now on.
#[must_use]
pub fn deadline(timeout: Option<Duration>) -> Option<Instant> {
    timeout.and_then(|t| Instant::now().checked_add(t))
}

/// A session for a chat or a script. Whoever sits at a terminal and is not let in without a
/// password is asked for it. With a deadline, what can pass is tried again until then.
///
/// # Errors
/// What the last attempt failed with.
pub async fn connect(
    settings: &Settings,
    before: Before,
    taken: Taken,
) -> Result<(Session, Events), Failure> {
    let deadline = settings.deadline();
    let mut connected = establish(settings, before.clone(), taken, deadline, &say).await;
    if let Err(Error::LoginRefused { kind: ErrorKind::AuthFailed, .. }) = &connected
        && settings.password.is_none()
        && settings.identity.is_none()
        && let Some(password) = enrol::ask_for_password(settings)
    {
        let asked = Settings { password: Some(password), ..settings.clone() };
        connected = establish(&asked, before, taken, deadline, &say).await;
    }
    let connected = connected.map_err(|e| match e {
        Error::TimedOut { what: LOGIN, .. } => {
            Failure::timed_out(format!("no answer from {} in time", settings.server()))
        }
        e => explained(e, settings),
    })?;
    notes(settings, &connected.0).iter().for_each(|note| say(note));
    Ok(connected)
}

/// The same, but says nothing itself: what there is to say on the way goes to `tell`.
///
/// # Errors
/// What the last attempt failed with; [`explained`] makes it a failure of the program.
pub async fn establish(
    settings: &Settings,
    before: Before,
    taken: Taken,
    deadline: Option<Instant>,
    tell: &(impl Fn(&str) + Sync),
) -> Result<(Session, Events), Error> {
    let mut name = settings.name.clone();
    let is_patient = taken == Taken::Wait;
    let tries = if is_patient && !settings.name_is_chosen { OTHER_NAMES } else { 0 };
    let mut others = 1..=tries;
    let patience = if is_patient { deadline.or_else(|| self::deadline(Some(TAKEN.0))) } else { None };
    let (mut wait, mut last) = (WAITS.0, None);
    loop {
        let attempt = builder(settings, &name, before.clone()).connect();
        let done = match deadline {
            Some(at) => match timeout_at(at, attempt).await {
                Ok(done) => done,
                Err(_) => {
                    let after = settings.timeout.unwrap_or_default();
                    return Err(last.unwrap_or(Error::TimedOut { what: LOGIN, after }));
                }
            },
            None => attempt.await,
        };
        let error = match done {
            Ok(connected) => return Ok(connected),
            Err(error) => error,
        };
        let is_taken = is_name_taken(&error);
        if is_taken && let Some(n) = others.next() {
            name = other_name(&settings.name, n);
            continue;
        }
        let until = if is_taken || error.is_passing() && last.as_ref().is_some_and(is_name_taken) {
            patience
        } else {
            deadline.filter(|_| error.is_passing())
        };
        let Some(until) = until else { return Err(error) };
        if settings.verbose {
            tell(&format!("* {}; trying again", neutralise::line(&error.to_string())));
        }
        let nap = if is_taken { some_of(wait.min(TAKEN.1)) } else { wait };
        let Some(nap) = nap_before(until.saturating_duration_since(Instant::now()), nap) else {
            // Nothing can be tried any more. The time is used up all the same.
            sleep_until(until).await;
            return Err(error);
        };
        sleep(nap).await;
        wait = (wait * 2).min(WAITS.1);
        (name, others) = (settings.name.clone(), 1..=tries);
        last = Some(error);
    }
}

fn is_name_taken(e: &Error) -> bool {
    matches!(e, Error::LoginRefused { kind: ErrorKind::NameTaken, msg } if !is_of_a_room(msg))
}

/// Is it a room whose name cannot be had? Of one kind with a user's name; what differs is how the sentence begins.
fn is_of_a_room(msg: &str) -> bool {
    msg.starts_with("the room ")
}

/// How long to wait for the next attempt, where so much time is left. `None`: too little for one.
fn nap_before(left: Duration, wait: Duration) -> Option<Duration> {
    (left > LAST).then(|| wait.min(left - LAST))
}

/// Half of the wait or more, by chance: jobs that began together do not come back together.
fn some_of(wait: Duration) -> Duration {
    use std::hash::{BuildHasher, Hasher, RandomState};
    let chance = RandomState::new().build_hasher().finish() as u32;
    wait / 2 + (wait / 2).mul_f64(f64::from(chance) / f64::from(u32::MAX))
}

fn builder(settings: &Settings, name: &str, before: Before) -> tcp_chat_client::Builder {
    let mut builder = Session::builder(&settings.host, settings.port, settings.trust.clone()).name(name);
    if let Some(timeout) = settings.timeout {
        // The time is the caller's: no request gives up before.
        builder = builder.request_timeout(timeout.max(REQUEST));
    }
    if let Some(color) = settings.color {
        builder = builder.color(color);
    }
    for room in &settings.rooms {
        builder = builder.room(room);
    }
    if let Some(password) = &settings.password {
        builder = builder.password(password.as_str());
    }
    if let Some(identity) = &settings.identity {
        builder = builder.identity(identity.clone());
    }
    if let Some((after, log)) = before.seen {
        builder = builder.seen(after, log);
    }
    if let Some(saved) = before.saved {
        builder = builder.resume(saved);
    }
    builder
}

fn other_name(name: &str, n: u32) -> String {
    // With the longest of names the number takes the place of its end.
    let head: String = name.chars().take(30).collect();
    format!("{}-{n}", head.trim_end_matches(['_', '-', '.']))
}

fn name_taken(settings: &Settings, msg: String) -> Failure {
    Failure::from(Error::LoginRefused { kind: ErrorKind::NameTaken, msg })
        .hint(format!("Somebody is called {}, or nearly so, or was until a moment ago.", settings.name))
        .hint("Give another name with --name NAME, or wait until the name is free.")
}

/// The failure with what to do about it.
#[must_use]
pub fn explained(e: Error, settings: &Settings) -> Failure {
    let e = match e {
        Error::LoginRefused { kind: ErrorKind::NameTaken, msg } if !is_of_a_room(&msg) => {
            return name_taken(settings, msg);
        }
        e => e,
    };
    let hint = match &e {
        Error::CertificateRefused(refusal) => Some(match refusal.kind {
            RefusalKind::UnknownIssuer | RefusalKind::WrongPin => {
                "Nothing was sent. If the server is right and has a new CA, ask its operator for the new pin or CA."
            }
            RefusalKind::WrongName => {
                "Nothing was sent. Use a name that it is for, or ask the operator to add this one (tls.names)."
            }
            RefusalKind::Expired | RefusalKind::NotYetValid => {
                "Nothing was sent. Look at this machine's clock (`date`); if it is right, the operator has to renew the certificate."
            }
            _ => "Nothing was sent. Only the server's operator can mend it: `tcp-chatd check` says how.",
        }),
        Error::LoginRefused { kind: ErrorKind::AuthFailed, msg } => Some(not_let_in(msg, settings)),
        Error::LoginRefused { kind: ErrorKind::NameTaken, .. } => Some(
            "There is no room of that name. Give the room that is meant with --room NAME, as the server writes it.",
        ),
        _ => None,
    };
    let failure = Failure::from(e);
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

/// A room that the session could not join. A name that cannot be had is told as at a login that brings the room.
#[must_use]
pub fn not_joined(e: Error, settings: &Settings) -> Failure {
    match e {
        Error::Refused { kind: kind @ ErrorKind::NameTaken, msg, .. } => {
            explained(Error::LoginRefused { kind, msg }, settings)
        }
        e => Failure::from(e),
    }
}

/// What whoever was not let in can do about it.
fn not_let_in(msg: &str, settings: &Settings) -> &'static str {
    let about_certificate = msg.contains("certificate");
    if msg.contains("log in under that name") {
        "Give that name with --name NAME, or another certificate with --cert FILE --key FILE."
    } else if settings.identity.is_some()
        && (msg.contains("is for no user") || msg.contains("not accept the client"))
        && !(msg.contains("expired") || msg.contains("revoked"))
    {
        "Ask for another certificate: its common name (CN) is your name, and it is for clients (clientAuth)."
    } else if settings.identity.is_some() && (msg.contains("expired") || msg.contains("revoked")) {
        "Ask the operator for a new join line."
    } else if settings.identity.is_some() {
        "Look at --name and the password: the certificate may be another user's, have expired or been revoked. The operator can give you a new join line."
    } else if msg.contains("asks for a client certificate") {
        "Give yours with --cert FILE --key FILE, or ask the operator for a join line (user add NAME --cert)."
    } else if settings.password.is_none() && about_certificate {
        "Give the password with --password-file FILE; if you have none yet, ask the operator for a join line."
    } else {
        "Look at --name and the password; the operator can give you a new join line."
    }
}

/// What there is to say once the session is there. Stores the profile of a new server.
pub fn notes(settings: &Settings, session: &Session) -> Vec<String> {
    let mut notes = Vec::new();
    if settings.verbose {
        let login = session.login();
        let (name, server) = (neutralise::line(&login.name), neutralise::line(&login.server.name));
        let version = neutralise::line(&login.server.version);
        notes.push(format!(
            "* {}: certificate verified, logged in as {name} ({server} {version})",
            settings.server()
        ));
    }
    if let Some((path, key, new)) = &settings.new_profile {
        notes.push(match profile::add(path, key, new) {
            Ok(()) => {
                let host = if settings.host.contains(':') { key.as_str() } else { &settings.host };
                format!("* {key} and its pin are known from now on: `tcp-chat-cli {host}` is enough")
            }
            Err(failure) => format!("* the server could not be noted: {failure}"),
        });
    }
    notes
}

/// Ends a session in order within the time that is left, or a moment later. Returns as [`quit`].
pub async fn quit_by(session: &Session, until: Option<Instant>, settings: &Settings) -> bool {
    let Some(until) = until else { return quit(session).await };
    let moment = settings.timeout.map_or(MOMENT.1, |t| (t / 20).clamp(MOMENT.0, MOMENT.1));
    let left = until.saturating_duration_since(Instant::now()).max(moment);
    tokio::time::timeout(left, quit(session)).await.unwrap_or(false)
}

/// Ends a session in order, but does not wait for ever. Returns whether the daemon has confirmed it;
/// otherwise the session is worth keeping, since the daemon may hold its name.
pub async fn quit(session: &Session) -> bool {
    tokio::time::timeout(Duration::from_secs(5), session.quit()).await.unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_is_used_up_and_the_last_attempt_is_near_its_end() {
        for timeout in [1, 3, 5, 60].map(Duration::from_secs) {
            let (mut left, mut wait, mut attempts) = (timeout, WAITS.0, 0);
            while let Some(nap) = nap_before(left, wait) {
                left -= nap;
                wait = (wait * 2).min(WAITS.1);
                attempts += 1;
            }
            assert_eq!(left, LAST, "{timeout:?}");
            assert!((4..40).contains(&attempts), "{attempts}");
        }
        assert_eq!(nap_before(LAST, WAITS.0), None);
    }

    #[test]
    fn jobs_that_wait_do_not_come_back_together() {
        let wait = Duration::from_secs(1);
        let waits: std::collections::BTreeSet<_> = (0..20).map(|_| some_of(wait)).collect();
        assert!(waits.len() > 1 && waits.iter().all(|w| (wait / 2..=wait).contains(w)), "{waits:?}");
    }

    #[test]
    fn other_names_are_names() {
        assert_eq!(other_name("ana", 1), "ana-1");
        assert_eq!(other_name(&"x".repeat(32), 9).chars().count(), 32);
    }
}
