//! Owns names of users and rooms: what they may be, when two of them are the same name, and when they
//! only look the same. Parsed where a request is read, so that everything behind it holds only valid
//! names. Never changes how a name is shown.
//!
//! The rules are the contract's: 1 to 32 characters, letters, digits and marks, and `_ - .` inside. Two
//! names are the same name when NFKC and case fold agree: that is the identity ([`Name::key`]), and
//! everything is found by it. The look ([`Name::looks`], by Unicode's list of confusables, UTS 39) only
//! decides whether a new name may be taken.

use caseless::Caseless;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use unicode_normalization::UnicodeNormalization;
use unicode_properties::{GeneralCategory, GeneralCategoryGroup, UnicodeGeneralCategory};

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

/// Why a text is no name.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum NameError {
    /// Nothing in it.
    #[error("a name has at least one character")]
    Empty,
    /// Over [`NAME_CHARS`].
    #[error("a name has at most {NAME_CHARS} characters, and this one has {0}")]
    TooLong(usize),
    /// Its characters stand for more than 64 letters under NFKC.
    #[error(
        "the characters of this name stand for {0} letters; {PLAIN_CHARS} are allowed: use plain letters"
    )]
    TooLongPlain(usize),
    /// A character that no name may have.
    #[error("a name is letters, digits and marks, with _ - . inside; U+{0:04X} is not allowed there")]
    Character(u32),
    /// Only marks and punctuation: nothing that a person could read or say.
    #[error("a name begins and ends with a letter, a digit or a mark, and has a letter or a digit")]
    Shape,
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
        if let Some(c) = text.chars().find(|c| !is_name_char(*c)) {
            return Err(NameError::Character(u32::from(c)));
        }
        let starts_well = text.chars().next().is_some_and(is_letter_or_digit);
        let ends_well = !text.ends_with(['_', '-', '.']);
        if !starts_well || !ends_well {
            return Err(NameError::Shape);
        }
        Ok(Self { text: text.into(), keys: None })
    }

    /// The same name, which holds what it is compared by: whoever compares it next, and whoever has a
    /// copy, need not compute it. For names that are looked up more than once.
    #[must_use]
    pub fn prepared(mut self) -> Self {
        if self.keys.is_none() {
            self.keys = Some(Arc::new(Keys { key: self.key(), looks: self.looks() }));
        }
        self
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
            true => self.text.to_ascii_lowercase().into(),
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
        let plain = self.nfkc();
        [look(&fold(&plain)), look(&plain)]
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

fn fold(text: &str) -> String {
    text.chars().default_case_fold().nfkc().collect()
}

fn look(text: &str) -> NameLook {
    let mut out = String::with_capacity(text.len());
    // A dot above an i or a j changes nothing that one sees: these have one (Unicode: Soft_Dotted), which
    // such a mark replaces. Their relatives of other scripts have become i and j by now.
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
    NameLook(fold(&out).into())
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

fn is_letter_or_digit(c: char) -> bool {
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
        // Enclosing marks draw around their neighbours: not in a name.
        GeneralCategoryGroup::Mark => c.general_category() != GeneralCategory::EnclosingMark,
        GeneralCategoryGroup::Number => c.general_category() == GeneralCategory::DecimalNumber,
        _ => false,
    }
}

/// Letters and marks by category that show nothing: fillers, joiners, variation selectors.
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
mod tests;
