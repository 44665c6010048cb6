//! Owns the further rules for new names: no invisible difference to another name. Called only by [`super::Name`].
//! Never applied to an existing name: users keep the names that an earlier version accepted.

use super::NameError;
use super::shape::is_letter_or_digit;
use unicode_normalization::UnicodeNormalization;
use unicode_properties::{GeneralCategory, GeneralCategoryGroup, UnicodeGeneralCategory};
use unicode_script::{Script, UnicodeScript};

/// Checks a new name.
pub(super) fn check(text: &str) -> Result<(), NameError> {
    if text.is_ascii() {
        return Ok(());
    }
    check_marks(text)?;
    check_direction(text)
}

/// Refuses marks that fonts do not draw: such a name would look like another one.
fn check_marks(text: &str) -> Result<(), NameError> {
    let (mut base, mut before) = (None, None);
    let mut rest = text.nfd().peekable();
    while let Some(c) = rest.next() {
        if c.general_category_group() == GeneralCategoryGroup::Mark {
            let is_joiner = is_stacker(c) && !rest.peek().copied().is_some_and(is_letter_or_digit);
            // UTS 39, 5.4: two equal marks are drawn over each other.
            let is_twice = before == Some(c) && c.general_category() == GeneralCategory::NonspacingMark;
            if is_joiner || is_twice || is_variant(c) || !base.is_some_and(|base| fits(c, base)) {
                return Err(NameError::Mark(u32::from(c)));
            }
        } else {
            base = Some(c);
        }
        before = Some(c);
    }
    Ok(())
}

/// Whether the mark is for letters of this script.
fn fits(mark: char, base: char) -> bool {
    let (scripts, bases) = (mark.script_extension(), base.script_extension());
    if scripts.is_common() || scripts.is_inherited() {
        return true;
    }
    match bases.is_common() || bases.is_inherited() {
        // A digit or an underscore, which every script has.
        true => matches!(mark.script(), Script::Common | Script::Inherited),
        false => !scripts.intersection(bases).is_empty(),
    }
}

/// Marks that only join the letters around them (Unicode: Invisible_Stacker, and the Tifinagh joiner): at the end
/// they are invisible.
fn is_stacker(c: char) -> bool {
    matches!(
        c,
        '\u{1039}'
            | '\u{17d2}'
            | '\u{1a60}'
            | '\u{2d7f}'
            | '\u{10a3f}'
            | '\u{11133}'
            | '\u{113d0}'
            | '\u{1193e}'
            | '\u{11a47}'
            | '\u{11a99}'
            | '\u{11f42}'
    )
}

/// Marks that choose another form of the previous character: Egyptian and Duployan ones.
fn is_variant(c: char) -> bool {
    matches!(c, '\u{13440}' | '\u{13447}'..='\u{13455}' | '\u{1bc9d}')
}

/// How a character affects the order on the screen, as far as names need it (UAX 9).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    Left,
    Right,
    /// Digits except the Arabic ones.
    Digit,
    ArabicDigit,
    /// Marks, `_ - .`.
    Neutral,
}

/// RFC 5893, 2: otherwise `א.1` and `1.א` would look the same.
fn check_direction(text: &str) -> Result<(), NameError> {
    use Direction::{ArabicDigit, Digit, Left, Right};
    let has = |way: Direction| text.chars().any(|c| direction(c) == way);
    if !has(Right) && !has(ArabicDigit) {
        return Ok(());
    }
    let begins_well = text.chars().next().is_some_and(|c| direction(c) == Right);
    match begins_well && !has(Left) && !(has(Digit) && has(ArabicDigit)) {
        true => Ok(()),
        false => Err(NameError::Direction),
    }
}

fn direction(c: char) -> Direction {
    // The blocks of right-to-left scripts (DerivedBidiClass.txt).
    let is_right = matches!(
        c,
        '\u{590}'..='\u{8ff}'
            | '\u{fb1d}'..='\u{fdff}'
            | '\u{fe70}'..='\u{fefe}'
            | '\u{10800}'..='\u{10fff}'
            | '\u{1e800}'..='\u{1efff}'
    );
    match (c, c.general_category()) {
        ('_' | '-' | '.', _) | (_, GeneralCategory::NonspacingMark) => Direction::Neutral,
        ('\u{660}'..='\u{669}' | '\u{10d30}'..='\u{10d39}', _) => Direction::ArabicDigit,
        ('0'..='9' | '\u{6f0}'..='\u{6f9}' | '\u{ff10}'..='\u{ff19}' | '\u{1d7ce}'..='\u{1d7ff}', _)
        | ('\u{1ccf0}'..='\u{1ccf9}' | '\u{1fbf0}'..='\u{1fbf9}', _) => Direction::Digit,
        _ if is_right => Direction::Right,
        _ => Direction::Left,
    }
}

#[cfg(test)]
mod tests {
    use super::super::Name;
    use super::*;

    #[test]
    fn a_new_name_has_no_mark_that_nobody_sees() {
        let new = |text: &str| Name::parse(text).unwrap().may_be_new();
        for mark in [
            '\u{2d7f}',
            '\u{1a60}',
            '\u{1039}',
            '\u{17d2}',
            '\u{10a3f}',
            '\u{11a47}',
            '\u{13440}',
            '\u{13447}',
            '\u{1bc9d}',
            '\u{94d}',
            '\u{5b0}',
            '\u{3099}',
        ] {
            for text in [format!("admin{mark}"), format!("ad{mark}min"), format!("7{mark}")] {
                let expected = match mark == '\u{3099}' && text.starts_with('7') {
                    true => Ok(()),
                    false => Err(NameError::Mark(u32::from(mark))),
                };
                assert_eq!(new(&text), expected, "{text:?}");
                assert_eq!(Name::parse_kept(&text).unwrap().as_str(), text, "what exists goes on");
            }
        }
        // Of its own script, but with nothing to join.
        for (text, mark) in
            [("\u{2d30}\u{2d7f}", 0x2d7f), ("\u{1000}\u{1039}", 0x1039), ("\u{1780}\u{17d2}", 0x17d2)]
        {
            assert_eq!(new(text), Err(NameError::Mark(mark)), "{text:?}");
            assert_eq!(new(&format!("{text}{}", text.chars().next().unwrap())), Ok(()), "{text:?}");
        }
        // Twice, one of them within the letter, or in another order.
        for text in
            ["a\u{300}\u{300}", "\u{e1}\u{301}", "andre\u{301}\u{323}\u{301}", "\u{5d0}\u{5b0}\u{5b0}"]
        {
            assert!(matches!(new(text), Err(NameError::Mark(_))), "{text:?}");
        }
        assert_eq!(new("a\u{300}\u{301}"), Ok(()));
    }

    /// Letters with marks that Unicode has as one character, and words of many scripts.
    #[test]
    fn a_new_name_may_have_the_marks_of_its_script() {
        for c in (0x80..=0x10_ffff).filter_map(char::from_u32) {
            let parts: String = std::iter::once(c).nfd().collect();
            if let Ok(name) = Name::parse(&parts)
                && parts.chars().count() > 1
                && !matches!(name.may_be_new(), Err(NameError::Direction))
            {
                assert_eq!(name.may_be_new(), Ok(()), "U+{:04X}", u32::from(c));
            }
        }
        for text in [
            "Nguye\u{302}\u{303}n",
            "नमस्ते",
            "เจ้าหญิง",
            "မြန်မာ",
            "ភាសាខ្មែរ",
            "தமிழ்",
            "తెలుగు",
            "ಕನ್ನಡ",
            "മലയാളം",
            "සිංහල",
            "བོད་ཡིག".split('་').next().unwrap(),
            "ꦗꦮ",
            "مُحَمَّد",
            "שָׁלוֹם",
            "ܣܘܪܝܝܐ",
            "か\u{3099}",
            "ガ",
            "й",
            "и\u{306}",
            "ᏣᎳᎩ",
            "ⵜⴰⵎⴰⵣⵉⵖⵜ",
            "한국어",
        ] {
            assert_eq!(Name::parse(text).unwrap().may_be_new(), Ok(()), "{text}");
        }
    }

    #[test]
    fn a_new_name_shows_in_one_order_only() {
        let new = |text: &str| Name::parse(text).unwrap().may_be_new();
        for text in [
            "1.\u{5d0}",
            "1\u{5d0}\u{5d1}",
            "1-\u{5d0}",
            "admin\u{5d0}",
            "\u{5d0}admin",
            "\u{627}\u{628}a",
            "\u{661}\u{5d0}",
            "\u{661}",
            "\u{627}1\u{661}",
            "a\u{661}",
            "\u{1e900}a",
            "\u{10d30}",
        ] {
            assert_eq!(new(text), Err(NameError::Direction), "{text:?}");
            assert!(Name::parse_kept(text).is_ok(), "what exists goes on");
        }
        for text in [
            "\u{5d0}.1",
            "\u{5d0}\u{5d1}1",
            "\u{627}\u{661}",
            "\u{627}\u{6f1}",
            "علی",
            "\u{5d0}-\u{5d1}",
            "\u{967}a",
            "\u{1e900}",
        ] {
            assert_eq!(new(text), Ok(()), "{text:?}");
        }
    }
}
