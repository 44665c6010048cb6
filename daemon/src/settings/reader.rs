//! Owns what settings are read with: the layers of values, the environment, and the folder where relative paths start.
//! Reads texts, lists and paths, and shows a path where it may be a secret that was written there by mistake. Notes
//! what is wrong, and gives `None` then, so that one run shows all problems. Reads no file.

use super::kinds::{is_text, shown};
use super::layers::{Environment, Layers};
use super::{Origin, masked};
use std::path::{Path, PathBuf};
use toml::Value;

/// Turns values into settings.
pub(super) struct Reader<'a> {
    pub(super) layers: Layers,
    pub(super) environment: &'a Environment,
    /// Where relative paths start.
    pub(super) base: &'a Path,
    /// A file could not be read for lack of permission.
    pub(super) permission: bool,
}

impl Reader<'_> {
    /// Did anybody set the key?
    pub(super) fn is_set(&self, key: &str) -> bool {
        self.layers.origin(key) != Origin::Default
    }

    /// Was the value of the key refused?
    pub(super) fn is_refused(&self, key: &str) -> bool {
        self.layers.problems.iter().any(|problem| problem.key == key)
    }

    /// Notes what is wrong with a key.
    pub(super) fn refuse(&mut self, key: &str, reason: impl Into<String>) {
        self.layers.refuse(key, reason);
    }

    /// The value, or a note of what is wrong with it.
    pub(super) fn settle<T>(&mut self, key: &str, read: Result<T, String>) -> Option<T> {
        read.map_err(|reason| self.refuse(key, reason)).ok()
    }

    /// A text.
    pub(super) fn text(&mut self, key: &str) -> Option<String> {
        let (value, _) = self.layers.get(key)?;
        let read = match &value {
            Value::String(text) => Ok(text.clone()),
            // A password that was written there by mistake may be a number.
            _ if !masked::may_show(key, "x") => {
                Err("what stands there is no text; put it in quotes".to_owned())
            }
            _ => Err(format!("{} is no text; put it in quotes", shown(&value))),
        };
        self.settle(key, read)
    }

    /// A list of texts: a list, a single text, or in the environment texts with commas between.
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
                    _ => Err(format!("{} in the list is no text; put it in quotes", shown(value))),
                })
                .collect(),
            _ => Err(format!("{} is no list of texts; write [\"...\", \"...\"]", shown(&value))),
        };
        self.settle(key, read)
    }

    /// A path: absolute in the end. `$CREDENTIALS_DIRECTORY/` in front is where systemd's
    /// `LoadCredential=` puts files; nothing else is expanded.
    pub(super) fn path(&mut self, key: &str) -> Option<PathBuf> {
        let text = self.text(key)?;
        let path = self.resolve(key, &text);
        self.settle(key, path)
    }

    fn resolve(&self, key: &str, text: &str) -> Result<PathBuf, String> {
        if !masked::can_be_path(text) {
            let reason = "what stands there is no path, but perhaps what belongs into the file: write where \
                          the file is";
            return Err(reason.to_owned());
        }
        if let Some(name) = text.strip_prefix("$CREDENTIALS_DIRECTORY/") {
            let reason = "$CREDENTIALS_DIRECTORY is not set; it is there only when systemd starts the \
                          daemon with LoadCredential=";
            let directory = self.environment.credentials().ok_or(reason)?;
            return Ok(Path::new(directory).join(name));
        }
        if text.is_empty() || text.starts_with(['$', '~']) {
            let shown =
                if masked::may_show(key, text) { format!("{text:?}") } else { "what it is".to_owned() };
            let rule = "only $CREDENTIALS_DIRECTORY/ at the start is expanded";
            return Err(format!("{shown} is no path; write it out: {rule}"));
        }
        Ok(self.base.join(text))
    }

    /// Refuses a key that is not there where its name may be the key itself: whoever reads it later would name it.
    pub(super) fn key_is_there(&mut self, file: &Path) {
        const KEY: &str = "tls.key";
        if !file.exists() && !self.is_shown(KEY, file) {
            let shown = self.shown_file(KEY, file);
            self.refuse(KEY, format!("{shown} is not there; write where the file with the key is"));
        }
    }

    /// A file with a secret, for a sentence: its path where there is one. Otherwise what was written
    /// may be the secret itself.
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
