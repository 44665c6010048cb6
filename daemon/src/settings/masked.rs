//! Owns the decision which part of a configuration line may be shown to a person or in the log: never the value
//! of an unknown key, or of a key that names a file with a secret, because a password may be there by mistake.
//! Called by [`super::problem`]. Never decides whether a line is wrong.

use super::key::{key, keys};
use super::kinds::MayShow;
use std::ops::Range;

/// The longest path on Linux, in bytes.
const PATH_BYTES: usize = 4096;

/// Replaces a hidden part.
pub(super) const HIDDEN: &str = "…";

/// Whether a value of that key may be shown as it was written.
pub(super) fn may_show(name: &str, value: &str) -> bool {
    // A backslash as it was written may stand for the end of a line.
    let is_path = || is_possible_path(value) && !value.contains('\\');
    match key(name).map(|key| key.may_show) {
        Some(MayShow::Always) => true,
        Some(MayShow::IfPath) => is_path(),
        Some(MayShow::IfWrittenAsPath) => is_path() && is_written_as_path(value),
        Some(MayShow::Never) | None => false,
    }
}

/// Whether the value can be a path. A key or a certificate in PEM is not one, and it may be on one line.
pub(super) fn is_possible_path(value: &str) -> bool {
    value.len() <= PATH_BYTES && !value.contains("BEGIN") && !value.contains(['\n', '\r', '\0'])
}

/// Whether the value has the form of a path, which no key has.
fn is_written_as_path(value: &str) -> bool {
    let value = value.trim_start_matches(['"', '\'']);
    ["/", "./", "../", "$CREDENTIALS_DIRECTORY/"].iter().any(|start| value.starts_with(start))
}

/// The visible form of a line, and the columns of the carets, from 0.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct VisibleLine {
    pub(super) line: String,
    pub(super) carets: Range<usize>,
}

/// The visible form of a TOML line. `span` (bytes of the line) is an unknown key, or a value.
pub(super) fn visible_line(line: &str, span: Range<usize>, name: &str) -> VisibleLine {
    let is_value = key(name).is_some();
    let before = line.get(..span.start).unwrap_or_default();
    let marked = line.get(span.start..span.end.min(line.len())).unwrap_or_default();
    let after = line.get(span.end.min(line.len())..).unwrap_or_default();

    let before = if is_harmless_before(before) { before } else { HIDDEN };
    let is_name = name.rsplit('.').next() == Some(marked.trim_matches(['"', '\'']));
    // A table may contain anything.
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
    VisibleLine { line: format!("{before}{marked}{after}"), carets }
}

/// Whether the text before the span contains only brackets and names of settings.
fn is_harmless_before(before: &str) -> bool {
    let words = before.split(|c: char| c.is_whitespace() || "[]{}=.".contains(c)).filter(|w| !w.is_empty());
    before.is_empty() || words.into_iter().all(is_known_word)
}

/// The known setting whose value begins on this line, which is not TOML. `above` are the lines before it.
pub(super) fn key_of(above: &str, line: &str) -> String {
    let name = line.split_once('=').map_or("", |(name, _)| name.trim());
    let full = if name.contains('.') { name.to_owned() } else { format!("{}.{name}", section(above)) };
    key(&full).map_or_else(String::new, |key| key.name.to_owned())
}

/// The name of the last section in these lines.
fn section(lines: &str) -> &str {
    let header = |line: &'_ str| line.trim().starts_with('[') && line.trim().ends_with(']');
    lines.lines().rev().find(|line| header(line)).map_or("", |line| line.trim().trim_matches(['[', ']']))
}

/// Whether the word is the name of a section, or of a key in one.
fn is_known_word(word: &str) -> bool {
    keys().iter().any(|key| key.name.split('.').any(|part| part == word))
}
