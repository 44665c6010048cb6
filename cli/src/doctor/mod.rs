//! Owns `tcp-chat-cli doctor`: one attempt to connect and log in at one server, the first one that is given, explained
//! step by step. Called by `run`. Never sends a
//! message, never uses up the code of a join line, and never connects without verifying the server.
//!
//! | module | what |
//! | --- | --- |
//! | `steps` | what was found out, as steps |
//! | `remedies` | what to do about a step that failed |

mod remedies;
mod steps;

use crate::args::Cli;
use crate::exit::{Exit, Failure};
use crate::output::{self, Stop};
use crate::settings::Settings;
use crate::{connect, hints, known, layers, neutralise};
use clap::ArgMatches;
use clap::parser::ValueSource;
use serde::Serialize;
use std::time::Duration;
use steps::Found;
use tcp_chat_client::Stage;
use tcp_chat_client::protocol::Timestamp;
use tokio::time::timeout_at;

/// The time for a login, also where the server asks to wait.
const LOGIN: Duration = Duration::from_secs(20);

/// The result of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Ok,
    Failed,
    Skipped,
}

/// One step. All text may have untrusted parts: it is neutralised when it is printed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Step {
    step: &'static str,
    status: Status,
    /// What was tried.
    tried: String,
    /// What was found, or why it failed or was skipped.
    reason: String,
    /// More lines about a failure.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    details: Vec<String>,
    /// What to do about a failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<String>,
    /// The exit code of a failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    exit: Option<u8>,
}

/// SERVER may stand before the command, as with the others, or behind it.
///
/// # Errors
/// It stands at both places.
pub(crate) fn with_server(matches: &ArgMatches, cli: Cli) -> Result<Cli, Failure> {
    let Some(crate::args::Command::Doctor(doctor)) = &cli.command else { return Ok(cli) };
    let Some(server) = doctor.server.clone() else { return Ok(cli) };
    if matches.value_source("server") == Some(ValueSource::CommandLine) {
        return Err(Failure::usage("SERVER stands before and behind `doctor`: give it once"));
    }
    if server.contains('@') {
        output::say(layers::IN_SIGHT);
    }
    Ok(Cli { server: Some(server), ..cli })
}

/// Tries to connect, and prints the steps.
///
/// # Errors
/// The step that failed first.
pub async fn run(settings: &Settings) -> Result<(), Stop> {
    // A code works once, and not for this.
    let last = if settings.join.is_some() { Stage::Protocol } else { Stage::Login };
    let name = settings.name.clone();
    let probe =
        connect::builder(settings, &name, connect::Before::default()).request_timeout(LOGIN).probe(last);
    let probe = match settings.deadline() {
        Some(at) => timeout_at(at, probe).await.map_err(|_| {
            Failure::timed_out("the time of --timeout is over; without it each step has a limit of its own")
        })?,
        None => probe.await,
    };
    let probe = probe.map_err(|e| hints::explained(e, settings))?;
    let given = settings.servers.iter().map(ToString::to_string);
    let others: Vec<_> = given.chain(known::load(&settings.server())).collect();
    let others = others.into_iter().filter(|other| *other != settings.server()).collect();
    let steps = Found { settings, probe, now: Timestamp::now(), others }.steps();
    for step in &steps {
        if settings.json {
            output::json(step)?;
        } else {
            output::data(&shown(step))?;
        }
    }
    match steps.iter().find(|step| step.status == Status::Failed) {
        None => Ok(()),
        Some(step) => Err(failure(step).into()),
    }
}

fn failure(step: &Step) -> Failure {
    let exits =
        [Exit::Usage, Exit::NoConnection, Exit::Certificate, Exit::Login, Exit::Refused, Exit::TimedOut];
    let exit = exits.into_iter().find(|exit| Some(*exit as u8) == step.exit).unwrap_or(Exit::Other);
    Failure::new(exit, format!("the step `{}` failed: {}", step.step, step.reason))
}

/// A step for a person.
fn shown(step: &Step) -> String {
    let status = match step.status {
        Status::Ok => "ok",
        Status::Failed => "failed",
        Status::Skipped => "skipped",
    };
    let tried = if step.status == Status::Skipped { String::new() } else { format!("{}: ", step.tried) };
    let mut lines = vec![format!("{status:8} {:12} {tried}{}", step.step, step.reason)];
    lines.extend(step.details.iter().map(|line| format!("{:22}{}", "", line.trim_start())));
    lines.extend(step.remedy.iter().map(|remedy| format!("{:22}remedy: {remedy}", "")));
    lines.iter().map(|line| neutralise::line(line)).collect::<Vec<_>>().join("\n")
}
