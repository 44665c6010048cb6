//! Owns the session of a command: with the settings, within the time, and under another name if the user chose
//! none. Stores the profile of a server at the first login. Called by all modes. Never runs a command.

use crate::exit::Failure;
use crate::hints::{explained, is_of_a_room};
use crate::output::say;
use crate::settings::Settings;
use crate::{enrol, known, neutralise, profile};
use std::time::Duration;
use tcp_chat_client::protocol::{ErrorKind, Seq};
use tcp_chat_client::{Error, Events, Saved, Session};
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

/// The first and the longest wait between two attempts to connect.
const WAITS: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));
/// The name of a login in a timeout.
const LOGIN: &str = "the login";
/// The timeout of a request if `--timeout` is longer or absent.
const REQUEST: Duration = Duration::from_secs(30);
/// The time before the deadline that is reserved for the last attempt.
const LAST: Duration = Duration::from_millis(100);
/// The number of other names to try if the user chose none.
const OTHER_NAMES: u32 = 9;
/// How long to wait for a taken name without `--timeout`, and the longest wait between two attempts.
const TAKEN: (Duration, Duration) = (Duration::from_secs(10), Duration::from_millis(500));

/// The time for QUIT after the deadline: a twentieth of the timeout, within these bounds.
const MOMENT: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

/// The reaction to a taken name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// Fails.
    Refuse,
    /// Tries other names if the user chose none, then waits for the name until the deadline.
    Wait,
}

/// The facts about an earlier session.
#[derive(Debug, Clone, Default)]
pub struct Before {
    /// The session to resume.
    pub saved: Option<Saved>,
    /// The last seq that was seen, and its log, if there is no session to resume.
    pub seen: Option<(Seq, Option<String>)>,
}

impl From<Option<Saved>> for Before {
    fn from(saved: Option<Saved>) -> Self {
        Self { saved, seen: None }
    }
}

/// The deadline this far from now.
#[must_use]
pub fn deadline(timeout: Option<Duration>) -> Option<Instant> {
    timeout.and_then(|t| Instant::now().checked_add(t))
}

/// A session for a chat or a script. Asks a user at a terminal for a password if the server requires one. With a
/// deadline, transient failures are retried until then.
///
/// # Errors
/// The failure of the last attempt.
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

/// The same without output: messages on the way go to `tell`.
///
/// # Errors
/// The failure of the last attempt; [`explained`] turns it into a failure of the program.
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
        let until = if is_taken || error.is_transient() && last.as_ref().is_some_and(is_name_taken) {
            patience
        } else {
            deadline.filter(|_| error.is_transient())
        };
        let Some(until) = until else { return Err(error) };
        if settings.verbose {
            tell(&format!("* {}; trying again", neutralise::line(&error.to_string())));
        }
        let nap = if is_taken { some_of(wait.min(TAKEN.1)) } else { wait };
        let Some(nap) = nap_before(until.saturating_duration_since(Instant::now()), nap) else {
            // No further attempt fits into the time, but the caller expects the whole time to pass.
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

/// The wait before the next attempt, if this much time is left. `None`: too little for another one.
fn nap_before(left: Duration, wait: Duration) -> Option<Duration> {
    (left > LAST).then(|| wait.min(left - LAST))
}

/// A random part of the wait, at least half: jobs that began together do not return together.
fn some_of(wait: Duration) -> Duration {
    use std::hash::{BuildHasher, Hasher, RandomState};
    let chance = RandomState::new().build_hasher().finish() as u32;
    wait / 2 + (wait / 2).mul_f64(f64::from(chance) / f64::from(u32::MAX))
}

pub(crate) fn builder(settings: &Settings, name: &str, before: Before) -> tcp_chat_client::Builder {
    let mut builder = Session::builder(&settings.host, settings.port, settings.trust.clone()).name(name);
    for server in &settings.servers {
        builder = builder.server(server.clone());
    }
    builder = builder.known_servers(known::load(&settings.server()));
    if let Some(timeout) = settings.timeout {
        // The caller sets the time, so no request times out earlier.
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
    // If the name has the maximum length, the number replaces its end.
    let head: String = name.chars().take(30).collect();
    format!("{}-{n}", head.trim_end_matches(['_', '-', '.']))
}

/// The address of the server that the session is at.
#[must_use]
pub fn current(session: &Session) -> String {
    session.servers().into_iter().next().unwrap_or_default()
}

/// The messages after a login. Stores the profile of a new server, and the servers that it names.
pub fn notes(settings: &Settings, session: &Session) -> Vec<String> {
    let mut notes = Vec::new();
    if settings.verbose {
        let login = session.login();
        let (name, server) = (neutralise::line(&login.name), neutralise::line(&login.server.name));
        let version = neutralise::line(&login.server.version);
        let at = current(session);
        notes.push(format!("* {at}: certificate verified, logged in as {name} ({server} {version})"));
    }
    if let Err(e) = known::store(&settings.server(), session.login().servers.as_deref())
        && settings.verbose
    {
        notes.push(format!("* the servers of this chat could not be remembered: {e}"));
    }
    if let Some((path, key, new)) = &settings.new_profile {
        notes.push(match profile::add(path, key, new) {
            Ok(()) => {
                let host = if settings.host.contains(':') { key.as_str() } else { &settings.host };
                format!("* the pin of {key} is stored: from now on `tcp-chat-cli {host}` is enough")
            }
            Err(failure) => format!("* the pin of {key} could not be stored: {failure}"),
        });
    }
    notes
}

/// Ends a session within the remaining time, or a moment later. Returns as [`quit`].
pub async fn quit_by(session: &Session, until: Option<Instant>, settings: &Settings) -> bool {
    let Some(until) = until else { return quit(session).await };
    let moment = settings.timeout.map_or(MOMENT.1, |t| (t / 20).clamp(MOMENT.0, MOMENT.1));
    let left = until.saturating_duration_since(Instant::now()).max(moment);
    tokio::time::timeout(left, quit(session)).await.unwrap_or(false)
}

/// Ends a session, within a bound. Returns whether the daemon confirmed it; otherwise keep the session, since the
/// daemon may hold its name.
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
