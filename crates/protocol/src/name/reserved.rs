//! Owns the names that no user or room can take: those of erased users. Called only by [`super::Name`].

use super::look::ascii_look;
use super::{Name, NameKey};
use std::sync::Arc;

/// Their beginning; a number follows.
const ERASED: &str = "erased-";

impl Name {
    /// The name of an erased user. No new user or room may have it, or one that looks like it.
    #[must_use]
    pub fn erased(number: u64) -> Self {
        Self { text: format!("{ERASED}{number}").into(), keys: None }
    }

    /// A name that stands for a removed one, and does not tell it: the FNV-1a checksum of its key. Whoever guesses a name
    /// can check the guess.
    #[must_use]
    pub fn checksum(&self) -> Self {
        let step = |sum: u64, byte: u8| (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        let sum = self.key().as_str().bytes().fold(0xcbf2_9ce4_8422_2325, step);
        Self { text: format!("erased.{sum:016x}").into(), keys: None }
    }

    /// Does it look like the name of an erased user?
    #[must_use]
    pub fn is_reserved(&self) -> bool {
        let text: Arc<str> = ERASED.into();
        let digits = ascii_look(&Arc::from("0123456789"));
        self.looks().iter().any(|look| {
            let rest = look.0.strip_prefix(&*ascii_look(&text));
            rest.is_some_and(|rest| !rest.is_empty() && rest.chars().all(|c| digits.contains(c)))
        })
    }
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
        for taken in ["erased-7", "ERASED-120", "erased-l2", "erased-O0", "\u{ff45}rased-7"] {
            assert_eq!(Name::parse(taken).unwrap().may_be_new(), Err(NameError::Reserved), "{taken}");
        }
        for free in ["erased", "erased-ana", "erased7", "ana", "erased-7b"] {
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
