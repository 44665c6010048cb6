//! Owns how a command gets its session: with the settings, within the time, and under another name
//! where nobody chose one. Stores the profile of a server that was joined for the first time.

use crate::exit::Failure;
use crate::output::say;
use crate::settings::Settings;
use crate::{enrol, neutralise, profile};
use std::time::Duration;
use tcp_chat_client::protocol::ErrorKind;
use tcp_chat_client::{Error, Events, Saved, Session};
use tokio::time::{Instant, sleep, timeout_at};

/// The wait between two attempts to connect at first, and at most.
const WAITS: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));
/// What a login that took too long is called.
const LOGIN: &str = "the login";
/// How many other names are tried where nobody chose one.
const OTHER_NAMES: u32 = 9;

/// When to give up: `--timeout` from now on.
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
    saved: Option<Saved>,
    may_rename: bool,
    deadline: Option<Instant>,
) -> Result<(Session, Events), Failure> {
    let mut connected = establish(settings, saved.clone(), may_rename, deadline, &say).await;
    if let Err(Error::LoginRefused { kind: ErrorKind::AuthFailed, .. }) = &connected
        && settings.password.is_none()
        && settings.identity.is_none()
        && let Some(password) = enrol::ask_for_password(settings)
    {
        let asked = Settings { password: Some(password), ..settings.clone() };
        connected = establish(&asked, saved, may_rename, deadline, &say).await;
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
    saved: Option<Saved>,
    may_rename: bool,
    deadline: Option<Instant>,
    tell: &(impl Fn(&str) + Sync),
) -> Result<(Session, Events), Error> {
    let mut name = settings.name.clone();
    let tries = if may_rename && !settings.name_is_chosen { OTHER_NAMES } else { 0 };
    let mut others = 1..=tries;
    let mut wait = WAITS.0;
    loop {
        let attempt = builder(settings, &name, saved.clone()).connect();
        let done = match deadline {
            Some(at) => match timeout_at(at, attempt).await {
                Ok(done) => done,
                Err(_) => {
                    let after = settings.timeout.unwrap_or_default();
                    return Err(Error::TimedOut { what: LOGIN, after });
                }
            },
            None => attempt.await,
        };
        match done {
            Ok(connected) => return Ok(connected),
            Err(e @ Error::LoginRefused { kind: ErrorKind::NameTaken, .. }) => match others.next() {
                Some(n) => name = other_name(&settings.name, n),
                None => return Err(e),
            },
            Err(e) if e.is_passing() && deadline.is_some_and(|at| Instant::now() + wait < at) => {
                if settings.verbose {
                    tell(&format!("* {}; trying again", neutralise::line(&e.to_string())));
                }
                sleep(wait).await;
                wait = (wait * 2).min(WAITS.1);
            }
            Err(e) => return Err(e),
        }
    }
}

fn builder(settings: &Settings, name: &str, saved: Option<Saved>) -> tcp_chat_client::Builder {
    let mut builder = Session::builder(&settings.host, settings.port, settings.trust.clone()).name(name);
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
    if let Some(saved) = saved {
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
        .hint(format!("Somebody is called {} there, or was until a moment ago.", settings.name))
        .hint("Give another name with --name NAME, or wait until the name is free.")
}

/// The failure with what to do about it.
#[must_use]
pub fn explained(e: Error, settings: &Settings) -> Failure {
    let e = match e {
        Error::LoginRefused { kind: ErrorKind::NameTaken, msg } => return name_taken(settings, msg),
        e => e,
    };
    let hint = match &e {
        Error::CertificateRefused(_) => Some(
            "Nothing was sent. If the server is right and has a new CA, ask its operator for the new pin or CA.",
        ),
        Error::LoginRefused { kind: ErrorKind::AuthFailed, msg } => Some(not_let_in(msg, settings)),
        _ => None,
    };
    let failure = Failure::from(e);
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

/// What whoever was not let in can do about it.
fn not_let_in(msg: &str, settings: &Settings) -> &'static str {
    let about_certificate = msg.contains("certificate");
    if settings.identity.is_some() {
        "The certificate may have expired or been revoked: ask the operator for a new join line."
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

/// Ends a session in order, but does not wait for ever. Returns whether the daemon has confirmed it;
/// otherwise the session is worth keeping, since the daemon may hold its name.
pub async fn quit(session: &Session) -> bool {
    tokio::time::timeout(Duration::from_secs(5), session.quit()).await.unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_names_are_names() {
        assert_eq!(other_name("ana", 1), "ana-1");
        assert_eq!(other_name(&"x".repeat(32), 9).chars().count(), 32);
    }
}
