//! Owns the case folding and the look of names (UTS 39). Called only by [`super::Name`]. Never decides whether a
//! name is valid.

use caseless::Caseless;
use std::sync::Arc;
use unicode_normalization::UnicodeNormalization;
use unicode_properties::{GeneralCategoryGroup, UnicodeGeneralCategory};

pub(super) fn fold(text: &str) -> String {
    text.chars().default_case_fold().nfkc().collect()
}

pub(super) fn look(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    // A dot above an i or a j is invisible, because the letter has a dot (Unicode: Soft_Dotted) that the mark
    // replaces. The skeleton has already mapped similar letters of other scripts to i and j.
    let mut is_dotted = false;
    for c in unicode_security::skeleton(text) {
        if c == '\u{307}' && is_dotted {
            continue;
        }
        if c.general_category_group() != GeneralCategoryGroup::Mark {
            is_dotted = is_soft_dotted(c);
        }
        out.push(c);
    }
    fold(&out)
}

/// The look of an ASCII text, at almost no cost; the same text if it is its own look.
pub(super) fn ascii_look(text: &Arc<str>) -> Arc<str> {
    if !text.bytes().any(|b| b.is_ascii_uppercase() || matches!(b, b'0' | b'1' | b'm')) {
        return text.clone();
    }
    let mut out = String::with_capacity(2 * text.len());
    for c in text.chars() {
        match c {
            'm' => out.push_str("rn"),
            'I' | '1' => out.push('l'),
            '0' => out.push('o'),
            c => out.push(c.to_ascii_lowercase()),
        }
    }
    out.into()
}

/// The letters with the property Soft_Dotted (PropList.txt) that names may have.
fn is_soft_dotted(c: char) -> bool {
    matches!(
        c,
        'i' | 'j'
            | '\u{131}'
            | '\u{237}'
            | '\u{249}'
            | '\u{268}'
            | '\u{29d}'
            | '\u{2b2}'
            | '\u{3f3}'
            | '\u{456}'
            | '\u{458}'
            | '\u{1d62}'
            | '\u{1d96}'
            | '\u{1da4}'
            | '\u{1da8}'
            | '\u{1e2d}'
            | '\u{1ecb}'
            | '\u{2071}'
            | '\u{2c7c}'
    )
}

#[cfg(test)]
mod tests {
    use super::super::Name;
    use super::*;

    #[test]
    fn an_ascii_name_has_the_look_that_the_list_gives_it() {
        let ascii: Vec<_> =
            (0..128u8).map(char::from).filter(|c| Name::parse(&format!("a{c}a")).is_ok()).collect();
        for a in &ascii {
            for b in &ascii {
                let text: Arc<str> = format!("{a}{b}").into();
                assert_eq!(*ascii_look(&text), look(&text), "{text}");
            }
        }
        assert_eq!(ascii.len(), 65);
    }
}
