//! Owns the verbs for scripts: each opens a session, does one thing, quits, and ends with an exit code for its
//! result. Data goes to standard output; a success prints nothing else. Never asks the user.

mod all;
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

/// The timeout without `--timeout` of a verb that ends by itself.
const USUAL: Duration = Duration::from_secs(30);

/// Runs one verb.
///
/// # Errors
/// The failure.
pub async fn run(settings: &Settings, command: Command) -> Result<(), Stop> {
    match command {
        Command::Send(args) => send::run(settings, args).await,
        Command::Tail(args) => tail::tail(settings, args).await,
        Command::Wait(args) => tail::wait(settings, args).await,
        Command::History(args) => query::history(settings, args).await,
        Command::Search(args) => query::search(settings, args).await,
        Command::Who => query::who(settings).await,
        Command::Rooms => query::rooms(settings).await,
        Command::Web(_) | Command::Doctor(_) => {
            Err(Failure::usage("`web` and `doctor` open no session by themselves").into())
        }
    }
}

/// The timeout of a verb without `--timeout`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ends {
    /// The usual time.
    Soon,
    /// None: the end is unknown.
    Never,
}

/// The session of one verb.
struct Script {
    session: Session,
    events: Events,
    /// The deadline.
    until: Option<Instant>,
}

impl Script {
    /// Connects.
    async fn open(settings: &Settings, before: Before, ends: Ends) -> Result<Self, Failure> {
        let (session, events) = connect(settings, before, Taken::Wait).await?;
        let until = settings.deadline().or_else(|| deadline((ends == Ends::Soon).then_some(USUAL)));
        Ok(Self { session, events, until })
    }

    /// Runs the work within the time, unless a signal comes; quits in both cases.
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
        // Without a confirmation, the daemon ends the session later by itself.
        let until = if matches!(&done, Err(Stop::Failed(f)) if f.exit == Exit::TimedOut) {
            until
        } else {
            settings.deadline()
        };
        quit_by(session, until, settings).await;
        done
    }
}

/// For work that only prints: it ends when the reader is gone.
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

/// The style of lines on this standard output.
fn style(settings: &Settings) -> crate::style::Style {
    crate::style::Style::new(settings.no_color)
}
