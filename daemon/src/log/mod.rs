//! Owns the format of the log: text for people, JSON, or the journal. The process sets it up once; all other
//! modules only emit events with a constant message and fields. Never decides what is logged.
//!
//! Invariant: no input of a peer can forge a line, whatever the format and the kind of recording. Control
//! characters, line separators, bidi overrides and invisible characters are escaped.

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

/// Why the log cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The journal cannot be reached.
    #[error("log.format is \"journald\", but the journal cannot be reached: {0}; use \"auto\"")]
    Journal(#[source] io::Error),
    /// Two calls of [`init`] in one process.
    #[error("the log is set up already")]
    Twice,
    /// The level is invalid.
    #[error("log.level: {0}")]
    Level(#[from] LevelError),
}

/// Changes the level of the running log.
#[derive(Debug, Clone)]
pub struct Handle {
    reload: reload::Handle<Targets, Registry>,
    to_journal: bool,
}

impl Handle {
    /// Sets another level at once.
    ///
    /// # Errors
    /// The text is not a level; the old level stays.
    pub fn set_level(&self, level: &str) -> Result<(), LevelError> {
        let targets = parse_level(level)?;
        // Fails only after the log itself is dropped, at the end of the process.
        let _ = self.reload.reload(targets);
        Ok(())
    }

    /// Writes the reason for the end of the process to standard error as well, if the log goes to the journal.
    /// The journal looks up the unit of an entry when it reads it. If the process has ended by then, `journalctl
    /// -u` does not show the entry. Lines on standard error always have their unit.
    pub fn last_word(&self, why: &str) {
        if self.to_journal {
            // In the journal a leading `<3>` is the priority of an error.
            let level = if stderr_is_the_journal() { "<3>" } else { "" };
            let _ = writeln!(io::stderr(), "{level}tcp-chatd: {}", neutral::neutral(why));
        }
    }
}

/// Checks whether the log can be set up.
///
/// # Errors
/// The settings require the journal, and it cannot be reached.
pub fn check(log: &Log) -> Result<(), LogError> {
    match log.format {
        LogFormat::Journald => journal::Journal::open().map(drop).map_err(LogError::Journal),
        _ => Ok(()),
    }
}

/// Sets up the log of this process.
///
/// # Errors
/// The settings require the journal and it cannot be reached, or this is the second call.
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

/// Resolves `auto`: the journal if standard error is connected to it, text on a terminal, otherwise JSON.
fn resolve(format: LogFormat) -> LogFormat {
    match format {
        LogFormat::Auto if stderr_is_the_journal() => LogFormat::Journald,
        LogFormat::Auto if io::stderr().is_terminal() => LogFormat::Pretty,
        LogFormat::Auto => LogFormat::Json,
        given => given,
    }
}

/// Whether standard error is connected to the journal. systemd gives the device and inode of that stream in
/// `JOURNAL_STREAM`. The variable alone is no proof: processes started from a terminal inherit it.
pub(crate) fn stderr_is_the_journal() -> bool {
    let Ok(named) = std::env::var("JOURNAL_STREAM") else { return false };
    let Ok(stream) = std::fs::metadata("/proc/self/fd/2") else { return false };
    named == format!("{}:{}", stream.dev(), stream.ino())
}

fn use_color() -> bool {
    io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// The format for people: time, level, message, fields.
fn pretty<S, W>(writer: W, color: bool) -> Box<dyn Layer<S> + Send + Sync>
where
    S: tracing::Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    // The standard formatter does not escape `%field` and the message.
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

/// One JSON object per line: `timestamp`, `level`, `message` and the fields side by side.
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
