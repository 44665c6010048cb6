//! Owns the compact form of a name, in encoded turns and in the store of a node: a name that is not ASCII carries its keys.
//! So nodes whose Unicode tables differ agree about it. Called where a name is serialised. Never computes a key of a name
//! that has them.
//!
//! The form is one text: the name; if it is not ASCII, then its key, its two looks and the verdict about it as a new name,
//! with a NUL before each. No name, key or look has a NUL.

use super::{Keys, NAME_CHARS, Name, NameError, NameKey, NameLook};
use std::sync::Arc;

/// The longest compact form, in bytes. No proposer makes one half as long: a name has at most 128 bytes, and a key or a look
/// of a name that an earlier version accepted 2 KiB.
const MOST_BYTES: usize = 16 * 1024;

impl Name {
    /// The keys as one text, if they do not follow from the rules for ASCII: for a store that keeps them beside the
    /// name. [`Name::with_keys`] reads it.
    #[must_use]
    pub fn keys_text(&self) -> Option<String> {
        if self.text.is_ascii() {
            return None;
        }
        let [folded, typed] = self.looks();
        let verdict = verdict(self.may_be_new());
        Some([&*self.key().0, &folded.0, &typed.0, &verdict].join("\0"))
    }

    /// The same name with the keys that [`Name::keys_text`] has written. `None`: the text is none of its.
    #[must_use]
    pub fn with_keys(&self, keys: &str) -> Option<Self> {
        let [key, folded, typed, verdict]: [&str; 4] =
            keys.split('\0').collect::<Vec<_>>().try_into().ok()?;
        let may_be_new = of_verdict(verdict)?;
        let keys = Keys {
            key: NameKey(key.into()),
            looks: [folded, typed].map(|look| NameLook(look.into())),
            may_be_new,
        };
        Some(Self { text: self.text.clone(), keys: Some(Arc::new(keys)) })
    }

    /// Reads a name that a node of the cluster has accepted, perhaps with newer Unicode tables: of the characters only the
    /// ASCII ones are checked.
    ///
    /// # Errors
    /// The first rule that the text breaks.
    pub fn parse_accepted(text: &str) -> Result<Self, NameError> {
        if text.is_ascii() {
            return Self::parse_kept(text);
        }
        let chars = text.chars().count();
        if chars > NAME_CHARS {
            return Err(NameError::TooLong(chars));
        }
        let is_other = |c: char| c.is_ascii() && !c.is_ascii_alphanumeric() && !matches!(c, '_' | '-' | '.');
        match text.chars().find(|c| is_other(*c) || c.is_control()) {
            Some(c) => Err(NameError::Character(u32::from(c))),
            None => Ok(Self { text: text.into(), keys: None }),
        }
    }

    /// The length of the compact form, in bytes, or a bound of it. It costs nothing: no key is computed for it.
    #[must_use]
    pub fn most_compact_bytes(&self) -> usize {
        /// Of four NULs and a verdict.
        const REST: usize = 16;
        match &self.keys {
            _ if self.text.is_ascii() => self.text.len(),
            Some(keys) => {
                let [folded, typed] = &keys.looks;
                self.text.len() + keys.key.0.len() + folded.0.len() + typed.0.len() + REST
            }
            None => MOST_BYTES / 2,
        }
    }

    pub(super) fn compact(&self) -> Option<String> {
        self.keys_text().map(|keys| format!("{}\0{keys}", self.text))
    }

    pub(super) fn from_compact(form: &str) -> Result<Self, String> {
        let wrong = |why: NameError| why.to_string();
        match form.split_once('\0') {
            None if form.is_ascii() => Self::parse_kept(form).map_err(wrong),
            None => Err("a name that is not ASCII has no keys".to_owned()),
            Some((text, _)) if text.is_ascii() => Err("a name that is ASCII has keys".to_owned()),
            Some(_) if form.len() > MOST_BYTES => Err("the keys of a name are too long".to_owned()),
            Some((text, keys)) => Self::parse_accepted(text)
                .map_err(wrong)?
                .with_keys(keys)
                .ok_or_else(|| "the keys of a name cannot be read".to_owned()),
        }
    }
}

/// The verdict as a text: a letter, and the number that the reason has.
fn verdict(of: Result<(), NameError>) -> String {
    match of {
        Ok(()) => String::new(),
        Err(NameError::Empty) => "e".to_owned(),
        Err(NameError::TooLong(chars)) => format!("l{chars}"),
        Err(NameError::TooLongPlain(chars)) => format!("p{chars}"),
        Err(NameError::Character(c)) => format!("c{c}"),
        Err(NameError::Shape) => "s".to_owned(),
        Err(NameError::Mark(c)) => format!("m{c}"),
        Err(NameError::Direction) => "d".to_owned(),
        Err(NameError::Reserved) => "r".to_owned(),
    }
}

fn of_verdict(text: &str) -> Option<Result<(), NameError>> {
    let mut chars = text.chars();
    let Some(reason) = chars.next() else { return Some(Ok(())) };
    let number = chars.as_str();
    let chars = || number.parse().ok();
    let c = || number.parse().ok();
    Some(Err(match reason {
        'l' => NameError::TooLong(chars()?),
        'p' => NameError::TooLongPlain(chars()?),
        'c' => NameError::Character(c()?),
        'm' => NameError::Mark(c()?),
        _ if !number.is_empty() => return None,
        'e' => NameError::Empty,
        's' => NameError::Shape,
        'd' => NameError::Direction,
        'r' => NameError::Reserved,
        _ => return None,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_keeps_the_keys_that_it_came_with() {
        let name = Name::parse("Zo\u{eb}").unwrap();
        assert_eq!(name.compact().unwrap(), "Zo\u{eb}\0zo\u{eb}\0zo\u{eb}\0zo\u{eb}\0");
        assert_eq!(Name::parse("Zoe").unwrap().compact(), None);
        // As a node with other tables has computed them; the last character is one that no table of today has.
        let form = "Zo\u{e1000}\0key\0a look\0another\0m768";
        let other = Name::from_compact(form).unwrap();
        assert_eq!((other.as_str(), other.key().as_str()), ("Zo\u{e1000}", "key"));
        assert_eq!(other.may_be_new(), Err(NameError::Mark(768)));
        assert_eq!(other.looks().map(|look| look.0.to_string()), ["a look", "another"]);
        assert_eq!(other.clone().prepared().compact().as_deref(), Some(form), "nothing is computed again");
        let long = Name::parse_kept(&"\u{fdfa}".repeat(32)).unwrap();
        let form = long.compact().unwrap();
        assert!(form.len() * 2 <= MOST_BYTES, "{}", form.len());
        for name in [name, other, long.clone(), long.clone().prepared(), Name::parse("Zoe").unwrap()] {
            let bytes = name.compact().map_or(name.as_str().len(), |form| form.len());
            assert!(name.most_compact_bytes() >= bytes, "{name}");
        }
        assert_eq!(Name::from_compact(&form).unwrap().key(), long.key());
    }

    #[test]
    fn every_verdict_is_read_as_it_is_written() {
        let errors = [
            NameError::Empty,
            NameError::TooLong(40),
            NameError::TooLongPlain(70),
            NameError::Character(0x20),
            NameError::Shape,
            NameError::Mark(0x300),
            NameError::Direction,
            NameError::Reserved,
        ];
        for of in errors.map(Err).into_iter().chain([Ok(())]) {
            assert_eq!(of_verdict(&verdict(of)), Some(of));
        }
        for wrong in ["x", "m", "mx", "d1", "m4294967296"] {
            assert_eq!(of_verdict(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_no_proposer_writes_is_refused() {
        let many = "k".repeat(MOST_BYTES);
        for wrong in [
            "Zo\u{eb}",
            "Zoe\0zoe\0zoe\0zoe\0",
            "Zo\u{eb}\0zo\u{eb}\0zo\u{eb}\0",
            "Zo\u{eb}\0a\0b\0c\0\0",
            "Zo\u{eb}\"\0a\0b\0c\0",
            "Zo\u{85}\0a\0b\0c\0",
            "",
            "\0a\0b\0c\0",
            &format!("Zo\u{eb}\0{many}\0b\0c\0"),
            &format!("{}\0a\0b\0c\0", "\u{eb}".repeat(33)),
        ] {
            assert!(Name::from_compact(wrong).is_err(), "{wrong:?}");
        }
    }
}
