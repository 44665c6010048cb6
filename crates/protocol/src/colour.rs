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

impl Colour {
    /// The text on the wire. `buffer` holds it if it is no word: each message has a colour, and must not allocate for it.
    pub fn encode(self, buffer: &mut [u8; 7]) -> &str {
        let Self::Rgb(r, g, b) = self else {
            return WORDS.iter().find(|(_, colour)| *colour == self).map_or("", |(word, _)| word);
        };
        let digit = |of: u8| char::from_digit(of.into(), 16).map_or(b'0', |digit| digit as u8);
        let [r, g, b] = [r, g, b].map(|part| [digit(part >> 4), digit(part & 15)]);
        *buffer = [b'#', r[0], r[1], g[0], g[1], b[0], b[1]];
        // They are ASCII.
        std::str::from_utf8(buffer).unwrap_or_default()
    }
}

impl fmt::Display for Colour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.encode(&mut [0; 7]))
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
        for n in 0..=255 {
            assert_eq!(Colour::Rgb(n, 255 - n, n).to_string(), format!("#{n:02x}{:02x}{n:02x}", 255 - n));
        }
        assert_eq!("#ABCDEF".parse::<Colour>().unwrap(), Colour::Rgb(0xab, 0xcd, 0xef));
        for bad in ["Red", "purple", "#fff", "#gggggg", "#+12345", "#1234567", " red", "#12345\u{e9}"] {
            assert_eq!(bad.parse::<Colour>(), Err(ColourError), "{bad}");
        }
    }
}
