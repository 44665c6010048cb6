//! Owns names of users and rooms: what they may be, when two of them are the same name, and when they
//! only look the same. Parsed where a request is read, so that everything behind it holds only valid
//! names, with what they are compared by. Never changes how a name is shown.
//!
//! The rules are the contract's: 1 to 32 characters, letters, digits and marks, and `_ - .` inside. Two
//! names are the same name when NFKC and case fold agree: that is the identity ([`Name::key`]), and
//! everything is found by it. The look ([`Name::looks`], by Unicode's list of confusables, UTS 39) only
//! decides whether a new name may be taken.

mod look;
mod new;
mod shape;

pub use shape::NameError;

use look::{ascii_look, fold, look};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use unicode_normalization::UnicodeNormalization;

/// The longest name, in characters (Unicode scalar values).
pub const NAME_CHARS: usize = 32;

/// The longest name without compatibility forms, in characters: U+FDFA alone stands for 18. What names are
/// compared by has a bound by this.
const PLAIN_CHARS: usize = 2 * NAME_CHARS;

/// A valid name of a user or a room, as it was typed. Cheap to clone. Two of them are equal when they
/// were typed the same; whether they are the same name, their keys say.
#[derive(Debug, Clone)]
pub struct Name {
    text: Arc<str>,
    /// Where they were computed already.
    keys: Option<Arc<Keys>>,
}

/// What a name is compared by.
#[derive(Debug, PartialEq, Eq)]
struct Keys {
    key: NameKey,
    looks: [NameLook; 2],
    may_be_new: Result<(), NameError>,
}

/// What names are compared by. Two names with the same key are the same name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NameKey(Arc<str>);

/// What a name looks like: two names that have a look in common cannot be told apart. Nothing is ever
/// found by it: it says that a new name cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NameLook(Arc<str>);

impl NameKey {
    /// The key as a text: for what compares keys outside of this process. Never shown to anyone.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Name {
    /// Reads a name.
    ///
    /// # Errors
    /// The first rule of the contract that the text breaks.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let name = Self::parse_kept(text)?;
        // An ASCII character stands for itself.
        let plain = if text.is_ascii() { 0 } else { text.nfkc().count() };
        if plain > PLAIN_CHARS {
            return Err(NameError::TooLongPlain(plain));
        }
        Ok(name)
    }

    /// Reads a name that a store holds: an earlier version took characters that stand for any number of
    /// letters.
    ///
    /// # Errors
    /// As [`Name::parse`], but for [`NameError::TooLongPlain`].
    pub fn parse_kept(text: &str) -> Result<Self, NameError> {
        let chars = text.chars().count();
        if chars == 0 {
            return Err(NameError::Empty);
        }
        if chars > NAME_CHARS {
            return Err(NameError::TooLong(chars));
        }
        shape::check(text)?;
        Ok(Self { text: text.into(), keys: None })
    }

    /// The same name, which holds what it is compared by: whoever compares it next, and whoever has a
    /// copy, need not compute it. For names that are looked up more than once.
    #[must_use]
    pub fn prepared(mut self) -> Self {
        if self.keys.is_none() {
            let keys = Keys { key: self.key(), looks: self.looks(), may_be_new: self.may_be_new() };
            self.keys = Some(Arc::new(keys));
        }
        self
    }

    /// Does it hold what it is compared by?
    #[must_use]
    pub const fn is_prepared(&self) -> bool {
        self.keys.is_some()
    }

    /// May a new user or room be called so? What exists already keeps its name.
    ///
    /// # Errors
    /// A mark shows nothing, or the name shows the same as another whose characters are in another order.
    pub fn may_be_new(&self) -> Result<(), NameError> {
        match &self.keys {
            Some(keys) => keys.may_be_new,
            None => new::check(&self.text),
        }
    }

    /// The name as it was typed.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What it is: compatibility forms and case taken away.
    #[must_use]
    pub fn key(&self) -> NameKey {
        if let Some(keys) = &self.keys {
            return keys.key.clone();
        }
        NameKey(match self.text.is_ascii() {
            true if self.text.bytes().any(|b| b.is_ascii_uppercase()) => {
                self.text.to_ascii_lowercase().into()
            }
            true => self.text.clone(),
            false => fold(&self.nfkc()).into(),
        })
    }

    /// What it looks like: without regard to case, and as typed. `Ivan` and `lvan` differ in the first (an
    /// `i` is no `l`), yet look the same.
    #[must_use]
    pub fn looks(&self) -> [NameLook; 2] {
        if let Some(keys) = &self.keys {
            return keys.looks.clone();
        }
        if self.text.is_ascii() {
            let key = self.key().0;
            return [NameLook(ascii_look(&key)), NameLook(ascii_look(&self.text))];
        }
        let plain = self.nfkc();
        [look(&fold(&plain)), look(&plain)].map(|look| NameLook(look.into()))
    }

    /// Can nobody tell the two names apart?
    #[must_use]
    pub fn looks_like(&self, other: &Self) -> bool {
        let theirs = other.looks();
        self.key() == other.key() || self.looks().iter().any(|look| theirs.contains(look))
    }

    fn nfkc(&self) -> String {
        self.text.nfkc().collect()
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Name {}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Name {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.text.cmp(&other.text)
    }
}

impl Hash for Name {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::str::FromStr for Name {
    type Err = NameError;

    fn from_str(s: &str) -> Result<Self, NameError> {
        Self::parse(s)
    }
}

impl Serialize for Name {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let s = std::borrow::Cow::<'de, str>::deserialize(d)?;
        Self::parse(&s).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(s: &str) -> NameKey {
        Name::parse(s).unwrap().key()
    }

    #[test]
    fn nothing_invisible_is_in_a_name() {
        // Unicode's Default_Ignorable_Code_Point, a filler that is none of them, and what looks like a space, turns or ends a line.
        let ranges = [
            0x00..=0x20,
            0x7f..=0xa0,
            0xad..=0xad,
            0x34f..=0x34f,
            0x61c..=0x61c,
            0x115f..=0x1160,
            0x1680..=0x1680,
            0x17b4..=0x17b5,
            0x180b..=0x180f,
            0x2000..=0x200f,
            0x2028..=0x202f,
            0x205f..=0x206f,
            0x2800..=0x2800,
            0x3000..=0x3000,
            0x3164..=0x3164,
            0xe000..=0xf8ff,
            0xfe00..=0xfe0f,
            0xfeff..=0xfeff,
            0xffa0..=0xffa0,
            0xfff0..=0xffff,
            0x16fe4..=0x16fe4,
            0x1bca0..=0x1bca3,
            0x1d173..=0x1d17a,
            0xe0000..=0xe0fff,
            0xf0000..=0x10_ffff,
        ];
        for c in ranges.into_iter().flatten().filter_map(char::from_u32) {
            for name in [format!("a{c}b"), format!("{c}a"), format!("a{c}"), c.to_string()] {
                assert!(Name::parse(&name).is_err(), "U+{:04X} in {name:?}", u32::from(c));
            }
        }
    }

    #[test]
    fn scripts_mixed_or_whole_make_no_twin() {
        for (a, b) in [
            ("scope", "ѕсоре"),           // all Cyrillic
            ("admin", "аdmіn"),           // two Cyrillic letters
            ("admin", "admιn"),           // a Greek iota
            ("Omega", "Οmega"),           // a Greek capital
            ("lobby", "ⅼobby"),           // a Roman numeral
            ("paypal", "ｐaypal"),        // full width
            ("ops", "ορs"),               // Greek omicron and rho
            ("cafe\u{301}", "caf\u{e9}"), // composed or not
            ("ﬁle", "file"),              // a ligature
        ] {
            let (a, b) = (Name::parse(a).unwrap(), Name::parse(b));
            // A numeral is no letter: whoever cannot be a name is no twin either.
            if let Ok(b) = b {
                assert!(a.looks_like(&b) && b.looks_like(&a), "{a} and {b} look the same");
            }
        }
    }

    #[test]
    fn case_and_form_do_not_make_another_name() {
        for (a, b) in [
            ("ana", "ANA"),
            ("straße", "STRASSE"),
            ("ａｎａ", "ana"), // full width
            ("e\u{301}va", "éva"),
            ("ΣΊΣΥΦΟΣ", "σίσυφος"),
            ("ﬁle", "FILE"), // a ligature
        ] {
            assert_eq!(key(a), key(b), "{a} {b}");
            assert_eq!(Name::parse(a).unwrap().prepared().key(), key(b), "{a} {b}");
        }
        assert_ne!(key("ana"), key("anna"));
    }

    /// The look says that a new name cannot be taken. It is not the identity: `bom` is not `born`.
    #[test]
    fn what_only_looks_the_same_is_another_name() {
        for (a, b) in [
            ("born", "bom"),
            ("modern", "modem"),
            ("bob", "b0b"),
            ("Ivan", "lvan"),
            ("paypal", "p\u{430}yp\u{430}l"), // Cyrillic а
            ("admin", "admi\u{307}n"),        // a dot above a letter that has one
            ("admin", "adm\u{131}\u{307}n"),  // and above one that has lost it
            ("jan", "j\u{307}an"),
            ("istanbul", "\u{130}stanbul"),
            ("i\u{323}n", "i\u{323}\u{307}n"), // with another mark between them
            ("\u{456}mage", "i\u{307}mage"),
        ] {
            let [one, other] = [a, b].map(|name| Name::parse(name).unwrap());
            assert!(one.looks_like(&other) && other.looks_like(&one), "{a} {b}");
            assert!(one.clone().prepared().looks_like(&other.clone().prepared()), "{a} {b}");
            assert_ne!(one.key(), other.key(), "{a} {b}");
        }
        for (a, b) in [("ivan", "lvan"), ("e\u{307}va", "eva"), ("ana", "anna"), ("z\u{307}", "z")] {
            let [one, other] = [a, b].map(|name| Name::parse(name).unwrap());
            assert!(!one.looks_like(&other), "{a} {b}");
        }
    }
}
