//! Owns the names of users and rooms: valid names, equal names, and names that only look the same. Parsed where a
//! request is read, so all code behind it holds only valid names with their keys. Never changes how a name is
//! shown.
//!
//! The rules of the contract: 1 to 32 characters; letters, digits and marks, and `_ - .` inside. Two names are
//! the same name if NFKC and case folding agree: that is the identity ([`Name::key`]), and every lookup uses it.
//! The look ([`Name::looks`], by the confusables of Unicode, UTS 39) only decides whether a new name may be
//! taken.

mod compact;
mod look;
mod new;
mod reserved;
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

/// The longest name after NFKC, in characters: U+FDFA alone becomes 18. It bounds the keys of a name.
const PLAIN_CHARS: usize = 2 * NAME_CHARS;

/// A valid name of a user or a room, as it was typed. Cheap to clone. Equality compares the spelling; the keys
/// tell whether two names are the same.
#[derive(Clone)]
pub struct Name {
    text: Arc<str>,
    /// The keys, if they are computed already.
    keys: Option<Arc<Keys>>,
}

/// The spelling alone: the keys follow from it, and whether they are known already tells nothing.
impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Name").field(&self.as_str()).finish()
    }
}

/// The keys of a name.
#[derive(Debug, PartialEq, Eq)]
struct Keys {
    key: NameKey,
    looks: [NameLook; 2],
    may_be_new: Result<(), NameError>,
}

/// The identity of a name: two names with the same key are the same name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NameKey(Arc<str>);

/// The look of a name: two names with a common look cannot be told apart. It only forbids to take a new name; no
/// lookup uses it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NameLook(Arc<str>);

impl NameKey {
    /// The key as a text, for comparisons outside of this process. Never shown to a user.
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
        // NFKC does not change ASCII.
        let plain = if text.is_ascii() { 0 } else { text.nfkc().count() };
        if plain > PLAIN_CHARS {
            return Err(NameError::TooLongPlain(plain));
        }
        Ok(name)
    }

    /// Reads a name from a store: an earlier version accepted characters that NFKC makes longer.
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

    /// The same name with its keys computed, so that later comparisons, also of its clones, need not compute
    /// them. For names that are looked up more than once.
    #[must_use]
    pub fn prepared(mut self) -> Self {
        if self.keys.is_none() {
            let keys = Keys { key: self.key(), looks: self.looks(), may_be_new: self.may_be_new() };
            self.keys = Some(Arc::new(keys));
        }
        self
    }

    /// The same, unless the keys cost nothing.
    #[must_use]
    pub fn prepared_once(self) -> Self {
        if self.is_prepared() { self } else { self.prepared() }
    }

    /// Whether the keys are computed, or cost nothing because the name is ASCII.
    #[must_use]
    pub fn is_prepared(&self) -> bool {
        self.keys.is_some() || self.text.is_ascii()
    }

    /// Whether a new user or room may have this name. Existing ones keep theirs.
    ///
    /// # Errors
    /// A mark is invisible, another order of the characters would look the same, or the name is reserved.
    pub fn may_be_new(&self) -> Result<(), NameError> {
        match &self.keys {
            Some(keys) => keys.may_be_new,
            None if self.is_reserved() => Err(NameError::Reserved),
            None => new::check(&self.text),
        }
    }

    /// The name as it was typed.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The identity: the name after NFKC and case folding.
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

    /// The looks: with case folded, and as typed. `Ivan` and `lvan` differ in the first (an `i` is not an `l`),
    /// but look the same as typed.
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

    /// Whether the two names cannot be told apart.
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
        match self.compact().filter(|_| !s.is_human_readable()) {
            Some(form) => s.serialize_str(&form),
            None => s.serialize_str(&self.text),
        }
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let is_text = d.is_human_readable();
        let s = std::borrow::Cow::<'de, str>::deserialize(d)?;
        // The compact form is the log of turns: its names were accepted before, some by another version.
        let name =
            if is_text { Self::parse(&s).map_err(|why| why.to_string()) } else { Self::from_compact(&s) };
        name.map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests;
