//! Owns the characters of names and their positions, and the reasons why a text is not a name. Called only by
//! [`super::Name`]. Never compares names.

use super::{NAME_CHARS, PLAIN_CHARS};
use unicode_properties::{GeneralCategory, GeneralCategoryGroup, UnicodeGeneralCategory};

/// Why a text is not a name.
#[derive(Debug, Clone, Copy, thiserror::Error, PartialEq, Eq)]
pub enum NameError {
    /// The text is empty.
    #[error("a name has at least one character")]
    Empty,
    /// Longer than [`NAME_CHARS`].
    #[error("a name has at most {NAME_CHARS} characters, and this one has {0}")]
    TooLong(usize),
    /// Longer than 64 characters after NFKC.
    #[error(
        "the characters of this name stand for {0} letters; {PLAIN_CHARS} are allowed: use plain letters"
    )]
    TooLongPlain(usize),
    /// A character that no name has.
    #[error("a name is letters, digits and marks, with _ - . inside; U+{0:04X} is not allowed there")]
    Character(u32),
    /// Only marks and punctuation, which nobody can read or say.
    #[error("a name begins and ends with a letter, a digit or a mark, and has a letter or a digit")]
    Shape,
    /// A mark that belongs to no letter, or is invisible at that position.
    #[error(
        "the mark U+{0:04X} cannot stand there: it is for letters of another script, it shows only before a letter, \
         or it stands there twice"
    )]
    Mark(u32),
    /// Parts in different directions, which change places on a screen.
    #[error(
        "a name that is written from right to left has no letter of the other direction, begins with a letter and \
         has digits of one kind"
    )]
    Direction,
    /// The name of an erased user, or one that looks like it.
    #[error("names such as erased-7 stand for erased users: nobody can have one")]
    Reserved,
}

/// Checks the characters of a name and their positions.
pub(super) fn check(text: &str) -> Result<(), NameError> {
    if let Some(c) = text.chars().find(|c| !is_name_char(*c)) {
        return Err(NameError::Character(u32::from(c)));
    }
    let starts_well = text.chars().next().is_some_and(is_letter_or_digit);
    let ends_well = !text.ends_with(['_', '-', '.']);
    if !starts_well || !ends_well {
        return Err(NameError::Shape);
    }
    Ok(())
}

pub(super) fn is_letter_or_digit(c: char) -> bool {
    c.is_ascii_alphanumeric()
        || (!c.is_ascii()
            && (c.general_category_group() == GeneralCategoryGroup::Letter
                || c.general_category() == GeneralCategory::DecimalNumber)
            && !is_invisible(c))
}

fn is_name_char(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    }
    if is_invisible(c) {
        return false;
    }
    match c.general_category_group() {
        GeneralCategoryGroup::Letter => true,
        // Enclosing marks draw around their neighbours, so names do not have them.
        GeneralCategoryGroup::Mark => c.general_category() != GeneralCategory::EnclosingMark,
        GeneralCategoryGroup::Number => c.general_category() == GeneralCategory::DecimalNumber,
        _ => false,
    }
}

/// Invisible letters and marks: fillers, joiners, variation selectors.
fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{034f}'
            | '\u{115f}'
            | '\u{1160}'
            | '\u{17b4}'
            | '\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{2800}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{ffa0}'
            | '\u{16fe4}'
            | '\u{1d159}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}
