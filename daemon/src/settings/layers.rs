//! Owns the layers of values: built-in defaults, file, environment and flags, in rising priority. Finds unknown
//! settings, with line and column. Never knows the meaning of a value.

use super::key::{key, keys};
use super::problem::{Origin, Problem, Text};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::ops::Range;
use toml::de::{DeTable, DeValue};
use toml::{Spanned, Value};

/// The prefix of environment variables for settings.
pub(super) const PREFIX: &str = "TCP_CHATD";
const SEPARATOR: &str = "__";

/// The environment variables for settings. Read once, so a reload sees the same ones.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Environment {
    settings: BTreeMap<String, String>,
    port: Option<String>,
    credentials: Option<String>,
    not_text: Vec<String>,
}

impl Environment {
    /// The environment of this process.
    #[must_use]
    pub fn of_process() -> Self {
        std::env::vars_os().collect()
    }

    /// `PORT`, if it is set and not empty.
    pub(super) fn port(&self) -> Option<&str> {
        self.port.as_deref()
    }

    /// `CREDENTIALS_DIRECTORY`, as systemd sets it.
    pub(super) fn credentials(&self) -> Option<&str> {
        self.credentials.as_deref()
    }
}

impl FromIterator<(OsString, OsString)> for Environment {
    fn from_iter<T: IntoIterator<Item = (OsString, OsString)>>(vars: T) -> Self {
        let mut environment = Self::default();
        let prefix = format!("{PREFIX}{SEPARATOR}");
        for (name, value) in vars {
            let Ok(name) = name.into_string() else { continue };
            let is_setting = name.to_uppercase().starts_with(&prefix);
            if !is_setting && name != "PORT" && name != "CREDENTIALS_DIRECTORY" {
                continue;
            }
            match value.into_string() {
                Err(_) => environment.not_text.push(name),
                Ok(value) if is_setting => drop(environment.settings.insert(name, value)),
                Ok(value) if value.is_empty() => {}
                Ok(value) if name == "PORT" => environment.port = Some(value),
                Ok(value) => environment.credentials = Some(value),
            }
        }
        environment
    }
}

/// The values of all layers with their origins, and the problems so far.
#[derive(Debug)]
pub(super) struct Layers {
    file: toml::Table,
    /// The span of each value in the file, in bytes.
    spans: BTreeMap<String, Range<usize>>,
    text: Option<Text>,
    /// By key: the name of the variable and its value.
    environment: BTreeMap<String, (String, String)>,
    flags: BTreeMap<String, String>,
    pub(super) problems: Vec<Problem>,
}

impl Layers {
    /// Reads flags over environment over file over defaults.
    pub(super) fn new(text: Option<Text>, environment: &Environment, flags: &[(String, String)]) -> Self {
        let mut layers = Self {
            file: toml::Table::new(),
            spans: BTreeMap::new(),
            text: None,
            environment: BTreeMap::new(),
            flags: BTreeMap::new(),
            problems: Vec::new(),
        };
        if let Some(text) = &text {
            layers.read_file(text);
        }
        layers.read_environment(environment);
        layers.read_flags(flags);
        layers.text = text;
        layers
    }

    /// The value of a key and its origin; `None`: not set, and no default.
    pub(super) fn get(&self, name: &str) -> Option<(Value, Origin)> {
        let origin = self.origin(name);
        let value = match &origin {
            Origin::Flag => Value::String(self.flags.get(name)?.clone()),
            Origin::Environment(_) => Value::String(self.environment.get(name)?.1.clone()),
            Origin::File { .. } => {
                let (section, name) = name.split_once('.')?;
                match self.file.get(section)?.get(name)? {
                    // No setting is a date, so this is a text without quotes.
                    Value::Datetime(date) => Value::String(date.to_string()),
                    value => value.clone(),
                }
            }
            Origin::Default => key(name)?.value.clone()?,
        };
        Some((value, origin))
    }

    /// The origin of the value of a key.
    pub(super) fn origin(&self, key: &str) -> Origin {
        if self.flags.contains_key(key) {
            Origin::Flag
        } else if let Some((name, _)) = self.environment.get(key) {
            Origin::Environment(name.clone())
        } else if let (Some(span), Some(text)) = (self.spans.get(key), &self.text) {
            let (line, column) = text.position(span.start);
            Origin::File { line, column }
        } else {
            Origin::Default
        }
    }

    /// Notes a problem with the value of a key, at the place where it was set.
    pub(super) fn refuse(&mut self, key: &str, reason: impl Into<String>) {
        let reason = reason.into();
        let problem = match (self.origin(key), self.spans.get(key), &self.text) {
            (Origin::File { .. }, Some(span), Some(text)) => text.problem(span.clone(), key, reason),
            (Origin::Environment(name), ..) => at(format!("environment variable {name}"), key, reason),
            (Origin::Flag, ..) => at("--set".to_owned(), key, reason),
            // A default can only be wrong together with a value that was set: names the file to edit.
            (_, _, Some(text)) => at(text.path.display().to_string(), key, reason),
            _ => at("settings".to_owned(), key, reason),
        };
        self.problems.push(problem);
    }

    /// Reads the file, checks its keys and remembers their spans. A file that is not TOML has no values.
    fn read_file(&mut self, text: &Text) {
        let (table, errors) = DeTable::parse_recoverable(&text.text);
        let place = |error: &toml::de::Error| error.span().unwrap_or_default().start;
        for error in &errors {
            self.problems.push(
                text.syntax_problem(place(error), format!("the file is not TOML: {}", error.message())),
            );
        }
        if !errors.is_empty() {
            return;
        }
        match text.text.parse() {
            Ok(values) => self.file = values,
            // The message of this error contains the value, which may be a secret.
            Err(error) => {
                self.problems.push(text.syntax_problem(place(&error), "this number is too large".to_owned()));
                return;
            }
        }
        for (section, content) in table.get_ref() {
            let name: &str = section.get_ref();
            if !keys().iter().any(|key| key.parts().0 == name) {
                self.problems.push(text.problem(section.span(), name, unknown_setting(name)));
                continue;
            }
            match content.get_ref() {
                DeValue::Table(keys) => self.read_section(text, name, keys),
                _ => {
                    let reason = format!("this is a section: write [{name}] and its keys below it");
                    self.problems.push(text.problem(content.span(), name, reason));
                }
            }
        }
    }

    fn read_section(&mut self, text: &Text, section: &str, keys: &DeTable<'_>) {
        for (name, value) in keys {
            let name_of = format!("{section}.{}", name.get_ref());
            if key(&name_of).is_some() {
                self.spans.insert(name_of, Spanned::span(value));
            } else {
                self.problems.push(text.problem(name.span(), &name_of, unknown_setting(&name_of)));
            }
        }
    }

    fn read_environment(&mut self, environment: &Environment) {
        let prefix = format!("{PREFIX}{SEPARATOR}");
        for (name, value) in &environment.settings {
            let place = || format!("environment variable {name}");
            let setting = name.strip_prefix(&prefix).unwrap_or_default();
            let setting = setting.replace(SEPARATOR, ".").to_lowercase();
            if *name != name.to_uppercase() {
                let reason = format!("write it in capitals: {}", name.to_uppercase());
                self.problems.push(at(place(), "", reason));
            } else if key(&setting).is_some() {
                self.environment.insert(setting, (name.clone(), value.clone()));
            } else {
                self.problems.push(at(place(), &setting, unknown_setting(&setting)));
            }
        }
        for name in &environment.not_text {
            self.problems.push(at(format!("environment variable {name}"), "", "it is not UTF-8".to_owned()));
        }
    }

    fn read_flags(&mut self, flags: &[(String, String)]) {
        for (name, value) in flags {
            if key(name).is_some() {
                self.flags.insert(name.clone(), value.clone());
            } else {
                self.problems.push(at("--set".to_owned(), name, unknown_setting(name)));
            }
        }
    }
}

fn at(place: String, key: &str, reason: String) -> Problem {
    Problem { place, key: key.to_owned(), reason, excerpt: None }
}

/// The sentence about an unknown setting, with the most similar known one.
fn unknown_setting(name: &str) -> String {
    let is_key = name.contains('.');
    let nearest = keys()
        .iter()
        .map(|key| if is_key { key.name } else { key.parts().0 })
        .map(|known| (strsim::damerau_levenshtein(known, name), known))
        .min()
        .filter(|(distance, _)| *distance <= 3);
    match nearest {
        Some((_, known)) => format!("there is no such setting; did you mean {known}?"),
        None => "there is no such setting; config.toml of this version lists all of them".to_owned(),
    }
}
