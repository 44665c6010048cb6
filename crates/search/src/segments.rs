//! Owns what the tokenizer of SQLite sees of a text. It drops emoji, reads a whole sentence of a script without spaces
//! as one word, and splits a word at the vowel signs of many scripts. So texts and queries get other characters in
//! place of some, and spaces around those that are words by themselves. A change of these rules needs a new version of
//! the index. Called by the index, by searches and by highlights. Never changes a text that a user sees.

use std::borrow::Cow;
use std::fmt::Write;
use unicode_normalization::char::compose;
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};

/// The number of words of a plain query that count.
const WORDS: usize = 64;

/// A character of a text as the tokenizer sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unit {
    /// The character for the tokenizer. `None`: it sees none.
    pub(crate) shown: Option<char>,
    /// The number of characters of the text that it stands for.
    pub(crate) length: usize,
    /// Whether it is a word by itself.
    is_alone: bool,
}

/// The characters of a text. A letter and its marks are one if Unicode has one for them: Korean and Japanese from some
/// systems come in parts.
pub(crate) fn units(text: &str) -> impl Iterator<Item = Unit> {
    let mut chars = text.chars().peekable();
    std::iter::from_fn(move || {
        let (mut c, mut length) = (chars.next()?, 1);
        while let Some(whole) =
            chars.peek().filter(|next| !next.is_ascii()).and_then(|next| compose(c, *next))
        {
            chars.next();
            c = whole;
            length += 1;
        }
        Some(Unit { shown: stand_in(c), length, is_alone: is_alone(c) })
    })
}

/// Whether the character is a word by itself.
fn is_alone(c: char) -> bool {
    is_symbol(c)
        || matches!(
            c,
            // Thai, Lao, Tibetan, Burmese.
            '\u{e01}'..='\u{109f}'
                // Korean letters.
                | '\u{1100}'..='\u{11ff}'
                // Khmer; Tai Le and New Tai Lue; Tai Tham; Balinese.
                | '\u{1780}'..='\u{17ff}'
                | '\u{1950}'..='\u{19df}'
                | '\u{1a20}'..='\u{1aaf}'
                | '\u{1b00}'..='\u{1b7f}'
                // Chinese, Japanese and Korean, with their letters.
                | '\u{3005}'..='\u{3007}'
                | '\u{3041}'..='\u{318e}'
                | '\u{31a0}'..='\u{31bf}'
                | '\u{31f0}'..='\u{31ff}'
                | '\u{3400}'..='\u{4dbf}'
                | '\u{4e00}'..='\u{9fff}'
                // Yi; Korean letters; Javanese, more of Burmese; Tai Viet.
                | '\u{a000}'..='\u{a4cf}'
                | '\u{a960}'..='\u{a97c}'
                | '\u{a980}'..='\u{a9ff}'
                | '\u{aa60}'..='\u{aadf}'
                | '\u{ac00}'..='\u{d7fb}'
                | '\u{f900}'..='\u{faff}'
                | '\u{ff66}'..='\u{ffdc}'
                // Tangut, Khitan, Japanese, Nushu; Chinese.
                | '\u{17000}'..='\u{18d8f}'
                | '\u{1aff0}'..='\u{1b2ff}'
                | '\u{20000}'..='\u{3fffd}'
        )
}

/// Arrows, signs and emoji.
fn is_symbol(c: char) -> bool {
    matches!(c, '\u{2190}'..='\u{2bff}' | '\u{1f000}'..='\u{1faff}')
}

/// Whether a mark is ignored: accents, the vowel points of Hebrew and Arabic, and what selects a form of an emoji. Other
/// marks are vowels and tones, and belong to the word.
fn is_ignored_mark(c: char) -> bool {
    matches!(
        c,
        '\u{300}'..='\u{36f}'
            | '\u{591}'..='\u{5c7}'
            | '\u{610}'..='\u{61a}'
            | '\u{64b}'..='\u{65f}'
            | '\u{670}'
            | '\u{6d6}'..='\u{6ed}'
            | '\u{8d3}'..='\u{8ff}'
            | '\u{1ab0}'..='\u{1aff}'
            | '\u{1dc0}'..='\u{1dff}'
            | '\u{20d0}'..='\u{20ff}'
            | '\u{fe00}'..='\u{fe2f}'
            | '\u{e0100}'..='\u{e01ef}'
    )
}

/// The character for the tokenizer. It reads a private-use character as a letter, so each symbol and each mark that counts
/// becomes one.
fn stand_in(c: char) -> Option<char> {
    use GeneralCategory::{EnclosingMark, NonspacingMark, SpacingMark};
    if c.is_ascii() {
        return Some(c);
    }
    let is_mark = || matches!(c.general_category(), NonspacingMark | SpacingMark | EnclosingMark);
    if !is_symbol(c) {
        if !is_mark() {
            return Some(c);
        }
        if is_ignored_mark(c) {
            return None;
        }
    }
    char::from_u32(0xf_0000 | (u32::from(c) & 0xffff))
}

/// A text with spaces around the characters that are words by themselves.
pub(crate) fn text(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    let mut apart = String::with_capacity(text.len() * 2);
    let mut last_alone = None;
    for unit in units(text) {
        let Some(c) = unit.shown else { continue };
        if last_alone.is_some_and(|last| last || unit.is_alone) {
            apart.push(' ');
        }
        apart.push(c);
        last_alone = Some(unit.is_alone);
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
    let (mut last, mut last_alone, mut quoted) = (' ', false, false);
    for unit in units(typed) {
        let Some(c) = unit.shown else { continue };
        if last_alone || unit.is_alone {
            if quoted {
                apart.push(' ');
            } else if is_bare(last) && is_bare(c) {
                apart.push_str(" + ");
            }
        }
        apart.push(c);
        quoted ^= c == '"';
        (last, last_alone) = (c, unit.is_alone);
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
            // A vowel of Thai is a word; one of Hindi is a part of its word; accents and points are ignored.
            ("กิน", "ก \u{f0e34} น"),
            ("हिन्दी", "ह\u{f093f}न\u{f094d}द\u{f0940}"),
            ("e\u{301}x\u{332} שָׁלוֹם", "\u{e9}x שלום"),
            ("\u{2764}\u{fe0f}!", "\u{f2764} !"),
            // Letters in parts.
            ("\u{1109}\u{1165}\u{1107}\u{1165}\u{11ab}", "서 번"),
            ("\u{304b}\u{3099}", "が"),
        ] {
            assert_eq!(text(typed), wanted);
        }
        for (typed, wanted) in [
            ("hello OR caf\u{e9}", "hello OR caf\u{e9}"),
            ("山田 OR \"山田\"", "山 + 田 OR \" 山 田 \""),
            ("(山*)", "(山*)"),
            ("山田*", "山 + 田*"),
            ("hi\u{1f980} x", "hi + \u{ff980} x"),
            ("กิ OR e\u{332}", "ก + \u{f0e34} OR e"),
        ] {
            assert_eq!(expression(typed), wanted);
        }
    }
}
