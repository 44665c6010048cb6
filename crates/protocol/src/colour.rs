//! Owns the colours of the wire. Used by both sides. Never decides how a colour looks: the terminal does.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// The colour of a user's name: one of six words, `#rrggbb`, or empty for none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Colour {
    /// No colour; the empty string.
    #[default]
    None,
    /// `red`
    Red,
    /// `green`
    Green,
    /// `yellow`
    Yellow,
    /// `blue`
    Blue,
    /// `fuchsia`
    Fuchsia,
    /// `cyan`
    Cyan,
    /// `#rrggbb`
    Rgb(u8, u8, u8),
}

/// The text is not a colour of the wire.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("a colour is red, green, yellow, blue, fuchsia, cyan, #rrggbb, or empty")]
pub struct ColourError;

const WORDS: [(&str, Colour); 7] = [
    ("", Colour::None),
    ("red", Colour::Red),
    ("green", Colour::Green),
    ("yellow", Colour::Yellow),
    ("blue", Colour::Blue),
    ("fuchsia", Colour::Fuchsia),
    ("cyan", Colour::Cyan),
];

impl std::str::FromStr for Colour {
    type Err = ColourError;

    fn from_str(s: &str) -> Result<Self, ColourError> {
        if let Some((_, colour)) = WORDS.iter().find(|(word, _)| *word == s) {
            return Ok(*colour);
        }
        let hex = s.strip_prefix('#').ok_or(ColourError)?;
        if hex.len() != 6 || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(ColourError);
        }
        let [_, r, g, b] = u32::from_str_radix(hex, 16).map_err(|_| ColourError)?.to_be_bytes();
        Ok(Self::Rgb(r, g, b))
    }
}

impl fmt::Display for Colour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rgb(r, g, b) => write!(f, "#{r:02x}{g:02x}{b:02x}"),
            word => f.write_str(WORDS.iter().find(|(_, c)| c == word).map_or("", |(w, _)| w)),
        }
    }
}

impl Serialize for Colour {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Colour {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let s = std::borrow::Cow::<'de, str>::deserialize(d)?;
        s.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_numbers() {
        for good in ["", "red", "green", "yellow", "blue", "fuchsia", "cyan", "#00ff7f"] {
            assert_eq!(good.parse::<Colour>().unwrap().to_string(), good);
        }
        assert_eq!("#ABCDEF".parse::<Colour>().unwrap(), Colour::Rgb(0xab, 0xcd, 0xef));
        for bad in ["Red", "purple", "#fff", "#gggggg", "#+12345", "#1234567", " red", "#12345\u{e9}"] {
            assert_eq!(bad.parse::<Colour>(), Err(ColourError), "{bad}");
        }
    }
}
