//! Owns the id of a request, and its form in JSON and in the log of turns. Used by both sides. Never changes it: a
//! reply has it exactly as it was sent.

use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;

/// The longest string `id`, in bytes.
pub const ID_BYTES: usize = 64;

/// The id of a request, echoed in its reply: an unsigned integer or a short string.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RequestId {
    /// An unsigned integer of 64 bits.
    Number(u64),
    /// At most [`ID_BYTES`] bytes.
    Text(Box<str>),
}

/// In a compact form, which has no types of its own, the type of the id stands before it.
#[derive(Serialize, Deserialize)]
enum Tagged<'a> {
    Number(u64),
    Text(Cow<'a, str>),
}

impl Serialize for RequestId {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        if !s.is_human_readable() {
            return match self {
                Self::Number(n) => Tagged::Number(*n),
                Self::Text(t) => Tagged::Text(Cow::Borrowed(t)),
            }
            .serialize(s);
        }
        match self {
            Self::Number(n) => s.serialize_u64(*n),
            Self::Text(t) => s.serialize_str(t),
        }
    }
}

impl<'de> Deserialize<'de> for RequestId {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct V;
        impl Visitor<'_> for V {
            type Value = RequestId;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a string of at most {ID_BYTES} bytes or an unsigned integer")
            }
            fn visit_u64<E: de::Error>(self, n: u64) -> Result<RequestId, E> {
                Ok(RequestId::Number(n))
            }
            fn visit_str<E: de::Error>(self, s: &str) -> Result<RequestId, E> {
                if s.len() > ID_BYTES {
                    return Err(E::invalid_length(s.len(), &self));
                }
                Ok(RequestId::Text(s.into()))
            }
        }
        if !d.is_human_readable() {
            return match Tagged::deserialize(d)? {
                Tagged::Number(n) => Ok(Self::Number(n)),
                Tagged::Text(t) => V.visit_str(&t),
            };
        }
        d.deserialize_any(V)
    }
}
