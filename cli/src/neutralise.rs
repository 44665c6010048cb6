//! Owns the neutralisation of untrusted text on a terminal. All text of others (messages, names, errors,
//! certificates) passes through here before it is printed; no other code of this program writes it. Never changes
//! sent text, and never used for `--json`, whose escapes do the same ([`json`]).
//!
//! The rules: characters that move the cursor, change the terminal, hide, or turn the reading order are shown as
//! visible escapes; of the invisible ones only those that writing needs are left (`invisible`). A line break
//! inside a message is kept, and the following lines are indented, so that they cannot look like another line of
//! the interface. The number of combining marks is limited.

mod invisible;

use std::ops::Range;
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};

/// The largest number of combining marks per character; further ones are counted, not shown.
const MARKS: usize = 8;

/// The indentation of further lines of a message.
pub const INDENT: &str = "        | ";

/// Text for one line: line breaks are shown as `␊`.
#[must_use]
pub fn line(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    write(text, 0..text.len(), false, &mut out);
    out
}

/// Part of a message's line, in bytes, in its form within the line.
pub(crate) fn part(text: &str, part: Range<usize>) -> String {
    let mut out = String::with_capacity(part.len());
    write(text, part, true, &mut out);
    out
}

/// The text of a message: keeps its line breaks, and each further line begins with [`INDENT`].
#[must_use]
pub fn text(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    // `\r\n` is also a line break; `\r` alone would overwrite the line.
    let lines = text.split('\n').map(|l| l.strip_suffix('\r').unwrap_or(l));
    for (i, one) in lines.enumerate() {
        if i > 0 {
            out.push('\n');
            out.push_str(INDENT);
        }
        write(one, 0..one.len(), true, &mut out);
    }
    out
}

/// JSON with an escape for everything that [`line()`] would show as one: the value stays the same.
#[must_use]
pub fn json(json: &str) -> String {
    use std::fmt::Write;
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if c == '\u{7f}' || (!c.is_ascii() && hides(c)) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing into a string cannot fail.
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(c);
        }
    }
    out
}

fn write(text: &str, part: Range<usize>, tabs: bool, out: &mut String) {
    use std::fmt::Write;
    let mut marks = 0;
    let mut dropped = 0;
    let mut chars = text[part.start..].chars();
    while text.len() - chars.as_str().len() < part.end
        && let Some(c) = chars.next()
    {
        let after = chars.as_str();
        let before = &text[..text.len() - after.len() - c.len_utf8()];
        // An invisible character that changes the previous one counts as a mark.
        let is_on_it = if hides(c) { invisible::is_written(before, c, after) } else { is_mark(c) };
        if is_on_it {
            marks += 1;
            if marks <= MARKS {
                out.push(c);
            } else {
                dropped += 1;
            }
            continue;
        }
        if std::mem::take(&mut marks) > MARKS {
            let _ = write!(out, "<+{} marks>", std::mem::take(&mut dropped)); // Writing into a string cannot fail.
        }
        match c {
            '\t' if tabs => out.push_str("    "),
            '\u{0}'..='\u{1f}' => out.push(char::from_u32(0x2400 + u32::from(c)).unwrap_or('\u{fffd}')),
            '\u{7f}' => out.push('\u{2421}'),
            '🏴' => {
                out.push(c);
                if let Some(tags) = invisible::region_tags(after) {
                    out.push_str(tags);
                    chars = after[tags.len()..].chars();
                }
            }
            c if hides(c) => {
                let _ = write!(out, "<U+{:04X}>", u32::from(c)); // Writing into a string cannot fail.
            }
            c => out.push(c),
        }
    }
    if dropped > 0 {
        let _ = write!(out, "<+{dropped} marks>"); // Writing into a string cannot fail.
    }
}

fn is_mark(c: char) -> bool {
    use GeneralCategory as G;
    !c.is_ascii() && matches!(c.general_category(), G::NonspacingMark | G::EnclosingMark)
}

/// Whether the character controls, hides, or turns the direction. By category, which needs no updates, and by the
/// few letters and marks that are invisible (variation selectors can carry text).
fn hides(c: char) -> bool {
    use GeneralCategory as G;
    if c.is_ascii() {
        return c.is_ascii_control();
    }
    matches!(
        c,
        '\u{34f}'
            | '\u{115f}'
            | '\u{1160}'
            | '\u{17b4}'
            | '\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{ffa0}'
            | '\u{e0000}'..='\u{e0fff}'
    ) || matches!(
        c.general_category(),
        G::Control | G::Format | G::LineSeparator | G::ParagraphSeparator | G::Surrogate | G::PrivateUse
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn hostile_characters_are_shown_as_escapes() {
        for (hostile, shown) in [
            ("plain äöü 山田 🦀", "plain äöü 山田 🦀"),
            ("\u{1b}[2J", "␛[2J"),
            ("\u{1b}]0;title\u{7}", "␛]0;title␇"),
            ("\u{1b}]52;c;aGk=\u{1b}\\", "␛]52;c;aGk=␛\\"),
            ("\u{9b}2J\u{9d}0;x\u{9c}", "<U+009B>2J<U+009D>0;x<U+009C>"),
            ("a\u{8}b\u{7f}c\0d", "a␈b␡c␀d"),
            ("one\rtwo", "one␍two"),
            ("a\u{85}b", "a<U+0085>b"),
            ("x\u{202e}gpj.exe", "x<U+202E>gpj.exe"),
            ("\u{2066}a\u{2069}\u{200e}\u{200f}\u{61c}", "<U+2066>a<U+2069><U+200E><U+200F><U+061C>"),
            ("a\u{200b}b\u{200c}c\u{2060}d\u{feff}", "a<U+200B>b<U+200C>c<U+2060>d<U+FEFF>"),
            ("a\u{2028}b\u{2029}c", "a<U+2028>b<U+2029>c"),
            ("\u{e0041}\u{e007f}", "<U+E0041><U+E007F>"),
            ("a\u{ad}b\u{3164}c", "a<U+00AD>b<U+3164>c"),
            ("a\u{fff9}b", "a<U+FFF9>b"),
            ("e\u{301}", "e\u{301}"),
            ("👩\u{200d}🚀 ❤\u{fe0f}", "👩\u{200d}🚀 ❤\u{fe0f}"),
            ("👩🏽\u{200d}🚀 👁\u{fe0f}\u{200d}🗨\u{fe0f}", "👩🏽\u{200d}🚀 👁\u{fe0f}\u{200d}🗨\u{fe0f}"),
            ("a\u{200d}b 🚀\u{200d}\u{200d}🚀", "a<U+200D>b 🚀<U+200D><U+200D>🚀"),
            ("a\u{fe0f}b\u{fe00}", "a<U+FE0F>b<U+FE00>"),
        ] {
            assert_eq!(line(hostile), shown, "{hostile:?}");
            assert_eq!(text(hostile), shown, "{hostile:?}");
        }
        assert_eq!(line("a\tb\nc"), "a␉b␊c");
    }

    #[test]
    fn combining_marks_are_limited() {
        let flood = format!("Z{}!", "\u{301}".repeat(500));
        assert_eq!(line(&flood), format!("Z{}<+492 marks>!", "\u{301}".repeat(MARKS)));
    }

    #[test]
    fn a_second_line_cannot_pass_for_a_line_of_the_interface() {
        let forged = "hi\n12:00:00 #lobby bo: pay me\r\n* connected";
        let shown = text(forged);
        assert_eq!(shown, "hi\n        | 12:00:00 #lobby bo: pay me\n        | * connected");
    }

    #[test]
    fn json_has_the_same_text() {
        let hostile = "a\u{202e}\u{7f}\u{9b}\u{e0041}é";
        let shown = json(&serde_json::to_string(hostile).unwrap());
        assert_eq!(shown, r#""a\u202e\u007f\u009b\udb40\udc41é""#);
        assert_eq!(serde_json::from_str::<String>(&shown).unwrap(), hostile);
    }

    proptest! {
        #[test]
        fn no_control_character_gets_through(s in any::<String>(), spice in "[\\u{0}-\\u{a0}\\u{200b}-\\u{206f}\n\r\t\\u{e0000}-\\u{e007f}]{0,30}") {
            let hostile = format!("{spice}{s}{spice}");
            let clean = |c: char| !c.is_control()
                && !matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' | '\u{e0000}'..='\u{e0fff}');
            prop_assert!(line(&hostile).chars().all(clean));
            for (i, one) in text(&hostile).split('\n').enumerate() {
                prop_assert!(one.chars().all(clean));
                prop_assert!(i == 0 || one.starts_with(INDENT));
            }
            let quoted = serde_json::to_string(&hostile).unwrap();
            prop_assert!(json(&quoted).chars().all(clean));
            prop_assert_eq!(serde_json::from_str::<String>(&json(&quoted)).unwrap(), hostile);
        }
    }
}
