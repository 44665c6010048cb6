//! Owns how the fields of a request's data are read: each by itself, so that the sentence can name
//! it. Called by the parser only. Never knows which op a field belongs to.

use super::{Place, Refusal};
use crate::{ErrorKind, Name, NameError};
use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// A field as it lies in the line, if it is there.
pub(super) type Raw<'a> = Option<&'a RawValue>;

/// Makes the struct of a request's fields, each as it lies in the line.
macro_rules! raw_fields {
    ($name:ident: $($field:ident),+) => {
        #[derive(serde::Deserialize)]
        struct $name<'a> {
            $(#[serde(borrow)] $field: $crate::request::fields::Raw<'a>,)+
        }
    };
}
pub(super) use raw_fields;

/// `null` counts as left out.
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
    // Off the thread that decides, and once.
    Name::parse(&text.0).map(Name::prepared).map_err(|e| invalid(field_name, &e))
}

pub(super) fn place(raw: Raw<'_>, field_name: &str) -> Result<Place, Refusal> {
    let text: Str<'_> = field(raw, field_name)?;
    // As above: where it points nowhere, the hub looks for one that looks the same. For ASCII that costs next to nothing.
    let prepared = |name: Name| if name.is_prepared() { name } else { name.prepared() };
    Ok(Place(Name::parse(&text.0).ok().map(prepared)))
}

/// serde's message without its position, which is one within the field and would mislead.
pub(super) fn sentence(e: &serde_json::Error) -> String {
    let mut text = e.to_string();
    if let Some(at) = text.rfind(" at line ") {
        text.truncate(at);
    }
    text.chars().take(200).collect()
}

/// A string borrowed from the line where it has no escapes.
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
