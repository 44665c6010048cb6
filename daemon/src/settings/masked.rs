//! Owns which part of a line of the configuration may be shown to a person or in the log: never the value
//! of a key that is no setting, or that names a file with a secret. A password may stand there by
//! mistake. Called by [`super::problem`]. Never decides what is wrong with the line.

use super::key::{key, keys};
use super::kinds::MayShow;
use std::ops::Range;

/// The longest path that the system takes, in bytes.
const PATH_BYTES: usize = 4096;

/// Stands for what is not shown.
pub(super) const HIDDEN: &str = "…";

/// May a value of that key be shown, as it was written?
pub(super) fn may_show(name: &str, value: &str) -> bool {
    // As it was written: a backslash begins what may be the end of a line.
    let is_path = || can_be_path(value) && !value.contains('\\');
    match key(name).map(|key| key.may_show) {
        Some(MayShow::Always) => true,
        Some(MayShow::IfPath) => is_path(),
        Some(MayShow::IfWrittenAsPath) => is_path() && is_written_as_path(value),
        Some(MayShow::Never) | None => false,
    }
}

/// Can it be a path at all? A key or a certificate in PEM is none, and it may be on one line.
pub(super) fn can_be_path(value: &str) -> bool {
    value.len() <= PATH_BYTES && !value.contains("BEGIN") && !value.contains(['\n', '\r', '\0'])
}

/// Is it written so that nobody takes it for a key?
fn is_written_as_path(value: &str) -> bool {
    let value = value.trim_start_matches(['"', '\'']);
    ["/", "./", "../", "$CREDENTIALS_DIRECTORY/"].iter().any(|start| value.starts_with(start))
}

/// What is shown of one line, and where the carets go: columns, from 0.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) line: String,
    pub(super) carets: Range<usize>,
}

/// A line of a file that is TOML, with the `span` (bytes of the line) of a key that is none, or of a value.
pub(super) fn readable(line: &str, span: Range<usize>, name: &str) -> Shown {
    let is_value = key(name).is_some();
    let before = line.get(..span.start).unwrap_or_default();
    let marked = line.get(span.start..span.end.min(line.len())).unwrap_or_default();
    let after = line.get(span.end.min(line.len())..).unwrap_or_default();

    let before = if is_harmless_before(before) { before } else { HIDDEN };
    let is_name = name.rsplit('.').next() == Some(marked.trim_matches(['"', '\'']));
    // A table may have anything in it.
    let is_shown = is_name || is_value && may_show(name, marked) && !marked.starts_with('{');
    let marked = if is_shown { marked } else { HIDDEN };
    let after = if is_value && after.trim_start().starts_with('#') {
        after.to_owned()
    } else {
        let end = after.find(|c: char| !matches!(c, ' ' | '\t' | ']' | '}' | '=')).unwrap_or(after.len());
        let (harmless, rest) = after.split_at(end);
        format!("{harmless}{}", if rest.is_empty() { "" } else { HIDDEN })
    };
    let start = before.chars().count();
    let carets = start..start + marked.chars().count().max(1);
    Shown { line: format!("{before}{marked}{after}"), carets }
}

/// Is it only the way to what is meant: brackets, and names of settings?
fn is_harmless_before(before: &str) -> bool {
    let words = before.split(|c: char| c.is_whitespace() || "[]{}=.".contains(c)).filter(|w| !w.is_empty());
    before.is_empty() || words.into_iter().all(is_known_word)
}

/// The setting whose value a line begins that is no TOML, if it is one. `above` are the lines before it.
pub(super) fn key_of(above: &str, line: &str) -> String {
    let name = line.split_once('=').map_or("", |(name, _)| name.trim());
    let full = if name.contains('.') { name.to_owned() } else { format!("{}.{name}", section(above)) };
    key(&full).map_or_else(String::new, |key| key.name.to_owned())
}

/// The name of the section that those lines end in.
fn section(lines: &str) -> &str {
    let header = |line: &'_ str| line.trim().starts_with('[') && line.trim().ends_with(']');
    lines.lines().rev().find(|line| header(line)).map_or("", |line| line.trim().trim_matches(['[', ']']))
}

/// Is it the name of a section, or of a key in one?
fn is_known_word(word: &str) -> bool {
    keys().iter().any(|key| key.name.split('.').any(|part| part == word))
}
