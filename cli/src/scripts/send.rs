//! Owns `send`: one message, or with `--split` as many as the input needs. Called by `scripts`. Never ends before
//! they are kept.

use super::split::{Piece, Pieces, Splitter};
use super::{Ends, Script, at, once};
use crate::args::Send;
use crate::connect::Before;
use crate::exit::{Exit, Failure};
use crate::input::{self, Line};
use crate::output::{self, Stop, complain, say};
use crate::settings::Settings;
use std::io::IsTerminal;
use std::time::Duration;
use tcp_chat_client::{Error, Queued, Session, To};
use tokio::sync::mpsc;

const LATE: &str = "the message was not confirmed in time: it may or may not be kept";
const SPLIT_LATE: &str = "the input did not end in time, or its last message was not confirmed";
/// A pause of the input after which the collected lines are sent.
const PAUSE: Duration = Duration::from_millis(500);

pub(super) async fn run(settings: &Settings, args: Send) -> Result<(), Stop> {
    if args.split {
        return split(settings, &args).await;
    }
    let text = match args.text.as_deref() {
        Some(text) if text != "-" => input::without_bom(text).to_owned(),
        _ => tokio::select! {
            read = tokio::task::spawn_blocking(read_all) => {
                read.map_err(|e| Failure::new(Exit::Other, e.to_string()))??
            }
            () = at(settings.deadline()) => {
                let late = "standard input did not end in time, so nothing was sent";
                return Err(Failure::timed_out(late).hint("--split sends while the input comes.").into());
            }
        },
    };
    if text.is_empty() {
        return Err(Failure::usage("there is nothing to send: the text is empty").into());
    }
    if let Some(id) = args.id.clone() {
        return once::run(settings, &args, &text, &id).await;
    }
    let script = Script::open(settings, Before::default(), Ends::Soon).await?;
    let session = &script.session;
    let work = async {
        let queued = session.queue(to(settings, &args), text).await.map_err(explained)?;
        kept(settings, queued).await
    };
    Script::within(settings, session, script.until, LATE, work).await
}

/// The target of the message.
pub(super) fn to(settings: &Settings, args: &Send) -> To {
    match (&args.to, settings.rooms.first()) {
        (Some(user), _) => To::User(user.clone()),
        (None, Some(room)) => To::Room(room.clone()),
        (None, None) => To::Default,
    }
}

/// Waits until it is kept; prints its seq only if requested.
pub(super) async fn kept(settings: &Settings, queued: Queued) -> Result<(), Stop> {
    let sent = queued.kept().await?;
    if settings.json {
        output::if_read(output::json(&sent.message))?;
    } else if settings.verbose {
        say(&format!("* kept as message {}", sent.seq));
    }
    Ok(())
}

/// The remedy for a text that cannot be sent.
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
    input::message(&mut std::io::stdin().lock())
}

async fn split(settings: &Settings, args: &Send) -> Result<(), Stop> {
    if args.text.as_deref().is_some_and(|text| text != "-") {
        return Err(Failure::usage("--split is for standard input: leave TEXT out").into());
    }
    // The length of the input is unknown: only --timeout bounds it.
    let script = Script::open(settings, Before::default(), Ends::Never).await?;
    let session = &script.session;
    let work = async {
        let bound = session.login().limits.msg_bytes;
        let mut splitter = Splitter::new(bound);
        let mut reads = read_pieces();
        let mut not_sent = None;
        // The current line with invalid bytes, and the line that was reported as cut.
        let (mut bad, mut told) = (0, 0);
        loop {
            match tokio::time::timeout(PAUSE, reads.recv()).await {
                Ok(Some(Ok(piece))) => {
                    if piece.number == bad {
                        continue;
                    }
                    let Some(text) = &piece.text else {
                        // The later lines are sent anyway, so that less is missing.
                        bad = piece.number;
                        let failure = Line::not_utf8(piece.number);
                        complain(&failure);
                        if !piece.begins {
                            splitter.drop_line();
                            tell_begun(&piece, splitter.is_cut());
                        }
                        not_sent.get_or_insert(failure);
                        continue;
                    };
                    let full = if piece.begins { splitter.push(text) } else { splitter.push_more(text) };
                    if splitter.is_cut() && told != piece.number {
                        told = piece.number;
                        tell_cut(&piece, bound);
                    }
                    tell_changes(&piece, text);
                    for message in full {
                        say_it(settings, session, args, message).await?;
                    }
                }
                Ok(Some(Err(e))) => {
                    not_sent.get_or_insert(input::unreadable(&e));
                }
                // The input pauses: the collected lines are worth reading.
                Err(_) => {
                    if let Some(message) = splitter.take() {
                        say_it(settings, session, args, message).await?;
                    }
                }
                Ok(None) => break,
            }
        }
        if let Some(message) = splitter.take() {
            say_it(settings, session, args, message).await?;
        }
        match not_sent {
            Some(failure) => Err(failure.hint("All other lines were sent.").into()),
            None => Ok(()),
        }
    };
    Script::within(settings, session, script.until, SPLIT_LATE, work).await
}

/// Reports a line that does not arrive unchanged, since the exit code does not tell.
fn tell_cut(piece: &Piece, bound: usize) {
    let number = piece.number;
    say(&format!("* line {number} is longer than {bound} bytes: it is sent as several messages"));
}

/// As above: the other pieces of the line are not sent.
fn tell_begun(piece: &Piece, is_sent: bool) {
    if is_sent {
        say(&format!("* the beginning of line {} was sent before its end was read", piece.number));
    }
}

/// As above.
fn tell_changes(piece: &Piece, text: &str) {
    let number = piece.number;
    if text.contains('\0') {
        say(&format!("* line {number} has a NUL (U+0000), which cannot be sent: \u{2400} replaces it"));
    }
}

async fn say_it(settings: &Settings, session: &Session, args: &Send, text: String) -> Result<(), Stop> {
    kept(settings, session.queue(to(settings, args), text).await?).await
}

fn read_pieces() -> mpsc::Receiver<std::io::Result<Piece>> {
    let (out, pieces) = mpsc::channel(64);
    std::thread::spawn(move || {
        let mut cut = Pieces::new();
        let ended = input::read_all(&mut std::io::stdin().lock(), |bytes| {
            cut.feed(bytes).into_iter().all(|piece| out.blocking_send(Ok(piece)).is_ok())
        });
        let last = match ended {
            Ok(true) => cut.rest().map(Ok),
            Ok(false) => None,
            Err(e) => Some(Err(e)),
        };
        if let Some(last) = last {
            // The session may be over.
            let _ = out.blocking_send(last);
        }
    });
    pieces
}
