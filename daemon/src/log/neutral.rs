//! Owns the escaping of text for the log: one line stays one line, and all characters are visible. Called by the
//! formats. Never drops a character.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io;
use tracing_subscriber::fmt::MakeWriter;

/// Control characters, line separators, bidi controls, and invisible characters.
fn is_dangerous(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e0fff}'
        )
}

/// The text with dangerous characters escaped as in Rust (`\n`, `\u{1b}`).
pub(super) fn neutral(text: &str) -> Cow<'_, str> {
    if !text.contains(is_dangerous) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_dangerous(c) {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

/// Whether a reader could take part of this value for another field. False for a quoted string, the form of
/// `?value` and of plain strings.
pub(super) fn needs_quotes(value: &str) -> bool {
    let inner = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let is_string = inner.is_some_and(|inner| {
        let mut escaped = false;
        let ends_early = inner.chars().any(|c| {
            let ends = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            ends
        });
        !ends_early && !escaped
    });
    !is_string && value.contains([' ', '='])
}

/// Escapes the dangerous characters that JSON does not escape itself: it escapes only those below U+0020.
#[derive(Debug, Clone, Copy)]
pub(super) struct JsonWriter<W>(pub(super) W);

impl<'a, W: MakeWriter<'a>> MakeWriter<'a> for JsonWriter<W> {
    type Writer = JsonLine<W::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        JsonLine(self.0.make_writer())
    }

    fn make_writer_for(&'a self, meta: &tracing::Metadata<'_>) -> Self::Writer {
        JsonLine(self.0.make_writer_for(meta))
    }
}

/// Receives one whole line per call.
#[derive(Debug)]
pub(super) struct JsonLine<W>(W);

impl<W: io::Write> io::Write for JsonLine<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.write_all(line)?;
        Ok(line.len())
    }

    fn write_all(&mut self, line: &[u8]) -> io::Result<()> {
        let dangerous = |c: char| c != '\n' && is_dangerous(c);
        match std::str::from_utf8(line) {
            Ok(text) if text.contains(dangerous) => {
                let mut out = String::with_capacity(text.len() + 16);
                for c in text.chars() {
                    if !dangerous(c) {
                        out.push(c);
                        continue;
                    }
                    // Outside of a JSON string there is no such character.
                    for unit in c.encode_utf16(&mut [0; 2]) {
                        let _ = write!(out, "\\u{unit:04x}");
                    }
                }
                self.0.write_all(out.as_bytes())
            }
            _ => self.0.write_all(line),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_strings_go_without_further_quotes() {
        for fine in ["7", "a:1", "\"a b\"", "\"a \\\" b=c\"", "[\"x\"]", "\"\""] {
            assert!(!needs_quotes(fine), "{fine}");
        }
        for forged in ["a b", "a=b", "\"a\" b=\"c\"", "\"a b", "\"a b\\\"", "\" ", "a b\""] {
            assert!(needs_quotes(forged), "{forged}");
        }
    }
}
