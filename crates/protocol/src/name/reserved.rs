//! Owns the names that no user or room can take: those of erased users. Called only by [`super::Name`].

use super::look::ascii_look;
use super::{Name, NameKey};
use std::sync::Arc;
use unicode_normalization::UnicodeNormalization;
use unicode_properties::{GeneralCategoryGroup, UnicodeGeneralCategory};

/// Their beginning, also as a look; `-` and a number follow.
const WORD: &str = "erased";

impl Name {
    /// The name of an erased user. No new user or room may have it, or one that looks like it.
    #[must_use]
    pub fn erased(number: u64) -> Self {
        Self { text: format!("{WORD}-{number}").into(), keys: None }
    }

    /// A name that stands for a removed one, and does not tell it: the FNV-1a checksum of its key. Whoever guesses a name
    /// can check the guess.
    #[must_use]
    pub fn checksum(&self) -> Self {
        let step = |sum: u64, byte: u8| (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        let sum = self.key().as_str().bytes().fold(0xcbf2_9ce4_8422_2325, step);
        Self { text: format!("{WORD}.{sum:016x}").into(), keys: None }
    }

    /// Does it look like the name of an erased user, or like a checksum of a name?
    #[must_use]
    pub fn is_reserved(&self) -> bool {
        // Nearly all names end here: an ASCII letter looks like an e only if it is one.
        if !self.text.starts_with(|c: char| !c.is_ascii() || matches!(c, 'e' | 'E')) {
            return false;
        }
        self.looks().iter().any(|look| stands_for_erased(&look.0))
    }
}

/// Is it the word, any signs between, and a number or a checksum? Accents do not count.
fn stands_for_erased(look: &str) -> bool {
    let plain: String =
        look.nfd().filter(|c| c.general_category_group() != GeneralCategoryGroup::Mark).collect();
    let Some(rest) = plain.strip_prefix(WORD) else { return false };
    let number = rest.trim_start_matches(|c: char| !c.is_alphanumeric());
    let is_of = |all: &str| number.chars().all(|c| ascii_look(&Arc::from(all)).contains(c));
    number.len() < rest.len()
        && !number.is_empty()
        && (is_of("0123456789") || (number.len() == 16 && is_of("0123456789abcdef")))
}

impl NameKey {
    /// The key of a text that is no valid name is the text itself.
    #[must_use]
    pub fn of(text: &str) -> Self {
        Name::parse_kept(text).map_or_else(|_| Self(text.into()), |name| name.key())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::NameError;

    #[test]
    fn names_of_erased_users_and_those_that_look_alike_are_reserved() {
        let taken = ["erased-7", "ERASED-120", "erased-l2", "erased-O0", "\u{ff45}rased-7"];
        let alike = ["erased_5", "erased.5", "erased--5", "eras\u{e9}d-5", "\u{e9}rased-5"];
        let sums = ["erased.e9580c7aa25ca47d", "erased-E9580C7AA25CA47D"];
        for taken in [&taken[..], &alike, &sums].concat() {
            assert_eq!(Name::parse(taken).unwrap().may_be_new(), Err(NameError::Reserved), "{taken}");
        }
        for free in [
            "erased",
            "erased-ana",
            "erased7",
            "ana",
            "erased-7b",
            "erased.e9580c7aa25ca47",
            "erased_x5",
            "\u{e9}t\u{e9}",
        ] {
            assert_eq!(Name::parse(free).unwrap().may_be_new(), Ok(()), "{free}");
        }
        // Old clients read it as any other name.
        assert!(Name::parse(Name::erased(u64::MAX).as_str()).is_ok());
    }

    #[test]
    fn a_checksum_is_of_the_key_and_stays() {
        let name = |text: &str| text.parse::<Name>().unwrap();
        assert_eq!(name("Ana").checksum(), name("ana").checksum());
        assert_ne!(name("ana").checksum(), name("bo").checksum());
        assert_eq!(name("ana").checksum().as_str(), "erased.e6f79c19051ffb05");
        assert!(Name::parse(name("ana").checksum().as_str()).is_ok());
    }
}
