//! Owns the problems of a configuration and their text: all at once, each with place, key, reason and remedy.
//! Called by all modules of `settings`. Never decides what is wrong, and shows only the parts of a line that
//! [`masked`] allows.

use super::masked;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// The origin of a value.
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

/// One problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file with line and column, the environment variable, or the flag.
    pub place: String,
    /// The key, such as `limits.burst`; empty if no single key is at fault.
    pub key: String,
    /// The fault and the remedy, as a half sentence.
    pub reason: String,
    /// The line of the file, with carets under the wrong part.
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

/// A key or a place as it was written, with control and invisible characters as escapes.
fn escaped(key: &str) -> String {
    key.chars().fold(String::new(), |mut shown, c| {
        match c {
            '"' | '\'' | '\\' => shown.push(c),
            _ => shown.extend(c.escape_debug()),
        }
        shown
    })
}

/// All problems of a configuration; an error has at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems {
    /// In the order in which they were found; those of the file come first.
    pub list: Vec<Problem>,
    /// A permission is missing for the file, or for a file that it names: exit code 77 instead of 78.
    pub permission: bool,
    /// The control socket of the running daemon, if the configuration is readable enough: so the daemon can be
    /// asked although its file is now invalid.
    pub control_socket: Option<PathBuf>,
}

impl Problems {
    /// One problem about a file as a whole.
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

/// The path and the text of a configuration file: turns byte spans into places and excerpts.
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

    /// A problem at a span of bytes: a wrong value, or an unknown key.
    pub(super) fn problem(&self, span: Range<usize>, key: &str, reason: String) -> Problem {
        let (start, line) = self.line_at(span.start);
        let end = span.end.clamp(span.start, start + line.len());
        let shown = masked::visible_line(line, span.start - start..end - start, key);
        self.with_excerpt(span.start, key, reason, shown)
    }

    /// A problem at the place from which the file is not TOML. Shows only the key of the line: the end of the
    /// value is unknown, and it may be a secret.
    pub(super) fn syntax_problem(&self, at: usize, reason: String) -> Problem {
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

    /// The line of a byte, and where it begins.
    fn line_at(&self, byte: usize) -> (usize, &str) {
        let before = self.text.get(..byte).unwrap_or(&self.text);
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        (start, self.text.get(start..).and_then(|rest| rest.lines().next()).unwrap_or_default())
    }

    fn with_excerpt(&self, at: usize, key: &str, reason: String, shown: masked::VisibleLine) -> Problem {
        let (line, column) = self.position(at);
        // Control characters of the file do not reach the terminal.
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
