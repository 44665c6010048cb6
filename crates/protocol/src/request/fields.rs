//! Owns the parsing of the fields of a request's data: each one separately, so that the sentence can name it.
//! Called only by the parser. Never knows the op of a field.

use super::{Place, Refusal};
use crate::{ErrorKind, Name, NameError};
use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// A raw field, if it is present.
pub(super) type Raw<'a> = Option<&'a RawValue>;

/// Defines the struct of a request's fields, each as raw JSON.
macro_rules! raw_fields {
    ($name:ident: $($field:ident),+) => {
        #[derive(serde::Deserialize)]
        struct $name<'a> {
            $(#[serde(borrow)] $field: $crate::request::fields::Raw<'a>,)+
        }
    };
}
pub(super) use raw_fields;

/// Treats `null` as absent.
pub(super) fn present(raw: Raw<'_>) -> Raw<'_> {
    raw.filter(|r| r.get() != "null")
}

pub(super) fn bad(msg: impl Into<Cow<'static, str>>) -> Refusal {
    Refusal::new(ErrorKind::Data, msg)
}

pub(super) fn invalid(field: &str, why: &NameError) -> Refusal {
    Refusal::new(ErrorKind::NameInvalid, format!("`{field}`: {why}"))
}

pub(super) fn object<'a, T: Deserialize<'a>>(data: Raw<'a>) -> Result<T, Refusal> {
    let raw = data.ok_or_else(|| bad("`data` is missing"))?;
    if !raw.get().starts_with('{') {
        return Err(bad("`data` is not an object"));
    }
    serde_json::from_str(raw.get()).map_err(|e| bad(format!("`data`: {}", sentence(&e))))
}

pub(super) fn field<'a, T: Deserialize<'a>>(raw: Raw<'a>, name: &str) -> Result<T, Refusal> {
    optional(raw, name)?.ok_or_else(|| bad(format!("`{name}` is missing")))
}

pub(super) fn optional<'a, T: Deserialize<'a>>(raw: Raw<'a>, name: &str) -> Result<Option<T>, Refusal> {
    present(raw)
        .map(|raw| serde_json::from_str(raw.get()))
        .transpose()
        .map_err(|e| bad(format!("`{name}`: {}", sentence(&e))))
}

pub(super) fn limit(raw: Raw<'_>, usual: usize, most: usize) -> Result<usize, Refusal> {
    let limit = optional(raw, "limit")?.unwrap_or(usual);
    if limit == 0 || limit > most {
        return Err(bad(format!("`limit`: 1 to {most}")));
    }
    Ok(limit)
}

pub(super) fn name(raw: &Raw<'_>, field_name: &str) -> Result<Name, Refusal> {
    let text: Str<'_> = field(*raw, field_name)?;
    // Computes the keys once, off the hub's thread.
    Name::parse(&text.0).map(Name::prepared).map_err(|e| invalid(field_name, &e))
}

pub(super) fn place(raw: Raw<'_>, field_name: &str) -> Result<Place, Refusal> {
    let text: Str<'_> = field(raw, field_name)?;
    // As above: if it names nothing, the hub searches for a similar name. For ASCII that costs almost nothing.
    Ok(Place(Name::parse(&text.0).ok().map(Name::prepared_once)))
}

/// serde's message without its position, which counts within the field and would mislead.
pub(super) fn sentence(e: &serde_json::Error) -> String {
    let mut text = e.to_string();
    if let Some(at) = text.rfind(" at line ") {
        text.truncate(at);
    }
    text.chars().take(200).collect()
}

/// A string, borrowed from the line if it has no escapes.
pub(super) struct Str<'a>(pub(super) Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Str<'a> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct V;
        impl<'de> Visitor<'de> for V {
            type Value = Str<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_borrowed_str<E: de::Error>(self, s: &'de str) -> Result<Self::Value, E> {
                Ok(Str(Cow::Borrowed(s)))
            }
            fn visit_str<E: de::Error>(self, s: &str) -> Result<Self::Value, E> {
                Ok(Str(Cow::Owned(s.to_owned())))
            }
        }
        d.deserialize_str(V)
    }
}
