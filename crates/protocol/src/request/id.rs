//! Owns the id of a request. Used by both sides. Never changes it: a reply has it exactly as it was sent.

use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::{Serialize, Serializer};
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

impl Serialize for RequestId {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
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
        d.deserialize_any(V)
    }
}
