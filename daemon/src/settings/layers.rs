//! Owns where values come from: the built-in defaults, the file, the environment and the flags,
//! laid over each other with the `config` crate. Finds what is no setting, with line and column.
//! Never knows what a value means.
//!
//! `config` alone is too lax (it makes 2 of 1.9 and says nothing of a key that it does not know),
//! so the file is looked through with `toml`'s spans first, and [`super::values`] reads strictly.

use super::problem::{Origin, Problem, Text};
use super::show;
use config::{Config, Environment as EnvironmentSource, File, FileFormat, Map, Source, Value};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// What environment variables for settings start with.
pub(super) const PREFIX: &str = "TCP_CHATD";
const SEPARATOR: &str = "__";

/// The environment, as far as it is about settings. Taken once, so that a reload sees the same.
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

/// The values of all keys, each with where it came from, and what was found wrong on the way.
#[derive(Debug)]
pub(super) struct Layers {
    values: Map<String, Value>,
    spans: BTreeMap<String, Range<usize>>,
    text: Option<Text>,
    environment: BTreeMap<String, String>,
    flags: BTreeMap<String, String>,
    pub(super) problems: Vec<Problem>,
}

impl Layers {
    /// Lays flags over environment over file over defaults.
    pub(super) fn new(text: Option<Text>, environment: &Environment, flags: &[(String, String)]) -> Self {
        let mut layers = Self {
            values: Map::new(),
            spans: BTreeMap::new(),
            text: None,
            environment: BTreeMap::new(),
            flags: BTreeMap::new(),
            problems: Vec::new(),
        };
        let readable = text.as_ref().is_some_and(|text| layers.look_through(text));
        let variables = layers.take_environment(environment);
        layers.take_flags(flags);
        layers.text = text;

        let mut builder = Config::builder();
        let mut failures = Vec::new();
        for (key, value) in show::defaults() {
            match builder.clone().set_default(key, value) {
                Ok(set) => builder = set,
                Err(e) => failures.push(not_laid(&e)),
            }
        }
        if let Some(text) = layers.text.as_ref().filter(|_| readable) {
            builder = builder.add_source(File::from_str(&text.text, FileFormat::Toml));
        }
        let source = EnvironmentSource::with_prefix(PREFIX)
            .prefix_separator(SEPARATOR)
            .separator(SEPARATOR)
            .source(Some(variables));
        builder = builder.add_source(source);
        for (key, value) in &layers.flags {
            match builder.clone().set_override(key, value.as_str()) {
                Ok(set) => builder = set,
                Err(e) => failures.push(not_laid(&e)),
            }
        }
        match builder.build().and_then(|config| config.collect()) {
            Ok(values) => layers.values = values,
            Err(e) => failures.push(not_laid(&e)),
        }
        for failure in failures {
            layers.problems.push(Problem {
                place: "settings".to_owned(),
                key: String::new(),
                reason: failure,
                excerpt: None,
            });
        }
        layers
    }

    /// The value of a key and where it came from; `None`: nobody set it and it has no default.
    pub(super) fn get(&self, key: &str) -> Option<(&Value, Origin)> {
        let (section, name) = key.split_once('.')?;
        let table = match &self.values.get(section)?.kind {
            config::ValueKind::Table(table) => table,
            _ => return None,
        };
        table.get(name).map(|value| (value, self.origin(key)))
    }

    /// Where the value of a key came from.
    pub(super) fn origin(&self, key: &str) -> Origin {
        if self.flags.contains_key(key) {
            Origin::Flag
        } else if let Some(name) = self.environment.get(key) {
            Origin::Environment(name.clone())
        } else if let (Some(span), Some(text)) = (self.spans.get(key), &self.text) {
            let (line, column) = text.position(span.start);
            Origin::File { line, column }
        } else {
            Origin::Default
        }
    }

    /// Notes that the value of a key is wrong, at the place where it was set.
    pub(super) fn refuse(&mut self, key: &str, reason: impl Into<String>) {
        let reason = reason.into();
        let problem = match (self.origin(key), self.spans.get(key), &self.text) {
            (Origin::File { .. }, Some(span), Some(text)) => text.problem(span.clone(), key, reason),
            (Origin::Environment(name), ..) => at(format!("environment variable {name}"), key, reason),
            (Origin::Flag, ..) => at("--set".to_owned(), key, reason),
            // A default is wrong only together with something that was set: name the file to edit.
            (_, _, Some(text)) => at(text.path.display().to_string(), key, reason),
            _ => at("settings".to_owned(), key, reason),
        };
        self.problems.push(problem);
    }

    /// Checks the file's keys and remembers where each stands. False: it is no TOML.
    fn look_through(&mut self, text: &Text) -> bool {
        let (table, errors) = DeTable::parse_recoverable(&text.text);
        for error in &errors {
            let at = error.span().unwrap_or_default().start;
            self.problems.push(text.no_toml(at, format!("this is no TOML: {}", error.message())));
        }
        if !errors.is_empty() {
            return false;
        }
        for (section, content) in table.get_ref() {
            let name: &str = section.get_ref();
            if !show::keys().any(|key| key.split_once('.').is_some_and(|(s, _)| s == name)) {
                self.problems.push(text.problem(section.span(), name, no_setting(name)));
                continue;
            }
            match content.get_ref() {
                DeValue::Table(keys) => self.look_through_section(text, name, keys),
                _ => {
                    let reason = format!("this is a section: write [{name}] and its keys below it");
                    self.problems.push(text.problem(content.span(), name, reason));
                }
            }
        }
        true
    }

    fn look_through_section(&mut self, text: &Text, section: &str, keys: &DeTable<'_>) {
        for (name, value) in keys {
            let key = format!("{section}.{}", name.get_ref());
            if show::keys().any(|known| known == key) {
                self.spans.insert(key, Spanned::span(value));
            } else {
                self.problems.push(text.problem(name.span(), &key, no_setting(&key)));
            }
        }
    }

    /// Checks the names of the variables; gives those that are settings.
    fn take_environment(&mut self, environment: &Environment) -> Map<String, String> {
        let prefix = format!("{PREFIX}{SEPARATOR}");
        let mut known = Map::new();
        for (name, value) in &environment.settings {
            let place = || format!("environment variable {name}");
            let key = name.strip_prefix(&prefix).unwrap_or_default().replace(SEPARATOR, ".").to_lowercase();
            if *name != name.to_uppercase() {
                let reason = format!("write it in capitals: {}", name.to_uppercase());
                self.problems.push(at(place(), "", reason));
            } else if show::keys().any(|k| k == key) {
                self.environment.insert(key, name.clone());
                known.insert(name.clone(), value.clone());
            } else {
                self.problems.push(at(place(), &key, no_setting(&key)));
            }
        }
        for name in &environment.not_text {
            self.problems.push(at(format!("environment variable {name}"), "", "it is not UTF-8".to_owned()));
        }
        known
    }

    fn take_flags(&mut self, flags: &[(String, String)]) {
        for (key, value) in flags {
            if show::keys().any(|known| known == key) {
                self.flags.insert(key.clone(), value.clone());
            } else {
                self.problems.push(at("--set".to_owned(), key, no_setting(key)));
            }
        }
    }
}

/// The file, the environment and the flags do not fit over each other. What `config` says of it may hold a
/// value.
fn not_laid(error: &config::ConfigError) -> String {
    let what = match error {
        config::ConfigError::PathParse { .. } => "a key is none",
        config::ConfigError::FileParse { .. } => "the file is no TOML",
        _ => "a value has another shape than its default",
    };
    format!("file, environment and flags do not fit together: {what}; `tcp-chatd config` without them works")
}

fn at(place: String, key: &str, reason: String) -> Problem {
    Problem { place, key: key.to_owned(), reason, excerpt: None }
}

/// "This is no setting", with the nearest one that is.
fn no_setting(key: &str) -> String {
    let candidates: Vec<&str> = if key.contains('.') {
        show::keys().collect()
    } else {
        show::keys().filter_map(|known| known.split_once('.').map(|(section, _)| section)).collect()
    };
    let nearest = candidates
        .into_iter()
        .map(|known| (strsim::damerau_levenshtein(known, key), known))
        .min()
        .filter(|(distance, _)| *distance <= 3);
    match nearest {
        Some((_, known)) => format!("there is no such setting; did you mean {known}?"),
        None => "there is no such setting; config.toml of this version lists all of them".to_owned(),
    }
}
