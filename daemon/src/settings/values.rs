//! Owns reading single values strictly: what is written as text in the environment or on the
//! command line, and what has a type in the file. Every method notes what is wrong and gives
//! `None` then, so that all problems come to light at once.

use super::layers::Layers;
use super::problem::Origin;
use super::units;
use config::{Value, ValueKind};
use std::ops::RangeInclusive;
use std::time::Duration;

/// Reads the values of [`Layers`].
#[derive(Debug)]
pub(super) struct Values {
    pub(super) layers: Layers,
}

impl Values {
    /// Did anybody set the key?
    pub(super) fn is_set(&self, key: &str) -> bool {
        self.layers.origin(key) != Origin::Default
    }

    /// Notes what is wrong with a key.
    pub(super) fn refuse(&mut self, key: &str, reason: impl Into<String>) {
        self.layers.refuse(key, reason);
    }

    /// A text.
    pub(super) fn text(&mut self, key: &str) -> Option<String> {
        let (value, _) = self.layers.get(key)?;
        if let ValueKind::String(text) = &value.kind {
            return Some(text.clone());
        }
        let reason = format!("{} is no text; put it in quotes", shown(value));
        self.refuse(key, reason);
        None
    }

    /// `true` or `false`.
    pub(super) fn flag(&mut self, key: &str) -> Option<bool> {
        let (value, origin) = self.layers.get(key)?;
        match &value.kind {
            ValueKind::Boolean(flag) => return Some(*flag),
            ValueKind::String(text) if is_text(&origin) => match text.as_str() {
                "true" => return Some(true),
                "false" => return Some(false),
                _ => {}
            },
            _ => {}
        }
        let reason = format!("{} is neither true nor false", shown(value));
        self.refuse(key, reason);
        None
    }

    /// A whole number.
    pub(super) fn count(&mut self, key: &str, allowed: RangeInclusive<u64>) -> Option<u64> {
        let (value, origin) = self.layers.get(key)?;
        let number = match &value.kind {
            ValueKind::I64(number) => u64::try_from(*number).ok(),
            ValueKind::U64(number) => Some(*number),
            ValueKind::String(text) if is_text(&origin) => text.trim().parse().ok(),
            _ => None,
        };
        match number {
            Some(number) if allowed.contains(&number) => Some(number),
            _ => {
                let (low, high) = (allowed.start(), allowed.end());
                let reason = format!("{} is no whole number from {low} to {high}", shown(value));
                self.refuse(key, reason);
                None
            }
        }
    }

    /// The same as a `usize`.
    pub(super) fn number(&mut self, key: &str, allowed: RangeInclusive<u64>) -> Option<usize> {
        self.count(key, allowed).and_then(|n| usize::try_from(n).ok())
    }

    /// A size in bytes: a number, or a text with a unit.
    pub(super) fn size(&mut self, key: &str, allowed: RangeInclusive<u64>) -> Option<usize> {
        let (value, _) = self.layers.get(key)?;
        let read = match &value.kind {
            ValueKind::I64(number) => u64::try_from(*number).map_err(|_| format!("{number} is no size")),
            ValueKind::U64(number) => Ok(*number),
            ValueKind::String(text) => units::size(text),
            _ => Err(format!(
                r#"{} is no size; write a number of bytes, or one with a unit, such as "64 KiB""#,
                shown(value)
            )),
        };
        let bounded = read.and_then(|bytes| {
            if allowed.contains(&bytes) {
                return Ok(bytes);
            }
            let show = |n: u64| units::show_size(n).unwrap_or_else(|| format!("{n} bytes"));
            Err(format!("{bytes} bytes is not from {} to {}", show(*allowed.start()), show(*allowed.end())))
        });
        self.settle(key, bounded).and_then(|bytes| usize::try_from(bytes).ok())
    }

    /// A duration.
    pub(super) fn duration(&mut self, key: &str, allowed: RangeInclusive<Duration>) -> Option<Duration> {
        let (value, _) = self.layers.get(key)?;
        let read = match &value.kind {
            ValueKind::String(text) => units::duration(text),
            _ => Err(format!(
                r#"{} is no duration; write a text with a unit, such as "90s", "2m" or "30d""#,
                shown(value)
            )),
        };
        let bounded = read.and_then(|duration| {
            if allowed.contains(&duration) {
                return Ok(duration);
            }
            let [what, low, high] = [duration, *allowed.start(), *allowed.end()].map(units::show_duration);
            Err(format!("{what} is not from {low} to {high}"))
        });
        self.settle(key, bounded)
    }

    /// One of some words.
    pub(super) fn choice<T: Copy>(&mut self, key: &str, words: &[(&str, T)]) -> Option<T> {
        let text = self.text(key)?;
        if let Some((_, meaning)) = words.iter().find(|(word, _)| *word == text) {
            return Some(*meaning);
        }
        let list: Vec<String> = words.iter().map(|(word, _)| format!("{word:?}")).collect();
        self.refuse(key, format!("{text:?} is none of {}", list.join(", ")));
        None
    }

    /// A list of texts: a list, a single text, or in the environment texts with commas between.
    pub(super) fn list(&mut self, key: &str) -> Option<Vec<String>> {
        let (value, origin) = self.layers.get(key)?;
        let read = match &value.kind {
            ValueKind::String(text) if is_text(&origin) => {
                Ok(text.split(',').map(str::trim).filter(|s| !s.is_empty()).map(str::to_owned).collect())
            }
            ValueKind::String(text) => Ok(vec![text.clone()]),
            ValueKind::Array(values) => values
                .iter()
                .map(|value| match &value.kind {
                    ValueKind::String(text) => Ok(text.clone()),
                    _ => Err(format!("{} in the list is no text; put it in quotes", shown(value))),
                })
                .collect(),
            _ => Err(format!("{} is no list of texts; write [\"...\", \"...\"]", shown(value))),
        };
        self.settle(key, read)
    }

    fn settle<T>(&mut self, key: &str, read: Result<T, String>) -> Option<T> {
        match read {
            Ok(value) => Some(value),
            Err(reason) => {
                self.refuse(key, reason);
                None
            }
        }
    }
}

/// Values of the environment and of flags are texts whatever they mean.
fn is_text(origin: &Origin) -> bool {
    matches!(origin, Origin::Environment(_) | Origin::Flag)
}

/// A value as it may be shown in a sentence.
fn shown(value: &Value) -> String {
    match &value.kind {
        ValueKind::String(text) => format!("{text:?}"),
        ValueKind::Table(_) => "a table".to_owned(),
        ValueKind::Array(_) => "a list".to_owned(),
        ValueKind::Nil => "nothing".to_owned(),
        // `config` shows 1.0 as 1: then "1 is no whole number" would be a riddle.
        ValueKind::Float(number) => format!("{number:?}"),
        _ => value.to_string(),
    }
}
