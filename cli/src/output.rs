//! Owns standard output and standard error: data goes to the one, everything else to the other.
//! Every piece is written at once, so that a reader behind a pipe has it at once. Never panics
//! where nobody reads.

use crate::exit::{Exit, Failure};
use crate::neutralise;
use serde::Serialize;
use std::io::{self, Write};

/// What a failed write to standard output means.
#[derive(Debug)]
pub enum Stop {
    /// The reader has closed the pipe: it has what it wanted.
    ReaderGone,
    /// Something is wrong.
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
/// [`Stop::ReaderGone`] where the pipe is closed.
pub fn data(line: &str) -> Result<(), Stop> {
    let mut out = io::stdout().lock();
    let done = out.write_all(format!("{line}\n").as_bytes()).and_then(|()| out.flush());
    done.map_err(|e| match e.kind() {
        io::ErrorKind::BrokenPipe => Stop::ReaderGone,
        _ => Stop::Failed(Failure::new(Exit::Other, format!("standard output: {e}"))),
    })
}

/// For what is done all the same where nobody reads the answer.
///
/// # Errors
/// Those of `printed` but for [`Stop::ReaderGone`].
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

/// Says something on standard error. What others have written must be neutralised already.
pub fn say(line: &str) {
    // Where nobody reads it, nobody misses it.
    let _ = io::stderr().lock().write_all(format!("{line}\n").as_bytes());
}

/// What is said where the server has another log, in which messages after `from` are not those that were seen.
#[must_use]
pub fn log_replaced(from: u64) -> String {
    format!("the server's log was replaced, as by the restore of a backup: it goes on after message {from}")
}

/// Says why the program ends.
pub fn complain(failure: &Failure) {
    for (i, line) in failure.lines.iter().enumerate() {
        let line = neutralise::line(line);
        say(&if i == 0 { format!("tcp-chat-cli: {line}") } else { line });
    }
}

/// Waits until the reader of standard output is gone; for ever where that cannot be told.
pub async fn reader_gone() {
    #[cfg(unix)]
    {
        use std::os::fd::AsFd;
        use tokio::io::Interest;
        use tokio::net::unix::pipe::Sender;
        // A file cannot be watched, and its reader is never gone. (Unchecked: the checked way would
        // switch the pipe to non-blocking, for everyone who writes to it.)
        if let Ok(out) = io::stdout().as_fd().try_clone_to_owned()
            && let Ok(out) = Sender::from_owned_fd_unchecked(out)
            && out.ready(Interest::ERROR).await.is_ok_and(|ready| ready.is_error())
        {
            return;
        }
    }
    std::future::pending().await
}
