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
use crate::connect::{connect, deadline, quit};
use crate::exit::{Exit, Failure};
use crate::output::{self, Stop};
use crate::settings::Settings;
use crate::signals::asked_to_stop;
use std::time::Duration;
use tcp_chat_client::protocol::MsgEvent;
use tcp_chat_client::{Events, Saved, Session};
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
    }
}

/// A session for one verb.
struct Script {
    session: Session,
    events: Events,
    /// When to give up.
    until: Option<Instant>,
}

impl Script {
    /// Connects. With `ends`, the verb has an end, and a usual time in which it comes.
    async fn open(settings: &Settings, saved: Option<Saved>, ends: bool) -> Result<Self, Failure> {
        let asked = deadline(settings.timeout);
        let (session, events) = connect(settings, saved, true, asked).await?;
        let until = asked.or_else(|| deadline(ends.then_some(USUAL)));
        Ok(Self { session, events, until })
    }

    /// Does the work within the time, unless a signal comes; says goodbye either way.
    async fn within<T>(
        session: &Session,
        until: Option<Instant>,
        late: &str,
        work: impl Future<Output = Result<T, Stop>>,
    ) -> Result<T, Stop> {
        let done = tokio::select! {
            done = work => done,
            () = at(until) => Err(Failure::timed_out(late).into()),
            _ = asked_to_stop() => Err(Failure::new(Exit::Other, "stopped by a signal").into()),
            () = output::reader_gone() => Err(Stop::ReaderGone),
        };
        if !matches!(&done, Err(Stop::Failed(f)) if f.exit == Exit::TimedOut) {
            // Where it was not confirmed, the daemon ends the session by itself, later.
            quit(session).await;
        } else {
            // What was not confirmed in time would be waited for: only a moment is left for it.
            let _ = tokio::time::timeout(Duration::from_millis(200), session.quit()).await;
        }
        done
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
    use std::io::IsTerminal;
    crate::style::Style::new(std::io::stdout().is_terminal() && !settings.no_color)
}
