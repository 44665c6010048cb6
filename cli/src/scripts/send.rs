//! Owns `send`: one message, or with `--split` as many as the input needs; done only once they are
//! kept.

use super::split::{Pieces, Splitter};
use super::{Script, once};
use crate::args::Send;
use crate::exit::{Exit, Failure};
use crate::input;
use crate::output::{self, Stop, say};
use crate::settings::Settings;
use std::io::{IsTerminal, Read};
use std::time::Duration;
use tcp_chat_client::{Error, Queued, Session, To};
use tokio::sync::mpsc;

const LATE: &str = "the message was not confirmed in time: it may or may not be kept";
/// More than any server takes in one message.
const INPUT_BYTES: u64 = 1024 * 1024;
/// A pause of the input that lets what was collected go.
const PAUSE: Duration = Duration::from_millis(500);

pub(super) async fn run(settings: &Settings, args: Send) -> Result<(), Stop> {
    if args.split {
        return split(settings, &args).await;
    }
    let text = match args.text.as_deref() {
        Some(text) if text != "-" => text.to_owned(),
        _ => tokio::task::spawn_blocking(read_all)
            .await
            .map_err(|e| Failure::new(Exit::Other, e.to_string()))??,
    };
    if text.is_empty() {
        return Err(Failure::usage("there is nothing to send: the text is empty").into());
    }
    if let Some(id) = args.id.clone() {
        return once::run(settings, &args, &text, &id).await;
    }
    let script = Script::open(settings, None, true).await?;
    let session = &script.session;
    let work = async {
        let queued = session.queue(to(settings, &args), text).await.map_err(explained)?;
        kept(settings, queued).await
    };
    Script::within(session, script.until, LATE, work).await
}

/// To whom it goes.
pub(super) fn to(settings: &Settings, args: &Send) -> To {
    match (&args.to, settings.rooms.first()) {
        (Some(user), _) => To::User(user.clone()),
        (None, Some(room)) => To::Room(room.clone()),
        (None, None) => To::Default,
    }
}

/// Waits until it is kept; tells its number only where that was asked for.
pub(super) async fn kept(settings: &Settings, queued: Queued) -> Result<(), Stop> {
    let sent = queued.kept().await?;
    if settings.json {
        output::json(&sent.message)?;
    } else if settings.verbose {
        say(&format!("* kept as message {}", sent.seq));
    }
    Ok(())
}

/// A text that cannot be sent: what to do about it.
pub(super) fn explained(e: Error) -> Failure {
    let too_long = matches!(&e, Error::Invalid(why) if why.contains("bytes"));
    let failure = Failure::from(e);
    if too_long {
        failure.hint("Give it on standard input with --split to send it as several messages.")
    } else {
        failure
    }
}

fn read_all() -> Result<String, Failure> {
    if std::io::stdin().is_terminal() {
        say("(the message, then Ctrl-D)");
    }
    let mut bytes = Vec::new();
    let read = std::io::stdin().lock().take(INPUT_BYTES).read_to_end(&mut bytes);
    read.map_err(|e| Failure::new(Exit::Other, format!("standard input: {e}")))?;
    let text = String::from_utf8_lossy(&bytes);
    let text = text.strip_suffix('\n').unwrap_or(&text);
    Ok(text.strip_suffix('\r').unwrap_or(text).to_owned())
}

async fn split(settings: &Settings, args: &Send) -> Result<(), Stop> {
    if args.text.as_deref().is_some_and(|text| text != "-") {
        return Err(Failure::usage("--split is for standard input: leave TEXT out").into());
    }
    // How long the input takes is not known: only --timeout bounds it.
    let script = Script::open(settings, None, false).await?;
    let session = &script.session;
    let work = async {
        let mut splitter = Splitter::new(session.login().limits.msg_bytes);
        let mut lines = read_lines();
        loop {
            match tokio::time::timeout(PAUSE, lines.recv()).await {
                Ok(Some(line)) => {
                    for message in splitter.push(&line) {
                        say_it(settings, session, args, message).await?;
                    }
                }
                // A pause: what is there is worth reading.
                Err(_) => {
                    if let Some(message) = splitter.take() {
                        say_it(settings, session, args, message).await?;
                    }
                }
                Ok(None) => break,
            }
        }
        match splitter.take() {
            Some(message) => say_it(settings, session, args, message).await,
            None => Ok(()),
        }
    };
    Script::within(session, script.until, LATE, work).await
}

async fn say_it(settings: &Settings, session: &Session, args: &Send, text: String) -> Result<(), Stop> {
    kept(settings, session.queue(to(settings, args), text).await?).await
}

fn read_lines() -> mpsc::Receiver<String> {
    let (lines, out) = mpsc::channel(64);
    std::thread::spawn(move || {
        let mut pieces = Pieces::default();
        if !input::read_all(|bytes| {
            pieces.feed(bytes).into_iter().all(|line| lines.blocking_send(line).is_ok())
        }) {
            return;
        }
        // Where nobody takes it, nobody misses it.
        if let Some(line) = pieces.rest() {
            let _ = lines.blocking_send(line);
        }
    });
    out
}
