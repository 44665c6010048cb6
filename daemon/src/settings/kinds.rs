//! Owns the kinds of values that are not texts: strict reading, showing and describing. The environment and the
//! command line have only texts, while the file has types. The kinds of texts are in `texts`. Notes a problem and
//! continues. Reads no file.

use super::problem::Origin;
use super::reader::SettingsReader;
use super::units::{self, show_duration, show_size};
use std::ops::RangeInclusive;
use std::time::Duration;
use toml::Value;

/// A kind of value.
pub(super) trait Kind<T> {
    /// Reads the value of a key. `None`: it is not set and has no default, or it was refused.
    fn read(&self, reader: &mut SettingsReader<'_>, key: &'static str) -> Option<T>;
    /// The value as TOML; `None`: it is not set.
    fn show(&self, value: &T) -> Option<Value>;
    /// The allowed values, for the documentation.
    fn allowed(&self) -> String;
    /// Whether a value may be shown as it was written.
    fn may_show(&self) -> MayShow {
        MayShow::Always
    }
}

/// Whether a value may be shown to a person or in the log as it was written. An operator may write the content of
/// a secret file by mistake where its path belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MayShow {
    /// Always.
    Always,
    /// If it can be a path.
    IfPath,
    /// If it cannot be the content of a private key.
    IfWrittenAsPath,
    /// Never: a password can look like a path.
    Never,
}

/// `true` or `false`.
pub(super) struct Flag;

impl Kind<bool> for Flag {
    fn read(&self, reader: &mut SettingsReader<'_>, key: &'static str) -> Option<bool> {
        let (value, origin) = reader.layers.get(key)?;
        let read = match &value {
            Value::Boolean(flag) => Some(*flag),
            Value::String(text) if is_text(&origin) => text.parse().ok(),
            _ => None,
        };
        let read = read.ok_or_else(|| format!("{} is neither true nor false", shown(&value)));
        reader.value_or_note(key, read)
    }

    fn show(&self, value: &bool) -> Option<Value> {
        Some(Value::Boolean(*value))
    }

    fn allowed(&self) -> String {
        "`true`, `false`".to_owned()
    }
}

/// A whole number.
pub(super) struct Number(pub(super) RangeInclusive<u64>);

impl<T: TryFrom<u64> + Copy> Kind<T> for Number
where
    u64: TryFrom<T>,
{
    fn read(&self, reader: &mut SettingsReader<'_>, key: &'static str) -> Option<T> {
        let (value, origin) = reader.layers.get(key)?;
        let number = match &value {
            Value::Integer(number) => (*number).try_into().ok(),
            Value::String(text) if is_text(&origin) => text.trim().parse().ok(),
            _ => None,
        };
        let number = number.filter(|number| self.0.contains(number)).and_then(|n| T::try_from(n).ok());
        let (low, high) = (self.0.start(), self.0.end());
        let read =
            number.ok_or_else(|| format!("{} is not a whole number from {low} to {high}", shown(&value)));
        reader.value_or_note(key, read)
    }

    fn show(&self, value: &T) -> Option<Value> {
        let number = u64::try_from(*value).ok().and_then(|number| i64::try_from(number).ok());
        Some(Value::Integer(number.unwrap_or(i64::MAX)))
    }

    fn allowed(&self) -> String {
        format!("{} to {}", self.0.start(), self.0.end())
    }
}

/// A size in bytes: a number, or a text with a unit.
pub(super) struct Size(pub(super) RangeInclusive<u64>);

impl Kind<usize> for Size {
    fn read(&self, reader: &mut SettingsReader<'_>, key: &'static str) -> Option<usize> {
        let (value, _) = reader.layers.get(key)?;
        let read = match &value {
            Value::Integer(number) => u64::try_from(*number).map_err(|_| format!("{number} is not a size")),
            Value::String(text) => units::size(text),
            _ => Err(format!(
                r#"{} is not a size; write a number of bytes, or one with a unit, such as "64 KiB""#,
                shown(&value)
            )),
        };
        let show = |n: u64| show_size(n).unwrap_or_else(|| format!("{n} bytes"));
        let bounded = read.and_then(|bytes| within(&self.0, bytes, format!("{bytes} bytes"), show));
        reader.value_or_note(key, bounded).and_then(|bytes| usize::try_from(bytes).ok())
    }

    fn show(&self, value: &usize) -> Option<Value> {
        Some(size(*value as u64))
    }

    fn allowed(&self) -> String {
        let shown = |bytes: u64| show_size(bytes).unwrap_or_else(|| format!("{bytes} B"));
        format!("{} to {}", shown(*self.0.start()), shown(*self.0.end()))
    }
}

/// A size with a unit if one divides it, otherwise a number of bytes.
pub(super) fn size(bytes: u64) -> Value {
    match show_size(bytes) {
        Some(text) => Value::String(text),
        None => Value::Integer(i64::try_from(bytes).unwrap_or(i64::MAX)),
    }
}

/// A duration.
pub(super) struct Span(pub(super) RangeInclusive<Duration>);

impl Kind<Duration> for Span {
    fn read(&self, reader: &mut SettingsReader<'_>, key: &'static str) -> Option<Duration> {
        let (value, _) = reader.layers.get(key)?;
        let read = match &value {
            Value::String(text) => units::duration(text),
            _ => Err(format!(
                r#"{} is not a duration; write a text with a unit, such as "90s", "2m" or "30d""#,
                shown(&value)
            )),
        };
        let bounded = read.and_then(|span| within(&self.0, span, show_duration(span), show_duration));
        reader.value_or_note(key, bounded)
    }

    fn show(&self, value: &Duration) -> Option<Value> {
        Some(Value::String(show_duration(*value)))
    }

    fn allowed(&self) -> String {
        format!("{} to {}", show_duration(*self.0.start()), show_duration(*self.0.end()))
    }
}

/// One of several words.
pub(super) struct OneOf<T: 'static>(pub(super) &'static [(&'static str, T)]);

impl<T: Copy + PartialEq> Kind<T> for OneOf<T> {
    fn read(&self, reader: &mut SettingsReader<'_>, key: &'static str) -> Option<T> {
        let text = reader.text(key)?;
        let meaning = self.0.iter().find(|(word, _)| *word == text).map(|(_, meaning)| *meaning);
        let words = || self.0.iter().map(|(word, _)| format!("{word:?}")).collect::<Vec<_>>().join(", ");
        let read = meaning.ok_or_else(|| format!("{text:?} is none of {}", words()));
        reader.value_or_note(key, read)
    }

    fn show(&self, value: &T) -> Option<Value> {
        self.0.iter().find(|(_, meaning)| meaning == value).map(|(word, _)| Value::from(*word))
    }

    fn allowed(&self) -> String {
        self.0.iter().map(|(word, _)| format!("`\"{word}\"`")).collect::<Vec<_>>().join(", ")
    }
}

/// A setting that may have no value.
pub(super) struct Maybe<K>(pub(super) K);

impl<T, K: Kind<T>> Kind<Option<T>> for Maybe<K> {
    fn read(&self, reader: &mut SettingsReader<'_>, key: &'static str) -> Option<Option<T>> {
        Some(self.0.read(reader, key))
    }

    fn show(&self, value: &Option<T>) -> Option<Value> {
        value.as_ref().and_then(|value| self.0.show(value))
    }

    fn allowed(&self) -> String {
        self.0.allowed()
    }

    fn may_show(&self) -> MayShow {
        self.0.may_show()
    }
}

/// A limit that is off at 0, with the form in which 0 is shown.
pub(super) struct ZeroIsOff<K>(pub(super) K, pub(super) fn() -> Value);

impl<T: Default + PartialEq, K: Kind<T>> Kind<Option<T>> for ZeroIsOff<K> {
    fn read(&self, reader: &mut SettingsReader<'_>, key: &'static str) -> Option<Option<T>> {
        self.0.read(reader, key).map(|value| Some(value).filter(|value| *value != T::default()))
    }

    fn show(&self, value: &Option<T>) -> Option<Value> {
        value.as_ref().map_or_else(|| Some((self.1)()), |value| self.0.show(value))
    }

    fn allowed(&self) -> String {
        self.0.allowed()
    }
}

fn within<T: PartialOrd + Copy>(
    range: &RangeInclusive<T>,
    value: T,
    shown: String,
    show: impl Fn(T) -> String,
) -> Result<T, String> {
    let refused = || format!("{shown} is not from {} to {}", show(*range.start()), show(*range.end()));
    if range.contains(&value) { Ok(value) } else { Err(refused()) }
}

/// Whether the value is a text because of its origin: the environment and flags have no other types.
pub(super) fn is_text(origin: &Origin) -> bool {
    matches!(origin, Origin::Environment(_) | Origin::Flag)
}

/// A value in the form for a sentence.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::Table(_) => "a table".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::String(text) => format!("{text:?}"),
        // 1.0, not 1: "1 is not a whole number" would confuse.
        Value::Float(number) => format!("{number:?}"),
        _ => value.to_string(),
    }
}
