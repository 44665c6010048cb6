//! Owns what is wrong with a configuration, and how it is told: every problem at once, each with
//! the place, the key, the reason and what to do. Never decides what is wrong, and shows of a line only what
//! [`masked`] lets through.

use super::masked;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The built-in default.
    Default,
    /// The configuration file.
    File {
        /// Counted from 1.
        line: usize,
        /// In characters, counted from 1.
        column: usize,
    },
    /// An environment variable, by its name.
    Environment(String),
    /// `--set` on the command line.
    Flag,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file with line and column, the environment variable, or the flag.
    pub place: String,
    /// The key, such as `limits.burst`; empty where no single key is at fault.
    pub key: String,
    /// What is wrong and what to do, as a half sentence.
    pub reason: String,
    /// The line of the file with a caret under what is meant.
    pub excerpt: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", escaped(&self.place))?;
        if !self.key.is_empty() {
            write!(f, "{}: ", escaped(&self.key))?;
        }
        f.write_str(&self.reason)?;
        self.excerpt.as_ref().map_or(Ok(()), |excerpt| write!(f, "\n{excerpt}"))
    }
}

/// A key or a place that somebody wrote, with what would move a terminal's cursor or hide as an escape.
fn escaped(key: &str) -> String {
    key.chars().fold(String::new(), |mut shown, c| {
        match c {
            '"' | '\'' | '\\' => shown.push(c),
            _ => shown.extend(c.escape_debug()),
        }
        shown
    })
}

/// Everything that is wrong with a configuration; never empty where it is an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems {
    /// In the order in which they were found: the file's first.
    pub list: Vec<Problem>,
    /// The file, or a file that it names, may not be read: exit code 77 instead of 78.
    pub permission: bool,
    /// Where the control socket of a daemon is that runs with what this configuration was before,
    /// as far as it can still be read: the daemon can be asked although the file is broken.
    pub control_socket: Option<PathBuf>,
}

impl Problems {
    /// A list of one, about a file as a whole.
    pub(super) fn about(path: &Path, reason: String, permission: bool) -> Self {
        let place = path.display().to_string();
        Self {
            list: vec![Problem { place, key: String::new(), reason, excerpt: None }],
            permission,
            control_socket: None,
        }
    }
}

impl std::error::Error for Problems {}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.list.iter().enumerate() {
            if i > 0 {
                writeln!(f)?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

/// A configuration file's path and text: turns byte spans into places and excerpts.
#[derive(Debug, Clone)]
pub(super) struct Text {
    pub(super) path: PathBuf,
    pub(super) text: String,
}

impl Text {
    /// Line and column of a byte, both from 1.
    pub(super) fn position(&self, byte: usize) -> (usize, usize) {
        let before = self.text.get(..byte).unwrap_or(&self.text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        (line, column)
    }

    /// A problem at a span of bytes: of a value that is wrong, or of a key that is no setting.
    pub(super) fn problem(&self, span: Range<usize>, key: &str, reason: String) -> Problem {
        let (start, line) = self.line_at(span.start);
        let end = span.end.clamp(span.start, start + line.len());
        let shown = masked::readable(line, span.start - start..end - start, key);
        self.with_excerpt(span.start, key, reason, shown)
    }

    /// A problem at a place from which on it is no TOML. Nothing of the line is shown but its key: where a value
    /// ends nobody knows, and a secret may stand in it.
    pub(super) fn no_toml(&self, at: usize, reason: String) -> Problem {
        let (start, text) = self.line_at(at);
        let above = self.text.get(..start).unwrap_or_default();
        let (line, column) = self.position(at);
        Problem {
            place: format!("{}:{line}:{column}", self.path.display()),
            key: masked::key_of(above, text),
            reason,
            excerpt: None,
        }
    }

    /// The line that a byte is in, and where it begins.
    fn line_at(&self, byte: usize) -> (usize, &str) {
        let before = self.text.get(..byte).unwrap_or(&self.text);
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        (start, self.text.get(start..).and_then(|rest| rest.lines().next()).unwrap_or_default())
    }

    fn with_excerpt(&self, at: usize, key: &str, reason: String, shown: masked::Shown) -> Problem {
        let (line, column) = self.position(at);
        // What could move a terminal's cursor does not get there from a file either.
        let text: String = shown
            .line
            .chars()
            .map(|c| match c {
                '\t' => ' ',
                c if c.is_control() => '\u{fffd}',
                c => c,
            })
            .collect();
        let number = line.to_string();
        let margin = " ".repeat(number.len());
        let indent = " ".repeat(shown.carets.start);
        let carets = "^".repeat(shown.carets.len());
        Problem {
            place: format!("{}:{line}:{column}", self.path.display()),
            key: key.to_owned(),
            reason,
            excerpt: Some(format!("  {number} | {text}\n  {margin} | {indent}{carets}")),
        }
    }
}
