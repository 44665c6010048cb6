//! Owns the invisible characters that belong to writing: joiners in Persian and Sinhala, variants of Japanese
//! names, flags of regions, composed emoji. Called by `neutralise`, which shows every other invisible character
//! as an escape. Never allows two of a kind in a row, so that no text hides in them.

use super::{MARKS, hides, is_mark};
use unicode_joining_type::{JoiningType, get_joining_type};
use unicode_normalization::char::canonical_combining_class;
use unicode_properties::UnicodeEmoji;

/// The combining class of a virama.
const VIRAMA: u8 = 9;

/// Whether the invisible character `c` changes the form of its neighbours.
pub(super) fn is_written(before: &str, c: char, after: &str) -> bool {
    let (last, next) = (before.chars().next_back(), after.chars().next());
    match c {
        '\u{200c}' => last.is_some_and(is_virama) || (joins_next(before) && joins_previous(after)),
        '\u{200d}' => {
            last.is_some_and(is_virama)
                || joins_emoji(before, next)
                // Bengali ya-phalaa and Kannada ra: the joiner precedes the virama (The Unicode Standard, chapter
                // 12), and only that of a visible letter.
                || (last.is_some_and(char::is_alphabetic) && next.is_some_and(is_virama))
                // Persian and Arabic abbreviations: a letter in its initial form.
                || (joins_next(before) && !takes_a_join(after))
        }
        _ => is_selector(c) && last.is_some_and(|base| has_variant(base, c)),
    }
}

/// The tag characters after a black flag that make it the flag of a region: two letters, one to four letters or
/// digits, and the end. (Unicode Technical Standard 51, appendix C; UTS 35, subdivisions.)
pub(super) fn region_tags(after: &str) -> Option<&str> {
    let is_letter = |c| matches!(c, '\u{e0061}'..='\u{e007a}');
    let mut end = 0;
    for (i, c) in after.chars().enumerate() {
        match c {
            '\u{e007f}' if i >= 3 => return Some(&after[..end + c.len_utf8()]),
            c if is_letter(c) && i < 6 => {}
            '\u{e0030}'..='\u{e0039}' if (2..6).contains(&i) => {}
            _ => break,
        }
        end += c.len_utf8();
    }
    None
}

fn is_virama(c: char) -> bool {
    canonical_combining_class(c) == VIRAMA
}

/// A letter that joins the next one, with its marks (RFC 5892, appendix A.1).
fn joins_next(before: &str) -> bool {
    carrier(before.chars().rev())
        .is_some_and(|c| matches!(get_joining_type(c), JoiningType::LeftJoining | JoiningType::DualJoining))
}

/// A letter that joins the previous one, with its marks.
fn joins_previous(after: &str) -> bool {
    carrier(after.chars())
        .is_some_and(|c| matches!(get_joining_type(c), JoiningType::RightJoining | JoiningType::DualJoining))
}

/// Whether the previous letter is joined anyway, so that a joiner has no effect.
fn takes_a_join(after: &str) -> bool {
    joins_previous(after)
        || carrier(after.chars()).is_some_and(|c| get_joining_type(c) == JoiningType::JoinCausing)
}

/// The first character that is not a visible mark: shaping skips marks (Joining_Type=Transparent).
fn carrier(chars: impl Iterator<Item = char>) -> Option<char> {
    chars.take(MARKS + 1).find(|c| !is_mark(*c) || hides(*c))
}

/// A joiner between two emoji: they become one picture.
fn joins_emoji(before: &str, next: Option<char>) -> bool {
    let is_emoji = |c: char| !c.is_ascii() && c.is_emoji_char();
    let before = before.strip_suffix('\u{fe0f}').unwrap_or(before);
    before.chars().next_back().is_some_and(is_emoji) && next.is_some_and(is_emoji)
}

fn is_selector(c: char) -> bool {
    matches!(c, '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}' | '\u{180b}'..='\u{180d}' | '\u{180f}')
}

/// Whether that selector gives the character another form. (StandardizedVariants.txt,
/// emoji-variation-sequences.txt and the Ideographic Variation Database, by kinds of characters.)
fn has_variant(base: char, selector: char) -> bool {
    match selector {
        '\u{fe0e}' | '\u{fe0f}' => base.is_emoji_char(),
        '\u{fe00}'..='\u{fe02}' | '\u{e0100}'..='\u{e01ef}' => is_ideograph(base),
        '\u{180b}'..='\u{180f}' => matches!(base, '\u{1820}'..='\u{18aa}'),
        _ => false,
    }
}

fn is_ideograph(c: char) -> bool {
    matches!(
        c,
        '\u{3005}'..='\u{3007}'
            | '\u{3400}'..='\u{4dbf}'
            | '\u{4e00}'..='\u{9fff}'
            | '\u{f900}'..='\u{faff}'
            | '\u{20000}'..='\u{3fffd}'
    )
}

#[cfg(test)]
mod tests {
    use super::super::{line, text};
    use proptest::prelude::*;

    #[test]
    fn common_text_is_shown_unchanged() {
        for written in [
            // Persian: letters that do not join, also with marks on them; an abbreviated word.
            "می\u{200c}خواهم",
            "مِ\u{200c}خ",
            "سال ۱۴۰۰ ه\u{200d}.ش",
            // Sinhala, Hindi, Bengali, Malayalam: behind a virama, or before one.
            "ශ\u{dca}\u{200d}රී ලංකා ක\u{dca}\u{200d}ර",
            "क\u{94d}\u{200d}ष क\u{94d}\u{200c}ष",
            "র\u{200d}\u{9cd}যাব",
            "ന\u{d4d}\u{200d}",
            // Japanese names, and a form of before there were such selectors.
            "葛\u{e0100}城 辻\u{e0101} 芦\u{fe00}",
            "ᠠ\u{180b}ᠨ",
            // Flags of regions, and emoji that are made of others.
            "🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}!",
            "🏴\u{e0075}\u{e0073}\u{e0063}\u{e0061}\u{e007f}🏴\u{200d}☠\u{fe0f}",
            "❤\u{fe0f}\u{200d}🔥 👩🏽\u{200d}❤\u{fe0f}\u{200d}👨🏿 1\u{fe0f}\u{20e3}",
        ] {
            assert_eq!(line(written), written);
            assert_eq!(text(written), written);
        }
    }

    #[test]
    fn a_character_without_effect_is_an_escape() {
        for (hostile, shown) in [
            ("a\u{200c}b", "a<U+200C>b"),
            ("می\u{200c}\u{200c}خ", "می<U+200C><U+200C>خ"),
            ("می\u{200c} خ", "می<U+200C> خ"),
            // A letter that does not join the next one, and one that is joined anyway.
            ("د\u{200c}م", "د<U+200C>م"),
            ("م\u{200d}م", "م<U+200D>م"),
            ("م\u{200b}\u{200c}م", "م<U+200B><U+200C>م"),
            ("ක\u{dca}\u{200d}\u{200d}ර", "ක\u{dca}\u{200d}<U+200D>ර"),
            ("葛\u{e0100}\u{e0101}", "葛\u{e0100}<U+E0101>"),
            ("a\u{e0100}", "a<U+E0100>"),
            ("葛\u{fe0f}", "葛<U+FE0F>"),
            ("❤\u{fe0f}\u{fe0e}\u{fe0f}", "❤\u{fe0f}<U+FE0E><U+FE0F>"),
            // No end, no black flag, too short, too long, no region.
            ("🏴\u{e0067}\u{e0062}\u{e0065}", "🏴<U+E0067><U+E0062><U+E0065>"),
            ("🏳\u{e0067}\u{e0062}\u{e0065}\u{e007f}", "🏳<U+E0067><U+E0062><U+E0065><U+E007F>"),
            ("🏴\u{e0067}\u{e0062}\u{e007f}", "🏴<U+E0067><U+E0062><U+E007F>"),
            ("🏴\u{e0031}\u{e0031}\u{e0031}\u{e007f}", "🏴<U+E0031><U+E0031><U+E0031><U+E007F>"),
        ] {
            assert_eq!(line(hostile), shown, "{hostile:?}");
        }
        let long = format!("🏴{}\u{e007f}", "\u{e0061}".repeat(7));
        assert_eq!(line(&long), format!("🏴{}<U+E007F>", "<U+E0061>".repeat(7)));
    }

    #[test]
    fn joiners_do_not_let_marks_pile_up() {
        let flood = format!("ක{}", "\u{dca}\u{200d}".repeat(100));
        assert_eq!(line(&flood), format!("ක{}<+192 marks>", "\u{dca}\u{200d}".repeat(4)));
    }

    proptest! {
        #[test]
        fn no_text_hides(written in "[aمدක\u{dca}क\u{94d}👩❤🏴葛ᠠ\u{200c}\u{200d}\u{fe00}\u{fe0f}\u{e0100}\u{e0101}\u{180b}\u{e0061}\u{e0062}\u{e007f}]{0,40}") {
            let shown = line(&written);
            let invisible = |c: char| super::hides(c);
            for hidden in shown.split(|c| !invisible(c)) {
                let flag = super::region_tags(hidden).is_some_and(|tags| tags == hidden);
                let one = hidden.chars().count() <= 1 || hidden == "\u{fe0f}\u{200d}";
                prop_assert!(flag || one, "{hidden:?} in {shown:?}");
            }
        }
    }
}
