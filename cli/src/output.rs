//! Owns standard output and standard error: data goes to the former, everything else to the latter. Each piece is
//! written at once for a reader behind a pipe. Never panics if the pipe is closed.

use crate::exit::{Exit, Failure};
use crate::{neutralise, style};
use serde::Serialize;
use std::io::{self, Write};
use tcp_chat_client::protocol::RedactedEvent;
use tcp_chat_client::{Conversation, Redaction};

/// The server has said that it can order nothing.
pub const STALLED: &str =
    "the server can keep nothing new for now: what you send waits; reading and searching go on";
/// That is over.
pub const STALLED_NO_MORE: &str = "the server keeps messages again";

/// The meaning of a failed write to standard output.
#[derive(Debug)]
pub enum Stop {
    /// The reader has closed the pipe.
    ReaderGone,
    /// A real failure.
    Failed(Failure),
}

impl<E: Into<Failure>> From<E> for Stop {
    fn from(e: E) -> Self {
        Self::Failed(e.into())
    }
}

/// Prints a line of data.
///
/// # Errors
/// [`Stop::ReaderGone`] if the pipe is closed.
pub fn data(line: &str) -> Result<(), Stop> {
    let mut out = io::stdout().lock();
    let done = out.write_all(format!("{line}\n").as_bytes()).and_then(|()| out.flush());
    done.map_err(|e| match e.kind() {
        io::ErrorKind::BrokenPipe => Stop::ReaderGone,
        _ => Stop::Failed(Failure::new(Exit::Other, format!("standard output: {e}"))),
    })
}

/// For actions that are done even if no process reads the output.
///
/// # Errors
/// Those of `printed` except [`Stop::ReaderGone`].
pub fn if_read(printed: Result<(), Stop>) -> Result<(), Stop> {
    match printed {
        Err(Stop::ReaderGone) => Ok(()),
        other => other,
    }
}

/// Prints a piece of data as one line of JSON.
///
/// # Errors
/// As [`data`].
pub fn json(what: &impl Serialize) -> Result<(), Stop> {
    let text = serde_json::to_string(what).map_err(io::Error::from)?;
    data(&neutralise::json(&text))
}

/// Prints a line on standard error. Untrusted text must be neutralised already.
pub fn say(line: &str) {
    // A closed standard error is ignored.
    let _ = io::stderr().lock().write_all(format!("{line}\n").as_bytes());
}

/// The notice that the text of a message was removed.
#[must_use]
pub fn redacted(redaction: &Redaction) -> String {
    let RedactedEvent { seq, by, reason, .. } = &redaction.data;
    let place = match &redaction.conversation {
        Conversation::Room(room) => format!("in #{}", neutralise::line(room)),
        Conversation::With(user) => format!("with {}", neutralise::line(user)),
    };
    format!("message {seq} {place} was {}", style::redacted(by.as_deref(), reason.as_deref()))
}

/// The notice that the server has another log, in which messages after `from` differ from the ones seen.
#[must_use]
pub fn log_replaced(from: u64) -> String {
    format!("the server's log was replaced, as by the restore of a backup: it goes on after message {from}")
}

/// The sentence for a search that did not cover the messages after `indexed` up to `head`.
#[must_use]
pub fn not_indexed((indexed, head): (u64, u64)) -> String {
    let newer = head.saturating_sub(indexed);
    let (messages, are) = if newer == 1 { ("message", "is") } else { ("messages", "are") };
    format!("searched up to {}; {} newer {messages} {are} not indexed yet", grouped(indexed), grouped(newer))
}

/// A number with a comma between groups of three digits, from 1,000 on.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (i, digit) in digits.char_indices() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Prints the reason for the end of the program.
pub fn complain(failure: &Failure) {
    for (i, line) in failure.lines.iter().enumerate() {
        let line = neutralise::line(line);
        say(&if i == 0 { format!("tcp-chat-cli: {line}") } else { line });
    }
}

/// Waits until the reader of standard output is gone; for ever if that cannot be observed.
pub async fn reader_gone() {
    #[cfg(unix)]
    {
        use std::os::fd::AsFd;
        use tokio::io::Interest;
        use tokio::net::unix::pipe::Sender;
        // A file cannot be watched, and has no reader that leaves. (Unchecked, because the checked call would
        // make the pipe nonblocking for all its writers.)
        if let Ok(out) = io::stdout().as_fd().try_clone_to_owned()
            && let Ok(out) = Sender::from_owned_fd_unchecked(out)
            && out.ready(Interest::ERROR).await.is_ok_and(|ready| ready.is_error())
        {
            return;
        }
    }
    std::future::pending().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_says_what_it_did_not_cover() {
        for (missing, sentence) in [
            ((1_234, 6_912), "searched up to 1,234; 5,678 newer messages are not indexed yet"),
            ((0, 1), "searched up to 0; 1 newer message is not indexed yet"),
            ((999, 1_000_999), "searched up to 999; 1,000,000 newer messages are not indexed yet"),
        ] {
            assert_eq!(not_indexed(missing), sentence);
        }
    }
}
