//! Owns how the log is written: for people, as JSON, or to the journal. Set up once by the
//! process; everybody else only says what happened, with a constant message and fields. Never
//! decides what is logged.
//!
//! A law: what comes from a peer cannot forge a line, whatever the format and however the field
//! was recorded. Controls, line separators, bidi overrides and invisible characters are escaped.

mod journal;
mod neutral;
mod refused;

pub use refused::{Refused, has_room, tell_left_out};

use crate::settings::{LevelError, Log, LogFormat, parse_level};
use std::io::{self, IsTerminal, Write as _};
use std::os::unix::fs::MetadataExt;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::{self, Writer};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, reload};

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The journal cannot be reached.
    #[error("log.format is \"journald\", but the journal cannot be reached: {0}; use \"auto\"")]
    Journal(#[source] io::Error),
    /// Two calls of [`init`] in one process.
    #[error("the log is set up already")]
    Twice,
    /// The level is none.
    #[error("log.level: {0}")]
    Level(#[from] LevelError),
}

/// Keeps the level of a running log changeable.
#[derive(Debug, Clone)]
pub struct Handle {
    reload: reload::Handle<Targets, Registry>,
    to_journal: bool,
}

impl Handle {
    /// Takes another level at once.
    ///
    /// # Errors
    /// It is no level; the old one goes on.
    pub fn set_level(&self, level: &str) -> Result<(), LevelError> {
        let targets = parse_level(level)?;
        // Fails only once the log itself is gone, at the end of the process.
        let _ = self.reload.reload(targets);
        Ok(())
    }

    /// Says why the process ends where the log alone may not be found. The journal looks up whose
    /// an entry is when it reads it: of a process that is gone by then it does not know the unit,
    /// and `journalctl -u` does not show it. What came by standard error has its unit in any case.
    pub fn last_word(&self, why: &str) {
        if self.to_journal {
            // To the journal a leading `<3>` is the priority of an error.
            let level = if stderr_is_the_journal() { "<3>" } else { "" };
            let _ = writeln!(io::stderr(), "{level}tcp-chatd: {}", neutral::neutral(why));
        }
    }
}

/// Could the log be set up?
///
/// # Errors
/// No journal where one was asked for.
pub fn check(log: &Log) -> Result<(), LogError> {
    match log.format {
        LogFormat::Journald => journal::Journal::open().map(drop).map_err(LogError::Journal),
        _ => Ok(()),
    }
}

/// Sets the log of this process up.
///
/// # Errors
/// No journal where one was asked for, or a second call.
pub fn init(log: &Log) -> Result<Handle, LogError> {
    let (level, reload) = reload::Layer::new(parse_level(&log.level)?);
    let format = resolve(log.format);
    let output = match format {
        LogFormat::Journald => journal::Journal::open().map_err(LogError::Journal)?.boxed(),
        LogFormat::Pretty => pretty(io::stderr, use_color()),
        LogFormat::Json | LogFormat::Auto => json(io::stderr),
    };
    tracing_subscriber::registry().with(level).with(output).try_init().map_err(|_| LogError::Twice)?;
    Ok(Handle { reload, to_journal: format == LogFormat::Journald })
}

/// What `auto` is here: the journal where standard error is the journal's, pretty on a terminal,
/// JSON otherwise.
fn resolve(format: LogFormat) -> LogFormat {
    match format {
        LogFormat::Auto if stderr_is_the_journal() => LogFormat::Journald,
        LogFormat::Auto if io::stderr().is_terminal() => LogFormat::Pretty,
        LogFormat::Auto => LogFormat::Json,
        given => given,
    }
}

/// systemd names device and inode of the stream that it made for standard error. The variable
/// alone says nothing: it is inherited by whoever was started from a terminal in a session.
pub(crate) fn stderr_is_the_journal() -> bool {
    let Ok(named) = std::env::var("JOURNAL_STREAM") else { return false };
    let Ok(stream) = std::fs::metadata("/proc/self/fd/2") else { return false };
    named == format!("{}:{}", stream.dev(), stream.ino())
}

fn use_color() -> bool {
    io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// For people: time, level, message, fields.
fn pretty<S, W>(writer: W, color: bool) -> Box<dyn Layer<S> + Send + Sync>
where
    S: tracing::Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    // The stock formatter prints `%field` and the message raw.
    let fields = format::debug_fn(|writer: &mut Writer<'_>, field: &tracing::field::Field, value| {
        let value = format!("{value:?}");
        let value = neutral::neutral(&value);
        match field.name() {
            "message" => writer.write_str(&value),
            name if neutral::needs_quotes(&value) => write!(writer, "{name}={value:?}"),
            name if writer.has_ansi_escapes() => write!(writer, "\x1b[2m{name}=\x1b[0m{value}"),
            name => write!(writer, "{name}={value}"),
        }
    });
    let fields = tracing_subscriber::field::MakeExt::delimited(fields, " ");
    tracing_subscriber::fmt::layer()
        .fmt_fields(fields)
        .with_target(false)
        .with_ansi(color)
        .with_writer(writer)
        .boxed()
}

/// One JSON object a line: `timestamp`, `level`, `message` and the fields beside each other.
fn json<S, W>(writer: W) -> Box<dyn Layer<S> + Send + Sync>
where
    S: tracing::Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .with_writer(neutral::JsonWriter(writer))
        .boxed()
}

#[cfg(test)]
mod tests;
