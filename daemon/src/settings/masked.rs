//! Owns which part of a line of the configuration may be shown to a person or in the log: never the value
//! of a key that is no setting, or that names a file with a secret. A password may stand there by
//! mistake. Called by [`super::problem`]. Never decides what is wrong with the line.

use super::show;
use std::ops::Range;

/// Settings that name a file with a secret: by mistake the secret itself may stand there.
const SECRET_FILES: [&str; 3] = ["auth.password_file", "http.token_file", "tls.key"];

/// Settings that are paths: by mistake what belongs into the file may stand there.
const PATHS: [&str; 8] = [
    "tls.dir",
    "tls.certificate",
    "tls.key",
    "tls.client_ca",
    "auth.password_file",
    "history.path",
    "admin.socket",
    "http.token_file",
];

/// The longest path that the system takes, in bytes.
const PATH_BYTES: usize = 4096;

/// Stands for what is not shown.
pub(super) const HIDDEN: &str = "…";

/// May a value of that key be shown, as it was written?
pub(super) fn may_show(key: &str, value: &str) -> bool {
    show::keys().any(|known| known == key)
        // As it was written: a backslash begins what may be the end of a line.
        && (!PATHS.contains(&key) || can_be_path(value) && !value.contains('\\'))
        && (!SECRET_FILES.contains(&key) || is_written_as_path(value))
}

/// Can it be a path at all? A key or a certificate in PEM is none, and it may be on one line.
pub(super) fn can_be_path(value: &str) -> bool {
    value.len() <= PATH_BYTES && !value.contains("BEGIN") && !value.contains(['\n', '\r', '\0'])
}

/// Is it written so that nobody takes it for a secret?
fn is_written_as_path(value: &str) -> bool {
    let value = value.trim_start_matches(['"', '\'']);
    ["/", "./", "../", "$CREDENTIALS_DIRECTORY/"].iter().any(|start| value.starts_with(start))
        && !value.contains('\n')
}

/// What is shown of one line, and where the carets go: columns, from 0.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) line: String,
    pub(super) carets: Range<usize>,
}

/// A line of a file that is TOML, with the `span` (bytes of the line) of a key that is none, or of a value.
pub(super) fn readable(line: &str, span: Range<usize>, key: &str) -> Shown {
    let is_value = show::keys().any(|known| known == key);
    let before = line.get(..span.start).unwrap_or_default();
    let marked = line.get(span.start..span.end.min(line.len())).unwrap_or_default();
    let after = line.get(span.end.min(line.len())..).unwrap_or_default();

    let before = if is_harmless_before(before) { before } else { HIDDEN };
    let is_name = key.rsplit('.').next() == Some(marked.trim_matches(['"', '\'']));
    // A table may have anything in it.
    let is_shown = is_name || is_value && may_show(key, marked) && !marked.starts_with('{');
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

/// A line of a file that is no TOML, and the column (from 0, in characters) where that was noticed. `above`
/// are the lines before it. Shown is the value of a setting whose value may be seen, if the line is
/// nothing else; of any other line only what is no value.
pub(super) fn broken(above: &str, line: &str, column: usize) -> Shown {
    let shown = shown_of_broken(above, line);
    let there = shown.trim_end_matches(HIDDEN).chars().count();
    let start = column.min(there);
    Shown { line: shown, carets: start..start + 1 }
}

fn shown_of_broken(above: &str, line: &str) -> String {
    let bare = line.trim();
    let name = bare.trim_matches(['[', ']']);
    if bare.is_empty() || bare.starts_with('[') && is_section(name) {
        return line.to_owned();
    }
    let Some((before, value)) = line.split_once('=') else { return HIDDEN.to_owned() };
    let key = before.trim();
    let full = if key.contains('.') { key.to_owned() } else { format!("{}.{key}", section(above)) };
    if !key.split('.').all(is_known_word) {
        return HIDDEN.to_owned();
    }
    let is_alone = !value.contains(['=', '#', '{', '\n']) && value.matches('"').count() <= 2;
    let is_shown = is_alone && !SECRET_FILES.contains(&full.as_str()) && may_show(&full, value);
    format!("{before}={}", if is_shown { value } else { HIDDEN })
}

/// The name of the section that those lines end in.
fn section(lines: &str) -> &str {
    let header = |line: &'_ str| line.trim().starts_with('[') && line.trim().ends_with(']');
    lines.lines().rev().find(|line| header(line)).map_or("", |line| line.trim().trim_matches(['[', ']']))
}

fn is_section(name: &str) -> bool {
    show::keys().any(|key| key.split_once('.').is_some_and(|(section, _)| section == name))
}

/// Is it the name of a section, or of a key in one?
fn is_known_word(word: &str) -> bool {
    show::keys().any(|key| key.split('.').any(|part| part == word))
}
