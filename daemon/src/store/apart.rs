//! Owns what is a word of its own although no space is around it: an emoji, and a character of a
//! script that is written without spaces, or that puts particles behind a word (Korean). SQLite's
//! tokenizer leaves out the ones and takes a whole sentence of the others for one word; so texts and
//! queries are taken apart before it sees them. Another rule here needs another version of the index.
//! Used by the indexer and the searches. Never changes what is shown.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt::Write;

/// Words of a query that are taken; the rest is left out.
const WORDS: usize = 64;

/// Is it a word of its own?
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

/// What stands for a character before the tokenizer: a symbol becomes a character for private
/// use, which is a letter to it. One character stays one.
fn stand_in(c: char) -> char {
    if !is_symbol(c) {
        return c;
    }
    char::from_u32(0xf_0000 | (u32::from(c) & 0xffff)).unwrap_or(c)
}

/// A text with spaces around what is a word of its own.
pub(super) fn text(text: &str) -> Cow<'_, str> {
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

/// An expression of FTS5 in which what is one word as typed is a phrase of such words.
pub(super) fn expression(typed: &str) -> Cow<'_, str> {
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

/// Two characters to mark with: of those for private use, the first that no text has. The texts are
/// read once, whatever is in them.
pub(super) fn two_that_are_in_none(texts: &[String]) -> Option<[char; 2]> {
    let private = '\u{e000}'..='\u{f8ff}';
    let there: HashSet<char> =
        texts.iter().flat_map(|text| text.chars()).filter(|c| private.contains(c)).collect();
    let mut free = private.filter(|c| !there.contains(c));
    Some([free.next()?, free.next()?])
}

/// The ranges of `original` that are between the marks in `marked`, which is [`text`] of it with
/// marks: each the first character and how many.
pub(super) fn ranges(original: &str, marked: &str, open: char, close: char) -> Vec<(usize, usize)> {
    let mut original = original.chars().map(stand_in).peekable();
    let (mut ranges, mut at, mut start) = (Vec::new(), 0, None);
    for c in marked.chars() {
        if c == open {
            start = Some(at);
        } else if c == close {
            ranges.extend(start.take().map(|start| (start, at - start)));
        } else if original.next_if_eq(&c).is_some() {
            at += 1;
        }
    }
    ranges
}

/// Each word as FTS5 quotes it, a star behind one kept.
pub(super) fn plain(text: &str) -> String {
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
    use proptest::prelude::*;

    #[test]
    fn words_of_their_own() {
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

    proptest! {
        #[test]
        fn marks_are_found_where_they_were_put(
            before in "[a \u{1f980}山é]{0,8}", marked in "[a\u{1f980}山é]{1,8}", after in "[a \u{1f980}山é]{0,8}",
        ) {
            let whole = format!("{before}{marked}{after}");
            // As SQLite does: around the words, not around a space that was put in.
            let apart = text(&whole);
            let (mut out, mut at) = (String::new(), 0);
            let (start, end) = (before.chars().count(), before.chars().count() + marked.chars().count());
            let mut original = whole.chars().map(stand_in).peekable();
            for c in apart.chars() {
                if original.next_if_eq(&c).is_some() {
                    if at == start { out.push('<'); }
                    out.push(c);
                    at += 1;
                    if at == end { out.push('>'); }
                } else {
                    out.push(c);
                }
            }
            prop_assert_eq!(ranges(&whole, &out, '<', '>'), vec![(start, end - start)]);
        }
    }
}
