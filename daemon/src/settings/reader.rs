//! Owns the reader of settings: the layers of values, the environment, and the directory of relative paths. Reads
//! texts, lists and paths, and hides a path that may be a secret. Notes a problem and returns `None`, so one run
//! shows all problems. Reads no file.

use super::kinds::{is_text, shown};
use super::layers::{Environment, Layers};
use super::{Origin, masked};
use std::path::{Path, PathBuf};
use toml::Value;

/// Turns values into settings.
pub(super) struct SettingsReader<'a> {
    pub(super) layers: Layers,
    pub(super) environment: &'a Environment,
    /// The directory of relative paths.
    pub(super) base: &'a Path,
    /// Whether a permission was missing for a file.
    pub(super) permission: bool,
}

impl SettingsReader<'_> {
    /// Whether the key is set in any layer.
    pub(super) fn is_set(&self, key: &str) -> bool {
        self.layers.origin(key) != Origin::Default
    }

    /// Whether the value of the key was refused.
    pub(super) fn is_refused(&self, key: &str) -> bool {
        self.layers.problems.iter().any(|problem| problem.key == key)
    }

    /// Notes a problem with a key.
    pub(super) fn refuse(&mut self, key: &str, reason: impl Into<String>) {
        self.layers.refuse(key, reason);
    }

    /// The value; notes a problem if there is none.
    pub(super) fn value_or_note<T>(&mut self, key: &str, read: Result<T, String>) -> Option<T> {
        read.map_err(|reason| self.refuse(key, reason)).ok()
    }

    /// A text.
    pub(super) fn text(&mut self, key: &str) -> Option<String> {
        let (value, _) = self.layers.get(key)?;
        let read = match &value {
            Value::String(text) => Ok(text.clone()),
            // A password that was written by mistake may be a number.
            _ if !masked::may_show(key, "x") => Err("the value is not a text; put it in quotes".to_owned()),
            _ => Err(format!("{} is not a text; put it in quotes", shown(&value))),
        };
        self.value_or_note(key, read)
    }

    /// A list of texts: a list, a single text, or in the environment texts separated by commas.
    pub(super) fn list(&mut self, key: &str) -> Option<Vec<String>> {
        let (value, origin) = self.layers.get(key)?;
        let read = match &value {
            Value::String(text) if is_text(&origin) => {
                Ok(text.split(',').map(str::trim).filter(|s| !s.is_empty()).map(str::to_owned).collect())
            }
            Value::String(text) => Ok(vec![text.clone()]),
            Value::Array(values) => values
                .iter()
                .map(|value| match value {
                    Value::String(text) => Ok(text.clone()),
                    Value::Datetime(date) => Ok(date.to_string()),
                    _ => Err(format!("{} in the list is not a text; put it in quotes", shown(value))),
                })
                .collect(),
            _ => Err(format!("{} is not a list of texts; write [\"...\", \"...\"]", shown(&value))),
        };
        self.value_or_note(key, read)
    }

    /// A path, made absolute. Expands `$CREDENTIALS_DIRECTORY/` at the start, where systemd's `LoadCredential=`
    /// puts files, and nothing else.
    pub(super) fn path(&mut self, key: &str) -> Option<PathBuf> {
        let text = self.text(key)?;
        let path = self.resolve(key, &text);
        self.value_or_note(key, path)
    }

    fn resolve(&self, key: &str, text: &str) -> Result<PathBuf, String> {
        if !masked::is_possible_path(text) {
            let reason = "the value is not a path, but perhaps the content of the file: write the path of the \
                          file";
            return Err(reason.to_owned());
        }
        if let Some(name) = text.strip_prefix("$CREDENTIALS_DIRECTORY/") {
            let reason = "$CREDENTIALS_DIRECTORY is not set; it is set only if systemd starts the \
                          daemon with LoadCredential=";
            let directory = self.environment.credentials().ok_or(reason)?;
            return Ok(Path::new(directory).join(name));
        }
        if text.is_empty() || text.starts_with(['$', '~']) {
            let shown =
                if masked::may_show(key, text) { format!("{text:?}") } else { "the value".to_owned() };
            let rule = "only $CREDENTIALS_DIRECTORY/ at the start is expanded";
            return Err(format!("{shown} is not a path; write it out: {rule}"));
        }
        Ok(self.base.join(text))
    }

    /// Refuses a missing key file if its name may be the key itself: a later error would show the name.
    pub(super) fn check_key_exists(&mut self, file: &Path) {
        const KEY: &str = "tls.key";
        if !file.exists() && !self.is_shown(KEY, file) {
            let shown = self.shown_file(KEY, file);
            self.refuse(KEY, format!("{shown} does not exist; write the path of the key file"));
        }
    }

    /// A secret file, for a sentence: its path if it exists or may be shown. Otherwise the written text may be
    /// the secret itself.
    pub(super) fn shown_file(&self, key: &str, file: &Path) -> String {
        match self.is_shown(key, file) {
            true => file.display().to_string(),
            false => format!("the file that it names, in {},", self.base.display()),
        }
    }

    fn is_shown(&self, key: &str, file: &Path) -> bool {
        let written = self.layers.get(key).and_then(|(value, _)| value.as_str().map(str::to_owned));
        file.exists() || written.is_some_and(|written| masked::may_show(key, &written))
    }
}
