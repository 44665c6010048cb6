//! Owns the verbs for scripts: each opens a session of its own, does one thing, says goodbye, and
//! ends with an exit code that says how it went. Data goes to standard output, and where all went
//! well nothing else is said.

mod backfill;
mod once;
mod query;
mod send;
mod split;
mod tail;

use crate::args::Command;
use crate::connect::{Before, Taken, connect, deadline, quit_by};
use crate::exit::{Exit, Failure};
use crate::output::{self, Stop};
use crate::settings::Settings;
use crate::signals::asked_to_stop;
use std::time::Duration;
use tcp_chat_client::protocol::MsgEvent;
use tcp_chat_client::{Events, Session};
use tokio::time::Instant;

/// How long a verb that has an end may take where `--timeout` does not say.
const USUAL: Duration = Duration::from_secs(30);

/// Does one verb.
///
/// # Errors
/// What it failed with.
pub async fn run(settings: &Settings, command: Command) -> Result<(), Stop> {
    match command {
        Command::Send(args) => send::run(settings, args).await,
        Command::Tail(args) => tail::tail(settings, args).await,
        Command::Wait(args) => tail::wait(settings, args).await,
        Command::History(args) => query::history(settings, args).await,
        Command::Search(args) => query::search(settings, args).await,
        Command::Who => query::who(settings).await,
        Command::Rooms => query::rooms(settings).await,
        Command::Web(_) => Err(Failure::usage("`web` opens no session by itself").into()),
    }
}

/// When a verb ends where `--timeout` does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ends {
    /// Within the usual time.
    Soon,
    /// Nobody knows.
    Never,
}

/// A session for one verb.
struct Script {
    session: Session,
    events: Events,
    /// When to give up.
    until: Option<Instant>,
}

impl Script {
    /// Connects.
    async fn open(settings: &Settings, before: Before, ends: Ends) -> Result<Self, Failure> {
        let (session, events) = connect(settings, before, Taken::Wait).await?;
        let until = settings.deadline().or_else(|| deadline((ends == Ends::Soon).then_some(USUAL)));
        Ok(Self { session, events, until })
    }

    /// Does the work within the time, unless a signal comes; says goodbye either way.
    async fn within<T>(
        settings: &Settings,
        session: &Session,
        until: Option<Instant>,
        late: &str,
        work: impl Future<Output = Result<T, Stop>>,
    ) -> Result<T, Stop> {
        let done = tokio::select! {
            done = work => done,
            () = at(until) => Err(Failure::timed_out(late).into()),
            _ = asked_to_stop() => Err(Failure::new(Exit::Other, "stopped by a signal").into()),
        };
        // Where it was not confirmed, the daemon ends the session by itself, later.
        let until = if matches!(&done, Err(Stop::Failed(f)) if f.exit == Exit::TimedOut) {
            until
        } else {
            settings.deadline()
        };
        quit_by(session, until, settings).await;
        done
    }
}

/// For work that is only an answer: it ends when nobody reads it.
async fn while_read<T>(work: impl Future<Output = Result<T, Stop>>) -> Result<T, Stop> {
    tokio::select! {
        done = work => done,
        () = output::reader_gone() => Err(Stop::ReaderGone),
    }
}

async fn at(until: Option<Instant>) {
    match until {
        Some(until) => tokio::time::sleep_until(until).await,
        None => std::future::pending().await,
    }
}

/// Prints a message from the store.
fn print_stored(settings: &Settings, style: &crate::style::Style, event: &MsgEvent<'_>) -> Result<(), Stop> {
    if settings.json { output::json(event) } else { output::data(&style.stored(event)) }
}

/// How lines are to look on this standard output.
fn style(settings: &Settings) -> crate::style::Style {
    crate::style::Style::new(settings.no_color)
}
