//! Owns what the settings say of paths: how one is read, and how it is shown where it may be a secret that was
//! written there by mistake. Notes problems as all of [`super::sections`] does. Reads no file.

use super::masked;
use super::sections::Reader;
use std::path::{Path, PathBuf};

impl Reader<'_> {
    /// A path: absolute in the end. `$CREDENTIALS_DIRECTORY/` in front is where systemd's
    /// `LoadCredential=` puts files; nothing else is expanded.
    pub(super) fn path(&mut self, key: &str) -> Option<PathBuf> {
        const CREDENTIALS: &str = "$CREDENTIALS_DIRECTORY/";
        let text = self.values.text(key)?;
        if !masked::can_be_path(&text) {
            let reason = "what stands there is no path, but perhaps what belongs into the file: write where \
                          the file is";
            self.values.refuse(key, reason);
            return None;
        }
        if let Some(name) = text.strip_prefix(CREDENTIALS) {
            return match self.environment.credentials() {
                Some(directory) => Some(Path::new(directory).join(name)),
                None => {
                    let reason = "$CREDENTIALS_DIRECTORY is not set; it is there only when systemd starts the \
                                  daemon with LoadCredential=";
                    self.values.refuse(key, reason);
                    None
                }
            };
        }
        if text.is_empty() || text.starts_with(['$', '~']) {
            let shown =
                if masked::may_show(key, &text) { format!("{text:?}") } else { "what it is".to_owned() };
            let reason = format!(
                "{shown} is no path; write it out: only $CREDENTIALS_DIRECTORY/ at the start is expanded"
            );
            self.values.refuse(key, reason);
            return None;
        }
        Some(self.base.join(text))
    }

    /// Refuses a key that is not there where its name may be the key itself: whoever reads it later would name it.
    pub(super) fn key_is_there(&mut self, file: &Path) {
        const KEY: &str = "tls.key";
        if !file.exists() && !self.is_shown(KEY, file) {
            let shown = self.shown_file(KEY, file);
            self.values.refuse(KEY, format!("{shown} is not there; write where the file with the key is"));
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
        let written = self.values.layers.get(key).map(|(value, _)| value.to_string());
        file.exists() || written.is_some_and(|written| masked::may_show(key, &written))
    }
}
