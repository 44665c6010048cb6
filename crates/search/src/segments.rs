//! Owns the characters that are words by themselves: emoji, and characters of scripts without spaces or with
//! particles after a word (Korean). SQLite's tokenizer drops the former, and reads a whole sentence of the latter
//! as one word. So texts and queries get spaces around such characters before the tokenizer sees them. A change
//! of these rules needs a new version of the index. Called by the index and by searches. Never changes a text
//! that a user sees.
//! user sees.

use std::borrow::Cow;
use std::fmt::Write;

/// The number of words of a plain query that count.
const WORDS: usize = 64;

/// Whether the character is a word by itself.
fn is_alone(c: char) -> bool {
    is_symbol(c)
        || matches!(
            c,
            // Thai, Lao, Burmese, Khmer; Chinese, Japanese and Korean, with their letters.
            '\u{e01}'..='\u{eff}'
                | '\u{1000}'..='\u{109f}'
                | '\u{1100}'..='\u{11ff}'
                | '\u{1780}'..='\u{17ff}'
                | '\u{3005}'..='\u{3007}'
                | '\u{3041}'..='\u{318e}'
                | '\u{31a0}'..='\u{31bf}'
                | '\u{31f0}'..='\u{31ff}'
                | '\u{3400}'..='\u{4dbf}'
                | '\u{4e00}'..='\u{9fff}'
                | '\u{a960}'..='\u{a97c}'
                | '\u{ac00}'..='\u{d7fb}'
                | '\u{f900}'..='\u{faff}'
                | '\u{ff66}'..='\u{ffdc}'
                | '\u{20000}'..='\u{3fffd}'
        )
}

/// Arrows, signs and emoji.
fn is_symbol(c: char) -> bool {
    matches!(c, '\u{2190}'..='\u{2bff}' | '\u{1f000}'..='\u{1faff}')
}

/// The character for the tokenizer. It reads a private-use character as a letter, so each symbol becomes one. The
/// number of characters stays the same.
pub(crate) fn stand_in(c: char) -> char {
    if !is_symbol(c) {
        return c;
    }
    char::from_u32(0xf_0000 | (u32::from(c) & 0xffff)).unwrap_or(c)
}

/// A text with spaces around the characters that are words by themselves.
pub(crate) fn text(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    let mut apart = String::with_capacity(text.len() * 2);
    let mut last = None;
    for c in text.chars() {
        if last.is_some_and(|last| is_alone(last) || is_alone(c)) {
            apart.push(' ');
        }
        apart.push(stand_in(c));
        last = Some(c);
    }
    Cow::Owned(apart)
}

/// An FTS5 expression in which such characters, typed as one word, are a phrase.
pub(crate) fn expression(typed: &str) -> Cow<'_, str> {
    if typed.is_ascii() {
        return Cow::Borrowed(typed);
    }
    let is_bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || !c.is_ascii();
    let mut apart = String::with_capacity(typed.len() * 2);
    let (mut last, mut quoted) = (' ', false);
    for c in typed.chars() {
        if is_alone(last) || is_alone(c) {
            if quoted {
                apart.push(' ');
            } else if is_bare(last) && is_bare(c) {
                apart.push_str(" + ");
            }
        }
        apart.push(stand_in(c));
        quoted ^= c == '"';
        last = c;
    }
    Cow::Owned(apart)
}

/// A query as plain words: each one quoted for FTS5. A star behind a word stays a prefix search.
pub(crate) fn plain(text: &str) -> String {
    let mut words = String::new();
    for word in text.split_whitespace().take(WORDS) {
        let (word, star) = match word.strip_suffix('*') {
            Some(start) if !start.is_empty() => (start, "*"),
            _ => (word, ""),
        };
        let _ = write!(words, "\"{}\"{star} ", self::text(word).replace('"', "\"\""));
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_that_are_words_by_themselves() {
        for (typed, wanted) in [
            ("hello", "hello"),
            ("caf\u{e9} au lait", "caf\u{e9} au lait"),
            ("山田さん!", "山 田 さ ん !"),
            ("서버가", "서 버 가"),
            ("hi\u{1f980}\u{1f980}", "hi \u{ff980} \u{ff980}"),
        ] {
            assert_eq!(text(typed), wanted);
        }
        for (typed, wanted) in [
            ("hello OR caf\u{e9}", "hello OR caf\u{e9}"),
            ("山田 OR \"山田\"", "山 + 田 OR \" 山 田 \""),
            ("(山*)", "(山*)"),
            ("山田*", "山 + 田*"),
            ("hi\u{1f980} x", "hi + \u{ff980} x"),
        ] {
            assert_eq!(expression(typed), wanted);
        }
    }
}
